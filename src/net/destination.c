/* SPDX-License-Identifier: MIT */
#include "net/destination.h"

#include "io/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define ECHO_BUFFER 65536 /* [bytes] a connection holds at most (TCP-12) */
#define DATAGRAM_BUFFER 65536
#define DATAGRAMS_A_TURN 64
#define ACCEPTS_A_TURN 64
/* Without descriptors or memory a listening socket stays readable: look again after this. */
#define ACCEPT_PAUSE (100 * GDS_MILLISECOND)

struct connection {
	struct gds_machine machine; /* first */
	struct connection *next;
	struct gds_destination *owner;
	struct gds_binding *binding; /* NULL until bound */
	struct gds_carrier *peer;
	bool over;
	enum gds_close how;
	size_t start, length; /* of what waits to be sent back */
	uint8_t bytes[ECHO_BUFFER];
};

struct gds_destination {
	const struct gds_env *env;
	struct gds_driver *driver;
	struct gds_address address;
	int tcp, udp;
	struct gds_watch *accepting, *receiving;
	struct gds_timer *pause;
	struct connection *connections;
	struct connection *newest; /* while it is being bound; NULL when it ended meanwhile */
	size_t open;
	uint64_t connection_count, datagram_count;
	gds_time first[2]; /* mono, by transport: when payload first came; 0 never */
	uint8_t datagram[DATAGRAM_BUFFER];
};

/* --- A connection --- */

static struct connection *of_machine(struct gds_machine *machine)
{
	return (struct connection *)machine;
}

/* \return GDS_OK, GDS_AGAIN (nothing there, or no room), GDS_EOF, an error. */
static int take_in(struct connection *c)
{
	ssize_t n;

	if (c->length > 0) {
		return GDS_AGAIN;
	}
	n = gds_carrier_read(c->peer, c->bytes, sizeof(c->bytes));
	if (n < 0) {
		return (int)n;
	}
	if (!c->owner->first[GDS_TCP]) {
		c->owner->first[GDS_TCP] = gds_now(c->owner->env);
	}
	c->start = 0;
	c->length = (size_t)n;
	return GDS_OK;
}

static int give_back(struct connection *c)
{
	while (c->length > 0) {
		ssize_t n = gds_carrier_write(c->peer, c->bytes + c->start, c->length);

		if (n < 0) {
			return (int)n;
		}
		c->start += (size_t)n;
		c->length -= (size_t)n;
	}
	return GDS_OK;
}

static void over(struct connection *c, enum gds_close how)
{
	c->over = true;
	c->how = how;
}

static void connection_step(struct gds_machine *machine, gds_time now, struct gds_need *need)
{
	struct connection *c = of_machine(machine);

	(void)now;
	if (!c->over) {
		int in = take_in(c), out = give_back(c);

		if (in == GDS_EOF) {
			/*
			 * Half-close: our FIN follows the last byte of the echo, for nothing waits
			 * when it is read.
			 */
			over(c, GDS_CLOSE_CLEAN);
		} else if ((in != GDS_OK && in != GDS_AGAIN) ||
			   (out != GDS_OK && out != GDS_AGAIN)) {
			over(c, GDS_CLOSE_SILENT);
		}
	}
	need->kind = c->over ? GDS_DONE : GDS_WAIT;
}

static size_t connection_interest(
	struct gds_machine *machine, struct gds_interest out[static GDS_MACHINE_INTERESTS])
{
	struct connection *c = of_machine(machine);

	gds_carrier_interest(c->peer, &out[0]);
	/* Nothing is read while there is no room: the sender slows down. */
	out[0].events = c->length > 0 ? POLLOUT : POLLIN;
	return 1;
}

static void connection_answer(struct gds_machine *machine, const struct gds_answer *answer)
{
	(void)machine;
	gds_carrier_close(answer->carrier, GDS_CLOSE_SILENT); /* nothing was asked for */
}

static void connection_cancel(struct gds_machine *machine, enum gds_close how)
{
	over(of_machine(machine), how);
}

static void connection_free(struct gds_machine *machine)
{
	struct connection *c = of_machine(machine);

	gds_carrier_close(c->peer, c->over ? c->how : GDS_CLOSE_SILENT);
	gds_free(c->owner->env, c);
}

static const struct gds_machine_ops connection_ops = {
	.step = connection_step,
	.interest = connection_interest,
	.answer = connection_answer,
	.cancel = connection_cancel,
	.free = connection_free,
};

/* --- Accepting --- */

static void accept_while_there_is_room(struct gds_destination *d)
{
	gds_watch_set(d->accepting, d->tcp, d->open < CONNECTIONS_MAX ? POLLIN : 0);
}

