/* SPDX-License-Identifier: MIT */
#include "cli/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct gds_signals {
	const struct gds_env *env;
	gds_signal_fn *fn;
	void *ctx;
	struct gds_watch *watch;
	sigset_t before;
	int fd;
};

static void on_signal(void *ctx, short revents)
{
	struct gds_signals *s = ctx;
	struct signalfd_siginfo info;

	(void)revents;
	/*
	 * One a call: what is called may free us, and a second one keeps the descriptor readable.
	 */
	if (read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		s->fn(s->ctx, (int)info.ssi_signo);
	}
}

void gds_signals_ignore_pipe(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
}

struct gds_signals *gds_signals_new(
	struct gds_loop *loop, gds_signal_fn *fn, void *ctx, const struct gds_env *env)
{
	struct gds_signals *s = gds_alloc(env, sizeof(*s));
	sigset_t set;

	if (!s) {
		return NULL;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	s->env = env;
	s->fn = fn;
	s->ctx = ctx;
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd >= 0) {
		s->watch = gds_watch_new(loop, s->fd, POLLIN, on_signal, s);
	}
	if (!s->watch) {
		if (s->fd >= 0) {
			close(s->fd);
		}
		gds_free(env, s);
		return NULL;
	}
	pthread_sigmask(SIG_BLOCK, &set, &s->before);
	gds_signals_ignore_pipe();
	return s;
}

void gds_signals_free(struct gds_signals *s)
{
	if (s) {
		gds_watch_free(s->watch);
		close(s->fd);
		pthread_sigmask(SIG_SETMASK, &s->before, NULL);
		gds_free(s->env, s);
	}
}
