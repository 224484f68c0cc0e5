/* SPDX-License-Identifier: MIT */
/**
 * SipHash-2-4 (Aumasson and Bernstein): peers choose their addresses, so the table's hash has a
 * secret.
 */
#ifndef GDS_STREAM_SIPHASH_H
#define GDS_STREAM_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t gds_siphash_rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void gds_siphash_round(uint64_t v[static 4])
{
	v[0] += v[1];
	v[1] = gds_siphash_rotate(v[1], 13) ^ v[0];
	v[0] = gds_siphash_rotate(v[0], 32);
	v[2] += v[3];
	v[3] = gds_siphash_rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = gds_siphash_rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = gds_siphash_rotate(v[1], 17) ^ v[2];
	v[2] = gds_siphash_rotate(v[2], 32);
}

/** Of n bytes, little-endian words as in the reference. */
static inline uint64_t gds_siphash(const uint64_t key[static 2], const uint8_t *data, size_t n)
{
	uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575),
		key[1] ^ UINT64_C(0x646f72616e646f6d), key[0] ^ UINT64_C(0x6c7967656e657261),
		key[1] ^ UINT64_C(0x7465646279746573)};
	for (size_t at = 0; at <= n; at += 8) {
		uint64_t word = 0;
		for (size_t i = 0; i < 8 && at + i < n; i++) {
			word |= (uint64_t)data[at + i] << (8 * i);
		}
		word |= n - at < 8 ? (uint64_t)n << 56 : 0;
		v[3] ^= word;
		gds_siphash_round(v);
		gds_siphash_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++) {
		gds_siphash_round(v);
	}
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
