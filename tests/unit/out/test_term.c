/* SPDX-License-Identifier: MIT */
#include "out/term.h"

#include "sample.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char bytes[16384];

static const char *format(const struct gds_result *result, bool verbose, bool colour)
{
	struct gds_term_options options = {.verbose = verbose, .colour = colour};
	struct gds_text text;

	gds_text_init(&text, bytes, sizeof(bytes));
	gds_term_format(&text, result, &options);
	return bytes;
}

/* What the user was promised, to the letter. */
static void test_healthy(void **state)
{
	struct gds_result result = sample_healthy();

	(void)state;
	assert_string_equal(format(&result, false, false),
		"10.0.0.12:8890  HEALTHY  agent \"nas\" v0.30.4 docker, 14 ms\n"
		"  HTTPS ok  6.6 ms  TLS 1.3, /info\n"
		"  TCP   ok  4.7 ms  header accepted, clean close\n"
		"  UDP   ok  5.7 ms  DTLS 1.2, clean close\n"
		"  certs ok  ECDSA P-256, to 3026; clocks agree (1 s)\n"
		"Not tested: a destination (--loopback, --through).\n");
}

static void test_not_healthy(void **state)
{
	struct gds_result result = sample_filtered();
	const char *text = format(&result, false, false);

	(void)state;
	assert_non_null(strstr(text, "10.0.0.12:8890  NOT HEALTHY  agent \"nas\""));
	assert_non_null(strstr(text, "\n  TCP   ok    4.7 ms  header accepted, clean close\n"));
	assert_non_null(strstr(text, "\n  UDP   FAIL  4.9 s   3 flights, no answer\n"));
	assert_non_null(strstr(text, "\n\n  UDP: UDP to the agent is lost"));
	assert_non_null(strstr(text, "\n    Next: Open the UDP port"));
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		assert_true(strcspn(line, "\n") <= 80);
	}
}

/* One cause on two faces is explained once. */
static void test_cause_once(void **state)
{
	struct gds_result result = sample_filtered();
	const char *text, *first;

	(void)state;
	result.faces[0].state = result.faces[1].state = GDS_RESULT_BAD;
	result.faces[0].cause = result.faces[1].cause = gds_cause_find("tcp-refused");
	text = format(&result, false, false);
	first = strstr(text, "HTTPS, TCP: Nothing listens on");
	assert_non_null(first);
	assert_null(strstr(first + strlen("HTTPS, TCP: Nothing"), "Nothing listens"));
}

static void test_optional_and_skipped(void **state)
{
	struct gds_result result = sample_filtered();
	const char *text;

	(void)state;
	result.severity = GDS_WARNING;
	result.faces[2].optional = true;
	sample_face(&result, "udp-tunnel", "UDP tunnel", 0, "not tried: UDP failed");
	result.faces[3].state = GDS_RESULT_SKIPPED;
	text = format(&result, false, false);
	assert_non_null(strstr(text, "  WARNING  "));
	assert_non_null(strstr(text, "\n  UDP        warn  4.9 s "));
	assert_non_null(strstr(text, "\n  UDP tunnel -     -       not tried: UDP failed\n"));
}

static void test_verbose(void **state)
{
	struct gds_result result = sample_filtered();
	const char *text;

	(void)state;
	strcpy(result.faces[1].address, "10.0.0.12:8890");
	text = format(&result, true, false);
	assert_non_null(strstr(text, "connect 0.2 ms\n"));
	assert_non_null(strstr(text, "handshake 4.9 s FAIL\n"));
	assert_non_null(strstr(text, "evidence: 3 flights, no answer\n"));
	assert_non_null(strstr(text, "address 10.0.0.12:8890\n"));
}

static void test_colour(void **state)
{
	struct gds_result result = sample_healthy();

	(void)state;
	assert_non_null(strstr(format(&result, false, true), "\033[1;32mHEALTHY\033[0m"));
	assert_null(strchr(format(&result, true, false), '\033'));
}

/* Years by the calendar, not by 365 days: dates from date(1), with 3026 and both ends of a year. */
static void test_years(void **state)
{
	static const struct {
		int64_t seconds;
		const char *year;
	} cases[] = {
		{0, "to 1970"},
		{-1, "to 1969"},
		{INT64_C(1798761599), "to 2026"}, /* 2026-12-31 23:59:59 */
		{INT64_C(1798761600), "to 2027"},
		{INT64_C(951868799), "to 2000"},   /* 2000-02-29 23:59:59 */
		{INT64_C(33355670399), "to 3026"}, /* 3026-12-31 23:59:59 */
		{INT64_C(33355670400), "to 3027"},
		{INT64_C(253402300799), "to 9999"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gds_result result = sample_healthy();

		result.certificates.not_after = cases[i].seconds;
		assert_non_null(strstr(format(&result, false, false), cases[i].year));
	}
}

static void test_spans(void **state)
{
	static const struct {
		gds_time span;
		const char *text;
	} cases[] = {
		{0, "0.0 ms"},
		{9940000, "9.9 ms"},
		{9960000, "10 ms"},
		{999 * GDS_MILLISECOND, "999 ms"},
		{1200 * GDS_MILLISECOND, "1.2 s"},
	};
	char text[GDS_SPAN_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(gds_span_format(cases[i].span, text), cases[i].text);
	}
}

/* A stranger's name moves no cursor. */
static void test_clean(void **state)
{
	char name[] = "a\033[2J\nb\xc2\x9b"
		      "31m\x7f\xc3\xa9";

	(void)state;
	gds_text_clean(name);
	assert_string_equal(name, "a?[2J?b??31m?\xc3\xa9");
}

static void test_cut(void **state)
{
	char small[8];
	struct gds_text text;

	(void)state;
	gds_text_init(&text, small, sizeof(small));
	gds_text_add(&text, "%s", "1234");
	assert_false(text.cut);
	gds_text_add(&text, "%s", "5678");
	assert_true(text.cut);
	gds_text_add(&text, "%s", "9");
	assert_string_equal(small, "1234567");
}

static void test_severity(void **state)
{
	(void)state;
	assert_int_equal(gds_severity_worse(GDS_FINE, GDS_WARNING), GDS_WARNING);
	assert_int_equal(gds_severity_worse(GDS_UNKNOWN, GDS_WARNING), GDS_UNKNOWN);
	assert_int_equal(gds_severity_worse(GDS_UNKNOWN, GDS_CRITICAL), GDS_CRITICAL);
	assert_int_equal(gds_severity_exit(GDS_FINE), 0);
	assert_int_equal(gds_severity_exit(GDS_WARNING), 1);
	assert_int_equal(gds_severity_exit(GDS_CRITICAL), 2);
	assert_int_equal(gds_severity_exit(GDS_UNKNOWN), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_healthy),
		cmocka_unit_test(test_not_healthy),
		cmocka_unit_test(test_cause_once),
		cmocka_unit_test(test_optional_and_skipped),
		cmocka_unit_test(test_verbose),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_years),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_severity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
