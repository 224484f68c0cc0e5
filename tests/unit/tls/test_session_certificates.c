/* SPDX-License-Identifier: MIT */
/* Each odd certificate, in both roles: who refuses it, why, and the alert that the peer sees
 * (TLS-02..TLS-04, UDP-02). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "duo.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LONG_AGO = 1000000000, EARLIER = 1100000000 };

/* As the other side tells it: alerts from docs/godoxy-facts.md sections 4 and 5. */
struct client_case {
	const char *name;
	struct odd_leaf leaf;
	int ca; /* 0 ours, 1 same name, 2 another name */
	unsigned verify;
	int alert[KINDS];
};

static const struct client_case client_cases[] = {
	{"expired", {.not_before = LONG_AGO, .not_after = EARLIER}, 0, GDS_VERIFY_EXPIRED,
		{45, 45, 42}},
	{"not yet valid", {.not_before = INT64_C(33000000000)}, 0, GDS_VERIFY_NOT_YET,
		{45, 45, 42}},
	{"server's purpose only", {.other_eku = true}, 0, GDS_VERIFY_PURPOSE, {42, 42, 42}},
	{"another agent's CA", {0}, 1, GDS_VERIFY_SIGNER, {48, 48, 42}},
	{"another CA", {0}, 2, GDS_VERIFY_SIGNER, {48, 48, 42}},
	{"expired and of another CA", {.not_before = LONG_AGO, .not_after = EARLIER}, 2,
		GDS_VERIFY_SIGNER | GDS_VERIFY_EXPIRED, {45, 45, 42}},
};

static const struct odd_leaf good_clients[] = {
	{0},
	{.no_eku = true},
	{.both_eku = true},
	{.no_san = true},
	{.wrong_san = true},
	{.key = ODD_RSA},
	{.key = ODD_ED25519},
	{.key = ODD_P384},
};

static struct gds_identity *make_leaf(int ca, enum gds_leaf role, const struct odd_leaf *leaf)
{
	const struct gds_identity *cas[] = {cast.ca, cast.same_name_ca, cast.foreign_ca};
	struct gds_identity *id = odd_leaf(cas[ca], role, leaf);
	/* Whoever holds it trusts our CA all the same. */
	free(id->ca);
	id->ca = strdup(cast.ca->ca);
	return id;
}

/* What the client learns, be it in its handshake or by reading after it (TLS-05). */
static int client_outcome(struct duo *d)
{
	char byte[1];
	if (d->status[CLIENT] != GDS_OK) {
		return d->status[CLIENT];
	}
	return (int)gds_carrier_read(d->carrier[CLIENT], byte, sizeof(byte));
}

static void test_refused_clients(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(client_cases) / sizeof(client_cases[0]); i++) {
		const struct client_case *c = &client_cases[i];
		struct gds_identity *id = make_leaf(c->ca, GDS_LEAF_CLIENT, &c->leaf);
		for (enum kind kind = 0; kind < KINDS; kind++) {
			struct duo d;
			duo_init(&d, kind, id, NULL);
			duo_start(&d);
			duo_shake(&d);
			assert_int_equal(d.status[SERVER], GDS_E_VERIFY);
			assert_int_equal(d.carrier[SERVER]->why.verify, c->verify);
			assert_int_equal(d.carrier[SERVER]->why.stage, GDS_STAGE_VERIFY);
			assert_string_equal(d.carrier[SERVER]->why.statement,
				kind == DTLS ? "UDP-02" : "TLS-03");
			assert_true(duo_facts(&d, SERVER)->peer.present);
			assert_int_equal(duo_facts(&d, SERVER)->alert_out, c->alert[kind] + 1);
			assert_int_equal(client_outcome(&d), GDS_E_ALERT);
			assert_int_equal(d.carrier[CLIENT]->why.alert, c->alert[kind] + 1);
			assert_int_equal(duo_facts(&d, CLIENT)->alert_in, c->alert[kind] + 1);
			assert_true(duo_facts(&d, CLIENT)->certificate_requested);
			assert_true(duo_facts(&d, CLIENT)->certificate_sent);
			duo_free(&d);
		}
		odd_free(id);
	}
}

