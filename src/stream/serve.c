/* SPDX-License-Identifier: MIT */
#include <gdstream/serve.h>

#include "stream/serve_private.h"

#include <poll.h>
#include <string.h>

static struct serve *serve_of(struct gds_machine *m)
{
	return (struct serve *)m;
}

void gds_serve_report_end(struct serve *s, const struct gds_error *why, gds_time now)
{
	if (s->reported) {
		return;
	}
	s->reported = true;
	s->report.why = *why;
	s->report.duration = now - s->report.start;
	if (s->ops.ended) {
		s->ops.ended(s->o.ctx, &s->report);
	}
}

void gds_serve_end(struct serve *s, const struct gds_error *why, bool goodbye, gds_time now)
{
	gds_serve_report_end(s, why, now);
	s->report.request.facts = NULL;
	gds_serve_dial_cancel(s);
	gds_backlog_clear(&s->early, s->o.env);
	enum gds_close how = GDS_CLOSE_CLEAN;
	if (s->ops.ending) {
		how = s->ops.ending(s->o.ctx, why);
	}
	struct gds_carrier *top = s->top;
	s->top = NULL;
	if (how == GDS_CLOSE_RESET) {
		gds_carrier_close(top, GDS_CLOSE_RESET);
		s->state = SERVE_OVER;
		return;
	}
	gds_farewell_start(
		&s->farewell, top, goodbye && how == GDS_CLOSE_CLEAN, gds_later(now, GDS_LINGER));
	s->state = SERVE_FAREWELL;
}

/* Which side of the port the client chose (MUX-01). */
static void choose_face(struct serve *s, gds_time now)
{
	const struct gds_facts *facts = gds_session_facts(s->session);
	bool stream = s->o.transport == GDS_UDP || strcmp(facts->alpn, GDS_ALPN) == 0;
	if (s->ops.is_stream) {
		stream = s->ops.is_stream(s->o.ctx, s->o.transport, stream);
	}
	if (stream) {
		/* TCP-03: from the end of the handshake; UDP-08: from acceptance. */
		gds_time from = s->o.transport == GDS_UDP ? s->report.start : now;
		gds_acceptor_init(&s->acceptor, s->o.transport, from);
		if (s->o.header_limit) {
			s->acceptor.deadline = gds_later(from, s->o.header_limit);
		}
		s->state = SERVE_HEADER;
	} else if (s->o.http) {
		s->report.kind = GDS_SERVED_HTTP;
		s->deadline = gds_later(now, s->o.dial_limit);
		s->state = SERVE_HANDOFF;
	} else {
		struct gds_error why = {.code = GDS_E_ALPN,
			.stage = GDS_STAGE_ALPN,
			.origin = GDS_PEER,
			.statement = "MUX-01"};
		gds_serve_end(s, &why, true, now);
	}
}

static void step_handshake(struct serve *s, gds_time now)
{
	int rc = gds_session_handshake(s->session);
	if (rc == GDS_OK) {
		if (s->ops.established) {
			s->ops.established(s->o.ctx, gds_carrier_bottom(s->top));
		}
		if (s->ops.wrap) {
			s->top = s->ops.wrap(s->o.ctx, s->o.transport, s->top);
		}
		choose_face(s, now);
	} else if (rc != GDS_AGAIN) {
		struct gds_error why = s->top->why;
		why.code = rc;
		gds_serve_end(s, &why, false, now);
	}
}

static void act_on(struct serve *s, enum gds_verdict verdict, gds_time now)
{
	struct gds_request *r = &s->report.request;
	r->header = s->acceptor.header;
	r->why = s->acceptor.why;
	if (s->ops.judge) {
		verdict = s->ops.judge(s->o.ctx, verdict, r);
	}
	static const struct gds_error fine = {.code = GDS_OK};
	switch (verdict) {
	case GDS_NEED_MORE:
		return;
	case GDS_HEALTH: /* HC-01, HC-04 */
		s->report.kind = GDS_SERVED_HEALTH;
		gds_serve_end(s, &fine, true, now);
		return;
	case GDS_DIAL:
		gds_serve_dial_start(s, now);
		return;
	case GDS_REFUSE: /* HDR-05 */
		s->report.kind = GDS_SERVED_REFUSED;
		gds_serve_end(s, &r->why, true, now);
		return;
	}
}

