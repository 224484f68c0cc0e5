/* SPDX-License-Identifier: MIT */
/**
 * What a probe found out about one target. Terminal text, JSON and the Nagios line all come from
 * this one value.
 */
#ifndef GDS_OUT_RESULT_H
#define GDS_OUT_RESULT_H

#include <gdstream/catalogue.h>

#define GDS_RESULT_FACES 5 /* three faces and two tunnels */

enum gds_result_state {
	GDS_RESULT_OK,
	GDS_RESULT_BAD,	     /* cause says why */
	GDS_RESULT_SKIPPED,  /* never tried, because what it stands on failed */
	GDS_RESULT_UNJUDGED, /* tried, and nothing can be said */
};

struct gds_result_stage {
	bool reached, passed;
	gds_time start, duration; /* [ns], start counted from the start of the face */
};

/** The legs of a tunnel: here to the agent, on to the destination, and back. */
enum gds_leg { GDS_LEG_AGENT, GDS_LEG_DESTINATION, GDS_LEG_RETURN, GDS_LEGS };
enum gds_leg_state { GDS_LEG_UNREACHED, GDS_LEG_OK, GDS_LEG_FAILED, GDS_LEG_UNKNOWN };

struct gds_result_legs {
	bool known; /* it is a tunnel */
	bool own;   /* the destination is the probe itself: the second leg was seen from its end */
	struct {
		enum gds_leg_state state;
		bool timed;
		gds_time duration; /* [ns] */
	} leg[GDS_LEGS];
};

/** One way of reaching the agent. */
struct gds_result_face {
	const char *name;  /* "https", "tcp", "udp", "tcp-tunnel", "udp-tunnel" */
	const char *label; /* "HTTPS", "TCP", ... */
	enum gds_result_state state;
	bool optional;	      /* a failure is a warning */
	gds_time duration;    /* [ns] */
	char tls_version[24]; /* "TLS 1.3", "DTLS 1.2"; empty: no session */
	char tls_cipher[64];
	char address[80];	       /* who answered, or was tried last; empty: nobody */
	char summary[200];	       /* what was seen, in a few words */
	char evidence[200];	       /* what the cause rests on; empty: nothing */
	const struct gds_cause *cause; /* NULL when OK */
	struct gds_result_stage stages[GDS_STAGES];
	struct gds_result_legs legs;
};

/** A check with one thing changed, made to tell causes apart. */
struct gds_result_variant {
	const char *name;    /* "udp-other-port" */
	const char *outcome; /* "silent", "closed", "answered", "passed"; NULL: not judged */
	gds_time duration;   /* [ns] */
	char evidence[100];  /* empty: none */
};

/** What GoDoxy would make of the agent when it adds it (API-08). */
struct gds_result_addition {
	bool judged;				  /* it was asked for */
	bool added;				  /* else GoDoxy refuses the agent altogether */
	bool old_agent;				  /* one that has no /info */
	bool tcp, udp;				  /* supports_tcp_stream, supports_udp_stream */
	bool deceived;				  /* it believes more than is true */
	char name[128], version[64], runtime[64]; /* as GoDoxy would know them */
	char refuses[160];			  /* what it would refuse; empty: nothing */
};

#define GDS_RESULT_CAUSES 2
#define GDS_RESULT_VARIANTS 12

/** What is left of all that may be wrong, after the variants. */
struct gds_result_diagnosis {
	const struct gds_cause *causes[GDS_RESULT_CAUSES]; /* the most likely first */
	size_t n;					   /* 0: no diagnosis was needed */
	bool likely;	     /* nothing proves the first: it is what fits best */
	char ruled_out[200]; /* "agent down, certificate"; empty: nothing */
	char tries[4][160];  /* what to do, a line each; empty from the first empty one on */
	struct gds_result_variant variants[GDS_RESULT_VARIANTS];
	size_t n_variants;
};

/** What the certificates and the clocks say. */
struct gds_result_certificates {
	bool known;	   /* any certificate was seen */
	bool flawed;	   /* one of them is refused: the faces say which */
	char key[32];	   /* of the agent's certificate, or ours when it showed none */
	int64_t not_after; /* wall [s]: the earliest of the CA's, ours and the agent's */
	int64_t days;	   /* left until then, negative: since then */
	const struct gds_cause *cause; /* NULL: nothing wrong with them */
	bool skew_known;	       /* the agent told its time over HTTPS */
	int64_t skew;		       /* [s] how far its clock is ahead of ours */
};

struct gds_result {
	char target[300];   /* HOST:PORT */
	char identity[512]; /* where it came from */
	enum gds_severity severity;
	gds_time duration; /* [ns] until the last face had its result */
	bool info;	   /* the agent told its name */
	char name[128], version[64], runtime[32];
	struct gds_result_certificates certificates;
	struct gds_result_face faces[GDS_RESULT_FACES];
	size_t n;
	struct gds_result_diagnosis diagnosis;
	struct gds_result_addition addition;
	char not_tested[200]; /* what this run left out; empty: nothing worth saying */
	char complaint[512];  /* no judgement was possible, for this reason; empty: there is one */
};

/** The tool behind the result, for JSON. */
struct gds_result_tool {
	const char *tool, *version;
	char *const *argv; /* NULL-terminated */
};

/** \return the cause of the worst face, then of the certificates; NULL when all is well. */
const struct gds_cause *gds_result_cause(const struct gds_result *);
/** \return how bad a face is by itself. */
enum gds_severity gds_result_face_severity(const struct gds_result_face *);
/** \return "healthy", "warning", "not healthy", "unknown". */
const char *gds_severity_name(enum gds_severity);
/** \return "ok", "failed", "skipped", "unjudged". */
const char *gds_result_state_name(enum gds_result_state);
/** \return the exit code of a severity (DESIGN: exit codes): 0, 1, 2, 3. */
int gds_severity_exit(enum gds_severity);
/**
 * \return the worse of two: critical, then unknown (which may hide anything), then warning, then
 * fine.
 */
enum gds_severity gds_severity_worse(enum gds_severity, enum gds_severity);

#endif
