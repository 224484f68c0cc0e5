/* SPDX-License-Identifier: MIT */
/** Binds machines to the loop: steps them, answers RESOLVE and CONNECT, watches their interests. */
#ifndef GDS_NET_DRIVER_H
#define GDS_NET_DRIVER_H

#include "io/resolver.h"
#include "net/loop.h"

#include <gdstream/machine.h>

struct gds_driver;
struct gds_binding;
/**
 * The machine ended; it is freed by the driver after this returns. The binding is gone already. May
 * bind, kick and cancel others, but not free the driver.
 */
typedef void gds_done_fn(void *ctx, struct gds_machine *);

struct gds_driver_ops {
	/**
	 * HANDOFF:
	 * \return a carrier, or NULL with why filled. NULL member: always refused (GDS_E_INVALID).
	 */
	struct gds_carrier *(*handoff)(
		void *ctx, struct gds_machine *, const struct gds_need *, struct gds_error *why);
};

/** \param resolver borrowed; its descriptor is watched by this driver. One driver a loop. */
struct gds_driver *gds_driver_new(struct gds_loop *, struct gds_resolver *,
	const struct gds_driver_ops *, void *ctx, const struct gds_env *);
/**
 * The machine is owned by the driver from success on and stepped before this returns (it may even
 * be done then).
 * \return the binding, valid until done is called; NULL without memory: the machine stays the
 * caller's.
 */
struct gds_binding *gds_driver_bind(
	struct gds_driver *, struct gds_machine *, gds_done_fn *, void *ctx);
/**
 * Step it now: a slot of the demultiplexer has a datagram. While it is being stepped: once more,
 * right afterwards.
 */
void gds_driver_kick(struct gds_binding *);
/**
 * Cancel it; done is still called, perhaps before this returns for SILENT and RESET. From within
 * its own step, or an answer to it, this takes effect when that is over.
 */
void gds_driver_cancel(struct gds_binding *, enum gds_close how);
size_t gds_driver_count(const struct gds_driver *);
/** Cancel all that are bound now, each once. */
void gds_driver_cancel_all(struct gds_driver *, enum gds_close how);
/**
 * Those still bound are freed silently, done is called. Before its resolver and loop are freed.
 * Accepts NULL.
 */
void gds_driver_free(struct gds_driver *);

#endif
