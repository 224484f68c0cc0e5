/* SPDX-License-Identifier: MIT */
/* API-08. GoDoxy adds an agent by GET /info, a TCP and a UDP health check, one after the other in
 * one budget; what passes is what it believes for as long as it runs. Its TCP check only writes:
 * it is green for an agent that refuses the header (docs/godoxy-facts.md section 6). */
#include "gdprobe/addition.h"

#include "gdprobe/run.h"
#include "out/text.h"

#include <stdio.h>
#include <string.h>

#define LIMITED "agent has limited/no stream tunneling support"

static const char *const paths[OLD_QUESTIONS] = {
	[OLD_NAME] = "/godoxy/agent/name",
	[OLD_VERSION] = "/godoxy/agent/version",
	[OLD_RUNTIME] = "/godoxy/agent/runtime",
};

const char *addition_path(const struct addition *a)
{
	return paths[a->asked];
}

void addition_answer(struct addition *a, const struct gds_fetch_result *result)
{
	size_t size = sizeof(a->answers[0]);

	if (result->why.code != GDS_OK) {
		a->failed = true;
		return;
	}
	snprintf(a->answers[a->asked], size, "%.*s", (int)size - 1, result->body);
	gds_text_clean(a->answers[a->asked]);
	if (a->asked == OLD_RUNTIME) {
		a->runtime_status = result->status;
	}
	a->asked++;
}

void addition_follow(struct check *check)
{
	struct probe *probe = check->probe;
	struct addition *a = &probe->addition;
	const struct info *info = &probe->info;

	switch (check->face) {
	case FACE_HTTPS:
		if (!info->answered) {
			return; /* GoDoxy gives up here */
		}
		a->old_agent = info->status != 200;
		if (a->old_agent) {
			check_begin(&probe->checks[FACE_OLD]);
		} else if (info->valid) {
			check_begin(&probe->checks[FACE_TCP]);
		}
		return;
	case FACE_OLD:
		a->failed = a->failed || check->report.why.code != GDS_OK;
		if (!a->failed && a->asked < OLD_QUESTIONS) {
			check_begin(check);
		}
		return;
	case FACE_TCP:
		check_begin(&probe->checks[FACE_UDP]);
		return;
	default:
		return;
	}
}

/* What GoDoxy's check wants of a session: that it stands, and that the header could be written. */
static bool believed(const struct check *check)
{
	return check->finished && check->report.stages[GDS_STAGE_HEADER].outcome == GDS_PASSED;
}

static bool runtime_known(const struct addition *a)
{
	const char *runtime = a->answers[OLD_RUNTIME];

	return a->runtime_status == 404 ||
	       (a->runtime_status == 200 &&
		       (strcmp(runtime, "docker") == 0 || strcmp(runtime, "podman") == 0));
}

static void judge_old(const struct addition *a, struct gds_result_addition *out)
{
	out->added = !a->failed && a->asked == OLD_QUESTIONS && runtime_known(a);
	snprintf(out->name, sizeof(out->name), "%s", a->answers[OLD_NAME]);
	snprintf(out->version, sizeof(out->version), "%s", a->answers[OLD_VERSION]);
	snprintf(out->runtime, sizeof(out->runtime), "%s",
		a->runtime_status == 404 ? "docker" : a->answers[OLD_RUNTIME]);
	if (out->added) {
		snprintf(out->refuses, sizeof(out->refuses),
			"all TCP and UDP routes through it: \"agent version is too old, does not "
			"support stream tunneling\"");
	} else {
		snprintf(out->refuses, sizeof(out->refuses),
			"the agent: it answers neither /info nor %s as GoDoxy wants it",
			a->asked < OLD_QUESTIONS ? paths[a->asked] : paths[OLD_RUNTIME]);
	}
}

static void judge_new(const struct gds_result *result, struct gds_result_addition *out)
{
	const char *first = out->tcp ? "UDP" : "TCP";

	snprintf(out->name, sizeof(out->name), "%s", result->name);
	snprintf(out->version, sizeof(out->version), "%s", result->version);
	snprintf(out->runtime, sizeof(out->runtime), "%s", result->runtime);
	if (!out->added) {
		snprintf(out->refuses, sizeof(out->refuses),
			"the agent: GET /info fails, and nothing else is tried");
	} else if (!out->tcp && !out->udp) {
		snprintf(out->refuses, sizeof(out->refuses),
			"TCP and UDP routes through it: \"" LIMITED "\"");
	} else if (!out->tcp || !out->udp) {
		snprintf(out->refuses, sizeof(out->refuses),
			"%s routes through it: \"agent does not support %s stream tunneling\"",
			first, first);
	}
}

void addition_result(const struct probe *probe, struct gds_result *result)
{
	struct gds_result_addition *out = &result->addition;

	if (!probe->run->options->add_agent) {
		return;
	}
	out->judged = true;
	out->old_agent = probe->addition.old_agent;
	out->added = probe->info.answered && probe->info.valid;
	out->tcp = out->added && believed(&probe->checks[FACE_TCP]);
	out->udp = out->added && believed(&probe->checks[FACE_UDP]);
	if (out->old_agent) {
		judge_old(&probe->addition, out);
	} else {
		judge_new(result, out);
	}
	for (size_t i = 0; i < result->n; i++) {
		const struct gds_result_face *face = &result->faces[i];

		if (face->state == GDS_RESULT_BAD &&
			((out->tcp && strcmp(face->name, "tcp") == 0) ||
				(out->udp && strcmp(face->name, "udp") == 0))) {
			out->deceived = true; /* its check only writes */
		}
	}
}
