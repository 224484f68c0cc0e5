/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tls/verdict.h"

#include <errno.h>
#include <gdstream/catalogue.h>
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <string.h>

/* One line a way to fail. heard: bytes that came; first: what they were. */
struct verdict_case {
	const char *cause;
	enum gds_transport transport;
	enum gds_stage stage;
	int code;
	int alert; /* -1 none */
	unsigned verify, own_flaws;
	bool established, requested, sent, hello_verify;
	const char *first;
	unsigned alert_version;
	int lib;
	int other_alert; /* what TCP was told; 0 none */
	bool other_rsa, no_own, cannot_sign;
	const char *evidence; /* a part of it */
};

#define TCP_ .transport = GDS_TCP
#define UDP_ .transport = GDS_UDP
#define AT(s) .stage = GDS_STAGE_##s
#define CODE(c) .code = GDS_E_##c, .alert = -1
#define ALERT(n) .code = GDS_E_ALERT, .alert = (n), .stage = GDS_STAGE_HANDSHAKE

static const struct verdict_case cases[] = {
	{"healthy", .code = GDS_OK, .alert = -1},
	{"resolve-failed", TCP_, AT(RESOLVE), CODE(RESOLVE), .lib = EAI_NONAME},
	{"resolve-timeout", TCP_, AT(RESOLVE), CODE(TIMEOUT)},
	{"tcp-refused", TCP_, AT(CONNECT), CODE(REFUSED)},
	{"tcp-filtered", TCP_, AT(CONNECT), CODE(TIMEOUT)},
	{"tcp-unreachable", TCP_, AT(CONNECT), CODE(UNREACHABLE)},
	{"tcp-reset", TCP_, AT(CONNECT), CODE(RESET)},
	{"tcp-reset", TCP_, AT(HANDSHAKE), CODE(RESET)},
	{"local-firewall", TCP_, AT(CONNECT), CODE(PERMISSION)},
	{"local-firewall", UDP_, AT(HANDSHAKE), CODE(PERMISSION)},
	{"udp-filtered", UDP_, AT(HANDSHAKE), CODE(TIMEOUT),
		.evidence = "3 flights sent, no answer"},
	{"udp-silent-mid", UDP_, AT(HANDSHAKE), CODE(TIMEOUT), .hello_verify = true,
		.first = "\x16\xfe\xff\0\0\0\0\0\0\0\0\0\1\3", .evidence = "HelloVerifyRequest"},
	{"udp-silent-mid", UDP_, AT(VERIFY), CODE(TIMEOUT),
		.first = "\x16\xfe\xfd\0\0\0\0\0\0\0\0\x40\0\2"},
	{"udp-not-dtls", UDP_, AT(HANDSHAKE), CODE(TIMEOUT), .first = "\0\0DNS something"},
	{"udp-closed", UDP_, AT(HANDSHAKE), CODE(REFUSED), .evidence = "ICMP port unreachable"},
	{"udp-unreachable", UDP_, AT(HANDSHAKE), CODE(UNREACHABLE)},
	{"not-tls-http", TCP_, AT(HANDSHAKE), CODE(NOT_TLS),
		.first = "HTTP/1.1 400 Bad Request\r\n", .evidence = "HTTP/1.1 400 Bad Request"},
	{"not-tls-ssh", TCP_, AT(HANDSHAKE), CODE(NOT_TLS), .first = "SSH-2.0-OpenSSH_9.2\r\n"},
	{"not-tls-smtp", TCP_, AT(HANDSHAKE), CODE(NOT_TLS),
		.first = "220 mx.example.org ESMTP\r\n"},
	{"not-tls-other", TCP_, AT(HANDSHAKE), CODE(NOT_TLS), .first = "\1\2\3",
		.evidence = "0x01"},
	{"closed-by-peer", TCP_, AT(HANDSHAKE), CODE(TRUNCATED),
		.evidence = "before the first byte"},
	{"handshake-failed", TCP_, AT(HANDSHAKE), CODE(TRUNCATED), .first = "\x16\3\3"},
	{"peer-silent", TCP_, AT(HANDSHAKE), CODE(TIMEOUT)},
	{"handshake-timeout", TCP_, AT(HANDSHAKE), CODE(TIMEOUT), .first = "\x16\3\3"},
	{"foreign-server", TCP_, AT(VERIFY), CODE(VERIFY),
		.verify = GDS_VERIFY_SIGNER | GDS_VERIFY_NAME | GDS_VERIFY_EXPIRED,
		.evidence = "not signed by our CA, expired, not for godoxy.agent"},
	{"server-cert-other-ca", TCP_, AT(VERIFY), CODE(VERIFY), .verify = GDS_VERIFY_SIGNER},
	{"server-cert-other-ca", UDP_, AT(VERIFY), CODE(VERIFY), .verify = GDS_VERIFY_SIGNER},
	{"server-cert-expired", TCP_, AT(VERIFY), CODE(VERIFY), .verify = GDS_VERIFY_EXPIRED},
	{"server-cert-not-yet-valid", TCP_, AT(VERIFY), CODE(VERIFY), .verify = GDS_VERIFY_NOT_YET},
	{"server-cert-purpose", TCP_, AT(VERIFY), CODE(VERIFY), .verify = GDS_VERIFY_PURPOSE},
	{"server-cert-name", TCP_, AT(VERIFY), CODE(VERIFY), .verify = GDS_VERIFY_NAME},
	{"server-cert-no-san", TCP_, AT(VERIFY), CODE(VERIFY), .verify = GDS_VERIFY_NO_SAN},
	{"server-cert-signature", TCP_, AT(VERIFY), CODE(VERIFY), .verify = GDS_VERIFY_SIGNATURE},
	{"server-cert-revoked", TCP_, AT(VERIFY), CODE(VERIFY), .verify = GDS_VERIFY_REVOKED},
	{"server-cert-other", TCP_, AT(VERIFY), CODE(VERIFY), .verify = GDS_VERIFY_OTHER},
	{"client-cert-missing", TCP_, ALERT(116), .requested = true, .established = true,
		.evidence = "alert 116 certificate_required, a client certificate was asked for"},
	{"client-cert-missing", TCP_, ALERT(40), .requested = true, .no_own = true},
	{"client-cert-missing", UDP_, ALERT(41), .requested = true, .no_own = true},
	{"tls-suite", TCP_, ALERT(40), .requested = false},
	{"tls-suite", TCP_, ALERT(40), .requested = true, .sent = true},
	{"tls-suite", TCP_, ALERT(71)},
	{"tls-suite", TCP_, ALERT(40), .first = "\x15\3\3"},
	{"tls-version", TCP_, ALERT(40), .first = "\x15\3\2"},
	{"tls-version", UDP_, ALERT(40), .alert_version = 0xfeff},
	{"dtls-suite", UDP_, ALERT(71), .alert_version = 0xfefd},
	{"dtls-suite", UDP_, ALERT(71)},
	{"dtls-suite", UDP_, ALERT(40)},
	{"server-cert-rsa-udp", UDP_, ALERT(71), .other_rsa = true},
	{"server-cert-rsa-udp", UDP_, ALERT(40), .other_rsa = true},
	{"tls-version", TCP_, ALERT(70)},
	{"tls-version", UDP_, ALERT(70)},
	{"tls-version", TCP_, AT(HANDSHAKE), CODE(TLS), .lib = GNUTLS_E_UNSUPPORTED_VERSION_PACKET,
		.first = "\x16\3\1"},
	{"alpn-refused", TCP_, ALERT(120)},
	{"client-cert-other-ca", TCP_, ALERT(48), .sent = true},
	{"client-cert-expired", TCP_, ALERT(45), .own_flaws = GDS_VERIFY_EXPIRED, .sent = true},
	{"client-cert-not-yet-valid", TCP_, ALERT(45), .own_flaws = GDS_VERIFY_NOT_YET,
		.sent = true},
	{"clocks-apart", TCP_, ALERT(45), .sent = true},
	{"client-cert-purpose", TCP_, ALERT(42), .own_flaws = GDS_VERIFY_PURPOSE, .sent = true},
	{"client-cert-other-ca", TCP_, ALERT(42), .own_flaws = GDS_VERIFY_SIGNER, .sent = true},
	{"client-cert-rejected", TCP_, ALERT(42), .sent = true,
		.evidence = "alert 42 bad_certificate, a client certificate was sent"},
	{"client-cert-rejected", TCP_, ALERT(43), .sent = true},
	{"client-cert-rejected", TCP_, ALERT(46), .sent = true},
	{"client-cert-revoked", TCP_, ALERT(44), .sent = true},
	{"client-cert-expired", UDP_, ALERT(42), .own_flaws = GDS_VERIFY_EXPIRED, .sent = true},
	{"client-cert-not-yet-valid", UDP_, ALERT(42), .own_flaws = GDS_VERIFY_NOT_YET,
		.sent = true},
	{"client-cert-purpose", UDP_, ALERT(42), .own_flaws = GDS_VERIFY_PURPOSE, .sent = true},
	{"client-cert-other-ca", UDP_, ALERT(42), .own_flaws = GDS_VERIFY_SIGNER, .sent = true},
	{"client-cert-other-ca", UDP_, ALERT(42), .other_alert = 48, .sent = true},
	{"clocks-apart", UDP_, ALERT(42), .other_alert = 45, .sent = true},
	{"client-cert-rejected", UDP_, ALERT(42), .sent = true},
	{"client-cert-rejected", UDP_, ALERT(41), .sent = true},
	/* Both dates wrong: the same answer over TCP as over UDP. */
	{"client-cert-expired", TCP_, ALERT(45), .sent = true,
		.own_flaws = GDS_VERIFY_EXPIRED | GDS_VERIFY_NOT_YET},
	{"client-cert-expired", UDP_, ALERT(42), .sent = true,
		.own_flaws = GDS_VERIFY_EXPIRED | GDS_VERIFY_NOT_YET},
	/* Go's word for a certificate it cannot parse */
	{"client-cert-rejected", TCP_, ALERT(50), .own_flaws = GDS_VERIFY_OTHER, .sent = true},
	{"alert-other", TCP_, ALERT(50), .sent = true},
	{"alert-other", TCP_, ALERT(80)},
	{"alert-other", TCP_, ALERT(50)},
	{"alpn-missing", TCP_, AT(ALPN), CODE(ALPN), .established = true, .evidence = "none"},
	{"dtls-no-ems", UDP_, AT(HANDSHAKE), CODE(EMS)},
	{"handshake-failed", TCP_, AT(HANDSHAKE), CODE(TLS), .lib = GNUTLS_E_DECRYPTION_FAILED,
		.first = "\x16\3\3", .evidence = "GnuTLS: "},
	{"server-cert-other", TCP_, AT(HANDSHAKE), CODE(TLS), .lib = GNUTLS_E_PK_SIG_VERIFY_FAILED,
		.first = "\x16\3\3", .evidence = "GnuTLS: "},
	{"server-cert-other", UDP_, AT(HANDSHAKE), CODE(TLS), .lib = GNUTLS_E_PK_SIG_VERIFY_FAILED,
		.first = "\x16\xfe\xfd"},
	{"server-cert-other", TCP_, AT(HANDSHAKE), CODE(TLS), .lib = GNUTLS_E_KEY_USAGE_VIOLATION,
		.first = "\x16\3\3"},
	{"client-cert-rejected", TCP_, AT(HANDSHAKE), CODE(TLS),
		.lib = GNUTLS_E_KEY_USAGE_VIOLATION, .first = "\x16\3\3", .cannot_sign = true},
	{"client-cert-rejected", TCP_, AT(HANDSHAKE), CODE(TLS),
		.lib = GNUTLS_E_INSUFFICIENT_CREDENTIALS, .first = "\x16\3\3", .cannot_sign = true},
	{"handshake-failed", TCP_, AT(HANDSHAKE), CODE(TLS),
		.lib = GNUTLS_E_INSUFFICIENT_CREDENTIALS, .first = "\x16\3\3"},
	{"no-close-notify", TCP_, AT(CLOSE), CODE(TRUNCATED), .established = true,
		.first = "\x16\3\3"},
	{"closed-by-reset", TCP_, AT(CLOSE), CODE(RESET), .established = true, .first = "\x16\3\3"},
	{"close-late", TCP_, AT(CLOSE), CODE(TIMEOUT), .established = true, .first = "\x16\3\3"},
	{"close-late", UDP_, AT(CLOSE), CODE(TIMEOUT), .established = true,
		.first = "\x16\xfe\xfd"},
	{"unexpected-bytes", TCP_, AT(CLOSE), CODE(FORMAT), .established = true},
	{"tunnel-refused", TCP_, AT(TUNNEL), .code = GDS_EOF, .alert = -1, .established = true},
	{"tunnel-silent", TCP_, AT(PAYLOAD), CODE(TIMEOUT), .established = true},
	{"udp-tunnel-silent", UDP_, AT(PAYLOAD), CODE(TIMEOUT), .established = true},
	{"tunnel-corrupt", TCP_, AT(PAYLOAD), CODE(FORMAT), .established = true},
	{"out-of-memory", TCP_, AT(HANDSHAKE), CODE(NOMEM)},
	{"descriptors", TCP_, AT(CONNECT), CODE(DESCRIPTORS)},
	{"io-error", TCP_, AT(CONNECT), CODE(IO)},
	{"cancelled", TCP_, AT(CONNECT), CODE(CANCELLED)},
};

