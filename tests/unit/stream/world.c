/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "../tls/odd.h"
#include "tls/verdict.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define TURNS_MAX 200000
#define PAYLOAD 3000 /* [bytes] there and back */
#define ATTEMPT_LIMIT (5 * GDS_SECOND)

int world_side;
static struct gds_trust *trusts[2];

int world_open(void **state)
{
	struct gds_complaint complaint;
	struct gds_identity *ca = odd_ca(NULL, 0);

	(void)state;
	for (int i = 0; i < 2; i++) {
		enum gds_leaf kind = i == CLIENT ? GDS_LEAF_CLIENT : GDS_LEAF_SERVER;
		struct gds_identity *leaf = odd_leaf(ca, kind, NULL);
		int rc = gds_trust_new(
			&trusts[i], leaf, i == CLIENT ? GDS_CLIENT : GDS_SERVER, &complaint);

		assert(rc == GDS_OK);
		(void)rc;
		odd_free(leaf);
	}
	odd_free(ca);
	return 0;
}

int world_close(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		gds_trust_unref(trusts[i]);
		trusts[i] = NULL;
	}
	return 0;
}

/* --- The two environments --- */

static gds_time mono(void *ctx)
{
	return ((struct world_heap *)ctx)->world->now;
}

static gds_time wall(void *ctx)
{
	(void)ctx;
	return gds_env_system()->wall(NULL); /* certificates are judged by it */
}

static int some_bytes(void *ctx, void *out, size_t n)
{
	(void)ctx;
	memset(out, 0x5a, n);
	return GDS_OK;
}

static void *count_realloc(void *ctx, void *old, size_t n)
{
	struct world_heap *heap = ctx;
	void *new;

	if (n == 0) {
		heap->live -= old != NULL;
		free(old);
		return NULL;
	}
	if (++heap->allocations == heap->fail_at) {
		errno = ENOMEM;
		return NULL;
	}
	new = realloc(old, n);
	assert(new);
	heap->live += !old;
	return new;
}

/* --- The wires --- */

static struct world_wire *wire_new(struct world *w)
{
	struct world_wire *wire = &w->wires[w->n_wires];

	assert(w->n_wires < WORLD_WIRES);
	w->n_wires++;
	wire->pair = pair_new(w->plan.transport == GDS_UDP);
	for (int i = 0; i < 2; i++) {
		wire->pair->end[i]->carrier.env = &w->heap[i].env;
	}
	wire->client = (struct gds_address){
		.family = 4, .ip = {192, 0, 2, 1}, .port = (uint16_t)(40000 + w->n_wires)};
	if (w->plan.wire) {
		w->plan.wire(wire->pair, w->plan.ctx);
	}
	return wire;
}

static struct gds_carrier *socket_of(struct world *w, struct world_wire *wire, int side)
{
	struct gds_carrier *socket = &wire->pair->end[side]->carrier;

	return w->plan.wrap ? w->plan.wrap(socket, side, w->plan.ctx) : socket;
}

/* --- The server --- */

static void serve_meet(struct world_served *s, const struct gds_need *need)
{
	static const struct gds_address list[] = {{.family = 4, .ip = {192, 0, 2, 9}, .port = 7}};
	struct gds_answer answer = {.id = need->id};

	if (need->kind == GDS_RESOLVE) {
		answer.list = list;
		answer.n = 1;
	} else if (need->kind == GDS_CONNECT) {
		assert(!s->destination);
		s->destination = pair_new(need->transport == GDS_UDP);
		s->destination->end[0]->carrier.env = &s->world->heap[SERVER].env;
		answer.carrier = &s->destination->end[0]->carrier;
	} else {
		answer.why.code = GDS_E_INVALID;
	}
	s->machine->ops->answer(s->machine, &answer);
}

static void serve_step(struct world_served *s)
{
	struct gds_need need = {.kind = GDS_RESOLVE};

	while (s->machine && need.kind != GDS_WAIT) {
		need = (struct gds_need){.kind = GDS_WAIT, .deadline = GDS_NEVER};
		s->machine->ops->step(s->machine, s->world->now, &need);
		if (need.kind == GDS_DONE) {
			s->machine->ops->free(s->machine);
			s->machine = NULL;
		} else if (need.kind != GDS_WAIT && need.kind != GDS_CANCEL) {
			serve_meet(s, &need);
		}
	}
}

/* The destination is an echo. */
static void serve_echo(struct world_served *s)
{
	struct pair_end *far = s->destination ? s->destination->end[1] : NULL;
	uint8_t bytes[4096];
	ssize_t n;

	while (far && (n = gds_carrier_read(&far->carrier, bytes, sizeof(bytes))) > 0) {
		(void)gds_carrier_write(&far->carrier, bytes, (size_t)n);
	}
}

static void on_established(void *ctx, struct gds_carrier *below)
{
	struct world *w = ctx;

	if (w->demux) {
		gds_demux_established(w->demux, below);
	}
}

static void on_ended(void *ctx, const struct gds_serve_report *report)
{
	((struct world *)ctx)->served_why = report->why;
}