/* One read into the acceptor. \return its verdict; GDS_OK in rc, or why nothing was read. */
static enum gds_verdict read_header(struct serve *s, gds_time now, ssize_t *rc)
{
	struct gds_scratch *scratch = s->o.scratch;
	size_t used = 0;
	ssize_t n = gds_carrier_read(s->top, scratch->bytes, sizeof(scratch->bytes));
	*rc = n < 0 ? n : GDS_OK;
	if (n == GDS_AGAIN) {
		return gds_acceptor_tick(&s->acceptor, now);
	}
	if (n < 0) {
		return gds_acceptor_end(&s->acceptor);
	}
	enum gds_verdict verdict =
		gds_acceptor_feed(&s->acceptor, scratch->bytes, (size_t)n, now, &used);
	if (verdict != GDS_NEED_MORE && s->o.transport == GDS_TCP && used < (size_t)n) {
		/* TCP-02: what came behind the header; it fits, for the scratch is no larger. */
		*rc = gds_backlog_put(&s->early, s->o.env, scratch->bytes + used, (size_t)n - used);
	}
	return verdict;
}

static void step_header(struct serve *s, gds_time now)
{
	enum gds_verdict verdict = GDS_NEED_MORE;
	ssize_t rc = GDS_OK;
	while (verdict == GDS_NEED_MORE && rc == GDS_OK) {
		verdict = read_header(s, now, &rc);
	}
	if (rc == GDS_OK || rc == GDS_AGAIN || rc == GDS_EOF) {
		act_on(s, verdict, now);
		return;
	}
	struct gds_error why = s->top->why;
	why.code = (int)rc;
	why.stage = GDS_STAGE_HEADER;
	gds_serve_end(s, &why, rc == GDS_E_NOMEM, now);
}

/* The destination stands: the machine becomes a tunnel of two carriers. */
void gds_serve_tunnel(struct serve *s, struct gds_carrier *destination, gds_time now)
{
	if (s->ops.reached) {
		destination = s->ops.reached(s->o.ctx, &s->report, destination);
	}
	bool silent = s->ops.ending && s->ops.ending(s->o.ctx, &s->report.why) != GDS_CLOSE_CLEAN;
	struct gds_tunnel_options o = {
		.idle = s->o.transport == GDS_UDP && s->o.idle != GDS_NEVER ? s->o.idle : 0,
		.scratch = s->o.scratch,
		.early = s->early.bytes ? s->early.bytes + s->early.start : NULL,
		.early_length = gds_backlog_length(&s->early),
		.early_end = s->early_end,
		.silent = silent,
		.whole = s->report.kind == GDS_SERVED_HTTP,
		.env = s->o.env,
	};
	s->tunnel = gds_tunnel_new(s->top, destination, &o);
	gds_backlog_clear(&s->early, s->o.env);
	if (!s->tunnel) {
		gds_carrier_close(destination, GDS_CLOSE_SILENT);
		struct gds_error why = {.code = GDS_E_NOMEM, .stage = GDS_STAGE_TUNNEL};
		gds_serve_end(s, &why, true, now);
		return;
	}
	if (s->report.kind != GDS_SERVED_HTTP) {
		s->report.kind = GDS_SERVED_TUNNEL;
	}
	s->top = NULL;
	s->state = SERVE_TUNNEL;
}

static void step_handoff(struct serve *s, gds_time now, struct gds_need *need)
{
	if (s->handoff == 0) {
		s->handoff = ++s->last_id;
		*need = (struct gds_need){
			.kind = GDS_HANDOFF, .id = s->handoff, .deadline = s->deadline};
		return;
	}
	if (s->destination) {
		struct gds_carrier *destination = s->destination;
		s->destination = NULL;
		gds_serve_tunnel(s, destination, now);
	} else if (s->dial_why.code != GDS_OK) {
		gds_serve_end(s, &s->dial_why, true, now);
	}
}

