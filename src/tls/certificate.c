/* SPDX-License-Identifier: MIT */
/* What a certificate says, and what a peer would say to it. */
#include "tls/identity_private.h"
#include "tls/trust.h"

#include <stdio.h>
#include <string.h>

/** Append, unprintable bytes as \xHH: a certificate is a stranger's text, and ends on terminals. */
static void append(char *out, size_t size, const unsigned char *data, size_t n)
{
	size_t at = strlen(out);
	for (size_t i = 0; i < n; i++) {
		char escaped[5] = {(char)data[i]};
		if (data[i] < 0x20 || data[i] > 0x7e) {
			snprintf(escaped, sizeof(escaped), "\\x%02x", data[i]);
		}
		size_t length = strlen(escaped);
		if (at + length >= size) {
			return;
		}
		memcpy(out + at, escaped, length + 1);
		at += length;
	}
}

static void to_hex(char *out, size_t size, const unsigned char *data, size_t n)
{
	for (size_t i = 0; i < n && 2 * i + 2 < size; i++) {
		snprintf(out + 2 * i, 3, "%02x", data[i]);
	}
}

static void read_name(char *out, size_t size, gnutls_x509_crt_t cert,
	int (*get)(gnutls_x509_crt_t, gnutls_datum_t *, unsigned))
{
	gnutls_datum_t name = {0};
	if (get(cert, &name, 0) >= 0) {
		append(out, size, name.data, name.size);
		gnutls_free(name.data);
	}
}

static void read_names(struct gds_certificate *out, gnutls_x509_crt_t cert)
{
	for (unsigned i = 0;; i++) {
		/* 253 bytes is the longest name of DNS; a longer one is shown as cut. */
		unsigned char name[256];
		size_t size = sizeof(name);
		int type = gnutls_x509_crt_get_subject_alt_name(cert, i, name, &size, NULL);
		if (type == GNUTLS_E_SHORT_MEMORY_BUFFER) {
			out->has_san = true;
			continue;
		}
		if (type < 0) {
			return;
		}
		out->has_san = true;
		if (type == GNUTLS_SAN_DNSNAME) {
			const unsigned char comma[] = ", ";
			append(out->names, sizeof(out->names), comma, out->names[0] ? 2 : 0);
			append(out->names, sizeof(out->names), name, size);
		}
	}
}

static void name_key(char out[static 32], int algorithm, unsigned bits, gnutls_ecc_curve_t curve)
{
	const char *name = NULL;
	switch (algorithm) {
	case GNUTLS_PK_RSA:
	case GNUTLS_PK_RSA_PSS:
		snprintf(out, 32, "RSA-%u", bits);
		return;
	case GNUTLS_PK_ECDSA:
		if (curve == GNUTLS_ECC_CURVE_SECP256R1 || curve == GNUTLS_ECC_CURVE_SECP384R1 ||
			curve == GNUTLS_ECC_CURVE_SECP521R1) {
			snprintf(out, 32, "ECDSA P-%u", bits);
			return;
		}
		name = gnutls_ecc_curve_get_name(curve);
		snprintf(out, 32, "ECDSA %s", name ? name : "unknown curve");
		return;
	case GNUTLS_PK_EDDSA_ED25519:
		snprintf(out, 32, "Ed25519");
		return;
	default:
		name = gnutls_pk_algorithm_get_name((gnutls_pk_algorithm_t)algorithm);
		snprintf(out, 32, "%s", name ? name : "unknown");
	}
}

static void read_key(struct gds_certificate *out, gnutls_x509_crt_t cert)
{
	unsigned bits = 0;
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
	int algorithm = gnutls_x509_crt_get_pk_algorithm(cert, &bits);
	if (algorithm == GNUTLS_PK_ECDSA) {
		gnutls_x509_crt_get_pk_ecc_raw(cert, &curve, NULL, NULL);
	}
	out->rsa = algorithm == GNUTLS_PK_RSA || algorithm == GNUTLS_PK_RSA_PSS;
	name_key(out->key, algorithm, bits, curve);
}

int gds_key_read(char type[static 32], const char *pem)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_datum_t datum = gds_datum_of(pem);
	int ret = gnutls_x509_privkey_init(&key);
	if (ret >= 0) {
		ret = gnutls_x509_privkey_import2(key, &datum, GNUTLS_X509_FMT_PEM, NULL, 0);
	}
	if (ret >= 0) {
		unsigned bits = 0;
		gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
		int algorithm = gnutls_x509_privkey_get_pk_algorithm2(key, &bits);
		if (algorithm == GNUTLS_PK_ECDSA) {
			gnutls_x509_privkey_export_ecc_raw(key, &curve, NULL, NULL, NULL);
		}
		name_key(type, algorithm, bits, curve);
	}
	gnutls_x509_privkey_deinit(key);
	return ret < 0 ? GDS_E_FORMAT : GDS_OK;
}

