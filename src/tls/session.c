/* SPDX-License-Identifier: MIT */
#include "tls/session_private.h"

#include <gnutls/dtls.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

/** [bytes] UDP payload of a handshake datagram: fits an Ethernet path with a tunnel on it. */
#define HANDSHAKE_MTU 1400
/** GnuTLS's own limit; data may then have GDS_DATAGRAM_MAX bytes (UDP-09). */
#define SESSION_MTU 16384

/* RFC 6347 4.2.4.1 recommends a second, for a connection that is to last. Health checks have 5 s
 * for all of a handshake (API-08): GnuTLS stops to repeat a flight as soon as its answer begins,
 * so a loss in the answer is made good by the timer of the other side alone. */
#define RETRANSMIT (250 * GDS_MILLISECOND)

static int set_priority(struct gds_session *s, const struct gds_profile *p)
{
	int ret = p->priority ? gnutls_priority_set_direct(s->tls, p->priority, NULL)
			      : gnutls_priority_set(s->tls,
					s->trust->priorities[s->datagram ? GDS_PRIORITY_DTLS
									 : (int)p->versions]);
	if (ret == GNUTLS_E_INVALID_REQUEST) {
		return GDS_E_INVALID;
	}
	return ret == GNUTLS_E_MEMORY_ERROR ? GDS_E_NOMEM : ret < 0 ? GDS_E_TLS : GDS_OK;
}

static int set_alpn(struct gds_session *s, const struct gds_profile *p)
{
	gnutls_datum_t names[2];
	unsigned n = 0;
	for (; n < 2 && p->alpn[n]; n++) {
		names[n].data = (unsigned char *)(uintptr_t)p->alpn[n];
		names[n].size = (unsigned)strlen(p->alpn[n]);
	}
	if (s->datagram || n == 0) {
		return 0;
	}
	/* The server's order decides, as in Go, and only unknown names are fatal (MUX-02). */
	unsigned flags =
		s->role == GDS_SERVER ? GNUTLS_ALPN_SERVER_PRECEDENCE | GNUTLS_ALPN_MANDATORY : 0;
	return gnutls_alpn_set_protocols(s->tls, names, n, flags);
}

static unsigned retransmit_ms(const struct gds_session *s)
{
	return (unsigned)(s->retransmit / GDS_MILLISECOND);
}

/* GnuTLS counts the total time of a handshake on CLOCK_REALTIME, twice: as an absolute end, fixed
 * from the total when the handshake starts (what is left of it must fit an int), and as a span,
 * which wants the largest. So a step of the clock by days either way ends nothing: the deadline
 * is ours. A total of 0 would set no end at all, but the span is looked at before the first hook
 * too: a server preempted there for a millisecond failed. */
#define FIRST_TOTAL (1U << 30) /* [ms] 12 days */

static int lift_total(gnutls_session_t tls, unsigned type, unsigned when, unsigned incoming,
	const gnutls_datum_t *message)
{
	(void)type, (void)when, (void)incoming, (void)message;
	gnutls_dtls_set_timeouts(tls, retransmit_ms(gnutls_session_get_ptr(tls)), UINT_MAX);
	return 0;
}

static void set_datagram(struct gds_session *s, const struct gds_profile *p)
{
	gnutls_dtls_set_mtu(s->tls, p->mtu ? p->mtu : HANDSHAKE_MTU);
	gnutls_dtls_set_timeouts(s->tls, retransmit_ms(s), FIRST_TOTAL);
	gnutls_handshake_set_hook_function(
		s->tls, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH, lift_total);
	if (s->role == GDS_SERVER && p->prestate) {
		/* Forgotten, both ends would hang without an error. */
		gnutls_dtls_prestate_st prestate = {.record_seq = p->prestate->record_seq,
			.hsk_read_seq = p->prestate->read_seq,
			.hsk_write_seq = p->prestate->write_seq};
		gnutls_dtls_prestate_set(s->tls, &prestate);
	}
}

/* Whom we trust does not depend on these: gds_session_verify asks the trust's own list. */
static int set_credentials(struct gds_session *s, const struct gds_profile *p)
{
	int ret = 0;
	if (p->no_certificate && s->role == GDS_CLIENT) {
		ret = gnutls_certificate_allocate_credentials(&s->bare);
	}
	return ret < 0 ? ret
		       : gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE,
				 s->bare ? s->bare : s->trust->credentials);
}

