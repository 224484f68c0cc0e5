/* SPDX-License-Identifier: MIT */
/* Datagrams that are sent again as they are, for as long as nothing answers them. Each has its old
 * record numbers: whoever has it discards it as a replay (RFC 6347 4.1.2.6, UDP-17), whoever lacks
 * it takes it.
 *
 * In the handshake: GnuTLS repeats a flight at intervals that double, and its last flight only when
 * asked for it. A health check has 5 s for all (API-08), in which at 20 % loss one flight alone
 * would often wait for 1.6 s.
 *
 * After it: a client's first record, its header, must not be written twice (UDP-20), and nobody
 * repeats it. */
#include "tls/session_private.h"

#include <string.h>

/** [bytes] of the datagrams of a flight, each led by its length in two: beyond it the rest is left
 * to GnuTLS. */
#define FLIGHT_MAX 8192
/** Of one flight, or of a first record. */
#define REPEATS_MAX 8
/* [ns] Of a flight, and of a first record, whose answer needs no computing. */
#define FLIGHT_INTERVAL (200 * GDS_MILLISECOND)
#define RECORD_INTERVAL (120 * GDS_MILLISECOND)

void gds_session_repeat_forget(struct gds_session *s)
{
	gds_free(s->carrier.env, s->repeat.bytes);
	s->repeat = (struct gds_repeat){0};
}

void gds_session_repeat_begin(struct gds_session *s)
{
	s->repeat.fresh = true;
}

/* \return false without memory: then it travels once, as UDP has it. */
static bool make_room(struct gds_session *s, size_t n)
{
	struct gds_repeat *r = &s->repeat;
	size_t room = r->room ? r->room : 512;
	while (room < r->n + n) {
		room *= 2;
	}
	if (room == r->room) {
		return true;
	}
	if (room > FLIGHT_MAX) {
		return false;
	}
	uint8_t *bytes = gds_alloc(s->carrier.env, room);
	if (!bytes) {
		return false;
	}
	if (r->n > 0) {
		memcpy(bytes, r->bytes, r->n);
	}
	gds_free(s->carrier.env, r->bytes);
	r->bytes = bytes;
	r->room = room;
	return true;
}

static gds_time interval(const struct gds_session *s)
{
	bool record = s->facts.established && s->role == GDS_CLIENT;
	gds_time most = record ? RECORD_INTERVAL : FLIGHT_INTERVAL;
	return s->retransmit < most ? s->retransmit : most;
}

void gds_session_repeat_keep(struct gds_session *s, const uint8_t *data, size_t n)
{
	struct gds_repeat *r = &s->repeat;
	if (r->fresh) {
		r->fresh = false;
		r->n = 0; /* a new flight, or the same with new record numbers */
	}
	if (n > UINT16_MAX || !make_room(s, n + 2)) {
		return;
	}
	r->bytes[r->n++] = (uint8_t)(n >> 8);
	r->bytes[r->n++] = (uint8_t)n;
	memcpy(r->bytes + r->n, data, n);
	r->n += n;
	r->at = gds_session_now(s) + interval(s);
}

gds_time gds_session_repeat_due(const struct gds_session *s)
{
	return s->repeat.n > 0 && s->repeat.count < REPEATS_MAX ? s->repeat.at : GDS_NEVER;
}

void gds_session_repeat(struct gds_session *s)
{
	struct gds_repeat *r = &s->repeat;
	if (gds_session_now(s) < gds_session_repeat_due(s) || gds_session_queued(s)) {
		return;
	}
	for (size_t at = 0; at < r->n;) {
		size_t n = (size_t)r->bytes[at] << 8 | r->bytes[at + 1];
		gds_session_push(s, r->bytes + at + 2, n);
		at += 2 + n;
	}
	s->facts.retransmissions += !s->facts.established;
	r->count++;
	r->at = gds_session_now(s) + interval(s);
}
