/* SPDX-License-Identifier: MIT */
#include "server/server_private.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64	      /* connections */
#define BATCHES_A_TURN 8	      /* of datagrams */
#define PAUSE (100 * GDS_MILLISECOND) /* of accepting when no descriptor is left */
#define COMPLAIN_EVERY (60 * GDS_SECOND)
#define COOKIE_KEY_LIFE (300 * GDS_SECOND)

static const struct gds_env *env(void)
{
	return gds_env_system();
}

static void stop_when_empty(struct gds_worker *w)
{
	if (w->stopping && w->open == 0) {
		gds_loop_stop(w->loop);
	}
}

static void set_accepting(struct gds_worker *w, bool accepting)
{
	if (w->accepting != accepting && !w->stopping) {
		w->accepting = accepting;
		gds_watch_set(w->tcp_watch, w->tcp, accepting ? POLLIN : 0);
	}
}

static void connection_done(void *ctx, struct gds_machine *machine)
{
	struct gds_connection *c = ctx;
	struct gds_worker *w = c->worker;
	(void)machine;
	w->open--;
	atomic_fetch_sub_explicit(&w->counters[COUNT_OPEN], 1, memory_order_relaxed);
	if (c->transport == GDS_TCP && w->tcp_open-- == w->server->o.max_connections) {
		set_accepting(w, true);
	}
	if (c->binding) {
		gds_free(env(), c);
	} else {
		c->ended = true;
	}
	stop_when_empty(w);
}

/*
 * \return the connection; NULL when it is over already or never was. *taken: below is not the
 * caller's any more.
 */
static struct gds_connection *serve(struct gds_worker *w, struct gds_carrier *below,
	enum gds_transport transport, const struct gds_address *peer,
	const struct gds_prestate *prestate, bool *taken)
{
	const struct gds_server_options *o = &w->server->o;
	struct gds_connection *c = gds_alloc(env(), sizeof(*c));
	*taken = false;
	if (!c) {
		return NULL;
	}
	*c = (struct gds_connection){.worker = w, .transport = transport};
	struct gds_serve_options serve = {
		.trust = o->trust,
		.transport = transport,
		.peer = *peer,
		.prestate = prestate,
		.optional_client_cert = o->optional_client_cert,
		.versions = o->versions,
		.http = transport == GDS_TCP,
		.handshake_limit = o->handshake_limit,
		.header_limit = o->header_limit,
		.dial_limit = o->dial_limit,
		.idle = o->udp_idle,
		.scratch = w->scratch,
		.ops = &w->server->ops.serve,
		.ctx = c,
		.env = env(),
	};
	const struct gds_server_ops *ops = &w->server->ops;
	struct gds_carrier *bottom = ops->under ? ops->under(c, below) : below;
	struct gds_machine *machine = gds_serve_new(bottom, &serve);
	if (!machine) {
		*taken = bottom != below;
		gds_carrier_close(*taken ? bottom : NULL, GDS_CLOSE_RESET);
		gds_free(env(), c);
		return NULL;
	}
	*taken = true;
	w->open++;
	w->tcp_open += transport == GDS_TCP;
	gds_count(w, COUNT_OPEN, 1);
	gds_count(w, transport == GDS_TCP ? COUNT_TCP_ACCEPTED : COUNT_UDP_ACCEPTED, 1);
	struct gds_binding *binding = gds_driver_bind(w->driver, machine, connection_done, c);
	if (!binding && !c->ended) {
		connection_done(c, machine);
		machine->ops->free(machine);
	}
	if (c->ended) {
		gds_free(env(), c);
		return NULL;
	}
	c->binding = binding;
	return c;
}

/* --- TCP ----------------------------------------------------------------------------- */

static void complain(struct gds_worker *w, const char *message, int sys)
{
	struct gds_log_line line;
	char text[64];
	gds_log_begin(&line, message);
	gds_log_text(&line, "errno", strerror_r(sys, text, sizeof(text)));
	gds_server_log(w->server, GDS_LOG_ERROR, &line);
}

/*
 * Without descriptors the listening socket would stay readable: pause, say so once a minute, live
 * on.
 */
