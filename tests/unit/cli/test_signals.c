/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/signals.h"

#include "../io/support.h"

#include <signal.h>

static struct gds_loop *loop;
static int got[8], count;

static void on_signal(void *ctx, int number)
{
	(void)ctx;
	got[count++ % 8] = number;
	gds_loop_stop(loop);
}

static void test_signals(void **state)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGTERM};
	const struct gds_env *env = gds_env_system();
	size_t before = count_descriptors();
	struct gds_signals *signals;
	sigset_t set;
	int fds[2];

	(void)state;
	loop = gds_loop_new(env);
	signals = gds_signals_new(loop, on_signal, NULL, env);
	assert_non_null(signals);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(raise(numbers[i]), 0);
		gds_loop_run(loop);
		assert_int_equal(count, i + 1);
		assert_int_equal(got[i], numbers[i]);
	}
	/* SIGPIPE: alive behind this line. */
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_int_equal(write(fds[1], "x", 1), -1);
	close(fds[1]);
	gds_signals_free(signals);
	gds_signals_free(NULL);
	gds_loop_free(loop);
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	assert_false(sigismember(&set, SIGTERM));
	assert_int_equal(count_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_signals)};

	return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
