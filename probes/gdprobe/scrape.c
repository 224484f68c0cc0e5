/* SPDX-License-Identifier: MIT */
/* One probe for each request: so many at once, so many that wait, and each within the time that its
 * scraper gives it. */
#include "gdprobe/exporter.h"

#include "cli/options.h"

#include <gdstream/address.h>

#include <limits.h>
#include <string.h>

/* What the scraper needs for itself: the answer has to travel, as blackbox_exporter has it. */
#define RESERVE (500 * GDS_MILLISECOND)
#define LEAST (50 * GDS_MILLISECOND)
#define BUDGET_HEADER "X-Prometheus-Scrape-Timeout-Seconds"

/* --- The request ----------------------------------------------------------------------------- */

/* \return NULL when there is none; *bad for one that no C string holds. */
static const char *argument(struct MHD_Connection *connection, const char *name, bool *bad)
{
	const char *value = NULL;
	size_t n = 0;

	if (MHD_lookup_connection_value_n(
		    connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, &n) == MHD_NO ||
		!value) {
		return NULL;
	}
	*bad = *bad || strlen(value) != n;
	return value;
}

static int read_target(
	struct scrape *scrape, const char *value, unsigned *status, struct gds_complaint *complaint)
{
	struct gds_target *target = &scrape->target;
	char path[PATH_MAX];

	if (!value || !*value) {
		return gds_complain(complaint, GDS_E_INVALID,
			"target is missing: ask for /probe?target=HOST:PORT");
	}
	if (gds_target_parse(value, GDS_DEFAULT_PORT, target->host, &target->port, complaint) !=
		GDS_OK) {
		return GDS_E_INVALID;
	}
	gds_target_format(target);
	/* Only those that somebody set up: whoever reaches this port cannot make it reach others.
	 */
	if (gds_known_path(path, sizeof(path), target, &scrape->options.identity) != GDS_OK) {
		*status = MHD_HTTP_NOT_FOUND;
		return gds_complain(complaint, GDS_E_FILE,
			"there is no identity for %s: put its zip into --identity-dir as %s.zip",
			target->text, target->text);
	}
	return GDS_OK;
}

static int read_module(struct options *options, const char *value, struct gds_complaint *complaint)
{
	static const struct {
		const char *name;
		enum face face;
	} modules[] = {{"http", FACE_HTTPS}, {"tcp", FACE_TCP}, {"udp", FACE_UDP}};
	bool *faces = options->faces;

	if (!value || strcmp(value, "all") == 0) {
		return GDS_OK;
	}
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		if (strcmp(value, modules[i].name) == 0) {
			faces[FACE_HTTPS] = faces[FACE_TCP] = faces[FACE_UDP] = false;
			faces[modules[i].face] = true;
			faces[FACE_TCP_TUNNEL] = faces[FACE_TCP_TUNNEL] && faces[FACE_TCP];
			faces[FACE_UDP_TUNNEL] = faces[FACE_UDP_TUNNEL] && faces[FACE_UDP];
			return GDS_OK;
		}
	}
	return gds_complain(complaint, GDS_E_INVALID, "module is all, tcp, udp or http");
}

static int read_budget(struct options *options, const char *value, struct gds_complaint *complaint)
{
	gds_time span;
	int rc;

	if (!value) {
		return GDS_OK;
	}
	rc = gds_duration_parse(value, &span, complaint);
	if (rc == GDS_OK && span < RESERVE + LEAST) {
		rc = gds_complain(complaint, GDS_E_INVALID,
			BUDGET_HEADER
			" leaves no time to probe: give a scrape timeout of a second at least");
	}
	if (rc == GDS_OK && span - RESERVE < options->timeout) {
		options->timeout = span - RESERVE;
	}
	return rc;
}

static int read_request(struct scrape *scrape, unsigned *status, struct gds_complaint *complaint)
{
	struct MHD_Connection *connection = scrape->connection;
	bool bad = false;
	const char *target = argument(connection, "target", &bad);
	const char *module = argument(connection, "module", &bad);
	const char *debug = argument(connection, "debug", &bad);
	int rc;

	if (bad) {
		return gds_complain(complaint, GDS_E_INVALID, "there is a NUL byte in the request");
	}
	scrape->debug = debug && strcmp(debug, "true") == 0;
	rc = read_module(&scrape->options, module, complaint);
	if (rc == GDS_OK) {
		rc = read_budget(&scrape->options,
			MHD_lookup_connection_value(connection, MHD_HEADER_KIND, BUDGET_HEADER),
			complaint);
	}
	return rc == GDS_OK ? read_target(scrape, target, status, complaint) : rc;
}

struct scrape *scrape_new(struct scraper *scraper, struct MHD_Connection *connection,
	unsigned *status, struct gds_complaint *complaint)
{
	const struct gds_env *env = scraper->engine.env;
	struct scrape *scrape = NULL;

	if (!scraper->stopping && scraper->waiting + scraper->running < SCRAPES_MAX) {
		scrape = gds_alloc(env, sizeof(*scrape));
	}
	if (!scrape) {
		scraper->busy++;
		*status = MHD_HTTP_SERVICE_UNAVAILABLE;
		gds_complain(complaint, GDS_E_LIMIT, "there are too many probes under way");
		return NULL;
	}
	scrape->scraper = scraper;
	scrape->connection = connection;
	scrape->options = *scraper->options;
	*status = MHD_HTTP_BAD_REQUEST;
	if (read_request(scrape, status, complaint) != GDS_OK) {
		scraper->rejected++;
		gds_free(env, scrape);
		return NULL;
	}
	scrape->budget = scrape->options.timeout;
	scrape->deadline = gds_later(gds_now(env), scrape->budget);
	/* With less than half of its time, a slow agent would be called an ill one. */
	scrape->latest = scrape->deadline - scrape->budget / 2;
	return scrape;
}

