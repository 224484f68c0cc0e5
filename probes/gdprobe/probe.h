/* SPDX-License-Identifier: MIT */
/** What gdprobe's files share. */
#ifndef GDPROBE_PROBE_H
#define GDPROBE_PROBE_H

#include "gdprobe/payload.h"

#include "cli/known.h"
#include "net/curl.h"
#include "net/destination.h"
#include "out/nagios.h"
#include "out/result.h"

#include <gdstream/attempt.h>

/** The ways to an agent, in the order in which they are shown. */
enum face {
	FACE_HTTPS,
	FACE_TCP,
	FACE_UDP,
	FACE_TCP_TUNNEL,
	FACE_UDP_TUNNEL,
	FACE_EVIDENCE, /* a TLS handshake that explains a failure of UDP; never shown */
	FACES
};

struct options {
	bool faces[FACES]; /* what to check; FACE_HTTPS to FACE_UDP are asked for, tunnels follow */
	bool optional[FACES];
	char through[GDS_HOST_MAX + 1]; /* empty: no destination */
	uint16_t through_port;
	bool echo, loopback;
	enum gds_versions versions;
	gds_time timeout;
	bool json, nagios, verbose, list_causes, thresholds_given;
	const char *explain;
	struct gds_thresholds warning, critical;
	struct gds_identity_options identity;
};

struct probe;

/** One face of one target. */
struct check {
	struct probe *probe;
	enum face face;
	bool started, finished;
	unsigned rounds;	  /* of a UDP tunnel: tried anew, UDP-20 */
	gds_time start, duration; /* mono; [ns] */
	struct gds_report report;
	struct gds_fetch *http;
	struct payload_report payload;
	bool tunnelled; /* payload is filled */
};

/** What /info told. */
struct info {
	struct gds_error why; /* of the request, after the session stood */
	bool answered;
	long status;
	bool valid;
	char name[128], version[64], runtime[32];
	bool date_known;
	int64_t skew; /* [s] */
};

struct run;

/** One target. */
struct probe {
	struct run *run;
	const struct gds_target *target;
	char identity[512];
	struct gds_trust *trust;
	struct check checks[FACES];
	struct info info;
	struct gds_destination *destination; /* --loopback */
	struct gds_complaint complaint;	     /* code GDS_OK: it can be judged */
	gds_time start, duration;
	unsigned open; /* checks under way */
	bool finished;
	bool own_is_short; /* --agent-env: our certificate's own end says nothing */
};

struct run {
	const struct options *options;
	const struct gds_env *env;
	struct gds_loop *loop;
	struct gds_resolver *resolver;
	struct gds_driver *driver;
	struct gds_timer *limit, *farewell;
	struct gds_scratch *scratch;
	struct probe *probes;
	size_t n, next, active;
	gds_time deadline; /* of the machines: a little before the run's own */
	bool over;	   /* no new target is begun */
};

/** options.c: \return the exit code when *done. Arguments begin at *rest. */
int options_parse(struct options *, int argc, char **argv, bool *done, int *rest);

/** run.c: check all targets side by side. \return GDS_OK, or an error with a sentence. */
int run_all(struct run *, struct gds_complaint *);
/** Free what run_all and the probes hold. */
void run_clear(struct run *);

/** info.c: read the answer of /info. */
void info_read(struct info *, const struct gds_fetch_result *, int64_t wall);

/** diagnose.c: from what was seen to what is wrong. */
void diagnose(const struct probe *, struct gds_result *out, int64_t wall);

/** report.c: print all results. \return the exit code. */
int report_print(const struct options *, const struct gds_result *results, size_t n, char **argv);
/** Print one cause, or all of them. \return the exit code. */
int report_explain(const char *id);
int report_causes(void);

#endif
