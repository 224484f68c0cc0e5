/* SPDX-License-Identifier: MIT */
/* Faults in what a session carries over TCP, and in how its ends are told on. */
#include "server/faults_pass.h"

#include <gdstream/header.h>

#include <string.h>

struct stream {
	struct gds_pass pass;
	uint64_t seen;	  /* [bytes] read of the session, the header among them */
	bool done;	  /* the one byte has been spoiled */
	bool forwarded;	  /* the header was sent on */
	bool ended, dead; /* the client's orderly end was read; or a failure, which is not told */
	uint8_t header[GDS_HEADER_SIZE];
};

static bool has(const struct stream *s, unsigned fault)
{
	return s->pass.faults->stream & fault;
}

/* The one byte at that place of the payload; the buffer has room for one more. \return its new
 * length. */
static size_t spoil(struct stream *s, uint8_t *data, size_t n)
{
	uint64_t at = GDS_HEADER_SIZE + (uint64_t)s->pass.faults->at;
	if (s->done || at < s->seen || at >= s->seen + n) {
		return n;
	}
	size_t i = (size_t)(at - s->seen);
	if (has(s, GDS_FAULT_FLIP)) {
		data[i] ^= 1;
	} else if (has(s, GDS_FAULT_DROP)) {
		memmove(data + i, data + i + 1, n - i - 1);
		n--;
	} else if (has(s, GDS_FAULT_ADD)) {
		memmove(data + i + 1, data + i, n - i);
		n++;
	} else {
		return n;
	}
	s->done = true;
	return n;
}

static void keep_header(struct stream *s, const uint8_t *data, size_t n)
{
	if (s->seen < GDS_HEADER_SIZE) {
		size_t room = GDS_HEADER_SIZE - (size_t)s->seen;
		memcpy(s->header + s->seen, data, n < room ? n : room);
	}
}

static bool is_forwarding(const struct stream *s)
{
	return has(s, GDS_FAULT_FORWARD_HEADER) && s->seen >= GDS_HEADER_SIZE && !s->forwarded &&
	       s->pass.connection->dialling;
}

static ssize_t failed(struct stream *s, ssize_t n)
{
	s->ended = s->ended || n == GDS_EOF;
	if (n != GDS_AGAIN && n != GDS_EOF && has(s, GDS_FAULT_CLIENT_RESET) &&
		s->pass.connection->tunnelled) {
		s->dead = true;
		return GDS_AGAIN;
	}
	return n;
}

static bool is_deaf(const struct stream *s)
{
	const struct gds_connection *c = s->pass.connection;
	return s->dead || (has(s, GDS_FAULT_KEEP_DIALLING) && c->dialling && !c->tunnelled);
}

static ssize_t stream_read(struct gds_carrier *c, void *buffer, size_t size)
{
	struct stream *s = (struct stream *)c;
	if (is_deaf(s)) {
		return GDS_AGAIN;
	}
	if (is_forwarding(s) && size >= sizeof(s->header)) {
		s->forwarded = true;
		memcpy(buffer, s->header, sizeof(s->header));
		return sizeof(s->header);
	}
	ssize_t n = gds_pass_read(c, buffer, size > 1 ? size - 1 : size);
	if (n <= 0) {
		return failed(s, n);
	}
	size_t length = (size_t)n;
	keep_header(s, buffer, length);
	if (size > 1) {
		length = spoil(s, buffer, length);
	}
	size_t header = s->seen < GDS_HEADER_SIZE ? GDS_HEADER_SIZE - (size_t)s->seen : 0;
	s->seen += (uint64_t)n;
	if (has(s, GDS_FAULT_EARLY_LOST) && header > 0 && header < length) {
		length = header;
	}
	return length > 0 ? (ssize_t)length : GDS_AGAIN;
}

static ssize_t stream_write(struct gds_carrier *c, const void *data, size_t n)
{
	struct stream *s = (struct stream *)c;
	if (s->dead) {
		return (ssize_t)n;
	}
	ssize_t rc = gds_pass_write(c, data, n);
	return rc < 0 && failed(s, rc) == GDS_AGAIN && rc != GDS_AGAIN ? (ssize_t)n : rc;
}

static int stream_shut(struct gds_carrier *c)
{
	struct stream *s = (struct stream *)c;
	if (s->pass.connection->answer) {
		s->pass.connection->answer = false;
		(void)gds_carrier_write(c->below, "healthy\n", 8);
	}
	if (has(s, GDS_FAULT_KEEP_DESTINATION_END) && s->pass.connection->tunnelled && !s->ended &&
		!s->pass.connection->worker->stopping) {
		return GDS_OK;
	}
	return gds_pass_shut(c);
}

static void stream_interest(struct gds_carrier *c, struct gds_interest *out)
{
	struct stream *s = (struct stream *)c;
	gds_pass_interest(c, out);
	if (is_deaf(s)) {
		gds_pass_deaf(out);
	} else if (is_forwarding(s)) {
		out->ready = true;
	}
}

struct gds_carrier *gds_fault_over_tcp(
	struct gds_connection *connection, struct gds_carrier *session)
{
	static const struct gds_carrier_ops ops = {stream_read, stream_write, stream_shut,
		gds_pass_flush, stream_interest, gds_pass_close};
	struct stream *s = gds_pass_new(sizeof(*s), &ops, connection, session);
	return s ? &s->pass.carrier : session;
}
