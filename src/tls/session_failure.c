/* SPDX-License-Identifier: MIT */
/* Why a session failed, and the alert that tells the peer (TLS-02, TLS-03, UDP-02, MUX-02). */
#include "core/record.h"
#include "tls/session_private.h"

#include <errno.h>
#include <string.h>

/**
 * What is thrown away at most, so that closing does not reset the peer before it read our last
 * word.
 */
#define DRAIN_MAX 65536

static bool is_tls13(const struct gds_session *s)
{
	return gnutls_protocol_get_version(s->tls) == GNUTLS_TLS1_3;
}

/* Go's order: dates before the chain (docs/godoxy-facts.md sections 4 and 5). */
static int alert_for_certificate(const struct gds_session *s, unsigned flags)
{
	if (s->datagram) {
		return GNUTLS_A_BAD_CERTIFICATE;
	}
	if (flags & (GDS_VERIFY_EXPIRED | GDS_VERIFY_NOT_YET)) {
		return GNUTLS_A_CERTIFICATE_EXPIRED;
	}
	return flags & GDS_VERIFY_SIGNER ? GNUTLS_A_UNKNOWN_CA : GNUTLS_A_BAD_CERTIFICATE;
}

static int alert_for_none(const struct gds_session *s)
{
	if (s->datagram) {
		return GNUTLS_A_SSL3_NO_CERTIFICATE;
	}
	return is_tls13(s) ? GNUTLS_A_CERTIFICATE_REQUIRED : GNUTLS_A_HANDSHAKE_FAILURE;
}

static bool is_memory(const struct gds_session *s, int ret)
{
	/* Inside GnuTLS a failed allocation can come out as a bad certificate or signature. */
	return s->no_memory || ret == GNUTLS_E_MEMORY_ERROR ||
	       (errno == ENOMEM &&
		       (ret == GNUTLS_E_CERTIFICATE_ERROR || ret == GNUTLS_E_PK_SIG_VERIFY_FAILED));
}

/* Errors that read the same during and after the handshake. \return true when why is filled. */
static bool explain_common(struct gds_session *s, int ret, struct gds_error *why, int *alert)
{
	/* A GnuTLS server that awaits a certificate and gets an alert says "no certificate". */
	bool heard = ret == GNUTLS_E_FATAL_ALERT_RECEIVED ||
		     (ret == GNUTLS_E_NO_CERTIFICATE_FOUND && gnutls_alert_get(s->tls) != 0);
	why->lib = ret;
	*alert = -1;
	if (heard) {
		why->code = GDS_E_ALERT;
		why->alert = (int)gnutls_alert_get(s->tls) + 1;
		s->facts.alert_in = why->alert;
	} else if (s->below.code) {
		*why = s->below;
	} else if (is_memory(s, ret)) {
		why->code = GDS_E_NOMEM;
		why->origin = GDS_LOCAL;
		*alert = GNUTLS_A_INTERNAL_ERROR;
	} else if (s->write_lost && (s->eof || ret == GNUTLS_E_PREMATURE_TERMINATION)) {
		why->code = GDS_E_RESET;
		why->sys = ECONNRESET;
	} else if (s->eof) {
		why->code = GDS_E_TRUNCATED;
		why->statement = "TLS-09";
	} else {
		return false;
	}
	return true;
}

static void explain_certificate(struct gds_session *s, struct gds_error *why, int *alert)
{
	why->code = GDS_E_VERIFY;
	why->verify = s->facts.verify;
	why->stage = GDS_STAGE_VERIFY;
	why->statement = s->role == GDS_CLIENT ? "TLS-04" : s->datagram ? "UDP-02" : "TLS-03";
	*alert = alert_for_certificate(s, s->facts.verify);
}

static bool looks_like_request(const uint8_t *b, size_t n)
{
	size_t i = 0;
	while (i < n && b[i] >= 'A' && b[i] <= 'Z') {
		i++;
	}
	return i >= 3 && (i == n || b[i] == ' ');
}

/* The rest of what a peer without TLS said: as evidence, and so that the answer is not lost to a
 * reset. */
static void collect_rest(struct gds_session *s)
{
	uint8_t rest[2048];
	struct gds_facts *f = &s->facts;
	for (size_t done = 0; done < DRAIN_MAX;) {
		ssize_t r = gds_carrier_read(s->carrier.below, rest, sizeof(rest));
		if (r <= 0) {
			return;
		}
		size_t room = GDS_FIRST_BYTES - f->first_length;
		size_t take = (size_t)r < room ? (size_t)r : room;
		memcpy(f->first + f->first_length, rest, take);
		f->first_length += take;
		f->bytes_in += (uint64_t)r;
		done += (size_t)r;
	}
}

