/* SPDX-License-Identifier: MIT */
/* gdprobe: is this GoDoxy agent healthy, and if not, why? */
#include "gdprobe/probe.h"

#include <signal.h>
#include <stdio.h>

static int failed(const struct gds_complaint *complaint)
{
	fprintf(stderr, "gdprobe: %s\n", complaint->text);
	return gds_severity_exit(GDS_UNKNOWN);
}

/* \return false with a sentence when a target or a list of them cannot be used. */
static bool collect(struct gds_targets *targets, const struct options *options, char **arguments,
	size_t *junk, struct gds_complaint *complaint)
{
	int rc = GDS_OK;

	for (; *arguments && rc == GDS_OK; arguments++) {
		rc = gds_targets_add(targets, *arguments, complaint);
	}
	for (size_t i = 0; i < options->n_files && rc == GDS_OK; i++) {
		rc = targets_read(targets, options->files[i], junk, complaint);
	}
	if (rc == GDS_OK && targets->n == 0) {
		rc = gds_complain(complaint, GDS_E_FILE,
			"%s names no target: write HOST[:PORT] or "
			"an agent's zip, one a line",
			options->files[0]);
	}
	return rc == GDS_OK;
}

static int run_plugin(int argc, char **argv)
{
	struct options options;
	struct gds_targets targets = {0};
	struct gds_complaint complaint = {0};
	char target[300];
	bool done = false;
	int code = plugin_parse(&options, argc, argv, &done, target);

	if (done) {
		return code;
	}
	signal(SIGPIPE, SIG_IGN);
	if (gds_targets_add(&targets, target, &complaint) == GDS_OK) {
		code = batch_run(&options, &targets, 0, argv);
	} else {
		printf("GODOXY UNKNOWN - %s\n", complaint.text);
		code = gds_severity_exit(GDS_UNKNOWN);
	}
	gds_targets_clear(&targets);
	return code;
}

int main(int argc, char **argv)
{
	struct options options;
	struct gds_targets targets = {0};
	struct gds_complaint complaint = {0};
	bool done = false;
	size_t junk = 0;
	int rest = argc;
	int code;

	if (plugin_is_called(argv[0])) {
		return run_plugin(argc, argv);
	}
	code = options_parse(&options, argc, argv, &done, &rest);

	if (done) {
		return code;
	}
	if (options.list_causes) {
		return report_causes();
	}
	if (options.explain) {
		return report_explain(options.explain);
	}
	if (options.exporter) {
		return exporter_run(&options);
	}
	signal(SIGPIPE, SIG_IGN);
	if (collect(&targets, &options, argv + rest, &junk, &complaint)) {
		code = batch_run(&options, &targets, junk, argv);
	} else {
		code = failed(&complaint);
	}
	gds_targets_clear(&targets);
	return code;
}
