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

/**
 * \param info the JSON body of /info; borrowed, outlives it.
 * \param limit connections at most.
 * \return NULL without memory or descriptors.
 */
struct gds_http *gds_http_new(
	struct gds_loop *, const char *info, size_t limit, const struct gds_env *);
/** A new connection: our end as a carrier, NULL with why filled. */
struct gds_carrier *gds_http_connect(struct gds_http *, struct gds_error *why);
/** Accepts NULL. */
void gds_http_free(struct gds_http *);

#endif
