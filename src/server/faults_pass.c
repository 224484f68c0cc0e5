/* SPDX-License-Identifier: MIT */
#include "server/faults_pass.h"

void *gds_pass_new(size_t size, const struct gds_carrier_ops *ops,
	struct gds_connection *connection, struct gds_carrier *below)
{
	struct gds_pass *p = gds_alloc(below->env, size);
	if (p) {
		p->carrier.ops = ops;
		p->carrier.below = below;
		p->carrier.env = below->env;
		p->carrier.datagram = below->datagram;
		p->connection = connection;
		p->faults = &connection->worker->server->faults;
	}
	return p;
}

ssize_t gds_pass_read(struct gds_carrier *c, void *buffer, size_t size)
{
	ssize_t n = gds_carrier_read(c->below, buffer, size);
	c->why = c->below->why;
	c->dropped = c->below->dropped;
	return n;
}

ssize_t gds_pass_write(struct gds_carrier *c, const void *data, size_t n)
{
	ssize_t rc = gds_carrier_write(c->below, data, n);
	c->why = c->below->why;
	return rc;
}

int gds_pass_shut(struct gds_carrier *c)
{
	int rc = gds_carrier_shut(c->below);
	c->why = c->below->why;
	return rc;
}

int gds_pass_flush(struct gds_carrier *c)
{
	int rc = gds_carrier_flush(c->below);
	c->why = c->below->why;
	return rc;
}

void gds_pass_interest(struct gds_carrier *c, struct gds_interest *out)
{
	gds_carrier_interest(c->below, out);
}

void gds_pass_close(struct gds_carrier *c, enum gds_close how)
{
	struct gds_carrier *below = c->below;
	gds_free(c->env, c);
	gds_carrier_close(below, how);
}

void gds_pass_deaf(struct gds_interest *out)
{
	out->fd = -1; /* a poll for nothing would still tell of a reset, again and again */
	out->events = 0;
	out->ready = false;
}

gds_time gds_pass_after(const struct gds_carrier *c, long ms)
{
	return gds_later(gds_now(c->env), ms * GDS_MILLISECOND);
}
