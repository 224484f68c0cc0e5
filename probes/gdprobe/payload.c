/* SPDX-License-Identifier: MIT */
#include "gdprobe/payload.h"

#include <poll.h>
#include <string.h>

#define CHUNK 16384
/* UDP loses datagrams: each is sent this often, this far apart. */
#define TRIES 3
#define REPEAT_AFTER (500 * GDS_MILLISECOND)

/* Sizes that pass every path, and one that fills an Ethernet frame with DTLS around it. */
static const size_t datagram_sizes[] = {64, 512, 1200};
#define DATAGRAMS (sizeof(datagram_sizes) / sizeof(datagram_sizes[0]))

struct payload {
	struct gds_machine machine;
	struct gds_carrier *carrier;
	const struct gds_env *env;
	enum payload_kind kind;
	gds_time deadline, next; /* next: when the datagram is sent again, or listening is enough */
	unsigned tries;
	struct payload_report report;
};

/* Every byte depends on its place, so that lost, doubled and swapped ones show. */
static uint8_t pattern(uint64_t place)
{
	uint64_t x = place * UINT64_C(0x9e3779b97f4a7c15) + 0x47;

	return (uint8_t)(x >> 56 ^ x >> 24);
}

static void fill(uint8_t *out, uint64_t place, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		out[i] = pattern(place + i);
	}
}

static void end(struct payload *p, enum payload_outcome outcome)
{
	if (outcome == PAYLOAD_BROKEN) {
		p->report.why = p->carrier->why;
	}
	p->report.outcome = outcome;
	p->report.duration = gds_now(p->env) - p->report.start;
	gds_carrier_close(p->carrier, GDS_CLOSE_CLEAN);
	p->carrier = NULL;
}

static void note_sent(struct payload *p)
{
	if (!p->report.first_sent || (p->carrier->datagram && !p->report.first_back)) {
		p->report.first_sent = gds_now(p->env);
	}
}

static void note_received(struct payload *p, ssize_t n)
{
	if (!p->report.first_back) {
		p->report.first_back = gds_now(p->env);
	}
	p->report.received += (uint64_t)n;
}

static void read_failed(struct payload *p, ssize_t n)
{
	end(p, n == GDS_EOF ? PAYLOAD_CLOSED : PAYLOAD_BROKEN);
}

/* \return true when something happened. */
static bool listen_step(struct payload *p, gds_time now)
{
	uint8_t bytes[CHUNK];
	ssize_t n = gds_carrier_read(p->carrier, bytes, sizeof(bytes));

	if (n > 0) {
		note_received(p, n);
		end(p, PAYLOAD_OPENED);
	} else if (n != GDS_AGAIN) {
		read_failed(p, n);
	} else if (now >= p->next) {
		end(p, PAYLOAD_OPENED);
	} else {
		return false;
	}
	return true;
}

static bool stream_send(struct payload *p)
{
	uint8_t bytes[CHUNK];
	size_t left = PAYLOAD_TCP_SIZE - p->report.sent;
	ssize_t n;

	if (left == 0) {
		gds_carrier_flush(p->carrier);
		return false;
	}
	left = left < sizeof(bytes) ? left : sizeof(bytes);
	fill(bytes, p->report.sent, left);
	n = gds_carrier_write(p->carrier, bytes, left);
	if (n > 0) {
		note_sent(p);
		p->report.sent += (uint64_t)n;
		gds_carrier_flush(p->carrier);
	}
	/* What a failed write means is told by the read that follows it. */
	return n > 0;
}

static bool stream_receive(struct payload *p)
{
	uint8_t bytes[CHUNK], expected[CHUNK];
	ssize_t n = gds_carrier_read(p->carrier, bytes, sizeof(bytes));

	if (n == GDS_AGAIN) {
		return false;
	}
	if (n < 0) {
		read_failed(p, n);
		return true;
	}
	fill(expected, p->report.received, (size_t)n);
	note_received(p, n);
	if (p->report.received > p->report.sent || memcmp(bytes, expected, (size_t)n) != 0) {
		end(p, PAYLOAD_CORRUPT);
	} else if (p->report.received == PAYLOAD_TCP_SIZE) {
		end(p, PAYLOAD_ECHOED);
	}
	return true;
}

static void datagram_send(struct payload *p, gds_time now)
{
	uint8_t bytes[CHUNK];
	size_t size = datagram_sizes[p->report.datagrams];
	ssize_t n;

	fill(bytes, size, size);
	n = gds_carrier_write(p->carrier, bytes, size);
	if (n > 0) {
		note_sent(p);
		p->report.sent += (uint64_t)n;
		gds_carrier_flush(p->carrier);
	}
	p->report.repeated += p->tries > 0;
	p->tries++;
	p->next = gds_later(now, REPEAT_AFTER);
}

