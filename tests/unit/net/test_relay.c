/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/destination.h"
#include "net/relay.h"

#include "../io/support.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/time.h>

#define CHANCE(percent) ((percent) * (GDS_IMPAIR_ALWAYS / 100))

/* Relay and echo run on one loop in a thread; the tests talk through them with blocking sockets. */
static struct gds_loop *loop;
static struct gds_resolver *resolver;
static struct gds_driver *driver;
static struct gds_destination *echo;
static struct gds_relay *relay;
static pthread_t thread;
static struct gds_address address;

static void *run(void *ctx)
{
	(void)ctx;
	gds_loop_run(loop);
	return NULL;
}

static void prepare(int family)
{
	const struct gds_env *env = gds_env_system();
	struct gds_address at = loopback(family, 0);
	struct gds_complaint complaint;

	loop = gds_loop_new(env);
	resolver = gds_resolver_new(env, 1);
	driver = gds_driver_new(loop, resolver, NULL, NULL, env);
	assert_non_null(driver);
	assert_int_equal(gds_destination_echo(&echo, driver, loop, &at, env, &complaint), GDS_OK);
}

static void start_to(const struct gds_impairment *impairment, const struct gds_address *to)
{
	struct gds_relay_options options = {
		.listen = loopback(to->family, 0), .to = *to, .impairment = *impairment};
	struct gds_complaint complaint;

	assert_int_equal(
		gds_relay_new(&relay, driver, loop, &options, gds_env_system(), &complaint),
		GDS_OK);
	address = *gds_relay_address(relay);
	assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
}

static void start(int family, const struct gds_impairment *impairment)
{
	prepare(family);
	start_to(impairment, gds_destination_address(echo));
}

static void stop_loop(void *ctx)
{
	gds_loop_stop(ctx);
}

/* From here on the relay's figures may be read. */
static const struct gds_relay_stats *stop(void)
{
	assert_int_equal(gds_loop_post(loop, stop_loop, loop), GDS_OK);
	pthread_join(thread, NULL);
	return gds_relay_stats(relay);
}

static void clean(void)
{
	gds_relay_free(relay);
	relay = NULL;
	gds_destination_free(echo);
	gds_driver_free(driver);
	gds_resolver_free(resolver);
	gds_loop_free(loop);
}

static int dial(int type)
{
	struct timeval limit = {.tv_sec = LIMIT_MS / 1000};
	int fd = socket(address.family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect_to(fd, &address), 0);
	return fd;
}

static gds_time now(void)
{
	return gds_now(gds_env_system());
}

static void exchange(int fd, size_t n)
{
	uint8_t *sent = malloc(n), *got = malloc(n);

	assert_true(sent && got);
	for (size_t i = 0; i < n; i++) {
		sent[i] = (uint8_t)(i * 7 + i / 251);
	}
	assert_int_equal(send(fd, sent, n, MSG_NOSIGNAL), n);
	assert_int_equal(recv(fd, got, n, MSG_WAITALL), n);
	assert_memory_equal(sent, got, n);
	free(sent);
	free(got);
}

/* --- Streams --- */

static void test_no_target(void **state)
{
	struct gds_relay_options options = {.listen = loopback(4, 0)};
	struct gds_complaint complaint;

	(void)state;
	prepare(4);
	assert_int_equal(
		gds_relay_new(&relay, driver, loop, &options, gds_env_system(), &complaint),
		GDS_E_INVALID);
	assert_non_null(strstr(complaint.text, "target"));
	options.to = loopback(4, 0); /* nor is an address without a port one */
	assert_int_equal(
		gds_relay_new(&relay, driver, loop, &options, gds_env_system(), &complaint),
		GDS_E_INVALID);
	clean();
}

static void test_stream_passes(void **state)
{
	static const struct gds_impairment cases[] = {
		{.seed = 1},
		{.seed = 1, .split = 1},
		{.seed = 1, .split = 1000, .gap = 10 * GDS_MICROSECOND},
		{.seed = 1, .stream_delay = 5 * GDS_MILLISECOND},
	};
	uint8_t byte[1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int family = 4; family <= 6; family += 2) {
			start(family, &cases[i]);
			int fd = dial(SOCK_STREAM);

			exchange(fd, 100000);
			shutdown(fd, SHUT_WR);
			assert_int_equal(recv(fd, byte, 1, 0), 0); /* the FIN came through twice */
			close(fd);
			const struct gds_relay_stats *stats = stop();

			assert_int_equal(stats->connections, 1);
			for (int way = 0; way < 2; way++) {
				assert_int_equal(stats->bytes[way], 100000);
				if (cases[i].split == 1) {
					assert_int_equal(stats->pieces[way], 100000);
				}
			}
			clean();
		}
	}
}

static void test_stream_delay(void **state)
{
	struct gds_impairment what = {.stream_delay = 30 * GDS_MILLISECOND};

	(void)state;
	start(4, &what);
	int fd = dial(SOCK_STREAM);

	for (int i = 0; i < 3; i++) {
		gds_time before = now();

		exchange(fd, 10);
		assert_true(now() - before >= 60 * GDS_MILLISECOND);
	}
	close(fd);
	stop();
	clean();
}

