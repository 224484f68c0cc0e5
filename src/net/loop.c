/* SPDX-License-Identifier: MIT */
#include "net/loop.h"

#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * libev's macros look at every watcher through its base type. It compiles itself with
 * -fno-strict-aliasing and copes.
 */
#pragma GCC diagnostic ignored "-Wstrict-aliasing"

#define POSTS_MAX 64

struct post {
	gds_timer_fn *fn;
	void *ctx;
};

struct gds_loop {
	const struct gds_env *env;
	struct ev_loop *ev;
	ev_prepare before_wait;
	ev_check after_wait;
	/* Not an ev_async: without a descriptor left for it libev would abort the program. */
	ev_io posted;
	int wake;	      /* eventfd: posts wait */
	pthread_mutex_t lock; /* of posts and posts_count */
	struct post posts[POSTS_MAX];
	size_t posts_count;
	gds_timer_fn *on_iteration;
	void *on_iteration_ctx;
	gds_time woken; /* mono: about the time that libev takes for "now" */
	uint64_t wakeups;
	bool busy; /* something was called since the last wait */
	bool stopped;
};

struct gds_watch {
	ev_io io; /* data: the watch */
	struct gds_loop *loop;
	gds_watch_fn *fn;
	void *ctx;
};

struct gds_timer {
	ev_timer timer; /* data: the timer */
	struct gds_loop *loop;
	gds_timer_fn *fn;
	void *ctx;
	gds_time at;
};

static void on_before_wait(struct ev_loop *ev, ev_prepare *w, int revents)
{
	struct gds_loop *loop = w->data;

	(void)ev;
	(void)revents;
	if (loop->busy) {
		loop->busy = false;
		if (loop->on_iteration) {
			loop->on_iteration(loop->on_iteration_ctx);
		}
	}
}

static void on_after_wait(struct ev_loop *ev, ev_check *w, int revents)
{
	struct gds_loop *loop = w->data;

	(void)ev;
	(void)revents;
	loop->wakeups++;
	loop->woken = gds_now(loop->env);
}

static void on_posted(struct ev_loop *ev, ev_io *w, int revents)
{
	struct gds_loop *loop = w->data;
	struct post posts[POSTS_MAX];
	uint64_t count;
	size_t n;

	(void)ev;
	(void)revents;
	loop->busy = true;
	/* Before the posts are taken: what is posted from here on wakes anew. */
	while (read(loop->wake, &count, sizeof(count)) < 0 && errno == EINTR) {
	}
	pthread_mutex_lock(&loop->lock);
	n = loop->posts_count;
	memcpy(posts, loop->posts, n * sizeof(posts[0]));
	loop->posts_count = 0;
	pthread_mutex_unlock(&loop->lock);
	for (size_t i = 0; i < n; i++) {
		posts[i].fn(posts[i].ctx);
	}
}

struct gds_loop *gds_loop_new(const struct gds_env *env)
{
	struct gds_loop *loop = gds_alloc(env, sizeof(*loop));

	if (!loop) {
		return NULL;
	}
	loop->env = env;
	/*
	 * An environment variable must not choose the backend: wake-ups are counted and epoll's are
	 * known.
	 */
	loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	loop->wake = loop->ev ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	if (loop->wake < 0) {
		if (loop->ev) {
			ev_loop_destroy(loop->ev);
		}
		gds_free(env, loop);
		return NULL;
	}
	pthread_mutex_init(&loop->lock, NULL);
	loop->woken = gds_now(env);
	ev_prepare_init(&loop->before_wait, on_before_wait);
	ev_check_init(&loop->after_wait, on_after_wait);
	ev_io_init(&loop->posted, on_posted, loop->wake, EV_READ);
	loop->before_wait.data = loop->after_wait.data = loop->posted.data = loop;
	/* Before all others: they ask for the time of the wake-up. */
	ev_set_priority(&loop->after_wait, EV_MAXPRI);
	ev_prepare_start(loop->ev, &loop->before_wait);
	ev_check_start(loop->ev, &loop->after_wait);
	ev_io_start(loop->ev, &loop->posted);
	return loop;
}

void gds_loop_run(struct gds_loop *loop)
{
	if (!loop->stopped) {
		ev_run(loop->ev, 0);
	}
	loop->stopped = false;
}

void gds_loop_stop(struct gds_loop *loop)
{
	loop->stopped = true;
	ev_break(loop->ev, EVBREAK_ONE);
}

