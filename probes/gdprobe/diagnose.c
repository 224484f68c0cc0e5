/* SPDX-License-Identifier: MIT */
/* From what was seen on each face to what is wrong with the agent. What one session means is
 * tls/verdict's business; what several together mean is decided here. */
#include "gdprobe/clocks.h"
#include "gdprobe/differential.h"
#include "gdprobe/legs.h"

#include "out/text.h"
#include "tls/verdict.h"

#include <stdio.h>
#include <string.h>

/* A certificate that ends within this many days is worth a warning: GoDoxy's own live for a
 * thousand years. */
#define EXPIRING_DAYS 30
/* Clocks further apart than this can make a fresh certificate look invalid [s] (CERT-06). */
#define SKEW_MAX 60

static const struct {
	const char *name, *label;
} names[FACES] = {
	[FACE_HTTPS] = {"https", "HTTPS"},
	[FACE_TCP] = {"tcp", "TCP"},
	[FACE_UDP] = {"udp", "UDP"},
	[FACE_TCP_TUNNEL] = {"tcp-tunnel", "TCP tunnel"},
	[FACE_UDP_TUNNEL] = {"udp-tunnel", "UDP tunnel"},
	[FACE_OLD] = {"old", "HTTPS"},
	[FACE_EVIDENCE] = {"evidence", "TLS"},
};

static bool is_udp(enum face face)
{
	return face == FACE_UDP || face == FACE_UDP_TUNNEL;
}

static bool is_tunnel(enum face face)
{
	return face == FACE_TCP_TUNNEL || face == FACE_UDP_TUNNEL;
}

/* What the same agent showed over TLS: any finished session there. */
static const struct gds_report *other_report(const struct probe *probe)
{
	static const enum face order[] = {FACE_TCP, FACE_EVIDENCE, FACE_HTTPS};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		const struct check *check = &probe->checks[order[i]];

		if (check->finished && check->report.facts.peer.present) {
			return &check->report;
		}
	}
	return NULL;
}

static void verdict_of(const struct check *check, const struct gds_report *report, int64_t wall,
	struct gds_result_face *face)
{
	struct gds_trust *trust = check->probe->trust;
	struct gds_verdict_input input = {
		.report = report,
		.transport = is_udp(check->face) ? GDS_UDP : GDS_TCP,
		.own = gds_trust_own(trust),
		.own_flaws = gds_trust_own_flaws(trust, wall),
		.other = is_udp(check->face) ? other_report(check->probe) : NULL,
	};

	char bound[96];

	face->state = GDS_RESULT_BAD;
	face->cause = gds_cause_find(gds_verdict_cause(&input));
	gds_verdict_evidence(&input, face->evidence, sizeof(face->evidence));
	clocks_bound(face->cause->id, input.own, &report->facts.peer, wall, bound, sizeof(bound));
	if (bound[0]) {
		size_t used = strlen(face->evidence);

		snprintf(face->evidence + used, sizeof(face->evidence) - used, "; %s", bound);
	}
	snprintf(face->summary, sizeof(face->summary), "%s", face->evidence);
}

static void bad(struct gds_result_face *face, const char *cause, const char *summary)
{
	face->state = GDS_RESULT_BAD;
	face->cause = gds_cause_find(cause);
	snprintf(face->summary, sizeof(face->summary), "%s", summary);
}

/* "TLS 1.3" of GnuTLS's "TLS1.3". */
static void version_text(const struct gds_facts *facts, char text[static 24])
{
	size_t letters = strcspn(facts->version, "0123456789");

	snprintf(text, 24, "%.*s %s", (int)letters, facts->version, facts->version + letters);
}

static void https_face(const struct check *check, int64_t wall, struct gds_result_face *face)
{
	const struct info *info = &check->probe->info;
	struct gds_report report = check->report;
	char version[24], text[64];

	if (info->why.code == GDS_E_TIMEOUT) {
		bad(face, "http-timeout", "no answer to /info");
	} else if (info->why.code == GDS_E_FORMAT) {
		bad(face, "http-failed", "what came is not HTTP, or was cut");
	} else if (!info->answered) {
		/* Under TLS 1.3 a rejection comes when the handshake is long over (TLS-05). */
		report.why = info->why;
		report.why.stage = GDS_STAGE_CLOSE;
		verdict_of(check, &report, wall, face);
	} else if (info->status == 404) {
		bad(face, "http-old-agent", "/info answered with status 404");
	} else if (info->status != 200) {
		snprintf(text, sizeof(text), "/info answered with status %ld", info->status);
		bad(face, "http-status", text);
	} else if (!info->valid) {
		bad(face, "http-not-json", "/info answered something else");
	} else {
		version_text(&check->report.facts, version);
		snprintf(face->summary, sizeof(face->summary), "%s, /info", version);
	}
}

