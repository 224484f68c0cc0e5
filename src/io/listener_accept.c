/* SPDX-License-Identifier: MIT */
/* How connections come in: accepted here, by the program, secured by the program, or over the
 * shared UDP socket. */
#include "io/listener_private.h"
#include "tls/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64 /* connections */
#define BATCHES_A_TURN 8  /* of datagrams */
/* Without a descriptor left the listening socket would stay readable. */
#define PAUSE (100 * GDS_MILLISECOND)

bool gds_listener_is_full(const struct gds_listener *l)
{
	return gds_wait_count(l->wait) >= l->o.max_open || l->queued >= l->o.max_open;
}

void gds_listener_set_accepting(struct gds_listener *l)
{
	bool accepting = !gds_listener_is_full(l) && l->resume_at == GDS_NEVER;

	if (l->tcp >= 0 && accepting != l->accepting) {
		l->accepting = accepting;
		gds_wait_watch_set(l->wait, l->tcp_slot, l->tcp, accepting);
	}
}

static struct gds_serve_options serve_options(struct gds_listener *l, enum gds_transport transport,
	const struct gds_address *peer, const struct gds_prestate *prestate, void *ctx)
{
	return (struct gds_serve_options){
		.trust = l->o.trust,
		.transport = transport,
		.peer = *peer,
		.prestate = prestate,
		.optional_client_cert = l->o.optional_client_cert,
		.versions = l->o.versions,
		.handshake_limit = l->o.handshake_limit,
		.header_limit = l->o.header_limit,
		.dial_limit = l->o.dial_limit,
		.idle = l->o.idle,
		.scratch = l->scratch,
		.ops = &gds_incoming_ops,
		.ctx = ctx,
		.env = l->env,
	};
}

static struct gds_incoming *incoming_new(
	struct gds_listener *l, enum gds_transport transport, const struct gds_address *peer)
{
	struct gds_incoming *in = gds_alloc(l->env, sizeof(*in));

	if (in) {
		in->listener = l;
		in->env = l->env;
		in->verdict = GDS_REFUSE;
		in->request.transport = transport;
		in->request.peer = *peer;
	}
	return in;
}

/* \return in, or NULL: machine and in are gone, and with them what the machine owned. */
static struct gds_incoming *admit(
	struct gds_listener *l, struct gds_incoming *in, struct gds_machine *machine)
{
	in->task = gds_wait_add(l->wait, machine, gds_incoming_over, in);
	if (!in->task) {
		machine->ops->free(machine);
		gds_free(l->env, in);
		return NULL;
	}
	in->task->question = gds_incoming_question;
	in->next = l->all;
	if (in->next) {
		in->next->previous = in;
	}
	l->all = in;
	return in;
}

struct gds_incoming *gds_listener_connection(struct gds_listener *l, struct gds_carrier *below,
	enum gds_transport transport, const struct gds_address *peer,
	const struct gds_prestate *prestate)
{
	struct gds_incoming *in = incoming_new(l, transport, peer);
	struct gds_machine *machine = NULL;

	if (in) {
		struct gds_serve_options o = serve_options(l, transport, peer, prestate, in);

		machine = gds_serve_new(below, &o);
	}
	if (!machine) {
		gds_free(l->env, in);
		gds_carrier_close(below, GDS_CLOSE_RESET);
		return NULL;
	}
	return admit(l, in, machine);
}

/* --- TCP --- */

void gds_listener_tcp_ready(void *listener)
{
	struct gds_listener *l = listener;

	for (int i = 0; i < ACCEPTS_A_TURN && !gds_listener_is_full(l); i++) {
		struct sockaddr_storage from = {0};
		struct gds_address peer = {0};
		socklen_t n = sizeof(from);
		int fd =
			accept4(l->tcp, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct gds_carrier *below;

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
				errno == ENOMEM) {
				l->resume_at = gds_later(gds_now(l->env), PAUSE);
			}
			if (errno == ECONNABORTED || errno == EINTR) {
				continue;
			}
			break;
		}
		(void)gds_address_from_sockaddr(&peer, (const struct sockaddr *)&from);
		below = gds_stream_socket_new(fd, l->env);
		if (below) {
			(void)gds_listener_connection(l, below, GDS_TCP, &peer, NULL);
		} else {
			close(fd);
		}
	}
	gds_listener_set_accepting(l);
}

static struct gds_address peer_of(int fd)
{
	struct sockaddr_storage from = {0};
	struct gds_address peer = {0};
	socklen_t n = sizeof(from);

	if (getpeername(fd, (struct sockaddr *)&from, &n) == 0) {
		(void)gds_address_from_sockaddr(&peer, (const struct sockaddr *)&from);
	}
	return peer;
}

