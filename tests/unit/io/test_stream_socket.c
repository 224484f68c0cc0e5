/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>

/* A carrier and the plain socket at its other end, over real TCP. */
static struct gds_carrier *connect_pair(int family, int *peer)
{
	struct gds_address to;
	struct gds_dial dial;
	struct gds_error why;
	int listener = bound_socket(family, SOCK_STREAM, &to), rc;

	if (listener < 0) {
		return NULL;
	}
	rc = gds_dial_start(&dial, GDS_TCP, &to, &why);
	while (rc == GDS_AGAIN) {
		assert_true(wait_for(dial.fd, POLLOUT));
		rc = gds_dial_check(&dial, &why);
	}
	assert_int_equal(rc, GDS_OK);
	assert_true(wait_for(listener, POLLIN));
	*peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*peer >= 0);
	close(listener);
	return gds_dial_take(&dial, gds_env_system());
}

static ssize_t read_wait(struct gds_carrier *c, void *buffer, size_t size)
{
	ssize_t n = gds_carrier_read(c, buffer, size);

	while (n == GDS_AGAIN && wait_for(gds_carrier_fd(c), POLLIN)) {
		n = gds_carrier_read(c, buffer, size);
	}
	return n;
}

static void test_bytes_and_half_close(void **state)
{
	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		int peer;
		struct gds_carrier *c = connect_pair(family, &peer);
		char text[16];

		if (!c) {
			print_message("# no IPv%d here\n", family);
			continue;
		}
		assert_false(c->datagram);
		assert_int_equal(gds_carrier_read(c, text, sizeof(text)), GDS_AGAIN);
		assert_int_equal(gds_carrier_write(c, "hello", 5), 5);
		assert_int_equal(gds_carrier_flush(c), GDS_OK);
		assert_int_equal(recv(peer, text, sizeof(text), 0), 5);
		assert_memory_equal(text, "hello", 5);
		/* Our FIN, and then bytes still come the other way. */
		assert_int_equal(gds_carrier_shut(c), GDS_OK);
		assert_int_equal(recv(peer, text, sizeof(text), 0), 0);
		assert_int_equal(send(peer, "world", 5, 0), 5);
		assert_int_equal(read_wait(c, text, sizeof(text)), 5);
		close(peer);
		assert_int_equal(read_wait(c, text, sizeof(text)), GDS_EOF);
		gds_carrier_close(c, GDS_CLOSE_CLEAN);
	}
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t n = sizeof(value);

	getsockopt(fd, level, name, &value, &n);
	return value;
}

