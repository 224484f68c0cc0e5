/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/options.h"

#include <string.h>

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		gds_time span; /* 0: refused */
	} cases[] = {
		{"5", 5 * GDS_SECOND},
		{"1.5s", 1500 * GDS_MILLISECOND},
		{"200ms", 200 * GDS_MILLISECOND},
		{"2m", 120 * GDS_SECOND},
		{"2min", 120 * GDS_SECOND},
		{"0.5m", 30 * GDS_SECOND},
		{"24h", 86400 * GDS_SECOND},
		{"86400", 86400 * GDS_SECOND},
		{"250us", 250 * GDS_MICROSECOND},
		{"0.000001", GDS_MICROSECOND},
		{"1.0000000000000000000001s", GDS_SECOND},
		{"", 0},
		{"0", 0},
		{"0.0s", 0},
		{"-1", 0},
		{"+1", 0},
		{" 1", 0},
		{"1 s", 0},
		{"1.", 0},
		{".5", 0},
		{"s", 0},
		{"1d", 0},
		{"1sx", 0},
		{"1,5", 0},
		{"0x10", 0},
		{"inf", 0},
		{"1e3", 0},
		{"25h", 0},
		{"24.1h", 0},
		{"86401", 0},
		{"99999999999999999999999999", 0},
		{"99999999999999999999999999us", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gds_complaint complaint = {0};
		gds_time span = 0;
		int rc = gds_duration_parse(cases[i].text, &span, &complaint);

		if (span != cases[i].span) {
			print_message("# case \"%s\"\n", cases[i].text);
		}
		assert_true(span == cases[i].span);
		assert_int_equal(rc, cases[i].span ? GDS_OK : GDS_E_INVALID);
		assert_int_equal(complaint.text[0] != '\0', cases[i].span == 0);
	}
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		long min, max, value;
		int rc;
	} cases[] = {
		{"1", 1, 64, 1, GDS_OK},
		{"64", 1, 64, 64, GDS_OK},
		{"0", 1, 64, 0, GDS_E_INVALID},
		{"65", 1, 64, 0, GDS_E_INVALID},
		{"-3", -5, 5, -3, GDS_OK},
		{"", 0, 9, 0, GDS_E_INVALID},
		{"-", -9, 9, 0, GDS_E_INVALID},
		{"3x", 0, 9, 0, GDS_E_INVALID},
		{" 3", 0, 9, 0, GDS_E_INVALID},
		{"+3", 0, 9, 0, GDS_E_INVALID},
		{"0x3", 0, 9, 0, GDS_E_INVALID},
		{"http", 1, 65535, 0, GDS_E_INVALID},
		{"99999999999999999999", 0, INT64_MAX, 0, GDS_E_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gds_complaint complaint = {0};
		long value = 0;

		assert_int_equal(gds_number_parse(cases[i].text, cases[i].min, cases[i].max, &value,
					 &complaint),
			cases[i].rc);
		assert_int_equal(value, cases[i].value);
		assert_int_equal(complaint.text[0] != '\0', cases[i].rc != GDS_OK);
	}
}

static void test_colour(void **state)
{
	FILE *f = tmpfile();

	(void)state;
	unsetenv("NO_COLOR");
	assert_false(gds_colour_wanted(f)); /* a file */
	fclose(f);
	f = fopen("/dev/ptmx", "w");
	if (f) {
		assert_true(gds_colour_wanted(f));
		setenv("NO_COLOR", "", 1);
		assert_true(gds_colour_wanted(f));
		setenv("NO_COLOR", "1", 1);
		assert_false(gds_colour_wanted(f));
		fclose(f);
	} else {
		print_message("# no terminal to be had here\n");
	}
	unsetenv("NO_COLOR");
}

static void test_listen(void **state)
{
	static const struct {
		const char *text, *address; /* NULL: refused */
	} cases[] = {
		{"127.0.0.1:8890", "127.0.0.1:8890"},
		{"127.0.0.1:0", "127.0.0.1:0"},
		{"[::1]:0", "[::1]:0"},
		{"[::]:9890", "[::]:9890"},
		{"127.0.0.1", NULL},
		{":0", NULL},
		{"localhost:1", NULL},
		{"127.0.0.1:65536", NULL},
		{"127.0.0.1:00", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gds_address address;
		struct gds_complaint complaint = {0};
		char text[GDS_ADDRESS_TEXT];
		int rc = gds_listen_parse(cases[i].text, &address, &complaint);

		if (cases[i].address) {
			assert_int_equal(rc, GDS_OK);
			assert_string_equal(gds_address_format(&address, text), cases[i].address);
		} else {
			assert_int_not_equal(rc, GDS_OK);
			assert_true(strlen(complaint.text) > 10);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_listen),
	};

	return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
