/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "gdprobe/probe.h"

#include "cli/options.h"
#include "out/format.h"
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

static bool print_text(const struct options *options, const struct gds_result *result, bool brief)
{
	struct gds_term_options term = {
		.verbose = options->verbose, .colour = gds_colour_wanted(stdout)};
	char bytes[TARGET_TEXT];
	struct gds_text text;

	if (result->complaint[0]) {
		complain(result);
		return true;
	}
	gds_text_init(&text, bytes, sizeof(bytes));
	gds_term_format(&text, result, &term);
	if (brief && result->severity == GDS_FINE) {
		bytes[strcspn(bytes, "\n") + 1] = '\0';
	}
	return fputs(bytes, stdout) != EOF;
}

static bool print_json(const struct gds_result *result, char **argv)
{
	struct gds_result_tool tool = {.tool = "gdprobe", .version = PACKAGE_VERSION, .argv = argv};
	char *line = gds_json_format(result, &tool);
	bool printed = line && puts(line) != EOF;

	free(line);
	if (result->complaint[0]) {
		complain(result);
	}
	return printed;
}

static bool print_formatted(const char *format, const struct gds_result *result)
{
	char bytes[TARGET_TEXT];
	struct gds_text text;

	if (result->complaint[0]) {
		complain(result);
	}
	gds_text_init(&text, bytes, sizeof(bytes));
	gds_format_write(&text, format, result);
	return fputs(bytes, stdout) != EOF;
}

bool report_result(const struct options *options, const struct gds_result *result,
	const struct gds_targets *targets, char **argv)
{
	if (options->json) {
		return print_json(result, argv);
	}
	if (options->format) {
		return print_formatted(options->format, result);
	}
	return print_text(options, result, targets->n > 1 && !options->verbose);
}

bool report_nagios(const struct options *options, const struct gds_result *results, size_t n)
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
		if (options->plugin) {
			gds_nagios_format_check(
				&text, &results[0], &options->warning, &options->critical);
		} else {
			gds_nagios_format(&text, list, n, &options->warning, &options->critical);
		}
		printed = fputs(bytes, stdout) != EOF;
	}
	free(list);
	free(bytes);
	return printed;
}

int report_unwritable(void)
{
	fprintf(stderr, "gdprobe: the result could not be written to standard output\n");
	return gds_severity_exit(GDS_UNKNOWN);
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
