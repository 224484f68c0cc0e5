/* SPDX-License-Identifier: MIT */
/** A result in the user's own words: "%{target} %{time_tls}\n", as curl's --write-out. */
#ifndef GDS_OUT_FORMAT_H
#define GDS_OUT_FORMAT_H

#include "out/result.h"
#include "out/text.h"

/** \return GDS_OK; GDS_E_INVALID with a sentence for what gds_format_write would not know. */
int gds_format_check(const char *format, struct gds_complaint *complaint);
/**
 * Append the format with its variables replaced: %{NAME}, %% and \n \t \r \\. Spans are seconds
 * with six decimals; what this result does not have is "-".
 */
void gds_format_write(struct gds_text *out, const char *format, const struct gds_result *);

#endif
