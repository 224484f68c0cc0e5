/* SPDX-License-Identifier: MIT */
/* The one rule of what makes a peer's certificate acceptable (TLS-03, TLS-04, UDP-02). */
#include "tls/trust.h"

#include <errno.h>

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

static bool has_dns_name(gnutls_x509_crt_t cert)
{
	for (unsigned i = 0;; i++) {
		char name[256];
		size_t size = sizeof(name);
		int type = gnutls_x509_crt_get_subject_alt_name(cert, i, name, &size, NULL);
		if (type == GNUTLS_SAN_DNSNAME) {
			return true;
		}
		/* One that does not fit is no name of an agent: on to the next. */
		if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER) {
			return false;
		}
	}
}

/* GnuTLS takes a CN for a name when there is no SAN; Go, and so GoDoxy, does not. */
static unsigned judge_name(gnutls_x509_crt_t leaf)
{
	unsigned flags = 0;
	if (!has_dns_name(leaf)) {
		flags |= GDS_VERIFY_NO_SAN;
	}
	if (!gnutls_x509_crt_check_hostname2(leaf, GDS_AGENT_NAME, 0)) {
		flags |= GDS_VERIFY_NAME;
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
	for (unsigned i = 0; i < n; i++) {
		found |= judge_dates(chain[i], now);
	}
	gnutls_x509_crt_t issuer = NULL;
	if (gnutls_x509_trust_list_get_issuer(list, chain[n - 1], &issuer, 0) == 0) {
		found |= judge_dates(issuer, now);
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
