/* SPDX-License-Identifier: MIT */
/* Certificates as the GoDoxy agent makes them (CERT-01, CERT-02; docs/godoxy-facts.md section 8).
 */
#include "tls/identity_private.h"

#include <gdstream/env.h>
#include <gdstream/header.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Static_assert(sizeof(time_t) == 8, "certificates run to the year 3026 (CERT-02)");

#define YEARS 1000
#define LAST_SECOND INT64_C(253402300799) /* of the year 9999, the last a certificate can name */
#define P256_SIZE 32			  /* [bytes] of a private number */
#define SERIAL_SIZE 16			  /* [bytes] random */

/** What is being made; all released by release(). */
struct making {
	gnutls_x509_crt_t cert;
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t ca;
	gnutls_x509_privkey_t ca_key;
};

static void release(struct making *m)
{
	if (m->cert) {
		gnutls_x509_crt_deinit(m->cert);
	}
	if (m->ca) {
		gnutls_x509_crt_deinit(m->ca);
	}
	gnutls_x509_privkey_deinit(m->key);
	gnutls_x509_privkey_deinit(m->ca_key);
}

static int complain_gnutls(struct gds_complaint *complaint, int ret)
{
	return gds_complain(complaint, ret == GNUTLS_E_MEMORY_ERROR ? GDS_E_NOMEM : GDS_E_TLS,
		"the certificate cannot be made: %s", gnutls_strerror(ret));
}

/* Go's AddDate(1000, 0, 0): the same calendar date; 29 February becomes 1 March where there is
 * none. */
static int64_t add_years(int64_t seconds, int years)
{
	time_t t = (time_t)seconds;
	struct tm tm;
	gmtime_r(&t, &tm);
	tm.tm_year += years;
	return (int64_t)timegm(&tm);
}

static int choose_dates(const struct gds_generate_options *options, int64_t *from, int64_t *to,
	struct gds_complaint *complaint)
{
	const struct gds_env *env = gds_env_system();
	*from = options->valid_from ? options->valid_from : env->wall(env->ctx) / GDS_SECOND;
	if (*from < 0 || *from > LAST_SECOND) {
		return gds_complain(complaint, GDS_E_INVALID,
			"a certificate cannot begin outside of the years 1970 to 9999");
	}
	*to = options->valid_to ? options->valid_to : add_years(*from, YEARS);
	if (*to > LAST_SECOND) {
		return gds_complain(
			complaint, GDS_E_INVALID, "a certificate cannot end after the year 9999");
	}
	if (*to <= *from) {
		return gds_complain(
			complaint, GDS_E_INVALID, "a certificate cannot end before it begins");
	}
	return GDS_OK;
}

/* 128 random bits as a positive DER integer: a zero in front of a set top bit, no zero otherwise.
 */
static int set_serial(gnutls_x509_crt_t cert)
{
	uint8_t serial[1 + SERIAL_SIZE] = {0};
	int ret = gnutls_rnd(GNUTLS_RND_NONCE, serial + 1, SERIAL_SIZE);
	if (ret < 0) {
		return ret;
	}
	size_t skip = 0;
	while (skip < SERIAL_SIZE && serial[skip] == 0 && !(serial[skip + 1] & 0x80)) {
		skip++;
	}
	return gnutls_x509_crt_set_serial(cert, serial + skip, sizeof(serial) - skip);
}

static int set_name(gnutls_x509_crt_t cert, const char *unit, const char *name)
{
	const char *oids[] = {GNUTLS_OID_X520_ORGANIZATION_NAME,
		GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, GNUTLS_OID_X520_COMMON_NAME};
	const char *values[] = {"GoDoxy", unit, name ? name : GDS_SERVER_NAME};
	int ret = 0;
	for (size_t i = 0; ret >= 0 && i < sizeof(oids) / sizeof(oids[0]); i++) {
		if (values[i]) {
			ret = gnutls_x509_crt_set_dn_by_oid(
				cert, oids[i], 0, values[i], (unsigned)strlen(values[i]));
		}
	}
	return ret;
}

