/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gdprobe/narrow.h"

#include <gdstream/catalogue.h>

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct row {
	const char *symptom;
	struct {
		enum observation what;
		unsigned seen;
	} seen[6];
	const char *causes[NARROW_CAUSES];
	bool likely;
	const char *ruled_out;
};

/* What a person would conclude from the same observations. */
static const struct row rows[] = {
	/* Docker behind a firewall: the sample of README. */
	{"udp-filtered",
		{{SEE_TCP, SEEN_PASSED}, {SEE_TLS, SEEN_PASSED}, {SEE_UDP_PORT, SEEN_SILENT},
			{SEE_UDP_SUITE, SEEN_SILENT}, {SEE_UDP_EMS, SEEN_SILENT},
			{SEE_UDP_MTU, SEEN_SILENT}},
		{"udp-filtered"}, true,
		"agent down, certificate, ciphers, 5-tuple lock-out, MTU, overload"},
	/* Nothing else was tried: nothing is ruled out. */
	{"udp-filtered", {{0}}, {"udp-filtered"}, true, ""},
	/* The host is down. */
	{"udp-filtered", {{SEE_TCP, SEEN_SILENT}, {SEE_UDP_PORT, SEEN_SILENT}}, {"tcp-filtered"},
		false, "5-tuple lock-out"},
	{"udp-filtered", {{SEE_TCP, SEEN_PASSED}, {SEE_UDP_PORT, SEEN_PASSED}}, {"tuple-lock-out"},
		false, "agent down"},
	{"udp-filtered", {{SEE_UDP_PORT, SEEN_SILENT}, {SEE_UDP_SUITE, SEEN_ANSWERED}},
		{"dtls-suite"}, false, "5-tuple lock-out"},
	{"udp-silent-mid", {{SEE_UDP_PORT, SEEN_ANSWERED}, {SEE_UDP_MTU, SEEN_PASSED}},
		{"mtu-black-hole"}, false, "5-tuple lock-out"},
	{"udp-silent-mid", {{SEE_UDP_PORT, SEEN_ANSWERED}, {SEE_UDP_MTU, SEEN_ANSWERED}},
		{"udp-silent-mid", "mtu-black-hole"}, true, "5-tuple lock-out"},
	{"udp-silent-mid", {{SEE_PACE, SEEN_PASSED}, {SEE_UDP_PORT, SEEN_ANSWERED}},
		{"overload", "udp-silent-mid"}, true, "5-tuple lock-out"},
	{"udp-closed", {{SEE_TCP, SEEN_PASSED}, {SEE_TLS, SEEN_PASSED}}, {"udp-closed"}, true,
		"agent down, certificate"},
	{"peer-silent", {{SEE_TCP, SEEN_PASSED}, {SEE_PLAIN, SEEN_PASSED}}, {"not-tls-http"}, false,
		"firewall"},
	{"peer-silent",
		{{SEE_TCP, SEEN_PASSED}, {SEE_PLAIN, SEEN_SILENT}, {SEE_TLS12, SEEN_SILENT},
			{SEE_ALPN, SEEN_SILENT}},
		{"peer-silent", "overload"}, true, "another service, firewall"},
	/* Its UDP is well: the agent has time. */
	{"peer-silent", {{SEE_PLAIN, SEEN_SILENT}, {SEE_UDP, SEEN_PASSED}}, {"peer-silent"}, true,
		"another service"},
	{"handshake-timeout", {{SEE_TCP, SEEN_PASSED}}, {"overload", "mtu-black-hole"}, true,
		"agent down"},
	{"tcp-filtered", {{SEE_UDP, SEEN_PASSED}}, {"tcp-filtered"}, true,
		"host down, certificate"},
	/* Without our certificate it asks for one, with it something unheard of: it is ours. */
	{"alert-other", {{SEE_BARE, SEEN_PASSED}}, {"client-cert-rejected"}, false, ""},
	{"alert-other", {{SEE_BARE, SEEN_ANSWERED}}, {"alert-other"}, false, ""},
	{"server-cert-rsa-udp", {{0}}, {"server-cert-rsa-udp"}, false, ""},
};

static void observe(const struct row *row, unsigned seen[OBSERVATIONS])
{
	for (size_t i = 0; i < COUNT(row->seen) && row->seen[i].seen; i++) {
		seen[row->seen[i].what] = row->seen[i].seen;
	}
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned seen[OBSERVATIONS] = {0};
		struct narrowed out;

		observe(&rows[i], seen);
		assert_true(narrow(rows[i].symptom, seen, &out));
		for (size_t j = 0; j < NARROW_CAUSES; j++) {
			if (!rows[i].causes[j]) {
				assert_int_equal(out.n, j);
				break;
			}
			assert_true(j < out.n);
			assert_string_equal(out.causes[j], rows[i].causes[j]);
		}
		assert_int_equal(out.likely, rows[i].likely);
		assert_string_equal(out.ruled_out, rows[i].ruled_out);
	}
}

static void test_unknown_symptom(void **state)
{
	unsigned seen[OBSERVATIONS] = {0};
	struct narrowed out;

	(void)state;
	assert_false(narrow("server-cert-expired", seen, &out));
	assert_int_equal(out.n, 0);
	assert_string_equal(out.ruled_out, "");
}

/* Whatever is seen, there is an answer, it is short, and the catalogue knows it. */
static void test_any_combination(void **state)
{
	static const char *const symptoms[] = {
		"udp-filtered", "udp-silent-mid", "peer-silent", "handshake-timeout", "dtls-suite"};
	uint32_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		unsigned seen[OBSERVATIONS];
		struct narrowed out;

		for (size_t i = 0; i < OBSERVATIONS; i++) {
			random = random * 1664525 + 1013904223;
			seen[i] = random >> 29 < 4 ? 1U << (random >> 29) : 0;
		}
		assert_true(narrow(symptoms[round % COUNT(symptoms)], seen, &out));
		assert_in_range(out.n, 1, NARROW_CAUSES);
		for (size_t i = 0; i < out.n; i++) {
			assert_string_equal(gds_cause_find(out.causes[i])->id, out.causes[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_unknown_symptom),
		cmocka_unit_test(test_any_combination),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
