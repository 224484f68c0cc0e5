/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gdprobe/clocks.h"

static const struct gds_certificate certificate = {
	.present = true, .not_before = 1000000, .not_after = 1000000 + 864000};

static void test_bounds(void **state)
{
	static const struct {
		const char *cause;
		int64_t wall;
		const char *want;
	} rows[] = {
		{"server-cert-not-yet-valid", 1000000 - 3600,
			"valid only in 3600 s: this clock is behind by at least that"},
		{"server-cert-expired", 1000000 + 864000 + 10 * 86400,
			"ended 10 days ago by this clock"},
		{"client-cert-not-yet-valid", 1000000 - 7200, "ours is valid only in 2 hours"},
		{"client-cert-not-yet-valid", 1000000 + 1, ""},
		{"clocks-apart", 1000000 + 86400,
			"the agent's clock is at least 24 hours behind this one, or 9 days ahead"},
		{"healthy", 1000000, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[128];

		assert_string_equal(clocks_bound(rows[i].cause, &certificate, &certificate,
					    rows[i].wall, text, sizeof(text)),
			rows[i].want);
	}
}

static void test_without_certificate(void **state)
{
	const struct gds_certificate none = {0};
	char text[128];

	(void)state;
	assert_string_equal(clocks_bound("clocks-apart", NULL, &none, 5, text, sizeof(text)), "");
	assert_string_equal(
		clocks_bound("server-cert-expired", &none, &none, 5, text, sizeof(text)), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_without_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
