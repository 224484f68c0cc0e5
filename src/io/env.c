/* SPDX-License-Identifier: MIT */
#include <gdstream/env.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static gds_time read_clock(clockid_t clock)
{
	struct timespec t = {0};

	/* Both clocks exist on every Linux: this cannot fail. */
	(void)clock_gettime(clock, &t);
	return (gds_time)t.tv_sec * GDS_SECOND + t.tv_nsec;
}

static gds_time system_mono(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_MONOTONIC);
}

static gds_time system_wall(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_REALTIME);
}

static int system_random(void *ctx, void *out, size_t n)
{
	unsigned char *at = out;

	(void)ctx;
	while (n > 0) {
		/* Above 256 bytes a signal may cut it short (getrandom(2)). */
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno != EINTR) {
			return GDS_E_IO;
		}
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		}
	}
	return GDS_OK;
}

static void *system_realloc(void *ctx, void *old, size_t n)
{
	(void)ctx;
	if (n == 0) {
		free(old);
		return NULL;
	}
	return realloc(old, n);
}

static const struct gds_env system_env = {
	.mono = system_mono,
	.wall = system_wall,
	.random = system_random,
	.realloc = system_realloc,
};

const struct gds_env *gds_env_system(void)
{
	return &system_env;
}
