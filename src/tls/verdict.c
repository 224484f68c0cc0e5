/* SPDX-License-Identifier: MIT */
/* From a report to the id of a cause. What a peer said outranks what happened after it; silence
 * is read by where it began and by whether a single byte ever came. */
#include "tls/verdict.h"

#include "core/record.h"

#include <gnutls/gnutls.h>

/* Versions of records. */
enum { TLS_10 = 0x0301, TLS_11 = 0x0302, DTLS_10 = 0xfeff };

enum {
	ALERT_HANDSHAKE_FAILURE = 40,
	ALERT_NO_CERTIFICATE = 41,
	ALERT_BAD_CERTIFICATE = 42,
	ALERT_UNSUPPORTED_CERTIFICATE = 43,
	ALERT_REVOKED = 44,
	ALERT_EXPIRED = 45,
	ALERT_CERTIFICATE_UNKNOWN = 46,
	ALERT_UNKNOWN_CA = 48,
	ALERT_PROTOCOL_VERSION = 70,
	ALERT_INSUFFICIENT_SECURITY = 71,
	ALERT_CERTIFICATE_REQUIRED = 116,
	ALERT_NO_APPLICATION_PROTOCOL = 120,
};

static const struct gds_error *why_of(const struct gds_verdict_input *in)
{
	return &in->report->why;
}

static int alert_of(const struct gds_verdict_input *in)
{
	int alert = why_of(in)->code == GDS_E_ALERT ? why_of(in)->alert : 0;
	return (alert ? alert : in->report->facts.alert_in) - 1;
}

static bool has_certificate(const struct gds_verdict_input *in)
{
	return in->own && in->own->present;
}

/* By what we know of our own certificate; NULL: nothing is wrong with it that we can see. */
static const char *own_flaw(unsigned flaws)
{
	if (flaws & GDS_VERIFY_PURPOSE) {
		return "client-cert-purpose";
	}
	if (flaws & GDS_VERIFY_EXPIRED) {
		return "client-cert-expired";
	}
	if (flaws & GDS_VERIFY_NOT_YET) {
		return "client-cert-not-yet-valid";
	}
	return flaws & GDS_VERIFY_SIGNER ? "client-cert-other-ca" : NULL;
}

static const char *expired(const struct gds_verdict_input *in)
{
	unsigned flaws = in->own_flaws;
	if ((flaws & GDS_VERIFY_EXPIRED) || !has_certificate(in)) {
		return "client-cert-expired";
	}
	if (flaws & GDS_VERIFY_NOT_YET) {
		return "client-cert-not-yet-valid";
	}
	return "clocks-apart"; /* by our clock it is in date */
}

/* UDP knows one alert for all that is wrong with a certificate (docs/godoxy-facts.md section 5);
 * TCP says more. */
static const char *rejected(const struct gds_verdict_input *in)
{
	const char *flaw = own_flaw(in->own_flaws);
	if (flaw || in->transport == GDS_TCP || !in->other) {
		return flaw ? flaw : "client-cert-rejected";
	}
	struct gds_verdict_input tcp = {.report = in->other,
		.transport = GDS_TCP,
		.own = in->own,
		.own_flaws = in->own_flaws};
	switch (alert_of(&tcp)) {
	case ALERT_UNKNOWN_CA:
		return "client-cert-other-ca";
	case ALERT_EXPIRED:
		return expired(in);
	case ALERT_REVOKED:
		return "client-cert-revoked";
	case ALERT_CERTIFICATE_REQUIRED:
		return "client-cert-missing";
	default:
		return "client-cert-rejected";
	}
}

/* A server that agreed on a version before it found no suite says so by the version of the record
 * that its alert is in: an old one, as the suites of today do not exist for it. */
static bool is_of_old_version(const struct gds_verdict_input *in)
{
	const struct gds_facts *facts = &in->report->facts;
	unsigned version = facts->alert_version;
	if (in->transport == GDS_TCP && facts->first_length >= 3 &&
		facts->first[0] == GDS_CONTENT_ALERT) {
		version = (unsigned)facts->first[1] << 8 | facts->first[2];
	}
	return version == TLS_10 || version == TLS_11 || version == DTLS_10;
}

static const char *no_suite(const struct gds_verdict_input *in)
{
	bool udp = in->transport == GDS_UDP;
	if (udp && in->other && in->other->facts.peer.present && in->other->facts.peer.rsa) {
		return "server-cert-rsa-udp";
	}
	if (is_of_old_version(in)) {
		return "tls-version";
	}
	return udp ? "dtls-suite" : "tls-suite";
}

