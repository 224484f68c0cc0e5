/* SPDX-License-Identifier: MIT */
/* Who we are towards a target. Loaded when its turn comes and freed when it is judged: the
 * certificates of a thousand agents are many megabytes. */
#include "gdprobe/probe.h"

#include <stdio.h>
#include <string.h>

static bool is_shared(const struct gds_identity_options *options)
{
	return options->path || options->ca || options->agent_env;
}

static void load(struct probe *probe, const struct gds_identity_options *options)
{
	struct gds_identity *identity = NULL;
	struct gds_complaint *complaint = &probe->complaint;

	complaint->code = gds_known_identity(&identity, probe->target, options, complaint);
	if (complaint->code == GDS_OK) {
		snprintf(probe->identity, sizeof(probe->identity), "%s",
			identity->source ? identity->source : "");
		probe->own_is_short = options->agent_env != NULL;
		complaint->code = gds_trust_new(&probe->trust, identity, GDS_CLIENT, complaint);
	}
	gds_identity_free(identity);
}

void introduce(struct probe *probe)
{
	const struct gds_identity_options *options = &probe->run->options->identity;

	if (!is_shared(options)) {
		load(probe, options);
	}
}

void introduce_all(struct run *run)
{
	struct probe *first = &run->probes[0];

	if (!is_shared(&run->options->identity)) {
		return;
	}
	load(first, &run->options->identity);
	for (size_t i = 1; i < run->n; i++) {
		struct probe *probe = &run->probes[i];

		probe->complaint = first->complaint;
		memcpy(probe->identity, first->identity, sizeof(probe->identity));
		probe->own_is_short = first->own_is_short;
		probe->trust = first->trust ? gds_trust_ref(first->trust) : NULL;
	}
}
