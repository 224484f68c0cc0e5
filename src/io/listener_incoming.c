/* SPDX-License-Identifier: MIT */
/*
 * What the program sees of a connection. The machine asks RESOLVE for the destination of a good
 * header: that question is held back until the program has decided, and meanwhile the machine goes
 * on reading within its bounds (TCP-10). A request that is served here gets one end of a pair as
 * its destination.
 */
#include "io/listener_private.h"

#include <poll.h>

/* --- The queue --- */

static void enqueue(struct gds_incoming *in)
{
	struct gds_listener *l = in->listener;

	if (in->collected || (in->ended && l->queued >= l->o.max_open)) {
		return; /* an event that nobody collects must not cost memory for ever */
	}
	in->held = in->collected = true;
	in->later = NULL;
	*l->last = in;
	l->last = &in->later;
	l->queued++;
}

static void release(struct gds_incoming *in)
{
	if (in->held || in->task) {
		return;
	}
	if (in->listener) {
		*(in->previous ? &in->previous->next : &in->listener->all) = in->next;
		if (in->next) {
			in->next->previous = in->previous;
		}
	}
	gds_free(in->env, in);
}

/* --- What the machine tells and asks --- */

static enum gds_verdict judged(void *ctx, enum gds_verdict verdict, struct gds_request *request)
{
	struct gds_incoming *in = ctx;

	in->request = *request;
	if (verdict != GDS_NEED_MORE) {
		in->verdict = verdict;
	}
	return verdict;
}

static void established(void *ctx, struct gds_carrier *below)
{
	struct gds_incoming *in = ctx;

	if (in->request.transport == GDS_UDP) {
		gds_demux_established(in->listener->demux, below);
	}
}

static void reported(void *ctx, const struct gds_serve_report *report)
{
	struct gds_incoming *in = ctx;

	in->report = *report;
	in->report.request.facts = in->request.facts = NULL;
	in->ended = true;
	in->resolve.id = 0;
	if (in->verdict == GDS_REFUSE) {
		in->request.why = report->why;
	}
	if (in->listener->o.ended) {
		in->listener->o.ended(in->listener->o.ctx, report);
	}
	if (in->verdict != GDS_DIAL) {
		enqueue(in);
	}
}

const struct gds_serve_ops gds_incoming_ops = {
	.judge = judged,
	.established = established,
	.ended = reported,
};

bool gds_incoming_question(void *ctx, const struct gds_need *need)
{
	struct gds_incoming *in = ctx;
	struct gds_answer answer = {.id = need->id};

	if (need->kind == GDS_RESOLVE) {
		in->resolve = *need;
		in->resolve.host = in->request.header.host;
		enqueue(in);
		return true;
	}
	if (need->kind == GDS_CONNECT && in->inner) {
		answer.carrier = in->inner;
		in->inner = NULL;
		gds_wait_answer(in->task, &answer);
		return true;
	}
	return false;
}

void gds_incoming_over(void *ctx, struct gds_machine *machine)
{
	struct gds_incoming *in = ctx;

	(void)machine;
	in->task = NULL;
	in->request.facts = NULL;
	gds_carrier_close(in->inner, GDS_CLOSE_SILENT);
	in->inner = NULL;
	release(in);
}

/* --- Decisions --- */

enum gds_verdict gds_incoming_verdict(const struct gds_incoming *in)
{
	return in ? in->verdict : GDS_NEED_MORE;
}

const struct gds_request *gds_incoming_request(const struct gds_incoming *in)
{
	return in ? &in->request : NULL;
}

const struct gds_serve_report *gds_incoming_report(const struct gds_incoming *in)
{
	return in && in->ended ? &in->report : NULL;
}

static int may_decide(const struct gds_incoming *in)
{
	if (!in || in->verdict != GDS_DIAL || in->decided) {
		return GDS_E_INVALID;
	}
	return in->task && in->resolve.id && !in->ended ? GDS_OK : GDS_E_CANCELLED;
}

static void go_on(struct gds_incoming *in)
{
	struct gds_listener *l = in->listener;

	in->decided = true;
	in->resolve.id = 0;
	gds_task_wake(in->task);
	gds_listener_settle(l);
}

int gds_incoming_tunnel(struct gds_incoming *in)
{
	int rc = may_decide(in);

	if (rc == GDS_OK) {
		gds_wait_resolve(in->task, &in->resolve);
		go_on(in);
	}
	return rc;
}

int gds_incoming_refuse(struct gds_incoming *in)
{
	int rc = may_decide(in);

	if (rc == GDS_OK) {
		struct gds_answer answer = {.id = in->resolve.id,
			.why = {.code = GDS_E_PERMISSION, .origin = GDS_LOCAL}};

		gds_wait_answer(in->task, &answer);
		go_on(in);
	}
	return rc;
}

