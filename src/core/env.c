/* SPDX-License-Identifier: MIT */
#include <gdstream/env.h>

#include <string.h>

void *gds_alloc(const struct gds_env *env, size_t n)
{
	/* A size of 0 would mean "free" to realloc, and NULL "no memory" to the caller. */
	void *memory = env->realloc(env->ctx, NULL, n ? n : 1);

	if (memory) {
		memset(memory, 0, n ? n : 1);
	}
	return memory;
}

void gds_free(const struct gds_env *env, void *memory)
{
	if (memory) {
		(void)env->realloc(env->ctx, memory, 0);
	}
}
