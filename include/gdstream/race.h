/* SPDX-License-Identifier: MIT */
/** Happy Eyeballs (RFC 8305) as a pure table: addresses and time in; start i, cancel j, won k out.
 */
#ifndef GDSTREAM_RACE_H
#define GDSTREAM_RACE_H

#include <gdstream/address.h>
#include <gdstream/api.h>

GDS_BEGIN_DECLS

#define GDS_RACE_MAX 8			       /* addresses tried at most */
#define GDS_RACE_DELAY (250 * GDS_MILLISECOND) /* RFC 8305 section 5, Connection Attempt Delay */

enum gds_race_state {
	GDS_RACE_WAITING,
	GDS_RACE_STARTED,
	GDS_RACE_WON,
	GDS_RACE_LOST,
	GDS_RACE_CANCELLED
};
enum gds_race_action {
	GDS_RACE_START,
	GDS_RACE_CANCEL,
	GDS_RACE_WIN,
	GDS_RACE_FAIL,
	GDS_RACE_WAIT
};

struct gds_race {
	struct gds_address list[GDS_RACE_MAX]; /* interleaved by family, RFC 8305 section 4 */
	enum gds_race_state state[GDS_RACE_MAX];
	size_t n;
	gds_time next; /* when the next one may start */
	int winner;    /* -1 none yet */
};

/** Take up to GDS_RACE_MAX addresses, interleaved IPv6/IPv4 beginning with the family of the first.
 */
void gds_race_init(struct gds_race *, const struct gds_address *list, size_t n);
/**
 * What to do now; call until GDS_RACE_WAIT, _WIN or _FAIL.
 * \param i out: the index the action is about. Started ones must be reported by gds_race_won or
 * _lost.
 */
enum gds_race_action gds_race_next(struct gds_race *, gds_time now, size_t *i);
void gds_race_won(struct gds_race *, size_t i);
/** A failure lets the next address start at once. */
void gds_race_lost(struct gds_race *, size_t i, gds_time now);
/** \return when gds_race_next wants to be called again, GDS_NEVER when only an outcome can change
 * it. */
gds_time gds_race_deadline(const struct gds_race *);

GDS_END_DECLS

#endif
