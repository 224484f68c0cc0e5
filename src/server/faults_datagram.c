/* SPDX-License-Identifier: MIT */
/* Faults in what a session carries over UDP. */
#include "server/faults_pass.h"

#include <gdstream/header.h>

#include <string.h>

struct datagram {
	struct gds_pass pass;
	size_t header; /* [bytes] of the header that are still to come */
	uint64_t sent; /* datagrams to the client */
	bool dead;     /* nothing goes back any more */
	bool due;      /* what is held is next */
	size_t held;   /* [bytes]; 0: none */
	uint8_t bytes[GDS_DATAGRAM_IN_MAX];
};

static bool has(const struct datagram *d, unsigned fault)
{
	return d->pass.faults->datagram & fault;
}

static void hold(struct datagram *d, const uint8_t *data, size_t n, bool due)
{
	memcpy(d->bytes, data, n);
	d->held = n;
	d->due = due;
}

static ssize_t take_held(struct datagram *d, uint8_t *buffer, size_t size)
{
	size_t n = d->held;
	d->held = 0;
	d->due = false;
	if (n > size) {
		return GDS_AGAIN;
	}
	memcpy(buffer, d->bytes, n);
	return (ssize_t)n;
}

/* Two become one. */
static ssize_t merge(struct datagram *d, uint8_t *buffer, size_t n, size_t size)
{
	if (d->held == 0) {
		hold(d, buffer, n, false);
		return GDS_AGAIN;
	}
	if (n + d->held > size || n + d->held > sizeof(d->bytes)) {
		return (ssize_t)n;
	}
	memmove(buffer + d->held, buffer, n);
	memcpy(buffer, d->bytes, d->held);
	n += d->held;
	d->held = 0;
	return (ssize_t)n;
}

/* The second goes before the first. */
static ssize_t reorder(struct datagram *d, const uint8_t *buffer, size_t n)
{
	if (d->held == 0) {
		hold(d, buffer, n, false);
		return GDS_AGAIN;
	}
	d->due = true;
	return (ssize_t)n;
}

/* One datagram of n bytes. \return what becomes of it; GDS_AGAIN: nothing yet. */
static ssize_t spoil(struct datagram *d, uint8_t *buffer, size_t n, size_t size)
{
	if (has(d, GDS_FAULT_LIMIT) && n > (size_t)d->pass.faults->limit) {
		return GDS_AGAIN;
	}
	if (n > sizeof(d->bytes)) {
		return (ssize_t)n;
	}
	if (has(d, GDS_FAULT_FLIP_ALL)) {
		buffer[n / 2] ^= 1;
	}
	if (has(d, GDS_FAULT_SPLIT) && n > 1) {
		hold(d, buffer + n / 2, n - n / 2, true);
		return (ssize_t)(n / 2);
	}
	if (has(d, GDS_FAULT_DUPLICATE)) {
		hold(d, buffer, n, true);
		return (ssize_t)n;
	}
	if (has(d, GDS_FAULT_MERGE)) {
		return merge(d, buffer, n, size);
	}
	return has(d, GDS_FAULT_REORDER) ? reorder(d, buffer, n) : (ssize_t)n;
}

static ssize_t datagram_read(struct gds_carrier *c, void *buffer, size_t size)
{
	struct datagram *d = (struct datagram *)c;
	ssize_t n = GDS_AGAIN;
	if (d->due) {
		n = take_held(d, buffer, size);
		if (n > 0) {
			return n;
		}
	}
	while ((n = gds_pass_read(c, buffer, size)) > 0) {
		if (d->header > 0) {
			d->header -= (size_t)n < d->header ? (size_t)n : d->header;
			return n;
		}
		ssize_t left = spoil(d, buffer, (size_t)n, size);
		if (left > 0) {
			return left;
		}
	}
	return n;
}

static ssize_t datagram_write(struct gds_carrier *c, const void *data, size_t n)
{
	struct datagram *d = (struct datagram *)c;
	d->sent++;
	bool nth = has(d, GDS_FAULT_DROP_NTH) && d->sent % (uint64_t)d->pass.faults->nth == 0;
	if (d->dead || d->pass.connection->return_dead || nth) {
		return (ssize_t)n;
	}
	ssize_t rc = gds_pass_write(c, data, n);
	d->dead = rc == GDS_E_LIMIT && has(d, GDS_FAULT_LONG_KILLS);
	return rc;
}

static int datagram_shut(struct gds_carrier *c)
{
	struct datagram *d = (struct datagram *)c;
	if (d->pass.connection->answer) {
		d->pass.connection->answer = false;
		(void)gds_carrier_write(c->below, "healthy\n", 8);
	}
	return gds_pass_shut(c);
}

static void datagram_interest(struct gds_carrier *c, struct gds_interest *out)
{
	gds_pass_interest(c, out);
	out->ready = out->ready || ((struct datagram *)c)->due;
}

struct gds_carrier *gds_fault_over_udp(
	struct gds_connection *connection, struct gds_carrier *session)
{
	static const struct gds_carrier_ops ops = {datagram_read, datagram_write, datagram_shut,
		gds_pass_flush, datagram_interest, gds_pass_close};
	struct datagram *d = gds_pass_new(sizeof(*d), &ops, connection, session);
	if (!d) {
		return session;
	}
	d->header = GDS_HEADER_SIZE;
	return &d->pass.carrier;
}
