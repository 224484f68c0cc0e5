/* SPDX-License-Identifier: MIT */
#include <gdstream/tunnel.h>

#include "stream/farewell.h"

#include <poll.h>

/*
 * Three full records: what a step reads of a stream, and with it the most that one way ever holds
 * (TCP-12).
 */
#define STREAM_READ ((size_t)49152)
/* Datagrams a step takes of one side, so that a busy tunnel leaves the others their turn. */
#define DATAGRAMS_A_STEP 512

enum { A, B }; /* the session, the destination; also the ways: A reads from the session */

enum state { OPEN, ENDING, OVER };

/* One way: from side[i] to side[!i]. */
struct way {
	struct gds_backlog backlog;
	bool ended;   /* from said its end, or has nothing to say any more */
	bool shut;    /* to was told so */
	bool broken;  /* to cannot take more: reading goes on the other way only */
	bool blocked; /* to has output queued: nothing more is read */
};

struct tunnel {
	struct gds_machine machine;
	enum state state;
	struct gds_carrier *side[2];
	struct way way[2];
	struct gds_farewell farewell; /* of the session, when ENDING */
	gds_time idle, linger;
	gds_time last;	   /* mono: when the last byte passed */
	gds_time probe;	   /* mono: when to look again at a side that is not read */
	gds_time deadline; /* mono: of a tunnel with a broken way */
	bool silent;
	bool whole;
	struct gds_scratch *scratch;
	const struct gds_env *env;
	struct gds_tunnel_report report;
};

static void note(struct tunnel *t, const struct gds_error *why)
{
	if (t->report.why.code == GDS_OK) {
		t->report.why = *why;
		t->report.why.stage = GDS_STAGE_TUNNEL;
	}
}

static void close_side(struct tunnel *t, int i, enum gds_close how)
{
	gds_carrier_close(t->side[i], how);
	t->side[i] = NULL;
}

/*
 * The session gets what is still waiting for it, close_notify and FIN; the destination goes at
 * once.
 */
static void end(struct tunnel *t, enum gds_close destination, gds_time now)
{
	if (t->side[B]) {
		close_side(t, B, destination);
	}
	gds_backlog_clear(&t->way[A].backlog, t->env);
	gds_farewell_start(&t->farewell, t->side[A], !t->silent, gds_later(now, t->linger));
	t->side[A] = NULL;
	t->state = ENDING;
}

/* A side died. A truncated stream must not look whole to the destination: reset it (TCP-09). */
static void died(struct tunnel *t, int i, gds_time now)
{
	note(t, &t->side[i]->why);
	if (i == B) {
		end(t, GDS_CLOSE_SILENT, now);
		return;
	}
	close_side(t, A, GDS_CLOSE_SILENT);
	close_side(t, B, GDS_CLOSE_RESET);
	t->state = OVER;
}

/*
 * Nothing more can be written towards to; what it still has to say is read for as long as linger.
 */
static void broke(struct tunnel *t, int way, gds_time now)
{
	struct way *w = &t->way[way];
	note(t, &t->side[!way]->why);
	gds_backlog_clear(&w->backlog, t->env);
	w->ended = w->shut = w->broken = true;
	w->blocked = false;
	t->deadline = gds_later(now, t->linger);
	if (t->side[A]->datagram) {
		died(t, !way, now);
	}
}

/*
 * Read until there is nothing, the step's share is taken, or the end. \return bytes; the last
 * status in rc.
 */
static size_t fill(struct tunnel *t, struct gds_carrier *from, ssize_t *rc)
{
	size_t n = 0;
	*rc = GDS_AGAIN;
	while (n < STREAM_READ) {
		*rc = gds_carrier_read(from, t->scratch->bytes + n, STREAM_READ - n);
		if (*rc < 0) {
			break;
		}
		n += (size_t)*rc;
	}
	return n;
}

/*
 * Write n bytes of the scratch; what is not taken waits in the backlog. \return GDS_OK, GDS_AGAIN
 * or an error.
 */
