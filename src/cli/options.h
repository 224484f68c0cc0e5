/* SPDX-License-Identifier: MIT */
/** Options as a table: it drives getopt_long, --help, the man-page check and completions. */
#ifndef GDS_CLI_OPTIONS_H
#define GDS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <gdstream/address.h>
#include <gdstream/error.h>

struct gds_option {
	char letter;	      /* 0 = long only */
	const char *name;     /* NULL: a heading, its text in help */
	const char *argument; /* NULL: a switch */
	const char *help;
	/**
	 * \return GDS_OK; GDS_E_INVALID with a sentence in complaint. value is NULL for a switch.
	 */
	int (*set)(void *ctx, const char *value, struct gds_complaint *complaint);
};

struct gds_program {
	const char *name;    /* "gdprobe" */
	const char *purpose; /* one sentence */
	const char *usage;   /* "[OPTION]... TARGET..."; several lines allowed */
	/** --help, --version and -v are added to every program by the parser when absent. */
	const struct gds_option *options;
	size_t n;
	const char *examples; /* shown under the options; NULL none */
	int usage_exit;	      /* 3 */
};

/**
 * Parse. --help prints to stdout and --version (with -v: the configure summary) too: *done is then
 * true, the exit code 0. A wrong option: one sentence "gdprobe: ..., see --help" on stderr, *done
 * true, the code program->usage_exit.
 * \param rest out: index of the first argument that is no option.
 * \return the exit code when *done.
 */
int gds_options_parse(
	const struct gds_program *, int argc, char **argv, void *ctx, bool *done, int *rest);
/**
 * "1.5s", "200ms", "2m", "5" (seconds) as nanoseconds, > 0 and at most a day.
 * \return GDS_OK, GDS_E_INVALID with a sentence.
 */
int gds_duration_parse(const char *text, gds_time *out, struct gds_complaint *);
/** A decimal in [min, max], nothing after it. */
int gds_number_parse(const char *text, long min, long max, long *out, struct gds_complaint *);
/**
 * ADDR:PORT to listen at, an IP address, IPv6 in brackets; port 0 is a free one.
 * \return GDS_OK, GDS_E_INVALID and those of gds_target_parse with a sentence.
 */
int gds_listen_parse(const char *text, struct gds_address *out, struct gds_complaint *);
/** Colour wanted on this stream: a terminal and no NO_COLOR (any non-empty value). */
bool gds_colour_wanted(FILE *);

#endif
