/* SPDX-License-Identifier: MIT */
/** The inside of a wait, and what a listener may ask of it beyond the public calls. Not for other
 * folders. */
#ifndef GDS_IO_WAIT_PRIVATE_H
#define GDS_IO_WAIT_PRIVATE_H

#include "io/resolver.h"
#include "io/socket.h"

#include <gdstream/race.h>
#include <gdstream/wait.h>

/** What one task has watched at most: its interests, and the dials of a race. */
#define GDS_TASK_WATCHED (GDS_MACHINE_INTERESTS + GDS_RACE_MAX)

/** A RESOLVE or CONNECT that was not answered yet. */
struct gds_wait_question {
	struct gds_wait_question *next;
	struct gds_task *task;
	unsigned id;
	unsigned ticket;      /* of the resolver; 0: a CONNECT */
	struct gds_dial dial; /* fd -1 unless it is a CONNECT */
	gds_time deadline;    /* of a CONNECT; the resolver keeps its own */
};

/** \return true when this question is answered by whoever added the task, not by the wait. */
typedef bool gds_question_fn(void *ctx, const struct gds_need *);

struct gds_task {
	struct gds_wait *wait;
	struct gds_machine *machine;
	gds_ended_fn *ended;
	gds_question_fn *question; /* NULL: the wait answers all */
	void *ctx;
	struct gds_wait_question *questions;
	struct {
		int fd;
		short events;
	} watched[GDS_TASK_WATCHED];
	size_t watched_n;
	gds_time deadline;
	uint32_t slot; /* its index in the wait */
	bool soon;     /* wants a turn at once */
	bool stepping;
	bool again;   /* woken while stepping */
	bool renewed; /* has a new descriptor, whose number may be an old one's */
	bool cancelled;
	enum gds_close how;
};

/** A descriptor is ready. */
typedef void gds_ready_fn(void *ctx);

/** What an epoll event is for: a task, or a callback. An event names slot and generation, so that a
 * late one is harmless. */
struct gds_wait_slot {
	struct gds_task *task;
	gds_ready_fn *ready;
	void *ctx;
	uint32_t generation;
};

struct gds_wait {
	const struct gds_env *env;
	int epoll;		       /* owned */
	struct gds_resolver *resolver; /* made by the first name that is no literal */
	struct gds_wait_slot *slots;
	uint32_t slots_n;
	size_t count; /* of tasks */
};

/** Watch a descriptor of one's own for POLLIN. \return its slot, -1 without memory or descriptors.
 */
int gds_wait_watch(struct gds_wait *, int fd, gds_ready_fn *, void *ctx);
/** Whether it is looked at for now. */
void gds_wait_watch_set(struct gds_wait *, int slot, int fd, bool on);
void gds_wait_unwatch(struct gds_wait *, int slot, int fd);

/* wait_questions.c */
void gds_wait_resolve(struct gds_task *, const struct gds_need *);
void gds_wait_connect(struct gds_task *, const struct gds_need *);
/** A dial's descriptor may be ready. */
void gds_wait_check_dials(struct gds_task *);
/** Forget the question with this id (0 = all of them) without an answer. */
void gds_wait_forget(struct gds_task *, unsigned id);
/** Answer the CONNECTs whose deadline has passed. */
void gds_wait_expire(struct gds_task *, gds_time now);
/** The earliest deadline of its CONNECTs. */
gds_time gds_wait_questions_deadline(const struct gds_task *);
void gds_wait_answer(struct gds_task *, const struct gds_answer *);

/** Sleep until the interest is due or the deadline has passed, whichever is first; both absolute
 * [mono]. */
void gds_wait_sleep(const struct gds_interest *, size_t n, gds_time deadline, gds_time now);

#endif
