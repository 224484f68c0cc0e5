/* SPDX-License-Identifier: MIT */
/** What a person names as a target: HOST[:PORT], an agent's zip, or a folder of zips. */
#ifndef GDS_CLI_TARGET_H
#define GDS_CLI_TARGET_H

#include <gdstream/error.h>
#include <gdstream/header.h>

#define GDS_TARGETS_MAX 1024

struct gds_target {
	char host[GDS_HOST_MAX + 1];
	uint16_t port;
	char text[GDS_HOST_MAX + 16]; /* HOST:PORT, IPv6 in brackets */
	char *zip;		      /* the agent's own zip; NULL: only an address was given */
};

struct gds_targets {
	struct gds_target *list;
	size_t n;
};

/** Fill text from host and port. */
void gds_target_format(struct gds_target *);
/**
 * Add what an argument names. A zip's address is its file name, as GoDoxy keeps it: HOST:PORT.zip.
 * \return GDS_OK; GDS_E_FILE, GDS_E_FORMAT, GDS_E_PORT, GDS_E_LIMIT, GDS_E_NOMEM with a sentence.
 */
int gds_targets_add(struct gds_targets *, const char *argument, struct gds_complaint *);
/** Free the list, not the struct. */
void gds_targets_clear(struct gds_targets *);

#endif