static void accept_failed(struct gds_worker *w, int sys)
{
	bool transient = sys == ECONNABORTED || sys == EINTR || sys == EPROTO || sys == EPERM;
	if (transient) {
		return;
	}
	gds_time now = gds_now(env());
	if (now >= w->complain_again) {
		w->complain_again = gds_later(now, COMPLAIN_EVERY);
		complain(w, "accepting pauses", sys);
	}
	set_accepting(w, false);
	gds_timer_set(w->resume, gds_later(now, PAUSE));
}

static void resume(void *ctx)
{
	struct gds_worker *w = ctx;
	if (w->tcp_open < w->server->o.max_connections) {
		set_accepting(w, true);
	}
}

static void take_connection(struct gds_worker *w, int fd, const struct sockaddr_storage *from)
{
	struct gds_address peer = {0};
	bool taken = false;
	gds_address_from_sockaddr(&peer, (const struct sockaddr *)from);
	struct gds_carrier *below = gds_stream_socket_new(fd, env());
	if (!below) {
		close(fd);
		return;
	}
	serve(w, below, GDS_TCP, &peer, NULL, &taken);
	if (!taken) {
		gds_carrier_close(below, GDS_CLOSE_RESET);
	}
}

static void tcp_readable(void *ctx, short revents)
{
	struct gds_worker *w = ctx;
	(void)revents;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		if (w->tcp_open >= w->server->o.max_connections) {
			set_accepting(w, false);
			return;
		}
		struct sockaddr_storage from = {0};
		socklen_t n = sizeof(from);
		int fd =
			accept4(w->tcp, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take_connection(w, fd, &from);
		} else if (errno == EAGAIN) {
			return;
		} else {
			accept_failed(w, errno);
			if (!w->accepting) {
				return;
			}
		}
	}
}

/* --- UDP ----------------------------------------------------------------------------- */

static void udp_send(void *ctx, const struct gds_address *to, const uint8_t *data, size_t n)
{
	struct gds_worker *w = ctx;
	gds_batch_send(w->batch, to, data, n);
}

static void *udp_accepted(void *ctx, struct gds_carrier *slot, const struct gds_address *peer,
	const struct gds_prestate *prestate)
{
	bool taken;
	return serve(ctx, slot, GDS_UDP, peer, prestate, &taken);
}

static void udp_wake(void *ctx, void *token)
{
	struct gds_connection *c = token;
	(void)ctx;
	gds_driver_kick(c->binding);
}

static void udp_replaced(void *ctx, void *token)
{
	struct gds_connection *c = token;
	(void)ctx;
	gds_driver_cancel(c->binding, GDS_CLOSE_SILENT);
}

static void udp_readable(void *ctx, short revents)
{
	struct gds_worker *w = ctx;
	(void)revents;
	for (int turn = 0; turn < BATCHES_A_TURN; turn++) {
		int n = gds_batch_receive(w->batch);
		for (int i = 0; i < n; i++) {
			struct gds_datagram in;
			in.data = gds_batch_get(w->batch, i, &in.n, &in.peer);
			gds_demux_input(w->demux, &in, gds_now(env()));
		}
		if (n < GDS_BATCH) {
			return;
		}
	}
}

void gds_worker_established(void *ctx, struct gds_carrier *below)
{
	struct gds_connection *c = ctx;
	c->established = gds_now(env());
	if (c->transport == GDS_UDP) {
		gds_demux_established(c->worker->demux, below);
	}
}

/* --- The thread ---------------------------------------------------------------------- */

static struct gds_carrier *handoff(
	void *ctx, struct gds_machine *machine, const struct gds_need *need, struct gds_error *why)
{
	struct gds_worker *w = ctx;
	(void)machine;
	(void)need;
	return gds_http_connect(w->http, why);
}

static void iteration(void *ctx)
{
	struct gds_worker *w = ctx;
	gds_batch_flush(w->batch);
	atomic_store_explicit(
		&w->counters[COUNT_WAKEUPS], gds_loop_wakeups(w->loop), memory_order_relaxed);
}

