/* SPDX-License-Identifier: MIT */
#include "out/format.h"

#include <string.h>

typedef void write_fn(struct gds_text *out, const struct gds_result *);

static void add_text(struct gds_text *out, const char *text)
{
	gds_text_add(out, "%s", text[0] ? text : "-");
}

static void add_span(struct gds_text *out, gds_time span)
{
	gds_text_add(out, "%lld.%06lld", (long long)(span / GDS_SECOND),
		(long long)(span % GDS_SECOND / GDS_MICROSECOND));
}

static const struct gds_result_face *find_face(const struct gds_result *result, const char *name)
{
	for (size_t i = 0; i < result->n; i++) {
		if (strcmp(result->faces[i].name, name) == 0) {
			return &result->faces[i];
		}
	}
	return NULL;
}

/* --- The whole ----------------------------------------------------------------------------- */

static void write_target(struct gds_text *out, const struct gds_result *result)
{
	add_text(out, result->target);
}

static void write_result(struct gds_text *out, const struct gds_result *result)
{
	gds_text_add(out, "%s", gds_severity_name(result->severity));
}

static void write_exit(struct gds_text *out, const struct gds_result *result)
{
	gds_text_add(out, "%d", gds_severity_exit(result->severity));
}

static void write_cause(struct gds_text *out, const struct gds_result *result)
{
	const struct gds_cause *cause = gds_result_cause(result);

	add_text(out, cause ? cause->id : "");
}

static void write_sentence(struct gds_text *out, const struct gds_result *result)
{
	const struct gds_cause *cause = gds_result_cause(result);

	add_text(out, cause ? cause->sentence : result->complaint);
}

static void write_identity(struct gds_text *out, const struct gds_result *result)
{
	add_text(out, result->identity);
}

static void write_name(struct gds_text *out, const struct gds_result *result)
{
	add_text(out, result->name);
}

static void write_version(struct gds_text *out, const struct gds_result *result)
{
	add_text(out, result->version);
}

static void write_runtime(struct gds_text *out, const struct gds_result *result)
{
	add_text(out, result->runtime);
}

static void write_key(struct gds_text *out, const struct gds_result *result)
{
	add_text(out, result->certificates.key);
}

static void write_days(struct gds_text *out, const struct gds_result *result)
{
	if (result->certificates.known) {
		gds_text_add(out, "%lld", (long long)result->certificates.days);
	} else {
		add_text(out, "");
	}
}

static void write_skew(struct gds_text *out, const struct gds_result *result)
{
	if (result->certificates.skew_known) {
		gds_text_add(out, "%lld", (long long)result->certificates.skew);
	} else {
		add_text(out, "");
	}
}

static void write_time_total(struct gds_text *out, const struct gds_result *result)
{
	if (result->complaint[0]) {
		add_text(out, "");
	} else {
		add_span(out, result->duration);
	}
}

static const struct {
	const char *name;
	write_fn *write;
} writers[] = {
	{"target", write_target},
	{"result", write_result},
	{"exit", write_exit},
	{"cause", write_cause},
	{"sentence", write_sentence},
	{"identity", write_identity},
	{"name", write_name},
	{"version", write_version},
	{"runtime", write_runtime},
	{"cert_key", write_key},
	{"cert_days", write_days},
	{"clock_skew", write_skew},
	{"time_total", write_time_total},
};

/* --- A face: state_tcp, cause_udp, address_https; time_tcp, time_udp_handshake ---------------- */

static const struct {
	const char *variable, *face;
} faces[] = {
	{"https", "https"},
	{"tcp", "tcp"},
	{"udp", "udp"},
	{"tcp_tunnel", "tcp-tunnel"},
	{"udp_tunnel", "udp-tunnel"},
};
#define FACE_NAMES (sizeof(faces) / sizeof(faces[0]))

