/* SPDX-License-Identifier: MIT */
/*
 * From a good header to a destination: look-up, race, and a session that is read on meanwhile
 * (TCP-10).
 */
#include "stream/serve_private.h"

#include <poll.h>
#include <stdlib.h>

void gds_serve_dial_start(struct serve *s, gds_time now)
{
	s->deadline = gds_later(now, s->o.dial_limit);
	/*
	 * The acceptor has judged the text: it is a number (HDR-12). A fault may let others
	 * through.
	 */
	s->port = (uint16_t)strtoul(s->report.request.header.port, NULL, 10);
	s->dial_why = (struct gds_error){.code = GDS_E_UNREACHABLE, .stage = GDS_STAGE_CONNECT};
	struct gds_carrier *destination = NULL;
	if (s->ops.destination) {
		destination = s->ops.destination(s->o.ctx, s->o.transport);
	}
	if (destination) {
		gds_serve_tunnel(s, destination, now);
	} else {
		s->state = SERVE_DIAL;
	}
}

static unsigned ask(struct serve *s, size_t slot)
{
	s->questions[slot] = (struct serve_question){.id = ++s->last_id};
	return s->last_id;
}

void gds_serve_dial_cancel(struct serve *s)
{
	for (size_t i = 0; i < SERVE_QUESTIONS; i++) {
		s->questions[i].unwanted = s->questions[i].id != 0;
	}
}

bool gds_serve_dial_uncancelled(struct serve *s, struct gds_need *need)
{
	for (size_t i = 0; i < SERVE_QUESTIONS; i++) {
		if (s->questions[i].unwanted) {
			*need = (struct gds_need){.kind = GDS_CANCEL, .id = s->questions[i].id};
			s->questions[i] = (struct serve_question){0};
			return true;
		}
	}
	return false;
}

static void unreached(struct serve *s, const struct gds_error *why, gds_time now)
{
	s->report.kind = GDS_SERVED_UNREACHED;
	gds_serve_end(s, why, true, now);
}

/* Keep what one read gave; a datagram too many is dropped. \return GDS_OK, GDS_E_NOMEM. */
static int keep(struct serve *s, size_t n)
{
	const uint8_t *data = s->o.scratch->bytes;
	if (s->o.transport == GDS_TCP) {
		return gds_backlog_put(
			&s->early, s->o.env, data, n); /* n was bounded by the room */
	}
	if (gds_backlog_put_datagram(&s->early, s->o.env, data, n) != GDS_OK) {
		s->early_dropped++;
	}
	return GDS_OK;
}

static size_t early_room(const struct serve *s)
{
	if (s->early_end) {
		return 0;
	}
	return s->o.transport == GDS_UDP ? GDS_SCRATCH_SIZE
					 : GDS_BACKLOG_MAX - gds_backlog_length(&s->early);
}

/* \return the last status: GDS_AGAIN, GDS_OK (no room), GDS_EOF or an error. */
static ssize_t read_early(struct serve *s)
{
	for (size_t room; (room = early_room(s)) > 0;) {
		ssize_t n = gds_carrier_read(s->top, s->o.scratch->bytes, room);
		if (n < 0) {
			return n;
		}
		if (keep(s, (size_t)n) != GDS_OK) {
			s->top->why = (struct gds_error){.code = GDS_E_NOMEM};
			return GDS_E_NOMEM;
		}
	}
	return GDS_OK;
}

/* A session that is not read on, for its end or for want of room, may have been reset. */
static ssize_t probe(struct serve *s, gds_time now)
{
	if (early_room(s) > 0 || now < s->probe) {
		return GDS_AGAIN;
	}
	s->probe = gds_later(now, GDS_PROBE_EVERY);
	int rc = gds_carrier_probe(s->top, s->early_end, s->o.scratch);
	return rc == GDS_OK ? GDS_AGAIN : rc;
}

/*
 * TCP-10: a client that goes ends the dial. One that has sent payload and then close_notify only
 * closed its own
 * direction (TCP-07): its bytes still reach the destination (TCP-02).
 * \return false when the session has ended.
 */
static bool listen_on(struct serve *s, gds_time now)
{
	ssize_t rc = read_early(s);
	if (rc == GDS_EOF && s->o.transport == GDS_TCP && gds_backlog_length(&s->early) > 0) {
		s->early_end = true;
	} else if (rc == GDS_EOF) {
		struct gds_error why = {
			.code = GDS_E_CANCELLED, .stage = GDS_STAGE_CONNECT, .origin = GDS_PEER};
		unreached(s, &why, now);
		return false;
	}
	if (rc == GDS_OK || rc == GDS_EOF) {
		rc = probe(s, now);
	}
	if (rc != GDS_OK && rc != GDS_AGAIN) {
		struct gds_error why = s->top->why;
		why.stage = GDS_STAGE_CONNECT;
		s->report.kind = GDS_SERVED_UNREACHED;
		gds_serve_end(s, &why, false, now);
		return false;
	}
	return true;
}

