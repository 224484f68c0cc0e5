/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <gdstream/env.h>

#include <stdlib.h>

struct heap {
	unsigned allocated, freed;
	bool fail;
};

/* Memory comes back filled with a pattern: what gds_alloc zeroes must be seen. */
static void *heap_realloc(void *ctx, void *old, size_t n)
{
	struct heap *heap = ctx;
	void *memory;

	if (n == 0) {
		heap->freed++;
		free(old);
		return NULL;
	}
	if (heap->fail) {
		return NULL;
	}
	heap->allocated++;
	memory = realloc(old, n);
	memset(memory, 0xa5, n);
	return memory;
}

static void test_alloc(void **state)
{
	struct heap heap = {0};
	struct gds_env env = {.realloc = heap_realloc, .ctx = &heap};
	unsigned char *memory = gds_alloc(&env, 300);

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		assert_int_equal(memory[i], 0);
	}
	gds_free(&env, memory);
	gds_free(&env, NULL);
	assert_int_equal(heap.freed, 1);

	memory = gds_alloc(&env, 0);
	assert_non_null(memory);
	gds_free(&env, memory);
	assert_int_equal(heap.allocated, heap.freed);

	heap.fail = true;
	assert_null(gds_alloc(&env, 1));
}

static void test_later(void **state)
{
	static const struct {
		gds_time now, span, want;
	} rows[] = {
		{0, 0, 0},
		{5, 7, 12},
		{GDS_SECOND, GDS_NEVER, GDS_NEVER},
		{GDS_NEVER, 1, GDS_NEVER},
		{-5, GDS_NEVER, GDS_NEVER},
		{-5, 3, -2},
		{5, -3, 2},
		{GDS_NEVER - 1, 1, GDS_NEVER},
		{GDS_NEVER - 2, 1, GDS_NEVER - 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(gds_later(rows[i].now, rows[i].span) == rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