static void rotate_keys(void *ctx)
{
	struct gds_worker *w = ctx;
	uint8_t keys[2][16];
	gds_server_cookie_keys(w->server, w == w->server->workers, keys);
	gds_demux_keys(w->demux, keys);
	gds_timer_set(w->keys, gds_later(gds_now(env()), COOKIE_KEY_LIFE));
}

static void drain_over(void *ctx)
{
	struct gds_worker *w = ctx;
	gds_driver_cancel_all(w->driver, GDS_CLOSE_RESET);
	w->open = 0;
	stop_when_empty(w);
}

void gds_worker_drain(void *ctx)
{
	struct gds_worker *w = ctx;
	set_accepting(w, false);
	w->stopping = true;
	gds_watch_free(w->tcp_watch);
	w->tcp_watch = NULL;
	close(w->tcp); /* who comes now is refused, not left waiting */
	w->tcp = -1;
	gds_demux_drain(w->demux);
	gds_timer_set(w->drain, gds_later(gds_now(env()), w->server->o.drain));
	gds_driver_cancel_all(w->driver, GDS_CLOSE_CLEAN); /* TCP-11, UDP-16 */
	stop_when_empty(w);
}

static bool init_demux(struct gds_worker *w)
{
	const struct gds_demux_ops ops = {
		udp_send, udp_accepted, udp_wake, udp_replaced, w->server->ops.hello};
	struct gds_demux_options o = {.max_sessions = w->server->o.max_sessions, .env = env()};
	gds_server_cookie_keys(w->server, false, o.cookie_key);
	w->demux = gds_demux_new(&o, &ops, w);
	return w->demux != NULL;
}

int gds_worker_init(struct gds_worker *w, struct gds_server *server, int tcp, int udp)
{
	static const struct gds_driver_ops driver_ops = {handoff};
	w->server = server;
	w->tcp = tcp;
	w->udp = udp;
	w->accepting = true;
	w->scratch = gds_alloc(env(), sizeof(*w->scratch));
	w->loop = gds_loop_new(env());
	w->resolver = gds_resolver_new(env(), GDS_RESOLVER_THREADS);
	w->batch = gds_batch_new(udp, env());
	if (!w->scratch || !w->loop || !w->resolver || !w->batch || !init_demux(w)) {
		return GDS_E_NOMEM;
	}
	w->driver = gds_driver_new(w->loop, w->resolver, &driver_ops, w, env());
	w->http = gds_http_new(w->loop, &server->http, env());
	w->resume = gds_timer_new(w->loop, resume, w);
	w->drain = gds_timer_new(w->loop, drain_over, w);
	w->keys = gds_timer_new(w->loop, rotate_keys, w);
	w->tcp_watch = gds_watch_new(w->loop, tcp, POLLIN, tcp_readable, w);
	w->udp_watch = gds_watch_new(w->loop, udp, POLLIN, udp_readable, w);
	if (!w->driver || !w->http || !w->resume || !w->drain || !w->keys || !w->tcp_watch ||
		!w->udp_watch) {
		return GDS_E_NOMEM;
	}
	if (server->ops.listening) {
		server->ops.listening(w);
	}
	gds_loop_on_iteration(w->loop, iteration, w);
	gds_timer_set(w->keys, gds_later(gds_now(env()), COOKIE_KEY_LIFE));
	return GDS_OK;
}

void *gds_worker_run(void *ctx)
{
	struct gds_worker *w = ctx;
	gds_loop_run(w->loop);
	gds_batch_flush(w->batch);
	return NULL;
}

void gds_worker_deinit(struct gds_worker *w)
{
	gds_watch_free(w->tcp_watch);
	gds_watch_free(w->udp_watch);
	gds_timer_free(w->resume);
	gds_timer_free(w->drain);
	gds_timer_free(w->keys);
	if (w->driver) {
		gds_driver_free(w->driver);
	}
	gds_fault_forget_leaked(w);
	gds_http_free(w->http);
	gds_demux_free(w->demux);
	gds_batch_free(w->batch);
	gds_resolver_free(w->resolver);
	gds_loop_free(w->loop);
	gds_free(env(), w->scratch);
	if (w->tcp >= 0) {
		close(w->tcp);
	}
	if (w->udp >= 0) {
		close(w->udp);
	}
}