static struct world_served *serve_new(
	struct world *w, struct gds_carrier *below, const struct gds_prestate *prestate)
{
	static const struct gds_serve_ops ops = {.established = on_established, .ended = on_ended};
	struct world_served *s = &w->served[w->n_served];
	struct gds_serve_options options = {
		.trust = trusts[SERVER],
		.transport = w->plan.transport,
		.prestate = prestate,
		.scratch = &w->scratch,
		.ops = &ops,
		.ctx = w,
		.env = &w->heap[SERVER].env,
	};

	assert(w->n_served < WORLD_WIRES);
	s->world = w;
	s->machine = gds_serve_new(below, &options);
	if (!s->machine) {
		return NULL;
	}
	w->n_served++;
	return s;
}

static void demux_send(void *ctx, const struct gds_address *to, const uint8_t *data, size_t n)
{
	struct world *w = ctx;

	for (size_t i = 0; i < w->n_wires; i++) {
		struct pair_end *end = w->wires[i].pair->end[SERVER];

		if (end && gds_address_equal(&w->wires[i].client, to)) {
			(void)gds_carrier_write(&end->carrier, data, n);
		}
	}
}

static void *demux_accepted(void *ctx, struct gds_carrier *slot, const struct gds_address *peer,
	const struct gds_prestate *prestate)
{
	struct world_served *s = serve_new(ctx, slot, prestate);

	(void)peer;
	if (s) {
		serve_step(s);
	}
	return s;
}

static void demux_wake(void *ctx, void *token)
{
	(void)ctx;
	serve_step(token);
}

static void demux_replaced(void *ctx, void *token)
{
	struct world_served *s = token;

	(void)ctx;
	s->machine->ops->cancel(s->machine, GDS_CLOSE_SILENT);
	serve_step(s);
}

static void server_turn(struct world *w)
{
	uint8_t bytes[GDS_DATAGRAM_IN_MAX + 64];
	ssize_t n;

	world_side = SERVER;
	for (size_t i = 0; i < w->n_wires && w->demux; i++) {
		struct pair_end *end = w->wires[i].pair->end[SERVER];

		while (end && (n = gds_carrier_read(&end->carrier, bytes, sizeof(bytes))) > 0) {
			struct gds_datagram datagram = {
				.peer = w->wires[i].client, .data = bytes, .n = (size_t)n};

			gds_demux_input(w->demux, &datagram, w->now);
		}
	}
	for (size_t i = 0; i < w->n_served; i++) {
		serve_step(&w->served[i]);
		serve_echo(&w->served[i]);
	}
}

/* --- The client --- */

static void client_connect(struct world *w, const struct gds_need *need)
{
	struct world_wire *wire = wire_new(w);
	struct gds_carrier *far;

	if (w->plan.transport == GDS_TCP) {
		world_side = SERVER;
		far = socket_of(w, wire, SERVER);
		if (!serve_new(w, far, NULL)) {
			gds_carrier_close(
				far, GDS_CLOSE_SILENT); /* as a server without memory does */
		}
		world_side = CLIENT;
	}
	struct gds_answer answer = {.id = need->id, .carrier = socket_of(w, wire, CLIENT)};

	w->attempt->ops->answer(w->attempt, &answer);
}

static void client_step(struct world *w)
{
	struct gds_need need = {.kind = GDS_CONNECT};

	while (need.kind != GDS_WAIT) {
		need = (struct gds_need){.kind = GDS_WAIT, .deadline = GDS_NEVER};
		w->attempt->ops->step(w->attempt, w->now, &need);
		if (need.kind == GDS_CONNECT) {
			client_connect(w, &need);
		}
		if (need.kind == GDS_DONE) {
			w->over = true;
			w->report = *gds_attempt_report(w->attempt);
			w->tunnel = gds_attempt_take(w->attempt);
			return;
		}
	}
}

/* A pattern out and back, in pieces that both transports carry. */
static void client_talk(struct world *w)
{
	uint8_t bytes[PAYLOAD];
	ssize_t n;

	while (w->sent < PAYLOAD) {
		memset(bytes, (int)(w->sent / 500), 500);
		n = gds_carrier_write(w->tunnel, bytes, 500);
		if (n <= 0) {
			break;
		}
		w->sent += (size_t)n;
	}
	(void)gds_carrier_flush(w->tunnel);
	while ((n = gds_carrier_read(w->tunnel, bytes, sizeof(bytes))) > 0) {
		w->received += (size_t)n;
	}
	if (n != GDS_AGAIN || w->received >= PAYLOAD) {
		gds_carrier_close(w->tunnel, GDS_CLOSE_CLEAN);
		w->tunnel = NULL;
	}
}

static void client_turn(struct world *w)
{
	world_side = CLIENT;
	if (!w->over) {
		client_step(w);
	}
	if (w->tunnel) {
		client_talk(w);
	}
}

/* --- Time --- */

