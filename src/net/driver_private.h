/* SPDX-License-Identifier: MIT */
/** The driver's inside: bindings, and what they have asked for. Not for other folders. */
#ifndef GDS_NET_DRIVER_PRIVATE_H
#define GDS_NET_DRIVER_PRIVATE_H

#include "net/driver.h"

#include "io/socket.h"

/**
 * A link of a ring; a ring's head is a link too, so that members leave without knowing which ring
 * it is.
 */
struct gds_link {
	struct gds_link *next, *previous;
};

/** A RESOLVE or CONNECT that was not answered yet. */
struct gds_question {
	struct gds_question *next;
	struct gds_binding *binding;
	unsigned id;
	unsigned ticket; /* of the resolver; 0: a CONNECT */
	struct gds_dial dial;
	struct gds_watch *watch; /* of the dial */
	gds_time deadline;	 /* of a CONNECT; the resolver keeps its own */
};

/** What is watched for one interest, remembered so that epoll is told changes only. */
struct gds_watched {
	struct gds_watch *watch; /* NULL: never needed so far */
	int fd;
	short events;
};

struct gds_binding {
	struct gds_link all, soon; /* soon: a ring of its own when it is not waiting for a turn */
	struct gds_driver *driver;
	struct gds_machine *machine;
	gds_done_fn *done;
	void *ctx;
	struct gds_question *questions;
	struct gds_watched watched[GDS_MACHINE_INTERESTS];
	struct gds_timer *timer;
	gds_time deadline; /* what the timer is set to */
	uint64_t turn;	   /* the loop's wake-up in which it was last stepped */
	bool stepping;
	bool again;   /* kicked while stepping */
	bool renewed; /* was given a carrier: a descriptor's number may be an old one's */
	bool cancelled;
	enum gds_close how;
};

struct gds_driver {
	struct gds_loop *loop;
	struct gds_resolver *resolver;
	const struct gds_driver_ops *ops;
	void *ctx;
	const struct gds_env *env;
	struct gds_watch *resolver_watch;
	struct gds_timer *resolver_timer, *soon_timer;
	struct gds_link bindings, soon;
	size_t count;
};

/** Answer a need: of the driver's questions, or at once. The binding is being stepped. */
void gds_driver_resolve(struct gds_binding *, const struct gds_need *);
void gds_driver_connect(struct gds_binding *, const struct gds_need *);
/** Forget the question with this id (0 = all of them) without an answer. */
void gds_driver_forget(struct gds_binding *, unsigned id);
/** Answer the CONNECTs whose deadline has passed. */
void gds_driver_expire(struct gds_binding *, gds_time now);
/** The earliest deadline of its CONNECTs. */
gds_time gds_driver_questions_deadline(const struct gds_binding *);
void gds_driver_answer_error(struct gds_binding *, unsigned id, const struct gds_error *why);
void gds_driver_answer_carrier(struct gds_binding *, unsigned id, struct gds_carrier *);
/** The resolver's next deadline has perhaps changed. */
void gds_driver_watch_resolver(struct gds_driver *);

#endif
