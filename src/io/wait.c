/* SPDX-License-Identifier: MIT */
#include "io/wait_private.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* Needs that a machine may ask in one go before the others get their turn. */
#define NEEDS_A_TURN 64
/* Events that one step takes from the kernel; the rest is reported again. */
#define EVENTS_A_STEP 64
#define SLEEPERS_MAX 4

gds_time gds_within(gds_time span)
{
	return gds_later(gds_now(gds_env_system()), span);
}

/* --- Slots: what an epoll event is for --- */

static uint64_t name_of(const struct gds_wait *w, uint32_t slot)
{
	return (uint64_t)w->slots[slot].generation << 32 | slot;
}

/* \return a free slot, -1 without memory. */
static int slot_new(struct gds_wait *w)
{
	uint32_t n = w->slots_n ? 2 * w->slots_n : 8;
	struct gds_wait_slot *slots;

	for (uint32_t i = 0; i < w->slots_n; i++) {
		if (!w->slots[i].task && !w->slots[i].ready) {
			return (int)i;
		}
	}
	slots = n > w->slots_n && n < INT32_MAX ? gds_alloc(w->env, n * sizeof(*slots)) : NULL;
	if (!slots) {
		return -1;
	}
	if (w->slots_n) {
		memcpy(slots, w->slots, w->slots_n * sizeof(*slots));
	}
	gds_free(w->env, w->slots);
	w->slots = slots;
	n = w->slots_n;
	w->slots_n = n ? 2 * n : 8;
	return (int)n;
}

static void slot_free(struct gds_wait *w, uint32_t slot)
{
	w->slots[slot] = (struct gds_wait_slot){.generation = w->slots[slot].generation + 1};
}

