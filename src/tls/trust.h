/* SPDX-License-Identifier: MIT */
/** Inside tls/ only: what a trust has parsed once for all its sessions. */
#ifndef GDS_TLS_TRUST_H
#define GDS_TLS_TRUST_H

#include <gdstream/session.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

/** The name in every certificate of an agent, and the SNI that GoDoxy sends (TLS-04, CERT-01). */
#define GDS_AGENT_NAME "godoxy.agent"

/** Index of the default priorities of a trust: TLS by gds_versions, then DTLS. */
#define GDS_PRIORITY_DTLS (GDS_TLS_13 + 1)
#define GDS_PRIORITIES (GDS_PRIORITY_DTLS + 1)

struct gds_trust {
	unsigned references; /* atomic */
	enum gds_role role;
	gnutls_certificate_credentials_t credentials;
	gnutls_x509_trust_list_t list; /* borrowed from credentials */
	gnutls_priority_t priorities[GDS_PRIORITIES];
	char *ca_pem, *own_pem; /* certificates only, never a key */
	struct gds_certificate ca, own;
};

/**
 * Judge a chain, leaf first, as a peer in that role (TLS-03, TLS-04, UDP-02).
 * \param now wall [s]; \param flags out: gds_verify_flag bits, 0 = acceptable.
 * \return GDS_OK, GDS_E_NOMEM (then nothing is said about the certificate).
 */
int gds_chain_judge(gnutls_x509_trust_list_t list, gnutls_x509_crt_t *chain, unsigned n,
	enum gds_leaf role, int64_t now, unsigned *flags);

#endif