static void health_face(const struct check *check, struct gds_result_face *face)
{
	char version[24];

	if (check->face == FACE_UDP) {
		version_text(&check->report.facts, version);
		snprintf(face->summary, sizeof(face->summary), "%s, clean close%s", version,
			check->report.retries ? ", after a retry" : "");
	} else {
		snprintf(face->summary, sizeof(face->summary), "header accepted, clean close");
	}
}

static bool loopback_unreached(const struct check *check)
{
	const struct gds_destination *destination = check->probe->destination;

	return destination &&
	       (check->face == FACE_TCP_TUNNEL ? gds_destination_connections(destination)
					       : gds_destination_datagrams(destination)) == 0;
}

static void tunnel_face(const struct check *check, int64_t wall, struct gds_result_face *face)
{
	const struct payload_report *payload = &check->payload;
	struct gds_report report = check->report;
	bool udp = check->face == FACE_UDP_TUNNEL;
	char text[96];

	if (udp) {
		snprintf(text, sizeof(text), "%u datagrams came back", payload->datagrams);
	} else {
		snprintf(text, sizeof(text), "%llu bytes came back",
			(unsigned long long)payload->received);
	}
	switch (payload->outcome) {
	case PAYLOAD_OPENED:
		snprintf(face->summary, sizeof(face->summary),
			payload->received ? "open, the destination spoke" : "open");
		return;
	case PAYLOAD_ECHOED:
		snprintf(face->summary, sizeof(face->summary), "%s unchanged", text);
		return;
	case PAYLOAD_CLOSED:
		bad(face, loopback_unreached(check) ? "loopback-unreached" : "tunnel-refused",
			"closed by the agent");
		return;
	case PAYLOAD_UNDER_WAY:
	case PAYLOAD_SILENT:
		bad(face,
			loopback_unreached(check) ? "loopback-unreached"
			: udp			  ? "udp-tunnel-silent"
						  : "tunnel-silent",
			text);
		return;
	case PAYLOAD_CORRUPT:
		bad(face, "tunnel-corrupt", "other bytes came back than were sent");
		return;
	case PAYLOAD_BROKEN:
		report.why = payload->why;
		report.why.stage = GDS_STAGE_PAYLOAD;
		verdict_of(check, &report, wall, face);
		return;
	}
}

static void copy_stages(const struct check *check, struct gds_result_face *face)
{
	const struct gds_report *report = &check->report;

	for (int i = 0; i < GDS_STAGES; i++) {
		const struct gds_stage_report *from = &report->stages[i];
		struct gds_result_stage *to = &face->stages[i];

		to->reached = from->outcome != GDS_NOT_REACHED;
		to->passed = from->outcome == GDS_PASSED;
		to->start = from->start - report->start;
		to->duration = from->duration;
	}
	if (check->tunnelled) {
		struct gds_result_stage *payload = &face->stages[GDS_STAGE_PAYLOAD];

		payload->reached = true;
		payload->passed = check->payload.outcome == PAYLOAD_OPENED ||
				  check->payload.outcome == PAYLOAD_ECHOED;
		payload->start = check->payload.start - report->start;
		payload->duration = check->payload.duration;
	}
	if (check->http && check->finished) {
		struct gds_result_stage *payload = &face->stages[GDS_STAGE_PAYLOAD];

		payload->reached = true;
		payload->passed = check->probe->info.valid;
		payload->start = report->duration;
		payload->duration = check->duration - report->duration;
	}
}

static void face_of(const struct check *check, int64_t wall, struct gds_result_face *face)
{
	const struct options *options = check->probe->run->options;

	face->name = names[check->face].name;
	face->label = names[check->face].label;
	face->optional = options->optional[check->face];
	if (is_tunnel(check->face)) {
		legs_of(check, &face->legs);
	}
	if (!check->started) {
		face->state = GDS_RESULT_SKIPPED;
		snprintf(face->summary, sizeof(face->summary), "not tried: %s failed",
			!is_tunnel(check->face)		 ? "/info"
			: check->face == FACE_TCP_TUNNEL ? "TCP"
							 : "UDP");
		return;
	}
	face->state = GDS_RESULT_OK;
	face->duration = check->duration;
	if (check->report.peer.family) {
		gds_address_format(&check->report.peer, face->address);
	}
	if (check->report.facts.established) {
		version_text(&check->report.facts, face->tls_version);
		snprintf(face->tls_cipher, sizeof(face->tls_cipher), "%s",
			check->report.facts.cipher);
	}
	copy_stages(check, face);
	if (check->report.why.code != GDS_OK || !check->finished) {
		verdict_of(check, &check->report, wall, face);
	} else if (check->face == FACE_HTTPS) {
		https_face(check, wall, face);
	} else if (is_tunnel(check->face)) {
		tunnel_face(check, wall, face);
	} else {
		health_face(check, face);
	}
}

static void earliest(int64_t *end, const struct gds_certificate *certificate)
{
	if (certificate && certificate->present && certificate->not_after < *end) {
		*end = certificate->not_after;
	}
}

