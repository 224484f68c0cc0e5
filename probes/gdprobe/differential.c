/* SPDX-License-Identifier: MIT */
/* Faces and variants together: which causes fit all of it, and what to do first. */
#include "gdprobe/differential.h"

#include "out/text.h"

#include <stdio.h>
#include <string.h>

/* Connect and handshake at this distance are no matter of the network [ns]. */
#define FAST (300 * GDS_MILLISECOND)
#define SLOW GDS_SECOND

static const enum face over_tls[] = {FACE_TCP, FACE_HTTPS, FACE_EVIDENCE};
#define OVER_TLS (sizeof(over_tls) / sizeof(over_tls[0]))

static bool tls_stands(const struct check *check)
{
	return check->finished && check->report.why.code == GDS_OK &&
	       (check->face != FACE_HTTPS || check->probe->info.answered);
}

static unsigned connect_seen(const struct gds_report *report)
{
	switch (report->stages[GDS_STAGE_CONNECT].outcome) {
	case GDS_PASSED:
		return SEEN_PASSED;
	case GDS_FAILED:
		return report->why.code == GDS_E_TIMEOUT ? SEEN_SILENT : SEEN_CLOSED;
	default:
		return 0;
	}
}

static unsigned pace(const struct gds_report *report)
{
	const struct gds_stage_report *connect = &report->stages[GDS_STAGE_CONNECT];
	const struct gds_stage_report *handshake = &report->stages[GDS_STAGE_HANDSHAKE];

	if (connect->outcome != GDS_PASSED || connect->duration > FAST ||
		handshake->outcome == GDS_NOT_REACHED || handshake->outcome == GDS_UNDER_WAY) {
		return 0;
	}
	return handshake->duration > SLOW ? SEEN_PASSED : SEEN_ANSWERED;
}

static void observe(const struct probe *probe, unsigned seen[OBSERVATIONS])
{
	const struct check *udp = &probe->checks[FACE_UDP];

	variants_seen(probe, seen);
	for (size_t i = 0; i < OVER_TLS; i++) {
		const struct check *check = &probe->checks[over_tls[i]];
		unsigned connected = connect_seen(&check->report);

		if (!check->finished) {
			continue;
		}
		if (connected > seen[SEE_TCP]) {
			seen[SEE_TCP] = connected; /* SEEN_PASSED is the highest */
		}
		if (tls_stands(check)) {
			seen[SEE_TLS] = SEEN_PASSED;
		} else if (!seen[SEE_TLS] && connected == SEEN_PASSED) {
			seen[SEE_TLS] = seen_of(&check->report);
		}
		if (pace(&check->report) > seen[SEE_PACE]) {
			seen[SEE_PACE] = pace(&check->report);
		}
	}
	if (udp->finished) {
		seen[SEE_UDP] = seen_of(&udp->report);
	}
}

/* --- What to do ---------------------------------------------------------------------------- */

static bool is_udp_cause(const char *id)
{
	return strcmp(id, "udp-filtered") == 0 || strcmp(id, "udp-closed") == 0 ||
	       strcmp(id, "udp-unreachable") == 0;
}

/* Docker agents use the host's network, so that its firewall decides; Podman publishes ports one
 * by one. Who does not say which gets both. */
static void advise(const struct gds_result *result, uint16_t port, struct gds_result_diagnosis *d)
{
	const char *id = d->causes[0]->id;
	bool docker = result->info && strcmp(result->runtime, "docker") == 0;
	bool podman = result->info && strcmp(result->runtime, "podman") == 0;
	const char *protocol = is_udp_cause(id) ? "udp" : "tcp";
	size_t n = 0, size = sizeof(d->tries[0]);

	if (!is_udp_cause(id) && strcmp(id, "tcp-filtered") != 0) {
		return;
	}
	snprintf(d->tries[n++], size, "on the agent: sudo ss -%clnp | grep %u",
		is_udp_cause(id) ? 'u' : 't', port);
	if (!docker) {
		snprintf(d->tries[n++], size,
			"%spublish \"%u:%u/%s\" under ports: in the agent's compose file",
			podman ? "" : "with Podman: ", port, port, protocol);
	}
	if (!podman) {
		snprintf(d->tries[n++], size,
			"%ssudo ufw allow %u/%s   (also router or cloud firewall)",
			docker ? "" : "with Docker (host network): ", port, protocol);
	}
}

