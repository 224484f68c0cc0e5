/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "duo.h"

#include <string.h>
#include <time.h>

static void test_refused(void **state)
{
	(void)state;
	static char no_pem[] = "no PEM", name[] = "x.zip";
	const struct {
		struct gds_identity id;
		enum gds_role role;
		const char *said;
	} cases[] = {
		{{.ca = NULL}, GDS_CLIENT, "CA"},
		{{.ca = cast.ca->ca}, GDS_SERVER, "server"},
		{{.ca = cast.ca->ca, .cert = cast.client->cert}, GDS_CLIENT, "key"},
		{{.ca = cast.ca->ca, .key = cast.client->key}, GDS_CLIENT, "certificate"},
		{{.ca = no_pem, .source = name}, GDS_CLIENT, "x.zip"},
		{{.ca = cast.ca->ca, .cert = cast.client->cert, .key = cast.server->key},
			GDS_CLIENT, "together"},
		{{.ca = cast.ca->ca, .cert = no_pem, .key = cast.client->key}, GDS_CLIENT,
			"together"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gds_trust *trust = NULL;
		struct gds_complaint complaint = {0};
		int status = gds_trust_new(&trust, &cases[i].id, cases[i].role, &complaint);
		assert_int_equal(status, GDS_E_FORMAT);
		assert_int_equal(complaint.code, GDS_E_FORMAT);
		assert_non_null(strstr(complaint.text, cases[i].said));
		assert_null(trust);
	}
	gds_trust_unref(NULL);
}

static void test_facts(void **state)
{
	(void)state;
	struct gds_trust *trust;
	struct gds_complaint complaint;
	assert_int_equal(gds_trust_new(&trust, cast.client, GDS_CLIENT, &complaint), GDS_OK);
	assert_true(gds_trust_own(trust)->present);
	assert_true(gds_trust_own(trust)->client_auth);
	assert_false(gds_trust_own(trust)->server_auth);
	assert_true(gds_trust_ca(trust)->is_ca);
	gds_trust_unref(trust);

	struct gds_identity none = {.ca = cast.ca->ca};
	assert_int_equal(gds_trust_new(&trust, &none, GDS_CLIENT, &complaint), GDS_OK);
	assert_false(gds_trust_own(trust)->present);
	assert_int_equal(gds_trust_own_flaws(trust, time(NULL)), 0);
	gds_trust_unref(trust);
}

static void test_own_flaws(void **state)
{
	(void)state;
	const int64_t now = time(NULL);
	struct gds_identity *other = odd_leaf(cast.same_name_ca, GDS_LEAF_CLIENT, NULL);
	const struct {
		struct gds_identity id;
		enum gds_role role;
		int64_t now;
		unsigned flaws;
	} cases[] = {
		{{.ca = cast.ca->ca, .cert = cast.client->cert, .key = cast.client->key},
			GDS_CLIENT, now, 0},
		{{.ca = cast.ca->ca, .cert = cast.server->cert, .key = cast.server->key},
			GDS_SERVER, now, 0},
		{{.ca = cast.ca->ca, .cert = cast.server->cert, .key = cast.server->key},
			GDS_CLIENT, now, GDS_VERIFY_PURPOSE},
		{{.ca = cast.ca->ca, .cert = cast.client->cert, .key = cast.client->key},
			GDS_CLIENT, now - 7 * 86400, GDS_VERIFY_NOT_YET},
		/* The year 3030, beyond the certificate's 3026 (CERT-02) */
		{{.ca = cast.ca->ca, .cert = cast.client->cert, .key = cast.client->key},
			GDS_CLIENT, INT64_C(33460000000), GDS_VERIFY_EXPIRED},
		/* 2106: an unsigned 32-bit date ends there, this one does not */
		{{.ca = cast.ca->ca, .cert = cast.client->cert, .key = cast.client->key},
			GDS_CLIENT, INT64_C(4294967297), 0},
		{{.ca = cast.ca->ca, .cert = other->cert, .key = other->key}, GDS_CLIENT, now,
			GDS_VERIFY_SIGNER},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gds_trust *trust;
		struct gds_complaint complaint;
		assert_int_equal(
			gds_trust_new(&trust, &cases[i].id, cases[i].role, &complaint), GDS_OK);
		assert_int_equal(gds_trust_own_flaws(trust, cases[i].now), cases[i].flaws);
		gds_trust_unref(trust);
	}
	odd_free(other);
}

/* A session keeps its trust: a reload drops the other reference under it. */
static void test_outlives_reload(void **state)
{
	(void)state;
	struct duo d;
	duo_init(&d, TLS13, NULL, NULL);
	duo_start(&d);
	for (int i = 0; i < 2; i++) {
		gds_trust_unref(d.trust[i]);
		d.trust[i] = NULL;
	}
	duo_shake(&d);
	assert_int_equal(d.status[CLIENT], GDS_OK);
	assert_int_equal(d.status[SERVER], GDS_OK);
	duo_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_own_flaws),
		cmocka_unit_test(test_outlives_reload),
	};
	return cmocka_run_group_tests(tests, cast_make, cast_free);
}
