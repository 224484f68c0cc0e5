/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/destination.h"

#include "../io/support.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

/* The echo runs on its loop in a thread; the tests talk to it with plain blocking sockets. */
static struct gds_loop *loop;
static struct gds_resolver *resolver;
static struct gds_driver *driver;
static struct gds_destination *destination;
static pthread_t thread;
static struct gds_address address;

static void *run(void *ctx)
{
	(void)ctx;
	gds_loop_run(loop);
	return NULL;
}

static void start(int family)
{
	const struct gds_env *env = gds_env_system();
	struct gds_address at = loopback(family, 0);
	struct gds_complaint complaint;

	loop = gds_loop_new(env);
	resolver = gds_resolver_new(env, 1);
	driver = gds_driver_new(loop, resolver, NULL, NULL, env);
	assert_non_null(driver);
	assert_int_equal(
		gds_destination_echo(&destination, driver, loop, &at, env, &complaint), GDS_OK);
	address = *gds_destination_address(destination);
	assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
}

static void stop_loop(void *ctx)
{
	gds_loop_stop(ctx);
}

static void stop(void)
{
	assert_int_equal(gds_loop_post(loop, stop_loop, loop), GDS_OK);
	pthread_join(thread, NULL);
}

static void clean(void)
{
	gds_destination_free(destination);
	gds_driver_free(driver);
	gds_resolver_free(resolver);
	gds_loop_free(loop);
}

static int dial(int type)
{
	struct sockaddr_storage s;
	socklen_t n = gds_address_to_sockaddr(&address, &s);
	struct timeval limit = {.tv_sec = 5};
	int fd = socket(s.ss_family, type | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&s, n), 0);
	return fd;
}

static bool have_ipv6(void)
{
	struct gds_address unused;
	int fd = bound_socket(6, SOCK_STREAM, &unused);

	if (fd >= 0) {
		close(fd);
	}
	return fd >= 0;
}

#define BIG ((size_t)8 * 1024 * 1024)
struct sender {
	int fd;
	uint8_t *bytes;
};

static void *send_all(void *ctx)
{
	struct sender *s = ctx;
	size_t at = 0;

	while (at < BIG) {
		ssize_t n = send(s->fd, s->bytes + at, BIG - at, MSG_NOSIGNAL);

		if (n <= 0) {
			break;
		}
		at += (size_t)n;
	}
	shutdown(s->fd, SHUT_WR);
	return NULL;
}

/*
 * Every byte comes back in order, and then the FIN, although ours came long before (TCP-07,
 * TCP-08).
 */
static void test_stream(void **state)
{
	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		static uint8_t in[65536];
		struct sender s = {.bytes = malloc(BIG)};
		pthread_t sender;
		size_t at = 0;
		ssize_t n;

		if (family == 6 && !have_ipv6()) {
			print_message("# no IPv6 here\n");
			free(s.bytes);
			continue;
		}
		start(family);
		for (size_t i = 0; i < BIG; i++) {
			s.bytes[i] = (uint8_t)(i * 31 + (i >> 9));
		}
		s.fd = dial(SOCK_STREAM);
		assert_int_equal(pthread_create(&sender, NULL, send_all, &s), 0);
		while ((n = recv(s.fd, in, sizeof(in), 0)) > 0) {
			assert_true(at + (size_t)n <= BIG);
			assert_memory_equal(in, s.bytes + at, (size_t)n);
			at += (size_t)n;
		}
		assert_int_equal(n, 0);
		assert_int_equal(at, BIG);
		pthread_join(sender, NULL);
		close(s.fd);
		stop();
		assert_int_equal(gds_destination_connections(destination), 1);
		clean();
		free(s.bytes);
	}
}

/* Who sends and never reads is slowed down, not stored. */
static void test_backpressure(void **state)
{
	static char block[65536];
	size_t sent = 0;
	struct timeval limit = {.tv_usec = 300000};
	int fd, small = 65536;
	ssize_t n;

	(void)state;
	start(4);
	fd = dial(SOCK_STREAM);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	while (sent < 64 * BIG && (n = send(fd, block, sizeof(block), MSG_NOSIGNAL)) > 0) {
		sent += (size_t)n;
	}
	assert_int_equal(errno, EAGAIN);
	assert_true(sent < 64 * BIG);
	close(fd);
	stop();
	/* It waited, and did not ask again and again: each wake-up moved something. */
	assert_true(gds_loop_wakeups(loop) < sent / 1024);
	clean();
}

static void test_datagrams(void **state)
{
	static const size_t sizes[] = {1, 1400, 8155, 16384, 65507};
	static uint8_t out[65536], in[65536];
	int fd;

	(void)state;
	start(4);
	fd = dial(SOCK_DGRAM);
	memset(out, 0x5a, sizeof(out));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(send(fd, out, sizes[i], 0), sizes[i]);
		assert_int_equal(recv(fd, in, sizeof(in), 0), sizes[i]);
		assert_memory_equal(in, out, sizes[i]);
	}
	close(fd);
	stop();
	assert_int_equal(gds_destination_datagrams(destination), 5);
	assert_int_equal(gds_destination_connections(destination), 0);
	clean();
}

/*
 * A client that resets, one that is silent when the destination goes, and no descriptor left
 * behind.
 */
static void test_ends(void **state)
{
	struct linger reset = {1, 0};
	size_t before = count_descriptors();
	char byte;
	int fd, silent;

	(void)state;
	start(4);
	for (int i = 0; i < 100; i++) {
		fd = dial(SOCK_STREAM);
		assert_int_equal(send(fd, "x", 1, 0), 1);
		assert_int_equal(recv(fd, &byte, 1, 0), 1);
		if (i % 2) {
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		}
		close(fd);
	}
	silent = dial(SOCK_STREAM);
	assert_int_equal(send(silent, "x", 1, 0), 1);
	assert_int_equal(recv(silent, &byte, 1, 0), 1);
	stop();
	assert_int_equal(gds_destination_connections(destination), 101);
	clean();
	assert_int_equal(recv(silent, &byte, 1, 0), 0);
	close(silent);
	assert_int_equal(count_descriptors(), before);
}

static void test_in_use(void **state)
{
	struct gds_destination *second = NULL;
	struct gds_complaint complaint = {0};

	(void)state;
	start(4);
	stop();
	assert_int_equal(
		gds_destination_echo(&second, driver, loop, &address, gds_env_system(), &complaint),
		GDS_E_IN_USE);
	assert_null(second);
	assert_true(complaint.text[0] != '\0');
	clean();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_backpressure),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_in_use),
	};

	return cmocka_run_group_tests_name("destination", tests, NULL, NULL);
}
