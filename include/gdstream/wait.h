/* SPDX-License-Identifier: MIT */
/**
 * Runs machines where there is no event loop: it steps them, answers RESOLVE through a resolver
 * pool and CONNECT by dialling, and waits. Two ways to use it, freely mixed:
 *
 * - blocking: gds_wait_run sleeps in ppoll(2) until all machines have ended;
 * - from any event loop: gds_wait_interest gives one descriptor (an epoll(7) set of everything
 * inside) and one point in time; when either is due, gds_wait_step does what can be done now.
 *
 * A wait belongs to one thread at a time; different waits are independent of each other. A process
 * that forks while it has one must exec, for epoll sets are shared with the child.
 */
#ifndef GDSTREAM_WAIT_H
#define GDSTREAM_WAIT_H

#include <gdstream/api.h>
#include <gdstream/machine.h>

GDS_BEGIN_DECLS

struct gds_wait;
/** A machine in a wait. Valid until its ended callback is called. */
struct gds_task;

/**
 * The machine has ended; it is freed as soon as this returns. May add, wake and cancel others, but
 * not free the wait.
 */
typedef void gds_ended_fn(void *ctx, struct gds_machine *);

/** As a deadline of a blocking call: do not wait at all. */
#define GDS_AT_ONCE ((gds_time)0)

/** \return the point in time [mono] this span [ns] from now, GDS_NEVER for GDS_NEVER: a deadline
 * for the calls below. */
gds_time gds_within(gds_time span);

/**
 * \param env borrowed, outlives the wait; NULL = gds_env_system().
 * \return GDS_OK; GDS_E_NOMEM; GDS_E_DESCRIPTORS (it takes one descriptor, a look-up a second);
 * GDS_E_INVALID: out is NULL.
 */
int gds_wait_new(struct gds_wait **out, const struct gds_env *env);
/**
 * The machine is owned by the wait from success on. It is not stepped before the next gds_wait_step
 * or gds_wait_run. \param ended called when it is done, or freed with the wait; may be NULL.
 * \return its task, or NULL without memory (the machine stays the caller's).
 */
struct gds_task *gds_wait_add(
	struct gds_wait *, struct gds_machine *, gds_ended_fn *ended, void *ctx);
/** Step it now: something it waits for without a descriptor has come. While it is being stepped:
 * once more, afterwards. */
void gds_task_wake(struct gds_task *);
/**
 * Cancel it. ended is still called, for GDS_CLOSE_SILENT and _RESET perhaps before this returns;
 * from within its own step this takes effect when that is over.
 */
void gds_task_cancel(struct gds_task *, enum gds_close how);
/** \return the machines that have not ended. */
size_t gds_wait_count(const struct gds_wait *);
/** What to wait for: one descriptor (always POLLIN), ready = step at once, and a deadline. */
void gds_wait_interest(struct gds_wait *, struct gds_interest *out);
/** Do what can be done now, bounded: each machine gets a turn. Never blocks. Not from within a
 * callback of this wait. */
void gds_wait_step(struct gds_wait *, gds_time now);
/**
 * Block until all machines have ended.
 * \param deadline absolute [mono]; GDS_NEVER; GDS_AT_ONCE: one step, no waiting.
 * \return GDS_OK: none is left; GDS_E_TIMEOUT: the deadline passed, the rest goes on with the next
 * call; GDS_E_INVALID: NULL.
 */
int gds_wait_run(struct gds_wait *, gds_time deadline);
/** Machines still inside are freed silently, ended is called for each. Accepts NULL. */
void gds_wait_free(struct gds_wait *);

GDS_END_DECLS

#endif
