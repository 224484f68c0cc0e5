/* SPDX-License-Identifier: MIT */
#include "gdcerts/gdcerts.h"

#include <string.h>
#include <time.h>

int gdcerts_date_parse(const char *text, int64_t *out, struct gds_complaint *complaint)
{
	static const char *const formats[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"};
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm tm = {0};
		const char *end = strptime(text, formats[i], &tm);
		if (!end || *end) {
			continue;
		}
		const int month = tm.tm_mon, year = tm.tm_year;
		time_t seconds = timegm(&tm);
		/* timegm turns 31 February into a day of March; 0 would say "not given". */
		if (tm.tm_mon == month && seconds > 0 && year <= 8099) {
			*out = (int64_t)seconds;
			return GDS_OK;
		}
	}
	return gds_complain(complaint, GDS_E_INVALID,
		"\"%.60s\" is no date: give YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ (UTC), years 1970 "
		"to 9999",
		text);
}