static void on_connection_done(void *ctx, struct gds_machine *machine)
{
	struct connection *c = ctx;
	struct gds_destination *d = c->owner;
	struct connection **at = &d->connections;

	(void)machine;
	if (d->newest == c) {
		d->newest = NULL;
	}
	while (*at != c) {
		at = &(*at)->next;
	}
	*at = c->next;
	if (d->open-- == CONNECTIONS_MAX) {
		accept_while_there_is_room(d);
	}
}

/* \return false without memory; fd is then closed. */
static bool serve(struct gds_destination *d, int fd)
{
	struct connection *c = gds_alloc(d->env, sizeof(*c));
	struct gds_carrier *peer = c ? gds_stream_socket_new(fd, d->env) : NULL;

	if (!peer) {
		close(fd);
		gds_free(d->env, c);
		return false;
	}
	c->machine.ops = &connection_ops;
	c->owner = d;
	c->peer = peer;
	c->next = d->connections;
	d->connections = c;
	d->open++;
	d->connection_count++;
	d->newest = c;

	struct gds_binding *b = gds_driver_bind(d->driver, &c->machine, on_connection_done, c);

	if (!b) {
		on_connection_done(c, &c->machine);
		connection_free(&c->machine);
		return false;
	}
	if (d->newest) {
		d->newest->binding = b;
	}
	return true;
}

static void on_accept(void *ctx, short revents)
{
	struct gds_destination *d = ctx;
	bool served = true;

	(void)revents;
	for (int i = 0; served && i < ACCEPTS_A_TURN && d->open < CONNECTIONS_MAX; i++) {
		int fd = accept4(d->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && errno == EAGAIN) {
			break;
		}
		if (fd >= 0) {
			served = serve(d, fd);
		} else {
			/*
			 * accept(2): what went wrong with a connection before it was accepted is
			 * reported here.
			 */
			served = errno != EMFILE && errno != ENFILE && errno != ENOBUFS &&
				 errno != ENOMEM;
		}
	}
	if (!served) {
		gds_watch_set(d->accepting, d->tcp, 0);
		gds_timer_set(d->pause, gds_later(gds_now(d->env), ACCEPT_PAUSE));
	} else {
		accept_while_there_is_room(d);
	}
}

static void on_pause_over(void *ctx)
{
	accept_while_there_is_room(ctx);
}

static void on_datagram(void *ctx, short revents)
{
	struct gds_destination *d = ctx;

	(void)revents;
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		struct sockaddr_storage peer;
		socklen_t size = sizeof(peer);
		ssize_t n = recvfrom(d->udp, d->datagram, sizeof(d->datagram), MSG_DONTWAIT,
			(struct sockaddr *)&peer, &size);

		if (n < 0) {
			break;
		}
		if (d->datagram_count++ == 0) {
			d->first[GDS_UDP] = gds_now(d->env);
		}
		/* What cannot be sent now is lost, as UDP may. */
		(void)sendto(d->udp, d->datagram, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL,
			(struct sockaddr *)&peer, size);
	}
}

/* --- The destination --- */

int gds_destination_echo(struct gds_destination **out, struct gds_driver *driver,
	struct gds_loop *loop, const struct gds_address *address, const struct gds_env *env,
	struct gds_complaint *complaint)
{
	struct gds_destination *d = gds_alloc(env, sizeof(*d));
	int rc;

	if (!d) {
		return gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	d->env = env;
	d->driver = driver;
	rc = gds_listen_pair(address, 1, &d->tcp, &d->udp, &d->address, complaint);
	if (rc != GDS_OK) {
		gds_free(env, d);
		return rc;
	}
	d->accepting = gds_watch_new(loop, d->tcp, POLLIN, on_accept, d);
	d->receiving = gds_watch_new(loop, d->udp, POLLIN, on_datagram, d);
	d->pause = gds_timer_new(loop, on_pause_over, d);
	if (!d->accepting || !d->receiving || !d->pause) {
		gds_destination_free(d);
		return gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	*out = d;
	return GDS_OK;
}

const struct gds_address *gds_destination_address(const struct gds_destination *d)
{
	return &d->address;
}

uint64_t gds_destination_connections(const struct gds_destination *d)
{
	return d->connection_count;
}

uint64_t gds_destination_datagrams(const struct gds_destination *d)
{
	return d->datagram_count;
}

gds_time gds_destination_first(const struct gds_destination *d, enum gds_transport transport)
{
	return d->first[transport];
}

void gds_destination_free(struct gds_destination *d)
{
	if (!d) {
		return;
	}
	while (d->connections) {
		gds_driver_cancel(d->connections->binding, GDS_CLOSE_SILENT);
	}
	gds_watch_free(d->accepting);
	gds_watch_free(d->receiving);
	gds_timer_free(d->pause);
	close(d->tcp);
	close(d->udp);
	gds_free(d->env, d);
}
