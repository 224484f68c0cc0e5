/* SPDX-License-Identifier: MIT */
/* Faults at the other end of a tunnel: a destination, or the HTTPS API behind its socketpair. */
#include "server/faults_pass.h"

#include <string.h>

#define CUT_OFF 20 /* [bytes] of an HTTP answer: inside its body */

struct destination {
	struct gds_pass pass;
	bool http;
	bool asked;	/* HTTP: a request came */
	bool answered;	/* HTTP: with garbage */
	bool dead;	/* nothing is read of it any more */
	gds_time until; /* mono: not before it is read of */
};

static bool has(const struct destination *d, unsigned fault)
{
	return d->pass.faults->destination & fault;
}

static bool is_waiting(const struct destination *d)
{
	return d->http && has(d, GDS_FAULT_HTTP_SLOW) &&
	       (!d->asked || gds_now(d->pass.carrier.env) < d->until);
}

static ssize_t read_http(struct destination *d, void *buffer, size_t size)
{
	static const char garbage[] = "+OK this is no HTTP\r\n";
	if (has(d, GDS_FAULT_HTTP_GARBAGE)) {
		if (!d->asked || d->answered) {
			return d->answered ? GDS_EOF : GDS_AGAIN;
		}
		d->answered = true;
		memcpy(buffer, garbage, size < sizeof(garbage) ? size : sizeof(garbage) - 1);
		return (ssize_t)(size < sizeof(garbage) ? size : sizeof(garbage) - 1);
	}
	ssize_t n = gds_pass_read(&d->pass.carrier, buffer, size);
	if (n > 0 && has(d, GDS_FAULT_HTTP_CUT)) {
		n = d->answered || n <= CUT_OFF ? GDS_EOF : n - CUT_OFF;
		d->answered = true;
	}
	return n;
}

/* Every error of a datagram socket is the network's answer to what was sent (UDP-11). */
static ssize_t failed(struct destination *d, ssize_t n)
{
	bool datagram = d->pass.carrier.datagram;
	if (n == GDS_AGAIN || n == GDS_EOF || d->http) {
		return n;
	}
	if (datagram ? has(d, GDS_FAULT_ICMP_KILLS) : has(d, GDS_FAULT_DESTINATION_RESET)) {
		d->dead = true;
		d->pass.connection->return_dead = datagram;
		return datagram ? n : GDS_AGAIN;
	}
	return n;
}

static ssize_t destination_read(struct gds_carrier *c, void *buffer, size_t size)
{
	struct destination *d = (struct destination *)c;
	if (is_waiting(d) || (d->dead && !c->datagram)) {
		return GDS_AGAIN;
	}
	if (d->http) {
		return read_http(d, buffer, size);
	}
	ssize_t n = gds_pass_read(c, buffer, size);
	return n < 0 ? failed(d, n) : n;
}

static ssize_t destination_write(struct gds_carrier *c, const void *data, size_t n)
{
	struct destination *d = (struct destination *)c;
	if (!d->asked) {
		d->asked = true;
		d->until = gds_pass_after(c, d->pass.faults->http_delay);
	}
	if (d->dead && !c->datagram) {
		return (ssize_t)n;
	}
	ssize_t rc = gds_pass_write(c, data, n);
	return rc < 0 && rc != GDS_AGAIN && failed(d, rc) == GDS_AGAIN ? (ssize_t)n : rc;
}

static int destination_shut(struct gds_carrier *c)
{
	return has((struct destination *)c, GDS_FAULT_KEEP_CLIENT_END) ? GDS_OK : gds_pass_shut(c);
}

static void destination_interest(struct gds_carrier *c, struct gds_interest *out)
{
	struct destination *d = (struct destination *)c;
	gds_pass_interest(c, out);
	if (is_waiting(d) || (d->dead && !c->datagram)) {
		gds_pass_deaf(out);
		out->deadline = d->asked && !d->dead ? d->until : GDS_NEVER;
	} else if (d->http && has(d, GDS_FAULT_HTTP_GARBAGE)) {
		out->ready = d->asked;
	}
}

/* TCP-05: what is left behind stays open until the worker ends. */
static void destination_close(struct gds_carrier *c, enum gds_close how)
{
	struct destination *d = (struct destination *)c;
	struct gds_worker *w = d->pass.connection->worker;
	if (d->http || !has(d, GDS_FAULT_LEAK)) {
		gds_pass_close(c, how);
		return;
	}
	d->pass.next = w->leaked;
	w->leaked = &d->pass;
}

void gds_fault_forget_leaked(struct gds_worker *w)
{
	while (w->leaked) {
		struct gds_pass *p = w->leaked;
		w->leaked = p->next;
		gds_pass_close(&p->carrier, GDS_CLOSE_SILENT);
	}
}

struct gds_carrier *gds_fault_reached(
	void *ctx, const struct gds_serve_report *report, struct gds_carrier *below)
{
	static const struct gds_carrier_ops ops = {destination_read, destination_write,
		destination_shut, gds_pass_flush, destination_interest, destination_close};
	struct gds_connection *connection = ctx;
	connection->tunnelled = true;
	struct destination *d = gds_pass_new(sizeof(*d), &ops, connection, below);
	if (!d) {
		return below;
	}
	d->http = report->kind == GDS_SERVED_HTTP;
	return &d->pass.carrier;
}
