/* SPDX-License-Identifier: MIT */
/* Relayed datagrams: a flow for each client, and one queue of what is on its way, in the order of
 * time. */
#include "net/relay_private.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define DATAGRAMS_A_TURN 64

struct gds_relay_flow {
	struct gds_relay_flow *next;
	struct gds_relay *relay;
	struct gds_address client;
	int fd; /* connected to the target */
	struct gds_watch *watch;
	struct gds_impair impair[2];
};

struct gds_relay_parcel {
	struct gds_relay_parcel *next;
	struct gds_relay_flow *flow;
	unsigned direction;
	gds_time at;
	size_t n;
	uint8_t bytes[];
};

/* --- What is on its way --- */

static void send_off(struct gds_relay *r, const struct gds_relay_parcel *p)
{
	struct sockaddr_storage peer;
	socklen_t size;

	/* What the kernel does not take now is lost, as UDP may. */
	if (p->direction == 0) {
		(void)send(p->flow->fd, p->bytes, p->n, MSG_DONTWAIT | MSG_NOSIGNAL);
		return;
	}
	size = gds_address_to_sockaddr(&p->flow->client, &peer);
	(void)sendto(r->udp, p->bytes, p->n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&peer,
		size);
}

static void drop_first(struct gds_relay *r)
{
	struct gds_relay_parcel *p = r->first;

	r->first = p->next;
	r->last = r->first ? r->last : NULL;
	r->n_parcels--;
	gds_free(r->env, p);
}

void gds_relay_on_delivery(void *relay)
{
	struct gds_relay *r = relay;
	gds_time now = gds_now(r->env);

	while (r->first && r->first->at <= now) {
		send_off(r, r->first);
		drop_first(r);
	}
	gds_timer_set(r->delivery, r->first ? r->first->at : GDS_NEVER);
}

/* Behind all that are due no later. */
static void insert(struct gds_relay *r, struct gds_relay_parcel *p)
{
	struct gds_relay_parcel **at = &r->first;

	if (r->last && r->last->at <= p->at) {
		at = &r->last->next;
	}
	while (*at && (*at)->at <= p->at) {
		at = &(*at)->next;
	}
	p->next = *at;
	*at = p;
	r->last = p->next ? r->last : p;
	r->n_parcels++;
}

static void post(struct gds_relay_flow *f, unsigned direction, gds_time at, size_t n)
{
	struct gds_relay *r = f->relay;
	struct gds_relay_parcel *p = NULL;

	if (r->n_parcels < GDS_RELAY_WAITING) {
		p = gds_alloc(r->env, sizeof(*p) + n);
	}
	if (!p) {
		r->stats.overflown[direction]++;
		return;
	}
	p->flow = f;
	p->direction = direction;
	p->at = at;
	p->n = n;
	memcpy(p->bytes, r->datagram, n);
	insert(r, p);
}

/* The relay's buffer holds a datagram of this flow. */
static void decide(struct gds_relay_flow *f, unsigned direction, size_t n)
{
	struct gds_relay_stats *stats = &f->relay->stats;
	struct gds_fate fate;

	gds_impair_datagram(&f->impair[direction], gds_now(f->relay->env), &fate);
	stats->datagrams[direction]++;
	stats->lost[direction] += fate.copies == 0;
	stats->duplicated[direction] += fate.copies == 2;
	stats->held[direction] += fate.held;
	for (unsigned i = 0; i < fate.copies; i++) {
		post(f, direction, fate.at[i], n);
	}
}

/* --- Flows --- */

static void on_answer(void *ctx, short revents)
{
	struct gds_relay_flow *f = ctx;
	struct gds_relay *r = f->relay;

	(void)revents;
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		ssize_t n = recv(f->fd, r->datagram, sizeof(r->datagram), MSG_DONTWAIT);

		if (n < 0) {
			break; /* also what ICMP said: a relay has no way to pass it on */
		}
		decide(f, 1, (size_t)n);
	}
	gds_relay_on_delivery(r);
}

static void flow_free(struct gds_relay_flow *f)
{
	gds_watch_free(f->watch);
	if (f->fd >= 0) {
		close(f->fd);
	}
	gds_free(f->relay->env, f);
}

static void forget_oldest(struct gds_relay *r)
{
	struct gds_relay_flow **at = &r->flows, *oldest;
	struct gds_relay_parcel **p = &r->first, *gone;

	while ((*at)->next) {
		at = &(*at)->next;
	}
	oldest = *at;
	*at = NULL;
	r->last = NULL;
	while ((gone = *p)) {
		if (gone->flow == oldest) {
			*p = gone->next;
			r->n_parcels--;
			gds_free(r->env, gone);
		} else {
			r->last = gone;
			p = &gone->next;
		}
	}
	r->n_flows--;
	flow_free(oldest);
}

static struct gds_relay_flow *flow_new(struct gds_relay *r, const struct gds_address *client)
{
	struct gds_relay_flow *f = gds_alloc(r->env, sizeof(*f));
	struct gds_dial dial = {.fd = -1};
	struct gds_error why;

	if (!f) {
		return NULL;
	}
	f->relay = r;
	f->client = *client;
	f->fd = -1;
	if (gds_dial_start(&dial, GDS_UDP, &r->options.to, &why) == GDS_OK) {
		f->fd = dial.fd;
		f->watch = gds_watch_new(r->loop, f->fd, POLLIN, on_answer, f);
	}
	if (!f->watch) {
		flow_free(f);
		return NULL;
	}
	for (unsigned i = 0; i < 2; i++) {
		gds_impair_init(&f->impair[i], &r->options.impairment, r->stats.flows, i);
	}
	r->stats.flows++;
	if (r->n_flows == GDS_RELAY_FLOWS) {
		forget_oldest(r);
	}
	r->n_flows++;
	return f;
}

/* \return the flow of this client, which comes first from now on; NULL without memory. */
static struct gds_relay_flow *flow_of(struct gds_relay *r, const struct gds_address *client)
{
	struct gds_relay_flow **at = &r->flows, *f;

	while (*at && !gds_address_equal(&(*at)->client, client)) {
		at = &(*at)->next;
	}
	f = *at;
	if (f) {
		*at = f->next;
	} else {
		f = flow_new(r, client);
	}
	if (f) {
		f->next = r->flows;
		r->flows = f;
	}
	return f;
}

void gds_relay_on_datagram(void *relay, short revents)
{
	struct gds_relay *r = relay;

	(void)revents;
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		struct sockaddr_storage peer;
		socklen_t size = sizeof(peer);
		struct gds_address client;
		struct gds_relay_flow *f = NULL;
		ssize_t n = recvfrom(r->udp, r->datagram, sizeof(r->datagram), MSG_DONTWAIT,
			(struct sockaddr *)&peer, &size);

		if (n < 0) {
			break;
		}
		if (gds_address_from_sockaddr(&client, (struct sockaddr *)&peer) == GDS_OK) {
			f = flow_of(r, &client);
		}
		if (f) {
			decide(f, 0, (size_t)n);
		} else {
			r->stats.overflown[0]++;
		}
	}
	gds_relay_on_delivery(r);
}

void gds_relay_flows_free(struct gds_relay *r)
{
	while (r->first) {
		drop_first(r);
	}
	while (r->flows) {
		struct gds_relay_flow *f = r->flows;

		r->flows = f->next;
		flow_free(f);
	}
}
