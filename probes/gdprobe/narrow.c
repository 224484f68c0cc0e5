/* SPDX-License-Identifier: MIT */
/* Each hypothesis predicts what the variants show. Those that what was seen contradicts are ruled
 * out; what is left is the answer, in the order of the table: the most likely first. */
#include "gdprobe/narrow.h"

#include "out/text.h"

#include <string.h>

#define HEARD (SEEN_ANSWERED | SEEN_PASSED)
#define REACHED (SEEN_CLOSED | SEEN_ANSWERED | SEEN_PASSED)
#define FAILED (SEEN_SILENT | SEEN_CLOSED | SEEN_ANSWERED)

enum weight {
	FITS,	 /* holds until contradicted */
	PROVEN,	 /* holds only when something seen supports it; then it is no guess */
	INFERRED /* needs the same support, and others explain it too */
};

#define PREDICTIONS 4

/* cause NULL: only something to rule out. name: what "ruled out" calls it; NULL: not told. */
struct hypothesis {
	const char *symptom, *cause, *name;
	enum weight weight;
	struct {
		enum observation what;
		unsigned allowed;
	} predictions[PREDICTIONS]; /* allowed 0: none from here on */
};

static const struct hypothesis hypotheses[] = {
	{"udp-filtered", "tcp-filtered", "agent down", PROVEN, {{SEE_TCP, SEEN_SILENT}}},
	{"udp-filtered", "tuple-lock-out", NULL, PROVEN, {{SEE_UDP_PORT, HEARD}}},
	{"udp-filtered", "mtu-black-hole", NULL, INFERRED,
		{{SEE_UDP_MTU, HEARD}, {SEE_UDP_PORT, SEEN_SILENT}}},
	{"udp-filtered", "dtls-suite", NULL, PROVEN,
		{{SEE_UDP_SUITE, HEARD}, {SEE_UDP_PORT, SEEN_SILENT}}},
	{"udp-filtered", "dtls-no-ems", NULL, PROVEN,
		{{SEE_UDP_EMS, HEARD}, {SEE_UDP_SUITE, SEEN_SILENT}, {SEE_UDP_PORT, SEEN_SILENT}}},
	{"udp-filtered", "udp-filtered", NULL, FITS,
		{{SEE_UDP_PORT, SEEN_SILENT}, {SEE_UDP_SUITE, SEEN_SILENT},
			{SEE_UDP_EMS, SEEN_SILENT}, {SEE_TCP, REACHED}}},
	{"udp-filtered", NULL, "certificate", INFERRED, {{SEE_TLS, FAILED}}},
	{"udp-filtered", NULL, "ciphers", INFERRED, {{SEE_UDP_SUITE, HEARD}}},
	{"udp-filtered", NULL, "5-tuple lock-out", INFERRED, {{SEE_UDP_PORT, HEARD}}},
	{"udp-filtered", NULL, "MTU", INFERRED, {{SEE_UDP_MTU, HEARD}}},
	{"udp-filtered", NULL, "overload", INFERRED, {{SEE_TLS, FAILED}, {SEE_PACE, SEEN_PASSED}}},

	{"udp-silent-mid", "mtu-black-hole", NULL, PROVEN,
		{{SEE_UDP_MTU, SEEN_PASSED}, {SEE_UDP_PORT, FAILED}}},
	{"udp-silent-mid", "tuple-lock-out", "5-tuple lock-out", INFERRED,
		{{SEE_UDP_PORT, SEEN_PASSED}}},
	{"udp-silent-mid", "overload", NULL, INFERRED, {{SEE_PACE, SEEN_PASSED}}},
	{"udp-silent-mid", "udp-silent-mid", NULL, FITS,
		{{SEE_UDP_MTU, FAILED}, {SEE_UDP_PORT, FAILED}}},
	{"udp-silent-mid", "mtu-black-hole", NULL, FITS,
		{{SEE_UDP_MTU, FAILED}, {SEE_UDP_PORT, FAILED}}},
	{"udp-silent-mid", "udp-silent-mid", NULL, INFERRED, {{SEE_UDP_PORT, SEEN_PASSED}}},
	{"udp-silent-mid", NULL, "agent down", INFERRED, {{SEE_TCP, SEEN_SILENT}}},
	{"udp-silent-mid", NULL, "certificate", INFERRED, {{SEE_TLS, FAILED}}},

	{"udp-closed", "udp-closed", NULL, FITS, {{0}}},
	{"udp-closed", NULL, "agent down", INFERRED, {{SEE_TCP, SEEN_CLOSED | SEEN_SILENT}}},
	{"udp-closed", NULL, "certificate", INFERRED, {{SEE_TLS, FAILED}}},
	{"udp-unreachable", "udp-unreachable", NULL, FITS, {{0}}},
	{"udp-unreachable", NULL, "agent down", INFERRED, {{SEE_TCP, SEEN_SILENT}}},
	{"udp-unreachable", NULL, "certificate", INFERRED, {{SEE_TLS, FAILED}}},

	{"tcp-filtered", "tcp-filtered", NULL, FITS, {{0}}},
	{"tcp-filtered", NULL, "host down", INFERRED, {{SEE_UDP, SEEN_SILENT}}},
	{"tcp-filtered", NULL, "certificate", INFERRED, {{SEE_UDP, FAILED}}},

	{"peer-silent", "not-tls-http", "another service", PROVEN, {{SEE_PLAIN, HEARD}}},
	{"peer-silent", "tls-version", NULL, INFERRED,
		{{SEE_TLS12, HEARD}, {SEE_PLAIN, SEEN_SILENT | SEEN_CLOSED}}},
	{"peer-silent", "alpn-missing", NULL, INFERRED,
		{{SEE_ALPN, HEARD}, {SEE_TLS12, SEEN_SILENT | SEEN_CLOSED}}},
	{"peer-silent", "peer-silent", NULL, FITS,
		{{SEE_PLAIN, SEEN_SILENT | SEEN_CLOSED}, {SEE_TLS12, SEEN_SILENT | SEEN_CLOSED},
			{SEE_ALPN, SEEN_SILENT | SEEN_CLOSED}}},
	{"peer-silent", "overload", NULL, FITS,
		{{SEE_PLAIN, SEEN_SILENT | SEEN_CLOSED}, {SEE_TCP, SEEN_PASSED},
			{SEE_UDP, FAILED}}},
	{"peer-silent", NULL, "firewall", INFERRED, {{SEE_TCP, SEEN_SILENT | SEEN_CLOSED}}},

	{"handshake-timeout", "tls-version", NULL, INFERRED, {{SEE_TLS12, SEEN_PASSED}}},
	{"handshake-timeout", "overload", NULL, FITS, {{SEE_TCP, SEEN_PASSED}}},
	{"handshake-timeout", "mtu-black-hole", NULL, FITS,
		{{SEE_TLS12, FAILED}, {SEE_UDP, FAILED}}},
	{"handshake-timeout", NULL, "agent down", INFERRED, {{SEE_TCP, SEEN_SILENT}}},

	{"closed-by-peer", "not-tls-http", "a web server", PROVEN, {{SEE_PLAIN, HEARD}}},
	{"closed-by-peer", "closed-by-peer", NULL, FITS, {{SEE_PLAIN, SEEN_SILENT | SEEN_CLOSED}}},

	{"dtls-suite", "dtls-suite", NULL, FITS, {{SEE_UDP_EMS, FAILED}}},
	{"dtls-suite", "udp-not-dtls", NULL, INFERRED,
		{{SEE_UDP_SUITE, SEEN_ANSWERED}, {SEE_UDP_EMS, SEEN_ANSWERED}, {SEE_TLS, FAILED}}},
	{"dtls-suite", NULL, "firewall", INFERRED, {{SEE_UDP_PORT, SEEN_SILENT}}},
	{"server-cert-rsa-udp", "server-cert-rsa-udp", NULL, FITS, {{0}}},

	{"alpn-refused", "alpn-refused", NULL, FITS, {{SEE_ALPN, HEARD}}},
	{"alpn-missing", "alpn-missing", NULL, FITS, {{0}}},

	{"alert-other", "client-cert-rejected", NULL, PROVEN, {{SEE_BARE, SEEN_PASSED}}},
	{"alert-other", "alert-other", NULL, FITS, {{SEE_BARE, FAILED}}},
	{"handshake-failed", "client-cert-rejected", NULL, PROVEN, {{SEE_BARE, SEEN_PASSED}}},
	{"handshake-failed", "handshake-failed", NULL, FITS, {{SEE_BARE, FAILED}}},
	{"no-close-notify", "client-cert-rejected", NULL, INFERRED, {{SEE_BARE, SEEN_PASSED}}},
	{"no-close-notify", "no-close-notify", NULL, FITS, {{0}}},
	{"closed-by-reset", "client-cert-rejected", NULL, INFERRED, {{SEE_BARE, SEEN_PASSED}}},
	{"closed-by-reset", "closed-by-reset", NULL, FITS, {{0}}},

	{"client-cert-rejected", "client-cert-rejected", NULL, FITS, {{0}}},
	{"client-cert-rejected", NULL, "firewall", INFERRED, {{SEE_TCP, SEEN_SILENT}}},
};