/* --- The diagnosis ------------------------------------------------------------------------- */

static bool among(const struct gds_result_diagnosis *d, const struct gds_cause *cause)
{
	for (size_t i = 0; i < d->n; i++) {
		if (d->causes[i] == cause) {
			return true;
		}
	}
	return false;
}

static void take_over(struct gds_result *out, const struct gds_cause *symptom)
{
	struct gds_result_diagnosis *d = &out->diagnosis;

	for (size_t i = 0; i < out->n; i++) {
		/* A guess does not replace what was seen, unless that was ruled out. */
		if (out->faces[i].cause == symptom && (!d->likely || !among(d, symptom))) {
			out->faces[i].cause = d->causes[0];
		}
	}
}

/* The symptom that can be narrowed: of the face that decides, else of any other. */
static const struct gds_cause *symptom_of(
	const struct gds_result *result, const unsigned *seen, struct narrowed *narrowed)
{
	const struct gds_cause *first = gds_result_cause(result);

	if (first && narrow(first->id, seen, narrowed)) {
		return first;
	}
	/* Where not even TCP connects, that is the matter, and UDP is no riddle. */
	for (size_t i = 0; i < result->n && seen[SEE_TCP] == SEEN_PASSED; i++) {
		const struct gds_cause *cause = result->faces[i].cause;

		if (cause && result->faces[i].state == GDS_RESULT_BAD &&
			narrow(cause->id, seen, narrowed)) {
			return cause;
		}
	}
	return NULL;
}

/* "5 hellos, 2 source ports, 4 s: no reply, no ICMP" */
static void say_silence(const struct probe *probe, struct gds_result_face *face)
{
	const struct gds_report *report = &probe->checks[FACE_UDP].report;
	unsigned hellos = report->facts.retransmissions + 1, ports = report->retries + 1;
	char span[GDS_SPAN_TEXT];

	for (int kind = VARIANT_UDP_PORT; kind <= VARIANT_UDP_EMS; kind++) {
		if (probe->variants[kind].finished && probe->variants[kind].seen == SEEN_SILENT) {
			hellos += probe->variants[kind].flights;
			ports++;
		}
	}
	snprintf(face->summary, sizeof(face->summary),
		"silent: %u hello%s, %u source port%s, %s: no reply, no ICMP", hellos,
		hellos == 1 ? "" : "s", ports, ports == 1 ? "" : "s",
		gds_span_format(report->duration, span));
}

/* The first socket met silence, another one an answer at once, and so did the next of the same
 * face: what is locked out is one source port. */
static bool locked_out(const struct probe *probe)
{
	const struct check *udp = &probe->checks[FACE_UDP];
	const struct variant *port = &probe->variants[VARIANT_UDP_PORT];

	return udp->finished && udp->report.why.code == GDS_OK && udp->report.retries > 0 &&
	       port->finished && port->seen == SEEN_PASSED && port->duration < FAST &&
	       probe->run->options->diagnose != DIAGNOSE_ALWAYS;
}

void differential(const struct probe *probe, struct gds_result *out)
{
	unsigned seen[OBSERVATIONS] = {0};
	struct narrowed narrowed;
	struct gds_result_diagnosis *d = &out->diagnosis;
	const struct gds_cause *symptom;

	if (probe->run->options->diagnose == DIAGNOSE_NEVER) {
		return;
	}
	variants_result(probe, d);
	observe(probe, seen);
	symptom = symptom_of(out, seen, &narrowed);
	if (!symptom) {
		if (locked_out(probe)) {
			d->causes[d->n++] = gds_cause_find("tuple-lock-out");
			d->likely = true;
			out->severity = gds_severity_worse(out->severity, GDS_WARNING);
		}
		return;
	}
	for (size_t i = 0; i < narrowed.n; i++) {
		d->causes[d->n++] = gds_cause_find(narrowed.causes[i]);
	}
	d->likely = narrowed.likely;
	memcpy(d->ruled_out, narrowed.ruled_out, sizeof(d->ruled_out));
	for (size_t i = 0; i < out->n; i++) {
		if (strcmp(out->faces[i].name, "udp") == 0 &&
			strcmp(symptom->id, "udp-filtered") == 0 &&
			out->faces[i].cause == symptom) {
			say_silence(probe, &out->faces[i]);
		}
	}
	take_over(out, symptom);
	advise(out, probe->target->port, d);
}
