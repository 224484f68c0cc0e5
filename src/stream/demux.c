/* SPDX-License-Identifier: MIT */
#include <gdstream/demux.h>

#include "core/record.h"
#include "stream/siphash.h"
#include "tls/cookie.h"

#include <string.h>

#define DEFAULT_SESSIONS 4096
_Static_assert(GDS_HELLO_REPLY_MAX == GDS_COOKIE_REPLY_MAX, "one buffer for both");

#define RANDOM_SIZE 32 /* [bytes] of a ClientHello (RFC 5246 section 7.4.1.2) */

/* One session's end of the shared socket. */
struct slot {
	struct gds_carrier carrier;
	struct gds_demux *demux;
	struct slot *next; /* in its bucket */
	struct gds_address peer;
	void *token;
	uint8_t random[RANDOM_SIZE]; /* of the ClientHello it began with */
	bool established;
	bool candidate; /* beside an established one of the same address (UDP-13) */
	/*
	 * The datagram that is being handed over: borrowed, gone when the owner has been stepped.
	 */
	const uint8_t *data;
	size_t n;
};

struct gds_demux {
	struct gds_demux_options o;
	struct gds_demux_ops ops;
	void *ctx;
	uint64_t key[2];
	struct slot **buckets;
	size_t mask;
	struct slot *current; /* being handed a datagram; NULL once it was closed meanwhile */
	bool draining;
	struct gds_demux_stats stats;
};

static struct slot **bucket(struct gds_demux *d, const struct gds_address *peer)
{
	uint8_t bytes[sizeof(peer->ip) + 7];
	memcpy(bytes, peer->ip, sizeof(peer->ip));
	bytes[16] = peer->family;
	bytes[17] = (uint8_t)(peer->port >> 8);
	bytes[18] = (uint8_t)peer->port;
	for (int i = 0; i < 4; i++) {
		bytes[19 + i] = (uint8_t)(peer->scope >> (8 * i));
	}
	return &d->buckets[gds_siphash(d->key, bytes, sizeof(bytes)) & d->mask];
}

/* At most two sessions share an address: the one that lives, and a candidate to replace it. */
static struct slot *find(struct gds_demux *d, const struct gds_address *peer, bool candidate)
{
	struct slot *s = *bucket(d, peer);
	while (s && (s->candidate != candidate || !gds_address_equal(&s->peer, peer))) {
		s = s->next;
	}
	return s;
}

static ssize_t slot_read(struct gds_carrier *c, void *buffer, size_t size)
{
	struct slot *s = (struct slot *)c;
	if (!s->data) {
		return GDS_AGAIN;
	}
	size_t n = s->n;
	const uint8_t *data = s->data;
	s->data = NULL;
	if (n > size) {
		c->dropped++;
		return GDS_AGAIN;
	}
	memcpy(buffer, data, n);
	return (ssize_t)n;
}

static ssize_t slot_write(struct gds_carrier *c, const void *data, size_t n)
{
	struct slot *s = (struct slot *)c;
	s->demux->ops.send(s->demux->ctx, &s->peer, data, n);
	return (ssize_t)n;
}

static int slot_nothing(struct gds_carrier *c)
{
	(void)c;
	return GDS_OK;
}

static void slot_interest(struct gds_carrier *c, struct gds_interest *out)
{
	*out = (struct gds_interest){
		.fd = -1, .ready = ((struct slot *)c)->data != NULL, .deadline = GDS_NEVER};
}

static void slot_close(struct gds_carrier *c, enum gds_close how)
{
	struct slot *s = (struct slot *)c;
	struct gds_demux *d = s->demux;
	(void)how; /* the socket is shared: what there was to say was said above */
	struct slot **at = bucket(d, &s->peer);
	while (*at != s) {
		at = &(*at)->next;
	}
	*at = s->next;
	d->stats.sessions--;
	if (d->current == s) {
		d->current = NULL;
	}
	gds_free(d->o.env, s);
}

static const struct gds_carrier_ops slot_ops = {
	.read = slot_read,
	.write = slot_write,
	.shut = slot_nothing,
	.flush = slot_nothing,
	.interest = slot_interest,
	.close = slot_close,
};