static unsigned prediction(const struct hypothesis *h, size_t i, const unsigned *seen)
{
	return h->predictions[i].allowed ? seen[h->predictions[i].what] : 0;
}

/* \return true when something seen says that it cannot be. */
static bool contradicted(const struct hypothesis *h, const unsigned *seen)
{
	for (size_t i = 0; i < PREDICTIONS; i++) {
		unsigned what = prediction(h, i, seen);

		if (what && !(what & h->predictions[i].allowed)) {
			return true;
		}
	}
	return false;
}

/* The first prediction is what the hypothesis rests on. */
static bool stands(const struct hypothesis *h, const unsigned *seen)
{
	return h->cause && !contradicted(h, seen) &&
	       (h->weight == FITS || prediction(h, 0, seen) != 0);
}

static void take(const struct hypothesis *h, struct narrowed *out)
{
	for (size_t i = 0; i < out->n; i++) {
		if (strcmp(out->causes[i], h->cause) == 0) {
			return;
		}
	}
	if (out->n < NARROW_CAUSES) {
		out->causes[out->n++] = h->cause;
	}
}

/* A silence proves nothing by itself, and neither does an end without a word. */
static bool is_silence(const char *symptom)
{
	static const char *const silences[] = {"udp-filtered", "udp-silent-mid", "tcp-filtered",
		"peer-silent", "handshake-timeout", "closed-by-peer", "udp-closed"};

	for (size_t i = 0; i < sizeof(silences) / sizeof(silences[0]); i++) {
		if (strcmp(symptom, silences[i]) == 0) {
			return true;
		}
	}
	return false;
}

bool narrow(const char *symptom, const unsigned seen[OBSERVATIONS], struct narrowed *out)
{
	struct gds_text text;
	bool proven = false, known = false;

	memset(out, 0, sizeof(*out));
	gds_text_init(&text, out->ruled_out, sizeof(out->ruled_out));
	for (size_t i = 0; i < sizeof(hypotheses) / sizeof(hypotheses[0]); i++) {
		const struct hypothesis *h = &hypotheses[i];

		if (strcmp(h->symptom, symptom) != 0) {
			continue;
		}
		known = true;
		if (stands(h, seen) && !proven) {
			proven = h->weight == PROVEN;
			take(h, out);
		} else if (h->name && contradicted(h, seen)) {
			gds_text_add(&text, "%s%s", text.length ? ", " : "", h->name);
		}
	}
	if (known && out->n == 0) {
		/* Everything is contradicted: what the face itself shows is all there is. */
		out->causes[out->n++] = symptom;
	}
	out->likely = !proven && (out->n > 1 || is_silence(symptom));
	return known;
}
