/* SPDX-License-Identifier: MIT */
/** State machines that belong to no event loop: they ask, a driver answers (DESIGN: principle 4).
 */
#ifndef GDSTREAM_MACHINE_H
#define GDSTREAM_MACHINE_H

#include <gdstream/address.h>
#include <gdstream/api.h>
#include <gdstream/carrier.h>

GDS_BEGIN_DECLS

enum gds_need_kind {
	GDS_WAIT,    /* nothing but the interest */
	GDS_RESOLVE, /* host, port -> answer.list */
	GDS_CONNECT, /* transport, address -> answer.carrier (UDP: a connected socket, at once) */
	GDS_HANDOFF, /* the other end of an HTTP session -> answer.carrier */
	GDS_CANCEL,  /* the need with this id is no longer wanted; it will not be answered */
	GDS_DONE     /* the machine has ended; free it with ops->free */
};

/** What a machine asks for. Pointers are valid until the next step. */
struct gds_need {
	enum gds_need_kind kind;
	unsigned id; /* never 0, unique in its machine */
	enum gds_transport transport;
	const char *host;
	uint16_t port;
	struct gds_address address;
	gds_time deadline; /* the driver answers GDS_E_TIMEOUT when it passes */
};

struct gds_answer {
	unsigned id;
	struct gds_error why;		/* code GDS_OK on success */
	const struct gds_address *list; /* RESOLVE; borrowed for the call */
	size_t n;
	struct gds_carrier *carrier; /* CONNECT, HANDOFF; owned by the machine from here on */
};

#define GDS_MACHINE_INTERESTS 10 /* a race of GDS_RACE_MAX sessions and two */

struct gds_machine;
struct gds_machine_ops {
	/**
	 * Do what can be done now, bounded (64 KiB or one flight a call). Call again until
	 * need->kind is GDS_WAIT or GDS_DONE, then wait for the interests. Never blocks.
	 */
	void (*step)(struct gds_machine *, gds_time now, struct gds_need *need);
	/** \return how many of the array were filled. Deadlines are inside; ready = step again at
	 * once. */
	size_t (*interest)(
		struct gds_machine *, struct gds_interest out[GDS_AT_LEAST(GDS_MACHINE_INTERESTS)]);
	/** May be called from within the driver's handling of a need; never from within step. */
	void (*answer)(struct gds_machine *, const struct gds_answer *);
	/** End soon: GDS_CLOSE_CLEAN says goodbye within the linger limit, the others at once. Step
	 * on until GDS_DONE. */
	void (*cancel)(struct gds_machine *, enum gds_close how);
	/** Free it in whatever state; carriers still owned are closed silently. */
	void (*free)(struct gds_machine *);
};
struct gds_machine {
	const struct gds_machine_ops *ops;
};

GDS_END_DECLS

#endif
