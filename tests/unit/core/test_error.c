/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <gdstream/error.h>

#include <ctype.h>
#include <errno.h>

static const int every_status[] = {GDS_OK, GDS_AGAIN, GDS_EOF, GDS_E_INVALID, GDS_E_NOMEM,
	GDS_E_LIMIT, GDS_E_TIMEOUT, GDS_E_CANCELLED, GDS_E_FILE, GDS_E_FORMAT, GDS_E_CHECKSUM,
	GDS_E_VERSION, GDS_E_PORT_LENGTH, GDS_E_HOST_LENGTH, GDS_E_HOST_EMPTY, GDS_E_HOST_NUL,
	GDS_E_PORT, GDS_E_HOST_FORM, GDS_E_HEADER_CUT, GDS_E_HEADER_LATE, GDS_E_HEADER_RECORD,
	GDS_E_RESOLVE, GDS_E_REFUSED, GDS_E_RESET, GDS_E_UNREACHABLE, GDS_E_PERMISSION,
	GDS_E_IN_USE, GDS_E_DESCRIPTORS, GDS_E_IO, GDS_E_TLS, GDS_E_ALERT, GDS_E_VERIFY,
	GDS_E_NO_CERTIFICATE, GDS_E_ALPN, GDS_E_TRUNCATED, GDS_E_EMS, GDS_E_NOT_TLS};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(every_status); i++) {
		const char *name = gds_errname(every_status[i]);

		assert_string_not_equal(name, "unknown");
		assert_string_not_equal(gds_strerror(every_status[i]), "unknown error");
		for (const char *c = name; *c; c++) {
			assert_true(islower((unsigned char)*c) || *c == '-');
		}
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(name, gds_errname(every_status[j]));
			assert_int_not_equal(every_status[i], every_status[j]);
		}
		assert_true(every_status[i] <= 0);
	}
	assert_string_equal(gds_errname(GDS_E_CHECKSUM), "checksum");
	assert_string_equal(gds_errname(GDS_E_REFUSED), "refused");
	assert_string_equal(gds_errname(12345), "unknown");
	assert_string_equal(gds_strerror(-12345), "unknown error");
}

static void test_stages(void **state)
{
	static const char *const names[GDS_STAGES] = {"resolve", "connect", "handshake", "verify",
		"alpn", "header", "close", "tunnel", "payload"};

	(void)state;
	for (unsigned i = 0; i < GDS_STAGES; i++) {
		assert_string_equal(gds_stage_name((enum gds_stage)i), names[i]);
	}
	assert_string_equal(gds_stage_name(GDS_STAGES), "unknown");
}

static void test_errno(void **state)
{
	static const struct {
		int sys, want;
	} rows[] = {
		{0, GDS_OK},
		{EAGAIN, GDS_AGAIN},
		{EINPROGRESS, GDS_AGAIN},
		{ECONNREFUSED, GDS_E_REFUSED},
		{ECONNRESET, GDS_E_RESET},
		{EPIPE, GDS_E_RESET},
		{EHOSTUNREACH, GDS_E_UNREACHABLE},
		{ENETUNREACH, GDS_E_UNREACHABLE},
		{EPERM, GDS_E_PERMISSION},
		{EACCES, GDS_E_PERMISSION},
		{EADDRINUSE, GDS_E_IN_USE},
		{EMFILE, GDS_E_DESCRIPTORS},
		{ENFILE, GDS_E_DESCRIPTORS},
		{ENOMEM, GDS_E_NOMEM},
		{EMSGSIZE, GDS_E_LIMIT},
		{ETIMEDOUT, GDS_E_TIMEOUT},
		{ECANCELED, GDS_E_CANCELLED},
		{EADDRNOTAVAIL, GDS_E_IO},
		{99999, GDS_E_IO},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(gds_status_from_errno(rows[i].sys), rows[i].want);
	}
}

static void test_alerts(void **state)
{
	/* RFC 8446 appendix B.2, RFC 5246 section 7.2, RFC 7301 section 3.2. */
	static const struct {
		int number;
		const char *name;
	} rows[] = {
		{0, "close_notify"},
		{10, "unexpected_message"},
		{40, "handshake_failure"},
		{41, "no_certificate"},
		{42, "bad_certificate"},
		{43, "unsupported_certificate"},
		{44, "certificate_revoked"},
		{45, "certificate_expired"},
		{46, "certificate_unknown"},
		{48, "unknown_ca"},
		{70, "protocol_version"},
		{71, "insufficient_security"},
		{80, "internal_error"},
		{109, "missing_extension"},
		{116, "certificate_required"},
		{120, "no_application_protocol"},
		{-1, "unknown"},
		{255, "unknown"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_string_equal(gds_alert_name(rows[i].number), rows[i].name);
	}
}

static void test_complain(void **state)
{
	struct gds_complaint complaint = {0};
	char longer[1000];

	(void)state;
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(
		gds_complain(&complaint, GDS_E_FILE, "%s: mode %o", "key.pem", 0600U), GDS_E_FILE);
	assert_int_equal(complaint.code, GDS_E_FILE);
	assert_string_equal(complaint.text, "key.pem: mode 600");

	assert_int_equal(gds_complain(&complaint, GDS_E_FORMAT, "%s", longer), GDS_E_FORMAT);
	assert_int_equal(strlen(complaint.text), sizeof(complaint.text) - 1);
	assert_int_equal(gds_complain(NULL, GDS_E_LIMIT, "%s", longer), GDS_E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_stages),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_alerts),
		cmocka_unit_test(test_complain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
