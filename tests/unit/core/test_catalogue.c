/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <gdstream/acceptor.h>
#include <gdstream/catalogue.h>

#include <ctype.h>
#include <stdio.h>

static void test_requirements(void **state)
{
	/* How many statements each chapter has: a lost row must be seen. */
	static const struct {
		const char *chapter;
		unsigned count;
	} chapters[] = {{"HDR", 14}, {"TLS", 12}, {"MUX", 5}, {"HC", 5}, {"TCP", 12}, {"UDP", 22},
		{"API", 8}, {"CERT", 6}};
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(chapters); i++) {
		for (unsigned n = 1; n <= chapters[i].count; n++, at++) {
			const struct gds_requirement *row = &gds_requirements[at];
			char id[24];

			(void)snprintf(id, sizeof(id), "%s-%02u", chapters[i].chapter, n);
			assert_true(at < gds_requirements_count);
			assert_string_equal(row->id, id);
			assert_ptr_equal(gds_requirement_find(id), row);
			assert_non_null(strchr("SCBX", row->side));
			assert_true(row->level <= GDS_MAY);
			assert_true(strlen(row->text) >= 10);
			assert_true(row->text[strlen(row->text) - 1] != '.');
			assert_true(!row->differs || row->differs[0]);
		}
	}
	assert_int_equal(at, gds_requirements_count);
	assert_null(gds_requirement_find("HDR-99"));
	assert_null(gds_requirement_find(""));
}

/* GoDoxy's differences: neither more nor fewer than docs/godoxy-facts.md bears out. */
static void test_differences(void **state)
{
	static const char *const differs[] = {"HDR-10", "HDR-11", "HDR-12", "TLS-05", "TLS-07",
		"MUX-04", "MUX-05", "HC-05", "TCP-07", "TCP-08", "TCP-09", "TCP-10", "UDP-09",
		"UDP-10", "UDP-11", "UDP-12", "UDP-13", "UDP-16", "UDP-22", "API-03", "API-04",
		"API-07", "CERT-06"};
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < gds_requirements_count; i++) {
		if (gds_requirements[i].differs) {
			assert_true(n < COUNT(differs));
			assert_string_equal(gds_requirements[i].id, differs[n++]);
		}
	}
	assert_int_equal(n, COUNT(differs));
}

/* The ids that the programs ask for. */
static const char *const cause_ids[] = {"healthy", "resolve-failed", "resolve-timeout",
	"tcp-refused", "tcp-filtered", "tcp-unreachable", "tcp-reset", "local-firewall",
	"udp-filtered", "udp-closed", "udp-unreachable", "udp-silent-mid", "tuple-lock-out",
	"mtu-black-hole", "overload", "udp-not-dtls", "not-tls-http", "not-tls-ssh", "not-tls-smtp",
	"not-tls-other", "closed-by-peer", "peer-silent", "foreign-server", "server-cert-other-ca",
	"server-cert-expired", "server-cert-not-yet-valid", "server-cert-purpose",
	"server-cert-name", "server-cert-no-san", "server-cert-signature", "server-cert-revoked",
	"server-cert-other", "server-cert-rsa-udp", "client-cert-missing", "client-cert-other-ca",
	"client-cert-expired", "client-cert-not-yet-valid", "client-cert-purpose",
	"client-cert-revoked", "client-cert-rejected", "cert-expiring", "clocks-apart",
	"tls-version", "tls-suite", "dtls-suite", "dtls-no-ems", "alpn-missing", "alpn-refused",
	"header-refused", "no-close-notify", "closed-by-reset", "unexpected-bytes", "close-late",
	"handshake-timeout", "handshake-failed", "alert-other", "tunnel-refused", "tunnel-silent",
	"tunnel-corrupt", "udp-tunnel-silent", "loopback-unreached", "http-status", "http-not-json",
	"http-old-agent", "http-timeout", "http-failed", "slow", "out-of-memory", "descriptors",
	"io-error", "cancelled", "unknown"};

/* A sentence: a capital first, no full stop, printable ASCII, no double space. */
static void assert_sentence(const char *text, size_t least)
{
	size_t n = strlen(text);

	print_message("# %s\n", text);
	assert_true(n >= least);
	assert_true(isupper((unsigned char)text[0]));
	assert_true(text[n - 1] != '.' && text[n - 1] != ' ' && text[n - 1] != ':');
	assert_null(strstr(text, ". "));
	assert_null(strstr(text, "  "));
	for (size_t i = 0; i < n; i++) {
		assert_true(text[i] >= ' ' && text[i] < 0x7f);
	}
}

