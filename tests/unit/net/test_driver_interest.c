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

static void stop_loop(void *ctx)
{
	gds_loop_stop(ctx);
}

/* One turn of the loop, or a few. */
static void iterate(void)
{
	struct gds_timer *once = gds_timer_new(loop, stop_loop, loop);

	gds_timer_set(once, gds_now(env));
	gds_loop_run(loop);
	gds_timer_free(once);
}

/* --- Interests --- */

static void test_descriptor_wakes(void **state)
{
	struct toy t = toy();
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	t.interest[0] =
		(struct gds_interest){.fd = fds[0], .events = POLLIN, .deadline = GDS_NEVER};
	t.interests = 1;
	t.drain = true;
	t.done_at = gds_now(env) + 60 * GDS_MILLISECOND;
	bind_toy(&t);
	assert_int_equal(t.steps, 1);
	assert_int_equal(send(fds[1], "hello", 5, 0), 5);
	uint64_t before = gds_loop_wakeups(loop);

	gds_loop_run(loop);
	assert_int_equal(t.received, 5);
	assert_true(t.steps <= 4);
	assert_true(gds_loop_wakeups(loop) - before <= 4); /* no spinning in 60 ms */
	close(fds[0]);
	close(fds[1]);
}

/*
 * Bytes that wait on a descriptor whose reading is masked, and a peer that has hung up: neither
 * wakes.
 */
static void test_masked_does_not_spin(void **state)
{
	struct toy t = toy();
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(send(fds[1], "hello", 5, 0), 5);
	close(fds[1]);
	t.interest[0] = (struct gds_interest){.fd = fds[0], .events = 0, .deadline = GDS_NEVER};
	t.interests = 1;
	t.done_at = gds_now(env) + 40 * GDS_MILLISECOND;
	bind_toy(&t);
	gds_loop_run(loop);
	assert_true(t.steps <= 3);
	close(fds[0]);
}

/* Both ready: each gets one turn an iteration, and descriptors are looked at in between. */
static void test_ready_is_fair(void **state)
{
	struct toy a = toy(), b = toy();
	int order[64], orders = 0;

	(void)state;
	a.ready_left = 4;
	b.ready_left = 4;
	a.order = b.order = order;
	a.orders = b.orders = &orders;
	bind_toy(&a);
	bind_toy(&b);
	assert_int_equal(a.steps, 1);
	a.done_at = b.done_at = gds_now(env) + 10 * GDS_MILLISECOND;
	uint64_t before = gds_loop_wakeups(loop);

	/* Their interest was read before: ready still holds. */
	while (a.ready_left > 0 || b.ready_left > 0) {
		int turns_a = a.steps, turns_b = b.steps;

		iterate();
		assert_true(a.steps - turns_a <= 1);
		assert_true(b.steps - turns_b <= 1);
	}
	assert_true(gds_loop_wakeups(loop) - before >= 3);
	gds_driver_cancel(a.binding, GDS_CLOSE_SILENT);
	gds_driver_cancel(b.binding, GDS_CLOSE_SILENT);
	assert_int_equal(dones, 2);
}

/*
 * It closes its descriptor and is given a carrier with the same number: the new one must be
 * watched.
 */
static void watch_carrier(struct toy *t)
{
	if (t->carrier) {
		t->interest[0] = (struct gds_interest){
			.fd = gds_carrier_fd(t->carrier), .events = POLLIN, .deadline = GDS_NEVER};
		t->interests = 1;
	}
}

static void reconnect(struct toy *t)
{
	if (t->needs == 1) {
		gds_carrier_close(t->carrier, GDS_CLOSE_SILENT);
		t->carrier = NULL;
		t->needs = 2;
		t->script[1] = t->script[0];
	}
	watch_carrier(t);
}