static int may_adopt(const struct gds_listener *l)
{
	if (!l || l->closed) {
		return GDS_E_INVALID;
	}
	return gds_listener_is_full(l) ? GDS_E_LIMIT : GDS_OK;
}

int gds_listener_adopt_fd(struct gds_listener *l, int fd)
{
	int rc = may_adopt(l);
	struct gds_incoming *in;
	struct gds_machine *machine = NULL;
	struct gds_carrier *below;

	if (rc != GDS_OK) {
		return rc;
	}
	if (fd < 0 || fcntl(fd, F_GETFD) < 0) {
		return GDS_E_INVALID;
	}
	struct gds_address peer = peer_of(fd);

	/* What may fail comes before the carrier, which would close the caller's descriptor. */
	in = incoming_new(l, GDS_TCP, &peer);
	below = in ? gds_stream_socket_new(fd, l->env) : NULL;
	if (below) {
		struct gds_serve_options o = serve_options(l, GDS_TCP, &peer, NULL, in);

		machine = gds_serve_new(below, &o);
	}
	if (!machine) {
		gds_free(l->env, below); /* without its close */
		gds_free(l->env, in);
		return GDS_E_NOMEM;
	}
	/* From here on it is ours, whatever happens: it is closed when it cannot be served. */
	(void)admit(l, in, machine);
	return GDS_OK;
}

int gds_listener_adopt_session(struct gds_listener *l, struct gds_carrier *carrier)
{
	struct gds_session *session = gds_session_of_carrier(carrier);
	int rc = may_adopt(l);
	struct gds_incoming *in;
	struct gds_machine *machine = NULL;

	if (rc != GDS_OK) {
		return rc;
	}
	if (!session || carrier->datagram) {
		return GDS_E_INVALID;
	}
	struct gds_address peer = peer_of(gds_carrier_fd(carrier));

	in = incoming_new(l, GDS_TCP, &peer);
	if (in) {
		struct gds_serve_options o = serve_options(l, GDS_TCP, &peer, NULL, in);

		machine = gds_serve_adopt(session, &o);
	}
	if (!machine) {
		gds_free(l->env, in);
		return GDS_E_NOMEM;
	}
	(void)admit(l, in, machine);
	return GDS_OK;
}

/* --- UDP --- */

static void udp_send(void *ctx, const struct gds_address *to, const uint8_t *data, size_t n)
{
	struct gds_listener *l = ctx;

	gds_batch_send(l->batch, to, data, n);
}

static void *udp_accepted(void *ctx, struct gds_carrier *slot, const struct gds_address *peer,
	const struct gds_prestate *prestate)
{
	struct gds_listener *l = ctx;
	struct gds_incoming *in;

	if (gds_listener_is_full(l)) {
		return NULL;
	}
	in = gds_listener_connection(l, slot, GDS_UDP, peer, prestate);
	if (!in) {
		return NULL; /* and the slot was closed: the demux has seen that */
	}
	/* The ClientHello is there for as long as this call. A machine that is over by then has
	 * closed its slot. */
	gds_task_wake(in->task);
	return in;
}

static void udp_wake(void *ctx, void *token)
{
	struct gds_incoming *in = token;

	(void)ctx;
	if (in->task) {
		gds_task_wake(in->task);
	}
}

static void udp_replaced(void *ctx, void *token)
{
	struct gds_incoming *in = token;

	(void)ctx;
	if (in->task) {
		gds_task_cancel(in->task, GDS_CLOSE_SILENT);
	}
}

void gds_listener_udp_ready(void *listener)
{
	struct gds_listener *l = listener;

	for (int turn = 0; turn < BATCHES_A_TURN; turn++) {
		int n = gds_batch_receive(l->batch);

		for (int i = 0; i < n; i++) {
			struct gds_datagram in;

			in.data = gds_batch_get(l->batch, i, &in.n, &in.peer);
			gds_demux_input(l->demux, &in, gds_now(l->env));
		}
		if (n < GDS_BATCH) {
			return;
		}
	}
}

int gds_listener_init_demux(struct gds_listener *l)
{
	static const struct gds_demux_ops ops = {.send = udp_send,
		.accepted = udp_accepted,
		.wake = udp_wake,
		.replaced = udp_replaced};
	struct gds_demux_options o = {.max_sessions = l->o.max_open, .env = l->env};
	int rc = l->env->random(l->env->ctx, l->cookie_keys, sizeof(l->cookie_keys));

	if (rc != GDS_OK) {
		return rc;
	}
	for (size_t i = 0; i < sizeof(l->cookie_keys); i++) {
		o.cookie_key[i / 16][i % 16] = l->cookie_keys[i / 16][i % 16];
	}
	l->batch = gds_batch_new(l->udp, l->env);
	l->demux = gds_demux_new(&o, &ops, l);
	return l->batch && l->demux ? GDS_OK : GDS_E_NOMEM;
}
