/* SPDX-License-Identifier: MIT */
#include "out/term.h"

#include <string.h>

#define WIDTH 80 /* columns of running text */

static const struct {
	const char *word, *colour;
} headlines[] = {
	[GDS_FINE] = {"HEALTHY", "\033[1;32m"},
	[GDS_WARNING] = {"WARNING", "\033[1;33m"},
	[GDS_CRITICAL] = {"NOT HEALTHY", "\033[1;31m"},
	[GDS_UNKNOWN] = {"UNKNOWN", "\033[1;35m"},
};

/* The widths that make columns of the lines. */
struct columns {
	int label, state, span;
};

static const char *state_word(enum gds_result_state state, bool optional)
{
	switch (state) {
	case GDS_RESULT_OK:
		return "ok";
	case GDS_RESULT_BAD:
		return optional ? "warn" : "FAIL";
	case GDS_RESULT_SKIPPED:
	case GDS_RESULT_UNJUDGED:
		break;
	}
	return "-";
}

static const char *span_text(const struct gds_result_face *face, char text[static GDS_SPAN_TEXT])
{
	return face->state == GDS_RESULT_SKIPPED ? "-" : gds_span_format(face->duration, text);
}

static void widen(int *width, const char *text)
{
	int n = (int)strlen(text);

	if (n > *width) {
		*width = n;
	}
}

static const char *certificates_word(const struct gds_result_certificates *c)
{
	return c->flawed ? "FAIL" : c->cause ? "warn" : "ok";
}

static struct columns measure(const struct gds_result *result)
{
	struct columns columns = {.state = 2};
	char span[GDS_SPAN_TEXT];

	if (result->certificates.known) {
		widen(&columns.label, "certs");
		widen(&columns.state, certificates_word(&result->certificates));
	}
	for (size_t i = 0; i < result->n; i++) {
		const struct gds_result_face *face = &result->faces[i];

		widen(&columns.label, face->label);
		widen(&columns.state, state_word(face->state, face->optional));
		widen(&columns.span, span_text(face, span));
	}
	return columns;
}

static void headline(struct gds_text *out, const struct gds_result *result,
	const struct gds_term_options *options)
{
	char span[GDS_SPAN_TEXT];
	const char *colour = options->colour ? headlines[result->severity].colour : "";

	gds_text_add(out, "%s  %s%s%s  ", result->target, colour, headlines[result->severity].word,
		options->colour ? "\033[0m" : "");
	if (result->info) {
		gds_text_add(out, "agent \"%s\" %s %s, ", result->name, result->version,
			result->runtime);
	}
	gds_text_add(out, "%s\n", gds_span_format(result->duration, span));
}

static void stages(struct gds_text *out, const struct gds_result_face *face, int indent)
{
	const char *comma = "";
	char span[GDS_SPAN_TEXT];

	gds_text_add(out, "  %*s", indent, "");
	for (int stage = 0; stage < GDS_STAGES; stage++) {
		const struct gds_result_stage *s = &face->stages[stage];

		if (s->reached) {
			gds_text_add(out, "%s%s %s%s", comma, gds_stage_name((enum gds_stage)stage),
				gds_span_format(s->duration, span), s->passed ? "" : " FAIL");
			comma = ", ";
		}
	}
	gds_text_add(out, "\n");
	if (face->address[0]) {
		gds_text_add(out, "  %*saddress %s\n", indent, "", face->address);
	}
	if (face->evidence[0]) {
		gds_text_add(out, "  %*sevidence: %s\n", indent, "", face->evidence);
	}
}

static void faces(struct gds_text *out, const struct gds_result *result,
	const struct gds_term_options *options, const struct columns *columns)
{
	char span[GDS_SPAN_TEXT];

	for (size_t i = 0; i < result->n; i++) {
		const struct gds_result_face *face = &result->faces[i];

		gds_text_add(out, "  %-*s %-*s  %-*s  %s\n", columns->label, face->label,
			columns->state, state_word(face->state, face->optional), columns->span,
			span_text(face, span), face->summary);
		if (options->verbose && face->state != GDS_RESULT_SKIPPED) {
			stages(out, face, columns->label + columns->state + 3);
		}
	}
}