static void read_usage(struct gds_certificate *out, gnutls_x509_crt_t cert)
{
	unsigned usage = 0;
	/* Without the extension every usage is allowed (RFC 5280 section 4.2.1.3). */
	bool any = gnutls_x509_crt_get_key_usage(cert, &usage, NULL) < 0;
	out->digital_signature = any || (usage & GNUTLS_KEY_DIGITAL_SIGNATURE);
	out->cert_sign = any || (usage & GNUTLS_KEY_KEY_CERT_SIGN);
	out->is_ca = gnutls_x509_crt_get_ca_status(cert, NULL) > 0;
	out->server_auth =
		gnutls_x509_crt_check_key_purpose(cert, GNUTLS_KP_TLS_WWW_SERVER, 0) != 0;
	out->client_auth =
		gnutls_x509_crt_check_key_purpose(cert, GNUTLS_KP_TLS_WWW_CLIENT, 0) != 0;
}

int gds_certificate_read(struct gds_certificate *out, const char *pem)
{
	*out = (struct gds_certificate){0};
	gnutls_x509_crt_t cert = NULL;
	gnutls_datum_t datum = gds_datum_of(pem);
	if (gnutls_x509_crt_init(&cert) < 0) {
		return GDS_E_FORMAT;
	}
	if (gnutls_x509_crt_import(cert, &datum, GNUTLS_X509_FMT_PEM) < 0) {
		gnutls_x509_crt_deinit(cert);
		return GDS_E_FORMAT;
	}
	out->present = true;
	read_name(out->subject, sizeof(out->subject), cert, gnutls_x509_crt_get_dn3);
	read_name(out->issuer, sizeof(out->issuer), cert, gnutls_x509_crt_get_issuer_dn3);
	read_key(out, cert);
	read_names(out, cert);
	read_usage(out, cert);
	out->not_before = (int64_t)gnutls_x509_crt_get_activation_time(cert);
	out->not_after = (int64_t)gnutls_x509_crt_get_expiration_time(cert);
	unsigned char bytes[64];
	size_t size = sizeof(bytes);
	if (gnutls_x509_crt_get_serial(cert, bytes, &size) >= 0) {
		/* A zero in front only says that the number is positive. */
		size_t sign = size > 1 && bytes[0] == 0 ? 1 : 0;
		to_hex(out->serial, sizeof(out->serial), bytes + sign, size - sign);
	}
	size = sizeof(bytes);
	if (gnutls_x509_crt_get_fingerprint(cert, GNUTLS_DIG_SHA256, bytes, &size) >= 0) {
		to_hex(out->fingerprint, sizeof(out->fingerprint), bytes, size);
	}
	gnutls_x509_crt_deinit(cert);
	return GDS_OK;
}

unsigned gds_certificate_judge(const char *pem, const char *ca_pem, enum gds_leaf role, int64_t now)
{
	gnutls_x509_trust_list_t list = NULL;
	gnutls_x509_crt_t *chain = NULL;
	unsigned n = 0;
	/* What cannot be parsed, or judged for want of memory, is not acceptable. */
	unsigned flags = GDS_VERIFY_OTHER;
	gnutls_datum_t leaf = gds_datum_of(pem), ca = gds_datum_of(ca_pem);
	if (gnutls_x509_trust_list_init(&list, 0) >= 0 &&
		gnutls_x509_trust_list_add_trust_mem(list, &ca, NULL, GNUTLS_X509_FMT_PEM, 0, 0) >
			0 &&
		gnutls_x509_crt_list_import2(&chain, &n, &leaf, GNUTLS_X509_FMT_PEM, 0) >= 0 &&
		gds_chain_judge(list, chain, n, role, now, &flags) != GDS_OK) {
		flags = GDS_VERIFY_OTHER;
	}
	for (unsigned i = 0; i < n; i++) {
		gnutls_x509_crt_deinit(chain[i]);
	}
	gnutls_free(chain);
	if (list) {
		gnutls_x509_trust_list_deinit(list, 1);
	}
	return flags;
}

/* Days to civil date for any 64-bit count, by eras of 400 years: gmtime_r may refuse a far one. */
const char *gds_date_format(int64_t seconds, char text[static 40])
{
	int64_t second = seconds % 86400, days = seconds / 86400;
	if (second < 0) {
		second += 86400;
		days--;
	}
	days += 719468; /* from 0000-03-01, so that a leap day ends its year */
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day = days - era * 146097;
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t rest = day - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * rest + 2) / 153;
	snprintf(text, 40, "%04lld-%02d-%02d %02d:%02d:%02d UTC",
		(long long)(year + era * 400 + (month >= 10)),
		(int)(month < 10 ? month + 3 : month - 9), (int)(rest - (153 * month + 2) / 5 + 1),
		(int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60));
	return text;
}
