/* SPDX-License-Identifier: MIT */
/* The client's side of one session, stage by stage. Which address wins is core/race's business,
 * what a session means is tls/verdict's: here is only the order of things, and the evidence. */
#include "stream/attempt_state.h"

#include <poll.h>
#include <string.h>

/* UDP-20: a health header may be lost on its way, and so may its answer. The close comes within one
 * round trip, a handshake takes three: a silence longer than that (but not than the upper bound:
 * the handshake had losses too) starts over on a new session. */
#define RETRY_AFTER (700 * GDS_MILLISECOND)
#define RETRY_AFTER_MAX (1500 * GDS_MILLISECOND)
#define SESSIONS_MAX 4

/* GDS_PLAN_HANDSHAKE under TLS 1.3: how long the server has for its judgement of us (TLS-05). */
#define REJECTION_WAIT (300 * GDS_MILLISECOND)

static struct gds_attempt *from_machine(struct gds_machine *machine)
{
	return (struct gds_attempt *)machine;
}

/* --- Stages -------------------------------------------------------------------------------- */

void gds_attempt_stage_begin(struct gds_attempt *a, enum gds_stage stage)
{
	a->report.stages[stage].outcome = GDS_UNDER_WAY;
	a->report.stages[stage].start = gds_now(a->env);
	a->report.stages[stage].duration = 0;
}

void gds_attempt_stage_end(struct gds_attempt *a, enum gds_stage stage, enum gds_outcome outcome)
{
	struct gds_stage_report *r = &a->report.stages[stage];
	gds_time now = gds_now(a->env);

	if (r->outcome == GDS_NOT_REACHED) {
		r->start = now;
	}
	r->outcome = outcome;
	r->duration = now - r->start;
}

/* Handshake and verification have their edges inside the session: its facts know them better than
 * we do. */
static void stages_from_facts(struct gds_attempt *a, const struct gds_facts *facts)
{
	struct gds_stage_report *handshake = &a->report.stages[GDS_STAGE_HANDSHAKE];
	struct gds_stage_report *verify = &a->report.stages[GDS_STAGE_VERIFY];

	if (facts->verified) {
		verify->outcome = GDS_PASSED;
		verify->start = facts->verified - facts->verifying;
		verify->duration = facts->verifying;
	}
	if (facts->finished) {
		handshake->outcome = GDS_PASSED;
		handshake->start = facts->started;
		handshake->duration = facts->finished - facts->started - facts->verifying;
	}
}

/* --- The end ------------------------------------------------------------------------------- */

/* Ends with what report.why holds. CONNECTs under way are taken back by the END phase. */
static void finish(struct gds_attempt *a, bool keep)
{
	struct gds_candidate *w = gds_attempt_winner(a);

	for (size_t i = 0; i < GDS_RACE_MAX; i++) {
		if (&a->candidates[i] != w) {
			gds_candidate_close(a, &a->candidates[i], GDS_CLOSE_SILENT);
		}
	}
	if (w && w->session) {
		a->report.facts = *gds_session_facts(w->session);
	}
	if (w && !keep) {
		bool goodbye = w->session && gds_session_facts(w->session)->established;

		gds_candidate_close(a, w, goodbye ? GDS_CLOSE_CLEAN : GDS_CLOSE_SILENT);
	}
	/* The evidence of silence is all that was sent into it. */
	a->report.facts.retransmissions += a->flights;
	a->report.finished = true;
	a->report.duration = gds_now(a->env) - a->report.start;
	a->phase = GDS_PHASE_END;
}

void gds_attempt_fail(struct gds_attempt *a, enum gds_stage stage, const struct gds_error *why)
{
	a->report.why = *why;
	a->report.why.stage = stage;
	gds_attempt_stage_end(a, stage, GDS_FAILED);
	finish(a, false); /* frees the session, and why with it when that was its own */
	if (a->report.why.code != GDS_E_TIMEOUT || a->stood.bytes_in == 0) {
		return;
	}
	/* What an earlier session saw says more than the silence that the last one met. */
	if (a->established && !a->report.facts.established) {
		a->report.facts = a->stood;
		stages_from_facts(a, &a->stood);
		a->report.stages[GDS_STAGE_CLOSE].outcome = GDS_FAILED;
		a->report.why.stage = GDS_STAGE_CLOSE;
	} else if (a->report.facts.bytes_in == 0) {
		a->report.facts = a->stood;
	}
}

