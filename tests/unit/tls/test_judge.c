/* SPDX-License-Identifier: MIT */
/* Where GnuTLS's own verification and Go's part: the path, who may sign, names, serials. What Go
 * does was measured (docs/godoxy-facts.md section 4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <gdstream/identity.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

enum { NOW = 1800000000, DAY = 86400 };

/** A certificate to be; zeroed = a good leaf. */
struct wanted {
	const char *name; /* common name; NULL = "godoxy.agent" */
	const char *san;  /* NULL = "godoxy.agent" */
	enum { LEAF, A_CA, NO_CA, SILENT_CA, CA_THAT_CANNOT_SIGN } kind;
	int64_t end; /* wall [s]; 0 = in a year */
	bool negative_serial;
	int version; /* 0 = 3 */
};

struct made {
	gnutls_x509_crt_t cert;
	gnutls_x509_privkey_t key;
};

static void set_kind(gnutls_x509_crt_t cert, const struct wanted *w)
{
	const char *san = w->san ? w->san : "godoxy.agent";
	switch (w->kind) {
	case LEAF:
		assert_int_equal(gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME, san,
					 (unsigned)strlen(san), GNUTLS_FSAN_SET),
			0);
		break;
	case A_CA:
	case CA_THAT_CANNOT_SIGN:
		gnutls_x509_crt_set_basic_constraints(cert, 1, -1);
		gnutls_x509_crt_set_key_usage(cert,
			w->kind == A_CA ? GNUTLS_KEY_KEY_CERT_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE);
		break;
	case NO_CA:
		gnutls_x509_crt_set_basic_constraints(cert, 0, -1);
		break;
	case SILENT_CA:
		break;
	}
}

static struct made make(const struct wanted *w, const struct made *signer)
{
	struct made m;
	const char *name = w->name ? w->name : "godoxy.agent";
	unsigned char serial[] = {w->negative_serial ? 0x80 : 0x01, 0x02};
	int version = w->version ? w->version : 3;
	gnutls_x509_privkey_init(&m.key);
	assert_int_equal(gnutls_x509_privkey_generate(m.key, GNUTLS_PK_ECDSA,
				 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
		0);
	gnutls_x509_crt_init(&m.cert);
	gnutls_x509_crt_set_version(m.cert, (unsigned)version);
	gnutls_x509_crt_set_serial(m.cert, serial, sizeof(serial));
	gnutls_x509_crt_set_dn_by_oid(
		m.cert, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name));
	gnutls_x509_crt_set_activation_time(m.cert, NOW - 100 * DAY);
	gnutls_x509_crt_set_expiration_time(m.cert, w->end ? w->end : NOW + 365 * DAY);
	gnutls_x509_crt_set_key(m.cert, m.key);
	if (version == 3) {
		set_kind(m.cert, w);
	}
	assert_int_equal(gnutls_x509_crt_sign2(m.cert, signer ? signer->cert : m.cert,
				 signer ? signer->key : m.key, GNUTLS_DIG_SHA256, 0),
		0);
	return m;
}

static void discard(struct made *m)
{
	gnutls_x509_crt_deinit(m->cert);
	gnutls_x509_privkey_deinit(m->key);
}

static void append(char *text, size_t size, gnutls_x509_crt_t cert)
{
	gnutls_datum_t pem;
	assert_int_equal(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem), 0);
	assert_true(strlen(text) + pem.size < size);
	strncat(text, (const char *)pem.data, pem.size);
	gnutls_free(pem.data);
}

struct judged {
	const char *name;
	enum gds_leaf role;
	struct wanted ca, leaf;
	bool stranger; /* one more certificate follows the leaf, of nobody */
	int64_t stranger_end;
	unsigned flags;
};

#define CLIENT_ .role = GDS_LEAF_CLIENT
#define SERVER_ .role = GDS_LEAF_SERVER
#define GOOD_CA .ca.kind = A_CA

