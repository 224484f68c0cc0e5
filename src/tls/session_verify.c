/* SPDX-License-Identifier: MIT */
/* The verify callback of both roles (TLS-03, TLS-04, UDP-02). */
#include "tls/session_private.h"

/** Certificates of one chain that are looked at: GoDoxy's have one. */
#define CHAIN_MAX 8

static int read_peer(struct gds_session *s, gnutls_x509_crt_t leaf)
{
	gnutls_datum_t pem = {0};
	int ret = gnutls_x509_crt_export2(leaf, GNUTLS_X509_FMT_PEM, &pem);
	if (ret < 0) {
		return ret;
	}
	int status = gds_certificate_read(&s->facts.peer, (const char *)pem.data);
	gnutls_free(pem.data);
	return status == GDS_E_NOMEM ? GNUTLS_E_MEMORY_ERROR : 0;
}

static int judge_peer(struct gds_session *s, const gnutls_datum_t *raw, unsigned n)
{
	gnutls_x509_crt_t chain[CHAIN_MAX];
	unsigned have = 0;
	int ret = 0;
	n = n > CHAIN_MAX ? CHAIN_MAX : n;
	for (; have < n; have++) {
		ret = gnutls_x509_crt_init(&chain[have]);
		if (ret < 0) {
			goto out;
		}
		ret = gnutls_x509_crt_import(chain[have], &raw[have], GNUTLS_X509_FMT_DER);
		if (ret < 0) {
			have++; /* that one is initialised too */
			goto out;
		}
	}
	ret = read_peer(s, chain[0]);
	if (ret < 0 || !s->trust) {
		goto out;
	}
	const struct gds_env *env = s->carrier.env;
	enum gds_leaf leaf = s->role == GDS_CLIENT ? GDS_LEAF_SERVER : GDS_LEAF_CLIENT;
	int status = gds_chain_judge(
		s->trust->list, chain, n, leaf, env->wall(env->ctx) / GDS_SECOND, &s->facts.verify);
	s->facts.verify = (s->facts.verify | s->blame) & ~s->forgive;
	ret = status == GDS_E_NOMEM ? GNUTLS_E_MEMORY_ERROR : 0;
out:
	while (have > 0) {
		gnutls_x509_crt_deinit(chain[--have]);
	}
	return ret;
}

int gds_session_verify(gnutls_session_t tls)
{
	return gds_session_judge(gnutls_session_get_ptr(tls));
}

int gds_session_judge(struct gds_session *s)
{
	gds_time start = gds_session_now(s);
	unsigned n = 0;
	const gnutls_datum_t *raw = gnutls_certificate_get_peers(s->tls, &n);
	int ret = 0;
	if (raw && n > 0) {
		ret = judge_peer(s, raw, n);
		s->facts.verified = gds_session_now(s);
		s->facts.verifying = s->facts.verified - start;
		if (ret == GNUTLS_E_MEMORY_ERROR) {
			s->no_memory = true;
		} else if (ret < 0) {
			s->facts.verify |= GDS_VERIFY_OTHER;
		}
	} else if (!s->optional_client_cert || s->role == GDS_CLIENT) {
		return GNUTLS_E_NO_CERTIFICATE_FOUND;
	}
	/* Any other value than 0 gives CERTIFICATE_ERROR, and no alert: that is sent by
	 * gds_session_refuse. */
	return ret < 0 || s->facts.verify != 0 ? -1 : 0;
}