/* The size names the datagram; a late copy of an earlier one is no fault. */
static bool datagram_known(const struct payload *p, const uint8_t *bytes, size_t n)
{
	uint8_t expected[CHUNK];

	for (unsigned i = 0; i <= p->report.datagrams && i < DATAGRAMS; i++) {
		if (datagram_sizes[i] == n) {
			fill(expected, n, n);
			return memcmp(bytes, expected, n) == 0;
		}
	}
	return false;
}

static bool datagram_receive(struct payload *p)
{
	uint8_t bytes[CHUNK];
	ssize_t n = gds_carrier_read(p->carrier, bytes, sizeof(bytes));

	if (n == GDS_AGAIN) {
		return false;
	}
	if (n < 0) {
		read_failed(p, n);
		return true;
	}
	note_received(p, n);
	if (!datagram_known(p, bytes, (size_t)n)) {
		end(p, PAYLOAD_CORRUPT);
	} else if ((size_t)n == datagram_sizes[p->report.datagrams]) {
		p->tries = 0;
		p->next = 0;
		if (++p->report.datagrams == DATAGRAMS) {
			end(p, PAYLOAD_ECHOED);
		}
	}
	return true;
}

static bool echo_step(struct payload *p, gds_time now)
{
	if (p->carrier->datagram) {
		if (now >= p->next && p->tries == TRIES) {
			end(p, PAYLOAD_SILENT);
			return true;
		}
		if (now >= p->next) {
			datagram_send(p, now);
		}
		return datagram_receive(p);
	}
	bool sent = stream_send(p);
	return stream_receive(p) || sent;
}

static void payload_step(struct gds_machine *machine, gds_time now, struct gds_need *need)
{
	struct payload *p = (struct payload *)machine;
	bool more = true;

	memset(need, 0, sizeof(*need));
	need->deadline = GDS_NEVER;
	while (p->carrier && more) {
		more = p->kind == PAYLOAD_LISTEN ? listen_step(p, now) : echo_step(p, now);
		if (!more && now >= p->deadline) {
			end(p, PAYLOAD_SILENT);
		}
	}
	need->kind = p->carrier ? GDS_WAIT : GDS_DONE;
}

static size_t payload_interest(
	struct gds_machine *machine, struct gds_interest out[static GDS_MACHINE_INTERESTS])
{
	struct payload *p = (struct payload *)machine;
	gds_time at = p->deadline;

	if (!p->carrier) {
		return 0;
	}
	gds_carrier_interest(p->carrier, &out[0]);
	if (!p->carrier->datagram && p->kind == PAYLOAD_ECHO && p->report.sent < PAYLOAD_TCP_SIZE) {
		out[0].events |= POLLOUT;
	}
	if ((p->carrier->datagram || p->kind == PAYLOAD_LISTEN) && p->next < at) {
		at = p->next;
	}
	if (at < out[0].deadline) {
		out[0].deadline = at;
	}
	return 1;
}

static void payload_answer(struct gds_machine *machine, const struct gds_answer *answer)
{
	(void)machine;
	gds_carrier_close(answer->carrier, GDS_CLOSE_SILENT); /* nothing was asked for */
}

static void payload_cancel(struct gds_machine *machine, enum gds_close how)
{
	struct payload *p = (struct payload *)machine;

	if (p->carrier) {
		gds_carrier_close(p->carrier, how);
		p->carrier = NULL;
		p->report.outcome = PAYLOAD_SILENT;
	}
}

static void payload_free(struct gds_machine *machine)
{
	struct payload *p = (struct payload *)machine;

	if (p) {
		gds_carrier_close(p->carrier, GDS_CLOSE_SILENT);
		gds_free(p->env, p);
	}
}

static const struct gds_machine_ops payload_ops = {
	.step = payload_step,
	.interest = payload_interest,
	.answer = payload_answer,
	.cancel = payload_cancel,
	.free = payload_free,
};

struct gds_machine *payload_new(struct gds_carrier *carrier, enum payload_kind kind,
	gds_time deadline, const struct gds_env *env)
{
	struct payload *p = gds_alloc(env, sizeof(*p));

	if (!p) {
		return NULL;
	}
	p->machine.ops = &payload_ops;
	p->carrier = carrier;
	p->env = env;
	p->kind = kind;
	p->deadline = deadline;
	p->report.start = gds_now(env);
	if (kind == PAYLOAD_LISTEN) {
		p->next = gds_later(p->report.start, PAYLOAD_WATCH);
	}
	return &p->machine;
}

const struct payload_report *payload_report(const struct gds_machine *machine)
{
	return &((const struct payload *)machine)->report;
}
