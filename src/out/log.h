/* SPDX-License-Identifier: MIT */
/**
 * Log lines in logfmt: pure, bytes out. Text from the network is escaped, so that a line stays a
 * line.
 */
#ifndef GDS_OUT_LOG_H
#define GDS_OUT_LOG_H

#include <gdstream/error.h>

#include <stdbool.h>
#include <stddef.h>

enum gds_log_level { GDS_LOG_ERROR, GDS_LOG_WARNING, GDS_LOG_INFO, GDS_LOG_DEBUG };

#define GDS_LOG_MAX 2048 /* [bytes] of a line; what does not fit is left out whole */

/** A line under way: NUL-terminated, without newline. */
struct gds_log_line {
	char text[GDS_LOG_MAX];
	size_t length;
};

void gds_log_begin(struct gds_log_line *, const char *message);
/** key="value"; an empty or NULL value is left out. */
void gds_log_text(struct gds_log_line *, const char *key, const char *value);
void gds_log_bytes(struct gds_log_line *, const char *key, const char *value, size_t n);
void gds_log_number(struct gds_log_line *, const char *key, int64_t value);
/** In seconds with microseconds. */
void gds_log_span(struct gds_log_line *, const char *key, gds_time span);
/**
 * The whole line with newline: "ts=... level=... LINE", or "<6>LINE" for the journal, which has its
 * own time.
 * \param wall [ns since 1970]. \return its length, at most size.
 */
size_t gds_log_render(
	char *out, size_t size, enum gds_log_level, gds_time wall, bool journal, const char *line);

#endif
