/* SPDX-License-Identifier: MIT */
/** What attempt.c and attempt_race.c share: the state of one attempt. Nobody else looks inside. */
#ifndef GDS_STREAM_ATTEMPT_STATE_H
#define GDS_STREAM_ATTEMPT_STATE_H

#include <gdstream/attempt.h>
#include <gdstream/race.h>

enum gds_phase {
	GDS_PHASE_RESOLVE,   /* ask for addresses */
	GDS_PHASE_RESOLVING, /* the answer is on its way */
	GDS_PHASE_RACE,	     /* one or more candidates are under way */
	GDS_PHASE_HANDSHAKE, /* the winner's */
	GDS_PHASE_HEADER,    /* ours is being written */
	GDS_PHASE_READ,	     /* to the end that judges us */
	GDS_PHASE_END
};

struct gds_candidate {
	unsigned connect;	     /* id of the CONNECT under way; 0 = none */
	struct gds_carrier *socket;  /* connected, no session on it yet */
	struct gds_session *session; /* owns the socket from its making on */
	struct gds_error why;	     /* how it was lost */
};

struct gds_attempt {
	struct gds_machine machine;
	const struct gds_env *env;
	struct gds_attempt_options options;
	char host[GDS_HOST_MAX + 1];
	enum gds_phase phase;
	unsigned last_id, resolving;
	struct gds_race race;
	struct gds_candidate candidates[GDS_RACE_MAX];
	int winner; /* -1 none yet */
	uint8_t wire[GDS_HEADER_SIZE];
	size_t sent;		/* [bytes] of wire */
	gds_time give_up;	/* READ: when silence says enough; GDS_NEVER */
	unsigned sessions;	/* begun with a header, UDP-20 */
	unsigned restarts;	/* of an unanswered or failed handshake over UDP */
	unsigned flights;	/* sent without success before the last restart */
	uint64_t heard;		/* [bytes] from the peer, when heard_at was set */
	gds_time heard_at;	/* when something last came, or the race began */
	bool established;	/* one session stood: silence is not a closed way */
	struct gds_facts stood; /* the facts of that one, or of the last that was answered at all */
	struct gds_report report;
};

static inline struct gds_candidate *gds_attempt_winner(struct gds_attempt *a)
{
	return a->winner < 0 ? NULL : &a->candidates[a->winner];
}

/** Never 0. */
static inline unsigned gds_attempt_next_id(struct gds_attempt *a)
{
	return ++a->last_id ? a->last_id : ++a->last_id;
}

void gds_attempt_stage_begin(struct gds_attempt *, enum gds_stage);
void gds_attempt_stage_end(struct gds_attempt *, enum gds_stage, enum gds_outcome);
/** End here: the stage failed, why is copied. */
void gds_attempt_fail(struct gds_attempt *, enum gds_stage, const struct gds_error *why);
void gds_attempt_fail_code(struct gds_attempt *, enum gds_stage, int code, enum gds_origin);

/** Close what this candidate holds; the facts of its session are kept in the report. */
void gds_candidate_close(struct gds_attempt *, struct gds_candidate *, enum gds_close how);
/** Start the race between these addresses; what is under way of an earlier one is given up. */
void gds_attempt_race(struct gds_attempt *, const struct gds_address *list, size_t n);
/** \return true when there is more to do now, false when need is filled or only waiting helps. */
bool gds_attempt_race_step(struct gds_attempt *, gds_time now, struct gds_need *need);
/** The answer to the CONNECT of candidate i. */
void gds_attempt_race_answer(struct gds_attempt *, size_t i, const struct gds_answer *);

/**
 * Close all sessions and race anew, with new sockets: the winner's address, or all when there is
 * none.
 */
void gds_attempt_begin_anew(struct gds_attempt *, enum gds_close how);
/**
 * \return true when a handshake over UDP may be begun anew: fewer than limit times so far, and time
 * is left.
 */
bool gds_attempt_may_restart(const struct gds_attempt *, unsigned limit);
/** Begin a handshake anew. */
void gds_attempt_restart(struct gds_attempt *);
/** \return when silence in the handshake makes us begin anew; GDS_NEVER. */
gds_time gds_attempt_silence_ends(struct gds_attempt *);

#endif