static void test_causes(void **state)
{
	(void)state;
	assert_int_equal(gds_causes_count, COUNT(cause_ids));
	for (size_t i = 0; i < COUNT(cause_ids); i++) {
		assert_string_equal(gds_cause_find(cause_ids[i])->id, cause_ids[i]);
	}
	for (size_t i = 0; i < gds_causes_count; i++) {
		const struct gds_cause *cause = &gds_causes[i];

		assert_ptr_equal(gds_cause_find(cause->id), cause); /* unique */
		assert_sentence(cause->sentence, 15);
		assert_sentence(cause->next, 10);
		assert_true(strlen(cause->sentence) <= 170);
		assert_true(strlen(cause->next) <= 380);
		assert_int_equal(cause->severity == GDS_FINE, strcmp(cause->id, "healthy") == 0);
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(cause->sentence, gds_causes[j].sentence);
		}
	}
	assert_string_equal(gds_cause_find("no-such-cause")->id, "unknown");
	assert_string_equal(gds_cause_find(NULL)->id, "unknown");
}

/* DESIGN's exit codes: what could not be judged is UNKNOWN, and nothing else is. */
static void test_severities(void **state)
{
	static const struct {
		const char *id;
		enum gds_severity want;
	} rows[] = {{"tuple-lock-out", GDS_WARNING}, {"clocks-apart", GDS_WARNING},
		{"cert-expiring", GDS_WARNING}, {"slow", GDS_WARNING}, {"cancelled", GDS_UNKNOWN},
		{"descriptors", GDS_UNKNOWN}, {"out-of-memory", GDS_UNKNOWN},
		{"io-error", GDS_UNKNOWN}, {"unknown", GDS_UNKNOWN}};
	unsigned odd = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(gds_cause_find(rows[i].id)->severity, rows[i].want);
	}
	for (size_t i = 0; i < gds_causes_count; i++) {
		odd += gds_causes[i].severity != GDS_CRITICAL;
	}
	assert_int_equal(odd, COUNT(rows) + 1);
}

static void test_faults(void **state)
{
	static const char *const names[] = {"accept-bad-checksum", "accept-bad-version",
		"health-dials", "health-answers", "no-close-notify", "skip-dial", "refuse-good",
		"no-client-cert"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_non_null(gds_fault_find(names[i]));
	}
	for (size_t i = 0; i < gds_faults_count; i++) {
		const struct gds_fault *fault = &gds_faults[i];

		assert_ptr_equal(gds_fault_find(fault->name), fault);
		assert_non_null(gds_requirement_find(fault->statement));
		assert_true(fault->stage < GDS_STAGES);
		assert_true(strlen(fault->text) > 10);
		/* What gdprobe can see has a cause that it may name, and nothing else has one. */
		assert_int_equal(fault->cause == NULL, fault->shows == GDS_SHOWS_CONFORM);
		if (fault->cause) {
			assert_string_equal(gds_cause_find(fault->cause)->id, fault->cause);
		}
		assert_true(fault->argument || fault->standard == 0);
	}
	assert_true(gds_faults_count >= 64);
	assert_null(gds_fault_find("no-such-fault"));
	assert_null(gds_fault_find("skip-dia"));
	assert_null(gds_fault_find("=1"));
	assert_string_equal(gds_fault_find("close-late=300")->name, "close-late");
}

/* GoDoxy's differences on the server's side, one fault each. */
static void test_profiles(void **state)
{
	const struct gds_fault_profile *profile = gds_fault_profile_find("godoxy-0.30");
	size_t n = 0;

	(void)state;
	assert_non_null(profile);
	for (size_t i = 0; i < gds_requirements_count; i++) {
		const struct gds_requirement *row = &gds_requirements[i];

		if (row->differs && (row->side == 'S' || row->side == 'B')) {
			assert_non_null(profile->faults[n]);
			assert_string_equal(
				gds_fault_find(profile->faults[n++])->statement, row->id);
		}
	}
	assert_null(profile->faults[n]);
	assert_null(gds_fault_profile_find("godoxy"));
}

/* Whatever the acceptor refuses names a statement that the catalogue has. */
static void test_statements_of_refusals(void **state)
{
	static const char *const hosts[] = {"", "[::1]", "127.1", "local", "10.0.0.1"};
	static const char *const ports[] = {"", "0", "http", "99999", "80"};

	(void)state;
	for (size_t i = 0; i < COUNT(hosts) * COUNT(ports) * 4; i++) {
		uint8_t wire[GDS_HEADER_SIZE];
		struct gds_header header;
		struct gds_acceptor a;
		size_t used;

		assert_int_equal(gds_header_init(&header, hosts[i % 5], ports[i / 5 % 5], 0), 0);
		header.version[0] = i / 25 == 1 ? '9' : '0';
		assert_int_equal(gds_header_encode(&header, wire), GDS_OK);
		wire[272] ^= i / 25 == 2;
		gds_acceptor_init(&a, GDS_UDP, 0);
		if (i / 25 == 3) {
			(void)gds_acceptor_feed(&a, wire, 9, 0, &used);
		}
		if (gds_acceptor_feed(&a, wire, sizeof(wire), 0, &used) == GDS_REFUSE) {
			assert_non_null(gds_requirement_find(a.why.statement));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requirements),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_causes),
		cmocka_unit_test(test_severities),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_statements_of_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
