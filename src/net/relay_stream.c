/* SPDX-License-Identifier: MIT */
/* One relayed TCP connection: two ways, each with what is on it, cut into pieces that are due one
 * after the other. */
#include "net/relay_private.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define WAY_SIZE 65536	  /* [bytes] on the way at most: then the sender has to wait */
#define ARRIVALS 256	  /* reads on the way at most */
#define PIECES_A_STEP 256 /* then the others have their turn */
#define CONNECT_LIMIT (10 * GDS_SECOND)

struct arrival {
	gds_time at;
	size_t left; /* [bytes] of it not yet in a piece */
};

struct way {
	struct gds_impair impair;
	struct arrival arrivals[ARRIVALS];
	size_t first, count;
	size_t start, length; /* of bytes */
	size_t piece;	      /* [bytes] of the next one; 0: not cut yet */
	gds_time due;	      /* when it leaves */
	bool ended, shut;     /* the sender's FIN was read; was passed on */
	bool blocked, again;
	uint8_t bytes[WAY_SIZE];
};

struct gds_relay_stream {
	struct gds_machine machine; /* first */
	struct gds_relay_stream *next;
	struct gds_relay *relay;
	struct gds_binding *binding; /* NULL until bound */
	struct gds_carrier *side[2]; /* client, target */
	bool asked, over;
	enum gds_close how;
	struct way ways[2]; /* ways[i] begins at side[i] */
};

static struct gds_relay_stream *of_machine(struct gds_machine *machine)
{
	return (struct gds_relay_stream *)machine;
}

static void end(struct gds_relay_stream *s, enum gds_close how)
{
	s->over = true;
	s->how = how;
}

static bool has_room(const struct way *w)
{
	return !w->ended && w->length < WAY_SIZE && w->count < ARRIVALS;
}

/* \return GDS_OK; GDS_AGAIN; an error of the sender. */
static int take_in(struct way *w, struct gds_carrier *from, gds_time now)
{
	ssize_t n;

	if (!has_room(w)) {
		return GDS_AGAIN;
	}
	memmove(w->bytes, w->bytes + w->start, w->length);
	w->start = 0;
	n = gds_carrier_read(from, w->bytes + w->length, WAY_SIZE - w->length);
	if (n == GDS_EOF) {
		w->ended = true;
		return GDS_OK;
	}
	if (n < 0) {
		return (int)n;
	}
	w->arrivals[(w->first + w->count++) % ARRIVALS] =
		(struct arrival){.at = now, .left = (size_t)n};
	w->length += (size_t)n;
	return GDS_OK;
}

static void cut(struct way *w)
{
	struct arrival *head = &w->arrivals[w->first];

	w->piece = gds_impair_piece(&w->impair, head->left, head->at, &w->due);
	head->left -= w->piece;
	if (head->left == 0) {
		w->first = (w->first + 1) % ARRIVALS;
		w->count--;
	}
}

/* \return GDS_OK; GDS_AGAIN; an error of the receiver. */
static int give_on(struct gds_relay_stream *s, int i, gds_time now)
{
	struct way *w = &s->ways[i];
	struct gds_carrier *to = s->side[1 - i];

	w->blocked = w->again = false;
	for (int pieces = 0; w->length > 0; pieces++) {
		ssize_t n;

		if (w->piece == 0) {
			cut(w);
		}
		if (w->due > now || pieces == PIECES_A_STEP) {
			w->again = w->due <= now;
			return GDS_OK;
		}
		n = gds_carrier_write(to, w->bytes + w->start, w->piece);
		if (n < 0) {
			w->blocked = n == GDS_AGAIN;
			return (int)n;
		}
		w->start += (size_t)n;
		w->length -= (size_t)n;
		w->piece -= (size_t)n;
		s->relay->stats.bytes[i] += (size_t)n;
		s->relay->stats.pieces[i]++;
	}
	if (w->ended && !w->shut) {
		w->shut = true;
		return gds_carrier_shut(to);
	}
	return GDS_OK;
}

static bool is_bad(int rc)
{
	return rc != GDS_OK && rc != GDS_AGAIN;
}

