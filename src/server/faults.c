/* SPDX-License-Identifier: MIT */
/*
 * Deliberate misbehaviour: another implementation of the server's decisions (DESIGN: principle 5).
 */
#include "server/server_private.h"

#include <gdstream/catalogue.h>

#include <string.h>

/* The bits of a set of faults, by the names of the catalogue. */
enum {
	ACCEPT_BAD_CHECKSUM = 1 << 0,
	ACCEPT_BAD_VERSION = 1 << 1,
	REFUSE_GOOD = 1 << 2,
	HEALTH_DIALS = 1 << 3,
	HEALTH_ANSWERS = 1 << 4,
	NO_CLOSE_NOTIFY = 1 << 5,
	SKIP_DIAL = 1 << 6,
	NO_CLIENT_CERT = 1 << 7,
};

static const struct {
	const char *name;
	unsigned bit;
} known[] = {
	{"accept-bad-checksum", ACCEPT_BAD_CHECKSUM},
	{"accept-bad-version", ACCEPT_BAD_VERSION},
	{"refuse-good", REFUSE_GOOD},
	{"health-dials", HEALTH_DIALS},
	{"health-answers", HEALTH_ANSWERS},
	{"no-close-notify", NO_CLOSE_NOTIFY},
	{"skip-dial", SKIP_DIAL},
	{"no-client-cert", NO_CLIENT_CERT},
};

static unsigned bit_of(const char *name)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, name) == 0) {
			return known[i].bit;
		}
	}
	return 0;
}

int gds_faults_parse(const char *const *names, unsigned *faults, struct gds_complaint *complaint)
{
	*faults = 0;
	for (; names && *names; names++) {
		unsigned bit = gds_fault_find(*names) ? bit_of(*names) : 0;
		if (bit == 0) {
			return gds_complain(complaint, GDS_E_INVALID,
				"there is no fault named \"%s\"; --list-faults shows them", *names);
		}
		*faults |= bit;
	}
	return GDS_OK;
}

static enum gds_verdict forgive(const struct gds_header *header)
{
	return gds_header_is_health(header) ? GDS_HEALTH : GDS_DIAL;
}

static enum gds_verdict judge(void *ctx, enum gds_verdict verdict, struct gds_request *request)
{
	struct gds_connection *c = ctx;
	bool checksum = request->why.code == GDS_E_CHECKSUM && (c->faults & ACCEPT_BAD_CHECKSUM);
	bool version = request->why.code == GDS_E_VERSION && (c->faults & ACCEPT_BAD_VERSION);
	if (verdict == GDS_REFUSE && (checksum || version)) {
		verdict = forgive(&request->header);
	}
	if ((verdict == GDS_HEALTH || verdict == GDS_DIAL) && (c->faults & REFUSE_GOOD)) {
		request->why =
			(struct gds_error){.code = GDS_E_CANCELLED, .stage = GDS_STAGE_HEADER};
		return GDS_REFUSE;
	}
	if (verdict == GDS_HEALTH && (c->faults & HEALTH_DIALS) &&
		request->header.host_length > 0) {
		return GDS_DIAL;
	}
	c->answer = verdict == GDS_HEALTH && (c->faults & HEALTH_ANSWERS);
	return verdict;
}

static enum gds_close ending(void *ctx, const struct gds_error *why)
{
	(void)ctx;
	(void)why;
	return GDS_CLOSE_SILENT;
}

/* --- A destination that swallows everything and says nothing ------------------------ */

static ssize_t sink_read(struct gds_carrier *c, void *buffer, size_t size)
{
	(void)c;
	(void)buffer;
	(void)size;
	return GDS_AGAIN;
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
	(void)c;
	*out = (struct gds_interest){.fd = -1, .deadline = GDS_NEVER};
}

static void sink_close(struct gds_carrier *c, enum gds_close how)
{
	(void)how;
	gds_free(c->env, c);
}

static struct gds_carrier *sink(void *ctx, enum gds_transport transport)
{
	static const struct gds_carrier_ops ops = {
		sink_read, sink_write, sink_ok, sink_ok, sink_interest, sink_close};
	(void)ctx;
	const struct gds_env *env = gds_env_system();
	struct gds_carrier *c = gds_alloc(env, sizeof(*c));
	if (c) {
		*c = (struct gds_carrier){
			.ops = &ops, .env = env, .datagram = transport == GDS_UDP};
	}
	return c;
}

/* --- A session that says something before its goodbye -------------------------------- */

struct talker {
	struct gds_carrier carrier;
	struct gds_connection *connection;
};

static ssize_t talker_read(struct gds_carrier *c, void *buffer, size_t size)
{
	ssize_t n = gds_carrier_read(c->below, buffer, size);
	c->why = c->below->why;
	c->dropped = c->below->dropped;
	return n;
}

static ssize_t talker_write(struct gds_carrier *c, const void *data, size_t size)
{
	ssize_t n = gds_carrier_write(c->below, data, size);
	c->why = c->below->why;
	return n;
}

static int talker_shut(struct gds_carrier *c)
{
	struct talker *t = (struct talker *)c;
	if (t->connection->answer) {
		t->connection->answer = false;
		(void)gds_carrier_write(c->below, "healthy\n", 8);
	}
	return gds_carrier_shut(c->below);
}

static int talker_flush(struct gds_carrier *c)
{
	return gds_carrier_flush(c->below);
}

static void talker_interest(struct gds_carrier *c, struct gds_interest *out)
{
	gds_carrier_interest(c->below, out);
}

static void talker_close(struct gds_carrier *c, enum gds_close how)
{
	struct gds_carrier *below = c->below;
	gds_free(c->env, c);
	gds_carrier_close(below, how);
}

static struct gds_carrier *wrap(
	void *ctx, enum gds_transport transport, struct gds_carrier *session)
{
	static const struct gds_carrier_ops ops = {talker_read, talker_write, talker_shut,
		talker_flush, talker_interest, talker_close};
	(void)transport;
	struct talker *t = gds_alloc(session->env, sizeof(*t));
	if (!t) {
		return session;
	}
	t->carrier.ops = &ops;
	t->carrier.below = session;
	t->carrier.env = session->env;
	t->carrier.datagram = session->datagram;
	t->connection = ctx;
	return &t->carrier;
}

void gds_faults_apply(unsigned faults, struct gds_serve_ops *ops, bool *optional_client_cert)
{
	unsigned judged = ACCEPT_BAD_CHECKSUM | ACCEPT_BAD_VERSION | REFUSE_GOOD | HEALTH_DIALS |
			  HEALTH_ANSWERS;
	if (faults & judged) {
		ops->judge = judge;
	}
	if (faults & HEALTH_ANSWERS) {
		ops->wrap = wrap;
	}
	if (faults & NO_CLOSE_NOTIFY) {
		ops->ending = ending;
	}
	if (faults & SKIP_DIAL) {
		ops->destination = sink;
	}
	if (faults & NO_CLIENT_CERT) {
		*optional_client_cert = true;
	}
}