static unsigned init_flags(const struct gds_session *s)
{
	unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS;
	/* Without FORCE the client withholds a certificate that does not fit the server's CA
	 * names, and the server's complaint about none would mislead. */
	flags |= s->role == GDS_SERVER ? GNUTLS_SERVER : GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT;
	return flags | (s->datagram ? GNUTLS_DATAGRAM : 0);
}

static int configure(struct gds_session *s, const struct gds_profile *p)
{
	int ret = gnutls_init(&s->tls, init_flags(s));
	if (ret < 0) {
		s->tls = NULL;
		return ret == GNUTLS_E_MEMORY_ERROR ? GDS_E_NOMEM : GDS_E_TLS;
	}
	gnutls_session_set_ptr(s->tls, s);
	int status = set_priority(s, p);
	if (status != GDS_OK) {
		return status;
	}
	ret = set_credentials(s, p);
	if (ret >= 0) {
		ret = set_alpn(s, p);
	}
	if (ret >= 0 && s->role == GDS_CLIENT) {
		ret = gnutls_server_name_set(
			s->tls, GNUTLS_NAME_DNS, GDS_AGENT_NAME, strlen(GDS_AGENT_NAME));
	}
	if (ret < 0) {
		return ret == GNUTLS_E_MEMORY_ERROR ? GDS_E_NOMEM : GDS_E_TLS;
	}
	if (s->role == GDS_SERVER) {
		gnutls_certificate_server_set_request(
			s->tls, !s->optional_client_cert ? GNUTLS_CERT_REQUIRE
				: p->asks_no_cert	 ? GNUTLS_CERT_IGNORE
							 : GNUTLS_CERT_REQUEST);
	}
	gnutls_session_set_verify_function(s->tls, gds_session_verify);
	if (s->datagram) {
		set_datagram(s, p);
	} else {
		gnutls_handshake_set_timeout(s->tls, GNUTLS_INDEFINITE_TIMEOUT);
	}
	gds_session_transport_set(s);
	return GDS_OK;
}

int gds_session_new(struct gds_session **out, const struct gds_profile *profile,
	struct gds_trust *trust, struct gds_carrier *below)
{
	struct gds_session *s = gds_alloc(below->env, sizeof(*s));
	if (!s) {
		return GDS_E_NOMEM;
	}
	s->carrier = (struct gds_carrier){.ops = &gds_session_ops,
		.below = below,
		.env = below->env,
		.datagram = profile->transport == GDS_UDP};
	s->trust = gds_trust_ref(trust);
	s->role = profile->role;
	s->datagram = s->carrier.datagram;
	s->optional_client_cert = profile->optional_client_cert && !s->datagram; /* TLS-12 */
	s->forgive = profile->forgive;
	s->blame = profile->blame;
	s->without_ems = profile->without_ems;
	s->deadline = profile->deadline;
	s->retransmit = profile->retransmit ? profile->retransmit : RETRANSMIT;
	s->timer = GDS_NEVER;
	s->facts.started = gds_session_now(s);
	int status = configure(s, profile);
	if (status != GDS_OK) {
		gds_session_free(s);
		return status;
	}
	*out = s;
	return GDS_OK;
}

void gds_session_free(struct gds_session *s)
{
	const struct gds_env *env = s->carrier.env;
	if (s->tls) {
		gnutls_deinit(s->tls);
	}
	if (s->bare) {
		gnutls_certificate_free_credentials(s->bare);
	}
	gds_trust_unref(s->trust);
	gds_free(env, s->queue.bytes);
	gds_free(env, s->held);
	gds_free(env, s->repeat.bytes);
	gds_free(env, s);
}

const struct gds_facts *gds_session_facts(const struct gds_session *s)
{
	return &s->facts;
}

struct gds_carrier *gds_session_carrier(struct gds_session *s)
{
	return &s->carrier;
}

static void copy_text(char *out, size_t size, const char *text)
{
	size_t n = text ? strlen(text) : 0;
	n = n < size ? n : size - 1;
	memcpy(out, text ? text : "", n);
	out[n] = '\0';
}

/* Who asked for a certificate and who sent one: also when the handshake failed (cause
 * client-cert-missing). */
static void note_certificates(struct gds_session *s)
{
	const gnutls_datum_t *ours = gnutls_certificate_get_ours(s->tls);
	s->facts.certificate_sent = ours && ours->size > 0;
	if (s->role == GDS_CLIENT) {
		s->facts.certificate_requested =
			gnutls_certificate_client_get_request_status(s->tls) == 1;
		s->facts.certificate_sent =
			s->facts.certificate_sent && s->facts.certificate_requested;
	}
}