static void relay(struct gds_relay_stream *s, gds_time now)
{
	for (int i = 0; i < 2 && !s->over; i++) {
		if (is_bad(take_in(&s->ways[i], s->side[i], now)) || is_bad(give_on(s, i, now))) {
			end(s, GDS_CLOSE_RESET); /* what one side did, the other sees */
		}
	}
	if (s->ways[0].shut && s->ways[1].shut && !s->over) {
		end(s, GDS_CLOSE_SILENT);
	}
}

static void stream_step(struct gds_machine *machine, gds_time now, struct gds_need *need)
{
	struct gds_relay_stream *s = of_machine(machine);

	if (!s->asked && !s->over) {
		s->asked = true;
		*need = (struct gds_need){.kind = GDS_CONNECT,
			.id = 1,
			.transport = GDS_TCP,
			.address = s->relay->options.to,
			.deadline = gds_later(now, CONNECT_LIMIT)};
		return;
	}
	if (s->side[1] && !s->over) {
		relay(s, now);
	}
	need->kind = s->over ? GDS_DONE : GDS_WAIT;
}

static size_t stream_interest(
	struct gds_machine *machine, struct gds_interest out[static GDS_MACHINE_INTERESTS])
{
	struct gds_relay_stream *s = of_machine(machine);

	if (!s->side[1]) {
		return 0; /* the driver wakes us with its answer */
	}
	for (int i = 0; i < 2; i++) {
		const struct way *from = &s->ways[i], *to = &s->ways[1 - i];

		out[i].deadline = GDS_NEVER;
		gds_carrier_interest(s->side[i], &out[i]);
		out[i].events =
			(short)((has_room(from) ? POLLIN : 0) | (to->blocked ? POLLOUT : 0));
		out[i].ready = from->again;
		if (from->piece > 0 && !from->blocked && from->due < out[i].deadline) {
			out[i].deadline = from->due;
		}
	}
	return 2;
}

static void stream_answer(struct gds_machine *machine, const struct gds_answer *answer)
{
	struct gds_relay_stream *s = of_machine(machine);

	s->side[1] = answer->carrier;
	if (!s->side[1]) {
		end(s, GDS_CLOSE_RESET);
	}
}

static void stream_cancel(struct gds_machine *machine, enum gds_close how)
{
	end(of_machine(machine), how);
}

static void stream_free(struct gds_machine *machine)
{
	struct gds_relay_stream *s = of_machine(machine);

	for (int i = 0; i < 2; i++) {
		gds_carrier_close(s->side[i], s->over ? s->how : GDS_CLOSE_SILENT);
	}
	gds_free(s->relay->env, s);
}

static const struct gds_machine_ops stream_ops = {
	.step = stream_step,
	.interest = stream_interest,
	.answer = stream_answer,
	.cancel = stream_cancel,
	.free = stream_free,
};

static void on_done(void *ctx, struct gds_machine *machine)
{
	struct gds_relay_stream *s = ctx;
	struct gds_relay *r = s->relay;
	struct gds_relay_stream **at = &r->streams;

	(void)machine;
	if (r->newest == s) {
		r->newest = NULL;
	}
	while (*at != s) {
		at = &(*at)->next;
	}
	*at = s->next;
	if (r->open-- == GDS_RELAY_STREAMS) {
		gds_relay_accept_while_there_is_room(r);
	}
}

bool gds_relay_stream_serve(struct gds_relay *r, int fd)
{
	struct gds_relay_stream *s = gds_alloc(r->env, sizeof(*s));
	struct gds_carrier *client = s ? gds_stream_socket_new(fd, r->env) : NULL;
	struct gds_binding *b;

	if (!client) {
		close(fd);
		gds_free(r->env, s);
		return false;
	}
	s->machine.ops = &stream_ops;
	s->relay = r;
	s->side[0] = client;
	for (unsigned i = 0; i < 2; i++) {
		gds_impair_init(
			&s->ways[i].impair, &r->options.impairment, r->stats.connections, i);
	}
	s->next = r->streams;
	r->streams = r->newest = s;
	r->open++;
	r->stats.connections++;
	b = gds_driver_bind(r->driver, &s->machine, on_done, s);
	if (!b) {
		on_done(s, &s->machine);
		stream_free(&s->machine);
		return false;
	}
	if (r->newest) {
		r->newest->binding = b;
	}
	return true;
}

void gds_relay_streams_free(struct gds_relay *r)
{
	while (r->streams) {
		gds_driver_cancel(r->streams->binding, GDS_CLOSE_SILENT);
	}
}
