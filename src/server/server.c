/* SPDX-License-Identifier: MIT */
#include "server/server_private.h"

#include "config.h"

#include <jansson.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_DRAIN (5 * GDS_SECOND)
#define DEFAULT_CONNECTIONS 4096
#define DEFAULT_SESSIONS 4096

static const struct gds_env *env(void)
{
	return gds_env_system();
}

void gds_server_log(
	struct gds_server *server, enum gds_log_level level, const struct gds_log_line *line)
{
	if (server->o.log) {
		pthread_mutex_lock(&server->lock);
		server->o.log(server->o.log_ctx, level, line->text);
		pthread_mutex_unlock(&server->lock);
	}
}

/*
 * RFC 6347 section 4.2.1 asks for a secret that changes; the one before it is still good, so nobody
 * is turned away.
 */
void gds_server_cookie_keys(struct gds_server *server, bool rotate, uint8_t keys[2][16])
{
	uint8_t fresh[16];
	rotate = rotate && env()->random(env()->ctx, fresh, sizeof(fresh)) == GDS_OK;
	pthread_mutex_lock(&server->lock);
	if (rotate) {
		memcpy(server->cookie_keys[1], server->cookie_keys[0], sizeof(fresh));
		memcpy(server->cookie_keys[0], fresh, sizeof(fresh));
	}
	memcpy(keys, server->cookie_keys, sizeof(server->cookie_keys));
	pthread_mutex_unlock(&server->lock);
}

const char *gds_server_name(const struct gds_server_options *o)
{
	return o->name ? o->name : "gdserver";
}

const char *gds_server_version(const struct gds_server_options *o)
{
	return o->version ? o->version : "v" PACKAGE_VERSION;
}

const char *gds_server_runtime(const struct gds_server_options *o)
{
	return o->runtime ? o->runtime : "docker";
}

/* API-01, with the newline that the agent ends it with. */
static char *make_info(const struct gds_server_options *o)
{
	json_t *info = json_pack("{s:s, s:s, s:s}", "version", gds_server_version(o), "name",
		gds_server_name(o), "runtime", gds_server_runtime(o));
	char *text = info ? json_dumps(info, JSON_COMPACT) : NULL;
	json_decref(info);
	size_t n = text ? strlen(text) : 0;
	char *body = text ? gds_alloc(env(), n + 2) : NULL;
	if (body) {
		memcpy(body, text, n);
		body[n] = '\n';
	}
	free(text);
	return body;
}

static void server_free(struct gds_server *server)
{
	for (size_t i = 0; i < server->n; i++) {
		gds_worker_deinit(&server->workers[i]);
	}
	gds_free(env(), server->workers);
	gds_free(env(), server->info);
	gds_trust_unref(server->o.trust);
	pthread_mutex_destroy(&server->lock);
	gds_free(env(), server);
}

static void stop_threads(struct gds_server *server)
{
	for (size_t i = 0; i < server->n; i++) {
		struct gds_worker *w = &server->workers[i];
		while (w->started && gds_loop_post(w->loop, gds_worker_drain, w) == GDS_E_LIMIT) {
			usleep(1000); /* its queue is full of posts: it is working them off */
		}
	}
	/*
	 * All of them, before any socket is closed: a smaller group would re-hash sessions that
	 * still say goodbye.
	 */
	for (size_t i = 0; i < server->n; i++) {
		if (server->workers[i].started) {
			pthread_join(server->workers[i].thread, NULL);
		}
	}
}

static void defaults(struct gds_server_options *o)
{
	o->workers = o->workers ? o->workers : 1;
	o->drain = o->drain ? o->drain : DEFAULT_DRAIN;
	o->max_connections = o->max_connections ? o->max_connections : DEFAULT_CONNECTIONS;
	o->max_sessions = o->max_sessions ? o->max_sessions : DEFAULT_SESSIONS;
}

