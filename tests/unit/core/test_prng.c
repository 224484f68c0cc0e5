/* SPDX-License-Identifier: MIT */
/* The generators against published numbers. */
#include "core/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_splitmix(void **state)
{
	/* rosettacode.org, "Pseudo-random numbers/Splitmix64", from the authors' splitmix64.c. */
	static const uint64_t expected[] = {UINT64_C(6457827717110365317),
		UINT64_C(3203168211198807973), UINT64_C(9817491932198370423),
		UINT64_C(4593380528125082431), UINT64_C(16408922859458223821)};
	uint64_t seed = 1234567;

	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++) {
		assert_true(gds_splitmix(&seed) == expected[i]);
	}
}

static void test_xoshiro(void **state)
{
	/* From the authors' xoshiro256starstar.c, as the tests of Rust's rand_xoshiro have them. */
	static const uint64_t expected[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240),
		UINT64_C(1216172134540287360), UINT64_C(607988272756665600),
		UINT64_C(16172922978634559625), UINT64_C(8476171486693032832),
		UINT64_C(10595114339597558777), UINT64_C(2904607092377533576)};
	struct gds_prng prng = {{1, 2, 3, 4}};

	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++) {
		assert_true(gds_prng_next(&prng) == expected[i]);
	}
}

static void test_seed(void **state)
{
	struct gds_prng prng;

	(void)state;
	/* Seeded by splitmix64, as rand_xoshiro's seed_from_u64(42). */
	gds_prng_seed(&prng, 42);
	assert_true(gds_prng_next(&prng) == UINT64_C(1546998764402558742));
	assert_true(gds_prng_next(&prng) == UINT64_C(6990951692964543102));
	/* A seed of 0 is as good as any: the state is not zero. */
	gds_prng_seed(&prng, 0);
	assert_true(prng.s[0] == UINT64_C(0xe220a8397b1dcdaf)); /* splitmix64.c, seed 0 */
}

static void test_streams(void **state)
{
	struct gds_prng a, b, c, d;

	(void)state;
	gds_prng_seed_stream(&a, 7, 1);
	gds_prng_seed_stream(&b, 7, 1);
	gds_prng_seed_stream(&c, 7, 2);
	gds_prng_seed_stream(&d, 8, 1);
	for (int i = 0; i < 100; i++) {
		uint64_t number = gds_prng_next(&a);

		assert_true(number == gds_prng_next(&b));
		assert_true(number != gds_prng_next(&c));
		assert_true(number != gds_prng_next(&d));
	}
}

static void test_below(void **state)
{
	struct gds_prng prng;
	unsigned seen[6] = {0};

	(void)state;
	gds_prng_seed(&prng, 1);
	for (int i = 0; i < 60000; i++) {
		uint64_t x = gds_prng_below(&prng, COUNT(seen));

		assert_true(x < COUNT(seen));
		seen[x]++;
	}
	for (size_t i = 0; i < COUNT(seen); i++) {
		assert_in_range(seen[i], 9500, 10500); /* five standard deviations */
	}
	assert_true(gds_prng_below(&prng, 1) == 0);
	/* More than half of all numbers are thrown away here, and it ends all the same. */
	for (int i = 0; i < 100; i++) {
		assert_true(gds_prng_below(&prng, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_splitmix),
		cmocka_unit_test(test_xoshiro),
		cmocka_unit_test(test_seed),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_below),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
