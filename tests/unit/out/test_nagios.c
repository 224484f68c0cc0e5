/* SPDX-License-Identifier: MIT */
#include "out/nagios.h"

#include "sample.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct gds_thresholds none;

static const char *format(const struct gds_result *results, size_t n,
	const struct gds_thresholds *warning, const struct gds_thresholds *critical)
{
	static char bytes[16384];
	const struct gds_result *list[16];
	struct gds_text text;

	for (size_t i = 0; i < n; i++) {
		list[i] = &results[i];
	}
	gds_text_init(&text, bytes, sizeof(bytes));
	gds_nagios_format(&text, list, n, warning, critical);
	return bytes;
}

/* The table of the monitoring-plugins guidelines, and what is no range. */
static void test_ranges(void **state)
{
	static const struct {
		const char *range;
		double fine, alert; /* NAN where there is none */
	} cases[] = {
		{"10", 10, 10.1},
		{"10", 0, -1},
		{"10:", 10, 9.9},
		{"~:10", -1000, 11},
		{"10:20", 15, 21},
		{"10:20", 10, 9},
		{"@10:20", 9, 10},
		{"@10:20", 21, 15},
		{"0.5", 0.4, 0.6},
	};
	static const char *const wrong[] = {"", ",", "x", "10:x", "20:10", "10x", "~", "nan", "inf",
		"1,2,3", "1:2:3", "@", "1e999"};
	struct gds_thresholds read;
	struct gds_complaint complaint;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(gds_thresholds_parse(&read, cases[i].range, &complaint), GDS_OK);
		assert_false(gds_range_alerts(&read.time, cases[i].fine));
		assert_true(gds_range_alerts(&read.time, cases[i].alert));
		assert_false(read.days.set);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(gds_thresholds_parse(&read, wrong[i], &complaint), GDS_E_INVALID);
		assert_true(strlen(complaint.text) > 10);
	}
	assert_int_equal(gds_thresholds_parse(&read, ",30:", &complaint), GDS_OK);
	assert_false(read.time.set);
	assert_true(gds_range_alerts(&read.days, 29));
}

static void test_healthy(void **state)
{
	struct gds_result result = sample_healthy();

	(void)state;
	assert_string_equal(format(&result, 1, &none, &none),
		"GODOXY OK - 10.0.0.12:8890 healthy, 14 ms, nas v0.30.4 |"
		" 'time'=0.014000s;;;0 'https'=0.006600s;;;0 'tcp'=0.004700s;;;0"
		" 'udp'=0.005700s;;;0 'cert_days'=364997;;\n");
}

static void test_thresholds(void **state)
{
	struct gds_result result = sample_healthy();
	struct gds_thresholds warning, critical;
	struct gds_complaint complaint;
	const char *line;

	(void)state;
	assert_int_equal(gds_thresholds_parse(&warning, "0.01,30:", &complaint), GDS_OK);
	assert_int_equal(gds_thresholds_parse(&critical, "1,7:", &complaint), GDS_OK);
	assert_int_equal(gds_nagios_severity(&result, &warning, &critical), GDS_WARNING);
	line = format(&result, 1, &warning, &critical);
	assert_non_null(strstr(line, "GODOXY WARNING - "));
	assert_non_null(strstr(line, "'time'=0.014000s;0.01;1;0"));
	assert_non_null(strstr(line, "'cert_days'=364997;30:;7:"));
	result.certificates.days = 5;
	assert_int_equal(gds_nagios_severity(&result, &warning, &critical), GDS_CRITICAL);
	result.certificates.known = false;
	result.duration = 1;
	assert_int_equal(gds_nagios_severity(&result, &warning, &critical), GDS_FINE);
}

static void test_failure(void **state)
{
	struct gds_result result = sample_filtered();

	(void)state;
	assert_ptr_equal(strstr(format(&result, 1, &none, &none),
				 "GODOXY CRITICAL - 10.0.0.12:8890 udp udp-filtered, 4.9 s |"),
		format(&result, 1, &none, &none));
}

static void test_many_targets(void **state)
{
	struct gds_result results[12];
	const char *line;
	size_t text;

	(void)state;
	for (size_t i = 0; i < 12; i++) {
		results[i] = i % 2 ? sample_filtered() : sample_healthy();
	}
	line = format(results, 12, &none, &none);
	assert_non_null(strstr(line, "GODOXY CRITICAL - 6 of 12 healthy: 10.0.0.12:8890, "));
	text = (size_t)(strchr(line, '|') - line);
	assert_true(text <= 80);
	assert_memory_equal(line + text - 4, "... ", 4);
	assert_non_null(strstr(line, "'10.0.0.12:8890 udp'=4.900000s"));
	assert_int_equal(strcspn(line, "\n") + 1, strlen(line));
}

/* A name cannot end the text, a label, or the line. */
static void test_hostile_name(void **state)
{
	struct gds_result result = sample_healthy();
	const char *line;

	(void)state;
	strcpy(result.name, "a|b\nc'd=e");
	line = format(&result, 1, &none, &none);
	assert_non_null(strstr(line, "a_b_c_d_e v0.30.4 | 'time'="));
}

/* The plugin's form: the same line, stages behind it, and a line a face. */
static void test_check(void **state)
{
	struct gds_result result = sample_filtered();
	char bytes[16384];
	struct gds_text text;
	const char *line;

	(void)state;
	gds_text_init(&text, bytes, sizeof(bytes));
	gds_nagios_format_check(&text, &result, &none, &none);
	line = strchr(bytes, '\n') + 1;
	assert_non_null(
		strstr(bytes, "GODOXY CRITICAL - 10.0.0.12:8890 udp udp-filtered, 4.9 s |"));
	assert_true(strstr(bytes, " 'tcp_connect'=0.000200s;;;0") < line);
	assert_non_null(strstr(bytes, " 'udp_handshake'=4.900000s;;;0\n"));
	assert_non_null(strstr(line, "[OK] TCP: header accepted, clean close\n"));
	assert_non_null(strstr(line, "\n[CRITICAL] UDP: 3 flights, no answer; udp-filtered: "));
	assert_non_null(strstr(line, "\n[OK] certs: ECDSA P-256, 364997 days left\n"));
	result.faces[2].optional = true;
	gds_text_init(&text, bytes, sizeof(bytes));
	gds_nagios_format_check(&text, &result, &none, &none);
	assert_non_null(strstr(bytes, "\n[WARNING] UDP: "));
}

static void test_check_of_nothing(void **state)
{
	struct gds_result result = {
		.severity = GDS_UNKNOWN, .target = "x:1", .complaint = "no | zip"};
	char bytes[4096];
	struct gds_text text;

	(void)state;
	gds_text_init(&text, bytes, sizeof(bytes));
	gds_nagios_format_check(&text, &result, &none, &none);
	assert_string_equal(
		bytes, "GODOXY UNKNOWN - x:1 no _ zip |\n[UNKNOWN] gdprobe: no _ zip\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_healthy),
		cmocka_unit_test(test_thresholds),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_many_targets),
		cmocka_unit_test(test_hostile_name),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
