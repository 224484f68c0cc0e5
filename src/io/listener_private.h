/* SPDX-License-Identifier: MIT */
/** The inside of a listener and its incoming requests. Not for other folders. */
#ifndef GDS_IO_LISTENER_PRIVATE_H
#define GDS_IO_LISTENER_PRIVATE_H

#include "io/wait_private.h"

#include <gdstream/demux.h>
#include <gdstream/listener.h>

/** A connection, and what the program sees of it: lives until the machine has ended and nobody
 * holds it. */
struct gds_incoming {
	struct gds_listener *listener;	      /* NULL: freed before it */
	struct gds_incoming *next, *previous; /* all of the listener */
	struct gds_incoming *later;	      /* in the queue */
	struct gds_task *task;		      /* NULL: its machine has ended */
	bool held;			      /* in the queue, or the program's */
	bool collected;			      /* was in the queue */
	bool decided;
	bool ended; /* report is filled */
	enum gds_verdict verdict;
	struct gds_request request;
	struct gds_need resolve;   /* held back until the program has decided; id 0: none */
	struct gds_carrier *inner; /* the machine's end of what is served here, not yet asked for */
	struct gds_carrier *carrier; /* the program's end */
	struct gds_serve_report report;
	const struct gds_env *env;
};

struct gds_listener {
	struct gds_listener_options o; /* with defaults filled in */
	const struct gds_env *env;
	struct gds_address address;
	struct gds_wait *wait;
	struct gds_scratch *scratch;
	int tcp, udp;		/* owned; -1 = none */
	int tcp_slot, udp_slot; /* in the wait */
	struct gds_batch *batch;
	struct gds_demux *demux;
	uint8_t cookie_keys[2][16];
	gds_time keys_at;   /* mono: of the next cookie key */
	gds_time resume_at; /* mono: accepting paused for want of descriptors; GDS_NEVER */
	bool accepting, closed;
	struct gds_incoming *all;
	struct gds_incoming *first, **last; /* the queue */
	size_t queued;
};

/** Both ends of a socketpair(2) as carriers: stream, or with boundaries. \return GDS_OK,
 * GDS_E_NOMEM, GDS_E_DESCRIPTORS, GDS_E_IO. */
int gds_pair_new(struct gds_carrier *ends[2], enum gds_transport, const struct gds_env *);

/* listener_accept.c */
/** A machine over this carrier, not stepped yet. \return NULL: below is still the caller's. */
struct gds_incoming *gds_listener_connection(struct gds_listener *, struct gds_carrier *below,
	enum gds_transport, const struct gds_address *peer, const struct gds_prestate *);
bool gds_listener_is_full(const struct gds_listener *);
void gds_listener_tcp_ready(void *listener);
void gds_listener_udp_ready(void *listener);
int gds_listener_init_demux(struct gds_listener *);
/** Accept again, or not, as there is room. */
void gds_listener_set_accepting(struct gds_listener *);

/* listener_incoming.c */
extern const struct gds_serve_ops gds_incoming_ops;
/** The machine's questions: what waits for a decision is held back. */
bool gds_incoming_question(void *incoming, const struct gds_need *);
/** The machine has ended. */
void gds_incoming_over(void *incoming, struct gds_machine *);
/** Send what steps have queued, and see whether there is room again. */
void gds_listener_settle(struct gds_listener *);

#endif