static int deliver(struct tunnel *t, int way, size_t n)
{
	struct way *w = &t->way[way];
	struct gds_carrier *to = t->side[!way];
	size_t done = 0;
	t->report.bytes[way] += n;
	while (done < n) {
		ssize_t rc = gds_carrier_write(to, t->scratch->bytes + done, n - done);
		if (rc == GDS_AGAIN) {
			rc = gds_backlog_put(
				&w->backlog, t->env, t->scratch->bytes + done, n - done);
			if (rc != GDS_OK) {
				to->why = (struct gds_error){.code = (int)rc};
				return (int)rc;
			}
			break;
		}
		if (rc < 0) {
			return (int)rc;
		}
		done += (size_t)rc;
	}
	int rc = gds_carrier_flush(to);
	return done < n && rc == GDS_OK ? GDS_AGAIN : rc;
}

/* What waited goes first. \return true when the way is free for more. */
static bool drain_backlog(struct tunnel *t, int way, gds_time now)
{
	struct way *w = &t->way[way];
	if (w->broken) {
		return false;
	}
	struct gds_carrier *to = t->side[!way];
	size_t before = gds_backlog_length(&w->backlog);
	int rc = gds_backlog_write(&w->backlog, t->env, to);
	if (gds_backlog_length(&w->backlog) < before) {
		t->last = now;
	}
	if (rc == GDS_OK || rc == GDS_AGAIN) {
		int flushed = gds_carrier_flush(to);
		rc = rc == GDS_OK ? flushed : rc;
	}
	w->blocked = rc == GDS_AGAIN;
	if (rc != GDS_OK && rc != GDS_AGAIN) {
		broke(t, way, now);
	}
	return rc == GDS_OK;
}

static void pump_stream(struct tunnel *t, int way, gds_time now)
{
	struct way *w = &t->way[way];
	if (!drain_backlog(t, way, now) || w->shut) {
		return;
	}
	ssize_t rc = GDS_AGAIN;
	if (!w->ended) {
		size_t n = fill(t, t->side[way], &rc);
		if (n > 0) {
			int sent = deliver(t, way, n);
			t->last = now;
			w->blocked = sent == GDS_AGAIN;
			if (sent != GDS_OK && sent != GDS_AGAIN) {
				broke(t, way, now);
				return;
			}
		}
		if (rc < 0 && rc != GDS_AGAIN && rc != GDS_EOF) {
			died(t, way, now);
			return;
		}
		w->ended = rc == GDS_EOF;
	}
	if (w->ended && gds_backlog_length(&w->backlog) == 0 && !w->blocked) {
		/* TCP-07, TCP-08: the end of one direction is told on, the other stays open. */
		bool told = way == A || !t->silent;
		int shut = told ? gds_carrier_shut(t->side[!way]) : GDS_OK;
		int flushed = gds_carrier_flush(t->side[!way]);
		w->shut = shut == GDS_OK;
		w->blocked = shut == GDS_AGAIN || flushed == GDS_AGAIN;
		if (shut != GDS_OK && shut != GDS_AGAIN) {
			broke(t, way, now);
		}
	}
}

/*
 * Errors that the network tells a connected datagram socket: events of one datagram, not of the
 * session (UDP-11).
 */
static bool is_event(int rc)
{
	return rc == GDS_E_REFUSED || rc == GDS_E_UNREACHABLE || rc == GDS_E_PERMISSION ||
	       rc == GDS_E_RESET || rc == GDS_E_IO;
}

/*
 * One datagram on: what cannot be sent now, or is too long, is dropped alone and counted (UDP-06,
 * UDP-10).
 */
static void pass(struct tunnel *t, int way, const uint8_t *data, size_t n, gds_time now)
{
	struct gds_carrier *to = t->side[!way];
	ssize_t rc = gds_carrier_write(to, data, n);
	if (rc < 0 && way == A && is_event((int)rc)) {
		/*
		 * The socket told of an earlier refusal and sent nothing: this datagram deserves
		 * its own try.
		 */
		t->report.refused++;
		rc = gds_carrier_write(to, data, n);
	}
	if (way == A) {
		/* UDP-12: only the client's own records show that it is still there. */
		t->last = now;
	}
	if (rc >= 0) {
		t->report.datagrams[way]++;
		t->report.bytes[way] += n;
		return;
	}
	t->report.dropped[way]++;
	if (rc != GDS_AGAIN && rc != GDS_E_LIMIT && !(way == A && is_event((int)rc))) {
		broke(t, way, now);
	}
}

