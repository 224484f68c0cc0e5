/* SPDX-License-Identifier: MIT */
/* Values of options: spans of time, numbers; and whether colour is wanted. */
#include "cli/options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY (24 * 3600 * GDS_SECOND)

static const struct {
	const char *name;
	gds_time size;
} units[] = {
	{"", GDS_SECOND},
	{"s", GDS_SECOND},
	{"ms", GDS_MILLISECOND},
	{"us", GDS_MICROSECOND},
	{"m", 60 * GDS_SECOND},
	{"min", 60 * GDS_SECOND},
	{"h", 3600 * GDS_SECOND},
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static gds_time unit_of(const char *name)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(units[i].name, name) == 0) {
			return units[i].size;
		}
	}
	return 0;
}

int gds_duration_parse(const char *text, gds_time *out, struct gds_complaint *complaint)
{
	/* By hand: strtod takes "0x1p3", "inf", and the locale's comma. */
	const char *at = text;
	int64_t whole = 0, part = 0, scale = 1;
	gds_time unit, span;

	while (is_digit(*at) && whole <= DAY / GDS_MICROSECOND) {
		whole = whole * 10 + (*at++ - '0');
	}
	if (at > text && *at == '.' && is_digit(at[1])) {
		for (at++; is_digit(*at); at++) {
			if (scale < 1000000) {
				part = part * 10 + (*at - '0');
				scale *= 10;
			}
		}
	}
	unit = at > text ? unit_of(at) : 0;
	if (unit == 0) {
		return gds_complain(complaint, GDS_E_INVALID,
			"\"%.60s\" is no duration: write 1.5s, 200ms, 2m or a number of seconds",
			text);
	}
	if (whole > DAY / unit) {
		return gds_complain(
			complaint, GDS_E_INVALID, "\"%.60s\" is longer than a day", text);
	}
	span = whole * unit + part * unit / scale;
	if (span <= 0 || span > DAY) {
		return gds_complain(complaint, GDS_E_INVALID,
			"\"%.60s\" is not above zero and at most a day", text);
	}
	*out = span;
	return GDS_OK;
}

int gds_number_parse(
	const char *text, long min, long max, long *out, struct gds_complaint *complaint)
{
	const char *digits = *text == '-' ? text + 1 : text;
	char *end = NULL;
	long value = 0;
	bool good = is_digit(*digits);

	if (good) {
		/*
		 * Out of range it gives LONG_MIN or LONG_MAX: then a limit of that size would be
		 * met by error.
		 */
		value = strtol(text, &end, 10);
		good = *end == '\0' && strlen(digits) < 19;
	}
	if (!good || value < min || value > max) {
		return gds_complain(complaint, GDS_E_INVALID,
			"\"%.60s\" is no number from %ld to %ld", text, min, max);
	}
	*out = value;
	return GDS_OK;
}

int gds_listen_parse(const char *value, struct gds_address *out, struct gds_complaint *complaint)
{
	char text[300], host[256];
	uint16_t port = 0;
	size_t n = strlen(value);
	bool any_port;
	int rc;

	if (n >= sizeof(text)) {
		return gds_complain(complaint, GDS_E_INVALID, "it is too long: give ADDR:PORT");
	}
	memcpy(text, value, n + 1);
	any_port = n > 2 && strcmp(text + n - 2, ":0") == 0;
	if (any_port) {
		text[n - 1] = '1'; /* no target has port 0, but here it means a free one */
	}
	rc = gds_target_parse(text, 0, host, &port, complaint);
	if (rc != GDS_OK) {
		return any_port ? gds_target_parse(value, 0, host, &port, complaint) : rc;
	}
	if (gds_address_parse(out, host, any_port ? 0 : port) != GDS_OK) {
		return gds_complain(complaint, GDS_E_INVALID,
			"it needs an IP address, not \"%s\": give ADDR:PORT, IPv6 in brackets",
			host);
	}
	return GDS_OK;
}

bool gds_colour_wanted(FILE *f)
{
	const char *no = getenv("NO_COLOR"); /* no-color.org */

	return !(no && *no) && isatty(fileno(f));
}
