/* SPDX-License-Identifier: MIT */
/* Beginning anew over UDP: with a new socket, and so with a new port. */
#include "stream/attempt_state.h"

#include <string.h>

/* An agent of GoDoxy's keeps a session whose client vanished for ever, and another client that
 * happens to get the same port later meets it: silence, or a handshake that cannot succeed
 * (docs/godoxy-facts.md section 5). So does a client behind a lost flight. A new socket has a new
 * port: a handshake that meets silence for this long, longer than any round trip, or that fails for
 * a reason that may be the old session's, is begun anew. What fails twice is a failure. */
#define SILENCE_MAX (1600 * GDS_MILLISECOND)
#define RESTARTS_MAX 2
/* Begun later than this before the deadline it could tell nothing new. */
#define RESTART_ROOM (500 * GDS_MILLISECOND)

void gds_attempt_begin_anew(struct gds_attempt *a, enum gds_close how)
{
	struct gds_address list[GDS_RACE_MAX] = {a->report.peer};
	size_t n = a->winner < 0 ? a->race.n : 1;

	if (a->winner < 0) {
		memcpy(list, a->race.list, sizeof(list));
	}
	for (size_t i = 0; i < GDS_RACE_MAX; i++) {
		gds_candidate_close(a, &a->candidates[i], how);
	}
	for (int stage = GDS_STAGE_CONNECT; stage < GDS_STAGES; stage++) {
		memset(&a->report.stages[stage], 0, sizeof(a->report.stages[stage]));
	}
	a->report.retries++;
	gds_attempt_race(a, list, n);
}

bool gds_attempt_may_restart(const struct gds_attempt *a, unsigned limit)
{
	return a->options.transport == GDS_UDP && !a->options.once && a->restarts < limit &&
	       gds_later(gds_now(a->env), RESTART_ROOM) < a->options.deadline;
}

void gds_attempt_restart(struct gds_attempt *a)
{
	unsigned flights = a->flights + 1;

	a->restarts++;
	gds_attempt_begin_anew(a, GDS_CLOSE_SILENT);
	a->flights = flights + a->report.facts.retransmissions;
	if (a->report.facts.bytes_in > 0 && !a->established) {
		a->stood = a->report.facts;
	}
}

gds_time gds_attempt_silence_ends(struct gds_attempt *a)
{
	uint64_t heard = 0;

	if (!gds_attempt_may_restart(a, RESTARTS_MAX) ||
		(a->phase != GDS_PHASE_RACE && a->phase != GDS_PHASE_HANDSHAKE)) {
		return GDS_NEVER;
	}
	for (size_t i = 0; i < GDS_RACE_MAX; i++) {
		if (a->candidates[i].session) {
			heard += gds_session_facts(a->candidates[i].session)->bytes_in;
		}
	}
	if (heard != a->heard) {
		a->heard = heard;
		a->heard_at = gds_now(a->env);
	}
	return gds_later(a->heard_at, SILENCE_MAX);
}