static void step_tunnel(struct serve *s, gds_time now, struct gds_need *need)
{
	s->tunnel->ops->step(s->tunnel, now, need);
	if (need->kind != GDS_DONE) {
		return;
	}
	s->report.request.facts = NULL; /* the session went with the tunnel */
	s->report.tunnel = *gds_tunnel_report(s->tunnel);
	s->report.tunnel.dropped[0] += s->early_dropped;
	struct gds_error why = s->report.tunnel.why;
	gds_serve_report_end(s, &why, now);
	s->state = SERVE_OVER;
}

static void serve_step(struct gds_machine *m, gds_time now, struct gds_need *need)
{
	struct serve *s = serve_of(m);
	*need = (struct gds_need){.kind = GDS_WAIT};
	for (enum serve_state before = SERVE_OVER; s->state != before;) {
		if (gds_serve_dial_uncancelled(s, need)) {
			return;
		}
		before = s->state;
		switch (s->state) {
		case SERVE_HANDSHAKE:
			step_handshake(s, now);
			break;
		case SERVE_HEADER:
			step_header(s, now);
			break;
		case SERVE_DIAL:
			gds_serve_dial_step(s, now, need);
			break;
		case SERVE_HANDOFF:
			step_handoff(s, now, need);
			break;
		case SERVE_TUNNEL:
			step_tunnel(s, now, need);
			break;
		case SERVE_FAREWELL:
			if (gds_farewell_step(&s->farewell, NULL, s->o.scratch, now)) {
				s->state = SERVE_OVER;
			}
			break;
		case SERVE_OVER:
			break;
		}
		if (need->kind != GDS_WAIT && need->kind != GDS_DONE) {
			return;
		}
	}
	if (s->state == SERVE_OVER) {
		need->kind = GDS_DONE;
	}
}

static void until(struct gds_interest *i, gds_time deadline)
{
	i->deadline = deadline < i->deadline ? deadline : i->deadline;
}

static size_t serve_interest(
	struct gds_machine *m, struct gds_interest out[static GDS_MACHINE_INTERESTS])
{
	struct serve *s = serve_of(m);
	switch (s->state) {
	case SERVE_TUNNEL:
		return s->tunnel->ops->interest(s->tunnel, out);
	case SERVE_FAREWELL:
		gds_farewell_interest(&s->farewell, &out[0]);
		return 1;
	case SERVE_OVER:
		return 0;
	default:
		break;
	}
	gds_carrier_interest(s->top, &out[0]);
	if (s->state == SERVE_HEADER) {
		until(&out[0], s->acceptor.deadline);
	} else if (s->state == SERVE_HANDOFF) {
		out[0].events = 0;
		out[0].ready = false;
		until(&out[0], s->deadline);
	} else if (s->state == SERVE_DIAL) {
		gds_serve_dial_interest(s, &out[0]);
	}
	return 1;
}

static void serve_answer(struct gds_machine *m, const struct gds_answer *a)
{
	struct serve *s = serve_of(m);
	if (s->state == SERVE_HANDOFF && a->id == s->handoff) {
		s->destination = a->carrier;
		s->dial_why = a->why;
		if (!a->carrier && s->dial_why.code == GDS_OK) {
			s->dial_why.code = GDS_E_IO;
		}
	} else {
		gds_serve_dial_answer(s, a);
	}
}

static void drop_everything(struct serve *s, enum gds_close how)
{
	gds_serve_dial_cancel(s);
	gds_farewell_abandon(&s->farewell);
	gds_carrier_close(s->top, how);
	gds_carrier_close(s->destination, GDS_CLOSE_SILENT);
	s->top = s->destination = NULL;
	gds_backlog_clear(&s->early, s->o.env);
}

static enum gds_stage stage_of(const struct serve *s)
{
	switch (s->state) {
	case SERVE_HANDSHAKE:
		return GDS_STAGE_HANDSHAKE;
	case SERVE_HEADER:
		return GDS_STAGE_HEADER;
	case SERVE_DIAL:
	case SERVE_HANDOFF:
		return s->resolved ? GDS_STAGE_CONNECT : GDS_STAGE_RESOLVE;
	default:
		return GDS_STAGE_CLOSE;
	}
}

