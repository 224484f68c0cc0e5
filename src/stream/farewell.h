/* SPDX-License-Identifier: MIT */
/**
 * The end of a carrier as the peer should see it: close_notify, FIN, and no reset behind them
 * (GNUTLS trap 36).
 */
#ifndef GDS_STREAM_FAREWELL_H
#define GDS_STREAM_FAREWELL_H

#include "stream/backlog.h"

#include <gdstream/tunnel.h>

/** How long a farewell may take [ns]: the peer has to take what is queued and to close its side. */
#define GDS_LINGER GDS_SECOND

enum gds_farewell_stage {
	GDS_FAREWELL_SAY,
	GDS_FAREWELL_FIN,
	GDS_FAREWELL_DRAIN,
	GDS_FAREWELL_OVER
};

struct gds_farewell {
	struct gds_carrier *carrier; /* owned; NULL when over */
	enum gds_farewell_stage stage;
	bool goodbye; /* announce the end (close_notify); false: FIN alone */
	gds_time deadline;
};

/** The carrier at the bottom of a stack: the socket. */
struct gds_carrier *gds_carrier_bottom(struct gds_carrier *);

/**
 * A side that is not read for now tells nothing by itself; this often it is asked whether it was
 * reset (TCP-09).
 */
#define GDS_PROBE_EVERY (GDS_SECOND / 2)
/**
 * Look under a carrier that is not read: at its end, throwing away what is there, or still in the
 * middle.
 * \param ended it was read to its end: what comes now is nothing. Else nothing is taken from it.
 * \return GDS_OK: still there, or closed in order; an error, then also in the carrier's why.
 */
int gds_carrier_probe(struct gds_carrier *, bool ended, struct gds_scratch *);

/** \param carrier owned from here on. */
void gds_farewell_start(
	struct gds_farewell *, struct gds_carrier *carrier, bool goodbye, gds_time deadline);
/**
 * Go on. \param unsent bytes that go out before the goodbye; may be NULL.
 * \return true when the carrier has been closed and freed.
 */
bool gds_farewell_step(
	struct gds_farewell *, struct gds_backlog *unsent, struct gds_scratch *, gds_time now);
void gds_farewell_interest(struct gds_farewell *, struct gds_interest *out);
/** Close what is left, silently. */
void gds_farewell_abandon(struct gds_farewell *);

#endif
