/* SPDX-License-Identifier: MIT */
#include "cli/known.h"

#include <gdstream/env.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LEAF_LIFE 3600 /* [s] */
/* CERT-06: a clock that is behind by less than an hour, or was set back, does no harm. */
#define LEAF_BACKDATE 3600 /* [s] */

int gds_identity_options_check(
	const struct gds_identity_options *options, struct gds_complaint *complaint)
{
	bool files = options->ca || options->cert || options->key;

	if ((options->path != NULL) + files + (options->agent_env != NULL) > 1) {
		return gds_complain(complaint, GDS_E_INVALID,
			"-i, --ca with --cert and --key, and --agent-env exclude each other: give "
			"one");
	}
	if (files && !options->ca) {
		return gds_complain(complaint, GDS_E_INVALID,
			"--ca is missing: --cert and --key alone do not say whom to trust");
	}
	if (!options->cert != !options->key) {
		return gds_complain(complaint, GDS_E_INVALID, "--%s is missing: %s",
			options->cert ? "key" : "cert",
			"a certificate and its key are given together");
	}
	return GDS_OK;
}

static int from_agent_env(
	struct gds_identity **out, const char *path, struct gds_complaint *complaint)
{
	const struct gds_env *env = gds_env_system();
	int64_t now = env->wall(env->ctx) / GDS_SECOND;
	struct gds_generate_options options = {
		.valid_from = now - LEAF_BACKDATE, .valid_to = now + LEAF_LIFE};
	struct gds_identity *agent = NULL;
	int rc = gds_identity_from_env_file(&agent, path, complaint);

	if (rc != GDS_OK) {
		return rc;
	}
	if (agent->ca_key) {
		rc = gds_identity_generate_leaf(out, agent, GDS_LEAF_CLIENT, &options, complaint);
	} else {
		rc = gds_complain(complaint, GDS_E_FORMAT,
			"%s: AGENT_CA_CERT holds no CA key, so no client certificate can be "
			"signed: "
			"use the agent's zip with -i",
			path);
	}
	gds_identity_free(agent);
	return rc;
}

int gds_known_path(char *path, size_t size, const struct gds_target *target,
	const struct gds_identity_options *options)
{
	int n = snprintf(
		path, size, "%s/%s.zip", options->folder ? options->folder : "certs", target->text);

	return n > 0 && (size_t)n < size && access(path, F_OK) == 0 ? GDS_OK : GDS_E_FILE;
}

int gds_known_identity(struct gds_identity **out, const struct gds_target *target,
	const struct gds_identity_options *options, struct gds_complaint *complaint)
{
	const char *variable = getenv("GDSTREAM_IDENTITY");
	char path[PATH_MAX];

	if (options->path) {
		return gds_identity_from_path(out, options->path, complaint);
	}
	if (options->ca) {
		return gds_identity_from_files(
			out, options->ca, options->cert, options->key, complaint);
	}
	if (options->agent_env) {
		return from_agent_env(out, options->agent_env, complaint);
	}
	if (target->zip) {
		return gds_identity_from_path(out, target->zip, complaint);
	}
	if (!options->folder && variable && *variable) {
		return gds_identity_from_path(out, variable, complaint);
	}
	if (gds_known_path(path, sizeof(path), target, options) == GDS_OK) {
		return gds_identity_from_path(out, path, complaint);
	}
	return gds_complain(complaint, GDS_E_FILE,
		"no certificate for %s: give the agent's zip with -i FILE, set GDSTREAM_IDENTITY, "
		"or put it at %s",
		target->text, path);
}