/* The year of a wall time, proleptic Gregorian, without a 32-bit time anywhere (CERT-02: year
 * 3026). */
static int64_t year_of(int64_t seconds)
{
	/* Days since 0000-03-01, in eras of 400 years (146097 days). */
	int64_t days = seconds / 86400 - (seconds % 86400 < 0) + 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t of_era = days - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);

	/* The counted year begins in March: its January and February belong to the next. */
	return year + era * 400 + (of_year >= 306);
}

static void certificates(
	struct gds_text *out, const struct gds_result *result, const struct columns *columns)
{
	const struct gds_result_certificates *c = &result->certificates;
	int64_t skew = c->skew < 0 ? -c->skew : c->skew;

	if (!c->known) {
		return;
	}
	gds_text_add(out, "  %-*s %-*s  %s, to %lld", columns->label, "certs", columns->state,
		certificates_word(c), c->key, (long long)year_of(c->not_after));
	if (c->days < 0) {
		gds_text_add(out, " (expired)");
	} else if (c->days < 366) {
		gds_text_add(out, " (%lld %s)", (long long)c->days, c->days == 1 ? "day" : "days");
	}
	if (c->skew_known) {
		/* The Date header counts whole seconds, and the answer travelled. */
		gds_text_add(out, skew <= 2 ? "; clocks agree (%lld s)" : "; clocks %lld s apart",
			(long long)skew);
	}
	gds_text_add(out, "\n");
}

static void advice(struct gds_text *out, const char *who, const struct gds_cause *cause)
{
	char words[2048];
	struct gds_text text;

	gds_text_init(&text, words, sizeof(words));
	gds_text_add(&text, "%s: %s.", who, cause->sentence);
	gds_text_add(out, "\n  ");
	gds_text_wrap(out, words, 2, 4, WIDTH);
	gds_text_init(&text, words, sizeof(words));
	gds_text_add(&text, "Next: %s.", cause->next);
	gds_text_add(out, "\n    ");
	gds_text_wrap(out, words, 4, 4, WIDTH);
	gds_text_add(out, "\n");
}

/* One line of the diagnosis: a word, and running text beside it. */
static void diagnosis_line(struct gds_text *out, const char *word, const char *words)
{
	gds_text_add(out, "  %-10s ", word);
	gds_text_wrap(out, words, 13, 13, WIDTH);
	gds_text_add(out, "\n");
}

static void diagnosis(struct gds_text *out, const struct gds_result_diagnosis *d)
{
	char words[1024];
	struct gds_text text;
	const size_t tries = sizeof(d->tries) / sizeof(d->tries[0]);

	for (size_t i = 0; i < d->n; i++) {
		const char *how = i ? " (or this)" : d->n > 1 || d->likely ? " (likely)" : "";

		gds_text_init(&text, words, sizeof(words));
		gds_text_add(&text, "%s%s: %s", d->causes[i]->id, how, d->causes[i]->sentence);
		diagnosis_line(out, i ? "" : "cause", words);
	}
	if (d->ruled_out[0]) {
		diagnosis_line(out, "ruled out", d->ruled_out);
	}
	/* Commands are not wrapped: they are there to be copied. */
	for (size_t i = 0; i < tries && d->tries[i][0]; i++) {
		gds_text_add(out, "  %-10s %s\n", i ? "" : "try", d->tries[i]);
	}
	if (d->n && !d->tries[0][0]) {
		diagnosis_line(out, "try", d->causes[0]->next);
	}
}

static void leg(struct gds_text *out, const struct gds_result_legs *legs, enum gds_leg which,
	const char *name)
{
	static const char *const states[] = {[GDS_LEG_UNREACHED] = "not reached",
		[GDS_LEG_OK] = "ok",
		[GDS_LEG_FAILED] = "FAILED",
		[GDS_LEG_UNKNOWN] = "unknown"};
	char span[GDS_SPAN_TEXT];

	gds_text_add(out, "%s%s %s", which ? ", " : "", name, states[legs->leg[which].state]);
	if (legs->leg[which].timed && legs->leg[which].state == GDS_LEG_OK) {
		gds_text_add(out, " %s", gds_span_format(legs->leg[which].duration, span));
	}
}

