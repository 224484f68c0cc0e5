/* SPDX-License-Identifier: MIT */
/* Each allocation fails in turn, until one run needs fewer: ours by the env, GnuTLS's by its own
 * allocators. Nothing crashes or leaks, and whoever lacks memory does not blame a certificate
 * (GNUTLS trap 31). */
#include "world.h"

#include <gnutls/gnutls.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct world_plan plans[] = {
	{.transport = GDS_TCP, .versions = GDS_TLS_12},
	{.transport = GDS_TCP, .versions = GDS_TLS_13},
	{.transport = GDS_UDP},
	{.transport = GDS_TCP, .versions = GDS_TLS_12, .tunnel = true},
	{.transport = GDS_TCP, .versions = GDS_TLS_13, .tunnel = true},
	{.transport = GDS_UDP, .tunnel = true},
};
#define PLANS (sizeof(plans) / sizeof(plans[0]))

static bool blames_a_certificate(const struct world *w)
{
	return strstr(w->cause, "-cert-") || strcmp(w->cause, "clocks-apart") == 0 ||
	       strcmp(w->cause, "foreign-server") == 0 || w->report.facts.verify != 0 ||
	       w->report.why.code == GDS_E_VERIFY || w->served_why.code == GDS_E_VERIFY ||
	       w->report.why.code == GDS_E_NO_CERTIFICATE ||
	       w->served_why.code == GDS_E_NO_CERTIFICATE;
}

static void complain(const struct world *w, int side, size_t n)
{
	fail_msg("allocation %zu of the %s fails (%s%s, TLS %d): cause %s, status %d, GnuTLS %d, "
		 "the "
		 "server's %d, GnuTLS %d",
		n, side == CLIENT ? "client" : "server",
		w->plan.transport == GDS_UDP ? "UDP" : "TCP", w->plan.tunnel ? " tunnel" : "",
		w->plan.versions, w->cause, w->report.why.code, w->report.why.lib,
		w->served_why.code, w->served_why.lib);
}

/* --- Ours --- */

/* \return false when there was nothing left to fail. */
static bool run_own(const struct world_plan *plan, int side, size_t n)
{
	static struct world w;
	bool more;

	world_init(&w, plan);
	w.heap[side].fail_at = n;
	world_run(&w);
	more = w.heap[side].allocations >= n;
	if (blames_a_certificate(&w) || (!more && !w.passed)) {
		complain(&w, side, n);
	}
	/* Its own lack of memory a client knows; UDP may pass it over as a loss. */
	if (side == CLIENT && !w.passed && !w.over && w.attempt) {
		complain(&w, side, n);
	}
	if (side == CLIENT && w.over && w.report.why.code != GDS_OK &&
		strcmp(w.cause, "out-of-memory") != 0) {
		complain(&w, side, n);
	}
	assert_int_equal(world_free(&w), 0);
	return more;
}

static void test_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < PLANS; i++) {
		for (int side = 0; side < 2; side++) {
			size_t n = 1;

			while (run_own(&plans[i], side, n)) {
				n++;
			}
			assert_in_range(n, 3, 500); /* something did fail, and not for ever */
		}
	}
}

/* --- GnuTLS's --- */

static size_t allocations, fail_at;
static int failing_side;
static unsigned outcomes[2][4]; /* passed, out of memory, another failure of TLS's, the rest */

static bool fails(void)
{
	if (world_side != failing_side || ++allocations != fail_at) {
		return false;
	}
	errno = ENOMEM;
	return true;
}

static int live; /* blocks of GnuTLS's */
static unsigned leaks;

static void *failing_malloc(size_t n)
{
	void *new = fails() ? NULL : malloc(n);

	live += new != NULL;
	return new;
}

static void *failing_calloc(size_t n, size_t size)
{
	void *new = fails() ? NULL : calloc(n, size);

	live += new != NULL;
	return new;
}

static void *failing_realloc(void *old, size_t n)
{
	void *new = fails() ? NULL : realloc(old, n);

	live += new && !old;
	return new;
}

static void counting_free(void *old)
{
	live -= old != NULL;
	free(old);
}

/*
 * GnuTLS 3.7 itself forgets the buffer of a ServerHello when the memory for what follows in it is
 * missing. Blocks are counted instead: one a run at most.
 */
const char *__lsan_default_suppressions(void) __attribute__((visibility("default")));
const char *__lsan_default_suppressions(void)
{
	return "leak:failing_realloc\n";
}

static bool run_gnutls(const struct world_plan *plan, int side, size_t n)
{
	static struct world w;
	const struct gds_error *why = side == CLIENT ? &w.report.why : &w.served_why;
	bool more;

	allocations = 0;
	live = 0;
	fail_at = n;
	failing_side = side;
	world_init(&w, plan);
	gnutls_malloc = failing_malloc;
	gnutls_calloc = failing_calloc;
	gnutls_realloc = failing_realloc;
	gnutls_free = counting_free;
	world_run(&w);
	more = allocations >= n;
	if (blames_a_certificate(&w) || (!more && !w.passed)) {
		complain(&w, side, n);
	}
	outcomes[side][w.passed			  ? 0
		       : why->code == GDS_E_NOMEM ? 1
		       : why->code == GDS_E_TLS	  ? 2
						  : 3]++;
	fail_at = 0;
	assert_int_equal(world_free(&w), 0);
	gnutls_malloc = malloc;
	gnutls_calloc = calloc;
	gnutls_realloc = realloc;
	gnutls_free = free;
	assert_in_range(live, 0, more ? 1 : 0);
	leaks += live != 0;
	return more;
}

static void test_gnutls(void **state)
{
	(void)state;
	memset(outcomes, 0, sizeof(outcomes));
	for (size_t i = 0; i < 3; i++) {
		for (int side = 0; side < 2; side++) {
			size_t n = 1;

			while (run_gnutls(&plans[i], side, n)) {
				n++;
			}
			assert_in_range(n, 100, 5000);
		}
	}
	for (int side = 0; side < 2; side++) {
		print_message("# %s: passed %u, out of memory %u, TLS %u, other %u\n",
			side == CLIENT ? "client" : "server", outcomes[side][0], outcomes[side][1],
			outcomes[side][2], outcomes[side][3]);
	}
	assert_in_range(leaks, 0, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_gnutls),
	};
	return cmocka_run_group_tests(tests, world_open, world_close);
}