static void test_number_reused(void **state)
{
	struct toy t = toy();
	struct gds_address to, from;
	struct sockaddr_storage s;
	socklen_t n = sizeof(s);
	int peer = bound_socket(4, SOCK_DGRAM, &to), first;

	(void)state;
	t.script[0] = (struct gds_need){
		.kind = GDS_CONNECT, .transport = GDS_UDP, .address = to, .deadline = GDS_NEVER};
	t.needs = 1;
	bind_toy(&t);
	assert_int_equal(t.answers, 1);
	first = gds_carrier_fd(t.carrier);
	t.on_step = watch_carrier;
	gds_driver_kick(t.binding);
	iterate(); /* the kernel now knows the descriptor */
	t.on_step = reconnect;
	gds_driver_kick(t.binding);
	assert_int_equal(t.answers, 2);
	assert_int_equal(gds_carrier_fd(t.carrier), first); /* what this test is about */
	getsockname(first, (struct sockaddr *)&s, &n);
	assert_int_equal(gds_address_from_sockaddr(&from, (struct sockaddr *)&s), GDS_OK);
	assert_int_equal(sendto(peer, "x", 1, 0, (struct sockaddr *)&s, n), 1);
	t.drain = true;
	t.done_at = gds_now(env) + 5 * GDS_SECOND;
	int steps = t.steps;
	struct gds_timer *limit = gds_timer_new(loop, stop_loop, loop);

	gds_timer_set(limit, gds_now(env) + 100 * GDS_MILLISECOND);
	gds_loop_run(loop);
	gds_timer_free(limit);
	assert_true(t.steps > steps);
	assert_int_equal(t.received, 1);
	gds_driver_cancel(t.binding, GDS_CLOSE_SILENT);
	close(peer);
}

/* --- Re-entrance --- */

static void kick_itself(struct toy *t)
{
	if (t->binding && t->steps < 5) {
		gds_driver_kick(t->binding);
	}
}

static void test_kick_while_stepping(void **state)
{
	struct toy t = toy();

	(void)state;
	bind_toy(&t);
	t.on_step = kick_itself;
	gds_driver_kick(t.binding);
	assert_int_equal(t.steps, 5);
	gds_driver_cancel(t.binding, GDS_CLOSE_SILENT);
	assert_int_equal(dones, 1);
}

static void cancel_itself(struct toy *t)
{
	t->on_step = NULL;
	gds_driver_cancel(t->binding, GDS_CLOSE_RESET);
	assert_int_equal(t->cancels, 0); /* never from within step */
}

static void test_cancel_while_stepping(void **state)
{
	struct toy t = toy();

	(void)state;
	bind_toy(&t);
	t.on_step = cancel_itself;
	gds_driver_kick(t.binding);
	assert_int_equal(t.cancels, 1);
	assert_int_equal(t.how, GDS_CLOSE_RESET);
	assert_int_equal(dones, 1);
}

/* The end of one ends the next, while all are being cancelled. */
static void test_done_ends_others(void **state)
{
	struct toy t[4];
	int order[4], orders = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		t[i] = toy();
		t[i].order = order;
		t[i].orders = &orders;
		t[i].name = i;
		bind_toy(&t[i]);
	}
	t[0].victim = t[1].binding;
	t[1].victim = t[3].binding;
	gds_driver_cancel_all(driver, GDS_CLOSE_SILENT);
	assert_int_equal(dones, 4);
	assert_int_equal(gds_driver_count(driver), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(t[i].cancels, 1);
		assert_true(t[i].freed);
	}
}

/* A clean cancel goes on; each is asked once. */
static void test_cancel_all_clean(void **state)
{
	struct toy t[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		t[i] = toy();
		bind_toy(&t[i]);
	}
	gds_driver_cancel_all(driver, GDS_CLOSE_CLEAN);
	assert_int_equal(dones, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(t[i].cancels, 1);
		t[i].end = true;
		gds_driver_kick(t[i].binding);
	}
	assert_int_equal(dones, 3);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_descriptor_wakes),
		TEST(test_masked_does_not_spin),
		TEST(test_ready_is_fair),
		TEST(test_number_reused),
		TEST(test_kick_while_stepping),
		TEST(test_cancel_while_stepping),
		TEST(test_done_ends_others),
		TEST(test_cancel_all_clean),
	};

	return cmocka_run_group_tests_name("driver: interests and re-entrance", tests, NULL, NULL);
}
