/* SPDX-License-Identifier: MIT */
/** Inside stream/ only: the serving machine and its dialling part. */
#ifndef GDS_STREAM_SERVE_PRIVATE_H
#define GDS_STREAM_SERVE_PRIVATE_H

#include "stream/farewell.h"

#include <gdstream/race.h>
#include <gdstream/serve.h>

enum serve_state {
	SERVE_HANDSHAKE,
	SERVE_HEADER,
	SERVE_DIAL,
	SERVE_HANDOFF,
	SERVE_TUNNEL,
	SERVE_FAREWELL,
	SERVE_OVER
};

/** Slot 0 is the look-up, the others are the addresses of the race. */
#define SERVE_QUESTIONS (GDS_RACE_MAX + 1)

/** A question to the driver; id 0: none under way. */
struct serve_question {
	unsigned id;
	bool unwanted; /* the driver has to be told GDS_CANCEL */
};

struct serve {
	struct gds_machine machine;
	struct gds_serve_options o;
	struct gds_serve_ops ops;
	enum serve_state state;
	struct gds_session *session; /* borrowed: top owns it */
	struct gds_carrier *top; /* the session's carrier or what wraps it; NULL when given on */
	struct gds_acceptor acceptor;
	gds_time deadline; /* mono: of the dial */
	unsigned last_id, handoff;
	struct serve_question questions[SERVE_QUESTIONS];
	bool resolved;
	uint16_t port;
	struct gds_race race;
	struct gds_error dial_why;	 /* of the last address that failed */
	struct gds_carrier *destination; /* answered, not yet taken */
	struct gds_backlog early;	 /* payload that came before the destination stood */
	bool early_end;			 /* and close_notify behind it */
	gds_time probe;			 /* mono: when to look whether such a client was reset */
	uint64_t early_dropped;
	struct gds_machine *tunnel;
	struct gds_farewell farewell;
	bool reported;
	struct gds_serve_report report;
};

/** Say goodbye and end; the outcome is reported now. */
void gds_serve_end(struct serve *, const struct gds_error *why, bool goodbye, gds_time now);
void gds_serve_report_end(struct serve *, const struct gds_error *why, gds_time now);
/** \param destination owned from here on. */
void gds_serve_tunnel(struct serve *, struct gds_carrier *destination, gds_time now);

/* serve_dial.c */
void gds_serve_dial_start(struct serve *, gds_time now);
void gds_serve_dial_step(struct serve *, gds_time now, struct gds_need *need);
void gds_serve_dial_answer(struct serve *, const struct gds_answer *);
void gds_serve_dial_interest(struct serve *, struct gds_interest *out);
/** No question is wanted any more. */
void gds_serve_dial_cancel(struct serve *);
/** \return true when need was filled with a GDS_CANCEL that the driver has to hear. */
bool gds_serve_dial_uncancelled(struct serve *, struct gds_need *need);

#endif
