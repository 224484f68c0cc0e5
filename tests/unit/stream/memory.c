/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

gds_time test_clock = 1000 * GDS_SECOND;
int test_allocated;
int test_fail_in;

static gds_time clock_now(void *ctx)
{
	(void)ctx;
	return test_clock;
}

static gds_time wall_now(void *ctx)
{
	(void)ctx;
	return gds_env_system()->wall(gds_env_system()->ctx); /* certificates are judged by it */
}

static int same_bytes(void *ctx, void *out, size_t n)
{
	(void)ctx;
	memset(out, 0x5a, n);
	return GDS_OK;
}

static void *count_realloc(void *ctx, void *old, size_t n)
{
	(void)ctx;
	if (n == 0) {
		test_allocated -= old != NULL;
		free(old);
		return NULL;
	}
	if (test_fail_in > 0 && --test_fail_in == 0) {
		return NULL;
	}
	void *p = realloc(old, n);
	test_allocated += p && !old;
	return p;
}

const struct gds_env *test_env(void)
{
	static const struct gds_env env = {clock_now, wall_now, same_bytes, count_realloc, NULL};
	return &env;
}

static struct memory *memory_of(struct gds_carrier *c)
{
	return (struct memory *)c;
}

static ssize_t memory_read(struct gds_carrier *c, void *buffer, size_t size)
{
	struct memory *m = memory_of(c);
	size_t waiting = m->in_end - m->in_start;
	if (waiting == 0) {
		c->why.code = m->in_end_status;
		return m->in_end_status;
	}
	size_t n = waiting < size ? waiting : size;
	if (c->datagram) {
		n = (size_t)m->in[m->in_start] << 8 | m->in[m->in_start + 1];
		m->in_start += 2;
	}
	memcpy(buffer, m->in + m->in_start, n);
	m->in_start += n;
	return (ssize_t)n;
}

static ssize_t memory_write(struct gds_carrier *c, const void *data, size_t size)
{
	struct memory *m = memory_of(c);
	if (m->out_status != GDS_OK) {
		c->why.code = m->out_status;
		m->out_status =
			m->out_failures > 0 && --m->out_failures == 0 ? GDS_OK : m->out_status;
		return c->why.code;
	}
	if (m->limit > 0 && size > m->limit) {
		return GDS_E_LIMIT;
	}
	size_t n = size < m->out_room ? size : m->out_room;
	if (n == 0 || (c->datagram && n < size)) {
		return GDS_AGAIN;
	}
	if (m->peer) {
		(c->datagram ? memory_give_datagram : memory_give)(m->peer, data, n);
	} else {
		memcpy(m->out + m->out_length, data, n);
		m->out_length += n;
		m->out_room -= n;
	}
	return (ssize_t)n;
}

static int memory_shut(struct gds_carrier *c)
{
	memory_of(c)->shuts++;
	if (memory_of(c)->peer && !c->datagram) {
		memory_of(c)->peer->in_end_status = GDS_EOF;
	}
	return GDS_OK;
}

static int memory_flush(struct gds_carrier *c)
{
	(void)c;
	return GDS_OK;
}

static void memory_interest(struct gds_carrier *c, struct gds_interest *out)
{
	(void)c;
	*out = (struct gds_interest){.fd = 7, .events = POLLIN, .deadline = GDS_NEVER};
}

static void memory_close(struct gds_carrier *c, enum gds_close how)
{
	memory_of(c)->closes++;
	memory_of(c)->how = how;
	if (memory_of(c)->peer && !c->datagram) {
		memory_of(c)->peer->in_end_status = how == GDS_CLOSE_RESET ? GDS_E_RESET : GDS_EOF;
	}
}

struct memory *memory_new(bool datagram)
{
	static const struct gds_carrier_ops ops = {memory_read, memory_write, memory_shut,
		memory_flush, memory_interest, memory_close};
	struct memory *m = calloc(1, sizeof(*m));
	if (!m) {
		abort();
	}
	m->carrier = (struct gds_carrier){.ops = &ops, .env = test_env(), .datagram = datagram};
	m->in_end_status = GDS_AGAIN;
	m->out_room = MEMORY_MAX;
	return m;
}

void memory_free(struct memory *m)
{
	free(m);
}

void memory_join(struct memory *a, struct memory *b)
{
	a->peer = b;
	b->peer = a;
}

void memory_give(struct memory *m, const void *data, size_t n)
{
	if (m->in_start == m->in_end) {
		m->in_start = m->in_end = 0;
	}
	memcpy(m->in + m->in_end, data, n);
	m->in_end += n;
}

void memory_give_datagram(struct memory *m, const void *data, size_t n)
{
	uint8_t length[2] = {(uint8_t)(n >> 8), (uint8_t)n};
	memory_give(m, length, sizeof(length));
	memory_give(m, data, n);
}
