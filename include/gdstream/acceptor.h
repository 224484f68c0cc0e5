/* SPDX-License-Identifier: MIT */
/**
 * The one truth about a request: transport, bytes with record boundaries and time in; a verdict
 * out. The server runs it, tests and fuzzers use it as their oracle.
 */
#ifndef GDSTREAM_ACCEPTOR_H
#define GDSTREAM_ACCEPTOR_H

#include <gdstream/api.h>
#include <gdstream/carrier.h>
#include <gdstream/header.h>

GDS_BEGIN_DECLS

/** TCP-03, UDP-08: the header must be complete this long after the start. */
#define GDS_HEADER_LIMIT (10 * GDS_SECOND)

enum gds_verdict { GDS_NEED_MORE, GDS_DIAL, GDS_HEALTH, GDS_REFUSE };

struct gds_acceptor {
	enum gds_transport transport;
	gds_time deadline;
	size_t have; /* [bytes] of the header so far */
	uint8_t wire[GDS_HEADER_SIZE];
	enum gds_verdict verdict;
	struct gds_header header; /* filled when have is whole, also when refused */
	struct gds_error why;	  /* when refused */
};

/** \param start end of the handshake (TCP) or acceptance of the session (UDP); the limit counts
 * from it. */
void gds_acceptor_init(struct gds_acceptor *, enum gds_transport, gds_time start);
/**
 * Feed what one read (UDP: one record) gave.
 * \param used out: bytes that belong to the header; the rest is payload (TCP-02).
 * \return the verdict so far. UDP: a record longer than what the header still lacks is refused, as
 * UDP-05 when it begins like a header, as UDP-21 otherwise.
 */
enum gds_verdict gds_acceptor_feed(
	struct gds_acceptor *, const uint8_t *data, size_t n, gds_time now, size_t *used);
/** The stream ended. \return GDS_REFUSE with GDS_E_HEADER_CUT unless a verdict was reached before.
 */
enum gds_verdict gds_acceptor_end(struct gds_acceptor *);
/** Time went on. \return GDS_REFUSE with GDS_E_HEADER_LATE when the deadline has passed. */
enum gds_verdict gds_acceptor_tick(struct gds_acceptor *, gds_time now);

GDS_END_DECLS

#endif
