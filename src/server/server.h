/* SPDX-License-Identifier: MIT */
/**
 * A whole server as a value: gdserver runs one, so do the suite, the fuzzer and the load generator
 * in process.
 */
#ifndef GDS_SERVER_SERVER_H
#define GDS_SERVER_SERVER_H

#include "out/log.h"

#include <gdstream/address.h>
#include <gdstream/serve.h>
#include <gdstream/session.h>

struct gds_server;

/**
 * One logfmt line without newline. May come from any worker, serialised by the server. Never holds
 * a key or payload.
 */
typedef void gds_log_fn(void *ctx, enum gds_log_level, const char *line);

struct gds_server_options {
	struct gds_address listen; /* port 0: a free one */
	struct gds_trust *trust;   /* a reference is taken */
	size_t workers;		   /* 0 = 1; at most 64 */
	/* Of /info, copied. */
	const char *name;    /* NULL: "gdserver" */
	const char *version; /* NULL: "v" and the package version, a form that GoDoxy parses */
	const char *runtime; /* NULL: "docker" */
	gds_time handshake_limit, header_limit, dial_limit; /* 0 = the protocol's */
	gds_time udp_idle;	/* UDP-12; 0 = 5 min; GDS_NEVER = never */
	gds_time drain;		/* of a stop; 0 = 5 s */
	size_t max_connections; /* TCP connections a worker; 0 = 4096: beyond it accepting pauses */
	size_t max_sessions;	/* UDP sessions a worker; 0 = 4096 */
	bool optional_client_cert; /* TLS-12 */
	enum gds_versions versions;
	const char *const *faults; /* "NAME" or "NAME=ARG", NULL-terminated; NULL = none */
	gds_log_fn *log;
	void *log_ctx;
};

/** What /info says of a server with these options. */
const char *gds_server_name(const struct gds_server_options *);
const char *gds_server_version(const struct gds_server_options *);
const char *gds_server_runtime(const struct gds_server_options *);

/**
 * Bind, start the workers. \return GDS_OK, or an error with a sentence in complaint; then nothing
 * is left behind.
 */
int gds_server_start(
	struct gds_server **out, const struct gds_server_options *, struct gds_complaint *);
/** The address bound: TCP and UDP have the same. */
const struct gds_address *gds_server_address(const struct gds_server *);
/**
 * Stop accepting, say goodbye to every session, wait until all ended or the drain time is over;
 * free.
 */
void gds_server_stop(struct gds_server *);

struct gds_server_stats {
	uint64_t tcp_accepted, udp_accepted, health, tunnels, http, refused, handshakes_failed;
	uint64_t unreached; /* destinations that could not be dialled */
	uint64_t open;	    /* connections and sessions now */
	uint64_t wakeups;   /* of the loops: a waiting server has none */
};
/** A snapshot over all workers. */
void gds_server_stats(struct gds_server *, struct gds_server_stats *out);

#endif
