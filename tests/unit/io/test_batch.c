/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support.h"

#include <string.h>

struct fixture {
	int fd;
	struct gds_address address;
	struct gds_batch *batch;
	int client;
	struct gds_address client_address;
};

static void set_up(struct fixture *f)
{
	struct sockaddr_storage s;
	socklen_t n;

	f->fd = bound_socket(4, SOCK_DGRAM, &f->address);
	f->client = bound_socket(4, SOCK_DGRAM, &f->client_address);
	n = gds_address_to_sockaddr(&f->address, &s);
	assert_int_equal(connect(f->client, (struct sockaddr *)&s, n), 0);
	f->batch = gds_batch_new(f->fd, gds_env_system());
	assert_non_null(f->batch);
}

static void tear_down(struct fixture *f)
{
	gds_batch_free(f->batch);
	close(f->fd);
	close(f->client);
}

static void test_receive(void **state)
{
	static char big[GDS_BATCH_DATAGRAM + 1];
	struct fixture f;
	int n, total = 0;

	(void)state;
	set_up(&f);
	assert_int_equal(gds_batch_receive(f.batch), 0);
	/* More than a batch, with two in between that are not to be seen. */
	for (int i = 0; i < 40; i++) {
		char byte = (char)i;

		assert_int_equal(send(f.client, &byte, 1, 0), 1);
		if (i == 3) {
			assert_int_equal(send(f.client, "", 0, 0), 0);
			assert_int_equal(send(f.client, big, sizeof(big), 0), sizeof(big));
		}
	}
	while (total < 40) {
		assert_true(wait_for(f.fd, POLLIN));
		n = gds_batch_receive(f.batch);
		assert_true(n > 0 && n <= GDS_BATCH);
		for (int i = 0; i < n; i++) {
			struct gds_address peer;
			size_t length;
			const uint8_t *data = gds_batch_get(f.batch, i, &length, &peer);

			assert_int_equal(length, 1);
			assert_int_equal(data[0], total++);
			assert_true(gds_address_equal(&peer, &f.client_address));
		}
	}
	assert_int_equal(gds_batch_receive(f.batch), 0);
	assert_int_equal(gds_batch_dropped(f.batch), 2);
	tear_down(&f);
}

/*
 * A full DTLS record: 13 bytes of header, 8 of nonce, 16384 of payload, 16 of tag (RFC 6347, RFC
 * 5288).
 */
static void test_full_record(void **state)
{
	static char record[13 + 8 + 16384 + 16];
	struct fixture f;
	struct gds_address peer;
	size_t length;

	(void)state;
	set_up(&f);
	assert_int_equal(send(f.client, record, sizeof(record), 0), sizeof(record));
	assert_true(wait_for(f.fd, POLLIN));
	assert_int_equal(gds_batch_receive(f.batch), 1);
	gds_batch_get(f.batch, 0, &length, &peer);
	assert_int_equal(length, sizeof(record));
	tear_down(&f);
}

static void test_send(void **state)
{
	static uint8_t big[65507], in[65536];
	struct fixture f;

	(void)state;
	set_up(&f);
	/* Queued, not sent, until flush or a full queue. */
	for (int i = 0; i < GDS_BATCH; i++) {
		uint8_t byte = (uint8_t)i;

		gds_batch_send(f.batch, &f.client_address, &byte, 1);
	}
	assert_int_equal(recv(f.client, in, sizeof(in), MSG_DONTWAIT), -1);
	gds_batch_send(f.batch, &f.client_address, big, sizeof(big));
	for (int i = 0; i < GDS_BATCH; i++) {
		assert_true(wait_for(f.client, POLLIN));
		assert_int_equal(recv(f.client, in, sizeof(in), 0), 1);
		assert_int_equal(in[0], i);
	}
	assert_int_equal(recv(f.client, in, sizeof(in), MSG_DONTWAIT), -1);
	gds_batch_flush(f.batch);
	assert_true(wait_for(f.client, POLLIN));
	assert_int_equal(recv(f.client, in, sizeof(in), 0), sizeof(big));
	/* Bytes fill it too: none is lost between flushes. */
	for (int i = 0; i < 6; i++) {
		gds_batch_send(f.batch, &f.client_address, big, 30000);
	}
	gds_batch_flush(f.batch);
	for (int i = 0; i < 6; i++) {
		assert_true(wait_for(f.client, POLLIN));
		assert_int_equal(recv(f.client, in, sizeof(in), 0), 30000);
	}
	assert_int_equal(gds_batch_dropped(f.batch), 0);
	tear_down(&f);
}

/* One that cannot be sent is counted, and holds up nobody. */
static void test_unsendable(void **state)
{
	static uint8_t big[70000], in[16];
	struct gds_address port_zero = loopback(4, 0);
	struct fixture f;

	(void)state;
	set_up(&f);
	gds_batch_send(f.batch, &f.client_address, (const uint8_t *)"a", 1);
	gds_batch_send(f.batch, &port_zero, (const uint8_t *)"b", 1);
	gds_batch_send(f.batch, &f.client_address, big, sizeof(big));
	gds_batch_send(f.batch, &f.client_address, (const uint8_t *)"c", 1);
	gds_batch_flush(f.batch);
	assert_int_equal(gds_batch_dropped(f.batch), 2);
	for (const char *want = "ac"; *want; want++) {
		assert_true(wait_for(f.client, POLLIN));
		assert_int_equal(recv(f.client, in, sizeof(in), 0), 1);
		assert_int_equal(in[0], *want);
	}
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_receive),
		cmocka_unit_test(test_full_record),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_unsendable),
	};

	return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