static void test_no_client_certificate(void **state)
{
	(void)state;
	static const int alert[KINDS] = {40, 116, 41};
	struct gds_identity none = {.ca = cast.ca->ca};
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct duo d;
		duo_init(&d, kind, &none, NULL);
		duo_start(&d);
		duo_shake(&d);
		assert_int_equal(d.status[SERVER], GDS_E_NO_CERTIFICATE);
		assert_int_equal(duo_facts(&d, SERVER)->alert_out, alert[kind] + 1);
		assert_int_equal(client_outcome(&d), GDS_E_ALERT);
		assert_int_equal(d.carrier[CLIENT]->why.alert, alert[kind] + 1);
		assert_true(duo_facts(&d, CLIENT)->certificate_requested);
		assert_false(duo_facts(&d, CLIENT)->certificate_sent);
		duo_free(&d);
	}
}

/* TLS-12: for TCP only. */
static void test_optional_client_certificate(void **state)
{
	(void)state;
	struct gds_identity none = {.ca = cast.ca->ca};
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct duo d;
		duo_init(&d, kind, &none, NULL);
		d.profile[SERVER].optional_client_cert = true;
		duo_start(&d);
		duo_shake(&d);
		assert_int_equal(d.status[SERVER], kind == DTLS ? GDS_E_NO_CERTIFICATE : GDS_OK);
		if (kind != DTLS) {
			assert_int_equal(client_outcome(&d), GDS_AGAIN);
			assert_false(duo_facts(&d, SERVER)->peer.present);
		}
		duo_free(&d);
	}
}

static void assert_good(
	enum kind kind, const struct gds_identity *client, const struct gds_identity *server)
{
	struct duo d;
	duo_init(&d, kind, client, server);
	duo_start(&d);
	duo_shake(&d);
	assert_int_equal(d.status[SERVER], GDS_OK);
	assert_int_equal(d.status[CLIENT], GDS_OK);
	assert_int_equal(client_outcome(&d), GDS_AGAIN);
	duo_free(&d);
}

static void test_good_clients(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good_clients) / sizeof(good_clients[0]); i++) {
		struct gds_identity *id = make_leaf(0, GDS_LEAF_CLIENT, &good_clients[i]);
		for (enum kind kind = 0; kind < KINDS; kind++) {
			assert_good(kind, id, NULL);
		}
		odd_free(id);
	}
}

struct server_case {
	const char *name;
	struct odd_leaf leaf;
	int ca;
	unsigned verify;
	int alert; /* over TLS; always 42 over DTLS */
};

static const struct server_case server_cases[] = {
	{"wrong name", {.wrong_san = true}, 0, GDS_VERIFY_NAME, 42},
	{"CN only", {.no_san = true}, 0, GDS_VERIFY_NO_SAN, 42}, /* TLS-04 */
	{"client's purpose only", {.other_eku = true}, 0, GDS_VERIFY_PURPOSE, 42},
	{"expired", {.not_before = LONG_AGO, .not_after = EARLIER}, 0, GDS_VERIFY_EXPIRED, 45},
	{"not yet valid", {.not_before = INT64_C(33000000000)}, 0, GDS_VERIFY_NOT_YET, 45},
	{"another agent's", {0}, 1, GDS_VERIFY_SIGNER, 48},
	{"a foreign server", {.wrong_san = true}, 2, GDS_VERIFY_SIGNER | GDS_VERIFY_NAME, 48},
};

