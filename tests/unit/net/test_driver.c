/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "toy.h"

#include "../io/support.h"

#include <string.h>

/* --- Needs --- */

static void test_done_at_once(void **state)
{
	struct toy t = toy();

	(void)state;
	t.end = true;
	bind_toy(&t);
	assert_int_equal(dones, 1);
	assert_true(t.freed);
	assert_int_equal(gds_driver_count(driver), 0);
}

static void test_resolve_literal(void **state)
{
	struct toy t = toy();

	(void)state;
	t.script[0] = (struct gds_need){
		.kind = GDS_RESOLVE, .host = "::1", .port = 7, .deadline = GDS_NEVER};
	t.needs = 1;
	t.wait_for_answers = true;
	bind_toy(&t);
	assert_int_equal(dones, 1); /* without the loop */
	assert_int_equal(t.n, 1);
	assert_int_equal(t.list[0].family, 6);
}

static void test_resolve_name(void **state)
{
	struct toy t = toy();

	(void)state;
	t.script[0] = (struct gds_need){
		.kind = GDS_RESOLVE, .host = "agent.example", .port = 7, .deadline = GDS_NEVER};
	t.needs = 1;
	t.wait_for_answers = true;
	bind_toy(&t);
	assert_int_equal(dones, 0);
	gds_loop_run(loop);
	assert_int_equal(dones, 1);
	assert_int_equal(t.why.code, GDS_OK);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.list[0].ip[0], 192);
	assert_int_equal(t.list[0].port, 7);
}

static void test_connect(void **state)
{
	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		static const enum gds_transport transports[] = {GDS_TCP, GDS_UDP};

		for (size_t i = 0; i < 2; i++) {
			struct toy t = toy();
			struct gds_address to;
			int fd = bound_socket(family, i == 0 ? SOCK_STREAM : SOCK_DGRAM, &to);

			if (fd < 0) {
				print_message("# no IPv%d here\n", family);
				continue;
			}
			t.script[0] = (struct gds_need){.kind = GDS_CONNECT,
				.transport = transports[i],
				.address = to,
				.deadline = GDS_NEVER};
			t.needs = 1;
			t.wait_for_answers = true;
			dones = 0;
			bind_toy(&t);
			gds_loop_run(
				loop); /* also when it is already done: done has stopped the loop */
			assert_int_equal(dones, 1);
			assert_int_equal(t.answers, 1);
			assert_int_equal(t.why.code, GDS_OK);
			close(fd);
		}
	}
}

static void test_connect_refused(void **state)
{
	struct toy t = toy();
	struct gds_address to;
	int fd = bare_socket(4, SOCK_STREAM, &to);

	(void)state;
	t.script[0] = (struct gds_need){
		.kind = GDS_CONNECT, .transport = GDS_TCP, .address = to, .deadline = GDS_NEVER};
	t.needs = 1;
	t.wait_for_answers = true;
	bind_toy(&t);
	gds_loop_run(loop);
	assert_int_equal(t.why.code, GDS_E_REFUSED);
	assert_null(t.carrier);
	close(fd);
}

/* A listener whose backlog is full answers nothing: connects to it stay under way. */
static int full_listener(struct gds_address *to, int fillers[16])
{
	struct sockaddr_storage s;
	socklen_t n;
	int fd = bound_socket(4, SOCK_STREAM, to);

	listen(fd, 0);
	n = gds_address_to_sockaddr(to, &s);
	for (int i = 0; i < 16; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fillers[i], (struct sockaddr *)&s, n);
	}
	return fd;
}

static void close_fillers(int fd, const int fillers[16])
{
	close(fd);
	for (int i = 0; i < 16; i++) {
		close(fillers[i]);
	}
}

static void test_connect_deadline(void **state)
{
	struct toy t = toy();
	struct gds_address to;
	int fillers[16], fd = full_listener(&to, fillers);
	gds_time start = gds_now(env);
	uint64_t before = gds_loop_wakeups(loop);

	(void)state;
	t.script[0] = (struct gds_need){.kind = GDS_CONNECT,
		.transport = GDS_TCP,
		.address = to,
		.deadline = start + 50 * GDS_MILLISECOND};
	t.needs = 1;
	t.wait_for_answers = true;
	bind_toy(&t);
	gds_loop_run(loop);
	assert_int_equal(t.why.code, GDS_E_TIMEOUT);
	assert_int_equal(t.why.origin, GDS_PATH);
	assert_true(gds_now(env) >= start + 50 * GDS_MILLISECOND);
	assert_true(gds_loop_wakeups(loop) - before <= 5);
	close_fillers(fd, fillers);
}

