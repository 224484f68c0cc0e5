/* SPDX-License-Identifier: MIT */
#include "out/nagios.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 79 /* characters before the performance data */

static bool number(const char **p, double *out)
{
	char *end;

	*out = strtod(*p, &end);
	if (end == *p || !isfinite(*out)) {
		return false;
	}
	*p = end;
	return true;
}

/* "[@][low:][high]", low "~" for no limit, 0 when absent. */
static bool range_parse(struct gds_range *range, const char *text)
{
	const char *p = text;

	range->set = true;
	range->inside = *p == '@';
	range->low = 0;
	range->high = INFINITY;
	p += range->inside;
	if (strchr(p, ':')) {
		if (*p == '~') {
			range->low = -INFINITY;
			p++;
		} else if (!number(&p, &range->low)) {
			return false;
		}
		if (*p++ != ':') {
			return false;
		}
		if (!*p) {
			return true;
		}
	}
	return number(&p, &range->high) && !*p && range->low <= range->high;
}

static int range_read(
	struct gds_range *range, const char *value, size_t n, struct gds_complaint *complaint)
{
	if (n == 0) {
		return GDS_OK;
	}
	if (n >= sizeof(range->text)) {
		return gds_complain(
			complaint, GDS_E_INVALID, "the range \"%.20s...\" is too long", value);
	}
	memcpy(range->text, value, n);
	range->text[n] = '\0';
	if (!range_parse(range, range->text)) {
		return gds_complain(complaint, GDS_E_INVALID,
			"\"%s\" is not a range: write 2, 0.5:, ~:3, 1:2 or @1:2", range->text);
	}
	return GDS_OK;
}

int gds_thresholds_parse(
	struct gds_thresholds *out, const char *value, struct gds_complaint *complaint)
{
	const char *comma = strchr(value, ',');
	struct gds_thresholds read = {0};
	int rc;

	rc = range_read(
		&read.time, value, comma ? (size_t)(comma - value) : strlen(value), complaint);
	if (rc == GDS_OK && comma) {
		rc = range_read(&read.days, comma + 1, strlen(comma + 1), complaint);
	}
	if (rc == GDS_OK && !read.time.set && !read.days.set) {
		rc = gds_complain(complaint, GDS_E_INVALID,
			"an empty threshold: write a range of seconds, or SECONDS,DAYS");
	}
	if (rc == GDS_OK) {
		*out = read;
	}
	return rc;
}

bool gds_range_alerts(const struct gds_range *range, double value)
{
	bool outside = value < range->low || value > range->high;

	return range->set && (range->inside ? !outside : outside);
}

static bool alerts(const struct gds_result *result, const struct gds_thresholds *thresholds)
{
	double seconds = (double)result->duration / (double)GDS_SECOND;

	return gds_range_alerts(&thresholds->time, seconds) ||
	       (result->certificates.known &&
		       gds_range_alerts(&thresholds->days, (double)result->certificates.days));
}

enum gds_severity gds_nagios_severity(const struct gds_result *result,
	const struct gds_thresholds *warning, const struct gds_thresholds *critical)
{
	enum gds_severity severity = result->severity;

	if (alerts(result, warning)) {
		severity = gds_severity_worse(severity, GDS_WARNING);
	}
	if (alerts(result, critical)) {
		severity = gds_severity_worse(severity, GDS_CRITICAL);
	}
	return severity;
}

static const char *const words[] = {
	[GDS_FINE] = "OK",
	[GDS_WARNING] = "WARNING",
	[GDS_CRITICAL] = "CRITICAL",
	[GDS_UNKNOWN] = "UNKNOWN",
};

/* "tcp ok, udp udp-filtered": what failed, by its cause. */
static void failures(struct gds_text *out, const struct gds_result *result)
{
	const char *comma = "";

	for (size_t i = 0; i < result->n; i++) {
		const struct gds_result_face *face = &result->faces[i];

		if (face->state == GDS_RESULT_BAD) {
			gds_text_add(out, "%s%s %s", comma, face->name,
				face->cause ? face->cause->id : "failed");
			comma = ", ";
		}
	}
	if (!*comma && result->certificates.cause) {
		gds_text_add(out, "%s", result->certificates.cause->id);
		comma = ", ";
	}
	if (!*comma) {
		gds_text_add(out, "threshold crossed");
	}
}

static void one_target(
	struct gds_text *out, const struct gds_result *result, enum gds_severity severity)
{
	char span[GDS_SPAN_TEXT];

	gds_text_add(out, "%s ", result->target);
	if (result->complaint[0]) {
		gds_text_add(out, "%s", result->complaint);
	} else if (severity == GDS_FINE) {
		gds_text_add(out, "healthy, %s", gds_span_format(result->duration, span));
		if (result->info) {
			gds_text_add(out, ", %s %s", result->name, result->version);
		}
	} else {
		failures(out, result);
		gds_text_add(out, ", %s", gds_span_format(result->duration, span));
	}
}

