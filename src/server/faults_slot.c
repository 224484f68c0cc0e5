/* SPDX-License-Identifier: MIT */
/* Faults of a DTLS session's datagrams: between the slot of the demultiplexer and the session. */
#include "core/record.h"
#include "server/faults_pass.h"

#include <string.h>

#define MESSAGE_HEADER 12 /* [bytes] RFC 6347 section 4.2.2 */
#define DATAGRAM_MAX 16640

struct slot {
	struct gds_pass pass;
	bool lost;   /* the first copy of the message */
	bool killed; /* the handshake was ended by what proves nothing */
};

/* Messages are counted by message_seq: a flight may be cut into datagrams in any way. */
static bool is_message(const struct gds_record *r, long number)
{
	return r->type == GDS_CONTENT_HANDSHAKE && r->epoch == 0 && r->length >= MESSAGE_HEADER &&
	       (r->fragment[4] << 8 | r->fragment[5]) == number;
}

static bool is_unwanted(struct slot *s, const struct gds_record *r)
{
	const struct gds_faults *f = s->pass.faults;
	bool message = is_message(r, f->message);
	if ((f->slot & GDS_FAULT_DROP_MESSAGE) && message) {
		return true;
	}
	if ((f->slot & GDS_FAULT_LOSE_MESSAGE) && message && !s->lost) {
		s->lost = true;
		return true;
	}
	bool goodbye = r->type == GDS_CONTENT_ALERT && r->epoch > 0;
	bool stopping = s->pass.connection->worker->stopping;
	return goodbye && ((f->slot & GDS_FAULT_DROP_CLOSE) ||
				  ((f->slot & GDS_FAULT_SILENT_SHUTDOWN) && stopping));
}

static bool is_forgotten(const struct slot *s)
{
	const struct gds_connection *c = s->pass.connection;
	return (s->pass.faults->slot & GDS_FAULT_FORGET) && c->established > 0 &&
	       gds_now(s->pass.carrier.env) >=
		       gds_later(c->established, s->pass.faults->forget_after * GDS_MILLISECOND);
}

static ssize_t slot_write(struct gds_carrier *c, const void *data, size_t n)
{
	struct slot *s = (struct slot *)c;
	const uint8_t *in = data;
	uint8_t out[DATAGRAM_MAX];
	size_t kept = 0;
	if ((s->pass.faults->slot & GDS_FAULT_MUTE) || is_forgotten(s)) {
		return (ssize_t)n;
	}
	for (size_t at = 0; at < n;) {
		struct gds_record r;
		int whole = gds_record_parse_dtls(&r, in + at, n - at);
		size_t length = whole > 0 ? (size_t)whole : n - at;
		if (whole <= 0 || !is_unwanted(s, &r)) {
			if (length > sizeof(out) - kept) {
				return gds_pass_write(c, data, n);
			}
			memcpy(out + kept, in + at, length);
			kept += length;
		}
		at += length;
	}
	ssize_t sent = kept > 0 ? gds_pass_write(c, out, kept) : 0;
	return sent < 0 ? sent : (ssize_t)n;
}

/* UDP-22: early data, a plaintext alert. */
static bool ends_it(const struct slot *s, const uint8_t *data, size_t n)
{
	struct gds_record r;
	return (s->pass.faults->slot & GDS_FAULT_FRAGILE) && s->pass.connection->established == 0 &&
	       gds_record_parse_dtls(&r, data, n) > 0 &&
	       (r.type == GDS_CONTENT_DATA || (r.type == GDS_CONTENT_ALERT && r.epoch == 0));
}

static ssize_t slot_read(struct gds_carrier *c, void *buffer, size_t size)
{
	struct slot *s = (struct slot *)c;
	if (s->killed) {
		return GDS_EOF;
	}
	ssize_t n = gds_pass_read(c, buffer, size);
	if (n <= 0) {
		return n;
	}
	s->killed = ends_it(s, buffer, (size_t)n);
	if (s->killed) {
		return GDS_EOF;
	}
	return is_forgotten(s) ? GDS_AGAIN : n;
}

struct gds_carrier *gds_fault_under_udp(
	struct gds_connection *connection, struct gds_carrier *below)
{
	static const struct gds_carrier_ops ops = {slot_read, slot_write, gds_pass_shut,
		gds_pass_flush, gds_pass_interest, gds_pass_close};
	struct slot *s = gds_pass_new(sizeof(*s), &ops, connection, below);
	return s ? &s->pass.carrier : below;
}
