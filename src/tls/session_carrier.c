/* SPDX-License-Identifier: MIT */
/* The session as a carrier of plaintext. */
#include "tls/session_private.h"

#include <gnutls/dtls.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

/** [bytes] of one TLS record (RFC 8446 section 5.1). */
#define RECORD_MAX 16384

static struct gds_session *session_of(struct gds_carrier *c)
{
	return (struct gds_session *)c;
}

/** What to do after GnuTLS gave no data: GDS_OK try again, or what to return. */
static ssize_t after_read(struct gds_session *s, int ret)
{
	if (s->below.code) {
		return gds_session_break(s, ret);
	}
	if (ret == GNUTLS_E_REHANDSHAKE || gnutls_error_is_fatal(ret)) {
		return gds_session_break(s, ret);
	}
	if (s->datagram && s->eof) {
		s->ended = true; /* the slot below was taken away */
		return GDS_EOF;
	}
	if (s->blocked) {
		/* Only now: tickets and junk also come out as AGAIN. */
		s->more = false;
		return GDS_AGAIN;
	}
	return GDS_OK;
}

static ssize_t read_once(struct gds_session *s, void *buffer, size_t size)
{
	if (!s->datagram) {
		return gnutls_record_recv(s->tls, buffer, size);
	}
	gnutls_packet_t packet = NULL;
	ssize_t ret = gnutls_record_recv_packet(s->tls, &packet);
	if (ret <= 0 || !packet) {
		return ret;
	}
	gnutls_datum_t data = {0};
	gnutls_packet_get(packet, &data, NULL);
	if (data.size <= size) {
		memcpy(buffer, data.data, data.size);
		ret = (ssize_t)data.size;
	} else {
		s->carrier.dropped++; /* whole or not at all (UDP-06) */
		ret = GNUTLS_E_AGAIN;
	}
	gnutls_packet_deinit(packet);
	return ret;
}

static ssize_t session_read(struct gds_carrier *c, void *buffer, size_t size)
{
	struct gds_session *s = session_of(c);
	if (s->ended) {
		return GDS_EOF;
	}
	if (s->dead) {
		return c->why.code;
	}
	if (!s->facts.established) {
		return GDS_AGAIN;
	}
	ssize_t result = GDS_OK;
	for (int i = 0; i < GDS_TURNS_MAX && result == GDS_OK; i++) {
		s->blocked = false;
		errno = 0;
		ssize_t ret = read_once(s, buffer, size);
		if (ret > 0) {
			result = ret;
		} else if (ret == 0) {
			s->ended = true;
			s->facts.close_in = true;
			result = GDS_EOF;
		} else {
			result = after_read(s, (int)ret);
		}
	}
	if (result == GDS_OK) {
		s->more = true;
		result = GDS_AGAIN;
	}
	if (result != GDS_AGAIN) {
		gds_session_repeat_forget(s);
	}
	if (s->datagram) {
		gds_session_repeat(s);
	}
	if (s->pushed || gds_session_queued(s)) {
		(void)gds_session_settle(s); /* a KeyUpdate answered, a Finished repeated */
	}
	return result;
}

static ssize_t reset_error(struct gds_session *s)
{
	s->carrier.why = (struct gds_error){.code = GDS_E_RESET,
		.sys = ECONNRESET,
		.stage = GDS_STAGE_PAYLOAD,
		.origin = GDS_PEER};
	return GDS_E_RESET;
}

static ssize_t write_datagram(struct gds_session *s, const void *data, size_t n)
{
	if (n == 0) {
		s->carrier.dropped++; /* GnuTLS cannot send it (UDP-18) */
		return 0;
	}
	if (n > gnutls_dtls_get_data_mtu(s->tls)) {
		return GDS_E_LIMIT;
	}
	s->too_long = false;
	/* What follows the first one says that it need not be repeated, or that it is too late. */
	gds_session_repeat_forget(s);
	s->keep = s->role == GDS_CLIENT && !s->wrote;
	s->wrote = true;
	ssize_t ret = gnutls_record_send(s->tls, data, n);
	s->keep = false;
	if (ret < 0) {
		return gds_session_break(s, (int)ret);
	}
	return s->too_long ? GDS_E_LIMIT : (ssize_t)n;
}