static void earliest(struct gds_machine *machine, gds_time *at, bool *ready)
{
	struct gds_interest list[GDS_MACHINE_INTERESTS];
	size_t n;

	for (size_t i = 0; i < GDS_MACHINE_INTERESTS; i++) {
		list[i] = (struct gds_interest){.fd = -1, .deadline = GDS_NEVER};
	}
	n = machine->ops->interest(machine, list);
	for (size_t i = 0; i < n; i++) {
		/* A socket in memory can always be written to. */
		*ready = *ready || list[i].ready || (list[i].events & POLLOUT);
		*at = list[i].deadline < *at ? list[i].deadline : *at;
	}
}

static bool anything_on_the_way(const struct world *w)
{
	for (size_t i = 0; i < w->n_wires; i++) {
		if (pair_has_input(w->wires[i].pair, CLIENT) && (!w->over || w->tunnel)) {
			return true;
		}
		if (w->demux && pair_has_input(w->wires[i].pair, SERVER)) {
			return true;
		}
	}
	return false;
}

/* Nothing moves: the clock does. \return false: nobody waits for it. */
static bool wait_for_a_deadline(struct world *w)
{
	gds_time at = w->begun && !w->over ? GDS_NEVER : w->now + GDS_SECOND;
	bool ready = anything_on_the_way(w);

	if (!w->over) {
		earliest(w->attempt, &at, &ready);
	}
	if (w->tunnel) {
		struct gds_interest want = {.deadline = GDS_NEVER};

		gds_carrier_interest(w->tunnel, &want);
		ready = ready || want.ready || (want.events & POLLOUT);
		at = want.deadline < at ? want.deadline : at;
	}
	for (size_t i = 0; i < w->n_served; i++) {
		if (w->served[i].machine) {
			earliest(w->served[i].machine, &at, &ready);
		}
	}
	if (!ready && at != GDS_NEVER && at > w->now) {
		w->now = at;
	}
	return at != GDS_NEVER || ready;
}

/* --- The whole --- */

void world_init(struct world *w, const struct world_plan *plan)
{
	memset(w, 0, sizeof(*w));
	w->plan = *plan;
	w->now = 1000 * GDS_SECOND;
	for (int i = 0; i < 2; i++) {
		w->heap[i] = (struct world_heap){.world = w};
		w->heap[i].env =
			(struct gds_env){mono, wall, some_bytes, count_realloc, &w->heap[i]};
	}
}

static bool begin(struct world *w)
{
	static const struct gds_demux_ops ops = {.send = demux_send,
		.accepted = demux_accepted,
		.wake = demux_wake,
		.replaced = demux_replaced};
	struct gds_demux_options demux = {.cookie_key = {{1}, {2}}, .env = &w->heap[SERVER].env};
	struct gds_attempt_options options = {
		.transport = w->plan.transport,
		.plan = w->plan.tunnel ? GDS_PLAN_TUNNEL : GDS_PLAN_HEALTH,
		.address = {.family = 4, .ip = {192, 0, 2, 2}, .port = 8890},
		.trust = trusts[CLIENT],
		.versions = w->plan.versions,
		.deadline = w->now + ATTEMPT_LIMIT,
	};

	w->begun = true;
	w->report.why.code = GDS_E_NOMEM;
	if (w->plan.transport == GDS_UDP) {
		w->demux = gds_demux_new(&demux, &ops, w);
		if (!w->demux) {
			return false; /* such a server does not start */
		}
	}
	(void)gds_header_init(&options.header, "192.0.2.9", "7", 0);
	w->attempt = gds_attempt_new(&options, &w->heap[CLIENT].env);
	return w->attempt != NULL;
}

void world_run(struct world *w)
{
	struct gds_verdict_input input = {.report = &w->report,
		.transport = w->plan.transport,
		.own = gds_trust_own(trusts[CLIENT])};
	gds_time end = w->now + 2 * ATTEMPT_LIMIT;
	bool going = begin(w);

	for (int turn = 0; going && turn < TURNS_MAX; turn++) {
		client_turn(w);
		server_turn(w);
		if (w->over && !w->tunnel) {
			break;
		}
		going = wait_for_a_deadline(w) && w->now < end;
		w->busy = turn == TURNS_MAX - 1;
	}
	w->passed = w->over && !w->busy && w->report.why.code == GDS_OK &&
		    (!w->plan.tunnel || w->received == PAYLOAD);
	w->cause = gds_verdict_cause(&input);
}

int world_free(struct world *w)
{
	world_side = CLIENT;
	gds_carrier_close(w->tunnel, GDS_CLOSE_SILENT);
	if (w->attempt) {
		w->attempt->ops->free(w->attempt);
	}
	world_side = SERVER;
	for (size_t i = 0; i < w->n_served; i++) {
		if (w->served[i].machine) {
			w->served[i].machine->ops->free(w->served[i].machine);
		}
		if (w->served[i].destination) {
			pair_free(w->served[i].destination);
		}
	}
	gds_demux_free(w->demux);
	for (size_t i = 0; i < w->n_wires; i++) {
		pair_free(w->wires[i].pair);
	}
	return w->heap[CLIENT].live + w->heap[SERVER].live;
}
