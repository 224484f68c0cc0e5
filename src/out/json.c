/* SPDX-License-Identifier: MIT */
#include "out/json.h"

#include <jansson.h>

/* Text from outside may be no UTF-8 (a file name, an argument): what jansson refuses is escaped
 * byte by byte. */
static json_t *text(const char *value)
{
	json_t *string = json_string(value);
	char clean[1024];
	size_t n = 0;

	if (string) {
		return string;
	}
	for (; *value && n + 1 < sizeof(clean); value++) {
		clean[n++] = (unsigned char)*value < 0x80 ? *value : '?';
	}
	return json_stringn(clean, n);
}

static json_t *cause_json(const struct gds_cause *cause)
{
	if (!cause) {
		return json_null();
	}
	return json_pack(
		"{ss ss ss}", "id", cause->id, "sentence", cause->sentence, "next", cause->next);
}

static json_t *stages_json(const struct gds_result_face *face)
{
	json_t *stages = json_object();

	for (int i = 0; i < GDS_STAGES; i++) {
		const struct gds_result_stage *s = &face->stages[i];

		if (s->reached) {
			json_object_set_new(stages, gds_stage_name((enum gds_stage)i),
				json_pack("{ss sI sI}", "outcome", s->passed ? "passed" : "failed",
					"start_ns", (json_int_t)s->start, "duration_ns",
					(json_int_t)s->duration));
		}
	}
	return stages;
}

static json_t *legs_json(const struct gds_result_legs *legs)
{
	static const char *const names[GDS_LEGS] = {"probe_agent", "agent_destination", "return"};
	static const char *const leg_states[] = {[GDS_LEG_UNREACHED] = "unreached",
		[GDS_LEG_OK] = "ok",
		[GDS_LEG_FAILED] = "failed",
		[GDS_LEG_UNKNOWN] = "unknown"};
	json_t *root;

	if (!legs->known) {
		return json_null();
	}
	root = json_object();
	for (int i = 0; i < GDS_LEGS; i++) {
		json_object_set_new(root, names[i],
			json_pack("{ss so}", "state", leg_states[legs->leg[i].state], "duration_ns",
				legs->leg[i].timed ? json_integer(legs->leg[i].duration)
						   : json_null()));
	}
	return root;
}

static json_t *face_json(const struct gds_result_face *face)
{
	return json_pack("{ss sb sI so so so so so so}", "state",
		gds_result_state_name(face->state), "optional", face->optional, "duration_ns",
		(json_int_t)face->duration, "address",
		face->address[0] ? text(face->address) : json_null(), "summary",
		text(face->summary), "evidence",
		face->evidence[0] ? text(face->evidence) : json_null(), "cause",
		cause_json(face->cause), "stages", stages_json(face), "legs",
		legs_json(&face->legs));
}

static json_t *faces_json(const struct gds_result *result)
{
	json_t *faces = json_object();

	for (size_t i = 0; i < result->n; i++) {
		json_object_set_new(faces, result->faces[i].name, face_json(&result->faces[i]));
	}
	return faces;
}

static json_t *agent_json(const struct gds_result *result)
{
	if (!result->info) {
		return json_null();
	}
	return json_pack("{so so so}", "name", text(result->name), "version", text(result->version),
		"runtime", text(result->runtime));
}

static json_t *text_or_null(const char *value)
{
	return value && value[0] ? text(value) : json_null();
}

static json_t *causes_json(const struct gds_result *result)
{
	const struct gds_result_diagnosis *d = &result->diagnosis;
	json_t *causes = json_array();
	const struct gds_cause *first = gds_result_cause(result);

	for (size_t i = 0; i < d->n; i++) {
		json_array_append_new(causes, cause_json(d->causes[i]));
	}
	if (d->n == 0 && first) {
		json_array_append_new(causes, cause_json(first));
	}
	return causes;
}

static json_t *variants_json(const struct gds_result_diagnosis *d)
{
	json_t *variants = json_array();

	for (size_t i = 0; i < d->n_variants; i++) {
		const struct gds_result_variant *v = &d->variants[i];

		json_array_append_new(variants,
			json_pack("{ss so sI so}", "name", v->name, "outcome",
				text_or_null(v->outcome), "duration_ns", (json_int_t)v->duration,
				"evidence", text_or_null(v->evidence)));
	}
	return variants;
}

static json_t *tries_json(const struct gds_result_diagnosis *d)
{
	json_t *tries = json_array();

	for (size_t i = 0; i < sizeof(d->tries) / sizeof(d->tries[0]) && d->tries[i][0]; i++) {
		json_array_append_new(tries, text(d->tries[i]));
	}
	return tries;
}

static void add_diagnosis(json_t *root, const struct gds_result *result)
{
	const struct gds_result_diagnosis *d = &result->diagnosis;

	json_object_set_new(root, "causes", causes_json(result));
	json_object_set_new(root, "likely", json_boolean(d->n > 0 && d->likely));
	json_object_set_new(root, "ruled_out", text_or_null(d->ruled_out));
	json_object_set_new(root, "try", tries_json(d));
	json_object_set_new(root, "variants", variants_json(d));
}

static json_t *addition_json(const struct gds_result_addition *a)
{
	if (!a->judged) {
		return json_null();
	}
	return json_pack("{sb sb sb sb sb so so so so}", "added", a->added, "old_agent",
		a->old_agent, "supports_tcp_stream", a->tcp, "supports_udp_stream", a->udp,
		"deceived", a->deceived, "name", text_or_null(a->name), "version",
		text_or_null(a->version), "runtime", text_or_null(a->runtime), "refuses",
		text_or_null(a->refuses));
}

static json_t *certificates_json(const struct gds_result_certificates *c)
{
	if (!c->known) {
		return json_null();
	}
	return json_pack("{so sb sI sI so so}", "key", text(c->key), "flawed", c->flawed,
		"not_after_s", (json_int_t)c->not_after, "days_left", (json_int_t)c->days,
		"clock_skew_s", c->skew_known ? json_integer(c->skew) : json_null(), "cause",
		cause_json(c->cause));
}

static json_t *argv_json(const struct gds_result_tool *tool)
{
	json_t *argv = json_array();

	for (size_t i = 0; tool->argv[i]; i++) {
		json_array_append_new(argv, text(tool->argv[i]));
	}
	return argv;
}

char *gds_json_format(const struct gds_result *result, const struct gds_result_tool *tool)
{
	json_t *root = json_pack("{ss ss ss so so so ss si sI so so so so so so}", "schema",
		GDS_JSON_SCHEMA, "tool", tool->tool, "version", tool->version, "argv",
		argv_json(tool), "target", text(result->target), "identity",
		result->identity[0] ? text(result->identity) : json_null(), "result",
		gds_severity_name(result->severity), "exit", gds_severity_exit(result->severity),
		"duration_ns", (json_int_t)result->duration, "agent", agent_json(result), "faces",
		faces_json(result), "certificates", certificates_json(&result->certificates),
		"cause", cause_json(gds_result_cause(result)), "not_tested",
		result->not_tested[0] ? text(result->not_tested) : json_null(), "complaint",
		result->complaint[0] ? text(result->complaint) : json_null());
	char *line = NULL;

	if (root) {
		add_diagnosis(root, result);
		json_object_set_new(root, "add_agent", addition_json(&result->addition));
		line = json_dumps(root, JSON_COMPACT);
	}
	json_decref(root);
	return line;
}