int gds_incoming_serve(struct gds_incoming *in)
{
	/* Never dialled: the question for a connection to it is answered with the pair. */
	static const struct gds_address here = {.family = 4, .port = 1, .ip = {127, 0, 0, 1}};
	struct gds_carrier *ends[2];
	int rc = may_decide(in);

	if (rc == GDS_OK) {
		rc = gds_pair_new(ends, in->request.transport, in->env);
	}
	if (rc == GDS_OK) {
		struct gds_answer answer = {.id = in->resolve.id, .list = &here, .n = 1};

		in->inner = ends[0];
		in->carrier = ends[1];
		gds_wait_answer(in->task, &answer);
		go_on(in);
	}
	return rc;
}

int gds_incoming_take(struct gds_incoming *in, struct gds_carrier **out)
{
	if (!in || !out || !in->carrier) {
		return GDS_E_INVALID;
	}
	*out = in->carrier;
	in->carrier = NULL;
	return GDS_OK;
}

void gds_incoming_free(struct gds_incoming *in)
{
	if (!in) {
		return;
	}
	(void)gds_incoming_refuse(in); /* when it is undecided */
	gds_carrier_close(in->carrier, GDS_CLOSE_CLEAN);
	in->carrier = NULL;
	in->held = false;
	release(in);
}

/* --- Serving here --- */

/* Let everything go on until the carrier or the deadline is due. \return GDS_OK, GDS_AGAIN,
 * GDS_E_TIMEOUT. */
static int await(struct gds_incoming *in, short events, gds_time deadline)
{
	struct gds_interest want[2] = {{.fd = -1, .deadline = GDS_NEVER}, {.fd = -1}};
	gds_time now = gds_now(in->env);

	gds_listener_step(in->listener, now);
	if (now >= deadline) {
		return deadline == GDS_AT_ONCE ? GDS_AGAIN : GDS_E_TIMEOUT;
	}
	gds_carrier_interest(in->carrier, &want[0]);
	want[0].events = events;
	gds_listener_interest(in->listener, &want[1]);
	gds_wait_sleep(want, 2, deadline, now);
	return GDS_OK;
}

static int may_talk(const struct gds_incoming *in)
{
	if (!in || !in->carrier) {
		return GDS_E_INVALID;
	}
	return in->listener ? GDS_OK : GDS_E_CANCELLED;
}

/* The end of the pair: in order, or because the session broke off. */
static int end_of(const struct gds_incoming *in)
{
	return in->ended && in->report.why.code != GDS_OK ? in->report.why.code : GDS_EOF;
}

ssize_t gds_incoming_read(struct gds_incoming *in, void *buffer, size_t size, gds_time deadline)
{
	bool stepped = false;
	int rc = may_talk(in);

	if (rc != GDS_OK || !buffer || size == 0) {
		return rc != GDS_OK ? rc : GDS_E_INVALID;
	}
	for (;;) {
		ssize_t n = gds_carrier_read(in->carrier, buffer, size);

		if (n == GDS_EOF) {
			return end_of(in);
		}
		if (n != GDS_AGAIN) {
			return n;
		}
		if (stepped && rc != GDS_OK) {
			return rc;
		}
		rc = await(in, POLLIN, deadline);
		stepped = true;
	}
}

ssize_t gds_incoming_write(struct gds_incoming *in, const void *data, size_t n, gds_time deadline)
{
	size_t done = 0;
	int rc = may_talk(in);

	if (rc != GDS_OK || (!data && n > 0)) {
		return rc != GDS_OK ? rc : GDS_E_INVALID;
	}
	while (done < n) {
		ssize_t w = gds_carrier_write(in->carrier, (const char *)data + done, n - done);

		if (w > 0) {
			done += (size_t)w;
			continue;
		}
		if (w < 0 && w != GDS_AGAIN) {
			bool broke = in->ended && in->report.why.code != GDS_OK;

			return broke ? in->report.why.code : w;
		}
		if (rc != GDS_OK) {
			return done > 0 ? (ssize_t)done : rc;
		}
		rc = await(in, POLLOUT, deadline);
	}
	gds_listener_step(in->listener, gds_now(in->env));
	return (ssize_t)done;
}

int gds_incoming_shut(struct gds_incoming *in)
{
	int rc = may_talk(in);

	if (rc == GDS_OK) {
		rc = gds_carrier_shut(in->carrier);
		gds_listener_step(in->listener, gds_now(in->env));
	}
	return rc;
}