static void certificates_of(
	const struct probe *probe, int64_t wall, struct gds_result_certificates *out)
{
	const struct gds_report *other = other_report(probe);
	const struct gds_certificate *agent = other ? &other->facts.peer : NULL;
	const struct gds_certificate *own = gds_trust_own(probe->trust);
	int64_t end = INT64_MAX;
	unsigned verify = other ? other->facts.verify : 0;

	if (!agent && probe->checks[FACE_UDP].report.facts.peer.present) {
		agent = &probe->checks[FACE_UDP].report.facts.peer;
		verify = probe->checks[FACE_UDP].report.facts.verify;
	}
	if (!agent) {
		return;
	}
	out->known = true;
	snprintf(out->key, sizeof(out->key), "%s", agent->key);
	earliest(&end, agent);
	earliest(&end, gds_trust_ca(probe->trust));
	if (!probe->own_is_short) {
		earliest(&end, own);
	}
	out->not_after = end;
	/* Rounded down, so that what ended an hour ago is not "0 days left". */
	out->days = (end - wall) / 86400 - ((end - wall) % 86400 < 0);
	out->flawed = gds_trust_own_flaws(probe->trust, wall) != 0 || verify != 0 || end <= wall;
	out->skew_known = probe->info.date_known;
	out->skew = probe->info.skew;
	if (out->skew_known && (out->skew > SKEW_MAX || out->skew < -SKEW_MAX)) {
		out->cause = gds_cause_find("clocks-apart");
	} else if (out->days < EXPIRING_DAYS && end > wall) {
		out->cause = gds_cause_find("cert-expiring");
	}
}

static void not_tested(const struct options *options, char *out, size_t size)
{
	struct gds_text text;

	gds_text_init(&text, out, size);
	for (int face = FACE_HTTPS; face <= FACE_UDP; face++) {
		if (!options->faces[face]) {
			gds_text_add(&text, "%s%s", text.length ? ", " : "", names[face].label);
		}
	}
	if (!options->through[0] && !options->loopback) {
		gds_text_add(
			&text, "%sa destination (--loopback, --through)", text.length ? ", " : "");
	} else if (options->faces[FACE_UDP] && !options->faces[FACE_UDP_TUNNEL]) {
		gds_text_add(&text, "%sthe destination over UDP (--echo)", text.length ? ", " : "");
	}
}

static bool no_agent(const struct gds_cause *cause)
{
	return cause && (strncmp(cause->id, "not-tls-", strlen("not-tls-")) == 0 ||
				strcmp(cause->id, "foreign-server") == 0);
}

/* Where TCP shows that the port is not an agent's, advice on its UDP would lead astray. */
static void wrong_port(struct gds_result *out)
{
	const struct gds_cause *cause = NULL;

	for (size_t i = 0; i < out->n; i++) {
		struct gds_result_face *face = &out->faces[i];

		if (no_agent(face->cause)) {
			cause = face->cause;
		} else if (cause && face->state == GDS_RESULT_BAD &&
			   strcmp(face->name, "udp") == 0) {
			face->cause = cause;
		}
	}
}

static void judge(const struct probe *probe, struct gds_result *out, int64_t wall)
{
	const struct options *options = probe->run->options;

	for (int face = FACE_HTTPS; face <= FACE_UDP_TUNNEL; face++) {
		if (options->faces[face]) {
			face_of(&probe->checks[face], wall, &out->faces[out->n]);
			out->severity = gds_severity_worse(
				out->severity, gds_result_face_severity(&out->faces[out->n]));
			out->n++;
		}
	}
	wrong_port(out);
	out->info = probe->info.valid;
	snprintf(out->runtime, sizeof(out->runtime), "%s", probe->info.runtime);
	differential(probe, out);
	certificates_of(probe, wall, &out->certificates);
	if (out->certificates.cause) {
		out->severity =
			gds_severity_worse(out->severity, out->certificates.cause->severity);
	}
	snprintf(out->name, sizeof(out->name), "%s", probe->info.name);
	snprintf(out->version, sizeof(out->version), "%s", probe->info.version);
	addition_result(probe, out);
	not_tested(options, out->not_tested, sizeof(out->not_tested));
}

void diagnose(const struct probe *probe, struct gds_result *out, int64_t wall)
{
	memset(out, 0, sizeof(*out));
	snprintf(out->target, sizeof(out->target), "%s", probe->target->text);
	snprintf(out->identity, sizeof(out->identity), "%s", probe->identity);
	out->duration = probe->duration;
	if (probe->complaint.code != GDS_OK) {
		out->severity = GDS_UNKNOWN;
		snprintf(out->complaint, sizeof(out->complaint), "%s", probe->complaint.text);
	} else if (!probe->finished) {
		out->severity = GDS_UNKNOWN;
		snprintf(out->complaint, sizeof(out->complaint),
			"%s was not checked: the time of the whole run was over, give a longer "
			"--timeout",
			probe->target->text);
	} else {
		judge(probe, out, wall);
	}
}
