/* SPDX-License-Identifier: MIT */
/** What the carriers of faults are made of: one that changes nothing, whose members are replaced.
 */
#ifndef GDS_SERVER_FAULTS_PASS_H
#define GDS_SERVER_FAULTS_PASS_H

#include "server/server_private.h"

/** Begins every carrier of a fault. */
struct gds_pass {
	struct gds_carrier carrier; /* first: it is this carrier */
	struct gds_connection *connection;
	const struct gds_faults *faults;
	struct gds_pass *next; /* of those that were left behind */
};

/** \return size bytes, zeroed, that begin with a gds_pass over below; NULL without memory. */
void *gds_pass_new(size_t size, const struct gds_carrier_ops *, struct gds_connection *,
	struct gds_carrier *below);
ssize_t gds_pass_read(struct gds_carrier *, void *buffer, size_t size);
ssize_t gds_pass_write(struct gds_carrier *, const void *data, size_t n);
int gds_pass_shut(struct gds_carrier *);
int gds_pass_flush(struct gds_carrier *);
void gds_pass_interest(struct gds_carrier *, struct gds_interest *out);
void gds_pass_close(struct gds_carrier *, enum gds_close how);

/** Nothing is read now: neither data nor a reset that waits below may wake anybody. */
void gds_pass_deaf(struct gds_interest *out);
/** mono, that many milliseconds after now. */
gds_time gds_pass_after(const struct gds_carrier *, long ms);

#endif
