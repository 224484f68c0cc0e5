/* SPDX-License-Identifier: MIT */
/** One HTTP request over a session of our own: libcurl speaks HTTP, never TLS (DESIGN: principle
 * 9). */
#ifndef GDS_NET_CURL_H
#define GDS_NET_CURL_H

#include "net/driver.h"

#include <gdstream/tunnel.h>

#define GDS_FETCH_BODY_MAX 65536 /* [bytes] */

struct gds_fetch_result {
	/* Code GDS_OK: an answer came. Else of the session, or GDS_E_FORMAT of HTTP. */
	struct gds_error why;
	long status; /* HTTP status, 0 = none */
	bool date_known;
	int64_t date;	   /* wall [s] of the Date header */
	gds_time duration; /* [ns] from the request to the whole answer */
	const char *body;  /* NUL-terminated, borrowed for the call */
	size_t length;
};

struct gds_fetch;
typedef void gds_fetch_fn(void *ctx, const struct gds_fetch_result *);

struct gds_fetch_options {
	struct gds_loop *loop;
	struct gds_driver *driver;
	struct gds_scratch *scratch;
	const struct gds_env *env;
	const char *path;  /* "/godoxy/agent/info", borrowed for the call */
	gds_time deadline; /* mono */
};

/**
 * GET path. \param session plaintext side of an established session; owned on GDS_OK. done is
 * called once, never before this returns. Free it with gds_fetch_free, before the loop, not from
 * within done.
 * \return GDS_OK, GDS_E_NOMEM, GDS_E_DESCRIPTORS, GDS_E_IO.
 */
int gds_fetch_new(struct gds_fetch **out, struct gds_carrier *session,
	const struct gds_fetch_options *, gds_fetch_fn *done, void *ctx);
/**
 * Accepts NULL. What is still under way ends without a word to the caller; the session says
 * goodbye.
 */
void gds_fetch_free(struct gds_fetch *);

#endif
