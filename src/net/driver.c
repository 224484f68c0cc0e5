/* SPDX-License-Identifier: MIT */
#include "net/driver_private.h"

#include <poll.h>
#include <stddef.h>

/* Needs that a machine may ask in one go before the others get their turn. */
#define NEEDS_A_TURN 64

static void ring_init(struct gds_link *link)
{
	link->next = link->previous = link;
}

static bool ring_is_empty(const struct gds_link *link)
{
	return link->next == link;
}

static void ring_remove(struct gds_link *link)
{
	link->previous->next = link->next;
	link->next->previous = link->previous;
	ring_init(link);
}

static void ring_append(struct gds_link *ring, struct gds_link *link)
{
	link->previous = ring->previous;
	link->next = ring;
	ring->previous->next = link;
	ring->previous = link;
}

static struct gds_binding *of_all(struct gds_link *link)
{
	return (struct gds_binding *)((char *)link - offsetof(struct gds_binding, all));
}

static struct gds_binding *of_soon(struct gds_link *link)
{
	return (struct gds_binding *)((char *)link - offsetof(struct gds_binding, soon));
}

/* A turn in the next iteration, without waiting in between. */
static void step_soon(struct gds_binding *b)
{
	struct gds_driver *driver = b->driver;

	if (ring_is_empty(&driver->soon)) {
		gds_timer_set(driver->soon_timer, gds_now(driver->env));
	}
	if (ring_is_empty(&b->soon)) {
		ring_append(&driver->soon, &b->soon);
	}
}

/* --- Interests --- */

static void on_watch(void *ctx, short revents)
{
	struct gds_binding *b = ctx;

	(void)revents;
	/*
	 * It has already seen what made this descriptor ready; what is left is reported again by
	 * the next wait.
	 */
	if (b->turn != gds_loop_wakeups(b->driver->loop)) {
		gds_driver_kick(b);
	}
}

/* \return false without memory: then the binding is stepped again until there is some. */
static bool watch(struct gds_binding *b, size_t i, int fd, short events)
{
	struct gds_watched *w = &b->watched[i];

	if (fd < 0 || events == 0) {
		fd = -1;
		events = 0;
	}
	if (w->fd == fd && w->events == events && !(b->renewed && fd >= 0)) {
		return true;
	}
	if (w->watch) {
		gds_watch_set(w->watch, fd, events);
	} else if (fd >= 0) {
		w->watch = gds_watch_new(b->driver->loop, fd, events, on_watch, b);
		if (!w->watch) {
			return false;
		}
	}
	w->fd = fd;
	w->events = events;
	return true;
}

static void set_deadline(struct gds_binding *b, gds_time at)
{
	gds_time questions = gds_driver_questions_deadline(b);

	at = questions < at ? questions : at;
	if (at != b->deadline) {
		b->deadline = at;
		gds_timer_set(b->timer, at);
	}
}

/* Bring what is watched in line with what the machine waits for. */
static void follow_interests(struct gds_binding *b)
{
	struct gds_interest list[GDS_MACHINE_INTERESTS];
	gds_time at = GDS_NEVER;
	bool soon = false;
	size_t n;

	for (size_t i = 0; i < GDS_MACHINE_INTERESTS; i++) {
		list[i] = (struct gds_interest){.fd = -1, .deadline = GDS_NEVER};
	}
	n = b->machine->ops->interest(b->machine, list);
	for (size_t i = 0; i < GDS_MACHINE_INTERESTS; i++) {
		bool asked = i < n;

		if (!watch(b, i, asked ? list[i].fd : -1, list[i].events)) {
			soon = true;
		}
		if (asked) {
			soon = soon || list[i].ready;
			at = list[i].deadline < at ? list[i].deadline : at;
		}
	}
	b->renewed = false;
	set_deadline(b, at);
	if (soon) {
		step_soon(b);
	}
}

/* --- Steps --- */

/* It has ended, or is made to. */
static void finish(struct gds_binding *b)
{
	struct gds_driver *driver = b->driver;
	struct gds_machine *machine = b->machine;
	gds_done_fn *done = b->done;
	void *ctx = b->ctx;

	gds_driver_forget(b, 0);
	gds_driver_watch_resolver(driver);
	for (size_t i = 0; i < GDS_MACHINE_INTERESTS; i++) {
		gds_watch_free(b->watched[i].watch);
	}
	gds_timer_free(b->timer);
	ring_remove(&b->all);
	ring_remove(&b->soon);
	driver->count--;
	gds_free(driver->env, b);
	if (done) {
		done(ctx, machine);
	}
	machine->ops->free(machine);
}

static void hand_off(struct gds_binding *b, const struct gds_need *need)
{
	const struct gds_driver_ops *ops = b->driver->ops;
	struct gds_error why = {.code = GDS_E_INVALID, .origin = GDS_LOCAL};
	struct gds_carrier *c = NULL;

	if (ops && ops->handoff) {
		c = ops->handoff(b->driver->ctx, b->machine, need, &why);
	}
	if (c) {
		gds_driver_answer_carrier(b, need->id, c);
	} else {
		gds_driver_answer_error(b, need->id, &why);
	}
}

/* \return false when the machine only waits. */
static bool meet(struct gds_binding *b, const struct gds_need *need)
{
	switch (need->kind) {
	case GDS_RESOLVE:
		gds_driver_resolve(b, need);
		return true;
	case GDS_CONNECT:
		gds_driver_connect(b, need);
		return true;
	case GDS_HANDOFF:
		hand_off(b, need);
		return true;
	case GDS_CANCEL:
		gds_driver_forget(b, need->id);
		return true;
	case GDS_WAIT:
	case GDS_DONE:
		break;
	}
	return false;
}