static void legs(struct gds_text *out, const struct gds_result *result)
{
	const char *word = "legs";

	for (size_t i = 0; i < result->n; i++) {
		const struct gds_result_legs *l = &result->faces[i].legs;
		/* Of a foreign destination only the sum is known. */
		bool one = !l->own && l->leg[GDS_LEG_DESTINATION].state == GDS_LEG_OK &&
			   l->leg[GDS_LEG_RETURN].state == GDS_LEG_OK;

		if (!l->known) {
			continue;
		}
		gds_text_add(out, "  %-10s %s: ", word, result->faces[i].label);
		leg(out, l, GDS_LEG_AGENT, "to the agent");
		leg(out, l, GDS_LEG_DESTINATION,
			one	 ? "agent to destination and back"
			: l->own ? "agent to here"
				 : "agent to destination");
		if (!one) {
			leg(out, l, GDS_LEG_RETURN, "and back");
		}
		gds_text_add(out, "\n");
		word = "";
	}
}

static void addition(struct gds_text *out, const struct gds_result_addition *a)
{
	char words[512];
	struct gds_text text;

	if (!a->judged) {
		return;
	}
	gds_text_init(&text, words, sizeof(words));
	gds_text_add(&text, "GoDoxy would %s: supports_tcp_stream %s, supports_udp_stream %s",
		!a->added      ? "not add this agent"
		: a->old_agent ? "add it as an old agent"
			       : "add it",
		a->tcp ? "true" : "false", a->udp ? "true" : "false");
	diagnosis_line(out, "add agent", words);
	if (a->refuses[0]) {
		diagnosis_line(out, "refuses", a->refuses);
	}
	if (a->deceived) {
		diagnosis_line(out, "",
			"It believes more than is true: its check writes a header "
			"and does not read what comes back.");
	}
	diagnosis_line(out, "",
		"GoDoxy decides this once, when it starts or the agent is added: restart GoDoxy "
		"after a repair.");
}

static bool is_diagnosed(const struct gds_result *result, const struct gds_cause *cause)
{
	const struct gds_result_diagnosis *d = &result->diagnosis;

	for (size_t i = 0; i < d->n; i++) {
		if (d->causes[i] == cause) {
			return true;
		}
	}
	return false;
}

/* Each cause once, with all the faces that show it. */
static void causes(struct gds_text *out, const struct gds_result *result)
{
	for (size_t i = 0; i < result->n; i++) {
		const struct gds_cause *cause = result->faces[i].cause;
		char who[128];
		struct gds_text names;
		bool seen = false;

		if (!cause || is_diagnosed(result, cause)) {
			continue;
		}
		for (size_t j = 0; j < i; j++) {
			seen = seen || result->faces[j].cause == cause;
		}
		if (seen) {
			continue;
		}
		gds_text_init(&names, who, sizeof(who));
		for (size_t j = i; j < result->n; j++) {
			if (result->faces[j].cause == cause) {
				gds_text_add(
					&names, "%s%s", j == i ? "" : ", ", result->faces[j].label);
			}
		}
		advice(out, who, cause);
	}
	if (result->certificates.cause) {
		advice(out, "certs", result->certificates.cause);
	}
}

void gds_term_format(struct gds_text *out, const struct gds_result *result,
	const struct gds_term_options *options)
{
	struct columns columns = measure(result);

	headline(out, result, options);
	if (result->complaint[0]) {
		gds_text_add(out, "  %s\n", result->complaint);
		return;
	}
	faces(out, result, options, &columns);
	certificates(out, result, &columns);
	legs(out, result);
	diagnosis(out, &result->diagnosis);
	causes(out, result);
	addition(out, &result->addition);
	if (result->not_tested[0]) {
		gds_text_add(out, "Not tested: %s.\n", result->not_tested);
	}
}
