/* SPDX-License-Identifier: MIT */
/* A session that a program has set up itself becomes one of ours. */
#include "tls/adopt.h"
#include "tls/session_private.h"

#include <gdstream/header.h>

#include <gnutls/socket.h>

#include <string.h>

static bool is_usable(gnutls_session_t tls)
{
	gnutls_protocol_t version = gnutls_protocol_get_version(tls);
#if GNUTLS_VERSION_NUMBER >= 0x030703
	if (gnutls_transport_is_ktls_enabled(tls) != 0) {
		return false; /* its records do not pass through our functions */
	}
#endif
	return (version == GNUTLS_TLS1_2 || version == GNUTLS_TLS1_3) &&
	       gnutls_cipher_get(tls) != GNUTLS_CIPHER_NULL;
}

static int judge(struct gds_session *s)
{
	if (gds_session_judge(s) >= 0 || !s->trust) {
		return s->no_memory ? GDS_E_NOMEM : GDS_OK;
	}
	if (s->no_memory) {
		return GDS_E_NOMEM;
	}
	return s->facts.peer.present ? GDS_E_VERIFY : GDS_E_NO_CERTIFICATE;
}

static int admit(struct gds_session *s)
{
	if (!is_usable(s->tls)) {
		return GDS_E_INVALID;
	}
	gds_session_note(s);
	if (strcmp(s->facts.alpn, GDS_ALPN) != 0) {
		return GDS_E_ALPN;
	}
	return judge(s);
}

int gds_session_adopt(
	struct gds_session **out, void *tls, struct gds_carrier *below, struct gds_trust *trust)
{
	struct gds_session *s = gds_alloc(below->env, sizeof(*s));
	int status;
	if (!s) {
		return GDS_E_NOMEM;
	}
	s->carrier =
		(struct gds_carrier){.ops = &gds_session_ops, .below = below, .env = below->env};
	s->tls = tls;
	s->trust = trust ? gds_trust_ref(trust) : NULL;
	s->role = trust ? trust->role : GDS_SERVER;
	s->deadline = s->timer = GDS_NEVER;
	s->facts.started = s->facts.finished = gds_session_now(s);
	status = admit(s);
	if (status != GDS_OK) {
		s->tls = NULL; /* stays the caller's */
		gds_session_free(s);
		return status;
	}
	s->facts.established = true;
	s->more = true; /* GnuTLS may have read ahead */
	gds_session_transport_set(s);
	*out = s;
	return GDS_OK;
}

struct gds_session *gds_session_of_carrier(struct gds_carrier *c)
{
	return c && c->ops == &gds_session_ops ? (struct gds_session *)c : NULL;
}
