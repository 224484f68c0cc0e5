/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/loop.h"

#include "../io/support.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static struct gds_loop *loop;

static int set_up(void **state)
{
	(void)state;
	loop = gds_loop_new(gds_env_system());
	return loop ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	gds_loop_free(loop);
	return 0;
}

static gds_time now(void)
{
	return gds_now(gds_env_system());
}

static void stop(void *ctx)
{
	int *calls = ctx;

	(*calls)++;
	gds_loop_stop(loop);
}

/* Never early, and not by much late: the kernel's share is what a loaded machine makes of it. */
static void test_timer(void **state)
{
	static const gds_time spans[] = {
		-GDS_SECOND, 0, 100 * GDS_MICROSECOND, 3 * GDS_MILLISECOND, 25 * GDS_MILLISECOND};
	int calls = 0;
	struct gds_timer *timer = gds_timer_new(loop, stop, &calls);

	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		gds_time at = now() + spans[i];

		gds_timer_set(timer, at);
		gds_loop_run(loop);
		assert_int_equal(calls, i + 1);
		assert_true(now() >= at);
		assert_true(now() - at < 2 * GDS_SECOND || spans[i] < 0);
	}
	gds_timer_free(timer);
	gds_timer_free(NULL);
}

/* Each counts from its own setting, however long the loop has been running. */
static void test_timer_after_a_while(void **state)
{
	int calls = 0;
	struct gds_timer *timer = gds_timer_new(loop, stop, &calls);
	gds_time best = GDS_NEVER;

	(void)state;
	for (int i = 0; i < 5; i++) {
		gds_time late;

		gds_timer_set(timer, now() + 60 * GDS_MILLISECOND);
		gds_loop_run(loop);
		late = now() + GDS_MILLISECOND;
		gds_timer_set(timer, late);
		gds_loop_run(loop);
		late = now() - late;
		best = i > 0 && late < best ? late : best;
	}
	/* Of four the best: a loaded machine is late now and then, a wrong sum always. */
	assert_true(best < 50 * GDS_MILLISECOND);
	gds_timer_free(timer);
}

/* A slow clock: what libev takes for the time has then not come yet. */
static gds_time tenth_speed(void *ctx)
{
	return gds_now(gds_env_system()) / 10 + *(gds_time *)ctx;
}

static struct gds_loop *slow_loop;

static void stop_slow(void *ctx)
{
	(*(int *)ctx)++;
	gds_loop_stop(slow_loop);
}

static void test_timer_is_never_early(void **state)
{
	struct gds_env slow = *gds_env_system();
	gds_time offset = 0, at;
	int calls = 0;

	(void)state;
	slow.mono = tenth_speed;
	slow.ctx = &offset;
	slow_loop = gds_loop_new(&slow);
	struct gds_timer *timer = gds_timer_new(slow_loop, stop_slow, &calls);

	at = gds_now(&slow) + 5 * GDS_MILLISECOND;
	gds_timer_set(timer, at);
	gds_loop_run(slow_loop);
	assert_int_equal(calls, 1);
	assert_true(gds_now(&slow) >= at);
	gds_timer_free(timer);
	gds_loop_free(slow_loop);
}

static void test_timer_disarmed(void **state)
{
	int calls = 0, stops = 0;
	struct gds_timer *timer = gds_timer_new(loop, stop, &calls);
	struct gds_timer *other = gds_timer_new(loop, stop, &stops);

	(void)state;
	gds_timer_set(timer, now() + GDS_MILLISECOND);
	gds_timer_set(timer, GDS_NEVER);
	gds_timer_set(other, now() + 5 * GDS_MILLISECOND);
	gds_loop_run(loop);
	assert_int_equal(calls, 0);
	assert_int_equal(stops, 1);
	/* Moved: only the last time counts. */
	gds_timer_set(other, now() + 60 * GDS_SECOND);
	gds_timer_set(other, now() + GDS_MILLISECOND);
	gds_loop_run(loop);
	assert_int_equal(stops, 2);
	gds_timer_free(timer);
	gds_timer_free(other);
}

struct seen {
	int calls;
	short revents;
	struct gds_watch *watch;
};

static void on_ready(void *ctx, short revents)
{
	struct seen *s = ctx;

	s->calls++;
	s->revents = revents;
	gds_loop_stop(loop);
}

static void test_watch(void **state)
{
	struct seen seen = {0};
	int fds[2];
	char byte;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	struct gds_watch *w = gds_watch_new(loop, fds[0], POLLIN, on_ready, &seen);

	assert_int_equal(send(fds[1], "x", 1, 0), 1);
	gds_loop_run(loop);
	assert_int_equal(seen.revents, POLLIN);
	assert_int_equal(recv(fds[0], &byte, 1, 0), 1);
	gds_watch_set(w, fds[0], POLLIN | POLLOUT);
	gds_loop_run(loop);
	assert_int_equal(seen.revents, POLLOUT);
	assert_int_equal(seen.calls, 2);
	gds_watch_free(w);
	gds_watch_free(NULL);
	close(fds[0]);
	close(fds[1]);
}

/* The peer is gone, which epoll always reports; who asks for nothing is not woken by it. */
static void test_hang_up_without_interest(void **state)
{
	struct seen seen = {0};
	int fds[2], calls = 0;
	struct gds_timer *timer = gds_timer_new(loop, stop, &calls);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	struct gds_watch *w = gds_watch_new(loop, fds[0], POLLIN, on_ready, &seen);

	gds_watch_set(w, fds[0], 0);
	close(fds[1]);
	gds_timer_set(timer, now() + 20 * GDS_MILLISECOND);
	uint64_t before = gds_loop_wakeups(loop);

	gds_loop_run(loop);
	assert_int_equal(seen.calls, 0);
	assert_true(gds_loop_wakeups(loop) - before <= 4);
	gds_watch_set(w, fds[0], POLLIN);
	gds_loop_run(loop);
	assert_int_equal(seen.calls, 1);
	gds_watch_free(w);
	gds_timer_free(timer);
	close(fds[0]);
}