static void serve_cancel(struct gds_machine *m, enum gds_close how)
{
	struct serve *s = serve_of(m);
	struct gds_error why = {.code = GDS_E_CANCELLED, .stage = stage_of(s)};
	gds_time now = gds_now(s->o.env);
	if (s->state == SERVE_OVER || (s->state == SERVE_FAREWELL && how == GDS_CLOSE_CLEAN)) {
		return;
	}
	if (s->state == SERVE_TUNNEL) {
		s->tunnel->ops->cancel(s->tunnel, how);
	} else if (how == GDS_CLOSE_CLEAN) {
		/*
		 * A client may think its session stands while its last flight waits to be read
		 * here.
		 */
		bool stands =
			s->state != SERVE_HANDSHAKE || gds_session_handshake(s->session) == GDS_OK;
		gds_serve_end(s, &why, stands, now);
	} else {
		gds_serve_report_end(s, &why, now);
		drop_everything(s, how);
		s->state = SERVE_OVER;
	}
}

static void serve_free(struct gds_machine *m)
{
	struct serve *s = serve_of(m);
	if (!s) {
		return;
	}
	drop_everything(s, GDS_CLOSE_SILENT);
	if (s->tunnel) {
		s->tunnel->ops->free(s->tunnel);
	}
	gds_free(s->o.env, s);
}

static const struct gds_machine_ops serve_ops = {
	.step = serve_step,
	.interest = serve_interest,
	.answer = serve_answer,
	.cancel = serve_cancel,
	.free = serve_free,
};

static void take_options(struct serve *s, const struct gds_serve_options *o)
{
	s->o = *o;
	s->o.handshake_limit = o->handshake_limit ? o->handshake_limit : GDS_HANDSHAKE_LIMIT;
	s->o.dial_limit = o->dial_limit ? o->dial_limit : GDS_DIAL_LIMIT;
	s->o.idle = o->idle ? o->idle : GDS_UDP_IDLE;
	s->o.prestate = NULL;
	if (o->ops) {
		s->ops = *o->ops;
	}
}

static gds_time handshake_deadline(const struct serve *s, const struct gds_serve_options *o)
{
	gds_time limit = s->o.handshake_limit;
	gds_time header = o->header_limit ? o->header_limit : GDS_HEADER_LIMIT;
	if (o->transport == GDS_UDP && header < limit) {
		limit = header; /* UDP-08: one limit for both */
	}
	return gds_later(s->report.start, limit);
}

static struct serve *serve_alloc(const struct gds_serve_options *o)
{
	struct serve *s = gds_alloc(o->env, sizeof(*s));
	if (s) {
		s->machine.ops = &serve_ops;
		take_options(s, o);
		s->report.start = gds_now(o->env);
		s->report.request.transport = o->transport;
		s->report.request.peer = o->peer;
	}
	return s;
}

static struct gds_machine *serve_over(struct serve *s, struct gds_session *session)
{
	s->session = session;
	s->top = gds_session_carrier(session);
	s->report.request.facts = gds_session_facts(session);
	return &s->machine;
}

struct gds_machine *gds_serve_new(struct gds_carrier *below, const struct gds_serve_options *o)
{
	struct serve *s = serve_alloc(o);
	struct gds_session *session;
	if (!s) {
		return NULL;
	}
	/* Go's server prefers http/1.1 where both are offered (MUX-03). */
	struct gds_profile profile = {
		.role = GDS_SERVER,
		.transport = o->transport,
		.versions = o->versions,
		.alpn = {o->http ? "http/1.1" : GDS_ALPN, o->http ? GDS_ALPN : NULL},
		.optional_client_cert = o->optional_client_cert,
		.prestate = o->prestate,
		.deadline = handshake_deadline(s, o),
	};
	if (s->ops.profile) {
		s->ops.profile(o->ctx, &profile);
	}
	if (gds_session_new(&session, &profile, o->trust, below) != GDS_OK) {
		gds_free(o->env, s);
		return NULL;
	}
	return serve_over(s, session);
}

struct gds_machine *gds_serve_adopt(struct gds_session *session, const struct gds_serve_options *o)
{
	struct serve *s = serve_alloc(o);
	return s ? serve_over(s, session) : NULL;
}
