/* SPDX-License-Identifier: MIT */
/* One run over all targets, printed in their order as far as they are judged. */
#include "gdprobe/probe.h"

#include <stdio.h>
#include <stdlib.h>

struct batch {
	const struct options *options;
	const struct gds_targets *targets;
	char **argv;
	struct run run;
	struct gds_result *results;
	bool *judged;
	size_t printed, done;
	size_t junk;		       /* lines of the list that name no target */
	size_t count[GDS_UNKNOWN + 1]; /* by severity */
	struct progress *progress;
	bool unwritable;
};

static enum gds_severity severity_of(const struct batch *batch, const struct gds_result *result)
{
	const struct options *options = batch->options;

	return options->nagios ? gds_nagios_severity(result, &options->warning, &options->critical)
			       : result->severity;
}

/* The first that is not judged yet holds back those behind it: the order is the list's. */
static void print_ready(struct batch *batch)
{
	bool first = true;

	while (batch->printed < batch->run.n && batch->judged[batch->printed]) {
		const struct gds_result *result = &batch->results[batch->printed++];

		if (batch->options->nagios) {
			continue;
		}
		if (first) {
			progress_hide(batch->progress);
			first = false;
		}
		if (!report_result(batch->options, result, batch->targets, batch->argv)) {
			batch->unwritable = true;
		}
	}
	/* Who reads along sees them now. */
	if (!first && fflush(stdout) == EOF) {
		batch->unwritable = true;
	}
}

static void on_ended(void *ctx, struct probe *probe)
{
	struct batch *batch = ctx;
	const struct gds_env *env = batch->run.env;
	size_t i = (size_t)(probe - batch->run.probes);

	diagnose(probe, &batch->results[i], env->wall(env->ctx) / GDS_SECOND);
	batch->judged[i] = true;
	batch->done++;
	batch->count[severity_of(batch, &batch->results[i])]++;
	print_ready(batch);
	progress_show(
		batch->progress, batch->done, batch->done - batch->count[GDS_FINE], gds_now(env));
}

static void print_summary(struct batch *batch, gds_time took)
{
	char span[GDS_SPAN_TEXT];
	const size_t *count = batch->count;

	if (batch->options->json || batch->options->format || batch->options->nagios ||
		batch->run.n < 2) {
		return;
	}
	printf("%zu targets: %zu healthy, %zu with a warning, %zu not healthy, %zu not judged; "
	       "%s\n",
		batch->run.n, count[GDS_FINE], count[GDS_WARNING], count[GDS_CRITICAL],
		count[GDS_UNKNOWN], gds_span_format(took, span));
}

static int finish(struct batch *batch, gds_time took)
{
	struct gds_complaint complaint = {0};
	enum gds_severity worst = batch->junk ? GDS_UNKNOWN : GDS_FINE;

	for (size_t i = 0; i < batch->run.n; i++) {
		if (!batch->judged[i]) {
			on_ended(batch, &batch->run.probes[i]);
		}
		worst = gds_severity_worse(worst, severity_of(batch, &batch->results[i]));
	}
	progress_hide(batch->progress);
	print_summary(batch, took);
	if (batch->options->nagios &&
		!report_nagios(batch->options, batch->results, batch->run.n)) {
		batch->unwritable = true;
	}
	if (batch->options->textfile && textfile_write(batch->options, batch->results, batch->run.n,
						&complaint) != GDS_OK) {
		fprintf(stderr, "gdprobe: --textfile: %s\n", complaint.text);
		return gds_severity_exit(GDS_UNKNOWN);
	}
	if (batch->unwritable || fflush(stdout) == EOF) {
		return report_unwritable();
	}
	return gds_severity_exit(worst);
}

int batch_run(
	const struct options *options, const struct gds_targets *targets, size_t junk, char **argv)
{
	struct batch batch = {.options = options, .targets = targets, .argv = argv, .junk = junk};
	struct run *run = &batch.run;
	struct gds_complaint complaint = {0};
	gds_time start;
	int code = gds_severity_exit(GDS_UNKNOWN);

	*run = (struct run){.options = options,
		.env = gds_env_system(),
		.n = targets->n,
		.ended = on_ended,
		.ctx = &batch};
	start = gds_now(run->env);
	batch.results = calloc(targets->n, sizeof(*batch.results));
	batch.judged = calloc(targets->n, sizeof(*batch.judged));
	run->probes = calloc(targets->n, sizeof(*run->probes));
	if (!batch.results || !batch.judged || !run->probes) {
		fprintf(stderr, "gdprobe: no memory for %zu targets\n", targets->n);
		goto out;
	}
	batch.progress = progress_new(options, targets->n);
	for (size_t i = 0; i < targets->n; i++) {
		run->probes[i].run = run;
		run->probes[i].target = &targets->list[i];
	}
	introduce_all(run);
	if (run_all(run, &complaint) == GDS_OK) {
		code = finish(&batch, gds_now(run->env) - start);
	} else {
		fprintf(stderr, "gdprobe: %s\n", complaint.text);
	}
	run_clear(run);
out:
	progress_free(batch.progress);
	free(run->probes);
	free(batch.results);
	free(batch.judged);
	return code;
}