static int server_new(struct gds_server **out, const struct gds_server_options *o,
	struct gds_complaint *complaint)
{
	struct gds_faults faults;
	int rc = gds_faults_parse(o->faults, &faults, complaint);
	if (rc != GDS_OK) {
		return rc;
	}
	if (o->workers > GDS_WORKERS_MAX) {
		return gds_complain(complaint, GDS_E_INVALID, "at most %d workers are possible",
			GDS_WORKERS_MAX);
	}
	struct gds_server *server = gds_alloc(env(), sizeof(*server));
	if (!server) {
		return gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	server->o = *o;
	defaults(&server->o);
	gds_trust_ref(server->o.trust);
	pthread_mutex_init(&server->lock, NULL);
	server->faults = faults;
	server->ops.serve.ended = gds_connection_ended;
	server->ops.serve.established = gds_worker_established;
	server->info = make_info(o);
	gds_http_options_init(&server->http, server->info, o);
	gds_faults_apply(&server->faults, &server->ops, &server->o);
	gds_fault_http(&server->faults, &server->http);
	server->http.limit = server->o.max_connections;
	server->workers = gds_alloc(env(), server->o.workers * sizeof(*server->workers));
	rc = env()->random(env()->ctx, server->cookie_keys, sizeof(server->cookie_keys));
	if (!server->info || !server->workers || rc != GDS_OK) {
		server_free(server);
		return gds_complain(complaint, GDS_E_NOMEM,
			"the server cannot start: no memory or no randomness, or a name that is "
			"not UTF-8");
	}
	*out = server;
	return GDS_OK;
}

static int start_workers(struct gds_server *server, struct gds_complaint *complaint)
{
	int tcp[GDS_WORKERS_MAX], udp[GDS_WORKERS_MAX];
	size_t n = server->o.workers;
	int rc = gds_listen_pair(&server->o.listen, n, tcp, udp, &server->address, complaint);
	if (rc != GDS_OK) {
		return rc;
	}
	for (size_t i = 0; i < n; i++) {
		/* Every descriptor has its owner before anything can fail. */
		int one = gds_worker_init(&server->workers[i], server, tcp[i], udp[i]);
		server->n++;
		rc = rc == GDS_OK ? one : rc;
	}
	for (size_t i = 0; i < n && rc == GDS_OK; i++) {
		struct gds_worker *w = &server->workers[i];
		w->started = pthread_create(&w->thread, NULL, gds_worker_run, w) == 0;
		rc = w->started ? GDS_OK : GDS_E_NOMEM;
	}
	if (rc != GDS_OK) {
		gds_complain(complaint, rc,
			"the server cannot start %zu workers: memory, threads or descriptors are "
			"used up "
			"(see ulimit -a)",
			n);
	}
	return rc;
}

int gds_server_start(struct gds_server **out, const struct gds_server_options *o,
	struct gds_complaint *complaint)
{
	struct gds_server *server = NULL;
	int rc = server_new(&server, o, complaint);
	if (rc != GDS_OK) {
		return rc;
	}
	rc = start_workers(server, complaint);
	if (rc != GDS_OK) {
		stop_threads(server);
		server_free(server);
		return rc;
	}
	*out = server;
	return GDS_OK;
}

const struct gds_address *gds_server_address(const struct gds_server *server)
{
	return &server->address;
}

void gds_server_stop(struct gds_server *server)
{
	if (server) {
		stop_threads(server);
		server_free(server);
	}
}

void gds_server_stats(struct gds_server *server, struct gds_server_stats *out)
{
	uint64_t sum[COUNTERS] = {0};
	for (size_t i = 0; i < server->n; i++) {
		for (size_t c = 0; c < COUNTERS; c++) {
			sum[c] += atomic_load_explicit(
				&server->workers[i].counters[c], memory_order_relaxed);
		}
	}
	*out = (struct gds_server_stats){
		.tcp_accepted = sum[COUNT_TCP_ACCEPTED],
		.udp_accepted = sum[COUNT_UDP_ACCEPTED],
		.health = sum[COUNT_HEALTH],
		.tunnels = sum[COUNT_TUNNELS],
		.http = sum[COUNT_HTTP],
		.refused = sum[COUNT_REFUSED],
		.unreached = sum[COUNT_UNREACHED],
		.handshakes_failed = sum[COUNT_HANDSHAKES_FAILED],
		.open = sum[COUNT_OPEN],
		.wakeups = sum[COUNT_WAKEUPS],
	};
}
