/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "gdprobe/probe.h"

#include "cli/options.h"
#include "out/json.h"
#include "out/term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGET_TEXT 16384 /* [bytes] of the text about one target */

static void complain(const struct gds_result *result)
{
	fprintf(stderr, "gdprobe: %s\n", result->complaint);
}

static bool print_text(const struct options *options, const struct gds_result *results, size_t n)
{
	struct gds_term_options term = {
		.verbose = options->verbose, .colour = gds_colour_wanted(stdout)};
	char bytes[TARGET_TEXT];
	struct gds_text text;

	for (size_t i = 0; i < n; i++) {
		if (results[i].complaint[0]) {
			complain(&results[i]);
			continue;
		}
		gds_text_init(&text, bytes, sizeof(bytes));
		gds_term_format(&text, &results[i], &term);
		if (fputs(bytes, stdout) == EOF) {
			return false;
		}
	}
	return true;
}

static bool print_json(const struct gds_result *results, size_t n, char **argv)
{
	struct gds_result_tool tool = {.tool = "gdprobe", .version = PACKAGE_VERSION, .argv = argv};

	for (size_t i = 0; i < n; i++) {
		char *line = gds_json_format(&results[i], &tool);
		bool printed = line && puts(line) != EOF;

		free(line);
		if (results[i].complaint[0]) {
			complain(&results[i]);
		}
		if (!printed) {
			return false;
		}
	}
	return true;
}

static bool print_nagios(const struct options *options, const struct gds_result *results, size_t n)
{
	size_t size = TARGET_TEXT + n * 1024;
	const struct gds_result **list = calloc(n, sizeof(*list));
	char *bytes = malloc(size);
	struct gds_text text;
	bool printed = false;

	if (list && bytes) {
		for (size_t i = 0; i < n; i++) {
			list[i] = &results[i];
		}
		gds_text_init(&text, bytes, size);
		gds_nagios_format(&text, list, n, &options->warning, &options->critical);
		printed = fputs(bytes, stdout) != EOF;
	}
	free(list);
	free(bytes);
	return printed;
}

int report_print(
	const struct options *options, const struct gds_result *results, size_t n, char **argv)
{
	enum gds_severity severity = GDS_FINE;
	bool printed;

	for (size_t i = 0; i < n; i++) {
		severity = gds_severity_worse(
			severity, options->nagios ? gds_nagios_severity(&results[i],
							    &options->warning, &options->critical)
						  : results[i].severity);
	}
	if (options->json) {
		printed = print_json(results, n, argv);
	} else if (options->nagios) {
		printed = print_nagios(options, results, n);
	} else {
		printed = print_text(options, results, n);
	}
	if (!printed || fflush(stdout) == EOF) {
		fprintf(stderr, "gdprobe: the result could not be written to standard output\n");
		return gds_severity_exit(GDS_UNKNOWN);
	}
	return gds_severity_exit(severity);
}

int report_explain(const char *id)
{
	static const char *const severities[] = {
		[GDS_FINE] = "healthy",
		[GDS_WARNING] = "warning",
		[GDS_CRITICAL] = "not healthy",
		[GDS_UNKNOWN] = "unknown",
	};

	for (size_t i = 0; i < gds_causes_count; i++) {
		const struct gds_cause *cause = &gds_causes[i];

		if (strcmp(cause->id, id) == 0) {
			char bytes[4096];
			struct gds_text text;

			gds_text_init(&text, bytes, sizeof(bytes));
			gds_text_add(&text, "%s (%s)\n  ", cause->id, severities[cause->severity]);
			gds_text_wrap(&text, cause->sentence, 2, 2, 80);
			gds_text_add(&text, ".\n  Next: ");
			gds_text_wrap(&text, cause->next, 8, 2, 80);
			printf("%s.\n", bytes);
			return gds_severity_exit(GDS_FINE);
		}
	}
	fprintf(stderr, "gdprobe: there is no cause \"%s\": --list-causes shows them all\n", id);
	return gds_severity_exit(GDS_UNKNOWN);
}

int report_causes(void)
{
	for (size_t i = 0; i < gds_causes_count; i++) {
		printf("%-26s %s\n", gds_causes[i].id, gds_causes[i].sentence);
	}
	return gds_severity_exit(GDS_FINE);
}
