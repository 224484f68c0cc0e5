/* SPDX-License-Identifier: MIT */
#include "gdserver/gdserver.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct sink {
	enum gds_log_level level;
	bool journal;
};

/* One write a line: lines of several processes on one stderr do not mix. */
static void log_line(void *ctx, enum gds_log_level level, const char *line)
{
	const struct sink *sink = ctx;
	char text[GDS_LOG_MAX + 128];
	if (level > sink->level) {
		return;
	}
	const struct gds_env *env = gds_env_system();
	size_t n =
		gds_log_render(text, sizeof(text), level, env->wall(env->ctx), sink->journal, line);
	ssize_t written = write(STDERR_FILENO, text, n);
	(void)written; /* there is nowhere to complain to */
}

static void say(struct sink *sink, enum gds_log_level level, const char *message, const char *key,
	const char *value)
{
	struct gds_log_line line;
	gds_log_begin(&line, message);
	gds_log_text(&line, key, value);
	log_line(sink, level, line.text);
}

static int fail(const struct gds_complaint *complaint)
{
	fprintf(stderr, "gdserver: %s\n", complaint->text);
	return GDSERVER_FAILED;
}

/* What scripts read from the ready line, for a person. */
static void announce(
	struct sink *sink, const struct gdserver_options *o, const struct gds_server *server)
{
	char at[GDS_ADDRESS_TEXT];
	gds_address_format(gds_server_address(server), at);
	say(sink, GDS_LOG_INFO, "listening", "address", at);
	if (o->ephemeral) {
		printf("gdprobe -i %s/client.zip %s\n", o->ephemeral, at);
		fflush(stdout);
	}
}

static void warn_of_flaws(struct sink *sink, const struct gds_trust *trust)
{
	const struct gds_env *env = gds_env_system();
	if (gds_trust_own(trust)->rsa) {
		say(sink, GDS_LOG_WARNING, "the certificate is RSA: UDP can never work",
			"statement", "CERT-05");
	}
	if (gds_trust_own_flaws(trust, env->wall(env->ctx) / GDS_SECOND) != 0) {
		say(sink, GDS_LOG_WARNING, "clients will refuse this server's certificate", "see",
			"gdcerts inspect");
	}
}

/* \return the signal that ended it. */
static int wait_for_signal(const sigset_t *set)
{
	int signal = 0;
	while (sigwait(set, &signal) != 0) {
		continue;
	}
	return signal;
}

/*
 * JOURNAL_STREAM names the journal's stream by device and inode; a redirected standard error is
 * another (systemd.exec(5)).
 */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	uintmax_t device = 0, inode = 0;
	return stream && fstat(STDERR_FILENO, &st) == 0 &&
	       sscanf(stream, "%ju:%ju", &device, &inode) == 2 && device == st.st_dev &&
	       inode == st.st_ino;
}

static int run(struct gdserver_options *o, struct sink *sink, const sigset_t *signals)
{
	struct gds_complaint complaint = {0};
	struct gds_identity *identity = NULL;
	struct gds_trust *trust = NULL;
	struct gds_server *server = NULL;
	int rc = gdserver_identity(&identity, o, &complaint);
	if (rc == GDS_OK) {
		rc = gds_trust_new(&trust, identity, GDS_SERVER, &complaint);
	}
	gds_identity_free(identity);
	if (rc == GDS_OK) {
		warn_of_flaws(sink, trust);
		gdserver_announce_faults(o);
		o->server.trust = trust;
		rc = gds_server_start(&server, &o->server, &complaint);
	}
	gds_trust_unref(trust);
	if (rc == GDS_OK) {
		announce(sink, o, server);
		rc = gdserver_ready(o, gds_server_address(server), &complaint);
	}
	if (rc != GDS_OK) {
		gds_server_stop(server);
		return fail(&complaint);
	}
	int signal = wait_for_signal(signals);
	say(sink, GDS_LOG_INFO, "stopping", "signal", signal == SIGINT ? "SIGINT" : "SIGTERM");
	gds_server_stop(server);
	return signal == SIGINT ? GDSERVER_INTERRUPTED : GDSERVER_OK;
}

int main(int argc, char **argv)
{
	struct gdserver_options o;
	bool done = false;
	int code = gdserver_options_parse(&o, argc, argv, &done);
	if (done) {
		return code;
	}
	if (o.list_faults) {
		return gdserver_list_faults(o.json);
	}
	/* Before any thread starts: they inherit the mask, and only main is told. */
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	struct sink sink = {
		.level = o.quiet     ? GDS_LOG_WARNING
			 : o.verbose ? GDS_LOG_DEBUG
				     : GDS_LOG_INFO,
		.journal = is_journal(),
	};
	o.server.log = log_line;
	o.server.log_ctx = &sink;
	return run(&o, &sink, &signals);
}
