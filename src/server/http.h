/* SPDX-License-Identifier: MIT */
/**
 * The HTTPS API as a destination: libmicrohttpd on the worker's loop, reached over socketpairs
 * (DESIGN: principle 9).
 */
#ifndef GDS_SERVER_HTTP_H
#define GDS_SERVER_HTTP_H

#include "net/loop.h"

#include <gdstream/carrier.h>

struct gds_http;
struct gds_server_options;

/** What is answered to a path. */
struct gds_http_route {
	const char *path; /* NULL: to all that have no route before */
	/** Whether a query of this scheme ("" when it has none) is meant; NULL: all are. */
	bool (*meant)(const char *scheme);
	unsigned status;
	const char *type, *body; /* type NULL: none */
};

/** API: all paths begin with it. */
#define GDS_HTTP_BASE "/godoxy/agent"
#define GDS_HTTP_ROUTES 8

struct gds_http_options {
	size_t limit;		/* connections at most */
	unsigned first_request; /* [s] for it; 0: no limit */
	struct gds_http_route routes[GDS_HTTP_ROUTES];
	size_t n;
	char name[256], version[64], runtime[32];
};

/**
 * As it should be: /info (API-01), and 404 for the rest (API-07).
 * \param info the JSON body of /info; borrowed, outlives the options.
 */
void gds_http_options_init(
	struct gds_http_options *, const char *info, const struct gds_server_options *);

/**
 * \param options borrowed, outlive it.
 * \return NULL without memory or descriptors.
 */
struct gds_http *gds_http_new(
	struct gds_loop *, const struct gds_http_options *options, const struct gds_env *);
/** A new connection: our end as a carrier, NULL with why filled. */
struct gds_carrier *gds_http_connect(struct gds_http *, struct gds_error *why);
/** Accepts NULL. */
void gds_http_free(struct gds_http *);

#endif
