/* SPDX-License-Identifier: MIT */
#include "core/prng.h"

uint64_t gds_splitmix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void gds_prng_seed(struct gds_prng *p, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		p->s[i] = gds_splitmix(&seed);
	}
}

void gds_prng_seed_stream(struct gds_prng *p, uint64_t seed, uint64_t stream)
{
	/* Mixed on its own first: seed + 1 of one stream is not stream + 1 of one seed. */
	gds_prng_seed(p, seed ^ gds_splitmix(&stream));
}

static uint64_t rotate(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t gds_prng_next(struct gds_prng *p)
{
	uint64_t *s = p->s;
	uint64_t result = rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

uint64_t gds_prng_below(struct gds_prng *p, uint64_t n)
{
	/* The first 2^64 mod n numbers are one too many. */
	uint64_t least = (0 - n) % n;
	uint64_t x = gds_prng_next(p);

	while (x < least) {
		x = gds_prng_next(p);
	}
	return x % n;
}
