/* SPDX-License-Identifier: MIT */
/**
 * Two carriers joined: bytes or datagrams both ways, half-close, backpressure (TCP-06..TCP-09,
 * TCP-12, UDP-06).
 */
#ifndef GDSTREAM_TUNNEL_H
#define GDSTREAM_TUNNEL_H

#include <gdstream/api.h>
#include <gdstream/machine.h>

GDS_BEGIN_DECLS

/** One read buffer a thread, lent to its machines during a step. */
#define GDS_SCRATCH_SIZE 65536
struct gds_scratch {
	uint8_t bytes[GDS_SCRATCH_SIZE];
};

struct gds_tunnel_options {
	gds_time idle;	 /* [ns] of datagrams: without one from a (UDP-12); 0 = no limit */
	gds_time linger; /* [ns] after one side ended in error or cancel; 0 = 1 s */
	struct gds_scratch *scratch; /* borrowed, outlives the tunnel */
	/**
	 * What was already read from a, to be written to b first; copied. Of datagrams each one is
	 * led by its
	 * length in 2 bytes, network order.
	 */
	const uint8_t *early;
	size_t early_length; /* [bytes], at most 64 KiB */
	bool early_end;	     /* a has already ended in order: its end follows the early bytes */
	bool silent;	     /* end a without close_notify: a fault */
	bool whole;	     /* the end of b is the end of both ways, as in HTTP (MUX-05) */
	const struct gds_env *env;
};

struct gds_tunnel_report {
	uint64_t bytes[2], datagrams[2], dropped[2]; /* 0: a to b, 1: b to a */
	uint64_t refused;			     /* ICMP refusals of the destination (UDP-11) */
	struct gds_error why; /* how it ended; GDS_OK = both ends closed in order */
	bool idle;	      /* reaped */
};

/**
 * a: the session; b: the destination. Both owned. \return NULL without memory (both then stay the
 * caller's).
 */
struct gds_machine *gds_tunnel_new(
	struct gds_carrier *a, struct gds_carrier *b, const struct gds_tunnel_options *);
const struct gds_tunnel_report *gds_tunnel_report(const struct gds_machine *);

GDS_END_DECLS

#endif