static void fill(const struct verdict_case *c, struct gds_report *report)
{
	*report = (struct gds_report){.finished = true, .duration = 3 * GDS_SECOND};
	report->peer.family = 4;
	report->why = (struct gds_error){
		.code = c->code, .stage = c->stage, .lib = c->lib, .verify = c->verify};
	report->why.alert = c->alert + 1;
	struct gds_facts *f = &report->facts;
	f->established = c->established;
	f->certificate_requested = c->requested;
	f->certificate_sent = c->sent;
	f->hello_verify = c->hello_verify;
	f->alert_version = c->alert_version;
	f->retransmissions = c->transport == GDS_UDP ? 2 : 0;
	f->bytes_out = 200;
	f->verify = c->verify;
	f->alert_in = c->alert + 1;
	if (c->code == GDS_E_REFUSED && c->transport == GDS_UDP) {
		report->why.icmp_type = 3;
		report->why.icmp_code = 3;
	}
	if (c->first) {
		/* At least a DTLS header's worth, with the NULs inside. */
		size_t n = strlen(c->first) > 14 ? strlen(c->first) : 14;
		memcpy(f->first, c->first, strlen(c->first) > 14 ? n : strlen(c->first) + 1);
		f->first_length = c->transport == GDS_UDP ? n : strlen(c->first);
		f->bytes_in = n;
	}
}