static void test_refused_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(server_cases) / sizeof(server_cases[0]); i++) {
		const struct server_case *c = &server_cases[i];
		struct gds_identity *id = make_leaf(c->ca, GDS_LEAF_SERVER, &c->leaf);
		for (enum kind kind = 0; kind < KINDS; kind++) {
			int alert = kind == DTLS ? 42 : c->alert;
			struct duo d;
			duo_init(&d, kind, NULL, id);
			d.pair->fake_clock =
				kind == DTLS; /* the server waits for its deadline, UDP-22 */
			d.profile[SERVER].deadline = 10 * GDS_SECOND;
			d.pair->now = kind == DTLS ? 1 : 0;
			if (kind != DTLS) {
				d.profile[SERVER].deadline = GDS_NEVER;
			}
			duo_start(&d);
			duo_shake(&d);
			assert_int_equal(d.status[CLIENT], GDS_E_VERIFY);
			assert_int_equal(d.carrier[CLIENT]->why.verify, c->verify);
			assert_int_equal(duo_facts(&d, CLIENT)->verify, c->verify);
			assert_string_equal(d.carrier[CLIENT]->why.statement, "TLS-04");
			assert_int_equal(duo_facts(&d, CLIENT)->alert_out, alert + 1);
			if (kind == DTLS) {
				d.status[SERVER] = gds_session_handshake(d.session[SERVER]);
				assert_int_equal(d.status[SERVER], GDS_AGAIN);
				d.pair->now = 10 * GDS_SECOND;
				d.status[SERVER] = gds_session_handshake(d.session[SERVER]);
			}
			assert_int_equal(d.status[SERVER], GDS_E_ALERT);
			assert_int_equal(d.carrier[SERVER]->why.alert, alert + 1);
			assert_int_equal(duo_facts(&d, SERVER)->alert_in, alert + 1);
			duo_free(&d);
		}
		odd_free(id);
	}
}

static void test_good_servers(void **state)
{
	(void)state;
	static const struct odd_leaf leaves[] = {{.no_eku = true}, {.both_eku = true},
		{.key = ODD_P384}, {.key = ODD_ED25519}, {.key = ODD_RSA}};
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		struct gds_identity *id = make_leaf(0, GDS_LEAF_SERVER, &leaves[i]);
		for (enum kind kind = 0; kind < KINDS; kind++) {
			if (kind != DTLS || leaves[i].key != ODD_RSA) {
				assert_good(kind, NULL, id);
			}
		}
		odd_free(id);
	}
}

/* CERT-05: an RSA server certificate can never do UDP; the client is told so. */
static void test_rsa_server_over_udp(void **state)
{
	(void)state;
	struct duo d;
	struct gds_identity *id = make_leaf(0, GDS_LEAF_SERVER, &(struct odd_leaf){.key = ODD_RSA});
	duo_init(&d, DTLS, NULL, id);
	duo_start(&d);
	duo_shake(&d);
	assert_int_equal(d.status[SERVER], GDS_E_TLS);
	assert_int_equal(d.status[CLIENT], GDS_E_ALERT);
	assert_int_equal(d.carrier[CLIENT]->why.alert, 40 + 1);
	duo_free(&d);
	odd_free(id);
}

/* The wall clock of the environment decides, and a CA has dates too. */
static void test_clock(void **state)
{
	(void)state;
	struct duo d;
	duo_init(&d, TLS13, NULL, NULL);
	d.pair->wall_shift = -(gds_time)3 * 86400 * GDS_SECOND; /* before a day ago */
	duo_start(&d);
	duo_shake(&d);
	assert_int_equal(d.status[CLIENT], GDS_E_VERIFY);
	assert_int_equal(d.carrier[CLIENT]->why.verify, GDS_VERIFY_NOT_YET);
	duo_free(&d);

	struct gds_identity *old_ca = odd_ca(NULL, time(NULL) - 86400);
	struct gds_identity *server = odd_leaf(old_ca, GDS_LEAF_SERVER, NULL);
	struct gds_identity *client = odd_leaf(old_ca, GDS_LEAF_CLIENT, NULL);
	duo_init(&d, TLS13, client, server);
	duo_start(&d);
	duo_shake(&d);
	assert_int_equal(d.status[CLIENT], GDS_E_VERIFY);
	assert_int_equal(d.carrier[CLIENT]->why.verify, GDS_VERIFY_EXPIRED);
	duo_free(&d);
	odd_free(client);
	odd_free(server);
	odd_free(old_ca);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_clients),
		cmocka_unit_test(test_no_client_certificate),
		cmocka_unit_test(test_optional_client_certificate),
		cmocka_unit_test(test_good_clients),
		cmocka_unit_test(test_refused_servers),
		cmocka_unit_test(test_good_servers),
		cmocka_unit_test(test_rsa_server_over_udp),
		cmocka_unit_test(test_clock),
	};
	return cmocka_run_group_tests(tests, cast_make, cast_free);
}
