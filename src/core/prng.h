/* SPDX-License-Identifier: MIT */
/** Seeded random numbers that are the same on every machine: for impairments and tests, never for
 * secrets. */
#ifndef GDS_CORE_PRNG_H
#define GDS_CORE_PRNG_H

#include <stdbool.h>
#include <stdint.h>

/** xoshiro256** 1.0 (Blackman and Vigna). */
struct gds_prng {
	uint64_t s[4]; /* never all zero */
};

/** splitmix64: the next number, and the state goes on. */
uint64_t gds_splitmix(uint64_t *state);
/** Filled from splitmix64, as its authors recommend: neighbouring seeds have nothing in common. */
void gds_prng_seed(struct gds_prng *, uint64_t seed);
/** Of one seed, another sequence for each stream. */
void gds_prng_seed_stream(struct gds_prng *, uint64_t seed, uint64_t stream);
uint64_t gds_prng_next(struct gds_prng *);
/** Uniform in [0, n), n > 0, without the bias of a remainder. Takes one number, seldom more. */
uint64_t gds_prng_below(struct gds_prng *, uint64_t n);

#endif