static void pump_datagrams(struct tunnel *t, int way, gds_time now)
{
	struct gds_carrier *from = t->side[way];
	uint64_t dropped = from->dropped;
	for (int i = 0; i < DATAGRAMS_A_STEP && t->state == OPEN; i++) {
		ssize_t n = gds_carrier_read(from, t->scratch->bytes, sizeof(t->scratch->bytes));
		if (n == GDS_AGAIN) {
			break;
		}
		if (n >= 0) {
			pass(t, way, t->scratch->bytes, (size_t)n, now);
		} else if (way == B && is_event((int)n)) {
			t->report.refused++;
		} else if (way == A && n == GDS_EOF) {
			/* UDP-15: answered, and the destination's socket is freed at once. */
			end(t, GDS_CLOSE_CLEAN, now);
		} else {
			died(t, way, now);
		}
	}
	if (t->state == OPEN) {
		t->report.dropped[way] += from->dropped - dropped;
		gds_carrier_flush(t->side[!way]);
	}
}

static void send_early_datagrams(struct tunnel *t, gds_time now)
{
	struct gds_backlog *b = &t->way[A].backlog;
	size_t n = 0;
	const uint8_t *data;
	while (t->state == OPEN && (data = gds_backlog_datagram(b, &n)) != NULL) {
		pass(t, A, data, n, now);
		gds_backlog_drop(b, t->env, n + (size_t)(data - (b->bytes + b->start)));
	}
}

/* Nothing is read of it: its end was, or the other side is too slow to take more. */
static bool is_unread(const struct tunnel *t, int i)
{
	return (t->way[i].ended || t->way[i].blocked) && !t->way[i].broken;
}

/* A side that is not read may be gone without our being told (TCP-09). */
static void probe(struct tunnel *t, gds_time now)
{
	for (int i = A; i <= B && t->state == OPEN; i++) {
		/* After our own FIN a socket refuses to write, reset or not. */
		bool mute = i == B && t->way[A].shut && !t->way[B].ended;
		if (is_unread(t, i) && !mute &&
			gds_carrier_probe(t->side[i], t->way[i].ended, t->scratch) != GDS_OK) {
			died(t, i, now);
		}
	}
	t->probe = gds_later(now, GDS_PROBE_EVERY);
}

static bool wants_probe(const struct tunnel *t)
{
	return !t->side[A]->datagram && (is_unread(t, A) || is_unread(t, B));
}

/*
 * What the destination sees: a FIN only when the session's end was announced, or nothing when it is
 * dead itself.
 */
static enum gds_close how_to_leave(const struct tunnel *t)
{
	if (t->way[A].broken) {
		return GDS_CLOSE_SILENT;
	}
	return t->way[A].shut ? GDS_CLOSE_CLEAN : GDS_CLOSE_RESET;
}

static void step_open(struct tunnel *t, gds_time now)
{
	if (t->side[A]->datagram) {
		send_early_datagrams(t, now);
		for (int i = A; i <= B && t->state == OPEN; i++) {
			pump_datagrams(t, i, now);
		}
	} else {
		for (int i = A; i <= B && t->state == OPEN; i++) {
			pump_stream(t, i, now);
		}
		if (t->state == OPEN && wants_probe(t) && now >= t->probe) {
			probe(t, now);
		}
	}
	if (t->state != OPEN) {
		return;
	}
	bool both = (t->way[A].shut || t->whole) && t->way[B].shut && !t->way[A].blocked &&
		    !t->way[B].blocked;
	if (both || now >= t->deadline) {
		end(t, how_to_leave(t), now);
	} else if (t->idle > 0 && now >= gds_later(t->last, t->idle)) {
		t->report.idle = true;
		end(t, GDS_CLOSE_CLEAN, now);
	}
}

static void tunnel_step(struct gds_machine *m, gds_time now, struct gds_need *need)
{
	struct tunnel *t = (struct tunnel *)m;
	if (t->state == OPEN) {
		step_open(t, now);
	}
	if (t->state == ENDING &&
		gds_farewell_step(&t->farewell, &t->way[B].backlog, t->scratch, now)) {
		t->state = OVER;
	}
	need->kind = t->state == OVER ? GDS_DONE : GDS_WAIT;
}

