/* SPDX-License-Identifier: MIT */
/* All targets and all their faces side by side on one loop, inside one budget of time. */
#include "gdprobe/run.h"

#include <string.h>

/* The machines end this much before the budget does, so that their verdict is told in time. */
#define MARGIN (100 * GDS_MILLISECOND)
/* After the last verdict: for goodbyes that are still on their way. */
#define FAREWELL (200 * GDS_MILLISECOND)

static void fill_window(struct run *run);
static void probe_clear(struct probe *probe);

/* --- The life of a target ------------------------------------------------------------------ */

static void after_iteration(void *ctx)
{
	struct run *run = ctx;

	while (run->first_ended) {
		struct probe *probe = run->first_ended;

		run->first_ended = probe->next_ended;
		probe_clear(probe);
	}
	if (run->over && gds_driver_count(run->driver) == 0) {
		gds_loop_stop(run->loop);
	}
}

static void stop_now(void *ctx)
{
	struct run *run = ctx;

	gds_loop_stop(run->loop);
}

/* Not before it is judged: the verdict looks at the certificates. Not at once: this may be called
 * by what is to be freed. */
static void probe_ended(struct probe *probe)
{
	struct run *run = probe->run;

	probe->next_ended = run->first_ended;
	run->first_ended = probe;
	run->ended(run->ctx, probe);
}

static void probe_finished(struct probe *probe)
{
	struct run *run = probe->run;

	probe->finished = true;
	variants_end(probe);
	probe->duration = gds_now(run->env) - probe->start;
	run->active--;
	probe_ended(probe);
	fill_window(run);
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

	if (probe->run->options->add_agent) {
		addition_follow(check);
	}

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

void probe_release(struct probe *probe)
{
	if (--probe->open == 0) {
		probe_finished(probe);
	}
}

bool check_peer(const struct check *check, struct gds_address *peer)
{
	*peer = check->machine ? gds_attempt_report(check->machine)->peer : check->report.peer;
	return peer->family != 0;
}

void check_finish(struct check *check)
{
	struct probe *probe = check->probe;

	check->finished = true;
	check->duration = gds_now(probe->run->env) - check->start;
	if (!probe->run->over) {
		follow(check);
		variants_follow(check);
	}
	probe_release(probe);
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

	if (check->face == FACE_OLD) {
		addition_answer(&check->probe->addition, result);
	} else {
		info_read(&check->probe->info, result, env->wall(env->ctx) / GDS_SECOND);
	}
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
		.path = check->face == FACE_OLD ? addition_path(&check->probe->addition)
						: "/godoxy/agent/info",
		.deadline = check->probe->deadline,
	};
	int rc;

	gds_fetch_free(check->http); /* of an earlier question */
	check->http = NULL;
	rc = gds_fetch_new(&check->http, session, &options, on_info, check);

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
	check->machine = NULL;
	check->binding = NULL;
	if (check->given_up && check->report.why.code == GDS_E_CANCELLED) {
		check->report.why = check->probe->refused;
		if (check->report.why.code == GDS_OK) {
			check->report.why = (struct gds_error){.code = GDS_E_TIMEOUT,
				.origin = GDS_PATH,
				.stage = GDS_STAGE_HANDSHAKE};
		}
	}
	session = gds_attempt_take(machine);
	if (!session) {
		check_finish(check);
	} else if (check->face == FACE_HTTPS || check->face == FACE_OLD) {
		ask_info(check, session);
	} else {
		tunnel_opened(check, session);
	}
}

static enum gds_plan plan_of(enum face face)
{
	switch (face) {
	case FACE_HTTPS:
	case FACE_OLD:
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
		.deadline = probe->deadline,
	};
	struct gds_machine *machine;
	struct gds_binding *binding;

	if (destination) {
		options.header = *destination;
	}
	machine = gds_attempt_new(&options, run->env);
	check->machine = machine;
	binding = machine ? gds_driver_bind(run->driver, machine, on_attempt, check) : NULL;
	if (!binding) {
		check->machine = NULL;
		if (machine) {
			machine->ops->free(machine);
		}
		check_fail(check, GDS_E_NOMEM, GDS_STAGE_RESOLVE);
	} else if (check->machine == machine) {
		check->binding = binding; /* not done at once */
	}
}