void gds_attempt_fail_code(
	struct gds_attempt *a, enum gds_stage stage, int code, enum gds_origin origin)
{
	struct gds_error why = {.code = code, .origin = origin};

	gds_attempt_fail(a, stage, &why);
}

static void pass(struct gds_attempt *a, bool keep)
{
	memset(&a->report.why, 0, sizeof(a->report.why));
	finish(a, keep);
}

/* --- The winner's session ------------------------------------------------------------------ */

/* Our judgement of their certificate stands; what they, or GnuTLS, said may belong to another
 * session. */
static bool may_be_another(const struct gds_error *why)
{
	return why->code == GDS_E_ALERT || why->code == GDS_E_TLS;
}

static enum gds_stage handshake_stage(const struct gds_error *why)
{
	if (why->code == GDS_E_VERIFY || why->code == GDS_E_NO_CERTIFICATE) {
		return GDS_STAGE_VERIFY;
	}
	/* MUX-02: no_application_protocol */
	if (why->code == GDS_E_ALPN || why->alert == 120 + 1) {
		return GDS_STAGE_ALPN;
	}
	return GDS_STAGE_HANDSHAKE;
}

/* MUX-04: a header on the HTTP side would hang (GoDoxy) or be taken for a request. */
static bool alpn_right(const struct gds_attempt *a, const struct gds_facts *facts)
{
	if (a->options.transport == GDS_UDP || a->options.alpn) {
		return true;
	}
	if (a->options.plan == GDS_PLAN_HTTP) {
		return !facts->alpn[0] || strcmp(facts->alpn, "http/1.1") == 0;
	}
	return strcmp(facts->alpn, GDS_ALPN) == 0;
}

static void after_handshake(struct gds_attempt *a, const struct gds_facts *facts)
{
	gds_time now = gds_now(a->env);

	stages_from_facts(a, facts);
	a->established = true;
	a->stood = *facts;
	if (!alpn_right(a, facts)) {
		struct gds_error why = {
			.code = GDS_E_ALPN, .origin = GDS_PEER, .statement = "MUX-04"};

		gds_attempt_fail(a, GDS_STAGE_ALPN, &why);
		return;
	}
	if (a->options.transport == GDS_TCP) {
		gds_attempt_stage_end(a, GDS_STAGE_ALPN, GDS_PASSED);
	}
	switch (a->options.plan) {
	case GDS_PLAN_HEALTH:
	case GDS_PLAN_TUNNEL:
		a->sessions++;
		a->sent = 0;
		gds_attempt_stage_begin(a, GDS_STAGE_HEADER);
		a->phase = GDS_PHASE_HEADER;
		break;
	case GDS_PLAN_HTTP:
		pass(a, true);
		break;
	case GDS_PLAN_HANDSHAKE:
		gds_attempt_stage_begin(a, GDS_STAGE_CLOSE);
		a->give_up =
			gds_later(now, REJECTION_WAIT + 2 * (facts->finished - facts->started));
		a->phase = GDS_PHASE_READ;
		break;
	}
}

static bool step_handshake(struct gds_attempt *a)
{
	struct gds_session *session = gds_attempt_winner(a)->session;
	const struct gds_facts *facts = gds_session_facts(session);
	int rc = gds_session_handshake(session);

	if (rc == GDS_AGAIN) {
		return false;
	}
	if (rc == GDS_OK) {
		after_handshake(a, facts);
		return true;
	}
	if (may_be_another(&gds_session_carrier(session)->why) && gds_attempt_may_restart(a, 1)) {
		gds_attempt_restart(a);
		return true;
	}
	stages_from_facts(a, facts);
	gds_attempt_fail(a, handshake_stage(&gds_session_carrier(session)->why),
		&gds_session_carrier(session)->why);
	return true;
}

static int write_header(struct gds_attempt *a, struct gds_carrier *carrier)
{
	while (a->sent < sizeof(a->wire)) {
		ssize_t n =
			gds_carrier_write(carrier, a->wire + a->sent, sizeof(a->wire) - a->sent);

		if (n < 0) {
			return (int)n;
		}
		a->sent += (size_t)n;
	}
	return gds_carrier_flush(carrier);
}