int gds_loop_post(struct gds_loop *loop, gds_timer_fn *fn, void *ctx)
{
	int rc = GDS_E_LIMIT;

	pthread_mutex_lock(&loop->lock);
	if (loop->posts_count < POSTS_MAX) {
		loop->posts[loop->posts_count++] = (struct post){fn, ctx};
		/* Under the lock: once the last post is run, its loop may be freed. */
		uint64_t one = 1;

		while (write(loop->wake, &one, sizeof(one)) < 0 && errno == EINTR) {
		}
		rc = GDS_OK;
	}
	pthread_mutex_unlock(&loop->lock);
	return rc;
}

void gds_loop_on_iteration(struct gds_loop *loop, gds_timer_fn *fn, void *ctx)
{
	loop->on_iteration = fn;
	loop->on_iteration_ctx = ctx;
}

void gds_loop_free(struct gds_loop *loop)
{
	if (!loop) {
		return;
	}
	ev_prepare_stop(loop->ev, &loop->before_wait);
	ev_check_stop(loop->ev, &loop->after_wait);
	ev_io_stop(loop->ev, &loop->posted);
	ev_loop_destroy(loop->ev);
	close(loop->wake);
	pthread_mutex_destroy(&loop->lock);
	gds_free(loop->env, loop);
}

uint64_t gds_loop_wakeups(const struct gds_loop *loop)
{
	return loop->wakeups;
}

static void on_io(struct ev_loop *ev, ev_io *w, int revents)
{
	struct gds_watch *watch = w->data;

	(void)ev;
	watch->loop->busy = true;
	watch->fn(watch->ctx,
		(short)((revents & EV_READ ? POLLIN : 0) | (revents & EV_WRITE ? POLLOUT : 0)));
}

struct gds_watch *gds_watch_new(
	struct gds_loop *loop, int fd, short events, gds_watch_fn *fn, void *ctx)
{
	struct gds_watch *watch = gds_alloc(loop->env, sizeof(*watch));

	if (!watch) {
		return NULL;
	}
	watch->loop = loop;
	watch->fn = fn;
	watch->ctx = ctx;
	ev_io_init(&watch->io, on_io, -1, 0);
	watch->io.data = watch;
	gds_watch_set(watch, fd, events);
	return watch;
}

void gds_watch_set(struct gds_watch *watch, int fd, short events)
{
	int wanted = (events & POLLIN ? EV_READ : 0) | (events & POLLOUT ? EV_WRITE : 0);

	ev_io_stop(watch->loop->ev, &watch->io);
	/*
	 * Stopped without events: epoll reports hang-ups and errors even to those who ask for
	 * nothing.
	 */
	if (fd >= 0 && wanted) {
		ev_io_set(&watch->io, fd, wanted);
		ev_io_start(watch->loop->ev, &watch->io);
	}
}

void gds_watch_free(struct gds_watch *watch)
{
	if (watch) {
		ev_io_stop(watch->loop->ev, &watch->io);
		gds_free(watch->loop->env, watch);
	}
}

static void arm(struct gds_timer *timer)
{
	/* libev counts from its own idea of now, the time of the wake-up. */
	gds_time span = timer->at - timer->loop->woken;

	ev_timer_stop(timer->loop->ev, &timer->timer);
	ev_timer_set(&timer->timer, span > 0 ? (double)span / (double)GDS_SECOND : 0., 0.);
	ev_timer_start(timer->loop->ev, &timer->timer);
}

static void on_timeout(struct ev_loop *ev, ev_timer *w, int revents)
{
	struct gds_timer *timer = w->data;

	(void)ev;
	(void)revents;
	/* Never early, whatever rounding and the difference of two clocks did. */
	if (gds_now(timer->loop->env) < timer->at) {
		arm(timer);
		return;
	}
	timer->loop->busy = true;
	timer->fn(timer->ctx);
}

struct gds_timer *gds_timer_new(struct gds_loop *loop, gds_timer_fn *fn, void *ctx)
{
	struct gds_timer *timer = gds_alloc(loop->env, sizeof(*timer));

	if (!timer) {
		return NULL;
	}
	timer->loop = loop;
	timer->fn = fn;
	timer->ctx = ctx;
	timer->at = GDS_NEVER;
	ev_timer_init(&timer->timer, on_timeout, 0., 0.);
	timer->timer.data = timer;
	return timer;
}

void gds_timer_set(struct gds_timer *timer, gds_time at)
{
	timer->at = at;
	if (at == GDS_NEVER) {
		ev_timer_stop(timer->loop->ev, &timer->timer);
	} else {
		arm(timer);
	}
}

void gds_timer_free(struct gds_timer *timer)
{
	if (timer) {
		ev_timer_stop(timer->loop->ev, &timer->timer);
		gds_free(timer->loop->env, timer);
	}
}