/* Read only what can be passed on, write only what waits: neither wakes for nothing. */
static void side_interest(struct tunnel *t, int i, struct gds_interest *out)
{
	struct way *in = &t->way[i], *outward = &t->way[!i];
	gds_carrier_interest(t->side[i], out);
	if (t->side[i]->datagram) {
		return;
	}
	if (in->ended || in->blocked || in->broken) {
		out->events &= (short)~POLLIN;
		out->ready = false;
	}
	if (outward->blocked) {
		out->events |= POLLOUT;
	}
}

static size_t tunnel_interest(
	struct gds_machine *m, struct gds_interest out[static GDS_MACHINE_INTERESTS])
{
	struct tunnel *t = (struct tunnel *)m;
	if (t->state == ENDING) {
		gds_farewell_interest(&t->farewell, &out[0]);
		return 1;
	}
	if (t->state == OVER) {
		return 0;
	}
	side_interest(t, A, &out[0]);
	side_interest(t, B, &out[1]);
	gds_time at = t->deadline;
	if (t->idle > 0 && gds_later(t->last, t->idle) < at) {
		at = gds_later(t->last, t->idle);
	}
	if (wants_probe(t) && t->probe < at) {
		at = t->probe;
	}
	if (at < out[0].deadline) {
		out[0].deadline = at;
	}
	return 2;
}

static void tunnel_answer(struct gds_machine *m, const struct gds_answer *answer)
{
	(void)m;
	gds_carrier_close(answer->carrier, GDS_CLOSE_SILENT); /* nothing was asked for */
}

static void abandon(struct tunnel *t, enum gds_close how)
{
	gds_farewell_abandon(&t->farewell);
	for (int i = A; i <= B; i++) {
		close_side(t, i, how);
		gds_backlog_clear(&t->way[i].backlog, t->env);
	}
	t->state = OVER;
}

static void tunnel_cancel(struct gds_machine *m, enum gds_close how)
{
	struct tunnel *t = (struct tunnel *)m;
	if (t->state != OVER) {
		note(t, &(struct gds_error){.code = GDS_E_CANCELLED});
	}
	if (how != GDS_CLOSE_CLEAN) {
		abandon(t, how);
	} else if (t->state == OPEN) {
		end(t, GDS_CLOSE_CLEAN, gds_now(t->env));
	}
}

static void tunnel_free(struct gds_machine *m)
{
	struct tunnel *t = (struct tunnel *)m;
	if (t) {
		abandon(t, GDS_CLOSE_SILENT);
		gds_free(t->env, t);
	}
}

static const struct gds_machine_ops tunnel_ops = {
	.step = tunnel_step,
	.interest = tunnel_interest,
	.answer = tunnel_answer,
	.cancel = tunnel_cancel,
	.free = tunnel_free,
};

struct gds_machine *gds_tunnel_new(
	struct gds_carrier *a, struct gds_carrier *b, const struct gds_tunnel_options *o)
{
	struct tunnel *t = gds_alloc(o->env, sizeof(*t));
	if (!t) {
		return NULL;
	}
	gds_time now = gds_now(o->env);
	*t = (struct tunnel){
		.machine.ops = &tunnel_ops,
		.idle = o->idle,
		.linger = o->linger ? o->linger : GDS_LINGER,
		.last = now,
		.deadline = GDS_NEVER,
		.silent = o->silent,
		.whole = o->whole,
		.scratch = o->scratch,
		.env = o->env,
	};
	if (gds_backlog_put(&t->way[A].backlog, o->env, o->early, o->early_length) != GDS_OK) {
		gds_free(o->env, t);
		return NULL;
	}
	if (!a->datagram) {
		t->report.bytes[A] = o->early_length;
	}
	t->way[A].ended = o->early_end;
	t->side[A] = a;
	t->side[B] = b;
	return &t->machine;
}

const struct gds_tunnel_report *gds_tunnel_report(const struct gds_machine *m)
{
	return &((const struct tunnel *)m)->report;
}
