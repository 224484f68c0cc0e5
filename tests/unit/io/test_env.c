/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <gdstream/env.h>

#include <string.h>
#include <time.h>

static void test_clocks(void **state)
{
	const struct gds_env *env = gds_env_system();
	gds_time a = gds_now(env), b = gds_now(env), wall = env->wall(env->ctx);

	(void)state;
	assert_true(a > 0 && b >= a);
	assert_true(wall / GDS_SECOND - (gds_time)time(NULL) <= 1);
	assert_true((gds_time)time(NULL) - wall / GDS_SECOND <= 1);
}

static void test_later(void **state)
{
	(void)state;
	assert_true(gds_later(5, 7) == 12);
	assert_true(gds_later(5, GDS_NEVER) == GDS_NEVER);
	assert_true(gds_later(GDS_NEVER, 0) == GDS_NEVER);
}

static void test_random(void **state)
{
	const struct gds_env *env = gds_env_system();
	uint8_t a[1024], b[1024];

	(void)state;
	assert_int_equal(env->random(env->ctx, a, sizeof(a)), GDS_OK);
	assert_int_equal(env->random(env->ctx, b, sizeof(b)), GDS_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_memory_not_equal(a + 512, b + 512, 512);
	assert_int_equal(env->random(env->ctx, a, 0), GDS_OK);
}

static void test_memory(void **state)
{
	const struct gds_env *env = gds_env_system();
	static const uint8_t zeros[256];
	uint8_t *p = gds_alloc(env, sizeof(zeros));

	(void)state;
	assert_memory_equal(p, zeros, sizeof(zeros));
	gds_free(env, p);
	gds_free(env, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