static const char *by_alert(const struct gds_verdict_input *in, int alert)
{
	const struct gds_facts *facts = &in->report->facts;
	switch (alert) {
	case ALERT_CERTIFICATE_REQUIRED:
		return "client-cert-missing";
	case ALERT_NO_CERTIFICATE:
		return facts->certificate_sent ? rejected(in) : "client-cert-missing";
	case ALERT_HANDSHAKE_FAILURE:
		return facts->certificate_requested && !facts->certificate_sent
			       ? "client-cert-missing"
			       : no_suite(in);
	case ALERT_INSUFFICIENT_SECURITY:
		return no_suite(in);
	case ALERT_BAD_CERTIFICATE:
	case ALERT_UNSUPPORTED_CERTIFICATE:
	case ALERT_CERTIFICATE_UNKNOWN:
		return rejected(in);
	case ALERT_REVOKED:
		return "client-cert-revoked";
	case ALERT_EXPIRED:
		return expired(in);
	case ALERT_UNKNOWN_CA:
		return "client-cert-other-ca";
	case ALERT_PROTOCOL_VERSION:
		return "tls-version";
	case ALERT_NO_APPLICATION_PROTOCOL:
		return "alpn-refused";
	default:
		/* Go answers a certificate that it cannot parse with "decode error". */
		return facts->certificate_sent && in->own_flaws ? rejected(in) : "alert-other";
	}
}

static const char *by_server_certificate(unsigned flags)
{
	/* From what says most about who is there to what says least. */
	static const struct {
		unsigned flag;
		const char *cause;
	} order[] = {
		{GDS_VERIFY_SIGNER, "server-cert-other-ca"},
		{GDS_VERIFY_REVOKED, "server-cert-revoked"},
		{GDS_VERIFY_NAME, "server-cert-name"},
		{GDS_VERIFY_NO_SAN, "server-cert-no-san"},
		{GDS_VERIFY_PURPOSE, "server-cert-purpose"},
		{GDS_VERIFY_EXPIRED, "server-cert-expired"},
		{GDS_VERIFY_NOT_YET, "server-cert-not-yet-valid"},
		{GDS_VERIFY_SIGNATURE, "server-cert-signature"},
	};
	if ((flags & GDS_VERIFY_SIGNER) && (flags & GDS_VERIFY_NAME)) {
		return "foreign-server"; /* neither our CA nor an agent's name */
	}
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (flags & order[i].flag) {
			return order[i].cause;
		}
	}
	return "server-cert-other";
}

static enum gds_speaker speaker_of(const struct gds_facts *facts)
{
	return gds_record_speaker(facts->first, facts->first_length);
}

static const char *by_speaker(const struct gds_verdict_input *in)
{
	if (in->transport == GDS_UDP) {
		return "udp-not-dtls";
	}
	switch (speaker_of(&in->report->facts)) {
	case GDS_SPEAKS_HTTP:
		return "not-tls-http";
	case GDS_SPEAKS_SSH:
		return "not-tls-ssh";
	case GDS_SPEAKS_SMTP:
		return "not-tls-smtp";
	default:
		return "not-tls-other";
	}
}

static bool is_handshake(enum gds_stage stage)
{
	return stage == GDS_STAGE_HANDSHAKE || stage == GDS_STAGE_VERIFY || stage == GDS_STAGE_ALPN;
}

static bool heard_nothing(const struct gds_verdict_input *in)
{
	return in->report->facts.bytes_in == 0;
}

static bool not_dtls(const struct gds_verdict_input *in)
{
	const struct gds_facts *facts = &in->report->facts;
	struct gds_record record;
	return in->transport == GDS_UDP && !facts->established && facts->first_length >= 3 &&
	       /* The first datagram may be longer than what was kept of it: only its head is
		* judged. */
	       gds_record_parse_dtls(&record, facts->first, facts->first_length) < 0 &&
	       (facts->first[0] < GDS_CONTENT_CCS || facts->first[0] > GDS_CONTENT_DATA ||
		       facts->first[1] != 0xfe);
}

static const char *silence(const struct gds_verdict_input *in)
{
	bool udp = in->transport == GDS_UDP;
	enum gds_stage stage = why_of(in)->stage;
	if (is_handshake(stage)) {
		if (heard_nothing(in)) {
			return udp ? "udp-filtered" : "peer-silent";
		}
		if (not_dtls(in)) {
			return "udp-not-dtls";
		}
		return udp ? "udp-silent-mid" : "handshake-timeout";
	}
	switch (stage) {
	case GDS_STAGE_RESOLVE:
		return "resolve-timeout";
	case GDS_STAGE_CONNECT:
		return udp ? "udp-filtered" : "tcp-filtered";
	case GDS_STAGE_TUNNEL:
	case GDS_STAGE_PAYLOAD:
		return udp ? "udp-tunnel-silent" : "tunnel-silent";
	default:
		return "close-late";
	}
}