static void note_parameters(struct gds_session *s)
{
	struct gds_facts *f = &s->facts;
	copy_text(f->version, sizeof(f->version),
		gnutls_protocol_get_name(gnutls_protocol_get_version(s->tls)));
	copy_text(f->cipher, sizeof(f->cipher), gnutls_ciphersuite_get(s->tls));
	copy_text(f->group, sizeof(f->group), gnutls_group_get_name(gnutls_group_get(s->tls)));
	gnutls_datum_t alpn = {0};
	if (gnutls_alpn_get_selected_protocol(s->tls, &alpn) == 0 && alpn.size < sizeof(f->alpn)) {
		memcpy(f->alpn, alpn.data, alpn.size);
		f->alpn[alpn.size] = '\0';
	}
	f->ems = gnutls_session_ext_master_secret_status(s->tls) != 0;
	f->resumed = gnutls_session_is_resumed(s->tls) != 0;
}

void gds_session_note(struct gds_session *s)
{
	note_certificates(s);
	note_parameters(s);
}

static int finish(struct gds_session *s)
{
	gds_session_note(s);
	s->facts.finished = gds_session_now(s);
	if (s->datagram && !s->facts.ems && !s->without_ems) {
		/* GnuTLS cannot be told to require it; pion does (UDP-01). */
		struct gds_error why = {.code = GDS_E_EMS,
			.stage = GDS_STAGE_HANDSHAKE,
			.origin = GDS_PEER,
			.statement = "UDP-01"};
		return gds_session_fail(s, &why, GNUTLS_A_INSUFFICIENT_SECURITY);
	}
	s->facts.established = true;
	s->timer = GDS_NEVER;
	if (s->role == GDS_CLIENT) {
		gds_session_repeat_forget(s); /* a server's last flight may still be lost */
	}
	if (s->datagram) {
		gnutls_dtls_set_mtu(s->tls, SESSION_MTU);
		if (s->held_length == 0) {
			gds_free(s->carrier.env, s->held);
			s->held = NULL;
		}
	}
	int status = gds_session_settle(s);
	return status == GDS_OK || status == GDS_AGAIN ? GDS_OK
						       : gds_session_break(s, GNUTLS_E_PUSH_ERROR);
}

/* When GnuTLS wants to be called again. Zero means "now" or "never": after a call it is the
 * latter, for a flight whose answer has begun to come is not sent again, and asking at once for
 * ever would be a busy loop. */
static void arm_timer(struct gds_session *s)
{
	if (!s->datagram || s->facts.bytes_out == 0) {
		return;
	}
	unsigned ms = gnutls_dtls_get_timeout(s->tls);
	s->timer = gds_session_now(s) + (ms ? (gds_time)ms * GDS_MILLISECOND : s->retransmit);
}

/** \return GDS_OK to go on, GDS_AGAIN to wait, or the final status. */
static int handshake_turn(struct gds_session *s, bool *done)
{
	s->blocked = false;
	errno = 0;
	s->keep = s->datagram;
	gds_session_repeat_begin(s);
	int ret = gnutls_handshake(s->tls);
	s->keep = false;
	*done = ret == 0;
	if (s->datagram) {
		/* A server that heard nothing yet had no hook called. */
		lift_total(s->tls, 0, 0, 0, NULL);
	}
	if (s->below.code || (ret < 0 && gnutls_error_is_fatal(ret))) {
		note_certificates(s);
		return gds_session_refuse(s, ret);
	}
	if (ret == 0) {
		return GDS_OK;
	}
	if (s->blocked) {
		s->more = false;
		return s->eof ? gds_session_refuse(s, ret) : GDS_AGAIN;
	}
	return GDS_OK;
}

int gds_session_handshake(struct gds_session *s)
{
	if (s->dead) {
		return s->carrier.why.code;
	}
	if (s->facts.established) {
		return GDS_OK;
	}
	if (gds_session_now(s) >= s->deadline) {
		note_certificates(s);
		return gds_session_expire(s);
	}
	for (int i = 0; i < GDS_TURNS_MAX; i++) {
		bool done = false;
		int status = handshake_turn(s, &done);
		if (done && status == GDS_OK) {
			return finish(s);
		}
		if (status == GDS_AGAIN) {
			gds_session_repeat(s);
			status = gds_session_settle(s);
			arm_timer(s);
			return status == GDS_OK || status == GDS_AGAIN
				       ? GDS_AGAIN
				       : gds_session_refuse(s, GNUTLS_E_PUSH_ERROR);
		}
		if (status != GDS_OK) {
			return status;
		}
	}
	s->more = true;
	(void)gds_session_settle(s);
	return GDS_AGAIN;
}