static struct slot *slot_new(struct gds_demux *d, const struct gds_datagram *hello, bool candidate)
{
	const uint8_t *random = gds_record_client_random(hello->data, hello->n);
	struct slot *s = random ? gds_alloc(d->o.env, sizeof(*s)) : NULL;
	if (!s) {
		return NULL;
	}
	s->carrier.ops = &slot_ops;
	s->carrier.env = d->o.env;
	s->carrier.datagram = true;
	s->demux = d;
	s->peer = hello->peer;
	s->candidate = candidate;
	memcpy(s->random, random, RANDOM_SIZE);
	struct slot **at = bucket(d, &s->peer);
	s->next = *at;
	*at = s;
	d->stats.sessions++;
	return s;
}

/* The address is proved: make a session, which reads the same ClientHello. */
static void accept_hello(struct gds_demux *d, const struct gds_datagram *hello, bool candidate,
	const struct gds_prestate *prestate)
{
	/* A candidate takes the place of a session that counts already (UDP-13). */
	if (!candidate && d->stats.sessions >= d->o.max_sessions) {
		d->stats.over_limit++;
		return;
	}
	struct slot *s = slot_new(d, hello, candidate);
	if (!s) {
		d->stats.ignored++;
		return;
	}
	s->data = hello->data;
	s->n = hello->n;
	d->current = s;
	void *token = d->ops.accepted(d->ctx, &s->carrier, &s->peer, prestate);
	if (d->current == s) {
		s->data = NULL;
		s->token = token;
		if (!token) {
			slot_close(&s->carrier, GDS_CLOSE_SILENT);
		}
	}
	d->current = NULL;
}

static void hand_over(struct gds_demux *d, struct slot *s, const struct gds_datagram *in)
{
	s->data = in->data;
	s->n = in->n;
	d->current = s;
	d->ops.wake(d->ctx, s->token);
	if (d->current == s) {
		s->data = NULL; /* not wanted: UDP may lose it */
	}
	d->current = NULL;
}

static void replace(struct gds_demux *d, struct slot *s)
{
	d->ops.replaced(d->ctx, s->token);
}

static enum gds_cookie_result judge_hello(struct gds_demux *d, const struct gds_datagram *in,
	struct gds_prestate *prestate, bool *proved, uint8_t reply[static GDS_COOKIE_REPLY_MAX],
	size_t *n)
{
	enum gds_hello answer = GDS_HELLO_COOKIE;
	*proved = true;
	if (d->ops.hello) {
		struct slot *live = find(d, &in->peer, false);
		*n = GDS_COOKIE_REPLY_MAX;
		answer = d->ops.hello(d->ctx, in, live && live->established, reply, n);
	}
	switch (answer) {
	case GDS_HELLO_COOKIE:
		break;
	case GDS_HELLO_ACCEPT:
		*proved = false;
		return GDS_COOKIE_GOOD;
	case GDS_HELLO_REPLY:
		return *n > 0 ? GDS_COOKIE_ASK : GDS_COOKIE_IGNORE;
	}
	return gds_cookie_judge(in->data, in->n, &in->peer,
		(const uint8_t(*)[GDS_COOKIE_KEY_SIZE])d->o.cookie_key, prestate, reply, n);
}

/*
 * A ClientHello that none of the sessions of its address has begun with: the cookie first (UDP-03).
 */
static void new_hello(struct gds_demux *d, const struct gds_datagram *in)
{
	struct gds_prestate prestate;
	bool proved = true;
	uint8_t reply[GDS_COOKIE_REPLY_MAX];
	size_t n = 0;
	if (d->draining) {
		d->stats.ignored++;
		return;
	}
	switch (judge_hello(d, in, &prestate, &proved, reply, &n)) {
	case GDS_COOKIE_ASK:
		d->stats.cookies_sent++;
		d->ops.send(d->ctx, &in->peer, reply, n);
		return;
	case GDS_COOKIE_IGNORE:
		d->stats.ignored++;
		return;
	case GDS_COOKIE_GOOD:
		break;
	}
	/* Of the sessions there were, only one that stands is kept until the new one stands too. */
	struct slot *old = find(d, &in->peer, true);
	if (old) {
		replace(d, old);
	}
	old = find(d, &in->peer, false);
	if (old && !old->established) {
		replace(d, old);
		old = find(d, &in->peer, false);
	}
	accept_hello(d, in, old != NULL, proved ? &prestate : NULL);
}

