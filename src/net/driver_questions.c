/* SPDX-License-Identifier: MIT */
/* What machines ask for: look-ups by the resolver, connects by dials of our own. */
#include "net/driver_private.h"

#include <errno.h>
#include <poll.h>

void gds_driver_answer_error(struct gds_binding *b, unsigned id, const struct gds_error *why)
{
	b->machine->ops->answer(b->machine, &(struct gds_answer){.id = id, .why = *why});
}

void gds_driver_answer_carrier(struct gds_binding *b, unsigned id, struct gds_carrier *c)
{
	b->renewed = true;
	b->machine->ops->answer(b->machine, &(struct gds_answer){.id = id, .carrier = c});
}

static void answer_code(struct gds_binding *b, unsigned id, int code, enum gds_origin origin)
{
	struct gds_error why = {.code = code, .origin = origin};

	gds_driver_answer_error(b, id, &why);
}

static struct gds_question *question_new(struct gds_binding *b, const struct gds_need *need)
{
	struct gds_question *q = gds_alloc(b->driver->env, sizeof(*q));

	if (q) {
		q->binding = b;
		q->id = need->id;
		q->deadline = GDS_NEVER;
		q->dial.fd = -1;
		q->next = b->questions;
		b->questions = q;
	}
	return q;
}

/* Take it off its binding's list and free it; the dial is the caller's. */
static void question_free(struct gds_question *q)
{
	struct gds_question **at = &q->binding->questions;

	while (*at != q) {
		at = &(*at)->next;
	}
	*at = q->next;
	gds_watch_free(q->watch);
	gds_free(q->binding->driver->env, q);
}

void gds_driver_watch_resolver(struct gds_driver *driver)
{
	gds_timer_set(driver->resolver_timer, gds_resolver_deadline(driver->resolver));
}

static void on_resolved(void *ctx, unsigned ticket, const struct gds_error *why,
	const struct gds_address *list, size_t n)
{
	struct gds_question *q = ctx;
	struct gds_binding *b = q->binding;
	struct gds_answer answer = {.id = q->id, .why = *why, .list = list, .n = n};

	(void)ticket;
	question_free(q);
	b->machine->ops->answer(b->machine, &answer);
	if (!b->stepping) {
		gds_driver_kick(b);
	}
}

void gds_driver_resolve(struct gds_binding *b, const struct gds_need *need)
{
	struct gds_driver *driver = b->driver;
	struct gds_question *q = question_new(b, need);
	unsigned ticket;

	if (!q) {
		answer_code(b, need->id, GDS_E_NOMEM, GDS_LOCAL);
		return;
	}
	ticket = gds_resolver_ask(
		driver->resolver, need->host, need->port, need->deadline, on_resolved, q);
	if (ticket) {
		q->ticket = ticket;
		gds_driver_watch_resolver(driver);
	}
}

/* The dial came to an end. \param rc of the dial. */
static void dialled(struct gds_question *q, int rc, const struct gds_error *why)
{
	struct gds_binding *b = q->binding;
	struct gds_dial dial = q->dial;
	unsigned id = q->id;
	struct gds_carrier *c;

	question_free(q);
	if (rc != GDS_OK) {
		gds_driver_answer_error(b, id, why);
		return;
	}
	c = gds_dial_take(&dial, b->driver->env);
	if (c) {
		gds_driver_answer_carrier(b, id, c);
	} else {
		answer_code(b, id, GDS_E_NOMEM, GDS_LOCAL);
	}
}

static void on_dial(void *ctx, short revents)
{
	struct gds_question *q = ctx;
	struct gds_binding *b = q->binding;
	struct gds_error why;
	int rc = gds_dial_check(&q->dial, &why);

	(void)revents;
	if (rc != GDS_AGAIN) {
		dialled(q, rc, &why);
		gds_driver_kick(b);
	}
}

void gds_driver_connect(struct gds_binding *b, const struct gds_need *need)
{
	struct gds_question *q = question_new(b, need);
	struct gds_error why = {.code = GDS_E_NOMEM};
	int rc;

	if (!q) {
		gds_driver_answer_error(b, need->id, &why);
		return;
	}
	rc = gds_dial_start(&q->dial, need->transport, &need->address, &why);
	if (rc == GDS_AGAIN) {
		q->deadline = need->deadline;
		q->watch = gds_watch_new(b->driver->loop, q->dial.fd, POLLOUT, on_dial, q);
		if (q->watch) {
			return;
		}
		gds_dial_cancel(&q->dial);
		rc = why.code = GDS_E_NOMEM;
	}
	dialled(q, rc, &why);
}

void gds_driver_forget(struct gds_binding *b, unsigned id)
{
	struct gds_question *next;

	for (struct gds_question *q = b->questions; q; q = next) {
		next = q->next;
		if (id && q->id != id) {
			continue;
		}
		if (q->ticket) {
			gds_resolver_cancel(b->driver->resolver, q->ticket);
		}
		/* The watch goes before its descriptor does. */
		struct gds_dial dial = q->dial;

		question_free(q);
		gds_dial_cancel(&dial);
	}
}

static struct gds_question *expired(const struct gds_binding *b, gds_time now)
{
	struct gds_question *q = b->questions;

	while (q && q->deadline > now) {
		q = q->next;
	}
	return q;
}

void gds_driver_expire(struct gds_binding *b, gds_time now)
{
	struct gds_error why = {.code = GDS_E_TIMEOUT, .sys = ETIMEDOUT, .origin = GDS_PATH};
	struct gds_question *q;

	while ((q = expired(b, now))) {
		unsigned id = q->id;

		gds_driver_forget(b, id);
		gds_driver_answer_error(b, id, &why);
	}
}

gds_time gds_driver_questions_deadline(const struct gds_binding *b)
{
	gds_time at = GDS_NEVER;

	for (const struct gds_question *q = b->questions; q; q = q->next) {
		at = q->deadline < at ? q->deadline : at;
	}
	return at;
}