static gds_time retry_after(const struct gds_attempt *a)
{
	gds_time span = a->report.stages[GDS_STAGE_HANDSHAKE].duration;

	span = span < RETRY_AFTER ? RETRY_AFTER : span;
	return span > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : span;
}

static bool step_header(struct gds_attempt *a)
{
	struct gds_carrier *carrier = gds_session_carrier(gds_attempt_winner(a)->session);
	int rc = write_header(a, carrier);

	if (rc == GDS_AGAIN) {
		return false;
	}
	if (rc != GDS_OK) {
		struct gds_error why = carrier->why;
		uint8_t byte[1];

		/* The alert that explains a failed write is still there to be read
		 * (docs/godoxy-facts.md section 4). */
		if (gds_carrier_read(carrier, byte, sizeof(byte)) == GDS_E_ALERT) {
			why = carrier->why;
		}
		gds_attempt_fail(a, GDS_STAGE_HEADER, &why);
		return true;
	}
	gds_attempt_stage_end(a, GDS_STAGE_HEADER, GDS_PASSED);
	if (a->options.plan == GDS_PLAN_TUNNEL) {
		pass(a, true);
		return true;
	}
	gds_attempt_stage_begin(a, GDS_STAGE_CLOSE);
	a->give_up = GDS_NEVER;
	if (a->options.transport == GDS_UDP && a->sessions < SESSIONS_MAX && !a->options.once) {
		a->give_up = gds_later(gds_now(a->env), retry_after(a));
	}
	a->phase = GDS_PHASE_READ;
	return true;
}

/* Silence for as long as we wait. */
static void read_given_up(struct gds_attempt *a)
{
	if (a->options.plan == GDS_PLAN_HANDSHAKE) {
		gds_attempt_stage_end(a, GDS_STAGE_CLOSE, GDS_PASSED);
		pass(a, false);
		return;
	}
	a->stood = *gds_session_facts(gds_attempt_winner(a)->session);
	gds_attempt_begin_anew(a, GDS_CLOSE_CLEAN);
}

static void read_ended(struct gds_attempt *a, ssize_t n)
{
	struct gds_error why = {.code = GDS_E_FORMAT, .origin = GDS_PEER, .statement = "HC-02"};
	struct gds_carrier *carrier = gds_session_carrier(gds_attempt_winner(a)->session);

	if (n == GDS_EOF || (n > 0 && a->options.plan == GDS_PLAN_HANDSHAKE)) {
		gds_attempt_stage_end(a, GDS_STAGE_CLOSE, GDS_PASSED);
		pass(a, false);
		return;
	}
	if (n <= 0) {
		why = carrier->why;
	}
	gds_attempt_fail(a, GDS_STAGE_CLOSE, &why);
}

static bool step_read(struct gds_attempt *a, gds_time now)
{
	/* A whole record, lest a datagram with payload be dropped as too long and never noticed. */
	uint8_t bytes[GDS_DATAGRAM_IN_MAX];
	ssize_t n = gds_carrier_read(
		gds_session_carrier(gds_attempt_winner(a)->session), bytes, sizeof(bytes));

	if (n != GDS_AGAIN) {
		read_ended(a, n);
		return true;
	}
	if (now >= a->give_up) {
		read_given_up(a);
		return true;
	}
	return false;
}

/* --- The machine --------------------------------------------------------------------------- */

static bool step_resolve(struct gds_attempt *a, struct gds_need *need)
{
	gds_attempt_stage_begin(a, GDS_STAGE_RESOLVE);
	if (a->options.address.family) {
		gds_attempt_stage_end(a, GDS_STAGE_RESOLVE, GDS_PASSED);
		gds_attempt_race(a, &a->options.address, 1);
		return true;
	}
	need->kind = GDS_RESOLVE;
	need->id = a->resolving = gds_attempt_next_id(a);
	need->host = a->host;
	need->port = a->options.port;
	need->deadline = a->options.deadline;
	a->phase = GDS_PHASE_RESOLVING;
	return false;
}