static const char *reset(const struct gds_verdict_input *in)
{
	return in->report->facts.established ? "closed-by-reset" : "tcp-reset";
}

static const char *cut(const struct gds_verdict_input *in)
{
	if (in->report->facts.established) {
		return "no-close-notify";
	}
	return heard_nothing(in) ? "closed-by-peer" : "handshake-failed";
}

/* GnuTLS does not sign with a key whose certificate rules that out (RFC 8446 section 4.4.2.2), nor
 * believes a peer that does; Go does not look. */
static const char *by_key_usage(const struct gds_verdict_input *in)
{
	if (has_certificate(in) && !in->own->digital_signature) {
		return "client-cert-rejected";
	}
	return why_of(in)->lib == GNUTLS_E_KEY_USAGE_VIOLATION ? "server-cert-other"
							       : "handshake-failed";
}

static const char *by_library(const struct gds_verdict_input *in)
{
	if (not_dtls(in)) {
		return "udp-not-dtls";
	}
	switch (why_of(in)->lib) {
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
		return "tls-version";
	case GNUTLS_E_UNKNOWN_CIPHER_SUITE:
	case GNUTLS_E_NO_CIPHER_SUITES:
	case GNUTLS_E_NO_COMMON_KEY_SHARE:
		return no_suite(in);
	case GNUTLS_E_PK_SIG_VERIFY_FAILED: /* its key is not that of its certificate */
		return "server-cert-other";
	case GNUTLS_E_KEY_USAGE_VIOLATION:
	case GNUTLS_E_INSUFFICIENT_CREDENTIALS:
		return by_key_usage(in);
	default:
		return in->report->facts.established ? "alert-other" : "handshake-failed";
	}
}

/* What the system said about the way there. */
static const char *by_network(const struct gds_verdict_input *in)
{
	bool udp = in->transport == GDS_UDP;
	switch (why_of(in)->code) {
	case GDS_E_RESOLVE:
		return "resolve-failed";
	case GDS_E_REFUSED:
		return udp ? "udp-closed" : "tcp-refused";
	case GDS_E_RESET:
		return reset(in);
	case GDS_E_UNREACHABLE:
		return udp ? "udp-unreachable" : "tcp-unreachable";
	case GDS_E_PERMISSION:
		return "local-firewall";
	case GDS_E_DESCRIPTORS:
		return "descriptors";
	default:
		return "io-error";
	}
}

static bool is_tunnel(enum gds_stage stage)
{
	return stage == GDS_STAGE_TUNNEL || stage == GDS_STAGE_PAYLOAD;
}

static const char *by_code(const struct gds_verdict_input *in)
{
	const struct gds_error *why = why_of(in);
	if (why->code <= -100 && why->code > -200) {
		return by_network(in);
	}
	if (why->code <= GDS_E_CHECKSUM && why->code >= GDS_E_HEADER_RECORD) {
		return "header-refused";
	}
	switch (why->code) {
	case GDS_E_TIMEOUT:
		return silence(in);
	case GDS_E_VERIFY:
		return by_server_certificate(why->verify ? why->verify : in->report->facts.verify);
	case GDS_E_NOT_TLS:
		return by_speaker(in);
	case GDS_E_TRUNCATED:
		return cut(in);
	case GDS_E_ALPN:
		return "alpn-missing";
	case GDS_E_EMS:
		return "dtls-no-ems";
	case GDS_E_TLS:
		return by_library(in);
	case GDS_E_NO_CERTIFICATE:
		return "handshake-failed";
	case GDS_E_ALERT: /* one whose number was lost */
		return "alert-other";
	case GDS_E_NOMEM:
		return "out-of-memory";
	case GDS_E_CANCELLED:
		return "cancelled";
	case GDS_EOF:
		return is_tunnel(why->stage) ? "tunnel-refused" : "header-refused";
	case GDS_E_FORMAT:
		return is_tunnel(why->stage) ? "tunnel-corrupt" : "unexpected-bytes";
	default:
		return "unknown";
	}
}

const char *gds_verdict_cause(const struct gds_verdict_input *in)
{
	if (why_of(in)->code == GDS_OK) {
		return in->report->finished ? "healthy" : "unknown";
	}
	int alert = alert_of(in);
	if (alert >= 0 && why_of(in)->code != GDS_E_VERIFY) {
		return by_alert(in, alert);
	}
	return by_code(in);
}
