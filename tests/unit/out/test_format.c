/* SPDX-License-Identifier: MIT */
#include "out/format.h"

#include "sample.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *write_one(const char *format, const struct gds_result *result)
{
	static char bytes[4096];
	struct gds_complaint complaint;
	struct gds_text text;

	assert_int_equal(gds_format_check(format, &complaint), GDS_OK);
	gds_text_init(&text, bytes, sizeof(bytes));
	gds_format_write(&text, format, result);
	return bytes;
}

static void test_healthy(void **state)
{
	static const struct {
		const char *format, *text;
	} cases[] = {
		{"", ""},
		{"plain", "plain"},
		{"%{target} %{result}\\n", "10.0.0.12:8890 healthy\n"},
		{"%{target}%{target}", "10.0.0.12:889010.0.0.12:8890"},
		{"100%% \\\\ \\t|\\r", "100% \\ \t|\r"},
		{"%%{target}", "%{target}"},
		{"%{exit} %{cause} %{sentence}", "0 - -"},
		{"%{name} %{version} %{runtime}", "nas v0.30.4 docker"},
		{"%{cert_key} %{cert_days} %{clock_skew}", "ECDSA P-256 364997 -1"},
		{"%{time_total} %{time_https}", "0.014000 0.006600"},
		{"%{time_tcp_connect} %{time_tls}", "0.000200 -"},
		{"%{state_udp} %{cause_udp} %{summary_udp}", "ok - DTLS 1.2, clean close"},
		{"%{state_tcp_tunnel} %{time_udp_tunnel_payload}", "- -"},
		{"}{", "}{"},
	};
	struct gds_result result = sample_healthy();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(write_one(cases[i].format, &result), cases[i].text);
	}
}

static void test_failure(void **state)
{
	struct gds_result result = sample_filtered();

	(void)state;
	assert_string_equal(
		write_one("%{result}|%{exit}|%{cause}|%{state_udp}|%{time_dtls}", &result),
		"not healthy|2|udp-filtered|failed|4.900000");
}

/* Nothing was measured: nothing is made up. */
static void test_complaint(void **state)
{
	struct gds_result result = {.severity = GDS_UNKNOWN, .target = "x:1", .complaint = "why"};

	(void)state;
	assert_string_equal(
		write_one("%{target} %{exit} %{time_total} %{state_tcp} %{cert_days} %{sentence}",
			&result),
		"x:1 3 - - - why");
}

/* A variable's text is not read as a format. */
static void test_hostile_name(void **state)
{
	struct gds_result result = sample_healthy();

	(void)state;
	strcpy(result.name, "%{target}%s\\n");
	assert_string_equal(write_one("%{name}", &result), "%{target}%s\\n");
}

static void test_wrong(void **state)
{
	static const char *const wrong[] = {"%", "%target", "%{", "%{target", "%{}", "%{nothing}",
		"\\", "\\x", "%{time_}", "%{time_tcp_}", "%{time_tcp_nothing}",
		"%{state_tcp_connect}", "%{time_quic}", "%{TARGET}", "%{target }"};
	struct gds_complaint complaint;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(gds_format_check(wrong[i], &complaint), GDS_E_INVALID);
		assert_true(strlen(complaint.text) > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_healthy),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_complaint),
		cmocka_unit_test(test_hostile_name),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