static bool step_end(struct gds_attempt *a, struct gds_need *need)
{
	unsigned id = a->resolving;

	a->resolving = 0;
	for (size_t i = 0; i < GDS_RACE_MAX && !id; i++) {
		id = a->candidates[i].connect;
		a->candidates[i].connect = 0;
	}
	need->kind = id ? GDS_CANCEL : GDS_DONE;
	need->id = id;
	return false;
}

static enum gds_stage stage_of(const struct gds_attempt *a)
{
	switch (a->phase) {
	case GDS_PHASE_RESOLVE:
	case GDS_PHASE_RESOLVING:
		return GDS_STAGE_RESOLVE;
	case GDS_PHASE_RACE:
		/* Over UDP the connect is done at once; what does not come is the peer's answer. */
		return a->report.stages[GDS_STAGE_CONNECT].outcome == GDS_PASSED
			       ? GDS_STAGE_HANDSHAKE
			       : GDS_STAGE_CONNECT;
	case GDS_PHASE_HANDSHAKE:
		return GDS_STAGE_HANDSHAKE;
	case GDS_PHASE_HEADER:
		return GDS_STAGE_HEADER;
	case GDS_PHASE_READ:
	case GDS_PHASE_END:
		break;
	}
	return GDS_STAGE_CLOSE;
}

static void attempt_step(struct gds_machine *machine, gds_time now, struct gds_need *need)
{
	struct gds_attempt *a = from_machine(machine);
	bool more = true;

	memset(need, 0, sizeof(*need));
	need->kind = GDS_WAIT;
	need->deadline = GDS_NEVER;
	while (more) {
		switch (a->phase) {
		case GDS_PHASE_RESOLVE:
			more = step_resolve(a, need);
			break;
		case GDS_PHASE_RESOLVING:
			more = false;
			break;
		case GDS_PHASE_RACE:
			more = gds_attempt_race_step(a, now, need);
			break;
		case GDS_PHASE_HANDSHAKE:
			more = step_handshake(a);
			break;
		case GDS_PHASE_HEADER:
			more = step_header(a);
			break;
		case GDS_PHASE_READ:
			more = step_read(a, now);
			break;
		case GDS_PHASE_END:
			more = step_end(a, need);
			break;
		}
		if (!more && need->kind == GDS_WAIT && now >= gds_attempt_silence_ends(a)) {
			gds_attempt_restart(a);
			more = true;
		}
		/* After the work, so that an answer that came in time is not refused for being seen
		 * late. */
		if (!more && need->kind == GDS_WAIT && now >= a->options.deadline) {
			gds_attempt_fail_code(a, stage_of(a), GDS_E_TIMEOUT, GDS_PATH);
			more = true;
		}
	}
}

static size_t attempt_interest(
	struct gds_machine *machine, struct gds_interest out[static GDS_MACHINE_INTERESTS])
{
	struct gds_attempt *a = from_machine(machine);
	gds_time deadline = a->options.deadline;
	size_t n = 0;

	if (a->phase == GDS_PHASE_RACE && gds_race_deadline(&a->race) < deadline) {
		deadline = gds_race_deadline(&a->race);
	}
	if (a->phase == GDS_PHASE_READ && a->give_up < deadline) {
		deadline = a->give_up;
	}
	if (gds_attempt_silence_ends(a) < deadline) {
		deadline = gds_attempt_silence_ends(a);
	}
	for (size_t i = 0; i < GDS_RACE_MAX && a->phase != GDS_PHASE_END; i++) {
		if (!a->candidates[i].session) {
			continue;
		}
		out[n].deadline = GDS_NEVER;
		gds_carrier_interest(gds_session_carrier(a->candidates[i].session), &out[n]);
		if (a->phase == GDS_PHASE_HEADER) {
			/* Nothing is read before the header is out: it must not wake us either. */
			out[n].events = (short)(out[n].events & ~POLLIN);
			out[n].ready = false;
		}
		n++;
	}
	out[n] = (struct gds_interest){.fd = -1, .deadline = deadline};
	return n + 1;
}