/* \return false when the kernel will not watch it. */
static bool watch(struct gds_wait *w, uint32_t slot, int fd, short events)
{
	/* EPOLLIN and its like have the values of POLLIN and its like (epoll_ctl(2)). */
	struct epoll_event e = {.events = (uint32_t)events, .data.u64 = name_of(w, slot)};

	if (epoll_ctl(w->epoll, EPOLL_CTL_MOD, fd, &e) == 0) {
		return true;
	}
	return errno == ENOENT && epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

/* Who closed it has taken it out of the set already: errors mean nothing here. */
static void unwatch(struct gds_wait *w, int fd)
{
	(void)epoll_ctl(w->epoll, EPOLL_CTL_DEL, fd, NULL);
}

int gds_wait_watch(struct gds_wait *w, int fd, gds_ready_fn *ready, void *ctx)
{
	int slot = slot_new(w);

	if (slot < 0) {
		return -1;
	}
	w->slots[slot].ready = ready;
	w->slots[slot].ctx = ctx;
	if (!watch(w, (uint32_t)slot, fd, POLLIN)) {
		slot_free(w, (uint32_t)slot);
		return -1;
	}
	return slot;
}

void gds_wait_watch_set(struct gds_wait *w, int slot, int fd, bool on)
{
	if (on) {
		(void)watch(w, (uint32_t)slot, fd, POLLIN);
	} else {
		unwatch(w, fd);
	}
}

void gds_wait_unwatch(struct gds_wait *w, int slot, int fd)
{
	if (slot >= 0) {
		unwatch(w, fd);
		slot_free(w, (uint32_t)slot);
	}
}

/* --- Interests --- */

static bool is_watched(const struct gds_task *t, int fd, short events)
{
	for (size_t i = 0; i < t->watched_n; i++) {
		if (t->watched[i].fd == fd) {
			return events == 0 || t->watched[i].events == events;
		}
	}
	return false;
}

static void want(struct gds_task *t, int fd, short events)
{
	if (fd >= 0 && events != 0 && t->watched_n < GDS_TASK_WATCHED) {
		t->watched[t->watched_n].fd = fd;
		t->watched[t->watched_n].events = events;
		t->watched_n++;
	}
}

static void want_dials(struct gds_task *t)
{
	for (const struct gds_wait_question *q = t->questions; q; q = q->next) {
		want(t, q->dial.fd, POLLOUT);
	}
}

/* Fill watched, deadline and soon with what the machine waits for now. */
static void ask_interests(struct gds_task *t)
{
	struct gds_interest list[GDS_MACHINE_INTERESTS];
	size_t n;

	for (size_t i = 0; i < GDS_MACHINE_INTERESTS; i++) {
		list[i] = (struct gds_interest){.fd = -1, .deadline = GDS_NEVER};
	}
	n = t->machine->ops->interest(t->machine, list);
	t->watched_n = 0;
	t->deadline = gds_wait_questions_deadline(t);
	for (size_t i = 0; i < n; i++) {
		want(t, list[i].fd, list[i].events);
		t->soon = t->soon || list[i].ready;
		t->deadline = list[i].deadline < t->deadline ? list[i].deadline : t->deadline;
	}
	want_dials(t);
}

/* Tell the kernel what has changed. Right after the step, before anything else can open a
 * descriptor of the same number. */
static void follow_interests(struct gds_task *t)
{
	struct gds_task before = *t;

	ask_interests(t);
	for (size_t i = 0; i < before.watched_n; i++) {
		if (!is_watched(t, before.watched[i].fd, 0)) {
			unwatch(t->wait, before.watched[i].fd);
		}
	}
	for (size_t i = 0; i < t->watched_n; i++) {
		int fd = t->watched[i].fd;
		short events = t->watched[i].events;

		if ((t->renewed || !is_watched(&before, fd, events)) &&
			!watch(t->wait, t->slot, fd, events)) {
			t->soon = true; /* no memory in the kernel: then by trying */
		}
	}
	t->renewed = false;
}

/* --- Steps --- */

/* It has ended, or is made to. */
static void finish(struct gds_task *t)
{
	struct gds_wait *w = t->wait;
	struct gds_machine *machine = t->machine;
	gds_ended_fn *ended = t->ended;
	void *ctx = t->ctx;

	gds_wait_forget(t, 0);
	for (size_t i = 0; i < t->watched_n; i++) {
		unwatch(w, t->watched[i].fd);
	}
	slot_free(w, t->slot);
	w->count--;
	gds_free(w->env, t);
	if (ended) {
		ended(ctx, machine);
	}
	machine->ops->free(machine);
}

/* \return false when the machine only waits. */
static bool meet(struct gds_task *t, const struct gds_need *need)
{
	struct gds_answer no = {
		.id = need->id, .why = {.code = GDS_E_INVALID, .origin = GDS_LOCAL}};

	if (need->kind == GDS_WAIT || need->kind == GDS_DONE) {
		return false;
	}
	if (need->kind != GDS_CANCEL && t->question && t->question(t->ctx, need)) {
		return true;
	}
	switch (need->kind) {
	case GDS_RESOLVE:
		gds_wait_resolve(t, need);
		break;
	case GDS_CONNECT:
		gds_wait_connect(t, need);
		break;
	case GDS_CANCEL:
		gds_wait_forget(t, need->id);
		break;
	default:
		gds_wait_answer(t, &no); /* GDS_HANDOFF: there is no HTTP side here */
		break;
	}
	return true;
}

/* Step until it waits. \return false when it is done. */
static bool step(struct gds_task *t)
{
	const struct gds_env *env = t->wait->env;
	bool more = true;

	gds_wait_check_dials(t);
	for (int i = 0; more && i < NEEDS_A_TURN; i++) {
		struct gds_need need = {.kind = GDS_WAIT, .deadline = GDS_NEVER};
		gds_time now = gds_now(env);

		t->again = false;
		gds_wait_expire(t, now);
		t->machine->ops->step(t->machine, now, &need);
		if (need.kind == GDS_DONE) {
			return false;
		}
		more = meet(t, &need);
		if (t->cancelled) {
			t->cancelled = false;
			t->machine->ops->cancel(t->machine, t->how);
			more = true;
		}
		more = more || t->again;
	}
	t->soon = more;
	return true;
}

void gds_task_wake(struct gds_task *t)
{
	if (t->stepping) {
		t->again = true;
		return;
	}
	t->stepping = true;
	t->soon = false;
	if (!step(t)) {
		finish(t);
		return;
	}
	follow_interests(t);
	t->stepping = false;
}

void gds_task_cancel(struct gds_task *t, enum gds_close how)
{
	if (t->stepping) {
		t->cancelled = true;
		t->how = how;
		return;
	}
	t->machine->ops->cancel(t->machine, how);
	gds_task_wake(t);
}

struct gds_task *gds_wait_add(
	struct gds_wait *w, struct gds_machine *machine, gds_ended_fn *ended, void *ctx)
{
	struct gds_task *t = w && machine ? gds_alloc(w->env, sizeof(*t)) : NULL;
	int slot = t ? slot_new(w) : -1;

	if (slot < 0) {
		gds_free(w ? w->env : NULL, t);
		return NULL;
	}
	t->wait = w;
	t->machine = machine;
	t->ended = ended;
	t->ctx = ctx;
	t->deadline = GDS_NEVER;
	t->slot = (uint32_t)slot;
	t->soon = true;
	w->slots[slot].task = t;
	w->count++;
	return t;
}

/* --- The wait --- */

int gds_wait_new(struct gds_wait **out, const struct gds_env *env)
{
	struct gds_wait *w;

	if (!out) {
		return GDS_E_INVALID;
	}
	env = env ? env : gds_env_system();
	w = gds_alloc(env, sizeof(*w));
	if (!w) {
		return GDS_E_NOMEM;
	}
	w->env = env;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll < 0) {
		int rc = gds_status_from_errno(errno);

		gds_free(env, w);
		return rc;
	}
	*out = w;
	return GDS_OK;
}

