/* SPDX-License-Identifier: MIT */
#include "out/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Room for " key=" and the value, or nothing at all: half a field would be another field. */
static char *reserve(struct gds_log_line *line, const char *key, size_t n)
{
	size_t key_length = strlen(key);
	size_t all = (line->length > 0 ? 1 : 0) + key_length + 1 + n;
	if (all >= sizeof(line->text) - line->length) {
		return NULL;
	}
	char *at = line->text + line->length;
	line->length += all;
	line->text[line->length] = '\0';
	if (at > line->text) {
		*at++ = ' ';
	}
	memcpy(at, key, key_length);
	at[key_length] = '=';
	return at + key_length + 1;
}

static bool is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
}

static size_t escaped_length(unsigned char c)
{
	if (c == '"' || c == '\\') {
		return 2;
	}
	return c >= ' ' && c < 0x7f ? 1 : 4;
}

static char *escape(char *at, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	switch (escaped_length(c)) {
	case 2:
		*at++ = '\\';
		*at++ = (char)c;
		return at;
	case 1:
		*at++ = (char)c;
		return at;
	default:
		*at++ = '\\';
		*at++ = 'x';
		*at++ = digits[c >> 4];
		*at++ = digits[c & 15];
		return at;
	}
}

void gds_log_bytes(struct gds_log_line *line, const char *key, const char *value, size_t n)
{
	size_t length = 0;
	bool plain = n > 0;
	for (size_t i = 0; i < n; i++) {
		plain = plain && is_plain((unsigned char)value[i]);
		length += escaped_length((unsigned char)value[i]);
	}
	char *at = reserve(line, key, plain ? n : length + 2);
	if (!at) {
		return;
	}
	if (plain) {
		memcpy(at, value, n);
		return;
	}
	*at++ = '"';
	for (size_t i = 0; i < n; i++) {
		at = escape(at, (unsigned char)value[i]);
	}
	*at = '"';
}

void gds_log_begin(struct gds_log_line *line, const char *message)
{
	line->length = 0;
	line->text[0] = '\0';
	gds_log_text(line, "msg", message);
}

void gds_log_text(struct gds_log_line *line, const char *key, const char *value)
{
	if (value && *value) {
		gds_log_bytes(line, key, value, strlen(value));
	}
}

void gds_log_number(struct gds_log_line *line, const char *key, int64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRId64, value);
	gds_log_text(line, key, text);
}

void gds_log_span(struct gds_log_line *line, const char *key, gds_time span)
{
	char text[32];
	snprintf(text, sizeof(text), "%" PRId64 ".%06" PRId64, span / GDS_SECOND,
		span % GDS_SECOND / GDS_MICROSECOND);
	gds_log_text(line, key, text);
}

size_t gds_log_render(char *out, size_t size, enum gds_log_level level, gds_time wall, bool journal,
	const char *text)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	static const int priorities[] = {
		3, 4, 6, 7}; /* syslog(3), read by the journal: sd-daemon(3) */
	int n;
	if (journal) {
		n = snprintf(out, size, "<%d>%s\n", priorities[level], text);
	} else {
		time_t seconds = (time_t)(wall / GDS_SECOND);
		struct tm tm;
		char date[32];
		gmtime_r(&seconds, &tm);
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
		n = snprintf(out, size, "ts=%s.%03" PRId64 "Z level=%s %s\n", date,
			wall % GDS_SECOND / GDS_MILLISECOND, names[level], text);
	}
	if (n < 0) {
		return 0;
	}
	if ((size_t)n >= size) {
		out[size - 2] = '\n';
		return size - 1;
	}
	return (size_t)n;
}
