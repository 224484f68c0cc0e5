/* SPDX-License-Identifier: MIT */
/* What machines ask for: look-ups by the resolver, connects by dials of our own. */
#include "io/wait_private.h"

#include <errno.h>

void gds_wait_answer(struct gds_task *t, const struct gds_answer *answer)
{
	t->renewed = t->renewed || answer->carrier;
	t->machine->ops->answer(t->machine, answer);
}

static void answer_code(struct gds_task *t, unsigned id, int code)
{
	struct gds_answer answer = {.id = id, .why = {.code = code, .origin = GDS_LOCAL}};

	gds_wait_answer(t, &answer);
}

static struct gds_wait_question *question_new(struct gds_task *t, const struct gds_need *need)
{
	struct gds_wait_question *q = gds_alloc(t->wait->env, sizeof(*q));

	if (q) {
		*q = (struct gds_wait_question){
			.next = t->questions, .task = t, .id = need->id, .deadline = GDS_NEVER};
		q->dial.fd = -1;
		t->questions = q;
	}
	return q;
}

/* Take it off its task's list and free it; the dial is the caller's. */
static void question_free(struct gds_wait_question *q)
{
	struct gds_wait_question **at = &q->task->questions;

	while (*at != q) {
		at = &(*at)->next;
	}
	*at = q->next;
	gds_free(q->task->wait->env, q);
}

/* --- Look-ups --- */

static void answers_ready(void *ctx)
{
	struct gds_wait *w = ctx;

	gds_resolver_run(w->resolver, gds_now(w->env));
}

/* A literal needs no pool: most waits never make one. */
static struct gds_resolver *resolver_of(struct gds_wait *w)
{
	if (!w->resolver) {
		w->resolver = gds_resolver_new(w->env, 0);
		if (w->resolver &&
			gds_wait_watch(w, gds_resolver_fd(w->resolver), answers_ready, w) < 0) {
			gds_resolver_free(w->resolver);
			w->resolver = NULL;
		}
	}
	return w->resolver;
}

static void on_resolved(void *ctx, unsigned ticket, const struct gds_error *why,
	const struct gds_address *list, size_t n)
{
	struct gds_wait_question *q = ctx;
	struct gds_task *t = q->task;
	struct gds_answer answer = {.id = q->id, .why = *why, .list = list, .n = n};

	(void)ticket;
	question_free(q);
	gds_wait_answer(t, &answer);
	t->soon = true;
}

void gds_wait_resolve(struct gds_task *t, const struct gds_need *need)
{
	struct gds_address literal;
	struct gds_answer answer = {.id = need->id, .list = &literal, .n = 1};
	struct gds_wait_question *q;

	if (gds_address_parse(&literal, need->host, need->port) == GDS_OK) {
		gds_wait_answer(t, &answer);
		return;
	}
	q = resolver_of(t->wait) ? question_new(t, need) : NULL;
	if (!q) {
		answer_code(t, need->id, GDS_E_NOMEM);
		return;
	}
	unsigned ticket = gds_resolver_ask(
		t->wait->resolver, need->host, need->port, need->deadline, on_resolved, q);

	if (ticket) { /* otherwise it was answered, and is gone */
		q->ticket = ticket;
	}
}

/* --- Connects --- */

/* The dial came to an end. \param rc of the dial. */
static void dialled(struct gds_wait_question *q, int rc, const struct gds_error *why)
{
	struct gds_task *t = q->task;
	struct gds_dial dial = q->dial;
	struct gds_answer answer = {.id = q->id};

	question_free(q);
	if (rc == GDS_OK) {
		answer.carrier = gds_dial_take(&dial, t->wait->env);
		answer.why.code = answer.carrier ? GDS_OK : GDS_E_NOMEM;
	} else {
		answer.why = *why;
	}
	gds_wait_answer(t, &answer);
}

static size_t dials_of(const struct gds_task *t)
{
	size_t n = 0;

	for (const struct gds_wait_question *q = t->questions; q; q = q->next) {
		n += q->dial.fd >= 0;
	}
	return n;
}

void gds_wait_connect(struct gds_task *t, const struct gds_need *need)
{
	struct gds_wait_question *q;
	struct gds_error why;
	int rc;

	if (dials_of(t) >= GDS_RACE_MAX) {
		answer_code(t, need->id, GDS_E_LIMIT);
		return;
	}
	q = question_new(t, need);
	if (!q) {
		answer_code(t, need->id, GDS_E_NOMEM);
		return;
	}
	rc = gds_dial_start(&q->dial, need->transport, &need->address, &why);
	t->renewed = true;
	if (rc == GDS_AGAIN) {
		q->deadline = need->deadline;
	} else {
		dialled(q, rc, &why);
	}
}

void gds_wait_check_dials(struct gds_task *t)
{
	struct gds_wait_question *next;

	for (struct gds_wait_question *q = t->questions; q; q = next) {
		struct gds_error why;
		int rc = q->dial.fd < 0 ? GDS_AGAIN : gds_dial_check(&q->dial, &why);

		next = q->next;
		if (rc != GDS_AGAIN) {
			dialled(q, rc, &why);
		}
	}
}

/* --- Both --- */

void gds_wait_forget(struct gds_task *t, unsigned id)
{
	struct gds_wait_question *next;

	for (struct gds_wait_question *q = t->questions; q; q = next) {
		struct gds_dial dial = q->dial;

		next = q->next;
		if (id && q->id != id) {
			continue;
		}
		if (q->ticket) {
			gds_resolver_cancel(t->wait->resolver, q->ticket);
		}
		question_free(q);
		gds_dial_cancel(&dial);
	}
}

void gds_wait_expire(struct gds_task *t, gds_time now)
{
	struct gds_wait_question *next;

	for (struct gds_wait_question *q = t->questions; q; q = next) {
		struct gds_answer answer = {.id = q->id,
			.why = {.code = GDS_E_TIMEOUT, .sys = ETIMEDOUT, .origin = GDS_PATH}};

		next = q->next;
		if (q->deadline <= now) {
			gds_wait_forget(t, q->id);
			gds_wait_answer(t, &answer);
		}
	}
}

gds_time gds_wait_questions_deadline(const struct gds_task *t)
{
	gds_time at = GDS_NEVER;

	for (const struct gds_wait_question *q = t->questions; q; q = q->next) {
		at = q->deadline < at ? q->deadline : at;
	}
	return at;
}
