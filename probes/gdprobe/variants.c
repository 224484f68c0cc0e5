/* SPDX-License-Identifier: MIT */
#include "gdprobe/run.h"

#include "gdprobe/plain.h"
#include "tls/verdict.h"

#include <stdio.h>
#include <string.h>

/* A healthy agent on the other side of the world has answered by then. */
#define PATIENCE GDS_SECOND
/* A variant that has heard nothing for this long will hear nothing. */
#define VARIANT_LIMIT (2500 * GDS_MILLISECOND)
/* UDP without a single byte by then is silent, however long the run may take: five seconds for a
 * cause. */
#define SILENCE_LIMIT (4 * GDS_SECOND)
/* With less time left a variant could tell nothing. */
#define ROOM (200 * GDS_MILLISECOND)
/* Each refused handshake is a line in the agent's log: monitoring asks again and again. */
#define MONITORING_MAX 2

static const struct {
	const char *name;
	enum observation what;
	bool udp;
	enum gds_plan plan;
	unsigned mtu;
	enum gds_versions versions;
	const char *alpn, *priority;
	bool no_certificate;
} kinds[VARIANTS] = {
	[VARIANT_UDP_PORT] = {"udp-other-port", SEE_UDP_PORT, true, .plan = GDS_PLAN_HEALTH},
	[VARIANT_UDP_MTU] = {"udp-small-datagrams", SEE_UDP_MTU, true, .plan = GDS_PLAN_HEALTH,
		.mtu = 400},
	[VARIANT_UDP_SUITE] = {"udp-other-suites", SEE_UDP_SUITE, true, .plan = GDS_PLAN_HANDSHAKE,
		.priority = "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-CIPHER-ALL:+AES-256-GCM"
			    ":+CHACHA20-POLY1305:+AES-256-CBC:+AES-128-CBC:+RSA:+DHE-RSA"},
	[VARIANT_UDP_EMS] = {"udp-without-ems", SEE_UDP_EMS, true, .plan = GDS_PLAN_HANDSHAKE,
		.priority = "NORMAL:-VERS-ALL:+VERS-DTLS1.2:%NO_SESSION_HASH"},
	[VARIANT_TLS12] = {"tls-1.2-only", SEE_TLS12, false, .plan = GDS_PLAN_HEALTH,
		.versions = GDS_TLS_12},
	[VARIANT_PLAIN] = {"plain-http", SEE_PLAIN, false, .plan = GDS_PLAN_HEALTH},
	[VARIANT_ALPN] = {"tls-without-alpn", SEE_ALPN, false, .plan = GDS_PLAN_HANDSHAKE,
		.alpn = ""},
	[VARIANT_BARE] = {"tls-without-certificate", SEE_BARE, false, .plan = GDS_PLAN_HEALTH,
		.no_certificate = true},
	[VARIANT_CONNECT] = {"tcp-connect", SEE_TCP, false, .plan = GDS_PLAN_HEALTH},
};

unsigned seen_of(const struct gds_report *report)
{
	switch (report->why.code) {
	case GDS_OK:
		return report->finished ? SEEN_PASSED : 0;
	case GDS_E_CANCELLED:
	case GDS_E_NOMEM:
	case GDS_E_DESCRIPTORS:
	case GDS_E_PERMISSION:
	case GDS_E_RESOLVE:
		return 0;
	case GDS_E_TIMEOUT:
		return report->facts.bytes_in > 0 ? SEEN_ANSWERED : SEEN_SILENT;
	default:
		return report->facts.bytes_in > 0 ? SEEN_ANSWERED : SEEN_CLOSED;
	}
}

static void finished(struct variant *v)
{
	v->finished = true;
	v->duration = gds_now(v->probe->run->env) - v->start;
	probe_release(v->probe);
}

/* It is under way, and no session stands yet. */
static bool is_waiting(const struct check *check)
{
	return check->started && !check->finished && check->machine &&
	       gds_attempt_report(check->machine)->stages[GDS_STAGE_HANDSHAKE].outcome !=
		       GDS_PASSED;
}

/* A host answers one address with about one ICMP error a second: the one that a variant was told
 * is the face's as well. */
static void share_refusal(struct probe *probe, const struct gds_error *why)
{
	struct check *udp = &probe->checks[FACE_UDP];

	if (why->code != GDS_E_REFUSED && why->code != GDS_E_UNREACHABLE) {
		return;
	}
	probe->refused = *why;
	if (is_waiting(udp) && gds_attempt_heard(udp->machine) == 0 && udp->binding) {
		udp->given_up = true;
		gds_driver_cancel(udp->binding, GDS_CLOSE_SILENT);
	}
}

