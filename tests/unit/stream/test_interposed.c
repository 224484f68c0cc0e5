/* SPDX-License-Identifier: MIT */
/* What a socket may do at any of its calls: take or give less, take or give nothing now, fail. */
#include "world.h"

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
	{.transport = GDS_TCP, .versions = GDS_TLS_13, .tunnel = true},
	{.transport = GDS_UDP, .tunnel = true},
};
#define PLANS (sizeof(plans) / sizeof(plans[0]))

/* --- A carrier that does wrong once --- */

struct wrong {
	int side;      /* whose socket */
	bool reads;    /* the n-th read; the n-th write otherwise */
	unsigned n;    /* 0 = none */
	unsigned last; /* and up to this one */
	struct gds_error why;
	unsigned calls;
};

struct interposed {
	struct gds_carrier carrier; /* first */
	struct wrong *wrong;
};

static bool goes_wrong(struct gds_carrier *c, bool read)
{
	struct wrong *wrong = ((struct interposed *)c)->wrong;

	if (wrong->reads != read || ++wrong->calls < wrong->n || wrong->calls > wrong->last) {
		return false;
	}
	c->why = wrong->why;
	return true;
}

static ssize_t over_read(struct gds_carrier *c, void *buffer, size_t size)
{
	ssize_t n;

	if (goes_wrong(c, true)) {
		/* A socket that fails gives nothing any more; what came was in vain. */
		while (c->why.code != GDS_AGAIN && gds_carrier_read(c->below, buffer, size) > 0) {
		}
		return c->why.code;
	}
	n = gds_carrier_read(c->below, buffer, size);
	c->why = c->below->why;
	return n;
}

static ssize_t over_write(struct gds_carrier *c, const void *data, size_t size)
{
	ssize_t n;

	if (goes_wrong(c, false)) {
		return c->why.code;
	}
	n = gds_carrier_write(c->below, data, size);
	c->why = c->below->why;
	return n;
}

static int over_shut(struct gds_carrier *c)
{
	return gds_carrier_shut(c->below);
}

static int over_flush(struct gds_carrier *c)
{
	return gds_carrier_flush(c->below);
}

static void over_interest(struct gds_carrier *c, struct gds_interest *out)
{
	gds_carrier_interest(c->below, out);
}

static void over_close(struct gds_carrier *c, enum gds_close how)
{
	gds_carrier_close(c->below, how);
	free(c);
}

static struct gds_carrier *interpose(struct gds_carrier *below, int side, void *ctx)
{
	static const struct gds_carrier_ops ops = {
		over_read, over_write, over_shut, over_flush, over_interest, over_close};
	struct wrong *wrong = ctx;
	struct interposed *over;

	if (wrong->side != side) {
		return below;
	}
	over = calloc(1, sizeof(*over));
	assert_non_null(over);
	over->carrier = (struct gds_carrier){
		.ops = &ops, .below = below, .env = below->env, .datagram = below->datagram};
	over->wrong = wrong;
	return &over->carrier;
}

static void complain(const struct world *w, const struct wrong *wrong)
{
	fail_msg("%s %u of the %s says %s (%s%s, TLS %d): cause %s, status %d, GnuTLS %d, the "
		 "server's %d",
		wrong->reads ? "read" : "write", wrong->n,
		wrong->side == CLIENT ? "client" : "server", gds_errname(wrong->why.code),
		w->plan.transport == GDS_UDP ? "UDP" : "TCP", w->plan.tunnel ? " tunnel" : "",
		w->plan.versions, w->cause, w->report.why.code, w->report.why.lib,
		w->served_why.code);
}

static struct world world;

/* \return false when there were fewer calls than that. */
static bool run(const struct world_plan *plan, struct wrong *wrong)
{
	struct world_plan with = *plan;

	wrong->calls = 0;
	with.wrap = interpose;
	with.ctx = wrong;
	world_init(&world, &with);
	world_run(&world);
	return wrong->calls >= wrong->n;
}

/* UDP's server has one socket for all clients, and its errors are the demultiplexer's owner's
 * business. */
static int sides(const struct world_plan *plan)
{
	return plan->transport == GDS_UDP ? 1 : 2;
}

/* --- Nothing now --- */

