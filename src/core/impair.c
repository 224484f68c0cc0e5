/* SPDX-License-Identifier: MIT */
#include "core/impair.h"

#define HELD (20 * GDS_MILLISECOND)

void gds_impair_init(struct gds_impair *impair, const struct gds_impairment *what, uint64_t flow,
	unsigned direction)
{
	impair->what = what;
	impair->last = 0;
	gds_prng_seed_stream(&impair->prng, what->seed, flow << 1 | (direction & 1));
}

static bool happens(uint64_t number, uint32_t chance)
{
	/* 2^64 is no multiple of a million: a bias of one in 10^13, for one number always. */
	return number % GDS_IMPAIR_ALWAYS < chance;
}

void gds_impair_datagram(struct gds_impair *impair, gds_time now, struct gds_fate *out)
{
	const struct gds_impairment *what = impair->what;
	gds_time held = what->held ? what->held : HELD;
	uint64_t number[4];
	gds_time at = now + what->delay;

	/* As many numbers for each datagram, so that no option moves the fate of the next. */
	for (int i = 0; i < 4; i++) {
		number[i] = gds_prng_next(&impair->prng);
	}
	if (what->jitter > 0) {
		at += (gds_time)(number[3] % ((uint64_t)what->jitter + 1));
	}
	*out = (struct gds_fate){.copies = 1};
	if (happens(number[0], what->loss)) {
		out->copies = 0;
		return;
	}
	out->held = happens(number[2], what->reorder);
	out->at[0] = out->held ? at + held : at;
	if (happens(number[1], what->duplicate)) {
		out->copies = 2;
		out->at[1] = out->at[0] + held;
	}
}

size_t gds_impair_piece(struct gds_impair *impair, size_t n, gds_time now, gds_time *at)
{
	const struct gds_impairment *what = impair->what;
	gds_time due = now + what->stream_delay;
	size_t length = n;

	if (what->split > 0) {
		length = 1 + (size_t)gds_prng_below(&impair->prng, what->split);
		length = length < n ? length : n;
	}
	if (due < impair->last + what->gap) {
		due = impair->last + what->gap;
	}
	*at = impair->last = due;
	return length;
}
