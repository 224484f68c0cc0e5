/* SPDX-License-Identifier: MIT */
/** What surrounds sockets on the server's side: listen, batched datagrams. No loop. */
#ifndef GDS_IO_SOCKET_H
#define GDS_IO_SOCKET_H

#include <gdstream/socket.h>

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

/** One of the two, exclusively. Statuses and the rest as gds_listen_pair. */
int gds_listen_one(const struct gds_address *, enum gds_transport, int *fd,
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
