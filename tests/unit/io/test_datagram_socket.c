/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support.h"

#include <errno.h>
#include <string.h>

static struct gds_carrier *dial_udp(const struct gds_address *to)
{
	struct gds_dial dial;
	struct gds_error why;

	assert_int_equal(gds_dial_start(&dial, GDS_UDP, to, &why), GDS_OK);
	return gds_dial_take(&dial, gds_env_system());
}

/* Where the carrier's datagrams come from, for the plain socket to answer. */
static void connect_back(int peer, const struct gds_carrier *c)
{
	struct gds_address own = own_address(gds_carrier_fd(c));

	assert_int_equal(connect_to(peer, &own), 0);
}

static void test_boundaries(void **state)
{
	static char big[65507], in[65536];

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		struct gds_address to;
		int peer = bound_socket(family, SOCK_DGRAM, &to);
		struct gds_carrier *c;

		if (peer < 0) {
			print_message("# no IPv%d here\n", family);
			continue;
		}
		c = dial_udp(&to);
		assert_true(c->datagram);
		assert_int_equal(gds_carrier_read(c, in, sizeof(in)), GDS_AGAIN);
		assert_int_equal(gds_carrier_write(c, "ab", 2), 2);
		assert_int_equal(gds_carrier_write(c, "c", 1), 1);
		assert_int_equal(recv(peer, in, sizeof(in), 0), 2);
		assert_int_equal(recv(peer, in, sizeof(in), 0), 1);
		connect_back(peer, c);
		/* UDP-09: a full record, cut on its way however small the MTU is. */
		memset(big, 'x', sizeof(big));
		assert_int_equal(send(peer, big, 16384, 0), 16384);
		assert_true(wait_for(gds_carrier_fd(c), POLLIN));
		assert_int_equal(gds_carrier_read(c, in, sizeof(in)), 16384);
		assert_int_equal(gds_carrier_write(c, big, sizeof(big)), sizeof(big));
		assert_int_equal(recv(peer, in, sizeof(in), 0), sizeof(big));
		gds_carrier_close(c, GDS_CLOSE_CLEAN);
		close(peer);
	}
}

static void test_too_long(void **state)
{
	static char big[70000];
	struct gds_address to;
	struct pollfd p = {.events = POLLIN};
	char in[8];
	int peer = bound_socket(4, SOCK_DGRAM, &to);
	struct gds_carrier *c = dial_udp(&to);

	(void)state;
	/* Both sides of the kernel's two limits: 65507 payload bytes, 65535 at all. */
	assert_int_equal(gds_carrier_write(c, big, 65508), GDS_E_LIMIT);
	assert_int_equal(gds_carrier_write(c, big, sizeof(big)), GDS_E_LIMIT);
	/*
	 * The kernel notes the first in the error queue too; were it left there, poll would not
	 * rest.
	 */
	p.fd = gds_carrier_fd(c);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(gds_carrier_write(c, "ok", 2), 2);
	assert_int_equal(recv(peer, in, sizeof(in), 0), 2);
	gds_carrier_close(c, GDS_CLOSE_CLEAN);
	close(peer);
}

static void test_dropped(void **state)
{
	struct gds_address to;
	char in[8];
	int peer = bound_socket(4, SOCK_DGRAM, &to);
	struct gds_carrier *c = dial_udp(&to);

	(void)state;
	connect_back(peer, c);
	assert_int_equal(send(peer, "", 0, 0), 0);		    /* UDP-18 */
	assert_int_equal(send(peer, "too long for it", 15, 0), 15); /* UDP-10 */
	assert_int_equal(send(peer, "exactly8", 8, 0), 8);
	assert_true(wait_for(gds_carrier_fd(c), POLLIN));
	assert_int_equal(gds_carrier_read(c, in, sizeof(in)), 8);
	assert_memory_equal(in, "exactly8", 8);
	assert_int_equal(c->dropped, 2);
	assert_int_equal(gds_carrier_write(c, "", 0), 0);
	assert_int_equal(c->dropped, 3);
	gds_carrier_close(c, GDS_CLOSE_CLEAN);
	close(peer);
}

/*
 * RFC 792 type 3 code 3, RFC 4443 type 1 code 4: an event, after which the carrier lives on
 * (UDP-11).
 */
static void test_refused(void **state)
{
	static const struct {
		int family;
		uint8_t type, code;
	} cases[] = {{4, 3, 3}, {6, 1, 4}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct gds_address to;
		int peer = refusing_udp(cases[i].family, &to);
		struct gds_carrier *c;
		char in[8];

		if (peer < 0) {
			print_message("# no IPv%d here\n", cases[i].family);
			continue;
		}
		c = dial_udp(&to);
		/* By read. */
		assert_int_equal(gds_carrier_write(c, "x", 1), 1);
		assert_true(wait_for(gds_carrier_fd(c), POLLIN));
		assert_int_equal(gds_carrier_read(c, in, sizeof(in)), GDS_E_REFUSED);
		assert_int_equal(c->why.sys, ECONNREFUSED);
		assert_int_equal(c->why.icmp_type, cases[i].type);
		assert_int_equal(c->why.icmp_code, cases[i].code);
		assert_int_equal(c->why.origin, GDS_PATH);
		assert_int_equal(gds_carrier_read(c, in, sizeof(in)), GDS_AGAIN);
		/* By write. */
		assert_int_equal(gds_carrier_write(c, "x", 1), 1);
		assert_true(wait_for(gds_carrier_fd(c), POLLIN));
		assert_int_equal(gds_carrier_write(c, "y", 1), GDS_E_REFUSED);
		assert_int_equal(c->why.icmp_code, cases[i].code);
		/* Nothing is left that would wake a loop. */
		struct pollfd p = {.fd = gds_carrier_fd(c), .events = POLLIN};

		assert_int_equal(poll(&p, 1, 0), 0);
		/* Somebody listens there now. */
		connect_back(peer, c);
		assert_int_equal(gds_carrier_write(c, "alive", 5), 5);
		assert_int_equal(recv(peer, in, sizeof(in), 0), 5);
		close(peer);
		gds_carrier_close(c, GDS_CLOSE_CLEAN);
	}
}

/* Several errors at once leave nothing behind either. */
static void test_many_refusals(void **state)
{
	struct gds_address to;
	int peer = refusing_udp(4, &to), refused = 0;
	struct gds_carrier *c = dial_udp(&to);
	struct pollfd p = {.fd = gds_carrier_fd(c), .events = POLLIN};
	char in[8];

	(void)state;
	for (int i = 0; i < 8; i++) {
		if (gds_carrier_write(c, "x", 1) < 0) {
			refused++;
		}
	}
	for (int i = 0; i < 64 && poll(&p, 1, 0) == 1; i++) {
		assert_int_equal(gds_carrier_read(c, in, sizeof(in)), GDS_E_REFUSED);
		refused++;
	}
	assert_true(refused > 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	gds_carrier_close(c, GDS_CLOSE_CLEAN);
	close(peer);
}

static void test_no_leak(void **state)
{
	size_t before = count_descriptors();

	test_refused(state);
	test_dropped(state);
	assert_int_equal(count_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boundaries),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_many_refusals),
		cmocka_unit_test(test_no_leak),
	};

	return cmocka_run_group_tests_name("datagram socket", tests, NULL, NULL);
}
