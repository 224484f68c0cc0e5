/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <gdstream/race.h>

#define MS GDS_MILLISECOND

/* Addresses of families by letters: "664" is IPv6, IPv6, IPv4; each gets a number of its own. */
static size_t make(struct gds_address *list, const char *families)
{
	size_t n = strlen(families);

	memset(list, 0, n * sizeof(*list));
	for (size_t i = 0; i < n; i++) {
		list[i].family = families[i] == '6' ? 6 : 4;
		list[i].port = 8890;
		list[i].ip[0] = 10;
		list[i].ip[1] = (uint8_t)i;
	}
	return n;
}

/* RFC 8305 section 4 */
static void test_interleaving(void **state)
{
	static const struct {
		const char *in;
		uint8_t n, want[GDS_RACE_MAX]; /* indices into in */
	} rows[] = {
		{"", 0, {0}},
		{"4", 1, {0}},
		{"6", 1, {0}},
		{"64", 2, {0, 1}},
		{"46", 2, {0, 1}},
		{"6644", 4, {0, 2, 1, 3}},
		{"4466", 4, {0, 2, 1, 3}},
		{"666", 3, {0, 1, 2}},
		{"6664", 4, {0, 3, 1, 2}},
		{"4666", 4, {0, 1, 2, 3}},
		{"66666666664", 8, {0, 10, 1, 2, 3, 4, 5, 6}},
		{"4444444444444446", 8, {0, 15, 1, 2, 3, 4, 5, 6}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gds_address list[32];
		struct gds_race race;

		print_message("# %s\n", rows[i].in);
		gds_race_init(&race, list, make(list, rows[i].in));
		assert_int_equal(race.n, rows[i].n);
		for (size_t j = 0; j < race.n; j++) {
			assert_int_equal(race.list[j].ip[1], rows[i].want[j]);
		}
	}
}

static void test_duplicates(void **state)
{
	struct gds_address list[4];
	struct gds_race race;

	(void)state;
	(void)make(list, "4444");
	list[1] = list[0];
	list[3] = list[2];
	gds_race_init(&race, list, 4);
	assert_int_equal(race.n, 2);
	assert_int_equal(race.list[1].ip[1], 2);
}

/* A script of steps in virtual time. NEXT expects an action about i; WON and LOST are told. */
enum verb { NEXT, WON, LOST, DEADLINE, END };

struct step {
	enum verb verb;
	gds_time now; /* DEADLINE: the deadline expected */
	enum gds_race_action action;
	size_t i;
};

static void play(const char *families, const struct step *step)
{
	struct gds_address list[8];
	struct gds_race race;

	gds_race_init(&race, list, make(list, families));
	for (unsigned n = 0; step->verb != END; step++, n++) {
		size_t i = 99;

		print_message("# step %u\n", n);
		switch (step->verb) {
		case NEXT:
			assert_int_equal(gds_race_next(&race, step->now, &i), step->action);
			if (step->action != GDS_RACE_WAIT && step->action != GDS_RACE_FAIL) {
				assert_int_equal(i, step->i);
			}
			break;
		case WON:
			gds_race_won(&race, step->i);
			break;
		case LOST:
			gds_race_lost(&race, step->i, step->now);
			break;
		default:
			assert_true(gds_race_deadline(&race) == step->now);
			break;
		}
	}
}

static void test_first_wins(void **state)
{
	static const struct step steps[] = {
		{NEXT, 0, GDS_RACE_START, 0},
		{NEXT, 0, GDS_RACE_WAIT, 0},
		{DEADLINE, 250 * MS, 0, 0},
		{NEXT, 250 * MS - 1, GDS_RACE_WAIT, 0},
		{WON, 0, 0, 0},
		{DEADLINE, GDS_NEVER, 0, 0},
		{NEXT, 250 * MS, GDS_RACE_WIN, 0},
		{NEXT, 900 * MS, GDS_RACE_WIN, 0},
		{END, 0, 0, 0},
	};

	(void)state;
	play("64", steps);
}

static void test_second_overtakes(void **state)
{
	static const struct step steps[] = {
		{NEXT, 0, GDS_RACE_START, 0},
		{NEXT, 250 * MS, GDS_RACE_START, 1},
		{NEXT, 250 * MS, GDS_RACE_WAIT, 0},
		{DEADLINE, 500 * MS, 0, 0},
		{WON, 0, 0, 1},
		{NEXT, 251 * MS, GDS_RACE_CANCEL, 0},
		{NEXT, 251 * MS, GDS_RACE_WIN, 1},
		/* The cancelled one got through as well, too late: nothing changes. */
		{WON, 0, 0, 0},
		{NEXT, 252 * MS, GDS_RACE_WIN, 1},
		{END, 0, 0, 0},
	};

	(void)state;
	play("646", steps);
}

static void test_both_get_through(void **state)
{
	static const struct step steps[] = {
		{NEXT, 0, GDS_RACE_START, 0},
		{NEXT, 250 * MS, GDS_RACE_START, 1},
		{WON, 0, 0, 1},
		{WON, 0, 0, 0},
		{NEXT, 251 * MS, GDS_RACE_CANCEL, 0},
		{NEXT, 251 * MS, GDS_RACE_WIN, 1},
		{END, 0, 0, 0},
	};

	(void)state;
	play("64", steps);
}

/* A failure starts the next at once, and the delay counts from there. */
static void test_failures_hurry(void **state)
{
	static const struct step steps[] = {
		{NEXT, 0, GDS_RACE_START, 0},
		{NEXT, 0, GDS_RACE_WAIT, 0},
		{LOST, 3 * MS, 0, 0},
		{DEADLINE, 3 * MS, 0, 0},
		{NEXT, 3 * MS, GDS_RACE_START, 1},
		{NEXT, 3 * MS, GDS_RACE_WAIT, 0},
		{DEADLINE, 253 * MS, 0, 0},
		{NEXT, 253 * MS, GDS_RACE_START, 2},
		{DEADLINE, GDS_NEVER, 0, 0},
		{LOST, 260 * MS, 0, 2},
		{NEXT, 260 * MS, GDS_RACE_WAIT, 0},
		{LOST, 261 * MS, 0, 1},
		{NEXT, 261 * MS, GDS_RACE_FAIL, 0},
		{NEXT, 300 * MS, GDS_RACE_FAIL, 0},
		{DEADLINE, GDS_NEVER, 0, 0},
		{END, 0, 0, 0},
	};

	(void)state;
	play("646", steps);
}

/* One failure lets one address start, not all of them. */
static void test_one_failure_one_start(void **state)
{
	static const struct step steps[] = {
		{NEXT, 10 * MS, GDS_RACE_START, 0},
		{NEXT, 260 * MS, GDS_RACE_START, 1},
		{LOST, 300 * MS, 0, 0},
		{NEXT, 300 * MS, GDS_RACE_START, 2},
		{NEXT, 300 * MS, GDS_RACE_WAIT, 0},
		{DEADLINE, 550 * MS, 0, 0},
		{END, 0, 0, 0},
	};

	(void)state;
	play("6464", steps);
}

/* Only what runs can win or lose: late and early reports change nothing. */
static void test_stray_reports(void **state)
{
	static const struct step steps[] = {
		{WON, 0, 0, 0},
		{LOST, 0, 0, 1},
		{NEXT, 0, GDS_RACE_START, 0},
		{LOST, 5 * MS, 0, 0},
		{WON, 0, 0, 0},
		{NEXT, 5 * MS, GDS_RACE_START, 1},
		{LOST, 6 * MS, 0, 0},
		{DEADLINE, 255 * MS, 0, 0},
		{NEXT, 6 * MS, GDS_RACE_WAIT, 0},
		{END, 0, 0, 0},
	};

	(void)state;
	play("646", steps);
}

/* Where the clock stands at the start does not matter: the first goes at once. */
static void test_clock_below_zero(void **state)
{
	static const struct step steps[] = {
		{NEXT, -9 * GDS_SECOND, GDS_RACE_START, 0},
		{NEXT, -9 * GDS_SECOND, GDS_RACE_WAIT, 0},
		{DEADLINE, -9 * GDS_SECOND + 250 * MS, 0, 0},
		{END, 0, 0, 0},
	};

	(void)state;
	play("64", steps);
}

/* The states as others may read them. */
static void test_states(void **state)
{
	struct gds_address list[3];
	struct gds_race race;
	size_t i;

	(void)state;
	gds_race_init(&race, list, make(list, "646"));
	assert_int_equal(gds_race_next(&race, 0, &i), GDS_RACE_START);
	gds_race_lost(&race, 0, 0);
	assert_int_equal(race.state[0], GDS_RACE_LOST);
	assert_int_equal(gds_race_next(&race, 0, &i), GDS_RACE_START);
	assert_int_equal(gds_race_next(&race, GDS_SECOND, &i), GDS_RACE_START);
	gds_race_won(&race, 2);
	assert_int_equal(gds_race_next(&race, GDS_SECOND, &i), GDS_RACE_CANCEL);
	assert_int_equal(race.state[1], GDS_RACE_CANCELLED);
	assert_int_equal(race.state[2], GDS_RACE_WON);
	assert_int_equal(race.winner, 2);
}

static void test_nothing_to_try(void **state)
{
	static const struct step steps[] = {
		{NEXT, 0, GDS_RACE_FAIL, 0},
		{DEADLINE, GDS_NEVER, 0, 0},
		{END, 0, 0, 0},
	};

	(void)state;
	play("", steps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interleaving),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_first_wins),
		cmocka_unit_test(test_second_overtakes),
		cmocka_unit_test(test_both_get_through),
		cmocka_unit_test(test_failures_hurry),
		cmocka_unit_test(test_one_failure_one_start),
		cmocka_unit_test(test_stray_reports),
		cmocka_unit_test(test_clock_below_zero),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_nothing_to_try),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
