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

static int finish(struct gds_dial *dial, int rc, struct gds_error *why)
{
	while (rc == GDS_AGAIN) {
		assert_true(wait_for(dial->fd, POLLOUT));
		rc = gds_dial_check(dial, why);
	}
	return rc;
}

static void test_refused(void **state)
{
	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		struct gds_address to;
		struct gds_dial dial;
		struct gds_error why;
		int fd = bare_socket(family, SOCK_STREAM, &to);

		if (fd < 0) {
			print_message("# no IPv%d here\n", family);
			continue;
		}
		assert_int_equal(finish(&dial, gds_dial_start(&dial, GDS_TCP, &to, &why), &why),
			GDS_E_REFUSED);
		assert_int_equal(why.code, GDS_E_REFUSED);
		assert_int_equal(why.sys, ECONNREFUSED);
		assert_int_equal(why.origin, GDS_PEER);
		assert_int_equal(dial.fd, -1);
		close(fd);
	}
}

/* TEST-NET-1 with a source that has no way there is not portable; a family without address is. */
static void test_no_way(void **state)
{
	struct gds_address to = {.family = 6, .port = 9, .ip = {0x20, 0x01, 0x0d, 0xb8}};
	struct gds_dial dial;
	struct gds_error why;
	int rc = gds_dial_start(&dial, GDS_TCP, &to, &why);

	(void)state;
	if (rc == GDS_AGAIN) {
		print_message("# this machine has IPv6 routes\n");
		gds_dial_cancel(&dial);
		return;
	}
	assert_int_equal(rc, GDS_E_UNREACHABLE);
	assert_int_equal(dial.fd, -1);
}

/*
 * The backlog of a listener that never accepts is full after a few: the next dial stays under way.
 */
static void test_under_way(void **state)
{
	struct gds_address to;
	struct gds_dial dials[32];
	size_t waiting = 0, before = count_descriptors();
	int fd = bare_socket(4, SOCK_STREAM, &to);
	struct gds_error why;

	(void)state;
	assert_int_equal(listen(fd, 0), 0);
	for (size_t i = 0; i < 32; i++) {
		int rc = gds_dial_start(&dials[i], GDS_TCP, &to, &why);

		assert_true(rc == GDS_OK || rc == GDS_AGAIN);
	}
	for (size_t i = 0; i < 32; i++) {
		struct pollfd p = {.fd = dials[i].fd, .events = POLLOUT};

		/* Asked without having been woken: half a connection is none. */
		if (poll(&p, 1, 0) == 0) {
			assert_int_equal(gds_dial_check(&dials[i], &why), GDS_AGAIN);
			waiting++;
		}
		gds_dial_cancel(&dials[i]);
		gds_dial_cancel(&dials[i]);
		assert_int_equal(dials[i].fd, -1);
	}
	assert_true(waiting > 0);
	close(fd);
	assert_int_equal(count_descriptors(), before);
}

/*
 * A dial of a free ephemeral port may be given that very port for its own end (RFC 9293 section
 * 3.5, simultaneous open).
 */
static void test_not_to_itself(void **state)
{
	struct gds_address own;
	struct gds_dial dial = {.transport = GDS_TCP};
	struct gds_error why;

	(void)state;
	dial.fd = bare_socket(4, SOCK_STREAM, &own);
	assert_int_equal(connect_to(dial.fd, &own), 0);
	assert_int_equal(gds_dial_check(&dial, &why), GDS_E_REFUSED);
	assert_int_equal(dial.fd, -1);
}

static void *no_memory(void *ctx, void *old, size_t n)
{
	(void)ctx;
	(void)old;
	(void)n;
	return NULL;
}

static void test_take_without_memory(void **state)
{
	struct gds_env env = *gds_env_system();
	struct gds_address to = loopback(4, 9);
	size_t before = count_descriptors();
	struct gds_dial dial;
	struct gds_error why;

	(void)state;
	env.realloc = no_memory;
	assert_int_equal(gds_dial_start(&dial, GDS_UDP, &to, &why), GDS_OK);
	assert_null(gds_dial_take(&dial, &env));
	assert_int_equal(dial.fd, -1);
	assert_int_equal(count_descriptors(), before);
}

static void test_addresses(void **state)
{
	struct sockaddr_storage s;
	struct gds_address a = {
		.family = 6, .port = 8890, .scope = 3, .ip = {0xfe, 0x80, [15] = 7}};
	struct gds_address b;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&s;
	static const uint8_t four[4] = {10, 0, 0, 12};

	(void)state;
	assert_int_equal(gds_address_to_sockaddr(&a, &s), sizeof(struct sockaddr_in6));
	assert_int_equal(in6->sin6_port, htons(8890));
	assert_int_equal(in6->sin6_scope_id, 3);
	assert_int_equal(gds_address_from_sockaddr(&b, (struct sockaddr *)&s), GDS_OK);
	assert_true(gds_address_equal(&a, &b));
	/* RFC 4291 section 2.5.5.2. */
	memset(&in6->sin6_addr, 0, 16);
	in6->sin6_addr.s6_addr[10] = in6->sin6_addr.s6_addr[11] = 0xff;
	memcpy(in6->sin6_addr.s6_addr + 12, four, 4);
	assert_int_equal(gds_address_from_sockaddr(&b, (struct sockaddr *)&s), GDS_OK);
	assert_int_equal(b.family, 4);
	assert_int_equal(b.port, 8890);
	assert_memory_equal(b.ip, four, 4);
	assert_int_equal(gds_address_to_sockaddr(&b, &s), sizeof(struct sockaddr_in));
	s.ss_family = AF_UNIX;
	assert_int_equal(gds_address_from_sockaddr(&b, (struct sockaddr *)&s), GDS_E_INVALID);
}

/* A carrier of another kind, standing on a socket. */
static void test_fd_under_a_stack(void **state)
{
	static const struct gds_carrier_ops other = {0};
	struct gds_address to = loopback(4, 9);
	struct gds_carrier above = {.ops = &other};
	struct gds_dial dial;
	struct gds_error why;

	(void)state;
	assert_int_equal(gds_carrier_fd(NULL), -1);
	assert_int_equal(gds_carrier_fd(&above), -1);
	assert_int_equal(gds_dial_start(&dial, GDS_UDP, &to, &why), GDS_OK);
	int fd = dial.fd;

	above.below = gds_dial_take(&dial, gds_env_system());
	assert_int_equal(gds_carrier_fd(&above), fd);
	gds_carrier_close(above.below, GDS_CLOSE_SILENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_way),
		cmocka_unit_test(test_under_way),
		cmocka_unit_test(test_not_to_itself),
		cmocka_unit_test(test_take_without_memory),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_fd_under_a_stack),
	};

	return cmocka_run_group_tests_name("dial", tests, NULL, NULL);
}