/* TLS-08: to a browser or curl in the clear, a sentence a person can read; Go's words. */
static void answer_plain_text(struct gds_session *s)
{
	static const char answer[] = "HTTP/1.0 400 Bad Request\r\n\r\n"
				     "Client sent an HTTP request to an HTTPS server.\n";
	if (s->role != GDS_SERVER || !looks_like_request(s->facts.first, s->facts.first_length)) {
		return;
	}
	ssize_t w = gds_carrier_write(s->carrier.below, answer, sizeof(answer) - 1);
	if (w > 0) {
		s->facts.bytes_out += (uint64_t)w;
		s->pushed = true;
	}
}

static bool is_plain_text(const struct gds_session *s)
{
	enum gds_speaker speaker = gds_record_speaker(s->facts.first, s->facts.first_length);
	return !s->datagram && speaker != GDS_SPEAKS_NOTHING && speaker != GDS_SPEAKS_TLS;
}

int gds_session_fail(struct gds_session *s, const struct gds_error *why, int alert)
{
	s->carrier.why = *why;
	s->dead = true;
	if (alert >= 0 && !s->facts.close_out) {
		/* The queue takes it: this does not block. */
		if (gnutls_alert_send(s->tls, GNUTLS_AL_FATAL, (gnutls_alert_description_t)alert) >=
			0) {
			s->facts.alert_out = alert + 1;
		}
	}
	(void)gds_session_settle(s);
	return why->code;
}

int gds_session_refuse(struct gds_session *s, int ret)
{
	struct gds_error why = {.stage = GDS_STAGE_HANDSHAKE, .origin = GDS_PEER};
	int alert = -1;
	if (is_plain_text(s)) {
		why.code = GDS_E_NOT_TLS;
		why.lib = ret;
		why.statement = s->role == GDS_SERVER ? "TLS-08" : NULL;
		collect_rest(s);
		answer_plain_text(s);
		return gds_session_fail(s, &why, -1);
	}
	if (explain_common(s, ret, &why, &alert)) {
		why.stage = GDS_STAGE_HANDSHAKE;
		return gds_session_fail(s, &why, alert);
	}
	switch (ret) {
	case GNUTLS_E_CERTIFICATE_ERROR:
	case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
		if (s->facts.verify == 0) {
			s->facts.verify = GDS_VERIFY_OTHER;
		}
		explain_certificate(s, &why, &alert);
		break;
	case GNUTLS_E_NO_CERTIFICATE_FOUND:
	case GNUTLS_E_CERTIFICATE_REQUIRED:
		why.code = GDS_E_NO_CERTIFICATE;
		why.stage = GDS_STAGE_VERIFY;
		why.statement = s->datagram ? "UDP-02" : "TLS-02";
		alert = alert_for_none(s);
		break;
	case GNUTLS_E_NO_APPLICATION_PROTOCOL:
		why.code = GDS_E_ALPN;
		why.stage = GDS_STAGE_ALPN;
		why.statement = "MUX-02";
		alert = GNUTLS_A_NO_APPLICATION_PROTOCOL;
		break;
	default:
		why.code = GDS_E_TLS;
		alert = gnutls_error_to_alert(ret, NULL);
		break;
	}
	return gds_session_fail(s, &why, alert);
}

/* A server that heard an alert which might have been forged now believes it (UDP-22). */
int gds_session_expire(struct gds_session *s)
{
	struct gds_error why = {
		.code = GDS_E_TIMEOUT, .stage = GDS_STAGE_HANDSHAKE, .origin = GDS_PATH};
	if (is_plain_text(s)) {
		return gds_session_refuse(s, GNUTLS_E_TIMEDOUT); /* a few bytes, and then nothing */
	}
	if (s->heard_alert) {
		why.code = GDS_E_ALERT;
		why.alert = s->heard_alert;
		why.origin = GDS_PEER;
		s->facts.alert_in = s->heard_alert;
	}
	return gds_session_fail(s, &why, -1);
}

int gds_session_break(struct gds_session *s, int ret)
{
	struct gds_error why = {.stage = GDS_STAGE_PAYLOAD, .origin = GDS_PEER};
	int alert = -1;
	if (!explain_common(s, ret, &why, &alert)) {
		why.code = GDS_E_TLS;
		alert = gnutls_error_to_alert(ret, NULL);
		if (ret == GNUTLS_E_REHANDSHAKE) {
			why.statement = "TLS-06";
			alert = GNUTLS_A_UNEXPECTED_MESSAGE; /* as Go answers it, and fatal */
		}
	}
	why.stage = GDS_STAGE_PAYLOAD;
	return gds_session_fail(s, &why, alert);
}
