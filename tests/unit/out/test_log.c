/* SPDX-License-Identifier: MIT */
#include "out/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Quoted only where it must be; what could end a line or a field is escaped. */
static void test_values(void **state)
{
	static const struct {
		const char *value;
		size_t n;
		const char *line;
	} table[] = {
		{"plain", 5, "msg=m k=plain"},
		{"[::1]:80", 8, "msg=m k=[::1]:80"},
		{"", 0, "msg=m k=\"\""},
		{"two words", 9, "msg=m k=\"two words\""},
		{"a=b", 3, "msg=m k=\"a=b\""},
		{"a\"b\\c", 5, "msg=m k=\"a\\\"b\\\\c\""},
		{"a\nb", 3, "msg=m k=\"a\\x0ab\""},
		{"\x1b[31m", 5, "msg=m k=\"\\x1b[31m\""},
		{"nul\0inside", 10, "msg=m k=\"nul\\x00inside\""},
		{"\xc3\xa9\xff\x7f", 4, "msg=m k=\"\\xc3\\xa9\\xff\\x7f\""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct gds_log_line line;
		gds_log_begin(&line, "m");
		gds_log_bytes(&line, "k", table[i].value, table[i].n);
		assert_string_equal(line.text, table[i].line);
		assert_int_equal(line.length, strlen(table[i].line));
	}
}

static void test_other_fields(void **state)
{
	struct gds_log_line line;
	(void)state;
	gds_log_begin(&line, "two words");
	gds_log_text(&line, "none", NULL);
	gds_log_text(&line, "empty", "");
	gds_log_number(&line, "n", INT64_MIN);
	gds_log_span(&line, "t", 3 * GDS_SECOND + 4567 * GDS_MICROSECOND + 999);
	assert_string_equal(line.text, "msg=\"two words\" n=-9223372036854775808 t=3.004567");
}

/* A field that does not fit is left out whole; the next one that fits is there. */
static void test_bound(void **state)
{
	struct gds_log_line line;
	static char big[GDS_LOG_MAX];
	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	gds_log_begin(&line, "m");
	gds_log_text(&line, "big", big);
	gds_log_text(&line, "k", "v");
	assert_string_equal(line.text, "msg=m k=v");
	/* To the last byte: " k=" and this are all there is room for. */
	gds_log_begin(&line, "m");
	size_t room = GDS_LOG_MAX - 1 - strlen("msg=m k=");
	gds_log_bytes(&line, "k", big, room + 1);
	assert_string_equal(line.text, "msg=m");
	gds_log_bytes(&line, "k", big, room);
	assert_int_equal(strlen(line.text), GDS_LOG_MAX - 1);
	gds_log_text(&line, "l", "v");
	assert_int_equal(strlen(line.text), GDS_LOG_MAX - 1);
}

static void test_render(void **state)
{
	/* date -u -d @1795611600 is 2026-11-25 13:00:00 */
	const gds_time wall = 1795611600 * GDS_SECOND + 78 * GDS_MILLISECOND;
	static const struct {
		enum gds_log_level level;
		bool journal;
		const char *text;
	} table[] = {
		{GDS_LOG_ERROR, false, "ts=2026-11-25T13:00:00.078Z level=error msg=m\n"},
		{GDS_LOG_WARNING, false, "ts=2026-11-25T13:00:00.078Z level=warning msg=m\n"},
		{GDS_LOG_INFO, false, "ts=2026-11-25T13:00:00.078Z level=info msg=m\n"},
		{GDS_LOG_DEBUG, false, "ts=2026-11-25T13:00:00.078Z level=debug msg=m\n"},
		{GDS_LOG_ERROR, true, "<3>msg=m\n"},
		{GDS_LOG_WARNING, true, "<4>msg=m\n"},
		{GDS_LOG_INFO, true, "<6>msg=m\n"},
		{GDS_LOG_DEBUG, true, "<7>msg=m\n"},
	};
	char out[128];
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t n = gds_log_render(
			out, sizeof(out), table[i].level, wall, table[i].journal, "msg=m");
		assert_int_equal(n, strlen(table[i].text));
		assert_string_equal(out, table[i].text);
	}
	/* Cut, it is still one line. */
	assert_int_equal(gds_log_render(out, 8, GDS_LOG_INFO, wall, true, "msg=long"), 7);
	assert_memory_equal(out, "<6>msg\n", 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_other_fields),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_render),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
