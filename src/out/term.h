/* SPDX-License-Identifier: MIT */
/** A result for a person at a terminal. */
#ifndef GDS_OUT_TERM_H
#define GDS_OUT_TERM_H

#include "out/result.h"
#include "out/text.h"

struct gds_term_options {
	bool verbose; /* stages and evidence */
	bool colour;
};

/** Append the result: a headline, a line a face, what is wrong and what to do about it. */
void gds_term_format(
	struct gds_text *out, const struct gds_result *, const struct gds_term_options *);

#endif
