/* SPDX-License-Identifier: MIT */
/**
 * Results as metrics, in the text format 0.0.4 of Prometheus: blackbox_exporter's names where it
 * has them, gdprobe's own where it has not.
 */
#ifndef GDS_OUT_PROMETHEUS_H
#define GDS_OUT_PROMETHEUS_H

#include "out/result.h"
#include "out/text.h"

#include <stdbool.h>

#define GDS_PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"
/** [bytes] that the families need at most, and one result in them. */
#define GDS_PROMETHEUS_FAMILIES 8192
#define GDS_PROMETHEUS_RESULT 65536

struct gds_prometheus_options {
	gds_time timeout; /* that each target had [ns] */
	/**
	 * A label "target" on each sample: for a file with several. The exporter leaves it to the
	 * scraper.
	 */
	bool label;
};

/**
 * Append all families that have a sample: HELP and TYPE once, then a line a sample, no timestamps,
 * a final newline.
 */
void gds_prometheus_format(struct gds_text *out, const struct gds_result *results, size_t n,
	const struct gds_prometheus_options *);
/** Append one family's HELP and TYPE. */
void gds_prometheus_family(
	struct gds_text *out, const char *name, const char *type, const char *help);

#endif
