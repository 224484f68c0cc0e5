/* SPDX-License-Identifier: MIT */
/** Names to addresses on a bounded pool of getaddrinfo threads; results by eventfd. */
#ifndef GDSTREAM_RESOLVER_H
#define GDSTREAM_RESOLVER_H

#include <gdstream/address.h>
#include <gdstream/api.h>
#include <gdstream/env.h>

GDS_BEGIN_DECLS

#define GDS_RESOLVER_THREADS 8
#define GDS_RESOLVER_QUEUE 256 /* waiting look-ups at most: beyond it GDS_E_LIMIT */

struct gds_resolver;
typedef void gds_resolved_fn(void *ctx, unsigned ticket, const struct gds_error *why,
	const struct gds_address *list, size_t n);

/**
 * \param threads at most; 0 = GDS_RESOLVER_THREADS.
 * \return NULL without memory or descriptors. Threads start on first use.
 */
struct gds_resolver *gds_resolver_new(const struct gds_env *, size_t threads);
/**
 * Ask. Literals (strict, gds_address_parse) are answered inline before this returns; inet_aton
 * forms are refused with GDS_E_RESOLVE without a look-up (HDR-14).
 * \return a ticket > 0 when the answer comes later, 0 when it was given inline.
 */
unsigned gds_resolver_ask(struct gds_resolver *, const char *host, uint16_t port, gds_time deadline,
	gds_resolved_fn *, void *ctx);
/** The answer is no longer wanted: it will not be given. An unknown ticket is ignored. */
void gds_resolver_cancel(struct gds_resolver *, unsigned ticket);
/** Readable when answers wait for gds_resolver_run. */
int gds_resolver_fd(const struct gds_resolver *);
/**
 * Give the answers that are there, and GDS_E_TIMEOUT to those past their deadline. What is called
 * may ask and cancel.
 */
void gds_resolver_run(struct gds_resolver *, gds_time now);
/** \return the next deadline, GDS_NEVER when none. */
gds_time gds_resolver_deadline(const struct gds_resolver *);
/**
 * Waits for no look-up: threads still inside getaddrinfo end by themselves. No answer is given any
 * more. Accepts NULL.
 */
void gds_resolver_free(struct gds_resolver *);

GDS_END_DECLS

#endif
