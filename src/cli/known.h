/* SPDX-License-Identifier: MIT */
/** Which identity to show to a target, of all the places where one may be. */
#ifndef GDS_CLI_KNOWN_H
#define GDS_CLI_KNOWN_H

#include "cli/target.h"

#include <gdstream/identity.h>

/** What the options say; all NULL: nothing. */
struct gds_identity_options {
	const char *path;	     /* -i FILE|DIR */
	const char *ca, *cert, *key; /* --ca, --cert, --key */
	const char *agent_env;	     /* --agent-env FILE|- */
	const char *folder;	     /* --identity-dir DIR: where HOST:PORT.zip are; NULL: certs */
};

/** \return GDS_OK, or GDS_E_INVALID with a sentence when the options contradict each other. */
int gds_identity_options_check(const struct gds_identity_options *, struct gds_complaint *);
/**
 * Where the zip of a target is in the folder.
 * \return GDS_OK when there is one; GDS_E_FILE when not, or when the path is too long.
 */
int gds_known_path(
	char *path, size_t size, const struct gds_target *, const struct gds_identity_options *);
/**
 * In this order: the options, the target's own zip, $GDSTREAM_IDENTITY, HOST:PORT.zip in the
 * folder.
 * --agent-env: a client certificate of one hour is signed with the CA key in it, in memory.
 * \return GDS_OK; GDS_E_FILE, GDS_E_FORMAT, GDS_E_LIMIT, GDS_E_NOMEM, GDS_E_INVALID with a
 * sentence.
 */
int gds_known_identity(struct gds_identity **out, const struct gds_target *,
	const struct gds_identity_options *, struct gds_complaint *);

#endif