enum field { FIELD_STATE, FIELD_CAUSE, FIELD_ADDRESS, FIELD_SUMMARY, FIELD_TIME };
static const char *const fields[] = {
	[FIELD_STATE] = "state_",
	[FIELD_CAUSE] = "cause_",
	[FIELD_ADDRESS] = "address_",
	[FIELD_SUMMARY] = "summary_",
	[FIELD_TIME] = "time_",
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

struct face_variable {
	enum field field;
	const char *face;
	int stage; /* -1: of the whole face */
};

/* The words that people know: the handshake of TLS and of DTLS. */
static const struct {
	const char *name;
	struct face_variable meaning;
} aliases[] = {
	{"time_tls", {FIELD_TIME, "tcp", GDS_STAGE_HANDSHAKE}},
	{"time_dtls", {FIELD_TIME, "udp", GDS_STAGE_HANDSHAKE}},
};

static bool is_word(const char *text, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(text, word, n) == 0;
}

static bool find_stage(const char *text, size_t n, int *stage)
{
	for (int i = 0; i < GDS_STAGES; i++) {
		if (is_word(text, n, gds_stage_name((enum gds_stage)i))) {
			*stage = i;
			return true;
		}
	}
	return false;
}

/* What follows the field: FACE, or of a time FACE_STAGE. */
static bool find_rest(const char *text, size_t n, struct face_variable *out)
{
	for (size_t i = 0; i < FACE_NAMES; i++) {
		size_t length = strlen(faces[i].variable);

		out->face = faces[i].face;
		out->stage = -1;
		if (is_word(text, n, faces[i].variable)) {
			return true;
		}
		if (out->field == FIELD_TIME && n > length + 1 && text[length] == '_' &&
			memcmp(text, faces[i].variable, length) == 0 &&
			find_stage(text + length + 1, n - length - 1, &out->stage)) {
			return true;
		}
	}
	return false;
}

static bool find_face_variable(const char *name, size_t n, struct face_variable *out)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (is_word(name, n, aliases[i].name)) {
			*out = aliases[i].meaning;
			return true;
		}
	}
	for (size_t i = 0; i < FIELDS; i++) {
		size_t length = strlen(fields[i]);

		out->field = (enum field)i;
		if (n > length && memcmp(name, fields[i], length) == 0 &&
			find_rest(name + length, n - length, out)) {
			return true;
		}
	}
	return false;
}

static void write_time(
	struct gds_text *out, const struct gds_result_face *face, const struct face_variable *v)
{
	const struct gds_result_stage *stage = v->stage >= 0 ? &face->stages[v->stage] : NULL;

	if (face->state == GDS_RESULT_SKIPPED || (stage && !stage->reached)) {
		add_text(out, "");
	} else {
		add_span(out, stage ? stage->duration : face->duration);
	}
}

static void write_face(
	struct gds_text *out, const struct gds_result *result, const struct face_variable *v)
{
	const struct gds_result_face *face = find_face(result, v->face);

	if (!face) {
		add_text(out, "");
		return;
	}
	switch (v->field) {
	case FIELD_STATE:
		add_text(out, gds_result_state_name(face->state));
		break;
	case FIELD_CAUSE:
		add_text(out, face->cause ? face->cause->id : "");
		break;
	case FIELD_ADDRESS:
		add_text(out, face->address);
		break;
	case FIELD_SUMMARY:
		add_text(out, face->summary);
		break;
	case FIELD_TIME:
		write_time(out, face, v);
		break;
	}
}

/* --- The format ---------------------------------------------------------------------------- */

/* \return false for a name that is none. out NULL: only ask. */
static bool variable(
	struct gds_text *out, const struct gds_result *result, const char *name, size_t n)
{
	struct face_variable v = {0};

	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
		if (is_word(name, n, writers[i].name)) {
			if (out) {
				writers[i].write(out, result);
			}
			return true;
		}
	}
	if (!find_face_variable(name, n, &v)) {
		return false;
	}
	if (out) {
		write_face(out, result, &v);
	}
	return true;
}

static char unescaped(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case '\\':
		return '\\';
	default:
		return '\0';
	}
}

int gds_format_check(const char *format, struct gds_complaint *complaint)
{
	for (const char *p = format; *p; p++) {
		if (*p == '\\') {
			if (!unescaped(*++p)) {
				return gds_complain(complaint, GDS_E_INVALID,
					"a backslash is followed by n, t, r or another backslash");
			}
		} else if (*p == '%' && p[1] == '%') {
			p++;
		} else if (*p == '%') {
			size_t n = p[1] == '{' ? strcspn(p + 2, "}") : 0;

			if (n == 0 || p[2 + n] != '}') {
				return gds_complain(complaint, GDS_E_INVALID,
					"a percent sign is followed by {NAME}, or by another one");
			}
			if (!variable(NULL, NULL, p + 2, n)) {
				return gds_complain(complaint, GDS_E_INVALID,
					"there is no variable \"%.*s\": the manual page lists them",
					(int)(n < 60 ? n : 60), p + 2);
			}
			p += 2 + n;
		}
	}
	return GDS_OK;
}

void gds_format_write(struct gds_text *out, const char *format, const struct gds_result *result)
{
	for (const char *p = format; *p; p++) {
		size_t n = p[0] == '%' && p[1] == '{' ? strcspn(p + 2, "}") : 0;

		if (n > 0) {
			variable(out, result, p + 2, n);
			p += 2 + n;
		} else if (*p == '\\') {
			gds_text_add(out, "%c", unescaped(*++p));
		} else {
			gds_text_add(out, "%c", *p);
			p += *p == '%';
		}
	}
}