static bool began_with(const struct slot *s, const uint8_t *random)
{
	return s && memcmp(s->random, random, RANDOM_SIZE) == 0;
}

static void take_hello(struct gds_demux *d, const struct gds_datagram *in)
{
	const uint8_t *random = gds_record_client_random(in->data, in->n);
	if (!random) {
		d->stats.ignored++;
		return;
	}
	for (int candidate = 0; candidate <= 1; candidate++) {
		struct slot *s = find(d, &in->peer, candidate);
		if (!began_with(s, random)) {
			continue;
		}
		/*
		 * A retransmission belongs to its handshake; a late duplicate does nothing to a
		 * session.
		 */
		if (s->established) {
			d->stats.ignored++;
		} else {
			hand_over(d, s, in);
		}
		return;
	}
	new_hello(d, in);
}

void gds_demux_input(struct gds_demux *d, const struct gds_datagram *in, gds_time now)
{
	(void)now;
	struct gds_record first;
	if (in->n == 0 || gds_record_parse_dtls(&first, in->data, in->n) <= 0) {
		d->stats.ignored++; /* UDP-17, UDP-22: empty or no record */
		return;
	}
	if (gds_record_is_client_hello(in->data, in->n)) {
		take_hello(d, in);
		return;
	}
	/*
	 * The handshake of a candidate is its own (it may just have become the live one); what is
	 * encrypted both try, and the wrong one discards it.
	 */
	struct slot *candidate = find(d, &in->peer, true);
	if (candidate) {
		hand_over(d, candidate, in);
	}
	struct slot *live = find(d, &in->peer, false);
	if (live && live != candidate && (first.epoch > 0 || !candidate)) {
		hand_over(d, live, in);
	} else if (!candidate) {
		d->stats.ignored++;
	}
}

void gds_demux_established(struct gds_demux *d, struct gds_carrier *carrier)
{
	struct slot *s = (struct slot *)carrier;
	s->established = true;
	if (!s->candidate) {
		return;
	}
	struct slot *old = find(d, &s->peer, false);
	struct slot *current = d->current;
	if (old) {
		replace(d, old);
	}
	d->current = current;
	s->candidate = false;
}

void gds_demux_keys(struct gds_demux *d, const uint8_t keys[2][16])
{
	memcpy(d->o.cookie_key, keys, sizeof(d->o.cookie_key));
}

void gds_demux_drain(struct gds_demux *d)
{
	d->draining = true;
}

const struct gds_demux_stats *gds_demux_stats(const struct gds_demux *d)
{
	return &d->stats;
}

static size_t power_of_two(size_t n)
{
	size_t p = 64;
	while (p < n && p < SIZE_MAX / 2) {
		p *= 2;
	}
	return p;
}

struct gds_demux *gds_demux_new(
	const struct gds_demux_options *o, const struct gds_demux_ops *ops, void *ctx)
{
	struct gds_demux *d = gds_alloc(o->env, sizeof(*d));
	if (!d) {
		return NULL;
	}
	d->o = *o;
	d->ops = *ops;
	d->ctx = ctx;
	if (d->o.max_sessions == 0) {
		d->o.max_sessions = DEFAULT_SESSIONS;
	}
	size_t buckets = power_of_two(d->o.max_sessions);
	d->mask = buckets - 1;
	d->buckets = gds_alloc(o->env, buckets * sizeof(struct slot *));
	if (!d->buckets || o->env->random(o->env->ctx, d->key, sizeof(d->key)) != GDS_OK) {
		gds_demux_free(d);
		return NULL;
	}
	return d;
}

void gds_demux_free(struct gds_demux *d)
{
	if (d) {
		gds_free(d->o.env, d->buckets);
		gds_free(d->o.env, d);
	}
}
