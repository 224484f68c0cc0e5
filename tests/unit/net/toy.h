/* SPDX-License-Identifier: MIT */
/**
 * A machine for the driver to drive: it follows a script and notes what happens to it. And a
 * look-up without files.
 */
#ifndef TESTS_NET_TOY_H
#define TESTS_NET_TOY_H

#include "net/driver.h"

#include "io/socket.h"

/* A machine that follows a script: needs in order, and what it was given. */
#define SCRIPT_MAX 8

struct toy {
	struct gds_machine machine; /* first */
	struct gds_need script[SCRIPT_MAX];
	size_t needs, asked;
	bool unanswered[SCRIPT_MAX + 1]; /* by id */
	bool wait_for_answers;		 /* done once all are answered; else: when told to end */
	bool end;
	bool silent_end; /* of a cancel: it is done at once */
	bool inside;	 /* its step is running */
	int steps, answers, cancels;
	enum gds_close how;
	struct gds_error why;
	struct gds_address list[16];
	size_t n;
	struct gds_carrier *carrier;
	struct gds_interest interest[GDS_MACHINE_INTERESTS];
	size_t interests;
	int ready_left; /* so many steps it says "ready" */
	bool drain;	/* read its carrier or its descriptor on each step */
	size_t received;
	gds_time done_at; /* ends itself at this time */
	void (*on_step)(struct toy *);
	bool freed;
	int *order, *orders; /* where to note that it is done */
	int name;
	struct gds_binding *binding, *victim;
};

extern struct gds_loop *loop;
extern struct gds_resolver *resolver;
extern struct gds_driver *driver;
extern const struct gds_env *env;
extern int dones;    /* calls of done, of all toys */
extern int handoffs; /* 0: the driver's handoff refuses */
extern const struct gds_driver_ops toy_driver_ops;

int set_up(void **state);
int tear_down(void **state);
/** A toy that waits for ever. */
struct toy toy(void);
struct gds_binding *bind_toy(struct toy *);

#endif
