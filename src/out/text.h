/* SPDX-License-Identifier: MIT */
/** Text that grows inside a bound, and the forms of numbers that people read. */
#ifndef GDS_OUT_TEXT_H
#define GDS_OUT_TEXT_H

#include <gdstream/error.h>

#include <stdbool.h>
#include <stddef.h>

/** Always NUL-terminated; what does not fit is cut and remembered. */
struct gds_text {
	char *bytes;
	size_t size, length;
	bool cut;
};

void gds_text_init(struct gds_text *, char *bytes, size_t size);
void gds_text_add(struct gds_text *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/**
 * Append words, lines of at most width columns; the first begins after "column" columns, the others
 * are indented.
 */
void gds_text_wrap(struct gds_text *, const char *words, int column, int indent, int width);
/**
 * Replace what could move a terminal's cursor or end a line (control characters, also the C1 ones
 * of UTF-8).
 */
void gds_text_clean(char *text);

/** Replace what is not ASCII, where text from outside must be no invalid UTF-8. */
void gds_text_ascii(char *text);

#define GDS_SPAN_TEXT 24
/** "0.3 ms", "14 ms", "4.9 s". \return text. */
const char *gds_span_format(gds_time span, char text[static GDS_SPAN_TEXT]);

#endif
