/* SPDX-License-Identifier: MIT */
/**
 * What a bad network does, decided from a seed: the n-th datagram of a flow has the same fate each
 * time, whatever else passes and whenever it comes.
 */
#ifndef GDS_CORE_IMPAIR_H
#define GDS_CORE_IMPAIR_H

#include <gdstream/error.h>

#include "core/prng.h"

#include <stddef.h>

/** [parts] that make a whole: chances are given in millionths. */
#define GDS_IMPAIR_ALWAYS 1000000u

struct gds_impairment {
	uint64_t seed;
	uint32_t loss, duplicate, reorder; /* [millionths] chance of each datagram */
	gds_time delay, jitter; /* [ns] of each datagram; jitter is added, 0 to all of it */
	gds_time held;		/* [ns] a reordered one, or a duplicate, comes later; 0 = 20 ms */
	size_t split; /* [bytes] a piece of a stream has at most, 1 to all of it; 0 = as it comes */
	gds_time stream_delay; /* [ns] of each byte of a stream */
	gds_time gap;	       /* [ns] between two pieces of a stream */
};

/** One direction of one flow. */
struct gds_impair {
	const struct gds_impairment *what; /* borrowed */
	struct gds_prng prng;
	gds_time last; /* when the last piece of the stream is due */
};

/** When the copies of a datagram are due: none = lost, two = duplicated. */
struct gds_fate {
	unsigned copies;
	gds_time at[2];
	bool held; /* later ones may overtake it */
};

/** \param flow, direction (0, 1): a sequence of its own for each. */
void gds_impair_init(
	struct gds_impair *, const struct gds_impairment *, uint64_t flow, unsigned direction);
/** The fate of the next datagram. */
void gds_impair_datagram(struct gds_impair *, gds_time now, struct gds_fate *out);
/**
 * The next piece of a stream of which n bytes are here. \param at out: when it is due, never before
 * the one before. \return its length [bytes], 1 to n.
 */
size_t gds_impair_piece(struct gds_impair *, size_t n, gds_time now, gds_time *at);

#endif