static void on_attempt(void *ctx, struct gds_machine *machine)
{
	struct variant *v = ctx;
	const struct gds_report *report = gds_attempt_report(machine);
	struct gds_verdict_input input = {.report = report,
		.transport = kinds[v->kind].udp ? GDS_UDP : GDS_TCP,
		.own = gds_trust_own(v->probe->trust)};

	v->seen = seen_of(report);
	if (v->kind == VARIANT_BARE &&
		strcmp(gds_verdict_cause(&input), "client-cert-missing") == 0) {
		/* All else was right: only the certificate was missing. */
		v->seen = SEEN_PASSED;
	}
	v->flights = report->facts.retransmissions + 1;
	gds_verdict_evidence(&input, v->evidence, sizeof(v->evidence));
	if (kinds[v->kind].udp) {
		share_refusal(v->probe, &report->why);
	}
	finished(v);
}

static void on_plain(void *ctx, struct gds_machine *machine)
{
	struct variant *v = ctx;
	const struct plain_report *report = plain_report(machine);

	if (v->kind == VARIANT_CONNECT) {
		v->seen = report->connected			? SEEN_PASSED
			  : report->why.code == GDS_E_TIMEOUT	? SEEN_SILENT
			  : report->why.code == GDS_E_CANCELLED ? 0
								: SEEN_CLOSED;
	} else if (report->first[0]) {
		/* Go's HTTPS servers answer this too, so that only a proper answer says HTTP. */
		v->seen = strncmp(report->first, "HTTP/", 5) == 0 &&
					  strncmp(report->first, "HTTP/1.0 400", 12) != 0
				  ? SEEN_PASSED
				  : SEEN_CLOSED;
		snprintf(v->evidence, sizeof(v->evidence), "the peer said \"%s\"", report->first);
	} else {
		v->seen = report->why.code == GDS_E_TIMEOUT ? SEEN_SILENT : SEEN_CLOSED;
	}
	finished(v);
}

static struct gds_machine *attempt_of(const struct variant *v, gds_time deadline)
{
	const struct probe *probe = v->probe;
	const struct check *check = &probe->checks[kinds[v->kind].udp ? FACE_UDP : FACE_TCP];
	struct gds_attempt_options options = {
		.transport = kinds[v->kind].udp ? GDS_UDP : GDS_TCP,
		.plan = kinds[v->kind].plan,
		.host = probe->target->host,
		.port = probe->target->port,
		.trust = probe->trust,
		.versions = kinds[v->kind].versions,
		.priority = kinds[v->kind].priority,
		.mtu = kinds[v->kind].mtu,
		.alpn = kinds[v->kind].alpn,
		.no_certificate = kinds[v->kind].no_certificate,
		.once = true,
		.deadline = deadline,
	};
	struct gds_address peer;

	if (check_peer(check, &peer)) {
		options.address = peer;
	}
	return gds_attempt_new(&options, probe->run->env);
}

static struct gds_machine *plain_of(const struct variant *v, gds_time deadline)
{
	struct gds_address peer;

	for (int face = FACE_HTTPS; face <= FACE_UDP; face++) {
		if (check_peer(&v->probe->checks[face], &peer)) {
			return plain_new(
				&peer, v->kind == VARIANT_PLAIN, deadline, v->probe->run->env);
		}
	}
	return NULL; /* not even a name that resolves */
}

static void begin(struct probe *probe, enum variant_kind kind)
{
	struct run *run = probe->run;
	struct variant *v = &probe->variants[kind];
	bool plain = kind == VARIANT_PLAIN || kind == VARIANT_CONNECT;
	gds_time now = gds_now(run->env), limit = gds_later(now, VARIANT_LIMIT);
	gds_time deadline = limit < probe->deadline ? limit : probe->deadline;
	struct gds_machine *machine;

	if (v->started || run->over || gds_later(now, ROOM) >= probe->deadline ||
		(run->options->nagios && run->options->diagnose != DIAGNOSE_ALWAYS &&
			probe->varied >= MONITORING_MAX)) {
		return;
	}
	v->probe = probe;
	v->kind = kind;
	machine = plain ? plain_of(v, deadline) : attempt_of(v, deadline);
	if (!machine) {
		return;
	}
	v->started = true;
	v->start = now;
	probe->varied++;
	probe->open++;
	if (!gds_driver_bind(run->driver, machine, plain ? on_plain : on_attempt, v)) {
		machine->ops->free(machine);
		finished(v);
	}
}

static void begin_udp(struct probe *probe)
{
	if (!probe->run->options->faces[FACE_TCP] && !probe->run->options->faces[FACE_HTTPS]) {
		begin(probe, VARIANT_CONNECT);
	}
	for (int kind = VARIANT_UDP_PORT; kind <= VARIANT_UDP_EMS; kind++) {
		begin(probe, (enum variant_kind)kind);
	}
}

static void begin_tcp(struct probe *probe)
{
	begin(probe, VARIANT_PLAIN);
	begin(probe, VARIANT_TLS12);
	begin(probe, VARIANT_ALPN);
}

/* Without the certificate the agent asks for one, instead of stumbling over ours. */
static void begin_bare(struct probe *probe)
{
	const struct gds_certificate *own = gds_trust_own(probe->trust);

	if (own && own->present) {
		begin(probe, VARIANT_BARE);
	}
}

