/* SPDX-License-Identifier: MIT */
#include "odd.h"

#include <assert.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define YEAR_3026 INT64_C(33331414470)

static void ok(int ret)
{
	assert(ret >= 0);
	(void)ret;
}

static gnutls_x509_privkey_t make_key(enum odd_key kind)
{
	gnutls_x509_privkey_t key;
	ok(gnutls_x509_privkey_init(&key));
	switch (kind) {
	case ODD_P256:
		ok(gnutls_x509_privkey_generate(
			key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
		break;
	case ODD_P384:
		ok(gnutls_x509_privkey_generate(
			key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1), 0));
		break;
	case ODD_RSA:
		ok(gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, 2048, 0));
		break;
	case ODD_ED25519:
		ok(gnutls_x509_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519, 256, 0));
		break;
	}
	return key;
}

static gnutls_x509_crt_t make_cert(
	gnutls_x509_privkey_t key, const char *name, int64_t from, int64_t to)
{
	static unsigned char serial = 0;
	gnutls_x509_crt_t cert;
	ok(gnutls_x509_crt_init(&cert));
	ok(gnutls_x509_crt_set_version(cert, 3));
	serial++;
	unsigned char number[2] = {1, serial};
	ok(gnutls_x509_crt_set_serial(cert, number, sizeof(number)));
	ok(gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, "GoDoxy", 6));
	ok(gnutls_x509_crt_set_dn_by_oid(
		cert, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name)));
	ok(gnutls_x509_crt_set_activation_time(cert, from ? from : time(NULL) - 86400));
	ok(gnutls_x509_crt_set_expiration_time(cert, to ? to : YEAR_3026));
	ok(gnutls_x509_crt_set_key(cert, key));
	return cert;
}

static char *text_of(gnutls_datum_t pem)
{
	char *text = strndup((const char *)pem.data, pem.size);
	gnutls_free(pem.data);
	assert(text);
	return text;
}

static char *pem_of(gnutls_x509_crt_t cert)
{
	gnutls_datum_t pem;
	ok(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem));
	return text_of(pem);
}

static char *pem_of_key(gnutls_x509_privkey_t key)
{
	gnutls_datum_t pem;
	ok(gnutls_x509_privkey_export2_pkcs8(
		key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem));
	return text_of(pem);
}

struct gds_identity *odd_ca(const char *name, int64_t not_after)
{
	gnutls_x509_privkey_t key = make_key(ODD_P256);
	gnutls_x509_crt_t cert = make_cert(key, name ? name : "godoxy.agent",
		not_after ? not_after - 86400 * 30 : 0, not_after);
	ok(gnutls_x509_crt_set_basic_constraints(cert, 1, 0));
	ok(gnutls_x509_crt_set_key_usage(cert, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
	ok(gnutls_x509_crt_sign2(cert, cert, key, GNUTLS_DIG_SHA256, 0));
	struct gds_identity *id = calloc(1, sizeof(*id));
	assert(id);
	id->ca = pem_of(cert);
	id->ca_key = pem_of_key(key);
	gnutls_x509_crt_deinit(cert);
	gnutls_x509_privkey_deinit(key);
	return id;
}

static void set_purpose(gnutls_x509_crt_t cert, enum gds_leaf role, const struct odd_leaf *o)
{
	bool server = (role == GDS_LEAF_SERVER) != o->other_eku;
	if (o->no_eku) {
		return;
	}
	if (server || o->both_eku) {
		ok(gnutls_x509_crt_set_key_purpose_oid(cert, GNUTLS_KP_TLS_WWW_SERVER, 0));
	}
	if (!server || o->both_eku) {
		ok(gnutls_x509_crt_set_key_purpose_oid(cert, GNUTLS_KP_TLS_WWW_CLIENT, 0));
	}
}

struct gds_identity *odd_leaf(
	const struct gds_identity *ca, enum gds_leaf role, const struct odd_leaf *o)
{
	static const struct odd_leaf plain;
	o = o ? o : &plain;
	gnutls_x509_crt_t ca_cert;
	gnutls_x509_privkey_t ca_key;
	gnutls_datum_t text = {(unsigned char *)ca->ca, (unsigned)strlen(ca->ca)};
	ok(gnutls_x509_crt_init(&ca_cert));
	ok(gnutls_x509_crt_import(ca_cert, &text, GNUTLS_X509_FMT_PEM));
	text = (gnutls_datum_t){(unsigned char *)ca->ca_key, (unsigned)strlen(ca->ca_key)};
	ok(gnutls_x509_privkey_init(&ca_key));
	ok(gnutls_x509_privkey_import(ca_key, &text, GNUTLS_X509_FMT_PEM));
	gnutls_x509_privkey_t key = make_key(o->key);
	gnutls_x509_crt_t cert = make_cert(key, "godoxy.agent", o->not_before, o->not_after);
	if (!o->no_san) {
		const char *san = o->wrong_san ? "example.org" : "godoxy.agent";
		ok(gnutls_x509_crt_set_subject_alt_name(
			cert, GNUTLS_SAN_DNSNAME, san, (unsigned)strlen(san), GNUTLS_FSAN_SET));
	}
	ok(gnutls_x509_crt_set_key_usage(cert, GNUTLS_KEY_DIGITAL_SIGNATURE));
	set_purpose(cert, role, o);
	ok(gnutls_x509_crt_sign2(cert, ca_cert, ca_key, GNUTLS_DIG_SHA256, 0));
	struct gds_identity *id = calloc(1, sizeof(*id));
	assert(id);
	id->ca = strdup(ca->ca);
	id->cert = pem_of(cert);
	id->key = pem_of_key(key);
	gnutls_x509_crt_deinit(cert);
	gnutls_x509_crt_deinit(ca_cert);
	gnutls_x509_privkey_deinit(key);
	gnutls_x509_privkey_deinit(ca_key);
	return id;
}

void odd_free(struct gds_identity *id)
{
	if (id) {
		free(id->ca);
		free(id->ca_key);
		free(id->cert);
		free(id->key);
		free(id->source);
		free(id);
	}
}