static void test_causes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct verdict_case *c = &cases[i];
		const struct gds_certificate own = {
			.present = true, .digital_signature = !c->cannot_sign};
		struct gds_report report, other = {.finished = true};
		char text[200];
		fill(c, &report);
		other.facts.peer.present = c->other_rsa;
		other.facts.peer.rsa = c->other_rsa;
		if (c->other_alert) {
			other.why.code = GDS_E_ALERT;
			other.why.alert = c->other_alert + 1;
			other.facts.certificate_sent = true;
		}
		struct gds_verdict_input in = {.report = &report,
			.transport = c->transport,
			.own = c->no_own ? NULL : &own,
			.own_flaws = c->own_flaws,
			.other = c->transport == GDS_UDP ? &other : NULL};
		const char *cause = gds_verdict_cause(&in);
		if (strcmp(cause, c->cause) != 0) {
			fail_msg("case %zu: %s, expected %s", i, cause, c->cause);
		}
		assert_string_equal(gds_cause_find(cause)->id, cause);
		gds_verdict_evidence(&in, text, sizeof(text));
		assert_true(c->code == GDS_OK || text[0]);
		if (c->evidence && !strstr(text, c->evidence)) {
			fail_msg("case %zu: evidence \"%s\" lacks \"%s\"", i, text, c->evidence);
		}
		/* Never beyond its room. */
		char small[9] = "xxxxxxxx";
		gds_verdict_evidence(&in, small, 8);
		assert_true(strlen(small) < 8);
	}
}

