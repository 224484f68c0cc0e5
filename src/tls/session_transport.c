/* SPDX-License-Identifier: MIT */
/* The push and pull functions: GnuTLS above, the carrier below. */
#include "tls/session_private.h"

#include <errno.h>
#include <string.h>

bool gds_session_queued(const struct gds_session *s)
{
	return s->queue.end > s->queue.start;
}

static void queue_release(struct gds_session *s)
{
	gds_free(s->carrier.env, s->queue.bytes);
	s->queue = (struct gds_queue){0};
}

static int queue_reserve(struct gds_session *s, size_t n)
{
	struct gds_queue *q = &s->queue;
	size_t used = q->end - q->start;
	if (q->size - q->end >= n) {
		return GDS_OK;
	}
	if (used + n > GDS_QUEUE_MAX) {
		return GDS_E_LIMIT;
	}
	size_t size = q->size ? q->size : 2048;
	while (size < used + n) {
		size *= 2;
	}
	uint8_t *bytes = gds_alloc(s->carrier.env, size);
	if (!bytes) {
		return GDS_E_NOMEM;
	}
	if (used > 0) {
		memcpy(bytes, q->bytes + q->start, used);
	}
	gds_free(s->carrier.env, q->bytes);
	*q = (struct gds_queue){.bytes = bytes, .end = used, .size = size};
	return GDS_OK;
}

static int queue_put(struct gds_session *s, const uint8_t *data, size_t n)
{
	int status = queue_reserve(s, n + 2);
	if (status != GDS_OK) {
		return status;
	}
	struct gds_queue *q = &s->queue;
	if (s->datagram) {
		q->bytes[q->end++] = (uint8_t)(n >> 8);
		q->bytes[q->end++] = (uint8_t)n;
	}
	memcpy(q->bytes + q->end, data, n);
	q->end += n;
	return GDS_OK;
}

/* What is wrong below, kept for the call of GnuTLS that is under way. */
static void note_below(struct gds_session *s, int code)
{
	s->below = s->carrier.below->why;
	s->below.code = code;
	if (code == GDS_E_REFUSED || code == GDS_E_UNREACHABLE) {
		s->below.origin = GDS_PATH;
	}
}

static bool is_reset(const struct gds_session *s, int status)
{
	return status == GDS_E_RESET || s->carrier.below->why.sys == EPIPE;
}

/**
 * Write to the carrier below. A TCP peer that reset us counts as having taken it all: its alert
 * is still to be read, and a failed push would hide it.
 * \return bytes taken, GDS_AGAIN, an error.
 */
static ssize_t write_below(struct gds_session *s, const uint8_t *data, size_t n)
{
	if (s->write_lost) {
		return (ssize_t)n;
	}
	ssize_t w = gds_carrier_write(s->carrier.below, data, n);
	if (w > 0) {
		s->facts.bytes_out += (uint64_t)w;
		s->pushed = true;
		return w;
	}
	if (w == 0 || w == GDS_AGAIN) {
		return GDS_AGAIN;
	}
	if (s->datagram) {
		if (w == GDS_E_LIMIT) {
			s->too_long = true;
		} else if (s->role == GDS_CLIENT && !s->facts.established) {
			/* Nobody there, or a firewall of ours: no use in going on. */
			note_below(s, (int)w);
		}
		s->carrier.dropped++;
		return (ssize_t)n; /* UDP: lost is not broken */
	}
	if (is_reset(s, (int)w)) {
		s->write_lost = true;
		return (ssize_t)n;
	}
	note_below(s, (int)w);
	return w;
}

static int drain_datagrams(struct gds_session *s)
{
	struct gds_queue *q = &s->queue;
	while (q->end > q->start) {
		size_t n = (size_t)q->bytes[q->start] << 8 | q->bytes[q->start + 1];
		ssize_t w = write_below(s, q->bytes + q->start + 2, n);
		if (w == GDS_AGAIN) {
			return GDS_AGAIN;
		}
		q->start += n + 2;
	}
	return GDS_OK;
}

static int drain_stream(struct gds_session *s)
{
	struct gds_queue *q = &s->queue;
	while (q->end > q->start) {
		ssize_t w = write_below(s, q->bytes + q->start, q->end - q->start);
		if (w < 0) {
			return (int)w;
		}
		q->start += (size_t)w;
	}
	return GDS_OK;
}

int gds_session_drain(struct gds_session *s)
{
	if (!gds_session_queued(s)) {
		return GDS_OK;
	}
	int status = s->datagram ? drain_datagrams(s) : drain_stream(s);
	if (status == GDS_OK) {
		queue_release(s);
	}
	return status;
}

/* Errors of a flush are those of a write that comes late. */
static int flush_below(struct gds_session *s)
{
	int status = gds_carrier_flush(s->carrier.below);
	if (status == GDS_OK || status == GDS_AGAIN) {
		s->pushed = status == GDS_AGAIN;
		return status;
	}
	s->pushed = false;
	if (s->datagram) {
		if (s->role == GDS_CLIENT && !s->facts.established) {
			note_below(s, status);
			return status;
		}
		return GDS_OK;
	}
	if (is_reset(s, status)) {
		s->write_lost = true;
		return GDS_OK;
	}
	note_below(s, status);
	return status;
}

int gds_session_settle(struct gds_session *s)
{
	int status = gds_session_drain(s);
	int below = s->pushed ? flush_below(s) : GDS_OK;
	return status == GDS_OK || status == GDS_AGAIN ? (below == GDS_OK ? status : below)
						       : status;
}

static ssize_t push_failed(struct gds_session *s, int code)
{
	if (s->datagram) {
		s->carrier.dropped++; /* its flight comes again */
		return 0;
	}
	s->below = (struct gds_error){.code = code, .origin = GDS_LOCAL};
	gnutls_transport_set_errno(s->tls, EIO);
	return -1;
}