static void test_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < PLANS; i++) {
		for (int k = 0; k < 2 * sides(&plans[i]); k++) {
			struct wrong wrong = {
				.side = k / 2, .reads = k % 2, .why = {.code = GDS_AGAIN}};
			bool more = true;

			while (more) {
				wrong.n++;
				wrong.last = wrong.n + 2; /* three times in a row */
				more = run(&plans[i], &wrong);
				if (!world.passed) {
					complain(&world, &wrong);
				}
				assert_int_equal(world_free(&world), 0);
			}
			assert_in_range(wrong.n, 3, 500);
		}
	}
}

/* --- Less than asked for --- */

static void narrow(struct pair *pair, void *ctx)
{
	for (int i = 0; i < 2; i++) {
		pair->end[i]->read_max = pair->end[i]->write_max = *(size_t *)ctx;
	}
}

static void again_each_time(struct pair *pair, void *ctx)
{
	narrow(pair, ctx);
	pair->end[CLIENT]->always_again_once = true;
	/* What a server's one UDP socket does not take is lost: half of all would be too much. */
	pair->end[SERVER]->always_again_once = !pair->end[SERVER]->datagram;
}

/* One byte a call meets every boundary there is. */
static void test_short(void **state)
{
	static const size_t sizes[] = {1, 2, 3, 5, 13, 64, 275, 1000};

	(void)state;
	for (size_t i = 0; i < PLANS; i++) {
		for (size_t k = 0; k < 2 * sizeof(sizes) / sizeof(sizes[0]); k++) {
			size_t most = sizes[k / 2];
			struct world_plan plan = plans[i];

			plan.wire = k % 2 ? again_each_time : narrow;
			plan.ctx = &most;
			world_init(&world, &plan);
			world_run(&world);
			if (!world.passed) {
				fail_msg("plan %zu, %zu bytes a call: %s", i, most, world.cause);
			}
			assert_int_equal(world_free(&world), 0);
		}
	}
}

/* --- Failures --- */

static const struct {
	struct gds_error why;
	const char *cause; /* what the client says, when it says anything of it */
	bool for_ever;
} failures[] = {
	{{.code = GDS_E_IO, .sys = ENOBUFS}, "io-error", false},
	{{.code = GDS_E_NOMEM, .sys = ENOMEM}, "out-of-memory", false},
	{{.code = GDS_E_PERMISSION, .sys = EPERM}, "local-firewall", true},
	{{.code = GDS_E_UNREACHABLE, .sys = EHOSTUNREACH}, "-unreachable", true},
	{{.code = GDS_E_REFUSED, .sys = ECONNREFUSED}, "", true},
	{{.code = GDS_E_RESET, .sys = ECONNRESET}, "reset", true},
};

static bool is_ours(const char *cause)
{
	return strstr(cause, "-cert-") || strcmp(cause, "clocks-apart") == 0 ||
	       strcmp(cause, "foreign-server") == 0 || strcmp(cause, "unknown") == 0;
}

static void judge(const struct world_plan *plan, const struct wrong *wrong, const char *cause)
{
	bool ends = (world.over || !world.begun) && !world.busy;

	/* It ends, and no certificate is blamed. */
	if (!ends || is_ours(world.cause)) {
		complain(&world, wrong);
	}
	/* A client that could not write at all, from the first to the last, says why. */
	if (wrong->side == CLIENT && !wrong->reads && wrong->n == 1 && wrong->last == UINT32_MAX &&
		plan->transport == GDS_UDP && !strstr(world.cause, cause)) {
		complain(&world, wrong);
	}
}

static void test_failures(void **state)
{
	(void)state;
	for (size_t i = 0; i < PLANS * (sizeof(failures) / sizeof(failures[0])); i++) {
		const struct world_plan *plan = &plans[i % PLANS];

		for (int k = 0; k < 2 * sides(plan); k++) {
			struct wrong wrong = {
				.side = k / 2, .reads = k % 2, .why = failures[i / PLANS].why};
			bool more = true;

			while (more) {
				wrong.n++;
				wrong.last = failures[i / PLANS].for_ever ? UINT32_MAX : wrong.n;
				more = run(plan, &wrong);
				judge(plan, &wrong, failures[i / PLANS].cause);
				if (!more && !world.passed) {
					complain(&world, &wrong);
				}
				assert_int_equal(world_free(&world), 0);
			}
			assert_in_range(wrong.n, 3, 500);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_failures),
	};
	return cmocka_run_group_tests(tests, world_open, world_close);
}
