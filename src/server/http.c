/* SPDX-License-Identifier: MIT */
#include "server/http.h"

#include "io/socket.h"
#include "server/server.h"

#include <microhttpd.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * MUX-05: what is no request, a stream header say, is closed after this long and not left hanging.
 */
#define FIRST_REQUEST 10u /* [s] */
#define IDLE 75u	  /* [s] between requests */
#define MEMORY 16384u	  /* [bytes] of a connection: request line and headers */

#define INFO_PATH GDS_HTTP_BASE "/info"

struct gds_http {
	struct MHD_Daemon *daemon;
	struct gds_watch *watch;
	struct gds_timer *timer;
	const struct gds_http_options *o;
	struct MHD_Response *responses[GDS_HTTP_ROUTES];
	const struct gds_env *env;
};

/* Let it work, then ask when it wants to be called again at the latest. */
static void turn(void *ctx)
{
	struct gds_http *h = ctx;
	MHD_UNSIGNED_LONG_LONG ms = 0;
	MHD_run(h->daemon);
	if (MHD_get_timeout(h->daemon, &ms) == MHD_YES) {
		gds_time span =
			ms > INT_MAX ? INT_MAX * GDS_MILLISECOND : (gds_time)ms * GDS_MILLISECOND;
		gds_timer_set(h->timer, gds_later(gds_now(h->env), span));
	} else {
		gds_timer_set(h->timer, GDS_NEVER);
	}
}

static void readable(void *ctx, short revents)
{
	(void)revents;
	turn(ctx);
}

static bool is_route(
	const struct gds_http_route *r, const char *path, struct MHD_Connection *connection)
{
	if (r->path && strcmp(r->path, path) != 0) {
		return false;
	}
	const char *scheme =
		MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "scheme");
	return !r->meant || r->meant(scheme ? scheme : "");
}

/* Any method may ask for /info (API-01). */
static enum MHD_Result respond(void *ctx, struct MHD_Connection *connection, const char *path,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **state)
{
	static int begun;
	struct gds_http *h = ctx;
	(void)method;
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
	MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, IDLE);
	size_t i = 0;
	while (i < h->o->n - 1 && !is_route(&h->o->routes[i], path, connection)) {
		i++;
	}
	return MHD_queue_response(connection, h->o->routes[i].status, h->responses[i]);
}

static struct MHD_Response *response(const char *body, const char *type)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
		strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT);
	if (r && type) {
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
		MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	}
	return r;
}

/* The path is a C string: one with a NUL in it stays as it was sent, and is no path of ours. */
static size_t unescape(void *ctx, struct MHD_Connection *connection, char *text)
{
	(void)ctx;
	(void)connection;
	return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

void gds_http_options_init(
	struct gds_http_options *out, const char *info, const struct gds_server_options *server)
{
	*out = (struct gds_http_options){
		.first_request = FIRST_REQUEST,
		.routes = {{INFO_PATH, NULL, MHD_HTTP_OK, "application/json", info},
			{NULL, NULL, MHD_HTTP_NOT_FOUND, "text/plain; charset=utf-8",
				"404 page not found\n"}},
		.n = 2,
	};
	snprintf(out->name, sizeof(out->name), "%s", gds_server_name(server));
	snprintf(out->version, sizeof(out->version), "%s", gds_server_version(server));
	snprintf(out->runtime, sizeof(out->runtime), "%s", gds_server_runtime(server));
}

static bool prepare(struct gds_http *h)
{
	for (size_t i = 0; i < h->o->n; i++) {
		h->responses[i] = response(h->o->routes[i].body, h->o->routes[i].type);
		if (!h->responses[i]) {
			return false;
		}
	}
	return true;
}

struct gds_http *gds_http_new(
	struct gds_loop *loop, const struct gds_http_options *options, const struct gds_env *env)
{
	struct gds_http *h = gds_alloc(env, sizeof(*h));
	if (!h) {
		return NULL;
	}
	h->env = env;
	h->o = options;
	bool prepared = prepare(h);
	h->daemon = MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL, 0, NULL, NULL,
		respond, h, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)(options->limit < UINT_MAX ? options->limit : UINT_MAX),
		MHD_OPTION_CONNECTION_TIMEOUT, options->first_request,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_UNESCAPE_CALLBACK,
		unescape, NULL, MHD_OPTION_END);
	const union MHD_DaemonInfo *fd =
		h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (fd) {
		h->watch = gds_watch_new(loop, fd->epoll_fd, POLLIN, readable, h);
	}
	h->timer = gds_timer_new(loop, turn, h);
	if (!prepared || !h->watch || !h->timer) {
		gds_http_free(h);
		return NULL;
	}
	return h;
}

struct gds_carrier *gds_http_connect(struct gds_http *h, struct gds_error *why)
{
	int pair[2];
	*why = (struct gds_error){.stage = GDS_STAGE_CONNECT, .origin = GDS_LOCAL};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		why->sys = errno;
		why->code = gds_status_from_errno(errno);
		return NULL;
	}
	struct sockaddr_un nobody = {.sun_family = AF_UNIX};
	struct gds_carrier *ours = gds_stream_socket_new(pair[0], h->env);
	if (!ours) {
		close(pair[0]);
		close(pair[1]);
		why->code = GDS_E_NOMEM;
		return NULL;
	}
	if (MHD_add_connection(h->daemon, pair[1], (struct sockaddr *)&nobody,
		    sizeof(nobody.sun_family)) != MHD_YES) {
		/* It has closed its end. */
		gds_carrier_close(ours, GDS_CLOSE_SILENT);
		why->code = GDS_E_LIMIT;
		return NULL;
	}
	turn(h);
	return ours;
}

void gds_http_free(struct gds_http *h)
{
	if (!h) {
		return;
	}
	gds_watch_free(h->watch);
	gds_timer_free(h->timer);
	if (h->daemon) {
		MHD_stop_daemon(h->daemon);
	}
	for (size_t i = 0; i < GDS_HTTP_ROUTES; i++) {
		if (h->responses[i]) {
			MHD_destroy_response(h->responses[i]);
		}
	}
	gds_free(h->env, h);
}
