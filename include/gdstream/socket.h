/* SPDX-License-Identifier: MIT */
/** Sockets as carriers, and connects as a step at a time: what a driver of machines answers
 * GDS_CONNECT with. */
#ifndef GDSTREAM_SOCKET_H
#define GDSTREAM_SOCKET_H

#include <gdstream/address.h>
#include <gdstream/api.h>
#include <gdstream/carrier.h>

#include <sys/socket.h>

GDS_BEGIN_DECLS

socklen_t gds_address_to_sockaddr(const struct gds_address *, struct sockaddr_storage *out);
/**
 * \return GDS_OK, GDS_E_INVALID for a family that is neither IPv4 nor IPv6. IPv4-mapped IPv6
 * becomes IPv4.
 */
int gds_address_from_sockaddr(struct gds_address *out, const struct sockaddr *);

/**
 * A stream socket (TCP or AF_UNIX) as a carrier: non-blocking, TCP_NODELAY, no SIGPIPE. fd is owned
 * from success on. NULL without memory.
 */
struct gds_carrier *gds_stream_socket_new(int fd, const struct gds_env *);
/**
 * A connected datagram socket as a carrier. ICMP errors: GDS_E_REFUSED, GDS_E_UNREACHABLE with
 * icmp_type and code (IP_RECVERR); the carrier lives on.
 */
struct gds_carrier *gds_datagram_socket_new(int fd, const struct gds_env *);
/** \return the descriptor of a socket carrier, also under a stack; -1 when there is none. */
int gds_carrier_fd(const struct gds_carrier *);

/** A connect under way. */
struct gds_dial {
	int fd; /* -1 when idle */
	enum gds_transport transport;
};
/**
 * Start.
 * \return GDS_OK connected at once (always for UDP), GDS_AGAIN wait for POLLOUT on fd, an error in
 * why.
 */
int gds_dial_start(
	struct gds_dial *, enum gds_transport, const struct gds_address *, struct gds_error *why);
/** After POLLOUT. \return GDS_OK, GDS_AGAIN, an error in why (fd closed). */
int gds_dial_check(struct gds_dial *, struct gds_error *why);
/**
 * The connected socket as a carrier; the dial is idle afterwards. NULL without memory (fd closed).
 */
struct gds_carrier *gds_dial_take(struct gds_dial *, const struct gds_env *);
void gds_dial_cancel(struct gds_dial *);

GDS_END_DECLS

#endif
