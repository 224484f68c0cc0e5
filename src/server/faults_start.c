/* SPDX-License-Identifier: MIT */
/* Faults of a TCP connection before its session stands: between the socket and the session. */
#include "core/record.h"
#include "server/faults_pass.h"

#include <errno.h>
#include <string.h>

/* A server's whole first flight: 2 KiB, with room for odd certificates. */
#define FLIGHT_MAX 16384

struct start {
	struct gds_pass pass;
	bool greeted, hello_sent;
	size_t held;
	gds_time until; /* mono: when what is held goes out */
	uint8_t bytes[FLIGHT_MAX];
};

static const char *const greetings[] = {
	[GDS_FAULT_HTTP] = "HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 0\r\n"
			   "Connection: close\r\n\r\n",
	[GDS_FAULT_SSH] = "SSH-2.0-OpenSSH_9.2p1\r\n",
	[GDS_FAULT_SMTP] = "220 mail.example.com ESMTP Postfix\r\n",
};

static unsigned kind_of(const struct start *s)
{
	return s->pass.faults->start;
}

/* What was held back for long enough; the socket's buffer takes a flight. */
static void release(struct start *s)
{
	if (s->held > 0 && gds_now(s->pass.carrier.env) >= s->until) {
		(void)gds_carrier_write(s->pass.carrier.below, s->bytes, s->held);
		s->held = 0;
		(void)gds_carrier_flush(s->pass.carrier.below);
	}
}

/* A web server speaks when it was asked, the others greet; then they close. */
static ssize_t greet(struct start *s, void *buffer, size_t size)
{
	struct gds_carrier *below = s->pass.carrier.below;
	const char *text = greetings[kind_of(s)];
	if (s->greeted) {
		return GDS_EOF;
	}
	if (kind_of(s) == GDS_FAULT_HTTP) {
		ssize_t n = gds_pass_read(&s->pass.carrier, buffer, size);
		if (n <= 0) {
			return n;
		}
	}
	s->greeted = true;
	(void)gds_carrier_write(below, text, strlen(text));
	(void)gds_carrier_flush(below);
	return GDS_EOF;
}

static ssize_t start_read(struct gds_carrier *c, void *buffer, size_t size)
{
	struct start *s = (struct start *)c;
	release(s);
	switch ((enum gds_fault_start)kind_of(s)) {
	case GDS_FAULT_STALL:
		return GDS_AGAIN;
	case GDS_FAULT_CLOSE:
		return GDS_EOF;
	case GDS_FAULT_RESET:
		s->pass.connection->reset = true;
		c->why = (struct gds_error){.code = GDS_E_RESET, .sys = ECONNRESET};
		return GDS_E_RESET;
	case GDS_FAULT_HTTP:
	case GDS_FAULT_SSH:
	case GDS_FAULT_SMTP:
		return greet(s, buffer, size);
	default:
		return gds_pass_read(c, buffer, size);
	}
}

/* What comes behind the ServerHello. */
static void spoil(struct start *s, const uint8_t *data, size_t n)
{
	if (kind_of(s) == GDS_FAULT_STOP || n > FLIGHT_MAX - s->held) {
		return;
	}
	memcpy(s->bytes + s->held, data, n);
	if (kind_of(s) == GDS_FAULT_CORRUPT && n > 0) {
		s->bytes[s->held + n - 1] ^= 1;
	}
	s->held += n;
}

static ssize_t write_flight(struct start *s, const uint8_t *data, size_t n)
{
	struct gds_record hello;
	int whole = gds_record_parse_tls(&hello, data, n);
	size_t first = whole > 0 ? (size_t)whole : n;
	ssize_t sent = gds_pass_write(&s->pass.carrier, data, first);
	if (sent < 0) {
		return sent;
	}
	s->hello_sent = true;
	s->until = kind_of(s) == GDS_FAULT_SLOW
			   ? gds_pass_after(&s->pass.carrier, s->pass.faults->start_delay)
			   : 0;
	spoil(s, data + first, n - first);
	release(s);
	return (ssize_t)n;
}

static ssize_t start_write(struct gds_carrier *c, const void *data, size_t n)
{
	struct start *s = (struct start *)c;
	release(s);
	if (kind_of(s) < GDS_FAULT_SLOW) {
		return (ssize_t)n; /* no word of TLS gets out */
	}
	if (!s->hello_sent) {
		return write_flight(s, data, n);
	}
	if (kind_of(s) == GDS_FAULT_STOP) {
		return (ssize_t)n;
	}
	if (s->held > 0) {
		spoil(s, data, n);
		return (ssize_t)n;
	}
	return gds_pass_write(c, data, n);
}

static int start_flush(struct gds_carrier *c)
{
	release((struct start *)c);
	return gds_pass_flush(c);
}

static void start_interest(struct gds_carrier *c, struct gds_interest *out)
{
	struct start *s = (struct start *)c;
	gds_pass_interest(c, out);
	if (kind_of(s) == GDS_FAULT_STALL) {
		gds_pass_deaf(out);
	}
	if (s->held > 0 && s->until < out->deadline) {
		out->deadline = s->until;
	}
	if (s->greeted || kind_of(s) == GDS_FAULT_SSH || kind_of(s) == GDS_FAULT_SMTP ||
		kind_of(s) == GDS_FAULT_CLOSE || kind_of(s) == GDS_FAULT_RESET) {
		out->ready = true;
	}
}

struct gds_carrier *gds_fault_under_tcp(
	struct gds_connection *connection, struct gds_carrier *below)
{
	static const struct gds_carrier_ops ops = {start_read, start_write, gds_pass_shut,
		start_flush, start_interest, gds_pass_close};
	struct start *s = gds_pass_new(sizeof(*s), &ops, connection, below);
	return s ? &s->pass.carrier : below;
}
