/* SPDX-License-Identifier: MIT */
/* The exporter: libmicrohttpd on the one loop, beside the probes that it answers with. */
#include "gdprobe/exporter.h"

#include "cli/signals.h"
#include "io/socket.h"
#include "out/prometheus.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS 600u /* below the usual limit of 1024, with the probes' own descriptors */
#define IDLE 30u	 /* [s] */
#define MEMORY 16384u	 /* [bytes] of a connection: request line and headers */
/* After SIGTERM: for answers that are still on their way. */
#define LAST_WORDS (300 * GDS_MILLISECOND)
#define PLAIN "text/plain; charset=utf-8"

struct exporter {
	struct scraper scraper;
	struct MHD_Daemon *daemon;
	struct gds_watch *watch;
	struct gds_timer *turn, *end;
	struct gds_signals *signals;
	int listener;
};

/* --- The loop -------------------------------------------------------------------------------- */

/* Let it work, then ask when it wants to be called again at the latest. */
static void turn(void *ctx)
{
	struct exporter *ex = ctx;
	gds_time now = gds_now(ex->scraper.engine.env);
	MHD_UNSIGNED_LONG_LONG ms = 0;

	MHD_run(ex->daemon);
	if (MHD_get_timeout(ex->daemon, &ms) == MHD_YES) {
		gds_timer_set(ex->turn,
			gds_later(now, (gds_time)(ms < INT_MAX ? ms : INT_MAX) * GDS_MILLISECOND));
	} else {
		gds_timer_set(ex->turn, GDS_NEVER);
	}
}

static void readable(void *ctx, short revents)
{
	(void)revents;
	turn(ctx);
}

/* A connection was resumed, perhaps from within a machine's step: work on it soon, not here. */
static void on_answered(void *ctx)
{
	struct exporter *ex = ctx;

	gds_timer_set(ex->turn, gds_now(ex->scraper.engine.env));
}

static void stop_loop(void *ctx)
{
	struct exporter *ex = ctx;

	gds_loop_stop(ex->scraper.engine.loop);
}

static void on_signal(void *ctx, int number)
{
	struct exporter *ex = ctx;

	(void)number;
	if (ex->scraper.stopping) {
		stop_loop(ex); /* the second one is impatient */
		return;
	}
	MHD_quiesce_daemon(ex->daemon);
	scraper_stop(&ex->scraper);
	gds_timer_set(ex->end, gds_later(gds_now(ex->scraper.engine.env), LAST_WORDS));
}

/* --- Answers --------------------------------------------------------------------------------- */

static enum MHD_Result respond(
	struct MHD_Connection *connection, unsigned status, const char *type, const char *body)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response) {
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* \param body owned; NULL: there was no memory for it. */
static enum MHD_Result respond_with(struct MHD_Connection *connection, const char *type, char *body)
{
	enum MHD_Result result =
		body ? respond(connection, MHD_HTTP_OK, type, body)
		     : respond(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, PLAIN, "no memory\n");

	free(body);
	return result;
}

static enum MHD_Result respond_probe(
	struct exporter *ex, struct MHD_Connection *connection, void **state)
{
	struct gds_complaint complaint = {0};
	char sentence[sizeof(complaint.text) + 2];
	unsigned status = 0;
	struct scrape *scrape = scrape_new(&ex->scraper, connection, &status, &complaint);

	if (scrape) {
		*state = scrape;
		scrape_begin(scrape);
		return MHD_YES;
	}
	gds_text_clean(complaint.text);
	gds_text_ascii(complaint.text);
	snprintf(sentence, sizeof(sentence), "%s\n", complaint.text);
	return respond(connection, status, PLAIN, sentence);
}

static enum MHD_Result respond_done(struct MHD_Connection *connection, const struct scrape *scrape)
{
	if (scrape->busy) {
		return respond(connection, MHD_HTTP_SERVICE_UNAVAILABLE, PLAIN,
			"there was no time for this probe\n");
	}
	return respond_with(
		connection, scrape->debug ? PLAIN : GDS_PROMETHEUS_TYPE, page_scrape(scrape));
}

static int begun; /* its address says: the headers are here, and no scrape yet */

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **state)
{
	struct exporter *ex = ctx;

	(void)version;
	(void)upload;
	if (!*state) {
		*state = &begun; /* headers only: a body may follow */
		return MHD_YES;
	}
	if (*upload_size > 0) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (*state != &begun) {
		return respond_done(connection, *state);
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		return respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED, PLAIN, "use GET\n");
	}
	if (strcmp(path, "/probe") == 0) {
		return respond_probe(ex, connection, state);
	}
	if (strcmp(path, "/metrics") == 0) {
		return respond_with(connection, GDS_PROMETHEUS_TYPE, page_metrics(&ex->scraper));
	}
	if (strcmp(path, "/") == 0) {
		return respond(connection, MHD_HTTP_OK, "text/html; charset=utf-8", page_root);
	}
	return respond(connection, MHD_HTTP_NOT_FOUND, PLAIN, "there are /, /probe and /metrics\n");
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode how)
{
	(void)ctx;
	(void)connection;
	(void)how;
	if (*state && *state != &begun) {
		scrape_release(*state);
	}
	*state = NULL;
}