/** Key, serial, name, dates: what CA and leaves have in common. */
static int begin(struct making *m, bool rsa, const char *unit,
	const struct gds_generate_options *options, struct gds_complaint *complaint)
{
	int64_t from = 0, to = 0;
	int status = choose_dates(options, &from, &to, complaint);
	if (status != GDS_OK) {
		return status;
	}
	int ret = gnutls_x509_privkey_init(&m->key);
	if (ret >= 0 && rsa) {
		ret = gnutls_x509_privkey_generate(m->key, GNUTLS_PK_RSA, 2048, 0);
	} else if (ret >= 0) {
		ret = gnutls_x509_privkey_generate(m->key, GNUTLS_PK_ECDSA,
			GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	}
	if (ret >= 0) {
		ret = gnutls_x509_crt_init(&m->cert);
	}
	if (ret >= 0) {
		ret = gnutls_x509_crt_set_version(m->cert, 3);
	}
	if (ret >= 0) {
		ret = set_serial(m->cert);
	}
	if (ret >= 0) {
		ret = set_name(m->cert, unit, options->common_name);
	}
	if (ret >= 0) {
		ret = gnutls_x509_crt_set_key(m->cert, m->key);
	}
	if (ret >= 0) {
		ret = gnutls_x509_crt_set_activation_time(m->cert, (time_t)from);
	}
	if (ret >= 0) {
		ret = gnutls_x509_crt_set_expiration_time(m->cert, (time_t)to);
	}
	return ret < 0 ? complain_gnutls(complaint, ret) : GDS_OK;
}

/** RFC 7093 section 2, method 4 with the length of method 1, as Go does since 1.25. */
static int set_subject_key_id(gnutls_x509_crt_t cert)
{
	uint8_t id[32];
	size_t size = sizeof(id);
	int ret = gnutls_x509_crt_get_key_id(cert, GNUTLS_KEYID_USE_SHA256, id, &size);
	return ret < 0 ? ret : gnutls_x509_crt_set_subject_key_id(cert, id, 20);
}

#define P256_SIZE 32 /* [bytes] of a private number, and of a coordinate */

/** A number of any length, right-aligned. */
static void put_number(uint8_t out[static P256_SIZE], const gnutls_datum_t *number)
{
	size_t n = number->size;
	const uint8_t *data = number->data;
	for (; n > P256_SIZE; n--) {
		data++;
	}
	memset(out, 0, P256_SIZE - n);
	memcpy(out + P256_SIZE - n, data, n);
}

/**
 * SEC1 "EC PRIVATE KEY" as Go writes it (CERT-03; RFC 5915 section 3). GnuTLS 3.7 would write the
 * private number with 31 or 33 bytes where its top bits ask for it, and strict readers refuse such
 * a file.
 */
static int export_sec1(gnutls_x509_privkey_t key, gnutls_datum_t *pem)
{
	static const uint8_t head[] = {0x30, 0x77, 0x02, 0x01, 0x01, 0x04, P256_SIZE};
	static const uint8_t middle[] = {0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
		0x01, 0x07, 0xa1, 0x44, 0x03, 0x42, 0x00, 0x04}; /* prime256v1; a point follows */
	uint8_t der[sizeof(head) + sizeof(middle) + 3 * P256_SIZE];
	gnutls_datum_t x = {0}, y = {0}, k = {0};
	int ret = gnutls_x509_privkey_export_ecc_raw(key, NULL, &x, &y, &k);
	if (ret < 0) {
		return ret;
	}
	uint8_t *at = mempcpy(der, head, sizeof(head));
	put_number(at, &k);
	at = mempcpy(at + P256_SIZE, middle, sizeof(middle));
	put_number(at, &x);
	put_number(at + P256_SIZE, &y);
	gnutls_datum_t whole = {.data = der, .size = sizeof(der)};
	ret = gnutls_pem_base64_encode2("EC PRIVATE KEY", &whole, pem);
	gnutls_memset(der, 0, sizeof(der));
	gnutls_memset(k.data, 0, k.size);
	gnutls_free(x.data);
	gnutls_free(y.data);
	gnutls_free(k.data);
	return ret;
}

static int export_pem(struct making *m, char **cert, char **key, struct gds_complaint *complaint)
{
	gnutls_datum_t c = {0}, k = {0};
	int ret = gnutls_x509_crt_export2(m->cert, GNUTLS_X509_FMT_PEM, &c);
	if (ret >= 0) {
		ret = gnutls_x509_privkey_get_pk_algorithm(m->key) == GNUTLS_PK_ECDSA
			      ? export_sec1(m->key, &k)
			      : gnutls_x509_privkey_export2(m->key, GNUTLS_X509_FMT_PEM, &k);
	}
	if (ret >= 0) {
		*cert = strndup((char *)c.data, c.size);
		*key = strndup((char *)k.data, k.size);
		ret = *cert && *key ? 0 : GNUTLS_E_MEMORY_ERROR;
	}
	gnutls_free(c.data);
	if (k.data) {
		gnutls_memset(k.data, 0, k.size);
		gnutls_free(k.data);
	}
	return ret < 0 ? complain_gnutls(complaint, ret) : GDS_OK;
}

static struct gds_identity *new_identity(const char *ca)
{
	struct gds_identity *id = calloc(1, sizeof(*id));
	if (id) {
		id->source = strdup("a fresh certificate");
		id->ca = ca ? strdup(ca) : NULL;
	}
	if (id && (!id->source || (ca && !id->ca))) {
		gds_identity_free(id);
		id = NULL;
	}
	return id;
}

int gds_identity_generate_ca(struct gds_identity **out, const struct gds_generate_options *options,
	struct gds_complaint *complaint)
{
	struct making m = {0};
	struct gds_identity *id = new_identity(NULL);
	int status = id ? begin(&m, false, NULL, options, complaint)
			: gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	if (status == GDS_OK) {
		/* Extensions in the order in which Go writes them. */
		int ret = gnutls_x509_crt_set_key_usage(
			m.cert, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
		if (ret >= 0) {
			ret = gnutls_x509_crt_set_basic_constraints(m.cert, 1, 0);
		}
		if (ret >= 0) {
			ret = set_subject_key_id(m.cert);
		}
		if (ret >= 0) {
			ret = gnutls_x509_crt_sign2(m.cert, m.cert, m.key, GNUTLS_DIG_SHA256, 0);
		}
		status = ret < 0 ? complain_gnutls(complaint, ret)
				 : export_pem(&m, &id->ca, &id->ca_key, complaint);
	}
	release(&m);
	if (status != GDS_OK) {
		gds_identity_free(id);
		return status;
	}
	*out = id;
	return GDS_OK;
}

static int load_signer(struct making *m, const struct gds_identity *from)
{
	gnutls_datum_t ca = gds_datum_of(from->ca), key = gds_datum_of(from->ca_key);
	int ret = gnutls_x509_crt_init(&m->ca);
	if (ret >= 0) {
		ret = gnutls_x509_crt_import(m->ca, &ca, GNUTLS_X509_FMT_PEM);
	}
	if (ret >= 0) {
		ret = gnutls_x509_privkey_init(&m->ca_key);
	}
	if (ret >= 0) {
		ret = gnutls_x509_privkey_import2(m->ca_key, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
	}
	return ret;
}

/* Neither key identifier: GoDoxy's leaves have none. */
static int sign_leaf(struct making *m, enum gds_leaf leaf, const char *san)
{
	const char *purpose =
		leaf == GDS_LEAF_SERVER ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
	int ret = gnutls_x509_crt_set_key_usage(m->cert, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (ret >= 0) {
		ret = gnutls_x509_crt_set_key_purpose_oid(m->cert, purpose, 0);
	}
	san = san ? san : GDS_SERVER_NAME;
	if (ret >= 0 && san[0]) {
		ret = gnutls_x509_crt_set_subject_alt_name(
			m->cert, GNUTLS_SAN_DNSNAME, san, (unsigned)strlen(san), GNUTLS_FSAN_SET);
	}
	if (ret >= 0) {
		ret = gnutls_x509_crt_sign2(m->cert, m->ca, m->ca_key, GNUTLS_DIG_SHA256, 0);
	}
	return ret;
}

int gds_identity_generate_leaf(struct gds_identity **out, const struct gds_identity *from,
	enum gds_leaf leaf, const struct gds_generate_options *options,
	struct gds_complaint *complaint)
{
	if (!from->ca || !from->ca_key) {
		return gds_complain(complaint, GDS_E_INVALID,
			"%s has no CA key: nothing can be signed with it",
			from->source ? from->source : "the identity");
	}
	struct making m = {0};
	struct gds_identity *id = new_identity(from->ca);
	int status = id ? begin(&m, options->leaf_rsa,
				  leaf == GDS_LEAF_SERVER ? "Server" : "Client", options, complaint)
			: gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	if (status == GDS_OK) {
		int ret = load_signer(&m, from);
		if (ret >= 0) {
			ret = sign_leaf(&m, leaf, options->san);
		}
		status = ret < 0 ? complain_gnutls(complaint, ret)
				 : export_pem(&m, &id->cert, &id->key, complaint);
	}
	release(&m);
	if (status != GDS_OK) {
		gds_identity_free(id);
		return status;
	}
	*out = id;
	return GDS_OK;
}
