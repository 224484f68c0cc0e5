/* SPDX-License-Identifier: MIT */
/** The relay's inside: its streams and its datagrams. Not for other files. */
#ifndef GDS_NET_RELAY_PRIVATE_H
#define GDS_NET_RELAY_PRIVATE_H

#include "net/relay.h"

#include "io/socket.h"

struct gds_relay_stream;
struct gds_relay_flow;
struct gds_relay_parcel;

struct gds_relay {
	const struct gds_env *env;
	struct gds_driver *driver;
	struct gds_loop *loop;
	struct gds_relay_options options;
	struct gds_address address;
	struct gds_relay_stats stats;
	int tcp, udp;
	struct gds_watch *accepting, *receiving;
	struct gds_timer *pause, *delivery;
	struct gds_relay_stream *streams;
	struct gds_relay_stream *newest; /* while it is being bound; NULL when it ended meanwhile */
	size_t open;
	struct gds_relay_flow *flows; /* the last used first */
	size_t n_flows, n_parcels;
	struct gds_relay_parcel *first, *last; /* in the order of their time */
	uint8_t datagram[65536];
};

/** relay_stream.c: serve an accepted connection. \return false without memory; fd is closed. */
bool gds_relay_stream_serve(struct gds_relay *, int fd);
void gds_relay_streams_free(struct gds_relay *);
/** relay.c: one ended, or one more began. */
void gds_relay_accept_while_there_is_room(struct gds_relay *);

/** relay_datagram.c: the front socket is readable; something is due. */
void gds_relay_on_datagram(void *relay, short revents);
void gds_relay_on_delivery(void *relay);
void gds_relay_flows_free(struct gds_relay *);

#endif