static void answer_resolved(struct gds_attempt *a, const struct gds_answer *answer)
{
	a->resolving = 0;
	if (answer->why.code != GDS_OK || answer->n == 0) {
		struct gds_error why = answer->why;

		if (why.code == GDS_OK) {
			why.code = GDS_E_RESOLVE;
		}
		gds_attempt_fail(a, GDS_STAGE_RESOLVE, &why);
		return;
	}
	gds_attempt_stage_end(a, GDS_STAGE_RESOLVE, GDS_PASSED);
	gds_attempt_race(a, answer->list, answer->n);
}

static void attempt_answer(struct gds_machine *machine, const struct gds_answer *answer)
{
	struct gds_attempt *a = from_machine(machine);

	if (a->phase == GDS_PHASE_RESOLVING && answer->id == a->resolving) {
		answer_resolved(a, answer);
		return;
	}
	for (size_t i = 0; i < GDS_RACE_MAX && a->phase == GDS_PHASE_RACE; i++) {
		if (answer->id && answer->id == a->candidates[i].connect) {
			gds_attempt_race_answer(a, i, answer);
			return;
		}
	}
	/* Crossed with our CANCEL. */
	gds_carrier_close(answer->carrier, GDS_CLOSE_SILENT);
}

static void attempt_cancel(struct gds_machine *machine, enum gds_close how)
{
	struct gds_attempt *a = from_machine(machine);

	if (a->phase == GDS_PHASE_END) {
		return;
	}
	if (how != GDS_CLOSE_CLEAN && gds_attempt_winner(a)) {
		gds_candidate_close(a, gds_attempt_winner(a), how);
	}
	gds_attempt_fail_code(a, stage_of(a), GDS_E_CANCELLED, GDS_LOCAL);
}

static void attempt_free(struct gds_machine *machine)
{
	struct gds_attempt *a = from_machine(machine);

	if (!machine) {
		return;
	}
	for (size_t i = 0; i < GDS_RACE_MAX; i++) {
		gds_candidate_close(a, &a->candidates[i], GDS_CLOSE_SILENT);
	}
	gds_trust_unref(a->options.trust);
	gds_free(a->env, a);
}

static const struct gds_machine_ops attempt_ops = {
	.step = attempt_step,
	.interest = attempt_interest,
	.answer = attempt_answer,
	.cancel = attempt_cancel,
	.free = attempt_free,
};

struct gds_machine *gds_attempt_new(
	const struct gds_attempt_options *options, const struct gds_env *env)
{
	struct gds_header header = options->header;
	struct gds_attempt *a;

	if (options->host && strlen(options->host) > GDS_HOST_MAX) {
		return NULL;
	}
	a = gds_alloc(env, sizeof(*a));
	if (!a) {
		return NULL;
	}
	a->machine.ops = &attempt_ops;
	a->env = env;
	a->options = *options;
	a->options.trust = gds_trust_ref(options->trust);
	a->winner = -1;
	a->give_up = GDS_NEVER;
	if (options->host) {
		memcpy(a->host, options->host, strlen(options->host) + 1);
	}
	a->options.host = NULL;
	if (options->plan == GDS_PLAN_HEALTH) {
		gds_header_init(&header, "", "", GDS_FLAG_CLOSE_IMMEDIATELY);
	}
	a->report.start = gds_now(env);
	if (gds_header_encode(&header, a->wire) != GDS_OK) {
		attempt_free(&a->machine);
		return NULL;
	}
	return &a->machine;
}

const struct gds_report *gds_attempt_report(const struct gds_machine *machine)
{
	return &((const struct gds_attempt *)machine)->report;
}

uint64_t gds_attempt_heard(const struct gds_machine *machine)
{
	const struct gds_attempt *a = (const struct gds_attempt *)machine;
	uint64_t heard = a->stood.bytes_in;

	for (size_t i = 0; i < GDS_RACE_MAX; i++) {
		if (a->candidates[i].session) {
			heard += gds_session_facts(a->candidates[i].session)->bytes_in;
		}
	}
	return heard;
}

struct gds_carrier *gds_attempt_take(struct gds_machine *machine)
{
	struct gds_attempt *a = from_machine(machine);
	struct gds_candidate *w = gds_attempt_winner(a);
	struct gds_carrier *carrier = NULL;

	if (a->report.finished && a->report.why.code == GDS_OK && w && w->session) {
		carrier = gds_session_carrier(w->session);
		w->session = NULL;
	}
	return carrier;
}
