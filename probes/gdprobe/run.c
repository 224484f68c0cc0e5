/* SPDX-License-Identifier: MIT */
/* All targets and all their faces side by side on one loop, inside one budget of time. */
#include "gdprobe/run.h"

#include <string.h>

/* Targets under way at once: three descriptors each stay below the usual limit of 1024. */
#define WINDOW 64
/* The machines end this much before the run does, so that their verdict is still told in time. */
#define MARGIN (100 * GDS_MILLISECOND)
/* After the last verdict: for goodbyes that are still on their way. */
#define FAREWELL (200 * GDS_MILLISECOND)

static void fill_window(struct run *run);

/* --- The life of a target ------------------------------------------------------------------ */

static void check_farewell(void *ctx)
{
	struct run *run = ctx;

	if (run->over && gds_driver_count(run->driver) == 0) {
		gds_loop_stop(run->loop);
	}
}

static void stop_now(void *ctx)
{
	struct run *run = ctx;

	gds_loop_stop(run->loop);
}

static void probe_finished(struct probe *probe)
{
	struct run *run = probe->run;

	probe->finished = true;
	probe->duration = gds_now(run->env) - probe->start;
	run->active--;
	fill_window(run);
	if (run->active == 0 && !run->over) {
		run->over = true;
		gds_timer_set(run->farewell, gds_later(gds_now(run->env), FAREWELL));
	}
}

static bool passed(const struct check *check)
{
	return check->finished && check->report.why.code == GDS_OK;
}

/* What comes after a face: the tunnel that stands on it, or the evidence that explains it. */
static void follow(struct check *check)
{
	struct probe *probe = check->probe;
	const bool *wanted = probe->run->options->faces;

	if (check->face == FACE_TCP && passed(check) && wanted[FACE_TCP_TUNNEL]) {
		tunnel_begin(&probe->checks[FACE_TCP_TUNNEL], &check->report.peer);
	}
	if (check->face != FACE_UDP) {
		return;
	}
	if (passed(check) && wanted[FACE_UDP_TUNNEL]) {
		tunnel_begin(&probe->checks[FACE_UDP_TUNNEL], &check->report.peer);
	}
	/* UDP has one alert for all that is wrong; TLS names it (docs/godoxy-facts.md section
	 * 5). */
	if (!passed(check) && check->report.facts.bytes_in > 0 && !wanted[FACE_TCP]) {
		check_begin(&probe->checks[FACE_EVIDENCE]);
	}
}

void check_finish(struct check *check)
{
	struct probe *probe = check->probe;

	check->finished = true;
	check->duration = gds_now(probe->run->env) - check->start;
	if (!probe->run->over) {
		follow(check);
	}
	if (--probe->open == 0) {
		probe_finished(probe);
	}
}

void check_fail(struct check *check, int code, enum gds_stage stage)
{
	check->report.why = (struct gds_error){.code = code, .stage = stage, .origin = GDS_LOCAL};
	check_finish(check);
}

/* --- Faces --------------------------------------------------------------------------------- */

static void on_info(void *ctx, const struct gds_fetch_result *result)
{
	struct check *check = ctx;
	const struct gds_env *env = check->probe->run->env;

	info_read(&check->probe->info, result, env->wall(env->ctx) / GDS_SECOND);
	check_finish(check);
}

static void ask_info(struct check *check, struct gds_carrier *session)
{
	struct run *run = check->probe->run;
	struct gds_fetch_options options = {
		.loop = run->loop,
		.driver = run->driver,
		.scratch = run->scratch,
		.env = run->env,
		.path = "/godoxy/agent/info",
		.deadline = run->deadline,
	};
	int rc = gds_fetch_new(&check->http, session, &options, on_info, check);

	if (rc != GDS_OK) {
		gds_carrier_close(session, GDS_CLOSE_CLEAN);
		check_fail(check, rc, GDS_STAGE_PAYLOAD);
	}
}

static void on_attempt(void *ctx, struct gds_machine *machine)
{
	struct check *check = ctx;
	struct gds_carrier *session;

	check->report = *gds_attempt_report(machine);
	session = gds_attempt_take(machine);
	if (!session) {
		check_finish(check);
	} else if (check->face == FACE_HTTPS) {
		ask_info(check, session);
	} else {
		tunnel_opened(check, session);
	}
}

static enum gds_plan plan_of(enum face face)
{
	switch (face) {
	case FACE_HTTPS:
		return GDS_PLAN_HTTP;
	case FACE_TCP_TUNNEL:
	case FACE_UDP_TUNNEL:
		return GDS_PLAN_TUNNEL;
	case FACE_EVIDENCE:
		return GDS_PLAN_HANDSHAKE;
	default:
		return GDS_PLAN_HEALTH;
	}
}

