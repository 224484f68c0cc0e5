/* SPDX-License-Identifier: MIT */
/* The evidence behind a verdict, in a few words. Never a key, never payload. */
#include "tls/verdict.h"

#include <gnutls/gnutls.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

/** Bytes of a foreign greeting that are shown. */
#define GREETING 32

static const char *icmp_name(const struct gds_report *report)
{
	static const struct {
		uint8_t family, type, code;
		const char *name;
	} names[] = {
		{4, 3, 0, "network unreachable"},
		{4, 3, 1, "host unreachable"},
		{4, 3, 2, "protocol unreachable"},
		{4, 3, 3, "port unreachable"},
		{4, 3, 9, "network administratively prohibited"},
		{4, 3, 10, "host administratively prohibited"},
		{4, 3, 13, "administratively prohibited"},
		{6, 1, 0, "no route"},
		{6, 1, 1, "administratively prohibited"},
		{6, 1, 3, "address unreachable"},
		{6, 1, 4, "port unreachable"},
		{6, 1, 5, "source address policy"},
		{6, 1, 6, "route rejected"},
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].family == report->peer.family &&
			names[i].type == report->why.icmp_type &&
			names[i].code == report->why.icmp_code) {
			return names[i].name;
		}
	}
	return NULL;
}

static void say_icmp(const struct gds_report *report, char *text, size_t size)
{
	const char *name = icmp_name(report);
	if (name) {
		snprintf(text, size, "ICMP %s", name);
	} else {
		snprintf(text, size, "ICMP type %d code %d", report->why.icmp_type,
			report->why.icmp_code);
	}
}

static void say_alert(const struct gds_verdict_input *in, int alert, char *text, size_t size)
{
	const struct gds_facts *facts = &in->report->facts;
	const char *more = "";
	if (facts->certificate_sent) {
		more = ", a client certificate was sent";
	} else if (facts->certificate_requested) {
		more = ", a client certificate was asked for and none sent";
	}
	snprintf(text, size, "alert %d %s%s", alert, gds_alert_name(alert), more);
}

static void say_verify(unsigned flags, char *text, size_t size)
{
	static const struct {
		unsigned flag;
		const char *name;
	} names[] = {
		{GDS_VERIFY_SIGNER, "not signed by our CA"},
		{GDS_VERIFY_EXPIRED, "expired"},
		{GDS_VERIFY_NOT_YET, "not yet valid"},
		{GDS_VERIFY_PURPOSE, "not for a server"},
		{GDS_VERIFY_NAME, "not for godoxy.agent"},
		{GDS_VERIFY_NO_SAN, "no DNS name"},
		{GDS_VERIFY_SIGNATURE, "signature wrong or weak"},
		{GDS_VERIFY_REVOKED, "revoked"},
		{GDS_VERIFY_OTHER, "unusable"},
	};
	const char *join = "server certificate ";
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((flags & names[i].flag) && used < size) {
			int n = snprintf(text + used, size - used, "%s%s", join, names[i].name);
			used += n > 0 ? (size_t)n : 0;
			join = ", ";
		}
	}
}

static void say_silence(const struct gds_verdict_input *in, char *text, size_t size)
{
	const struct gds_report *report = in->report;
	const struct gds_facts *facts = &report->facts;
	unsigned flights = facts->retransmissions + 1;
	long long ms = (long long)(report->duration / GDS_MILLISECOND);
	if (in->transport == GDS_TCP || facts->established || facts->bytes_out == 0) {
		snprintf(text, size, "no answer in stage %s after %lld ms",
			gds_stage_name(report->why.stage), ms);
	} else if (facts->bytes_in == 0) {
		snprintf(text, size, "%u flight%s sent, no answer in %lld ms", flights,
			flights == 1 ? "" : "s", ms);
	} else {
		snprintf(text, size, "%s, then silence; %u repeated flights in %lld ms",
			facts->hello_verify ? "HelloVerifyRequest received" : "an answer began",
			facts->retransmissions, ms);
	}
}

static void say_greeting(const struct gds_facts *facts, char *text, size_t size)
{
	char shown[GREETING + 1];
	size_t n = 0;
	while (n < facts->first_length && n < GREETING && facts->first[n] >= ' ' &&
		facts->first[n] < 0x7f) {
		shown[n] = (char)facts->first[n];
		n++;
	}
	shown[n] = '\0';
	if (n >= 4) {
		snprintf(text, size, "the peer said \"%s\"", shown);
	} else {
		snprintf(text, size, "%zu bytes that are not TLS, the first 0x%02x",
			facts->first_length, facts->first_length ? facts->first[0] : 0);
	}
}

static void say_code(const struct gds_error *why, char *text, size_t size)
{
	char buffer[128];
	if (why->code == GDS_E_RESOLVE && why->lib) {
		snprintf(text, size, "%s", gai_strerror(why->lib));
	} else if (why->sys) {
		snprintf(text, size, "%s", strerror_r(why->sys, buffer, sizeof(buffer)));
	} else if (why->code == GDS_E_TLS && why->lib) {
		snprintf(text, size, "GnuTLS: %s", gnutls_strerror(why->lib));
	} else {
		snprintf(text, size, "%s", gds_strerror(why->code));
	}
}

const char *gds_verdict_evidence(const struct gds_verdict_input *in, char *text, size_t size)
{
	const struct gds_report *report = in->report;
	const struct gds_error *why = &report->why;
	const struct gds_facts *facts = &report->facts;
	int alert = why->code == GDS_E_ALERT && why->alert ? why->alert : facts->alert_in;
	if (why->code == GDS_E_VERIFY) {
		say_verify(why->verify ? why->verify : facts->verify, text, size);
	} else if (why->code != GDS_OK && alert) {
		say_alert(in, alert - 1, text, size);
	} else if (why->icmp_type) {
		say_icmp(report, text, size);
	} else if (why->code == GDS_E_TIMEOUT) {
		say_silence(in, text, size);
	} else if (why->code == GDS_E_NOT_TLS) {
		say_greeting(facts, text, size);
	} else if (why->code == GDS_E_ALPN) {
		snprintf(text, size, "ALPN selected: %s", facts->alpn[0] ? facts->alpn : "none");
	} else if (why->code == GDS_E_TRUNCATED && facts->bytes_in == 0) {
		snprintf(text, size, "closed before the first byte");
	} else if (why->code != GDS_OK) {
		say_code(why, text, size);
	} else {
		snprintf(text, size, "%s", facts->version);
	}
	return text;
}