/* --- The whole ------------------------------------------------------------------------------- */

static int open_daemon(struct exporter *ex, struct gds_complaint *complaint)
{
	struct gds_address bound;
	char address[GDS_ADDRESS_TEXT];
	const union MHD_DaemonInfo *fd;
	int rc = gds_listen_one(
		&ex->scraper.options->listen, GDS_TCP, &ex->listener, &bound, complaint);

	if (rc != GDS_OK) {
		return rc;
	}
	ex->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		on_request, ex, MHD_OPTION_LISTEN_SOCKET, ex->listener, MHD_OPTION_CONNECTION_LIMIT,
		CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, IDLE,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, NULL, MHD_OPTION_END);
	fd = ex->daemon ? MHD_get_daemon_info(ex->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (fd) {
		ex->watch =
			gds_watch_new(ex->scraper.engine.loop, fd->epoll_fd, POLLIN, readable, ex);
	}
	if (!ex->watch) {
		return gds_complain(complaint, GDS_E_NOMEM, "no memory or descriptor left");
	}
	fprintf(stderr, "gdprobe: the exporter listens at http://%s/\n",
		gds_address_format(&bound, address));
	return GDS_OK;
}

static void close_daemon(struct exporter *ex)
{
	gds_watch_free(ex->watch);
	if (ex->daemon) {
		MHD_stop_daemon(ex->daemon);
	}
	if (ex->listener >= 0) {
		close(ex->listener);
	}
}

int exporter_run(const struct options *options)
{
	struct exporter ex = {.listener = -1};
	struct gds_complaint complaint = {0};
	const struct gds_env *env = gds_env_system();
	int rc = scraper_init(&ex.scraper, options);

	ex.scraper.answered = on_answered;
	ex.scraper.ctx = &ex;
	if (rc == GDS_OK) {
		ex.turn = gds_timer_new(ex.scraper.engine.loop, turn, &ex);
		ex.end = gds_timer_new(ex.scraper.engine.loop, stop_loop, &ex);
		ex.signals = gds_signals_new(ex.scraper.engine.loop, on_signal, &ex, env);
	}
	if (!ex.turn || !ex.end || !ex.signals) {
		rc = gds_complain(&complaint, GDS_E_NOMEM, "no memory or descriptor left");
	}
	if (rc == GDS_OK) {
		rc = open_daemon(&ex, &complaint);
	}
	if (rc == GDS_OK) {
		gds_loop_run(ex.scraper.engine.loop);
	} else {
		fprintf(stderr, "gdprobe: --exporter: %s\n", complaint.text);
	}
	close_daemon(&ex);
	gds_signals_free(ex.signals);
	gds_timer_free(ex.turn);
	gds_timer_free(ex.end);
	scraper_deinit(&ex.scraper);
	return rc == GDS_OK ? gds_severity_exit(GDS_FINE) : gds_severity_exit(GDS_UNKNOWN);
}
