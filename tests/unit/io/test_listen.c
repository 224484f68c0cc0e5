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
#include <sys/resource.h>

#define GROUP 4

static void close_group(size_t n, const int *tcp, const int *udp)
{
	for (size_t i = 0; i < n; i++) {
		close(tcp[i]);
		close(udp[i]);
	}
}

/* MUX-01: one number for both, for every member of the group. */
static void test_same_number(void **state)
{
	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		struct gds_address at = loopback(family, 0), bound;
		struct gds_complaint complaint;
		int tcp[GROUP], udp[GROUP], probe = bound_socket(family, SOCK_STREAM, &bound);

		if (probe < 0) {
			print_message("# no IPv%d here\n", family);
			continue;
		}
		close(probe);
		assert_int_equal(gds_listen_pair(&at, GROUP, tcp, udp, &bound, &complaint), GDS_OK);
		assert_true(bound.port != 0);
		assert_int_equal(bound.family, family);
		for (size_t i = 0; i < GROUP; i++) {
			assert_int_equal(own_address(tcp[i]).port, bound.port);
			assert_int_equal(own_address(udp[i]).port, bound.port);
		}
		close_group(GROUP, tcp, udp);
	}
}

/*
 * All members of the group get connections: none of 64 clients stays unanswered or meets one socket
 * only.
 */
static void test_group_shares(void **state)
{
	struct gds_address at = loopback(4, 0), bound;
	struct gds_complaint complaint;
	struct sockaddr_storage s;
	socklen_t n;
	int tcp[GROUP], udp[GROUP], clients[64], accepted = 0, members = 0;

	(void)state;
	assert_int_equal(gds_listen_pair(&at, GROUP, tcp, udp, &bound, &complaint), GDS_OK);
	n = gds_address_to_sockaddr(&bound, &s);
	for (size_t i = 0; i < 64; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(clients[i], (struct sockaddr *)&s, n), 0);
	}
	for (size_t i = 0; i < GROUP; i++) {
		int fd, mine = 0;

		while ((fd = accept(tcp[i], NULL, NULL)) >= 0) {
			close(fd);
			mine++;
		}
		assert_int_equal(errno, EAGAIN); /* non-blocking */
		accepted += mine;
		members += mine > 0;
	}
	assert_int_equal(accepted, 64);
	assert_true(members > 1);
	for (size_t i = 0; i < 64; i++) {
		close(clients[i]);
	}
	close_group(GROUP, tcp, udp);
}

/* A second server sees the first, although both would share (SO_REUSEPORT). */
static void test_in_use(void **state)
{
	struct gds_address at = loopback(4, 0), bound, again;
	struct gds_complaint complaint = {0};
	size_t before = count_descriptors();
	int tcp[2], udp[2], tcp2[2], udp2[2];

	(void)state;
	assert_int_equal(gds_listen_pair(&at, 2, tcp, udp, &bound, &complaint), GDS_OK);
	assert_int_equal(gds_listen_pair(&bound, 2, tcp2, udp2, &again, &complaint), GDS_E_IN_USE);
	assert_int_equal(complaint.code, GDS_E_IN_USE);
	assert_non_null(strstr(complaint.text, "127.0.0.1:"));
	assert_non_null(strstr(complaint.text, "in use"));
	assert_int_equal(tcp2[0], -1);
	assert_int_equal(udp2[1], -1);
	close_group(2, tcp, udp);
	assert_int_equal(count_descriptors(), before);
}

/* Only the UDP half is taken. Whether its twin is free is not ours to choose: another port then. */
static void test_udp_in_use(void **state)
{
	struct gds_address taken, bound;
	struct gds_complaint complaint = {0};
	size_t before = count_descriptors();
	bool met = false;
	int tcp, udp;

	(void)state;
	for (int i = 0; i < 16 && !met; i++) {
		int fd = bound_socket(4, SOCK_DGRAM, &taken);

		assert_int_equal(
			gds_listen_pair(&taken, 1, &tcp, &udp, &bound, &complaint), GDS_E_IN_USE);
		met = strstr(complaint.text, "(UDP)") != NULL;
		close(fd);
	}
	assert_true(met);
	assert_int_equal(count_descriptors(), before);
}

static void test_no_such_address(void **state)
{
	/* TEST-NET-2, RFC 5737. */
	struct gds_address at = {.family = 4, .port = 0, .ip = {198, 51, 100, 7}}, bound;
	struct gds_complaint complaint = {0};
	int tcp, udp;

	(void)state;
	assert_int_equal(gds_listen_pair(&at, 1, &tcp, &udp, &bound, &complaint), GDS_E_IO);
	assert_non_null(strstr(complaint.text, "198.51.100.7"));
}

static void test_no_descriptors(void **state)
{
	struct gds_address at = loopback(4, 0), bound;
	struct gds_complaint complaint = {0};
	struct rlimit limit, few;
	int tcp[8], udp[8];
	size_t before = count_descriptors();

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	few = limit;
	few.rlim_cur = (rlim_t)before + 4;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	int rc = gds_listen_pair(&at, 8, tcp, udp, &bound, &complaint);

	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(rc, GDS_E_DESCRIPTORS);
	assert_int_equal(count_descriptors(), before);
}

/* "::" takes IPv4 too, and shows those peers as IPv4; a batch answers them. */
static void test_dual_stack(void **state)
{
	struct gds_address any = {.family = 6}, bound, peer, to = loopback(4, 0);
	struct gds_complaint complaint;
	struct sockaddr_storage s;
	socklen_t n;
	char in[8];
	size_t length;
	int tcp, udp, client;

	(void)state;
	if (gds_listen_pair(&any, 1, &tcp, &udp, &bound, &complaint) != GDS_OK) {
		print_message("# no IPv6 here\n");
		return;
	}
	client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	to.port = bound.port;
	n = gds_address_to_sockaddr(&to, &s);
	assert_int_equal(connect(client, (struct sockaddr *)&s, n), 0);
	assert_int_equal(send(client, "hi", 2, 0), 2);
	struct gds_batch *batch = gds_batch_new(udp, gds_env_system());

	assert_true(wait_for(udp, POLLIN));
	assert_int_equal(gds_batch_receive(batch), 1);
	gds_batch_get(batch, 0, &length, &peer);
	assert_int_equal(peer.family, 4);
	gds_batch_send(batch, &peer, (const uint8_t *)"ho", 2);
	gds_batch_flush(batch);
	assert_int_equal(gds_batch_dropped(batch), 0);
	assert_true(wait_for(client, POLLIN));
	assert_int_equal(recv(client, in, sizeof(in), 0), 2);
	gds_batch_free(batch);
	close(client);
	close_group(1, &tcp, &udp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_number),
		cmocka_unit_test(test_group_shares),
		cmocka_unit_test(test_in_use),
		cmocka_unit_test(test_udp_in_use),
		cmocka_unit_test(test_no_such_address),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_dual_stack),
	};

	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