void gds_session_push(struct gds_session *s, const uint8_t *data, size_t n)
{
	(void)write_below(s, data, n);
}

static ssize_t push_datagram(gnutls_transport_ptr_t ptr, const void *data, size_t n)
{
	struct gds_session *s = ptr;
	if (!s->facts.established) {
		gds_session_sent(s, data, n);
	}
	if (s->keep) {
		gds_session_repeat_keep(s, data, n);
	}
	if (!gds_session_queued(s) && write_below(s, data, n) != GDS_AGAIN) {
		if (s->twice) {
			gds_session_push(s, data, n);
		}
		return (ssize_t)n;
	}
	int status = queue_put(s, data, n);
	return status == GDS_OK || push_failed(s, status) == 0 ? (ssize_t)n : -1;
}

static ssize_t push_stream(gnutls_transport_ptr_t ptr, const giovec_t *iov, int count)
{
	struct gds_session *s = ptr;
	ssize_t total = 0;
	for (int i = 0; i < count; i++) {
		const uint8_t *data = iov[i].iov_base;
		size_t left = iov[i].iov_len;
		/* A flight goes out in one write at the end of the call; records of an
		 * established session go straight through. */
		while (left > 0 && s->facts.established && !gds_session_queued(s)) {
			ssize_t w = write_below(s, data, left);
			if (w == GDS_AGAIN) {
				break;
			}
			if (w < 0) {
				return push_failed(s, (int)w);
			}
			data += w;
			left -= (size_t)w;
		}
		int status = left > 0 ? queue_put(s, data, left) : GDS_OK;
		if (status != GDS_OK) {
			return push_failed(s, status);
		}
		total += (ssize_t)iov[i].iov_len;
	}
	return total;
}

static void note_first(struct gds_session *s, const uint8_t *data, size_t n)
{
	struct gds_facts *f = &s->facts;
	f->bytes_in += n;
	if (f->hello_in == 0) {
		f->hello_in = gds_session_now(s);
	}
	size_t room = GDS_FIRST_BYTES - f->first_length;
	size_t take = n < room ? n : room;
	memcpy(f->first + f->first_length, data, take);
	f->first_length += take;
}

static ssize_t nothing(struct gds_session *s)
{
	s->blocked = true;
	gnutls_transport_set_errno(s->tls, EAGAIN);
	return -1;
}

static ssize_t pull_stream(struct gds_session *s, uint8_t *buffer, size_t size)
{
	ssize_t r = gds_carrier_read(s->carrier.below, buffer, size);
	if (r > 0) {
		note_first(s, buffer, (size_t)r);
		return r;
	}
	if (r == GDS_AGAIN) {
		return nothing(s);
	}
	if (r == GDS_EOF || r == 0) {
		s->eof = true;
		return 0;
	}
	note_below(s, (int)r);
	gnutls_transport_set_errno(s->tls, ECONNRESET);
	return -1;
}

/** \return bytes of a datagram that GnuTLS may see, 0 when there is none now. */
static size_t next_datagram(struct gds_session *s, uint8_t *buffer, size_t size)
{
	for (int i = 0; i < GDS_TURNS_MAX; i++) {
		ssize_t r = gds_carrier_read(s->carrier.below, buffer, size);
		if (r == GDS_AGAIN) {
			return 0;
		}
		if (r == GDS_EOF) {
			s->eof = true;
			return 0;
		}
		if (r < 0) {
			/* An ICMP error tells a client that asks; to a session that stands it may
			 * be forged, or pass (UDP-17). */
			if (!s->facts.established && s->role == GDS_CLIENT) {
				note_below(s, (int)r);
				return 0;
			}
			if (r != GDS_E_REFUSED && r != GDS_E_UNREACHABLE && r != GDS_E_LIMIT) {
				return 0; /* not the network's: it may come again at once */
			}
			continue;
		}
		note_first(s, buffer, (size_t)r);
		size_t n = gds_session_admit(s, buffer, (size_t)r);
		if (n > 0 || s->below.code) {
			return s->below.code ? 0 : n;
		}
	}
	s->more = true;
	return 0;
}

static ssize_t pull_datagram(struct gds_session *s, uint8_t *buffer, size_t size)
{
	size_t n = s->held_length;
	if (n > 0) {
		s->held_length = 0;
		if (n <= size) {
			memcpy(buffer, s->held, n);
			return (ssize_t)n;
		}
		s->carrier.dropped++;
	}
	n = next_datagram(s, buffer, size);
	return n > 0 ? (ssize_t)n : nothing(s);
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *buffer, size_t size)
{
	struct gds_session *s = ptr;
	return s->datagram ? pull_datagram(s, buffer, size) : pull_stream(s, buffer, size);
}

/* Honest: an answer "readable" with nothing there stops retransmission. */
static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
	struct gds_session *s = ptr;
	(void)ms;
	if (!s->datagram || s->held_length > 0) {
		return 1;
	}
	if (!s->held) {
		s->held = gds_alloc(s->carrier.env, GDS_HELD_SIZE);
		if (!s->held) {
			return 0;
		}
	}
	s->held_length = next_datagram(s, s->held, GDS_HELD_SIZE);
	s->blocked = s->held_length == 0;
	return s->held_length > 0;
}

void gds_session_transport_set(struct gds_session *s)
{
	gnutls_transport_set_ptr(s->tls, s);
	gnutls_transport_set_pull_function(s->tls, pull);
	gnutls_transport_set_pull_timeout_function(s->tls, pull_timeout);
	if (s->datagram) {
		gnutls_transport_set_push_function(s->tls, push_datagram);
	} else {
		gnutls_transport_set_vec_push_function(s->tls, push_stream);
	}
}
