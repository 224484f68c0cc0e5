/* SPDX-License-Identifier: MIT */
/* The one rule of what makes a peer's certificate acceptable (TLS-03, TLS-04, UDP-02). */
#include "tls/trust.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/** Go's only wildcard takes the place of the first label (docs/godoxy-facts.md section 4). */
#define WILDCARD_NAME "*.agent"

static unsigned judge_dates(gnutls_x509_crt_t cert, int64_t now)
{
	/* time_t has 64 bits here; the year 3026 is a date like any other (CERT-02). */
	unsigned flags = 0;
	if (now > (int64_t)gnutls_x509_crt_get_expiration_time(cert)) {
		flags |= GDS_VERIFY_EXPIRED;
	}
	if (now < (int64_t)gnutls_x509_crt_get_activation_time(cert)) {
		flags |= GDS_VERIFY_NOT_YET;
	}
	return flags;
}

static void read_dns_names(gnutls_x509_crt_t cert, bool *any, bool *wildcard)
{
	*any = *wildcard = false;
	for (unsigned i = 0;; i++) {
		char name[256];
		size_t size = sizeof(name);
		int type = gnutls_x509_crt_get_subject_alt_name(cert, i, name, &size, NULL);
		if (type == GNUTLS_SAN_DNSNAME) {
			*any = true;
			*wildcard |= size == strlen(WILDCARD_NAME) &&
				     strncasecmp(name, WILDCARD_NAME, size) == 0;
		} else if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER) {
			/* One that does not fit is no name of an agent: on to the next. */
			return;
		}
	}
}

/* GnuTLS takes a CN for a name when there is no SAN, and no wildcard right below a top-level
 * domain; Go, and so GoDoxy, does it the other way round. */
static unsigned judge_name(gnutls_x509_crt_t leaf)
{
	bool any, wildcard;
	unsigned flags = 0;
	read_dns_names(leaf, &any, &wildcard);
	if (!any) {
		flags |= GDS_VERIFY_NO_SAN;
	}
	if (!wildcard && !gnutls_x509_crt_check_hostname2(leaf, GDS_AGENT_NAME, 0)) {
		flags |= GDS_VERIFY_NAME;
	}
	return flags;
}

/* Go does not even parse one (docs/godoxy-facts.md section 4). */
static bool has_negative_serial(gnutls_x509_crt_t cert)
{
	unsigned char serial[64];
	size_t size = sizeof(serial);
	return gnutls_x509_crt_get_serial(cert, serial, &size) == 0 && size > 0 &&
	       (serial[0] & 0x80);
}

/* GnuTLS lets a trust anchor sign that does not say whether it is a CA; Go, one of version 1 only.
 */
static bool may_sign(gnutls_x509_crt_t issuer)
{
	unsigned usage = 0;
	if (gnutls_x509_crt_get_key_usage(issuer, &usage, NULL) >= 0 &&
		!(usage & GNUTLS_KEY_KEY_CERT_SIGN)) {
		return false;
	}
	return gnutls_x509_crt_get_version(issuer) < 3 ||
	       gnutls_x509_crt_get_ca_status(issuer, NULL) > 0;
}

static gnutls_x509_crt_t issuer_in(gnutls_x509_crt_t *chain, unsigned n, gnutls_x509_crt_t cert)
{
	for (unsigned i = 1; i < n; i++) {
		if (chain[i] != cert && gnutls_x509_crt_check_issuer(cert, chain[i])) {
			return chain[i];
		}
	}
	return NULL;
}

/* The path from the leaf up to a trust anchor. What else a peer sends is no part of it, and
 * neither helps nor harms (as in Go). */
static unsigned judge_path(
	gnutls_x509_trust_list_t list, gnutls_x509_crt_t *chain, unsigned n, int64_t now)
{
	gnutls_x509_crt_t cert = chain[0], issuer = NULL;
	unsigned flags = judge_dates(cert, now);
	bool anchored = false;
	for (unsigned step = 0; step < n && !anchored; step++) {
		anchored = gnutls_x509_trust_list_get_issuer(list, cert, &issuer, 0) == 0;
		issuer = anchored ? issuer : issuer_in(chain, n, cert);
		if (!issuer) {
			break; /* GnuTLS has said so: the signer is unknown */
		}
		flags |= judge_dates(issuer, now) | (may_sign(issuer) ? 0 : GDS_VERIFY_SIGNER);
		cert = issuer;
	}
	return flags;
}

static unsigned judge_status(unsigned status)
{
	static const struct {
		unsigned status, flag;
	} map[] = {
		/* Every GoDoxy CA has the same name, so a certificate of another one shows as a
		 * signature that does not match the CA of ours. Go calls both unknown_ca. */
		{GNUTLS_CERT_SIGNER_NOT_FOUND, GDS_VERIFY_SIGNER},
		{GNUTLS_CERT_SIGNATURE_FAILURE, GDS_VERIFY_SIGNER},
		{GNUTLS_CERT_SIGNER_NOT_CA, GDS_VERIFY_SIGNER},
		{GNUTLS_CERT_INSECURE_ALGORITHM, GDS_VERIFY_SIGNATURE},
		{GNUTLS_CERT_PURPOSE_MISMATCH, GDS_VERIFY_PURPOSE},
		{GNUTLS_CERT_REVOKED, GDS_VERIFY_REVOKED},
	};
	unsigned flags = 0;
	unsigned known = GNUTLS_CERT_INVALID;
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		known |= map[i].status;
		if (status & map[i].status) {
			flags |= map[i].flag;
		}
	}
	if ((status & ~known) || (status && !flags)) {
		flags |= GDS_VERIFY_OTHER;
	}
	return flags;
}

int gds_chain_judge(gnutls_x509_trust_list_t list, gnutls_x509_crt_t *chain, unsigned n,
	enum gds_leaf role, int64_t now, unsigned *flags)
{
	const char *purpose =
		role == GDS_LEAF_SERVER ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st data = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)(uintptr_t)purpose};
	unsigned status = 0;
	errno = 0;
	/* Dates are judged below, by the caller's clock. */
	int ret = gnutls_x509_trust_list_verify_crt2(
		list, chain, n, &data, 1, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status, NULL);
	if (ret == GNUTLS_E_MEMORY_ERROR || errno == ENOMEM) {
		return GDS_E_NOMEM;
	}
	unsigned found = ret < 0 ? GDS_VERIFY_OTHER : judge_status(status);
	found |= judge_path(list, chain, n, now);
	for (unsigned i = 0; i < n; i++) {
		found |= has_negative_serial(chain[i]) ? GDS_VERIFY_OTHER : 0;
	}
	if (!gnutls_x509_crt_check_key_purpose(chain[0], purpose, 0)) {
		found |= GDS_VERIFY_PURPOSE;
	}
	if (role == GDS_LEAF_SERVER) {
		found |= judge_name(chain[0]);
	}
	if (errno == ENOMEM) {
		/* Any of these may have said "no" for want of memory. */
		return GDS_E_NOMEM;
	}
	*flags = found;
	return GDS_OK;
}
