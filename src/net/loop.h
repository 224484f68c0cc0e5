/* SPDX-License-Identifier: MIT */
/** The one event loop (libev behind these few functions), one a thread. */
#ifndef GDS_NET_LOOP_H
#define GDS_NET_LOOP_H

#include <gdstream/env.h>

struct gds_loop;
struct gds_watch; /* a descriptor watched */
struct gds_timer;
typedef void gds_watch_fn(void *ctx, short revents);
typedef void gds_timer_fn(void *ctx);

/** \return NULL without memory or descriptors. */
struct gds_loop *gds_loop_new(const struct gds_env *);
/** Until gds_loop_stop, also one that came before. */
void gds_loop_run(struct gds_loop *);
/** On the loop's own thread; from others by gds_loop_post. */
void gds_loop_stop(struct gds_loop *);
/**
 * From any thread: run fn(ctx) on the loop's thread (ordered, bounded to 64 waiting).
 * \return GDS_OK, GDS_E_LIMIT.
 */
int gds_loop_post(struct gds_loop *, gds_timer_fn *, void *ctx);
/**
 * Call fn at the end of each iteration that did something, for batched output. One fn; NULL none.
 */
void gds_loop_on_iteration(struct gds_loop *, gds_timer_fn *, void *ctx);
/** Posts that did not run are dropped. All watches and timers are freed before. Accepts NULL. */
void gds_loop_free(struct gds_loop *);
/** How often the loop woke up: a test for busy loops. */
uint64_t gds_loop_wakeups(const struct gds_loop *);

/** events: POLLIN | POLLOUT; 0 = none, not even hang-ups. fn may free it. NULL without memory. */
struct gds_watch *gds_watch_new(struct gds_loop *, int fd, short events, gds_watch_fn *, void *ctx);
/** The descriptor must be set anew when its number was closed and came back as another one. */
void gds_watch_set(struct gds_watch *, int fd, short events);
void gds_watch_free(struct gds_watch *);
struct gds_timer *gds_timer_new(struct gds_loop *, gds_timer_fn *, void *ctx);
/** at: mono; GDS_NEVER disarms. Fires once, never early; a past time on the next iteration. */
void gds_timer_set(struct gds_timer *, gds_time at);
void gds_timer_free(struct gds_timer *);

#endif
