/* SPDX-License-Identifier: MIT */
/** What stream and datagram sockets share. Not for other folders. */
#ifndef GDS_IO_SOCKET_PRIVATE_H
#define GDS_IO_SOCKET_PRIVATE_H

#include "io/socket.h"

/** Both kinds of socket carrier. */
struct gds_socket {
	struct gds_carrier carrier; /* first: a carrier is cast to its socket */
	int fd;			    /* owned */
	bool blocked;		    /* the kernel did not take all of the last write */
	unsigned reads;		    /* stream: successful reads, counted up to a limit */
};

extern const struct gds_carrier_ops gds_stream_socket_ops, gds_datagram_socket_ops;

static inline struct gds_socket *gds_socket_of(struct gds_carrier *c)
{
	return (struct gds_socket *)c;
}

/**
 * \return a socket carrier; fd is owned from success on and made non-blocking. NULL without memory.
 */
struct gds_carrier *gds_socket_new(
	int fd, const struct gds_carrier_ops *, bool datagram, const struct gds_env *);
/** What both kinds wait for. */
void gds_socket_interest(struct gds_carrier *, struct gds_interest *out);

/**
 * Evidence from an errno: status, errno, origin; the stage is the caller's business.
 * \return the status.
 */
int gds_socket_error(struct gds_error *why, int sys);
/** Let the kernel fragment: what is sent is one datagram whatever the path's MTU. */
void gds_socket_allow_fragments(int fd, int family);

#endif
