/* SPDX-License-Identifier: MIT */
/**
 * What waits to be written: bytes or whole datagrams, bounded, owning memory only while something
 * waits.
 */
#ifndef GDS_STREAM_BACKLOG_H
#define GDS_STREAM_BACKLOG_H

#include <gdstream/carrier.h>

/** TCP-12: the most that one direction of a tunnel holds beyond the shared scratch. */
#define GDS_BACKLOG_MAX 65536

/** A zeroed struct is an empty backlog. */
struct gds_backlog {
	uint8_t *bytes; /* NULL while empty */
	size_t start, end, room;
};

static inline size_t gds_backlog_length(const struct gds_backlog *b)
{
	return b->end - b->start;
}

/** Append bytes. \return GDS_OK; GDS_E_LIMIT, GDS_E_NOMEM: nothing was kept. */
int gds_backlog_put(struct gds_backlog *, const struct gds_env *, const void *data, size_t n);
/** Append one datagram, led by its length (2 bytes, network order). Statuses as gds_backlog_put. */
int gds_backlog_put_datagram(
	struct gds_backlog *, const struct gds_env *, const void *data, size_t n);
/** \return the first datagram and its length in n, NULL when empty. */
const uint8_t *gds_backlog_datagram(const struct gds_backlog *, size_t *n);
/** Forget the first n bytes; the memory goes back with the last of them. */
void gds_backlog_drop(struct gds_backlog *, const struct gds_env *, size_t n);
/** Write bytes to a carrier. \return GDS_OK: empty now; GDS_AGAIN; the carrier's error. */
int gds_backlog_write(struct gds_backlog *, const struct gds_env *, struct gds_carrier *to);
void gds_backlog_clear(struct gds_backlog *, const struct gds_env *);

#endif