/* What a peer said outranks what came after it. */
static void test_alert_outranks(void **state)
{
	(void)state;
	static const int later[] = {GDS_E_RESET, GDS_E_TRUNCATED, GDS_E_TIMEOUT, GDS_E_TLS};
	static const struct gds_certificate own = {.present = true};
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		struct gds_report report = {.finished = true,
			.why = {.code = later[i], .stage = GDS_STAGE_CLOSE},
			.facts = {
				.established = true, .alert_in = 48 + 1, .certificate_sent = true}};
		struct gds_verdict_input in = {
			.report = &report, .transport = GDS_TCP, .own = &own};
		char text[100];
		assert_string_equal(gds_verdict_cause(&in), "client-cert-other-ca");
		assert_non_null(strstr(gds_verdict_evidence(&in, text, sizeof(text)), "alert 48"));
	}
}

/* A name for every code that a report may end with: nobody is told "unknown". */
static void test_every_code(void **state)
{
	(void)state;
	static const int codes[] = {GDS_E_TIMEOUT, GDS_E_CANCELLED, GDS_E_NOMEM, GDS_E_RESOLVE,
		GDS_E_REFUSED, GDS_E_RESET, GDS_E_UNREACHABLE, GDS_E_PERMISSION, GDS_E_IN_USE,
		GDS_E_DESCRIPTORS, GDS_E_IO, GDS_E_TLS, GDS_E_ALERT, GDS_E_VERIFY,
		GDS_E_NO_CERTIFICATE, GDS_E_ALPN, GDS_E_TRUNCATED, GDS_E_EMS, GDS_E_NOT_TLS,
		GDS_E_FORMAT, GDS_EOF};
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		for (int stage = 0; stage < GDS_STAGES; stage++) {
			struct gds_report report = {.finished = true,
				.why = {.code = codes[i], .stage = (enum gds_stage)stage}};
			struct gds_verdict_input in = {.report = &report, .transport = GDS_TCP};
			for (int udp = 0; udp < 2; udp++) {
				in.transport = udp ? GDS_UDP : GDS_TCP;
				const char *cause = gds_verdict_cause(&in);
				assert_string_not_equal(cause, "unknown");
				assert_string_equal(gds_cause_find(cause)->id, cause);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_causes),
		cmocka_unit_test(test_alert_outranks),
		cmocka_unit_test(test_every_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
