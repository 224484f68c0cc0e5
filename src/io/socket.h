/* SPDX-License-Identifier: MIT */
/** Sockets as carriers, and what surrounds them: listen, dial, batched datagrams. No loop. */
#ifndef GDS_IO_SOCKET_H
#define GDS_IO_SOCKET_H

#include <gdstream/address.h>
#include <gdstream/carrier.h>

#include <sys/socket.h>

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

/**
 * Bind TCP and UDP to one port number (MUX-01): first exclusively, so that "address in use" is
 * seen, then as an SO_REUSEPORT group of n. "::" takes IPv4 too. Port 0: a free number that both
 * have, tried up to 16 times.
 * \param tcp, udp arrays of n descriptors, listening / bound, non-blocking; filled on GDS_OK.
 * \param bound the address with the real port.
 * \return GDS_OK, GDS_E_IN_USE, GDS_E_PERMISSION, GDS_E_DESCRIPTORS, GDS_E_IO with a sentence.
 */
int gds_listen_pair(const struct gds_address *, size_t n, int *tcp, int *udp,
	struct gds_address *bound, struct gds_complaint *);

/** Receive and send in batches (recvmmsg, sendmmsg). */
#define GDS_BATCH 32
#define GDS_BATCH_DATAGRAM 16640 /* [bytes] a received one may have: a full DTLS record */
struct gds_batch;
/** Holds 0.6 MiB: one a worker. NULL without memory. */
struct gds_batch *gds_batch_new(int udp_fd, const struct gds_env *);
/**
 * \return datagrams received now (0 = none), < 0 an error. They are read with gds_batch_get until
 * the next call.
 */
int gds_batch_receive(struct gds_batch *);
const uint8_t *gds_batch_get(const struct gds_batch *, int i, size_t *n, struct gds_address *peer);
/** Queue one to send; flushes when full. */
void gds_batch_send(
	struct gds_batch *, const struct gds_address *to, const uint8_t *data, size_t n);
/** Send all queued. What the kernel will not take is dropped and counted: UDP. */
void gds_batch_flush(struct gds_batch *);
uint64_t gds_batch_dropped(const struct gds_batch *);
void gds_batch_free(struct gds_batch *); /* the descriptor stays the caller's */

#endif
