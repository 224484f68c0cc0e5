/* SPDX-License-Identifier: MIT */
/* gdprobe: is this GoDoxy agent healthy, and if not, why? */
#include "gdprobe/probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const struct gds_complaint *complaint)
{
	fprintf(stderr, "gdprobe: %s\n", complaint->text);
	return gds_severity_exit(GDS_UNKNOWN);
}

static bool identity_is_shared(const struct gds_identity_options *options)
{
	return options->path || options->ca || options->agent_env;
}

/* What the options name is read once: the environment file may be a pipe. */
static void introduce(struct probe *probe, const struct probe *first, const struct options *options)
{
	struct gds_identity *identity = NULL;
	struct gds_complaint *complaint = &probe->complaint;

	if (first && identity_is_shared(&options->identity)) {
		probe->complaint = first->complaint;
		memcpy(probe->identity, first->identity, sizeof(probe->identity));
		probe->own_is_short = first->own_is_short;
		probe->trust = first->trust ? gds_trust_ref(first->trust) : NULL;
		return;
	}
	complaint->code =
		gds_known_identity(&identity, probe->target, &options->identity, complaint);
	if (complaint->code == GDS_OK) {
		snprintf(probe->identity, sizeof(probe->identity), "%s",
			identity->source ? identity->source : "");
		probe->own_is_short = options->identity.agent_env != NULL;
		complaint->code = gds_trust_new(&probe->trust, identity, GDS_CLIENT, complaint);
	}
	gds_identity_free(identity);
}

static int check_all(const struct options *options, const struct gds_targets *targets, char **argv)
{
	struct run run = {.options = options, .env = gds_env_system(), .n = targets->n};
	struct gds_result *results = calloc(targets->n, sizeof(*results));
	struct gds_complaint complaint = {0};
	int code;

	run.probes = calloc(targets->n, sizeof(*run.probes));
	if (!results || !run.probes) {
		gds_complain(&complaint, GDS_E_NOMEM, "no memory for %zu targets", targets->n);
		code = failed(&complaint);
		goto out;
	}
	for (size_t i = 0; i < targets->n; i++) {
		run.probes[i].target = &targets->list[i];
		introduce(&run.probes[i], i ? &run.probes[0] : NULL, options);
	}
	if (run_all(&run, &complaint) != GDS_OK) {
		code = failed(&complaint);
		goto out;
	}
	for (size_t i = 0; i < targets->n; i++) {
		diagnose(&run.probes[i], &results[i], run.env->wall(run.env->ctx) / GDS_SECOND);
	}
	code = report_print(options, results, targets->n, argv);
out:
	if (run.probes) {
		run_clear(&run);
	}
	free(run.probes);
	free(results);
	return code;
}

int main(int argc, char **argv)
{
	struct options options;
	struct gds_targets targets = {0};
	struct gds_complaint complaint = {0};
	bool done = false;
	int rest = argc, rc = GDS_OK;
	int code = options_parse(&options, argc, argv, &done, &rest);

	if (done) {
		return code;
	}
	if (options.list_causes) {
		return report_causes();
	}
	if (options.explain) {
		return report_explain(options.explain);
	}
	signal(SIGPIPE, SIG_IGN);
	for (int i = rest; i < argc && rc == GDS_OK; i++) {
		rc = gds_targets_add(&targets, argv[i], &complaint);
	}
	code = rc == GDS_OK ? check_all(&options, &targets, argv) : failed(&complaint);
	gds_targets_clear(&targets);
	return code;
}
