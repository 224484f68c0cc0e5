/* SPDX-License-Identifier: MIT */
#include "tls/trust.h"

#include "tls/identity_private.h"

#include <stdlib.h>
#include <string.h>

/* Forward secrecy and AEAD only, without the RSA key exchange that GoDoxy's ECDSA keys rule out
 * anyway; the groups and suites are those Go's crypto/tls accepts (docs/godoxy-facts.md section
 * 4). */
#define TLS_COMMON                                                                                 \
	":-RSA:-DHE-RSA:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD"   \
	":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1:%SERVER_"    \
	"PRECEDENCE"

/* UDP-01: one suite. SIGN-ALL, because ECDSA-only lists make RSA and Ed25519 client certificates
 * fail although GoDoxy accepts them (measured). */
static const char *const priority_text[GDS_PRIORITIES] = {
	[GDS_TLS_ANY] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" TLS_COMMON,
	[GDS_TLS_12] = "NORMAL:-VERS-ALL:+VERS-TLS1.2" TLS_COMMON,
	[GDS_TLS_13] = "NORMAL:-VERS-ALL:+VERS-TLS1.3" TLS_COMMON,
	[GDS_PRIORITY_DTLS] = "NONE:+VERS-DTLS1.2:+AES-128-GCM:+AEAD:+ECDHE-ECDSA:+SIGN-ALL"
			      ":+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+COMP-NULL"
			      ":+CTYPE-X509",
};

static int complain_tls(struct gds_complaint *complaint, int code, const char *what, int ret)
{
	if (ret == GNUTLS_E_MEMORY_ERROR) {
		return gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	return gds_complain(complaint, code, "%s: %s", what, gnutls_strerror(ret));
}

static int load_priorities(struct gds_trust *t, struct gds_complaint *complaint)
{
	for (size_t i = 0; i < GDS_PRIORITIES; i++) {
		const char *position = NULL;
		int ret = gnutls_priority_init(&t->priorities[i], priority_text[i], &position);
		if (ret < 0) {
			/* The text is ours: what refuses it is the system's crypto policy. */
			return complain_tls(complaint, GDS_E_TLS,
				"the system's GnuTLS policy rules out what the protocol needs",
				ret);
		}
	}
	return GDS_OK;
}

static int load_certificates(
	struct gds_trust *t, const struct gds_identity *id, struct gds_complaint *complaint)
{
	const char *source = id->source ? id->source : "identity";
	int ret = gnutls_certificate_allocate_credentials(&t->credentials);
	if (ret < 0) {
		return complain_tls(complaint, GDS_E_TLS, "GnuTLS", ret);
	}
	gnutls_datum_t ca = gds_datum_of(id->ca);
	/* The count of certificates: none is no error for GnuTLS. */
	ret = gnutls_certificate_set_x509_trust_mem(t->credentials, &ca, GNUTLS_X509_FMT_PEM);
	if (ret == 0) {
		ret = GNUTLS_E_NO_CERTIFICATE_FOUND;
	}
	if (ret < 0) {
		return gds_complain(complaint,
			ret == GNUTLS_E_MEMORY_ERROR ? GDS_E_NOMEM : GDS_E_FORMAT,
			"%s: the CA certificate cannot be used: %s", source, gnutls_strerror(ret));
	}
	gnutls_certificate_get_trust_list(t->credentials, &t->list);
	if (!id->cert) {
		return GDS_OK;
	}
	gnutls_datum_t cert = gds_datum_of(id->cert);
	gnutls_datum_t key = gds_datum_of(id->key);
	ret = gnutls_certificate_set_x509_key_mem2(
		t->credentials, &cert, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (ret < 0) {
		return gds_complain(complaint,
			ret == GNUTLS_E_MEMORY_ERROR ? GDS_E_NOMEM : GDS_E_FORMAT,
			"%s: certificate and key cannot be used together: %s", source,
			gnutls_strerror(ret));
	}
	return GDS_OK;
}

static int read_facts(
	struct gds_trust *t, const struct gds_identity *id, struct gds_complaint *complaint)
{
	t->ca_pem = strdup(id->ca);
	t->own_pem = id->cert ? strdup(id->cert) : NULL;
	if (!t->ca_pem || (id->cert && !t->own_pem)) {
		return gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	int status = gds_certificate_read(&t->ca, t->ca_pem);
	if (status == GDS_OK && t->own_pem) {
		status = gds_certificate_read(&t->own, t->own_pem);
	}
	if (status != GDS_OK) {
		return gds_complain(complaint, status, "%s: a certificate cannot be read",
			id->source ? id->source : "identity");
	}
	return GDS_OK;
}

int gds_trust_new(struct gds_trust **out, const struct gds_identity *identity, enum gds_role role,
	struct gds_complaint *complaint)
{
	if (!identity->ca) {
		return gds_complain(complaint, GDS_E_FORMAT, "there is no CA certificate");
	}
	if (!identity->cert != !identity->key) {
		return gds_complain(complaint, GDS_E_FORMAT,
			"a certificate needs its key, and a key its certificate");
	}
	if (role == GDS_SERVER && !identity->cert) {
		return gds_complain(
			complaint, GDS_E_FORMAT, "a server needs a certificate and its key");
	}
	struct gds_trust *t = calloc(1, sizeof(*t));
	if (!t) {
		return gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	t->references = 1;
	t->role = role;
	int status = load_certificates(t, identity, complaint);
	if (status == GDS_OK) {
		status = load_priorities(t, complaint);
	}
	if (status == GDS_OK) {
		status = read_facts(t, identity, complaint);
	}
	if (status != GDS_OK) {
		gds_trust_unref(t);
		return status;
	}
	*out = t;
	return GDS_OK;
}

struct gds_trust *gds_trust_ref(struct gds_trust *t)
{
	__atomic_add_fetch(&t->references, 1, __ATOMIC_RELAXED);
	return t;
}

void gds_trust_unref(struct gds_trust *t)
{
	/* Workers share a trust: the last one out must see what all others did with it. */
	if (!t || __atomic_sub_fetch(&t->references, 1, __ATOMIC_ACQ_REL) > 0) {
		return;
	}
	for (size_t i = 0; i < GDS_PRIORITIES; i++) {
		gnutls_priority_deinit(t->priorities[i]);
	}
	if (t->credentials) {
		gnutls_certificate_free_credentials(t->credentials);
	}
	free(t->ca_pem);
	free(t->own_pem);
	free(t);
}

enum gds_role gds_trust_role(const struct gds_trust *t)
{
	return t->role;
}

const struct gds_certificate *gds_trust_own(const struct gds_trust *t)
{
	return &t->own;
}

const struct gds_certificate *gds_trust_ca(const struct gds_trust *t)
{
	return &t->ca;
}

unsigned gds_trust_own_flaws(const struct gds_trust *t, int64_t now)
{
	if (!t->own_pem) {
		return 0;
	}
	return gds_certificate_judge(t->own_pem, t->ca_pem,
		t->role == GDS_SERVER ? GDS_LEAF_SERVER : GDS_LEAF_CLIENT, now);
}