void check_attempt(struct check *check, const struct gds_header *destination)
{
	struct probe *probe = check->probe;
	struct run *run = probe->run;
	bool udp = check->face == FACE_UDP || check->face == FACE_UDP_TUNNEL;
	struct gds_attempt_options options = {
		.transport = udp ? GDS_UDP : GDS_TCP,
		.plan = plan_of(check->face),
		.host = probe->target->host,
		.port = probe->target->port,
		.trust = probe->trust,
		.versions = run->options->versions,
		.deadline = run->deadline,
	};
	struct gds_machine *machine;

	if (destination) {
		options.header = *destination;
	}
	machine = gds_attempt_new(&options, run->env);
	if (!machine || !gds_driver_bind(run->driver, machine, on_attempt, check)) {
		if (machine) {
			machine->ops->free(machine);
		}
		check_fail(check, GDS_E_NOMEM, GDS_STAGE_RESOLVE);
	}
}

void check_open(struct check *check)
{
	check->started = true;
	check->start = gds_now(check->probe->run->env);
	check->probe->open++;
}

void check_begin(struct check *check)
{
	check_open(check);
	check_attempt(check, NULL);
}

/* --- The run ------------------------------------------------------------------------------- */

static void probe_begin(struct probe *probe)
{
	struct run *run = probe->run;

	probe->start = gds_now(run->env);
	run->active++;
	/* Held open until all faces are begun: the first may fail before the second starts. */
	probe->open++;
	for (int face = FACE_HTTPS; face <= FACE_UDP; face++) {
		if (run->options->faces[face]) {
			check_begin(&probe->checks[face]);
		}
	}
	if (--probe->open == 0) {
		probe_finished(probe);
	}
}

static void fill_window(struct run *run)
{
	while (!run->over && run->next < run->n && run->active < WINDOW) {
		struct probe *probe = &run->probes[run->next++];

		if (probe->complaint.code == GDS_OK) {
			probe_begin(probe);
		}
	}
}

static bool anything_to_do(const struct run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		if (run->probes[i].complaint.code == GDS_OK) {
			return true;
		}
	}
	return false;
}

static int prepare(struct run *run)
{
	run->loop = gds_loop_new(run->env);
	run->resolver = gds_resolver_new(run->env, GDS_RESOLVER_THREADS);
	run->scratch = gds_alloc(run->env, sizeof(*run->scratch));
	if (!run->loop || !run->resolver || !run->scratch) {
		return GDS_E_NOMEM;
	}
	run->driver = gds_driver_new(run->loop, run->resolver, NULL, NULL, run->env);
	run->limit = gds_timer_new(run->loop, stop_now, run);
	run->farewell = gds_timer_new(run->loop, stop_now, run);
	return run->driver && run->limit && run->farewell ? GDS_OK : GDS_E_NOMEM;
}

int run_all(struct run *run, struct gds_complaint *complaint)
{
	gds_time now = gds_now(run->env);
	gds_time timeout = run->options->timeout;
	gds_time margin = timeout / 10 < MARGIN ? timeout / 10 : MARGIN;

	for (size_t i = 0; i < run->n; i++) {
		run->probes[i].run = run;
		for (int face = 0; face < FACES; face++) {
			run->probes[i].checks[face].probe = &run->probes[i];
			run->probes[i].checks[face].face = (enum face)face;
		}
	}
	if (!anything_to_do(run)) {
		return GDS_OK;
	}
	if (prepare(run) != GDS_OK) {
		return gds_complain(complaint, GDS_E_NOMEM,
			"no memory or no file descriptor left to begin: raise the limits of this "
			"process");
	}
	run->deadline = gds_later(now, timeout - margin);
	gds_timer_set(run->limit, gds_later(now, timeout));
	gds_loop_on_iteration(run->loop, check_farewell, run);
	fill_window(run);
	gds_loop_run(run->loop);
	run->over = true;
	/* What the limit caught ends as "cancelled" instead of without a result. */
	gds_driver_cancel_all(run->driver, GDS_CLOSE_SILENT);
	return GDS_OK;
}

void run_clear(struct run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		struct probe *probe = &run->probes[i];

		gds_fetch_free(probe->checks[FACE_HTTPS].http);
		gds_destination_free(probe->destination);
		gds_trust_unref(probe->trust);
	}
	gds_driver_free(run->driver);
	gds_timer_free(run->limit);
	gds_timer_free(run->farewell);
	gds_resolver_free(run->resolver);
	gds_loop_free(run->loop);
	gds_free(run->env, run->scratch);
}
