/* SPDX-License-Identifier: MIT */
/* Which address answers first. TCP: the first that connects. UDP: a connected socket proves
 * nothing, so each candidate shakes hands, and the first whose peer says anything has won (RFC 8305
 * section 5 has the delay between them). */
#include "stream/attempt_state.h"

#include <string.h>

/* RFC 6347 section 4.2.4.1 recommends a second for a connection that is to last. Here somebody
 * waits for the answer within a few seconds, so a lost flight is repeated sooner: after 0.4, 1.2,
 * 2.8 s. */
#define RETRANSMIT (400 * GDS_MILLISECOND)

/* --- Candidates and the end ---------------------------------------------------------------- */

void gds_candidate_close(struct gds_attempt *a, struct gds_candidate *c, enum gds_close how)
{
	if (c->session) {
		a->report.facts = *gds_session_facts(c->session);
		gds_carrier_close(gds_session_carrier(c->session), how);
		c->session = NULL;
	}
	gds_carrier_close(c->socket, GDS_CLOSE_SILENT);
	c->socket = NULL;
}

/* --- The race ------------------------------------------------------------------------------ */

static int open_session(struct gds_attempt *a, struct gds_candidate *c)
{
	struct gds_profile profile = {
		.role = GDS_CLIENT,
		.transport = a->options.transport,
		.versions = a->options.versions,
		.priority = a->options.priority,
		.mtu = a->options.mtu,
		.no_certificate = a->options.no_certificate,
		.retransmit = RETRANSMIT,
		.deadline = a->options.deadline,
	};
	int rc;

	if (a->options.transport == GDS_TCP) {
		/* MUX-03: with both offered GoDoxy would always choose http/1.1. */
		profile.alpn[0] = a->options.plan == GDS_PLAN_HTTP ? "http/1.1" : GDS_ALPN;
		if (a->options.alpn) {
			profile.alpn[0] = a->options.alpn[0] ? a->options.alpn : NULL;
		}
	}
	rc = gds_session_new(&c->session, &profile, a->options.trust, c->socket);
	if (rc == GDS_OK) {
		c->socket = NULL;
	}
	return rc;
}

static void lose(struct gds_attempt *a, size_t i, enum gds_stage stage, const struct gds_error *why)
{
	struct gds_candidate *c = &a->candidates[i];

	c->why = *why;
	c->why.stage = stage;
	gds_candidate_close(a, c, GDS_CLOSE_SILENT);
	gds_race_lost(&a->race, i, gds_now(a->env));
}

/* Of several failures the one that says most: somebody who answered "no", then silence, then "no
 * way there". */
static int telling(const struct gds_error *why)
{
	switch (why->code) {
	case GDS_OK:
		return 0;
	case GDS_E_UNREACHABLE:
		return 1;
	case GDS_E_TIMEOUT:
		return 2;
	case GDS_E_REFUSED:
	case GDS_E_RESET:
		return 4;
	default:
		return 3;
	}
}

static void race_failed(struct gds_attempt *a)
{
	size_t best = 0;

	for (size_t i = 1; i < a->race.n; i++) {
		if (telling(&a->candidates[i].why) > telling(&a->candidates[best].why)) {
			best = i;
		}
	}
	a->report.peer = a->race.list[best];
	gds_attempt_fail(a, a->candidates[best].why.stage, &a->candidates[best].why);
}

/* UDP. \return true when one was won or lost. */
static bool race_sessions(struct gds_attempt *a)
{
	for (size_t i = 0; i < a->race.n; i++) {
		struct gds_candidate *c = &a->candidates[i];
		int rc;

		if (!c->session) {
			continue;
		}
		rc = gds_session_handshake(c->session);
		if (rc == GDS_OK || gds_session_facts(c->session)->bytes_in > 0) {
			gds_race_won(&a->race, i);
			return true;
		}
		if (rc != GDS_AGAIN) {
			lose(a, i, GDS_STAGE_HANDSHAKE, &gds_session_carrier(c->session)->why);
			return true;
		}
	}
	return false;
}

static void start_candidate(struct gds_attempt *a, size_t i, struct gds_need *need)
{
	need->kind = GDS_CONNECT;
	need->id = a->candidates[i].connect = gds_attempt_next_id(a);
	need->transport = a->options.transport;
	need->address = a->report.peer = a->race.list[i];
	need->deadline = a->options.deadline;
}

static void race_won(struct gds_attempt *a, size_t i)
{
	int rc = GDS_OK;

	a->winner = (int)i;
	a->report.peer = a->race.list[i];
	if (a->options.transport == GDS_TCP) {
		gds_attempt_stage_end(a, GDS_STAGE_CONNECT, GDS_PASSED);
		gds_attempt_stage_begin(a, GDS_STAGE_HANDSHAKE);
		rc = open_session(a, &a->candidates[i]);
	}
	a->phase = GDS_PHASE_HANDSHAKE;
	if (rc != GDS_OK) {
		gds_attempt_fail_code(a, GDS_STAGE_HANDSHAKE, rc, GDS_LOCAL);
	}
}

/* Each phase: \return true when there is more to do now, false when need is filled or only waiting
 * helps. */
bool gds_attempt_race_step(struct gds_attempt *a, gds_time now, struct gds_need *need)
{
	size_t i = 0;

	switch (gds_race_next(&a->race, now, &i)) {
	case GDS_RACE_START:
		start_candidate(a, i, need);
		return false;
	case GDS_RACE_CANCEL:
		gds_candidate_close(a, &a->candidates[i], GDS_CLOSE_SILENT);
		if (!a->candidates[i].connect) {
			return true;
		}
		need->kind = GDS_CANCEL;
		need->id = a->candidates[i].connect;
		a->candidates[i].connect = 0;
		return false;
	case GDS_RACE_WIN:
		race_won(a, i);
		return true;
	case GDS_RACE_FAIL:
		race_failed(a);
		return true;
	case GDS_RACE_WAIT:
		break;
	}
	return a->options.transport == GDS_UDP && race_sessions(a);
}

void gds_attempt_race(struct gds_attempt *a, const struct gds_address *list, size_t n)
{
	memset(a->candidates, 0, sizeof(a->candidates));
	a->winner = -1;
	a->heard = 0;
	a->heard_at = gds_now(a->env);
	gds_race_init(&a->race, list, n);
	gds_attempt_stage_begin(a, GDS_STAGE_CONNECT);
	a->phase = GDS_PHASE_RACE;
}

void gds_attempt_race_answer(struct gds_attempt *a, size_t i, const struct gds_answer *answer)
{
	struct gds_candidate *c = &a->candidates[i];

	c->connect = 0;
	if (answer->why.code != GDS_OK) {
		lose(a, i, GDS_STAGE_CONNECT, &answer->why);
		return;
	}
	c->socket = answer->carrier;
	if (a->options.transport == GDS_TCP) {
		gds_race_won(&a->race, i);
		return;
	}
	if (a->report.stages[GDS_STAGE_CONNECT].outcome == GDS_UNDER_WAY) {
		gds_attempt_stage_end(a, GDS_STAGE_CONNECT, GDS_PASSED);
		gds_attempt_stage_begin(a, GDS_STAGE_HANDSHAKE);
	}
	if (open_session(a, c) != GDS_OK) {
		struct gds_error why = {.code = GDS_E_NOMEM, .origin = GDS_LOCAL};

		lose(a, i, GDS_STAGE_HANDSHAKE, &why);
	}
}
