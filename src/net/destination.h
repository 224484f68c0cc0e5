/* SPDX-License-Identifier: MIT */
/** Destinations of a tunnel on our own side: an echo over TCP and UDP on one port. */
#ifndef GDS_NET_DESTINATION_H
#define GDS_NET_DESTINATION_H

#include "net/driver.h"

#include <gdstream/address.h>

struct gds_destination;
/**
 * Echo at this address (port 0: free), TCP with correct half-close, UDP datagram by datagram. At
 * most 1024 connections.
 */
int gds_destination_echo(struct gds_destination **out, struct gds_driver *, struct gds_loop *,
	const struct gds_address *, const struct gds_env *, struct gds_complaint *);
const struct gds_address *gds_destination_address(const struct gds_destination *);
uint64_t gds_destination_connections(const struct gds_destination *);
uint64_t gds_destination_datagrams(const struct gds_destination *);
/** \return when the first payload came over this transport [mono], 0: none yet. */
gds_time gds_destination_first(const struct gds_destination *, enum gds_transport);
void gds_destination_free(struct gds_destination *);

#endif