void check_open(struct check *check)
{
	check->started = true;
	check->finished = false;
	variants_wait(check->probe);
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
	gds_time timeout = run->options->timeout;
	gds_time margin = timeout / 10 < MARGIN ? timeout / 10 : MARGIN;

	introduce(probe);
	if (probe->complaint.code != GDS_OK) {
		probe_ended(probe);
		return;
	}
	probe->start = gds_now(run->env);
	probe->deadline = gds_later(probe->start, timeout - margin);
	if (run->limit) {
		/* For what does not end by itself; those begun before it had their time. */
		gds_timer_set(run->limit, gds_later(probe->start, timeout));
	}
	run->active++;
	/* Held open until all faces are begun: the first may fail before the second starts. */
	probe->open++;
	for (int face = FACE_HTTPS; face <= FACE_UDP; face++) {
		/* GoDoxy goes one step at a time: the rest follows. */
		if (run->options->faces[face] && (face == FACE_HTTPS || !run->options->add_agent)) {
			check_begin(&probe->checks[face]);
		}
	}
	variants_expect(probe);
	probe_release(probe);
}

/* Called again from within by targets that end at once: the outermost call goes on. */
static void fill_window(struct run *run)
{
	if (run->filling) {
		return;
	}
	run->filling = true;
	while (!run->over && run->next < run->n && run->active < run->options->parallel) {
		probe_begin(&run->probes[run->next++]);
	}
	run->filling = false;
	if (run->active == 0 && !run->over) {
		run->over = true;
		if (run->farewell) {
			gds_timer_set(run->farewell, gds_later(gds_now(run->env), FAREWELL));
		}
	}
}

int run_prepare(struct run *run)
{
	run->loop = gds_loop_new(run->env);
	run->resolver = gds_resolver_new(run->env, GDS_RESOLVER_THREADS);
	run->scratch = gds_alloc(run->env, sizeof(*run->scratch));
	if (!run->loop || !run->resolver || !run->scratch) {
		return GDS_E_NOMEM;
	}
	run->driver = gds_driver_new(run->loop, run->resolver, NULL, NULL, run->env);
	return run->driver ? GDS_OK : GDS_E_NOMEM;
}

void run_begin(struct run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		run->probes[i].run = run;
		for (int face = 0; face < FACES; face++) {
			run->probes[i].checks[face].probe = &run->probes[i];
			run->probes[i].checks[face].face = (enum face)face;
		}
	}
	fill_window(run);
}

int run_all(struct run *run, struct gds_complaint *complaint)
{
	bool ready = run_prepare(run) == GDS_OK;

	if (ready) {
		run->limit = gds_timer_new(run->loop, stop_now, run);
		run->farewell = gds_timer_new(run->loop, stop_now, run);
	}
	if (!ready || !run->limit || !run->farewell) {
		return gds_complain(complaint, GDS_E_NOMEM,
			"no memory or no file descriptor left to begin: raise the limits of this "
			"process");
	}
	gds_loop_on_iteration(run->loop, after_iteration, run);
	run_begin(run);
	after_iteration(run);
	gds_loop_run(run->loop);
	run->over = true;
	/* What the limit caught ends as "cancelled" instead of without a result. */
	gds_driver_cancel_all(run->driver, GDS_CLOSE_SILENT);
	return GDS_OK;
}

static void probe_clear(struct probe *probe)
{
	variants_end(probe);
	gds_fetch_free(probe->checks[FACE_HTTPS].http);
	probe->checks[FACE_HTTPS].http = NULL;
	gds_fetch_free(probe->checks[FACE_OLD].http);
	probe->checks[FACE_OLD].http = NULL;
	gds_destination_free(probe->destination);
	probe->destination = NULL;
	gds_trust_unref(probe->trust);
	probe->trust = NULL;
}

void run_clear(struct run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		probe_clear(&run->probes[i]);
	}
	if (run->borrowed) {
		return;
	}
	gds_driver_free(run->driver);
	gds_timer_free(run->limit);
	gds_timer_free(run->farewell);
	gds_resolver_free(run->resolver);
	gds_loop_free(run->loop);
	gds_free(run->env, run->scratch);
}
