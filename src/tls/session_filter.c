/* SPDX-License-Identifier: MIT */
/* What a handshake over UDP sees of the datagrams that come in (UDP-14, UDP-22), and what goes
 * out. */
#include "core/record.h"
#include "tls/session_private.h"

#include <string.h>

/* Handshake messages in the clear: type, 24-bit length, message_seq, 24-bit fragment offset (RFC
 * 6347 4.2.2). */
#define MESSAGE_HEADER 12
enum {
	CLIENT_HELLO = 1,
	SERVER_HELLO = 2,
	HELLO_VERIFY_REQUEST = 3,
	SERVER_HELLO_DONE = 14,
	CERTIFICATE_VERIFY = 15
};

/* A plaintext alert proves nothing about who sent it. A client takes a fatal one for the answer
 * it waits for, at once, since GnuTLS loses a third of them; a server remembers it for the case
 * that nothing else comes. */
static void hear_alert(struct gds_session *s, const uint8_t *record, size_t n)
{
	int alert = gds_record_plain_alert(record, n);
	if (alert < 0) {
		return;
	}
	if (s->role == GDS_SERVER) {
		s->heard_alert = alert + 1;
		return;
	}
	s->facts.alert_in = alert + 1;
	s->facts.alert_version = (unsigned)record[1] << 8 | record[2];
	s->below = (struct gds_error){
		.code = GDS_E_ALERT, .alert = alert + 1, .origin = GDS_PEER, .statement = "UDP-14"};
}

static unsigned number24(const uint8_t *b)
{
	return (unsigned)b[0] << 16 | (unsigned)b[1] << 8 | b[2];
}

/* What has come of the peer's messages, and whether they begin a new flight: then it has all of
 * ours. */
static void hear_message(struct gds_session *s, const uint8_t *m, unsigned length)
{
	struct gds_heard *h = &s->heard;
	unsigned sequence = (unsigned)m[4] << 8 | m[5], offset = number24(m + 6);
	if (sequence >= h->next) {
		h->next = sequence + 1;
		gds_session_repeat_forget(s);
	}
	if (sequence >= GDS_MESSAGES_MAX) {
		return;
	}
	if (offset <= h->bytes[sequence] && offset + length > h->bytes[sequence]) {
		h->bytes[sequence] = offset + length;
	}
	if (h->bytes[sequence] >= number24(m + 1)) {
		h->whole |= 1U << sequence;
	}
	if (m[0] == (s->role == GDS_SERVER ? CLIENT_HELLO : SERVER_HELLO)) {
		h->first = sequence;
	}
	if (m[0] == (s->role == GDS_SERVER ? CERTIFICATE_VERIFY : SERVER_HELLO_DONE)) {
		h->last = sequence + 1;
	}
}

static void hear_messages(struct gds_session *s, const struct gds_record *r)
{
	for (size_t at = 0; r->length - at >= MESSAGE_HEADER;) {
		const uint8_t *m = r->fragment + at;
		unsigned length = number24(m + 9);
		if (length > r->length - at - MESSAGE_HEADER) {
			return;
		}
		hear_message(s, m, length);
		at += MESSAGE_HEADER + length;
	}
}

/*
 * A ChangeCipherSpec that overtook what belongs before it (or that was lost) is put off: its flight
 * comes again. The second one of a flight that came again is dropped. GnuTLS 3.7 would ignore both
 * too, but forgets its buffer of 16 KiB each time (lib/buffers.c,
 * _gnutls_parse_record_buffered_msgs): memory for anybody who passed the cookie.
 */
static bool is_awaited(struct gds_session *s)
{
	struct gds_heard *h = &s->heard;
	if (h->last == 0 || h->changed) {
		return false;
	}
	for (unsigned i = h->first; i < h->last; i++) {
		if (!(h->whole >> i & 1)) {
			return false;
		}
	}
	h->changed = true;
	return true;
}

static bool admit_record(
	struct gds_session *s, const struct gds_record *r, const uint8_t *whole, size_t n)
{
	switch (r->type) {
	case GDS_CONTENT_HANDSHAKE:
		if (r->epoch == 0) {
			hear_messages(s, r);
		}
		if (s->role == GDS_CLIENT && r->epoch == 0 && r->length >= MESSAGE_HEADER &&
			r->fragment[0] == HELLO_VERIFY_REQUEST) {
			s->facts.hello_verify = true;
		}
		return true;
	case GDS_CONTENT_ALERT:
		if (r->epoch == 0) {
			hear_alert(s, whole, n);
			return false;
		}
		return true;
	default:
		/* Application data before its time ends a handshake of GnuTLS; UDP may lose it
		 * instead. */
		return r->type == GDS_CONTENT_CCS && is_awaited(s);
	}
}

size_t gds_session_admit(struct gds_session *s, uint8_t *data, size_t n)
{
	size_t in = 0;
	size_t out = 0;
	unsigned records = 0;
	while (in < n) {
		struct gds_record r;
		int whole = gds_record_parse_dtls(&r, data + in, n - in);
		if (whole <= 0) {
			break; /* nobody's, and GnuTLS would put it before the next datagram */
		}
		if (s->facts.established || admit_record(s, &r, data + in, (size_t)whole)) {
			if (out != in) {
				memmove(data + out, data + in, (size_t)whole);
			}
			out += (size_t)whole;
			records++;
		}
		in += (size_t)whole;
	}
	s->carrier.dropped += out == 0;
	/* GnuTLS keeps the rest of a datagram inside and does not say so. */
	s->more = s->more || records > 1;
	return out;
}

static uint64_t message_key(const struct gds_record *r)
{
	const uint8_t *f = r->fragment;
	uint64_t sequence = (uint64_t)f[4] << 8 | f[5];
	uint64_t offset = (uint64_t)f[6] << 16 | (uint64_t)f[7] << 8 | f[8];
	return (sequence << 24 | offset) + 1;
}

void gds_session_sent(struct gds_session *s, const uint8_t *data, size_t n)
{
	struct gds_record r;
	if (gds_record_parse_dtls(&r, data, n) <= 0 || r.type != GDS_CONTENT_HANDSHAKE ||
		r.epoch != 0 || r.length < MESSAGE_HEADER) {
		return;
	}
	uint64_t key = message_key(&r);
	if (key > s->sent_message) {
		s->sent_message = key;
		s->repeated_message = 0;
		return;
	}
	if (s->repeated_message == 0 || key <= s->repeated_message) {
		s->facts.retransmissions++;
	}
	s->repeated_message = key;
}