static void test_options(void **state)
{
	int peer;
	struct gds_carrier *c = connect_pair(4, &peer);
	int fd = gds_carrier_fd(c);

	(void)state;
	assert_true(option(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
	assert_true(option(fd, SOL_SOCKET, SO_KEEPALIVE) != 0);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 15);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	gds_carrier_close(c, GDS_CLOSE_SILENT);
	close(peer);
}

/* Writing is wanted only while the kernel's buffer is full. */
static void test_backpressure(void **state)
{
	static char block[65536], sink[65536];
	struct gds_interest interest;
	size_t sent = 0, got = 0;
	ssize_t n;
	int peer;
	struct gds_carrier *c = connect_pair(4, &peer);

	(void)state;
	gds_carrier_interest(c, &interest);
	assert_int_equal(interest.events, POLLIN);
	assert_int_equal(interest.fd, gds_carrier_fd(c));
	assert_true(interest.deadline == GDS_NEVER);
	assert_false(interest.ready);
	while ((n = gds_carrier_write(c, block, sizeof(block))) != GDS_AGAIN) {
		assert_true(n > 0);
		sent += (size_t)n;
	}
	gds_carrier_interest(c, &interest);
	assert_int_equal(interest.events, POLLIN | POLLOUT);
	while (got < sent) {
		n = recv(peer, sink, sizeof(sink), 0);
		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_true(wait_for(interest.fd, POLLOUT));
	assert_int_equal(gds_carrier_write(c, block, 1), 1);
	gds_carrier_interest(c, &interest);
	assert_int_equal(interest.events, POLLIN);
	close(peer);
	gds_carrier_close(c, GDS_CLOSE_SILENT);
}

/* How each way of closing looks from the other end, with and without bytes that nobody read. */
static void test_closes(void **state)
{
	static const struct {
		enum gds_close how;
		bool unread;
		ssize_t result; /* of the peer's recv */
		int sys;
	} cases[] = {
		{GDS_CLOSE_CLEAN, false, 0, 0},
		{GDS_CLOSE_CLEAN, true, 0, 0},
		{GDS_CLOSE_SILENT, false, 0, 0},
		{GDS_CLOSE_SILENT, true, 0, 0},
		{GDS_CLOSE_RESET, false, -1, ECONNRESET},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char byte;
		int peer;
		struct gds_carrier *c = connect_pair(4, &peer);

		if (cases[i].unread) {
			assert_int_equal(send(peer, "unread", 6, 0), 6);
			assert_true(wait_for(gds_carrier_fd(c), POLLIN));
		}
		gds_carrier_close(c, cases[i].how);
		errno = 0;
		assert_int_equal(recv(peer, &byte, 1, 0), cases[i].result);
		assert_int_equal(errno, cases[i].sys);
		/*
		 * No reset behind the FIN: it would have taken bytes under way with it (GNUTLS trap
		 * 36).
		 */
		assert_int_equal(
			send(peer, "x", 1, MSG_NOSIGNAL), cases[i].how == GDS_CLOSE_RESET ? -1 : 1);
		close(peer);
	}
}

static void test_reset_is_reported(void **state)
{
	struct linger reset = {1, 0};
	char byte;
	int peer;
	struct gds_carrier *c = connect_pair(4, &peer);

	(void)state;
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(peer);
	assert_int_equal(read_wait(c, &byte, 1), GDS_E_RESET);
	assert_int_equal(c->why.code, GDS_E_RESET);
	assert_int_equal(c->why.sys, ECONNRESET);
	assert_int_equal(c->why.origin, GDS_PEER);
	/* No SIGPIPE: this process would be gone. */
	assert_int_equal(gds_carrier_write(c, "x", 1), GDS_E_RESET);
	assert_int_equal(c->why.sys, EPIPE);
	assert_int_equal(gds_carrier_shut(c), GDS_E_RESET);
	gds_carrier_close(c, GDS_CLOSE_CLEAN);
}

static void test_unix_pair(void **state)
{
	int fds[2];
	char text[8];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	struct gds_carrier *a = gds_stream_socket_new(fds[0], gds_env_system());
	struct gds_carrier *b = gds_stream_socket_new(fds[1], gds_env_system());

	assert_int_equal(gds_carrier_read(b, text, sizeof(text)), GDS_AGAIN);
	assert_int_equal(gds_carrier_write(a, "abc", 3), 3);
	assert_int_equal(gds_carrier_read(b, text, sizeof(text)), 3);
	gds_carrier_close(a, GDS_CLOSE_CLEAN);
	assert_int_equal(gds_carrier_read(b, text, sizeof(text)), GDS_EOF);
	gds_carrier_close(b, GDS_CLOSE_CLEAN);
}

static void *no_memory(void *ctx, void *old, size_t n)
{
	(void)ctx;
	(void)old;
	(void)n;
	return NULL;
}

static void test_no_memory(void **state)
{
	struct gds_env env = *gds_env_system();
	int fds[2];

	(void)state;
	env.realloc = no_memory;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_null(gds_stream_socket_new(fds[0], &env));
	assert_int_equal(close(fds[0]), 0); /* still ours */
	close(fds[1]);
}

static void test_no_leak(void **state)
{
	size_t before = count_descriptors();

	test_bytes_and_half_close(state);
	test_closes(state);
	assert_int_equal(count_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_and_half_close),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_backpressure),
		cmocka_unit_test(test_closes),
		cmocka_unit_test(test_reset_is_reported),
		cmocka_unit_test(test_unix_pair),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_no_leak),
	};

	return cmocka_run_group_tests_name("stream socket", tests, NULL, NULL);
}
