/* SPDX-License-Identifier: MIT */
/** gdserver inside: its options, and the certificates it makes for itself. */
#ifndef GDS_GDSERVER_GDSERVER_H
#define GDS_GDSERVER_GDSERVER_H

#include "server/server.h"

#include <gdstream/catalogue.h>

/** DESIGN: the one table of exit codes. */
enum gdserver_exit { GDSERVER_OK = 0, GDSERVER_FAILED = 3, GDSERVER_INTERRUPTED = 130 };

#define GDSERVER_FAULTS_MAX 64

struct gdserver_options {
	struct gds_server_options server;
	const char *ca, *cert, *key; /* files */
	const char *agent_env, *ephemeral;
	const char *ready_file;
	int ready_fd; /* -1 none */
	bool quiet, verbose, list_faults, json;
	const struct gds_fault_profile *profile; /* its faults are among them */
	const char *faults[GDSERVER_FAULTS_MAX + 1];
	size_t n_faults;
};

/** Parse the command line. \return as gds_options_parse. */
int gdserver_options_parse(struct gdserver_options *, int argc, char **argv, bool *done);
/** The server's identity by these options. \return GDS_OK, or an error with a sentence. */
int gdserver_identity(
	struct gds_identity **out, const struct gdserver_options *, struct gds_complaint *);
/**
 * Fresh certificates in a directory, named as gdcerts new names them; out is the server's, with the
 * CA's key.
 */
int gdserver_ephemeral(struct gds_identity **out, const char *folder, struct gds_complaint *);
/** Print the catalogue of faults: a table, or with json one JSON object. \return the exit code. */
int gdserver_list_faults(bool json);
/** Say on standard error what is wrong with this server. */
void gdserver_announce_faults(const struct gdserver_options *);
/**
 * Tell who waits for it where we listen: one JSON line to the descriptor and the file asked for.
 */
int gdserver_ready(
	const struct gdserver_options *, const struct gds_address *, struct gds_complaint *);

#endif