/* More than a way holds, with nobody reading: the sender has to stop, and nothing is lost. */
static void test_stream_backpressure(void **state)
{
	struct gds_impairment what = {.seed = 1, .split = 5000};
	uint8_t block[65536] = {0};
	size_t sent = 0, got = 0;
	ssize_t n;

	(void)state;
	start(4, &what);
	int fd = dial(SOCK_STREAM);

	for (;;) {
		n = send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			sent += (size_t)n;
		} else if (sent > 0) {
			struct pollfd p = {.fd = fd, .events = POLLOUT};

			if (poll(&p, 1, 300) == 0) {
				break; /* the brake works */
			}
		}
		assert_true(sent < 64U << 20);
	}
	shutdown(fd, SHUT_WR);
	while ((n = recv(fd, block, sizeof(block), 0)) > 0) {
		got += (size_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(got, sent);
	close(fd);
	stop();
	clean();
}

static void test_stream_refused(void **state)
{
	struct gds_impairment what = {0};
	struct gds_address nobody;
	int taken = bare_socket(4, SOCK_STREAM, &nobody);
	uint8_t byte[1];

	(void)state;
	prepare(4);
	start_to(&what, &nobody);
	int fd = dial(SOCK_STREAM);

	assert_int_equal(recv(fd, byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	close(taken);
	stop();
	clean();
}

static void test_stream_reset(void **state)
{
	struct gds_impairment what = {0};
	struct linger reset = {.l_onoff = 1};
	struct gds_address at;
	int listener = bound_socket(4, SOCK_STREAM, &at);
	uint8_t byte[1];

	(void)state;
	prepare(4);
	start_to(&what, &at);
	int fd = dial(SOCK_STREAM), peer = accept(listener, NULL, NULL);

	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(recv(peer, byte, 1, 0), 1);
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(peer);
	assert_int_equal(recv(fd, byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	close(listener);
	stop();
	clean();
}

/* --- Datagrams --- */

#define MANY 60

/* What a model of its own says: how often the i-th of MANY comes back, from a flow's two
 * directions. */
static size_t predict(const struct gds_impairment *what, uint64_t flow, unsigned copies[MANY])
{
	struct gds_impair there, back;
	size_t sum = 0;

	gds_impair_init(&there, what, flow, 0);
	gds_impair_init(&back, what, flow, 1);
	for (size_t i = 0; i < MANY; i++) {
		struct gds_fate one, other;

		copies[i] = 0;
		gds_impair_datagram(&there, 0, &one);
		for (unsigned k = 0; k < one.copies; k++) {
			gds_impair_datagram(&back, 0, &other);
			copies[i] += other.copies;
		}
		sum += copies[i];
	}
	return sum;
}

/* One at a time, so that the way back meets them in the same order; what is lost shows by the next
 * one. */
static void send_many(int fd, const unsigned expected[MANY], unsigned got[MANY])
{
	memset(got, 0, MANY * sizeof(got[0]));
	for (size_t i = 0; i < MANY; i++) {
		uint8_t data[300] = {(uint8_t)i};

		assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
		for (unsigned k = 0; k < expected[i]; k++) {
			assert_int_equal(recv(fd, data, sizeof(data), 0), sizeof(data));
			assert_in_range(data[0], 0, MANY - 1);
			got[data[0]]++;
		}
	}
}

static void test_datagrams_as_predicted(void **state)
{
	static const struct gds_impairment cases[] = {
		{.seed = 1},
		{.seed = 1, .loss = CHANCE(20)},
		{.seed = 2, .loss = CHANCE(20)},
		{.seed = 1, .loss = CHANCE(50), .delay = GDS_MILLISECOND},
		/* A second copy comes at once, so that the order on the way back is known. */
		{.seed = 3, .duplicate = CHANCE(30), .held = 1},
		{.seed = 3, .loss = CHANCE(20), .duplicate = GDS_IMPAIR_ALWAYS, .held = 1},
	};
	unsigned expected[MANY], got[MANY];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(i % 2 ? 6 : 4, &cases[i]);
		for (uint64_t flow = 0; flow < 3; flow++) {
			int fd = dial(SOCK_DGRAM);

			predict(&cases[i], flow, expected);
			send_many(fd, expected, got);
			assert_memory_equal(expected, got, sizeof(got));
			assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1);
			close(fd);
		}
		const struct gds_relay_stats *stats = stop();

		assert_int_equal(stats->flows, 3);
		assert_int_equal(stats->overflown[0] + stats->overflown[1], 0);
		clean();
	}
}

static void test_datagram_delay(void **state)
{
	struct gds_impairment what = {.delay = 20 * GDS_MILLISECOND};
	uint8_t data[8] = {0};

	(void)state;
	start(4, &what);
	int fd = dial(SOCK_DGRAM);
	gds_time before = now();

	assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
	assert_int_equal(recv(fd, data, sizeof(data), 0), sizeof(data));
	assert_true(now() - before >= 40 * GDS_MILLISECOND);
	close(fd);
	stop();
	clean();
}

/* Those that are held come after all that are not. */
static void test_reorder(void **state)
{
	struct gds_impairment what = {
		.seed = 4, .reorder = CHANCE(40), .held = 200 * GDS_MILLISECOND};
	struct gds_address at;
	int sink = bound_socket(4, SOCK_DGRAM, &at);
	struct gds_impair model;
	uint8_t expected[20];
	size_t n = 0;

	(void)state;
	for (int held = 0; held < 2; held++) {
		gds_impair_init(&model, &what, 0, 0);
		for (uint8_t i = 0; i < sizeof(expected); i++) {
			struct gds_fate fate;

			gds_impair_datagram(&model, 0, &fate);
			if (fate.held == (held == 1)) {
				expected[n++] = i;
			}
		}
	}
	prepare(4);
	start_to(&what, &at);
	int fd = dial(SOCK_DGRAM);

	for (uint8_t i = 0; i < sizeof(expected); i++) {
		assert_int_equal(send(fd, &i, 1, 0), 1);
	}
	for (size_t i = 0; i < sizeof(expected); i++) {
		uint8_t byte;

		assert_true(wait_for(sink, POLLIN));
		assert_int_equal(recv(sink, &byte, 1, 0), 1);
		assert_int_equal(byte, expected[i]);
	}
	close(fd);
	close(sink);
	assert_in_range(stop()->held[0], 3, 13);
	clean();
}

/* Past the bound the client that was silent for longest is forgotten: descriptors are bounded. */
static void test_many_clients(void **state)
{
	struct gds_impairment what = {0};
	uint8_t data[3] = "abc";
	size_t before;

	(void)state;
	start(4, &what);
	before = count_descriptors();
	for (int i = 0; i < GDS_RELAY_FLOWS + 100; i++) {
		int fd = dial(SOCK_DGRAM);

		assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
		assert_int_equal(recv(fd, data, sizeof(data), 0), sizeof(data));
		close(fd);
	}
	assert_int_equal(count_descriptors(), before + GDS_RELAY_FLOWS);
	/* The kernel may give a port twice. */
	assert_in_range(stop()->flows, GDS_RELAY_FLOWS, GDS_RELAY_FLOWS + 100);
	clean();
	assert_true(count_descriptors() < before);
}

static void test_free_with_all_on_the_way(void **state)
{
	struct gds_impairment what = {.delay = 100 * GDS_SECOND,
		.stream_delay = 100 * GDS_SECOND,
		.duplicate = CHANCE(50)};
	uint8_t data[1000] = {0};
	struct gds_address at;
	int listener = bound_socket(4, SOCK_STREAM, &at);

	(void)state;
	prepare(4);
	start_to(&what, &at);
	int stream = dial(SOCK_STREAM), fd = dial(SOCK_DGRAM);
	int peer = accept(listener, NULL, NULL); /* the relay has connected */

	assert_int_equal(send(stream, data, sizeof(data), 0), sizeof(data));
	for (int i = 0; i < 50; i++) {
		assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
	}
	stop();
	clean();
	close(stream);
	close(fd);
	close(peer);
	close(listener);
}

/* --- Out of memory --- */

static size_t allocations, fail_at;

static void *failing_realloc(void *ctx, void *old, size_t n)
{
	(void)ctx;
	if (n == 0) {
		free(old);
		return NULL;
	}
	return ++allocations == fail_at ? NULL : realloc(old, n);
}

static void test_out_of_memory(void **state)
{
	struct gds_env env = *gds_env_system();
	struct gds_relay_options options = {.listen = loopback(4, 0), .to = loopback(4, 9)};
	struct gds_complaint complaint;
	int rc = GDS_E_NOMEM;

	(void)state;
	prepare(4);
	env.realloc = failing_realloc;
	size_t before = count_descriptors();

	for (fail_at = 1; rc != GDS_OK; fail_at++) {
		allocations = 0;
		assert_in_range(fail_at, 1, 10);
		rc = gds_relay_new(&relay, driver, loop, &options, &env, &complaint);
		if (rc != GDS_OK) {
			assert_int_equal(rc, GDS_E_NOMEM);
			assert_int_equal(count_descriptors(), before);
		}
	}
	clean();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_target),
		cmocka_unit_test(test_stream_passes),
		cmocka_unit_test(test_stream_delay),
		cmocka_unit_test(test_stream_backpressure),
		cmocka_unit_test(test_stream_refused),
		cmocka_unit_test(test_stream_reset),
		cmocka_unit_test(test_datagrams_as_predicted),
		cmocka_unit_test(test_datagram_delay),
		cmocka_unit_test(test_reorder),
		cmocka_unit_test(test_many_clients),
		cmocka_unit_test(test_free_with_all_on_the_way),
		cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