static const struct judged cases[] = {
	{"good", CLIENT_, GOOD_CA},
	{"a stranger in the chain", CLIENT_, GOOD_CA, .stranger = true},
	{"an expired stranger in the chain", CLIENT_, GOOD_CA, .stranger = true,
		.stranger_end = NOW - DAY},
	{"expired CA", CLIENT_, GOOD_CA, .ca.end = NOW - DAY, .flags = GDS_VERIFY_EXPIRED},
	{"expired CA behind a stranger", CLIENT_, GOOD_CA, .ca.end = NOW - DAY, .stranger = true,
		.flags = GDS_VERIFY_EXPIRED},
	{"trusted, but no CA", CLIENT_, .ca.kind = NO_CA, .flags = GDS_VERIFY_SIGNER},
	{"no word on being a CA", CLIENT_, .ca.kind = SILENT_CA, .flags = GDS_VERIFY_SIGNER},
	{"CA without keyCertSign", CLIENT_, .ca.kind = CA_THAT_CANNOT_SIGN,
		.flags = GDS_VERIFY_SIGNER | GDS_VERIFY_OTHER},
	{"CA of version 1", CLIENT_, .ca.version = 1},
	{"negative serial", CLIENT_, GOOD_CA, .leaf.negative_serial = true,
		.flags = GDS_VERIFY_OTHER},
	{"wildcard", SERVER_, GOOD_CA, .leaf.san = "*.Agent"},
	{"bare wildcard", SERVER_, GOOD_CA, .leaf.san = "*", .flags = GDS_VERIFY_NAME},
	{"wildcard elsewhere", SERVER_, GOOD_CA, .leaf.san = "*.agents", .flags = GDS_VERIFY_NAME},
	{"upper case", SERVER_, GOOD_CA, .leaf.san = "GODOXY.AGENT"},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct judged *c = &cases[i];
		const struct wanted of_nobody = {
			.kind = A_CA, .name = "nobody", .end = c->stranger_end};
		struct made ca = make(&c->ca, NULL), leaf = make(&c->leaf, &ca);
		struct made stranger = make(&of_nobody, NULL);
		char chain[8192] = "", anchor[4096] = "";
		append(anchor, sizeof(anchor), ca.cert);
		append(chain, sizeof(chain), leaf.cert);
		if (c->stranger) {
			append(chain, sizeof(chain), stranger.cert);
		}
		unsigned flags = gds_certificate_judge(chain, anchor, c->role, NOW);
		if (flags != c->flags) {
			fail_msg("%s: flags %#x, expected %#x", c->name, flags, c->flags);
		}
		discard(&ca);
		discard(&leaf);
		discard(&stranger);
	}
}

/* An intermediate is dated like the rest of the path, in whatever order the chain comes. */
static void test_intermediate(void **state)
{
	(void)state;
	const struct wanted root = {.kind = A_CA, .name = "root"}, leaf = {0};
	for (int expired = 0; expired < 2; expired++) {
		const struct wanted upper = {.kind = A_CA, .name = "upper"};
		const struct wanted lower = {
			.kind = A_CA, .name = "lower", .end = expired ? NOW - DAY : 0};
		struct made m[4];
		m[0] = make(&root, NULL);
		m[1] = make(&upper, &m[0]);
		m[2] = make(&lower, &m[1]);
		m[3] = make(&leaf, &m[2]);
		char sorted[8192] = "", unsorted[8192] = "", anchor[4096] = "";
		append(anchor, sizeof(anchor), m[0].cert);
		append(sorted, sizeof(sorted), m[3].cert);
		append(sorted, sizeof(sorted), m[2].cert);
		append(sorted, sizeof(sorted), m[1].cert);
		append(unsorted, sizeof(unsorted), m[3].cert);
		append(unsorted, sizeof(unsorted), m[1].cert);
		append(unsorted, sizeof(unsorted), m[2].cert);
		unsigned flags = expired ? GDS_VERIFY_EXPIRED : 0;
		assert_int_equal(
			gds_certificate_judge(sorted, anchor, GDS_LEAF_CLIENT, NOW), flags);
		assert_int_equal(
			gds_certificate_judge(unsorted, anchor, GDS_LEAF_CLIENT, NOW), flags);
		for (size_t i = 0; i < 4; i++) {
			discard(&m[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_intermediate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