/* Ask for the next address to be dialled, drop the slower ones, or say how it ended. */
static void run_race(struct serve *s, gds_time now, struct gds_need *need)
{
	size_t i = 0;
	for (;;) {
		switch (gds_race_next(&s->race, now, &i)) {
		case GDS_RACE_START:
			if (s->ops.may_dial && !s->ops.may_dial(s->o.ctx, &s->race.list[i])) {
				s->dial_why.code = GDS_E_PERMISSION;
				gds_race_lost(&s->race, i, now);
				break;
			}
			*need = (struct gds_need){
				.kind = GDS_CONNECT,
				.id = ask(s, i + 1),
				.transport = s->o.transport,
				.address = s->race.list[i],
				.deadline = s->deadline,
			};
			return;
		case GDS_RACE_CANCEL:
			s->questions[i + 1].unwanted = s->questions[i + 1].id != 0;
			break;
		case GDS_RACE_WIN: {
			struct gds_carrier *destination = s->destination;
			s->destination = NULL;
			gds_serve_tunnel(s, destination, now);
			return;
		}
		case GDS_RACE_FAIL:
			unreached(s, &s->dial_why, now);
			return;
		case GDS_RACE_WAIT:
			return;
		}
	}
}

void gds_serve_dial_step(struct serve *s, gds_time now, struct gds_need *need)
{
	if (!listen_on(s, now)) {
		return;
	}
	if (now >= s->deadline && !s->destination) {
		struct gds_error why = {.code = GDS_E_TIMEOUT,
			.stage = s->resolved ? GDS_STAGE_CONNECT : GDS_STAGE_RESOLVE,
			.statement = "TCP-04"};
		unreached(s, &why, now);
	} else if (s->resolved) {
		run_race(s, now, need);
	} else if (s->dial_why.stage == GDS_STAGE_RESOLVE) {
		unreached(s, &s->dial_why, now);
	} else if (s->questions[0].id == 0) {
		*need = (struct gds_need){
			.kind = GDS_RESOLVE,
			.id = ask(s, 0),
			.transport = s->o.transport,
			.host = s->report.request.header.host,
			.port = s->port,
			.deadline = s->deadline,
		};
	}
}

static void resolved(struct serve *s, const struct gds_answer *a)
{
	if (a->why.code == GDS_OK && a->n > 0) {
		gds_race_init(&s->race, a->list, a->n);
		s->resolved = true;
		return;
	}
	s->dial_why = a->why;
	s->dial_why.stage = GDS_STAGE_RESOLVE;
	if (s->dial_why.code == GDS_OK) {
		s->dial_why.code = GDS_E_RESOLVE;
	}
}

static void connected(struct serve *s, size_t i, const struct gds_answer *a)
{
	if (a->why.code != GDS_OK || !a->carrier) {
		s->dial_why = a->why;
		s->dial_why.stage = GDS_STAGE_CONNECT;
		gds_race_lost(&s->race, i, gds_now(s->o.env));
	} else if (s->destination) {
		gds_carrier_close(
			a->carrier, GDS_CLOSE_SILENT); /* a second one, before we could say no */
		gds_race_lost(&s->race, i, gds_now(s->o.env));
	} else {
		s->destination = a->carrier;
		gds_race_won(&s->race, i);
	}
}

void gds_serve_dial_answer(struct serve *s, const struct gds_answer *a)
{
	for (size_t i = 0; i < SERVE_QUESTIONS; i++) {
		struct serve_question *q = &s->questions[i];
		if (q->id == 0 || q->id != a->id) {
			continue;
		}
		bool wanted = !q->unwanted && s->state == SERVE_DIAL;
		*q = (struct serve_question){0};
		if (!wanted) {
			break;
		}
		if (i == 0) {
			resolved(s, a);
		} else {
			connected(s, i - 1, a);
		}
		return;
	}
	gds_carrier_close(a->carrier, GDS_CLOSE_SILENT);
}

void gds_serve_dial_interest(struct serve *s, struct gds_interest *out)
{
	if (early_room(s) == 0) {
		out->events &= (short)~POLLIN;
		out->ready = false;
	}
	gds_time at = s->deadline;
	if (early_room(s) == 0 && s->probe < at) {
		at = s->probe;
	}
	if (s->resolved && gds_race_deadline(&s->race) < at) {
		at = gds_race_deadline(&s->race);
	}
	if (at < out->deadline) {
		out->deadline = at;
	}
}