static void many_targets(struct gds_text *out, const struct gds_result *const *results, size_t n,
	const struct gds_thresholds *warning, const struct gds_thresholds *critical)
{
	size_t healthy = 0;
	const char *separator = ": ";

	for (size_t i = 0; i < n; i++) {
		healthy += gds_nagios_severity(results[i], warning, critical) == GDS_FINE;
	}
	gds_text_add(out, "%zu of %zu healthy", healthy, n);
	for (size_t i = 0; i < n; i++) {
		if (gds_nagios_severity(results[i], warning, critical) != GDS_FINE) {
			gds_text_add(out, "%s%s", separator, results[i]->target);
			separator = ", ";
		}
	}
}

/* "'label'=value;warn;crit;min": seconds as a decimal without exponent. */
static void perfdata(struct gds_text *out, const struct gds_result *result, const char *prefix,
	const struct gds_thresholds *warning, const struct gds_thresholds *critical)
{
	gds_text_add(out, " '%stime'=%.6fs;%s;%s;0", prefix,
		(double)result->duration / (double)GDS_SECOND, warning->time.text,
		critical->time.text);
	for (size_t i = 0; i < result->n; i++) {
		const struct gds_result_face *face = &result->faces[i];

		if (face->state == GDS_RESULT_OK || face->state == GDS_RESULT_BAD) {
			gds_text_add(out, " '%s%s'=%.6fs;;;0", prefix, face->name,
				(double)face->duration / (double)GDS_SECOND);
		}
	}
	if (result->certificates.known) {
		gds_text_add(out, " '%scert_days'=%lld;%s;%s", prefix,
			(long long)result->certificates.days, warning->days.text,
			critical->days.text);
	}
}

/* The line has one "|", and it is ours; "'" and "=" end a label. */
static void disarm(char *text)
{
	for (; *text; text++) {
		if (*text == '|' || *text == '\n' || *text == '\'' || *text == '=') {
			*text = '_';
		}
	}
}

/* The line before "|". */
static void head(struct gds_text *out, const struct gds_result *const *results, size_t n,
	const struct gds_thresholds *warning, const struct gds_thresholds *critical)
{
	enum gds_severity severity = GDS_FINE;
	char line[TEXT_MAX + 1];
	struct gds_text text;

	for (size_t i = 0; i < n; i++) {
		severity = gds_severity_worse(
			severity, gds_nagios_severity(results[i], warning, critical));
	}
	gds_text_init(&text, line, sizeof(line));
	gds_text_add(&text, "GODOXY %s - ", words[severity]);
	if (n == 1) {
		one_target(&text, results[0], severity);
	} else {
		many_targets(&text, results, n, warning, critical);
	}
	if (text.cut) {
		memcpy(line + TEXT_MAX - 3, "...", 3);
	}
	disarm(line);
	gds_text_add(out, "%s |", line);
}

void gds_nagios_format(struct gds_text *out, const struct gds_result *const *results, size_t n,
	const struct gds_thresholds *warning, const struct gds_thresholds *critical)
{
	char prefix[310] = "";

	head(out, results, n, warning, critical);
	for (size_t i = 0; i < n; i++) {
		if (results[i]->complaint[0]) {
			continue; /* nothing was measured */
		}
		if (n > 1) {
			struct gds_text label;

			gds_text_init(&label, prefix, sizeof(prefix));
			gds_text_add(&label, "%s ", results[i]->target);
			disarm(prefix);
		}
		perfdata(out, results[i], prefix, warning, critical);
	}
	gds_text_add(out, "\n");
}

static void stage_perfdata(struct gds_text *out, const struct gds_result *result)
{
	for (size_t i = 0; i < result->n; i++) {
		for (int stage = 0; stage < GDS_STAGES; stage++) {
			const struct gds_result_stage *s = &result->faces[i].stages[stage];

			if (s->reached) {
				gds_text_add(out, " '%s_%s'=%.6fs;;;0", result->faces[i].name,
					gds_stage_name((enum gds_stage)stage),
					(double)s->duration / (double)GDS_SECOND);
			}
		}
	}
}

static void long_line(struct gds_text *out, enum gds_severity severity, const char *label,
	const char *summary, const struct gds_cause *cause)
{
	char line[1024];
	struct gds_text text;

	gds_text_init(&text, line, sizeof(line));
	gds_text_add(&text, "[%s] %s: %s", words[severity], label, summary);
	if (cause) {
		gds_text_add(&text, "; %s: %s. Next: %s", cause->id, cause->sentence, cause->next);
	}
	disarm(line);
	gds_text_add(out, "%s\n", line);
}

void gds_nagios_format_check(struct gds_text *out, const struct gds_result *result,
	const struct gds_thresholds *warning, const struct gds_thresholds *critical)
{
	const struct gds_result_certificates *c = &result->certificates;
	char text[96];

	head(out, &result, 1, warning, critical);
	if (result->complaint[0]) {
		gds_text_add(out, "\n");
		long_line(out, GDS_UNKNOWN, "gdprobe", result->complaint, NULL);
		return;
	}
	perfdata(out, result, "", warning, critical);
	stage_perfdata(out, result);
	gds_text_add(out, "\n");
	for (size_t i = 0; i < result->n; i++) {
		const struct gds_result_face *face = &result->faces[i];

		long_line(out, gds_result_face_severity(face), face->label, face->summary,
			face->cause);
	}
	if (c->known) {
		snprintf(text, sizeof(text), "%s, %lld days left", c->key, (long long)c->days);
		long_line(out, c->cause ? c->cause->severity : GDS_FINE, "certs", text, c->cause);
	}
}
