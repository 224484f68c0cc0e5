/* SPDX-License-Identifier: MIT */
#include "stream/farewell.h"

#include <poll.h>

struct gds_carrier *gds_carrier_bottom(struct gds_carrier *c)
{
	while (c->below) {
		c = c->below;
	}
	return c;
}

int gds_carrier_probe(struct gds_carrier *c, bool ended, struct gds_scratch *scratch)
{
	struct gds_carrier *bottom = gds_carrier_bottom(c);
	ssize_t n;
	if (ended) {
		n = gds_carrier_read(bottom, scratch->bytes, sizeof(scratch->bytes));
	} else {
		/*
		 * A stream socket that was reset refuses even nothing; what waits to be read stays
		 * there.
		 */
		n = gds_carrier_write(bottom, scratch->bytes, 0);
	}
	if (n >= 0 || n == GDS_AGAIN || n == GDS_EOF) {
		return GDS_OK;
	}
	c->why = bottom->why;
	return (int)n;
}

void gds_farewell_start(
	struct gds_farewell *f, struct gds_carrier *carrier, bool goodbye, gds_time deadline)
{
	f->carrier = carrier;
	f->goodbye = goodbye;
	f->deadline = deadline;
	f->stage = GDS_FAREWELL_SAY;
}

static void over(struct gds_farewell *f, enum gds_close how)
{
	gds_carrier_close(f->carrier, how);
	f->carrier = NULL;
	f->stage = GDS_FAREWELL_OVER;
}

/*
 * What is queued, then close_notify. \return false: wait. A dead session has nothing more to say.
 */
static bool say(struct gds_farewell *f, struct gds_backlog *unsent)
{
	struct gds_carrier *c = f->carrier;
	int rc = unsent ? gds_backlog_write(unsent, c->env, c) : GDS_OK;
	if (rc == GDS_OK && f->goodbye) {
		rc = gds_carrier_shut(c);
	}
	if (rc != GDS_AGAIN) {
		rc = gds_carrier_flush(c);
	}
	return rc != GDS_AGAIN;
}

/*
 * Take what the peer still sends until it closes too: unread bytes would turn our FIN into a reset.
 */
static bool drained(struct gds_carrier *bottom, struct gds_scratch *scratch)
{
	size_t taken = 0;
	while (taken < GDS_SCRATCH_SIZE) {
		ssize_t n = gds_carrier_read(bottom, scratch->bytes, sizeof(scratch->bytes));
		if (n < 0) {
			return n != GDS_AGAIN;
		}
		taken += (size_t)n;
	}
	return false;
}

bool gds_farewell_step(struct gds_farewell *f, struct gds_backlog *unsent,
	struct gds_scratch *scratch, gds_time now)
{
	if (f->stage == GDS_FAREWELL_OVER) {
		return true;
	}
	if (f->stage == GDS_FAREWELL_SAY && say(f, unsent)) {
		if (f->carrier->datagram) {
			over(f, f->goodbye ? GDS_CLOSE_CLEAN : GDS_CLOSE_SILENT);
			return true;
		}
		f->stage = GDS_FAREWELL_FIN;
	}
	struct gds_carrier *bottom = gds_carrier_bottom(f->carrier);
	if (f->stage == GDS_FAREWELL_FIN && gds_carrier_shut(bottom) != GDS_AGAIN) {
		f->stage = GDS_FAREWELL_DRAIN;
	}
	if (f->stage == GDS_FAREWELL_DRAIN && drained(bottom, scratch)) {
		over(f, GDS_CLOSE_SILENT);
		return true;
	}
	if (now >= f->deadline) {
		/*
		 * The peer does not read, or does not close: the descriptor is worth more than its
		 * FIN.
		 */
		over(f, GDS_CLOSE_SILENT);
		return true;
	}
	return false;
}

void gds_farewell_interest(struct gds_farewell *f, struct gds_interest *out)
{
	bool draining = f->stage == GDS_FAREWELL_DRAIN;
	struct gds_carrier *c = draining ? gds_carrier_bottom(f->carrier) : f->carrier;
	gds_carrier_interest(c, out);
	if (draining) {
		out->deadline = f->deadline;
		return;
	}
	out->events = POLLOUT;
	out->ready = false;
	out->deadline = f->deadline;
}

void gds_farewell_abandon(struct gds_farewell *f)
{
	if (f->carrier) {
		over(f, GDS_CLOSE_SILENT);
	}
}