/* --- Its life -------------------------------------------------------------------------------- */

static void answer(struct scrape *scrape)
{
	struct scraper *scraper = scrape->scraper;

	MHD_resume_connection(scrape->connection);
	scraper->answered(scraper->ctx);
}

static void turn_away(struct scrape *scrape)
{
	scrape->busy = true;
	scrape->scraper->busy++;
	answer(scrape);
}

static void on_ended(void *ctx, struct probe *probe)
{
	struct scrape *scrape = ctx;
	struct scraper *scraper = scrape->scraper;
	const struct gds_env *env = scraper->engine.env;

	if (scrape->busy) {
		return; /* answered by scraper_stop, freed by scraper_deinit */
	}
	scraper->running--;
	for (struct scrape **at = &scraper->under_way; *at; at = &(*at)->next) {
		if (*at == scrape) {
			*at = scrape->next;
			break;
		}
	}
	diagnose(probe, &scrape->result, env->wall(env->ctx) / GDS_SECOND);
	if (scrape->result.severity == GDS_UNKNOWN) {
		scraper->unjudged++;
	} else if (scrape->result.severity == GDS_CRITICAL) {
		scraper->unhealthy++;
	} else {
		scraper->healthy++;
	}
	scrape->state = SCRAPE_DONE;
	answer(scrape);
	gds_timer_set(scraper->dispatch, gds_now(env));
}

static void start(struct scrape *scrape)
{
	struct scraper *scraper = scrape->scraper;
	const struct run *engine = &scraper->engine;

	scrape->state = SCRAPE_RUNNING;
	scrape->next = scraper->under_way;
	scraper->under_way = scrape;
	scraper->running++;
	scrape->options.parallel = 1;
	scrape->options.timeout = scrape->deadline - gds_now(engine->env);
	scrape->probe.target = &scrape->target;
	scrape->run = (struct run){
		.options = &scrape->options,
		.env = engine->env,
		.loop = engine->loop,
		.resolver = engine->resolver,
		.driver = engine->driver,
		.scratch = engine->scratch,
		.probes = &scrape->probe,
		.n = 1,
		.ended = on_ended,
		.ctx = scrape,
		.borrowed = true,
	};
	run_begin(&scrape->run);
}

static void dispatch(void *ctx)
{
	struct scraper *scraper = ctx;
	gds_time now = gds_now(scraper->engine.env);

	while (scraper->first) {
		struct scrape *scrape = scraper->first;
		bool late = scraper->stopping || scrape->latest < now;

		if (!late && scraper->running >= scraper->options->parallel) {
			break;
		}
		scraper->first = scrape->next;
		scraper->waiting--;
		if (late) {
			turn_away(scrape);
		} else {
			start(scrape);
		}
	}
	/* The first in the line came first, and mostly ends first. */
	gds_timer_set(scraper->dispatch,
		scraper->first ? scraper->first->latest + GDS_MILLISECOND : GDS_NEVER);
}

void scrape_begin(struct scrape *scrape)
{
	struct scraper *scraper = scrape->scraper;

	MHD_suspend_connection(scrape->connection);
	if (scraper->first) {
		scraper->last->next = scrape;
	} else {
		scraper->first = scrape;
	}
	scraper->last = scrape;
	scraper->waiting++;
	/* Not from within libmicrohttpd's own call. */
	gds_timer_set(scraper->dispatch, gds_now(scraper->engine.env));
}

static void clear(struct scrape *scrape)
{
	if (scrape->run.loop) {
		run_clear(&scrape->run);
	}
}

void scrape_release(struct scrape *scrape)
{
	struct scraper *scraper = scrape->scraper;

	/* Cut short by scraper_stop: its machines may still be under way. */
	if (scrape->state != SCRAPE_RUNNING) {
		clear(scrape);
		gds_free(scraper->engine.env, scrape);
	}
}

int scraper_init(struct scraper *scraper, const struct options *options)
{
	scraper->options = options;
	scraper->engine.env = gds_env_system();
	if (run_prepare(&scraper->engine) != GDS_OK) {
		return GDS_E_NOMEM;
	}
	scraper->dispatch = gds_timer_new(scraper->engine.loop, dispatch, scraper);
	return scraper->dispatch ? GDS_OK : GDS_E_NOMEM;
}

void scraper_stop(struct scraper *scraper)
{
	scraper->stopping = true;
	dispatch(scraper);
	for (struct scrape *scrape = scraper->under_way; scrape; scrape = scrape->next) {
		/* Cut short: what was seen so far says nothing about the agent. */
		turn_away(scrape);
	}
}

void scraper_deinit(struct scraper *scraper)
{
	struct scrape *scrape, *next;

	for (scrape = scraper->under_way; scrape; scrape = scrape->next) {
		scrape->run.over = true;
		clear(scrape);
	}
	scrape = scraper->under_way;
	scraper->under_way = NULL; /* what ends now is freed below, not looked for */
	gds_driver_free(scraper->engine.driver);
	scraper->engine.driver = NULL;
	for (; scrape; scrape = next) {
		next = scrape->next;
		gds_free(scraper->engine.env, scrape);
	}
	gds_timer_free(scraper->dispatch);
	run_clear(&scraper->engine);
}