static ssize_t write_stream(struct gds_session *s, const uint8_t *data, size_t n)
{
	size_t done = 0;
	while (done < n && !gds_session_queued(s)) {
		size_t part = n - done < RECORD_MAX ? n - done : RECORD_MAX;
		ssize_t ret = gnutls_record_send(s->tls, data + done, part);
		if (s->write_lost) {
			return reset_error(s);
		}
		if (ret < 0) {
			return gds_session_break(s, (int)ret);
		}
		done += (size_t)ret;
	}
	return (ssize_t)done;
}

static ssize_t session_write(struct gds_carrier *c, const void *data, size_t n)
{
	struct gds_session *s = session_of(c);
	if (s->dead) {
		return c->why.code;
	}
	if (!s->facts.established || s->facts.close_out) {
		return s->facts.close_out ? GDS_E_INVALID : GDS_AGAIN;
	}
	if (s->write_lost) {
		return reset_error(s);
	}
	int status = gds_session_drain(s);
	if (status == GDS_AGAIN) {
		return GDS_AGAIN;
	}
	if (status != GDS_OK) {
		return gds_session_break(s, GNUTLS_E_PUSH_ERROR);
	}
	return s->datagram ? write_datagram(s, data, n) : write_stream(s, data, n);
}

static int session_shut(struct gds_carrier *c)
{
	struct gds_session *s = session_of(c);
	if (s->dead || !s->facts.established) {
		return s->dead ? c->why.code : GDS_AGAIN;
	}
	if (!s->facts.close_out) {
		s->facts.close_out = true;
		gds_session_repeat_forget(s);
		/* Nobody asks for a last word that was lost: over UDP it goes out twice, unless it
		 * only answers the peer's. */
		s->twice = s->datagram && !s->facts.close_in;
		(void)gnutls_bye(s->tls, GNUTLS_SHUT_WR); /* into the queue: it cannot block */
	}
	s->twice = false;
	return gds_session_settle(s);
}

static int session_flush(struct gds_carrier *c)
{
	struct gds_session *s = session_of(c);
	int status = gds_session_settle(s);
	if (s->dead || status == GDS_OK || status == GDS_AGAIN) {
		return s->dead ? GDS_OK : status;
	}
	return gds_session_break(s, GNUTLS_E_PUSH_ERROR);
}

static void session_interest(struct gds_carrier *c, struct gds_interest *out)
{
	struct gds_session *s = session_of(c);
	gds_carrier_interest(c->below, out);
	if (gds_session_queued(s)) {
		out->events |= POLLOUT; /* never because GnuTLS would write */
	}
	if (s->dead || s->ended) {
		return;
	}
	if (s->more || s->held_length > 0) {
		out->ready = true;
	}
	if (s->facts.established) {
		/* Not before: a ChangeCipherSpec that came too early counts as pending too. */
		out->ready = out->ready || gnutls_record_check_pending(s->tls) > 0;
	}
	gds_time next = gds_session_repeat_due(s);
	if (!s->facts.established) {
		next = s->timer < next ? s->timer : next;
		next = s->deadline < next ? s->deadline : next;
	}
	out->deadline = next < out->deadline ? next : out->deadline;
}

static void session_close(struct gds_carrier *c, enum gds_close how)
{
	struct gds_session *s = session_of(c);
	if (how == GDS_CLOSE_CLEAN && !s->dead && s->facts.established) {
		(void)session_shut(c);
	}
	struct gds_carrier *below = c->below;
	gds_session_free(s);
	gds_carrier_close(below, how);
}

const struct gds_carrier_ops gds_session_ops = {
	.read = session_read,
	.write = session_write,
	.shut = session_shut,
	.flush = session_flush,
	.interest = session_interest,
	.close = session_close,
};