/* A closed descriptor's number comes back for another socket. */
static void test_number_reused(void **state)
{
	struct seen seen = {0};
	int fds[2], again[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	struct gds_watch *w = gds_watch_new(loop, fds[0], POLLIN, on_ready, &seen);

	assert_int_equal(send(fds[1], "x", 1, 0), 1);
	gds_loop_run(loop);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, again), 0);
	assert_int_equal(again[0], fds[0]);
	gds_watch_set(w, again[0], POLLIN);
	assert_int_equal(send(again[1], "x", 1, 0), 1);
	gds_loop_run(loop);
	assert_int_equal(seen.calls, 2);
	gds_watch_free(w);
	close(again[0]);
	close(again[1]);
}

static void free_both(void *ctx, short revents)
{
	struct seen *s = ctx;

	(void)revents;
	for (int i = 0; i < 2; i++) {
		gds_watch_free(s[i].watch);
		s[i].watch = NULL;
	}
	s[0].calls++;
	gds_loop_stop(loop);
}

/* Both are ready in one iteration, and the first that is called frees both. */
static void test_freed_in_callback(void **state)
{
	struct seen s[2] = {0};
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	for (int i = 0; i < 2; i++) {
		s[i].watch = gds_watch_new(loop, fds[i], POLLOUT, free_both, s);
	}
	gds_loop_run(loop);
	assert_int_equal(s[0].calls, 1);
	close(fds[0]);
	close(fds[1]);
}

/* --- Posts --- */

enum { THREADS = 4, POSTS = 500 };
static atomic_int accepted, limited;
static int ran;

static void count(void *ctx)
{
	(void)ctx;
	if (++ran == THREADS * POSTS) {
		gds_loop_stop(loop);
	}
}

static void *post_many(void *ctx)
{
	(void)ctx;
	for (int i = 0; i < POSTS; i++) {
		while (gds_loop_post(loop, count, NULL) == GDS_E_LIMIT) {
			atomic_fetch_add(&limited, 1);
			sched_yield();
		}
		atomic_fetch_add(&accepted, 1);
	}
	return NULL;
}

static void test_posts_from_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	ran = 0;
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, NULL), 0);
	}
	gds_loop_run(loop);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_int_equal(atomic_load(&accepted), THREADS * POSTS);
	assert_int_equal(ran, THREADS * POSTS);
}

static int order[80], orders;

static void note_order(void *ctx)
{
	order[orders++] = (int)(intptr_t)ctx;
}

static void test_posts_are_ordered_and_bounded(void **state)
{
	int taken = 0, calls = 0;
	struct gds_timer *timer = gds_timer_new(loop, stop, &calls);

	(void)state;
	orders = 0;
	while (gds_loop_post(loop, note_order, (void *)(intptr_t)taken) == GDS_OK) {
		taken++;
	}
	assert_int_equal(taken, 64);
	gds_timer_set(timer, now() + 5 * GDS_MILLISECOND);
	gds_loop_run(loop);
	assert_int_equal(orders, 64);
	for (int i = 0; i < 64; i++) {
		assert_int_equal(order[i], i);
	}
	gds_timer_free(timer);
}

/* --- Iterations --- */

static void test_on_iteration(void **state)
{
	int flushed = 0, calls = 0;
	struct gds_timer *timer = gds_timer_new(loop, stop, &calls);

	(void)state;
	gds_loop_on_iteration(loop, note_order, NULL);
	orders = 0;
	for (int i = 0; i < 3; i++) {
		gds_timer_set(timer, now());
		gds_loop_run(loop);
	}
	/* Before each wait, but not before the first: nothing had been done. */
	flushed = orders;
	assert_int_equal(calls, 3);
	assert_int_equal(flushed, 2);
	gds_timer_free(timer);
}

static void test_stop_before_run(void **state)
{
	(void)state;
	gds_loop_stop(loop);
	gds_loop_run(loop); /* returns */
}

static void test_idle_does_not_wake(void **state)
{
	int calls = 0;
	struct gds_timer *timer = gds_timer_new(loop, stop, &calls);
	uint64_t before = gds_loop_wakeups(loop);

	(void)state;
	gds_timer_set(timer, now() + 50 * GDS_MILLISECOND);
	gds_loop_run(loop);
	assert_true(gds_loop_wakeups(loop) - before <= 3);
	gds_timer_free(timer);
}

static void test_no_leak(void **state)
{
	size_t before = count_descriptors();

	(void)state;
	for (int i = 0; i < 10; i++) {
		struct gds_loop *l = gds_loop_new(gds_env_system());

		gds_loop_free(l);
	}
	gds_loop_free(NULL);
	assert_int_equal(count_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_timer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_timer_after_a_while, set_up, tear_down),
		cmocka_unit_test(test_timer_is_never_early),
		cmocka_unit_test_setup_teardown(test_timer_disarmed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_watch, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hang_up_without_interest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_number_reused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_freed_in_callback, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_posts_from_threads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_posts_are_ordered_and_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_on_iteration, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stop_before_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_idle_does_not_wake, set_up, tear_down),
		cmocka_unit_test(test_no_leak),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
