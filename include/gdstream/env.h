/* SPDX-License-Identifier: MIT */
/** The one door to clock, randomness and memory (DESIGN: principle 12). */
#ifndef GDSTREAM_ENV_H
#define GDSTREAM_ENV_H

#include <gdstream/api.h>
#include <gdstream/error.h>

#include <stddef.h>

GDS_BEGIN_DECLS

struct gds_env {
	gds_time (*mono)(void *ctx);			  /* CLOCK_MONOTONIC [ns] */
	gds_time (*wall)(void *ctx);			  /* CLOCK_REALTIME [ns since 1970] */
	int (*random)(void *ctx, void *out, size_t n);	  /* GDS_OK or GDS_E_IO */
	void *(*realloc)(void *ctx, void *old, size_t n); /* n = 0 frees and returns NULL */
	void *ctx;
};

/** The machine's own clock, getrandom(2) and heap. Static, never freed. */
const struct gds_env *gds_env_system(void);

/** Zeroed memory of n bytes, or NULL. Owned by the caller, freed with gds_free of the same env. */
void *gds_alloc(const struct gds_env *env, size_t n);
/** Accepts NULL. */
void gds_free(const struct gds_env *env, void *memory);

static inline gds_time gds_now(const struct gds_env *env)
{
	return env->mono(env->ctx);
}

/** now + span, saturating at GDS_NEVER. */
static inline gds_time gds_later(gds_time now, gds_time span)
{
	if (span == GDS_NEVER || (now > 0 && span >= GDS_NEVER - now)) {
		return GDS_NEVER;
	}
	return now + span;
}

GDS_END_DECLS

#endif