size_t gds_wait_count(const struct gds_wait *w)
{
	return w ? w->count : 0;
}

void gds_wait_interest(struct gds_wait *w, struct gds_interest *out)
{
	*out = (struct gds_interest){.fd = w->epoll, .events = POLLIN, .deadline = GDS_NEVER};
	if (w->resolver) {
		out->deadline = gds_resolver_deadline(w->resolver);
	}
	for (uint32_t i = 0; i < w->slots_n; i++) {
		const struct gds_task *t = w->slots[i].task;

		if (t) {
			out->ready = out->ready || t->soon;
			out->deadline = t->deadline < out->deadline ? t->deadline : out->deadline;
		}
	}
}

static void dispatch(struct gds_wait *w, uint64_t name)
{
	uint32_t i = (uint32_t)name;
	struct gds_wait_slot slot;

	if (i >= w->slots_n || name_of(w, i) != name) {
		return; /* of one that ended meanwhile */
	}
	slot = w->slots[i];
	if (slot.task) {
		gds_task_wake(slot.task);
	} else if (slot.ready) {
		slot.ready(slot.ctx);
	}
}

void gds_wait_step(struct gds_wait *w, gds_time now)
{
	struct epoll_event events[EVENTS_A_STEP];
	int n;

	if (!w) {
		return;
	}
	n = epoll_wait(w->epoll, events, EVENTS_A_STEP, 0);
	for (int i = 0; i < n; i++) {
		dispatch(w, events[i].data.u64);
	}
	if (w->resolver && gds_resolver_deadline(w->resolver) <= now) {
		gds_resolver_run(w->resolver, now);
	}
	/* By index: a step may add tasks and end others. */
	for (uint32_t i = 0; i < w->slots_n; i++) {
		struct gds_task *t = w->slots[i].task;

		if (t && !t->stepping && (t->soon || t->deadline <= now)) {
			gds_task_wake(t);
		}
	}
}

void gds_wait_sleep(const struct gds_interest *list, size_t n, gds_time deadline, gds_time now)
{
	struct pollfd fds[SLEEPERS_MAX];
	struct timespec span;
	nfds_t used = 0;

	for (size_t i = 0; i < n && i < SLEEPERS_MAX; i++) {
		deadline = list[i].ready ? now : deadline;
		deadline = list[i].deadline < deadline ? list[i].deadline : deadline;
		if (list[i].fd >= 0 && list[i].events) {
			fds[used++] = (struct pollfd){.fd = list[i].fd, .events = list[i].events};
		}
	}
	gds_time left = deadline > now ? deadline - now : 0;

	span.tv_sec = (time_t)(left / GDS_SECOND);
	span.tv_nsec = (long)(left % GDS_SECOND);
	/* EINTR and the like: the caller looks at what there is and at the clock again. */
	(void)ppoll(fds, used, deadline == GDS_NEVER ? NULL : &span, NULL);
}

int gds_wait_run(struct gds_wait *w, gds_time deadline)
{
	if (!w) {
		return GDS_E_INVALID;
	}
	for (;;) {
		gds_time now = gds_now(w->env);
		struct gds_interest want;

		gds_wait_step(w, now);
		if (w->count == 0) {
			return GDS_OK;
		}
		now = gds_now(w->env);
		if (now >= deadline) {
			return GDS_E_TIMEOUT;
		}
		gds_wait_interest(w, &want);
		gds_wait_sleep(&want, 1, deadline, now);
	}
}

void gds_wait_free(struct gds_wait *w)
{
	if (!w) {
		return;
	}
	for (uint32_t i = 0; i < w->slots_n; i++) {
		if (w->slots[i].task) {
			finish(w->slots[i].task);
		}
	}
	gds_resolver_free(w->resolver);
	close(w->epoll);
	gds_free(w->env, w->slots);
	gds_free(w->env, w);
}
