/* SPDX-License-Identifier: MIT */
/** The client's side: one staged attempt at an agent, with evidence for each stage. */
#ifndef GDSTREAM_ATTEMPT_H
#define GDSTREAM_ATTEMPT_H

#include <gdstream/api.h>
#include <gdstream/header.h>
#include <gdstream/machine.h>
#include <gdstream/session.h>

GDS_BEGIN_DECLS

/** What to do once the session stands. */
enum gds_plan {
	GDS_PLAN_HEALTH,    /* send a health header, read to close_notify (HC-05, TLS-05) */
	GDS_PLAN_TUNNEL,    /* send a header, then give the session away: gds_attempt_take */
	GDS_PLAN_HTTP,	    /* no header, ALPN http/1.1: gds_attempt_take */
	GDS_PLAN_HANDSHAKE, /* TLS only, then read briefly for a rejection */
};

struct gds_attempt_options {
	enum gds_transport transport;
	enum gds_plan plan;
	const char *host; /* name or literal, copied; or NULL when address.family is set */
	uint16_t port;
	struct gds_address address; /* skips RESOLVE */
	struct gds_trust *trust;    /* a reference is taken; role client */
	struct gds_header header;   /* GDS_PLAN_TUNNEL: the destination */
	enum gds_versions versions;
	const char *priority; /* borrowed for the life of the attempt; NULL default */
	gds_time deadline;    /* mono, of everything up to the end of the plan */
	/* One thing changed, for a diagnosis by difference. */
	unsigned mtu; /* [bytes] UDP payload of a handshake datagram; 0 = the session's default */
	const char
		*alpn; /* TCP: borrowed; offered instead, and any choice is taken; "" offers none */
	bool no_certificate; /* show none of ours */
	bool once;	     /* UDP: never begin a session anew: one socket, one source port */
};

enum gds_outcome { GDS_NOT_REACHED, GDS_UNDER_WAY, GDS_PASSED, GDS_FAILED };

struct gds_stage_report {
	enum gds_outcome outcome;
	gds_time start, duration; /* mono; [ns] */
};

struct gds_report {
	bool finished;
	struct gds_error why; /* code GDS_OK: passed; stage says where it failed */
	struct gds_stage_report stages[GDS_STAGES];
	gds_time start, duration; /* mono; [ns] of the whole attempt */
	struct gds_address peer;  /* of the winner, or of the last one tried */
	/* UDP: sessions begun anew, after silence, a failure, or a lost close (UDP-20). */
	unsigned retries;
	struct gds_facts facts; /* of the session; zeroed when there never was one */
};

/** \return the machine, or NULL without memory. Free with ops->free. */
struct gds_machine *gds_attempt_new(const struct gds_attempt_options *, const struct gds_env *);
const struct gds_report *gds_attempt_report(const struct gds_machine *);
/** \return the bytes heard from the peer so far, in all sessions that may still stand. */
uint64_t gds_attempt_heard(const struct gds_machine *);
/**
 * GDS_PLAN_TUNNEL, GDS_PLAN_HTTP: once the attempt is done and passed, the established session's
 * carrier, owned by the caller from here on; NULL when there is none or it was taken before.
 */
struct gds_carrier *gds_attempt_take(struct gds_machine *);

GDS_END_DECLS

#endif