/* --- When ---------------------------------------------------------------------------------- */

static bool wanted(const struct probe *probe)
{
	return probe->run->options->diagnose != DIAGNOSE_NEVER && !probe->run->over;
}

static gds_time patience(const struct run *run)
{
	gds_time third = run->options->timeout / 3;

	return third < PATIENCE ? third : PATIENCE;
}

static bool is_connected(const struct check *check)
{
	return gds_attempt_report(check->machine)->stages[GDS_STAGE_CONNECT].outcome == GDS_PASSED;
}

static void on_patience(void *ctx)
{
	struct probe *probe = ctx;
	struct check *tcp = &probe->checks[FACE_TCP], *udp = &probe->checks[FACE_UDP];
	gds_time now = gds_now(probe->run->env);

	if (!wanted(probe) || probe->finished) {
		return;
	}
	/* Held: all variants may fail at once. */
	probe->open++;
	if (is_waiting(udp) && now >= gds_later(udp->start, SILENCE_LIMIT)) {
		if (gds_attempt_heard(udp->machine) == 0 && udp->binding) {
			udp->given_up = true;
			gds_driver_cancel(udp->binding, GDS_CLOSE_SILENT);
		}
	} else {
		if (is_waiting(udp)) {
			begin_udp(probe);
			gds_timer_set(probe->patience, gds_later(udp->start, SILENCE_LIMIT));
		}
		if (is_waiting(tcp) && is_connected(tcp)) {
			begin_tcp(probe);
		}
	}
	probe_release(probe);
}

void variants_wait(struct probe *probe)
{
	struct run *run = probe->run;

	if (probe->patience && probe->varied == 0) {
		gds_timer_set(probe->patience, gds_later(gds_now(run->env), patience(run)));
	}
}

void variants_expect(struct probe *probe)
{
	struct run *run = probe->run;

	if (!wanted(probe)) {
		return;
	}
	probe->patience = gds_timer_new(run->loop, on_patience, probe);
	variants_wait(probe);
	if (run->options->diagnose == DIAGNOSE_ALWAYS) {
		if (run->options->faces[FACE_UDP]) {
			begin_udp(probe);
		}
		begin_tcp(probe);
		begin_bare(probe);
	}
}

/* What somebody said clearly needs no second question. */
static bool is_clear(const struct gds_error *why)
{
	switch (why->code) {
	case GDS_OK:
	case GDS_E_VERIFY:
	case GDS_E_NOT_TLS:
	case GDS_E_RESOLVE:
	case GDS_E_REFUSED:
	case GDS_E_UNREACHABLE:
	case GDS_E_CANCELLED:
		return true;
	case GDS_E_ALERT:
		return why->alert - 1 >= 41 && why->alert - 1 <= 49; /* about certificates */
	default:
		return why->origin == GDS_LOCAL;
	}
}

void variants_follow(struct check *check)
{
	if (!wanted(check->probe) || is_clear(&check->report.why)) {
		return;
	}
	if (check->face != FACE_UDP && check->report.facts.certificate_sent) {
		begin_bare(check->probe);
	}
	if (check->face == FACE_UDP) {
		begin_udp(check->probe);
	} else if (check->face == FACE_TCP &&
		   check->report.stages[GDS_STAGE_CONNECT].outcome == GDS_PASSED &&
		   check->report.stages[GDS_STAGE_HEADER].outcome == GDS_NOT_REACHED) {
		begin_tcp(check->probe);
	}
}

void variants_end(struct probe *probe)
{
	gds_timer_free(probe->patience);
	probe->patience = NULL;
}

/* --- What they showed ---------------------------------------------------------------------- */

void variants_seen(const struct probe *probe, unsigned seen[OBSERVATIONS])
{
	for (int kind = 0; kind < VARIANTS; kind++) {
		if (probe->variants[kind].finished) {
			seen[kinds[kind].what] = probe->variants[kind].seen;
		}
	}
}

static const char *outcome_name(unsigned seen)
{
	switch (seen) {
	case SEEN_SILENT:
		return "silent";
	case SEEN_CLOSED:
		return "closed";
	case SEEN_ANSWERED:
		return "answered";
	case SEEN_PASSED:
		return "passed";
	default:
		return NULL;
	}
}

void variants_result(const struct probe *probe, struct gds_result_diagnosis *out)
{
	for (int kind = 0; kind < VARIANTS; kind++) {
		const struct variant *v = &probe->variants[kind];

		if (v->started && out->n_variants < GDS_RESULT_VARIANTS) {
			struct gds_result_variant *to = &out->variants[out->n_variants++];

			to->name = kinds[kind].name;
			to->outcome = v->finished ? outcome_name(v->seen) : NULL;
			to->duration = v->duration;
			memcpy(to->evidence, v->evidence, sizeof(to->evidence));
		}
	}
}