/* The dial that is cancelled is not answered, and its descriptor is closed. */
static void test_cancel_need(void **state)
{
	struct toy t = toy();
	struct gds_address to;
	int fillers[16], fd = full_listener(&to, fillers);
	size_t before = count_descriptors();

	(void)state;
	t.script[0] = (struct gds_need){
		.kind = GDS_CONNECT, .transport = GDS_TCP, .address = to, .deadline = GDS_NEVER};
	t.script[1] = (struct gds_need){
		.kind = GDS_RESOLVE, .host = "name.invalid", .port = 1, .deadline = GDS_NEVER};
	t.script[2] = (struct gds_need){.kind = GDS_CANCEL, .id = 1};
	t.script[3] = (struct gds_need){.kind = GDS_CANCEL, .id = 2};
	t.script[4] = (struct gds_need){.kind = GDS_CANCEL, .id = 2}; /* harmless */
	t.needs = 5;
	t.done_at = gds_now(env) + 20 * GDS_MILLISECOND;
	bind_toy(&t);
	assert_int_equal(count_descriptors(), before);
	gds_loop_run(loop);
	assert_int_equal(t.answers, 0);
	assert_int_equal(dones, 1);
	close_fillers(fd, fillers);
}

static void test_handoff(void **state)
{
	(void)state;
	for (handoffs = 0; handoffs < 2; handoffs++) {
		struct toy t = toy();

		t.script[0] = (struct gds_need){.kind = GDS_HANDOFF};
		t.needs = 1;
		t.wait_for_answers = true;
		bind_toy(&t);
		assert_int_equal(t.answers, 1);
		assert_int_equal(t.why.code, handoffs ? GDS_OK : GDS_E_PERMISSION);
	}
}

/* What is bound when the driver goes: freed, with dials and look-ups under way. */
static void test_free_with_bound(void **state)
{
	struct toy t = toy(), ready[2] = {toy(), toy()};
	struct gds_address to;
	int fillers[16], fd = full_listener(&to, fillers);
	size_t before = count_descriptors();

	(void)state;
	t.script[0] = (struct gds_need){
		.kind = GDS_CONNECT, .transport = GDS_TCP, .address = to, .deadline = GDS_NEVER};
	t.script[1] = (struct gds_need){
		.kind = GDS_RESOLVE, .host = "name.invalid", .port = 1, .deadline = GDS_NEVER};
	t.needs = 2;
	t.ready_left = ready[0].ready_left = ready[1].ready_left = 100;
	bind_toy(&ready[0]);
	bind_toy(&t);
	bind_toy(&ready[1]);
	ready[0].victim = t.binding; /* both wait for their turn, and one ends the other */
	assert_int_equal(count_descriptors(), before + 1);
	gds_driver_free(driver);
	assert_int_equal(dones, 3);
	assert_true(t.freed && ready[0].freed && ready[1].freed);
	assert_int_equal(count_descriptors(), before);
	driver = gds_driver_new(loop, resolver, &toy_driver_ops, &handoffs, env);
	close_fillers(fd, fillers);
}

/* Without memory for a binding the machine stays the caller's. */
static size_t allowed;

static void *scarce(void *ctx, void *old, size_t n)
{
	(void)ctx;
	if (n > 0 && allowed-- == 0) {
		allowed = 0;
		return NULL;
	}
	return n > 0 ? realloc(old, n) : (free(old), NULL);
}

static void test_no_memory(void **state)
{
	struct gds_env poor = *gds_env_system();
	bool bound = false;

	(void)state;
	poor.realloc = scarce;
	allowed = SIZE_MAX;
	struct gds_loop *l = gds_loop_new(&poor);
	struct gds_resolver *r = gds_resolver_new(&poor, 1);
	struct gds_driver *d = gds_driver_new(l, r, NULL, NULL, &poor);

	for (size_t i = 0; !bound && i < 10; i++) {
		struct toy t = toy();

		t.script[0] = (struct gds_need){.kind = GDS_CONNECT,
			.transport = GDS_UDP,
			.address = loopback(4, 9),
			.deadline = GDS_NEVER};
		t.needs = 1;
		t.wait_for_answers = true;
		allowed = i;
		bound = gds_driver_bind(d, &t.machine, NULL, NULL) != NULL;
		assert_true(t.freed == bound);
		if (bound) {
			/* Bound, but the dial had no memory: it was told so. */
			assert_int_equal(t.why.code, GDS_E_NOMEM);
		}
		allowed = SIZE_MAX;
	}
	assert_true(bound);
	gds_driver_free(d);
	gds_resolver_free(r);
	gds_loop_free(l);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_done_at_once),
		TEST(test_resolve_literal),
		TEST(test_resolve_name),
		TEST(test_connect),
		TEST(test_connect_refused),
		TEST(test_connect_deadline),
		TEST(test_cancel_need),
		TEST(test_handoff),
		TEST(test_free_with_bound),
		TEST(test_no_memory),
	};

	return cmocka_run_group_tests_name("driver", tests, NULL, NULL);
}