/* Step until it waits. \return false when it is done. */
static bool step(struct gds_binding *b)
{
	struct gds_need need = {.kind = GDS_WAIT};
	bool more = true;

	b->turn = gds_loop_wakeups(b->driver->loop);
	for (int i = 0; more && i < NEEDS_A_TURN; i++) {
		gds_time now = gds_now(b->driver->env);

		b->again = false;
		need = (struct gds_need){.kind = GDS_WAIT, .deadline = GDS_NEVER};
		gds_driver_expire(b, now);
		b->machine->ops->step(b->machine, now, &need);
		if (need.kind == GDS_DONE) {
			return false;
		}
		more = meet(b, &need);
		if (b->cancelled) {
			b->cancelled = false;
			b->machine->ops->cancel(b->machine, b->how);
			more = true;
		}
		more = more || b->again;
	}
	if (more) {
		step_soon(b);
	}
	return true;
}

void gds_driver_kick(struct gds_binding *b)
{
	if (b->stepping) {
		b->again = true;
		return;
	}
	b->stepping = true;
	ring_remove(&b->soon);
	if (!step(b)) {
		finish(b);
		return;
	}
	follow_interests(b);
	b->stepping = false;
}

void gds_driver_cancel(struct gds_binding *b, enum gds_close how)
{
	if (b->stepping) {
		b->cancelled = true;
		b->how = how;
		return;
	}
	b->machine->ops->cancel(b->machine, how);
	gds_driver_kick(b);
}

static void on_deadline(void *ctx)
{
	struct gds_binding *b = ctx;

	b->deadline = GDS_NEVER;
	gds_driver_kick(b);
}

struct gds_binding *gds_driver_bind(
	struct gds_driver *driver, struct gds_machine *machine, gds_done_fn *done, void *ctx)
{
	struct gds_binding *b = gds_alloc(driver->env, sizeof(*b));

	if (!b) {
		return NULL;
	}
	b->timer = gds_timer_new(driver->loop, on_deadline, b);
	if (!b->timer) {
		gds_free(driver->env, b);
		return NULL;
	}
	b->driver = driver;
	b->machine = machine;
	b->done = done;
	b->ctx = ctx;
	b->deadline = GDS_NEVER;
	for (size_t i = 0; i < GDS_MACHINE_INTERESTS; i++) {
		b->watched[i].fd = -1;
	}
	ring_init(&b->soon);
	ring_append(&driver->bindings, &b->all);
	driver->count++;
	gds_driver_kick(b);
	return b;
}

/* --- The driver --- */

static void on_soon(void *ctx)
{
	struct gds_driver *driver = ctx;
	struct gds_link now;

	/*
	 * Those that want another turn come after all that wait for theirs, and after the
	 * descriptors.
	 */
	ring_init(&now);
	ring_append(&driver->soon, &now);
	ring_remove(&driver->soon);
	while (!ring_is_empty(&now)) {
		gds_driver_kick(of_soon(now.next));
	}
}

static void on_answers(void *ctx)
{
	struct gds_driver *driver = ctx;

	gds_resolver_run(driver->resolver, gds_now(driver->env));
	gds_driver_watch_resolver(driver);
}

static void on_answers_readable(void *ctx, short revents)
{
	(void)revents;
	on_answers(ctx);
}

struct gds_driver *gds_driver_new(struct gds_loop *loop, struct gds_resolver *resolver,
	const struct gds_driver_ops *ops, void *ctx, const struct gds_env *env)
{
	struct gds_driver *driver = gds_alloc(env, sizeof(*driver));

	if (!driver) {
		return NULL;
	}
	*driver = (struct gds_driver){
		.loop = loop, .resolver = resolver, .ops = ops, .ctx = ctx, .env = env};
	ring_init(&driver->bindings);
	ring_init(&driver->soon);
	driver->resolver_watch =
		gds_watch_new(loop, gds_resolver_fd(resolver), POLLIN, on_answers_readable, driver);
	driver->resolver_timer = gds_timer_new(loop, on_answers, driver);
	driver->soon_timer = gds_timer_new(loop, on_soon, driver);
	if (!driver->resolver_watch || !driver->resolver_timer || !driver->soon_timer) {
		gds_driver_free(driver);
		return NULL;
	}
	return driver;
}

size_t gds_driver_count(const struct gds_driver *driver)
{
	return driver->count;
}

void gds_driver_cancel_all(struct gds_driver *driver, enum gds_close how)
{
	struct gds_link now;

	/* One cancelled may end others, and those that end slowly must be met once only. */
	ring_init(&now);
	ring_append(&driver->bindings, &now);
	ring_remove(&driver->bindings);
	while (!ring_is_empty(&now)) {
		struct gds_binding *b = of_all(now.next);

		ring_remove(&b->all);
		ring_append(&driver->bindings, &b->all);
		gds_driver_cancel(b, how);
	}
}

void gds_driver_free(struct gds_driver *driver)
{
	if (!driver) {
		return;
	}
	while (!ring_is_empty(&driver->bindings)) {
		finish(of_all(driver->bindings.next));
	}
	gds_watch_free(driver->resolver_watch);
	gds_timer_free(driver->resolver_timer);
	gds_timer_free(driver->soon_timer);
	gds_free(driver->env, driver);
}
