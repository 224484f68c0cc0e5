/* SPDX-License-Identifier: MIT */
/** A relay for TCP and UDP on one port that impairs what passes: the bad network of tests, in
 * process. */
#ifndef GDS_NET_RELAY_H
#define GDS_NET_RELAY_H

#include "core/impair.h"
#include "net/driver.h"

#define GDS_RELAY_STREAMS 256  /* connections at most; more wait in the kernel's queue */
#define GDS_RELAY_FLOWS 512    /* UDP clients at most; the one silent for longest makes room */
#define GDS_RELAY_WAITING 4096 /* datagrams on their way at most; more are lost and counted */

struct gds_relay_options {
	struct gds_address listen, to;
	struct gds_impairment impairment;
};

/** Index 0: from clients to the target; 1: back. */
struct gds_relay_stats {
	uint64_t connections, flows;
	uint64_t bytes[2], pieces[2];				/* of TCP, written */
	uint64_t datagrams[2], lost[2], duplicated[2], held[2]; /* of UDP, received */
	uint64_t overflown[2];					/* for want of room or of memory */
};

struct gds_relay;
/**
 * Relay from now on. UDP flows are numbered in the order of their first datagram, connections in
 * that of their acceptance: that number, the direction and the seed decide about each. \return
 * GDS_OK; GDS_E_INVALID without a target; as gds_listen_pair; GDS_E_NOMEM; with a sentence.
 */
int gds_relay_new(struct gds_relay **out, struct gds_driver *, struct gds_loop *,
	const struct gds_relay_options *, const struct gds_env *, struct gds_complaint *);
const struct gds_address *gds_relay_address(const struct gds_relay *);
const struct gds_relay_stats *gds_relay_stats(const struct gds_relay *);
/** What is on its way is lost. Before driver and loop are freed. Accepts NULL. */
void gds_relay_free(struct gds_relay *);

#endif
