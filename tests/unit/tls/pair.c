/* SPDX-License-Identifier: MIT */
#include "pair.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static struct pair_end *end_of(struct gds_carrier *c)
{
	return (struct pair_end *)c;
}

static void append(struct pair_end *e, const void *data, size_t n)
{
	if (e->datagram) {
		assert(e->count < PAIR_QUEUE);
		e->lengths[(e->first + e->count++) % PAIR_QUEUE] = n;
	}
	if (e->size - e->end < n) {
		size_t used = e->end - e->start;
		size_t size = (used + n) * 2;
		uint8_t *in = malloc(size);
		assert(in);
		if (used > 0) {
			memcpy(in, e->in + e->start, used);
		}
		free(e->in);
		e->in = in;
		e->start = 0;
		e->end = used;
		e->size = size;
	}
	if (n > 0) {
		memcpy(e->in + e->end, data, n);
		e->end += n;
	}
}

static ssize_t read_datagram(struct pair_end *e, void *buffer, size_t size)
{
	while (e->count > 0) {
		size_t n = e->lengths[e->first];
		const uint8_t *data = e->in + e->start;
		e->first = (e->first + 1) % PAIR_QUEUE;
		e->count--;
		e->start += n;
		if (n == 0 || n > size) {
			e->carrier.dropped++;
			continue;
		}
		memcpy(buffer, data, n);
		return (ssize_t)n;
	}
	return GDS_AGAIN;
}

static ssize_t end_read(struct gds_carrier *c, void *buffer, size_t size)
{
	struct pair_end *e = end_of(c);
	e->reads++;
	if (e->datagram) {
		if (e->read_error && e->count == 0) {
			c->why = (struct gds_error){.code = e->read_error,
				.icmp_type = e->icmp_type,
				.icmp_code = e->icmp_code};
			e->read_error = 0;
			return c->why.code;
		}
		return read_datagram(e, buffer, size);
	}
	size_t n = e->end - e->start;
	if (n == 0) {
		if (e->read_error) {
			c->why = (struct gds_error){.code = e->read_error};
			return e->read_error;
		}
		return e->fin ? GDS_EOF : GDS_AGAIN;
	}
	n = n < size ? n : size;
	if (e->read_max && n > e->read_max) {
		n = e->read_max;
	}
	memcpy(buffer, e->in + e->start, n);
	e->start += n;
	return (ssize_t)n;
}

static ssize_t end_write(struct gds_carrier *c, const void *data, size_t n)
{
	struct pair_end *e = end_of(c);
	struct pair_end *peer = e->pair->end[1 - e->side];
	if (e->write_error) {
		c->why = (struct gds_error){.code = e->write_error,
			.icmp_type = e->icmp_type,
			.icmp_code = e->icmp_code};
		return e->write_error;
	}
	if (e->always_again_once && e->toggle++ % 2 == 0) {
		return GDS_AGAIN;
	}
	if (e->datagram ? e->room < n : e->room == 0) {
		return GDS_AGAIN;
	}
	n = n < e->room ? n : e->room;
	if (!e->datagram && e->write_max && n > e->write_max) {
		n = e->write_max;
	}
	if (e->room != SIZE_MAX) {
		e->room -= n;
	}
	e->last_length = n < sizeof(e->last) ? n : sizeof(e->last);
	memcpy(e->last, data, e->last_length);
	bool lost = e->datagram && e->written < 64 && (e->lose >> e->written & 1);
	e->written++;
	if (peer && !lost) {
		append(peer, data, n);
	}
	return (ssize_t)n;
}

static int end_shut(struct gds_carrier *c)
{
	struct pair_end *e = end_of(c);
	if (e->pair->end[1 - e->side]) {
		e->pair->end[1 - e->side]->fin = true;
	}
	return GDS_OK;
}

static int end_flush(struct gds_carrier *c)
{
	(void)c;
	return GDS_OK;
}

static void end_interest(struct gds_carrier *c, struct gds_interest *out)
{
	struct pair_end *e = end_of(c);
	*out = (struct gds_interest){.fd = -1, .events = POLLIN, .deadline = GDS_NEVER};
	out->ready = pair_has_input(e->pair, e->side);
}

static void release(struct pair *p)
{
	if (--p->references == 0) {
		free(p);
	}
}

static void end_close(struct gds_carrier *c, enum gds_close how)
{
	struct pair_end *e = end_of(c);
	struct pair *p = e->pair;
	(void)how;
	end_shut(c);
	p->end[e->side] = NULL;
	free(e->in);
	free(e);
	release(p);
}

static const struct gds_carrier_ops end_ops = {
	.read = end_read,
	.write = end_write,
	.shut = end_shut,
	.flush = end_flush,
	.interest = end_interest,
	.close = end_close,
};

static gds_time pair_mono(void *ctx)
{
	struct pair *p = ctx;
	return p->fake_clock ? p->now : gds_env_system()->mono(NULL);
}

static gds_time pair_wall(void *ctx)
{
	struct pair *p = ctx;
	return gds_env_system()->wall(NULL) + p->wall_shift;
}

static int pair_random(void *ctx, void *out, size_t n)
{
	(void)ctx;
	return gds_env_system()->random(NULL, out, n);
}

static void *pair_realloc(void *ctx, void *old, size_t n)
{
	struct pair *p = ctx;
	if (n == 0) {
		free(old);
		return NULL;
	}
	p->allocations++;
	if (p->fail_after && p->allocations >= p->fail_after) {
		return NULL;
	}
	return realloc(old, n);
}

struct pair *pair_new(bool datagram)
{
	struct pair *p = calloc(1, sizeof(*p));
	assert(p);
	p->references = 3;
	p->env = (struct gds_env){.mono = pair_mono,
		.wall = pair_wall,
		.random = pair_random,
		.realloc = pair_realloc,
		.ctx = p};
	for (int i = 0; i < 2; i++) {
		struct pair_end *e = calloc(1, sizeof(*e));
		assert(e);
		e->carrier =
			(struct gds_carrier){.ops = &end_ops, .env = &p->env, .datagram = datagram};
		e->pair = p;
		e->side = i;
		e->datagram = datagram;
		e->room = SIZE_MAX;
		p->end[i] = e;
	}
	return p;
}

void pair_inject(struct pair *p, int side, const void *data, size_t n)
{
	append(p->end[side], data, n);
}

bool pair_has_input(const struct pair *p, int side)
{
	const struct pair_end *e = p->end[side];
	return e && (e->datagram ? e->count > 0 : e->end > e->start || e->fin);
}

void pair_free(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		if (p->end[i]) {
			end_close(&p->end[i]->carrier, GDS_CLOSE_SILENT);
		}
	}
	release(p);
}
