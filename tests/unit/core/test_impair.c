/* SPDX-License-Identifier: MIT */
/* The fate of datagrams and pieces: as often as asked for, and the same for the same seed. */
#include "core/impair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MANY 20000
#define START (1000 * GDS_SECOND)

static unsigned count_copies(const struct gds_impairment *what, unsigned copies, uint64_t flow)
{
	struct gds_impair impair;
	struct gds_fate fate;
	unsigned found = 0;

	gds_impair_init(&impair, what, flow, 0);
	for (int i = 0; i < MANY; i++) {
		gds_impair_datagram(&impair, START, &fate);
		found += fate.copies == copies;
	}
	return found;
}

static void test_nothing(void **state)
{
	struct gds_impairment what = {.seed = 1};
	struct gds_impair impair;
	struct gds_fate fate;
	gds_time at;

	(void)state;
	gds_impair_init(&impair, &what, 0, 0);
	for (int i = 0; i < 1000; i++) {
		gds_impair_datagram(&impair, START + i, &fate);
		assert_int_equal(fate.copies, 1);
		assert_true(fate.at[0] == START + i && !fate.held);
		assert_int_equal(gds_impair_piece(&impair, 77, START + i, &at), 77);
		assert_true(at == START + i);
	}
}

static void test_chances(void **state)
{
	static const uint32_t chances[] = {0, 1000, 200000, 500000, GDS_IMPAIR_ALWAYS};

	(void)state;
	for (size_t i = 0; i < sizeof(chances) / sizeof(chances[0]); i++) {
		unsigned expected = (unsigned)((uint64_t)MANY * chances[i] / GDS_IMPAIR_ALWAYS);
		/* Five standard deviations at the most uncertain chance. */
		unsigned slack = chances[i] % GDS_IMPAIR_ALWAYS ? 350 : 0;
		struct gds_impairment loss = {.seed = 3, .loss = chances[i]};
		struct gds_impairment twice = {.seed = 3, .duplicate = chances[i]};

		for (uint64_t flow = 0; flow < 5; flow++) {
			assert_in_range(count_copies(&loss, 0, flow),
				expected > slack ? expected - slack : 0, expected + slack);
			assert_in_range(count_copies(&twice, 2, flow),
				expected > slack ? expected - slack : 0, expected + slack);
		}
	}
}

/* What came before, when it came, and what else may happen to it, does not change whether the n-th
 * is lost. */
static void test_same_fate(void **state)
{
	struct gds_impairment a = {.seed = 9, .loss = 300000};
	struct gds_impairment b = {.seed = 9,
		.loss = 300000,
		.duplicate = 400000,
		.reorder = 500000,
		.delay = GDS_SECOND,
		.jitter = GDS_SECOND};
	struct gds_impair one, other, backward, third;
	unsigned differ_by_direction = 0, differ_by_flow = 0;

	(void)state;
	gds_impair_init(&one, &a, 4, 0);
	gds_impair_init(&other, &b, 4, 0);
	gds_impair_init(&backward, &a, 4, 1);
	gds_impair_init(&third, &a, 5, 0);
	for (int i = 0; i < 1000; i++) {
		struct gds_fate x, y;

		gds_impair_datagram(&one, START, &x);
		gds_impair_datagram(&other, START + i * GDS_MILLISECOND, &y);
		assert_int_equal(x.copies == 0, y.copies == 0);
		gds_impair_datagram(&backward, START, &y);
		differ_by_direction += (x.copies == 0) != (y.copies == 0);
		gds_impair_datagram(&third, START, &y);
		differ_by_flow += (x.copies == 0) != (y.copies == 0);
	}
	assert_in_range(differ_by_direction, 300, 550);
	assert_in_range(differ_by_flow, 300, 550);
}

static void test_times(void **state)
{
	struct gds_impairment what = {.seed = 5,
		.duplicate = 500000,
		.reorder = 500000,
		.delay = 100,
		.jitter = 10,
		.held = 1000};
	struct gds_impair impair;
	gds_time least = GDS_NEVER, most = 0;

	(void)state;
	gds_impair_init(&impair, &what, 0, 0);
	for (int i = 0; i < 1000; i++) {
		struct gds_fate fate;
		gds_time base;

		gds_impair_datagram(&impair, START, &fate);
		base = fate.at[0] - START - (fate.held ? 1000 : 0);
		assert_true(base >= 100 && base <= 110);
		least = base < least ? base : least;
		most = base > most ? base : most;
		if (fate.copies == 2) {
			assert_true(fate.at[1] == fate.at[0] + 1000);
		}
	}
	assert_true(least == 100 && most == 110);
}

static void test_held_has_a_default(void **state)
{
	struct gds_impairment what = {.seed = 5, .reorder = GDS_IMPAIR_ALWAYS};
	struct gds_impair impair;
	struct gds_fate fate;

	(void)state;
	gds_impair_init(&impair, &what, 0, 0);
	gds_impair_datagram(&impair, START, &fate);
	assert_true(fate.held && fate.at[0] == START + 20 * GDS_MILLISECOND);
}

static void test_pieces(void **state)
{
	static const size_t splits[] = {1, 2, 7, 4096};

	(void)state;
	for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
		struct gds_impairment what = {
			.seed = 2, .split = splits[i], .stream_delay = 50, .gap = 3};
		struct gds_impair impair;
		gds_time last = 0, at;
		size_t most = 0, least = SIZE_MAX;

		gds_impair_init(&impair, &what, 0, 0);
		for (int k = 0; k < 60000; k++) {
			size_t n = gds_impair_piece(&impair, 5000, START + k, &at);

			assert_in_range(n, 1, splits[i]);
			most = n > most ? n : most;
			least = n < least ? n : least;
			assert_true(at >= START + k + 50);
			assert_true(k == 0 || at >= last + 3);
			last = at;
		}
		assert_int_equal(least, 1);
		assert_int_equal(most, splits[i]);
		/* Never more than there is. */
		assert_int_equal(gds_impair_piece(&impair, 1, START, &at), 1);
	}
}

/* The clock is not asked to go forward: a piece is never due before the one ahead of it. */
static void test_pieces_keep_their_order(void **state)
{
	struct gds_impairment what = {.seed = 2, .stream_delay = 50};
	struct gds_impair impair;
	gds_time first, second;

	(void)state;
	gds_impair_init(&impair, &what, 0, 0);
	gds_impair_piece(&impair, 10, START, &first);
	gds_impair_piece(&impair, 10, START - 30, &second);
	assert_true(first == START + 50 && second == first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_chances),
		cmocka_unit_test(test_same_fate),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_held_has_a_default),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_pieces_keep_their_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
