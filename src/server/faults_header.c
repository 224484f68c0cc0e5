/* SPDX-License-Identifier: MIT */
/* Faults in judging headers, in dialling and in ending. */
#include "server/faults_pass.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_port(struct gds_header *h, unsigned port)
{
	snprintf(h->port, sizeof(h->port), "%u", port % 65536);
	h->port_length = (uint8_t)strlen(h->port);
}

static void set_host(struct gds_header *h, const char *host)
{
	snprintf(h->host, sizeof(h->host), "%s", host);
	h->host_length = (uint8_t)strlen(h->host);
}

/* HDR-11: not one of its bytes may end the name that is looked up. */
static void spell_out(struct gds_header *h)
{
	for (size_t i = 0; i < h->host_length; i++) {
		h->host[i] = h->host[i] ? h->host[i] : '_';
	}
	h->host[h->host_length] = '\0';
}

/* HDR-12: as Go's resolver has it, a name of a service or the number 0. */
static bool name_port(struct gds_header *h, enum gds_transport transport)
{
	struct servent entry, *found = NULL;
	char buffer[1024];
	if (h->port_length == 0 || strcmp(h->port, "0") == 0) {
		set_port(h, 0);
		return true;
	}
	getservbyname_r(h->port, transport == GDS_UDP ? "udp" : "tcp", &entry, buffer,
		sizeof(buffer), &found);
	if (found) {
		set_port(h, ntohs((uint16_t)found->s_port));
	}
	return found != NULL;
}

/* \return true when what this header was refused for is not looked at. */
static bool forgive(const struct gds_faults *f, struct gds_request *r)
{
	switch (r->why.code) {
	case GDS_E_CHECKSUM:
		return f->header & GDS_FAULT_CHECKSUM;
	case GDS_E_VERSION:
		return f->header & GDS_FAULT_VERSION;
	case GDS_E_PORT_LENGTH:
		if (f->header & GDS_FAULT_PORT_LENGTH) {
			r->header.port_length = GDS_PORT_MAX;
		}
		return f->header & GDS_FAULT_PORT_LENGTH;
	case GDS_E_HOST_EMPTY:
		if (f->header & GDS_FAULT_EMPTY_HOST) {
			set_host(&r->header, "localhost");
		}
		return (f->header & GDS_FAULT_EMPTY_HOST) &&
		       (r->header.port_length > 0 || name_port(&r->header, r->transport));
	case GDS_E_HOST_NUL:
		if (f->header & GDS_FAULT_NUL_HOST) {
			spell_out(&r->header);
		}
		return f->header & GDS_FAULT_NUL_HOST;
	case GDS_E_PORT:
		return (f->header & GDS_FAULT_ODD_PORT) && name_port(&r->header, r->transport);
	default:
		return false;
	}
}

/* A health check that is kept: as long as the sink does, it lives. */
static bool keep(struct gds_connection *c, const struct gds_request *r)
{
	const struct gds_faults *f = &c->worker->server->faults;
	bool tcp = r->transport == GDS_TCP;
	if ((f->header & GDS_FAULT_IGNORE_FLAG) && r->header.host_length == 0) {
		c->sink_until = GDS_NEVER;
	} else if (tcp && (f->header & GDS_FAULT_CLOSE_NEVER)) {
		c->sink_until = GDS_NEVER;
	} else if (tcp && (f->header & GDS_FAULT_CLOSE_LATE)) {
		const struct gds_env *env = gds_env_system();
		c->sink_until = gds_later(gds_now(env), f->close_after * GDS_MILLISECOND);
	}
	return c->sink_until != 0;
}

static enum gds_verdict judge_health(struct gds_connection *c, const struct gds_request *r)
{
	unsigned header = c->worker->server->faults.header;
	bool dials = header & (GDS_FAULT_HEALTH_DIALS | GDS_FAULT_IGNORE_FLAG);
	if ((dials && r->header.host_length > 0) || keep(c, r)) {
		return GDS_DIAL;
	}
	c->answer = header & GDS_FAULT_HEALTH_ANSWERS;
	return GDS_HEALTH;
}

enum gds_verdict gds_fault_judge(void *ctx, enum gds_verdict verdict, struct gds_request *r)
{
	struct gds_connection *c = ctx;
	const struct gds_faults *f = &c->worker->server->faults;
	if (verdict == GDS_REFUSE && forgive(f, r)) {
		verdict = gds_header_is_health(&r->header) ? GDS_HEALTH : GDS_DIAL;
	}
	if ((verdict == GDS_HEALTH || verdict == GDS_DIAL) && (f->header & GDS_FAULT_REFUSE)) {
		r->why = (struct gds_error){.code = GDS_E_CANCELLED, .stage = GDS_STAGE_HEADER};
		return GDS_REFUSE;
	}
	if (verdict == GDS_HEALTH) {
		verdict = judge_health(c, r);
	}
	if (verdict == GDS_DIAL) {
		c->dialling = true;
		if (f->header & GDS_FAULT_SKIP_DIAL) {
			c->sink_until = GDS_NEVER;
		}
		if (f->header & GDS_FAULT_OTHER_PORT) {
			unsigned port = (unsigned)strtoul(r->header.port, NULL, 10);
			set_port(&r->header, port + (unsigned)f->port_shift);
		}
	}
	return verdict;
}

enum gds_close gds_fault_end(void *ctx, const struct gds_error *why)
{
	struct gds_connection *c = ctx;
	unsigned ending = c->worker->server->faults.ending;
	(void)why;
	if (c->reset) {
		return GDS_CLOSE_RESET;
	}
	if (c->transport == GDS_UDP || ending == 0) {
		return GDS_CLOSE_CLEAN;
	}
	return ending & GDS_FAULT_CLOSE_RESET ? GDS_CLOSE_RESET : GDS_CLOSE_SILENT;
}

/* --- A destination that swallows everything, and ends when its time has come --------- */

struct sink {
	struct gds_carrier carrier;
	gds_time until; /* mono */
};

static ssize_t sink_read(struct gds_carrier *c, void *buffer, size_t size)
{
	(void)buffer;
	(void)size;
	return gds_now(c->env) >= ((struct sink *)c)->until ? GDS_EOF : GDS_AGAIN;
}

static ssize_t sink_write(struct gds_carrier *c, const void *data, size_t size)
{
	(void)c;
	(void)data;
	return (ssize_t)size;
}

static int sink_ok(struct gds_carrier *c)
{
	(void)c;
	return GDS_OK;
}

static void sink_interest(struct gds_carrier *c, struct gds_interest *out)
{
	*out = (struct gds_interest){.fd = -1, .deadline = ((struct sink *)c)->until};
}

static void sink_close(struct gds_carrier *c, enum gds_close how)
{
	(void)how;
	gds_free(c->env, c);
}

struct gds_carrier *gds_fault_sink(void *ctx, enum gds_transport transport)
{
	static const struct gds_carrier_ops ops = {
		sink_read, sink_write, sink_ok, sink_ok, sink_interest, sink_close};
	struct gds_connection *connection = ctx;
	const struct gds_env *env = gds_env_system();
	struct sink *s = connection->sink_until ? gds_alloc(env, sizeof(*s)) : NULL;
	if (!s) {
		return NULL;
	}
	s->carrier.ops = &ops;
	s->carrier.env = env;
	s->carrier.datagram = transport == GDS_UDP;
	s->until = connection->sink_until;
	return &s->carrier;
}
