/* SPDX-License-Identifier: MIT */
/**
 * A result for Nagios and its kin: one line, performance data, ranges (monitoring-plugins
 * guidelines).
 */
#ifndef GDS_OUT_NAGIOS_H
#define GDS_OUT_NAGIOS_H

#include "out/result.h"
#include "out/text.h"

#include <stdbool.h>

/**
 * A range as the guidelines write it: "10", "10:", "~:10", "10:20", "@10:20". Outside of it (inside
 * with @) alerts.
 */
struct gds_range {
	bool set, inside;
	double low, high;
	char text[40];
};

struct gds_thresholds {
	struct gds_range time; /* [s] of the whole check */
	struct gds_range days; /* until the first certificate ends */
};

/**
 * "RANGE" on time, "RANGE,RANGE" on time and days, ",RANGE" on days. \return GDS_OK, GDS_E_INVALID
 * with a sentence.
 */
int gds_thresholds_parse(struct gds_thresholds *out, const char *value, struct gds_complaint *);
bool gds_range_alerts(const struct gds_range *, double value);
/** \return the severity of a result under these thresholds. */
enum gds_severity gds_nagios_severity(const struct gds_result *,
	const struct gds_thresholds *warning, const struct gds_thresholds *critical);
/**
 * Append the line with its newline, for one target or several. The text before "|" stays below 80
 * characters.
 */
void gds_nagios_format(struct gds_text *out, const struct gds_result *const *results, size_t n,
	const struct gds_thresholds *warning, const struct gds_thresholds *critical);

/**
 * The same for one target, as a plugin prints it: performance data of each stage too, and after the
 * line one for each face, which monitoring systems show as its long text.
 */
void gds_nagios_format_check(struct gds_text *out, const struct gds_result *,
	const struct gds_thresholds *warning, const struct gds_thresholds *critical);

#endif
