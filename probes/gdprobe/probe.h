/* SPDX-License-Identifier: MIT */
/** What gdprobe's files share. */
#ifndef GDPROBE_PROBE_H
#define GDPROBE_PROBE_H

#include "gdprobe/addition.h"
#include "gdprobe/payload.h"
#include "gdprobe/variants.h"

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
	FACE_OLD,      /* --add-agent: what an agent without /info is asked; never shown */
	FACE_EVIDENCE, /* a TLS handshake that explains a failure of UDP; never shown */
	FACES
};

#define FILES_MAX 16 /* -f */

struct options {
	bool faces[FACES]; /* what to check; FACE_HTTPS to FACE_UDP are asked for, tunnels follow */
	bool optional[FACES];
	char through[GDS_HOST_MAX + 1]; /* empty: no destination */
	uint16_t through_port;
	bool echo, loopback, add_agent, timeout_given;
	enum gds_versions versions;
	gds_time timeout;
	bool json, nagios, verbose, list_causes, thresholds_given;
	const char *format, *textfile, *explain;
	bool exporter;
	bool plugin;		      /* called check_godoxy_stream: --nagios with a line a face */
	struct gds_address listen;    /* --exporter */
	const char *files[FILES_MAX]; /* -f, in order */
	size_t n_files;
	size_t parallel; /* targets under way at once */
	enum diagnose_mode diagnose;
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
	struct gds_machine *machine; /* its attempt, while that is under way */
	struct gds_binding *binding;
	bool given_up; /* ended by us: nothing was ever heard */
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
	struct variant variants[VARIANTS];
	unsigned varied; /* variants begun */
	struct gds_error
		refused; /* what the network told a variant over UDP; code GDS_OK: nothing */
	struct gds_timer *patience;
	struct addition addition;	/* --add-agent */
	struct gds_complaint complaint; /* code GDS_OK: it can be judged */
	gds_time start, duration;
	gds_time deadline; /* of its machines: a little before the target's budget is over */
	struct probe *next_ended;
	unsigned open; /* checks and variants under way */
	bool finished;
	bool own_is_short; /* --agent-env: our certificate's own end says nothing */
};

/**
 * The target is judged, or cannot be: complaint says why. Its machines have ended, but what it
 * holds is freed later.
 */
typedef void probe_ended_fn(void *ctx, struct probe *);

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
	probe_ended_fn *ended;
	void *ctx;
	struct probe *first_ended; /* not yet cleared */
	bool filling;
	bool borrowed; /* loop, resolver, driver and scratch are another run's */
	bool over;     /* no new target is begun */
};

/** plugin.c: is this name of the program that of the plugin? */
bool plugin_is_called(const char *argv0);
/** As options_parse, with a plugin's options; the target is *host of the command line. */
int plugin_parse(struct options *, int argc, char **argv, bool *done, char target[static 300]);
/** Between the two: what follows from the options. \return NULL, or what is wrong with them. */
const char *options_settle(struct options *);
extern const struct options options_default;
int options_set_optional(struct options *, const char *face, struct gds_complaint *complaint);

/** options.c: \return the exit code when *done. Arguments begin at *rest. */
int options_parse(struct options *, int argc, char **argv, bool *done, int *rest);

/** run.c: make the loop and what hangs on it. \return GDS_OK, GDS_E_NOMEM. */
int run_prepare(struct run *);
/** Begin with as many targets as may be under way at once; the others follow as these end. */
void run_begin(struct run *);
/**
 * Check all targets, each within the time that the options give it. ended was called for each
 * that was begun. \return GDS_OK, or an error with a sentence.
 */
int run_all(struct run *, struct gds_complaint *);
/** Free what run_all and the probes hold. Not from within ended. */
void run_clear(struct run *);

/** identity.c: load what the target is asked with, into trust, identity and complaint. */
void introduce(struct probe *);
/** The same for all targets, when the options name it: read once, it may be a pipe. */
void introduce_all(struct run *);

/** info.c: read the answer of /info. */
void info_read(struct info *, const struct gds_fetch_result *, int64_t wall);

/** diagnose.c: from what was seen to what is wrong. */
void diagnose(const struct probe *, struct gds_result *out, int64_t wall);

/**
 * report.c: print one result; with many targets a healthy one in a line.
 * \return false when it could not be written.
 */
bool report_result(
	const struct options *, const struct gds_result *, const struct gds_targets *, char **argv);
/** The one line of all. */
bool report_nagios(const struct options *, const struct gds_result *results, size_t n);
/** Complain about standard output. \return the exit code. */
int report_unwritable(void);
/** Print one cause, or all of them. \return the exit code. */
int report_explain(const char *id);
int report_causes(void);

/** batch.c: check all targets and print what they come to. \return the exit code. */
int batch_run(const struct options *, const struct gds_targets *, size_t junk, char **argv);

/**
 * targets.c: add the lines of a file, "-" for standard input. Lines that are no target are named
 * on stderr and counted, and so are those that are there already, which are not checked twice.
 * \return GDS_OK, or an error with a sentence when the file cannot be read.
 */
int targets_read(
	struct gds_targets *, const char *path, size_t *junk, struct gds_complaint *complaint);

/** textfile.c: write all results as metrics. \return GDS_OK, or an error with a sentence. */
int textfile_write(const struct options *, const struct gds_result *results, size_t n,
	struct gds_complaint *complaint);

/** exporter.c: probe whom Prometheus asks for until SIGTERM. \return the exit code. */
int exporter_run(const struct options *);

struct progress;
/** progress.c: a line on stderr that is kept up to date. NULL where none is wanted: no terminal. */
struct progress *progress_new(const struct options *, size_t total);
void progress_show(struct progress *, size_t done, size_t bad, gds_time now);
/** Make room for lines on stdout. Accepts NULL. */
void progress_hide(struct progress *);
void progress_free(struct progress *);

#endif
