/* SPDX-License-Identifier: MIT */
/* Faults of a session's own: versions, suites, ALPN, what is asked of the client. */
#include "server/faults_pass.h"

#define TLS_NONE "NONE:+COMP-NULL:+CTYPE-X509:+SIGN-ALL:+ECDHE-ECDSA:+GROUP-ALL:+MAC-ALL"
#define DTLS_NONE "NONE:+COMP-NULL:+CTYPE-X509:+SIGN-ALL:+ECDHE-ECDSA:+AEAD:+VERS-DTLS1.2"
#define DTLS_GROUPS ":+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1"

static const char *const priorities[GDS_FAULT_PRIORITIES] = {
	[GDS_FAULT_TLS_11] = TLS_NONE ":+VERS-TLS1.1:+AES-128-CBC:+AES-256-CBC",
	[GDS_FAULT_TLS_SUITE] = TLS_NONE ":+VERS-TLS1.2:+AES-128-CBC:+AES-256-CBC",
	[GDS_FAULT_TLS_GROUP] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-FFDHE2048",
	[GDS_FAULT_DTLS_NO_EMS] = DTLS_NONE DTLS_GROUPS ":+AES-128-GCM:%NO_SESSION_HASH",
	[GDS_FAULT_DTLS_SUITE] = DTLS_NONE DTLS_GROUPS ":+AES-256-GCM",
	[GDS_FAULT_DTLS_GROUP] = DTLS_NONE ":+GROUP-SECP521R1:+AES-128-GCM",
	[GDS_FAULT_DTLS_10] = TLS_NONE ":+VERS-DTLS1.0:+AES-128-CBC:+AES-256-CBC",
};

static const char *const protocols[GDS_FAULT_ALPNS] = {
	[GDS_FAULT_ALPN_HTTP] = "http/1.1",
	[GDS_FAULT_ALPN_STREAM] = GDS_ALPN,
	[GDS_FAULT_ALPN_OTHER] = "none-that-you-know/1",
};

void gds_fault_profile(void *ctx, struct gds_profile *p)
{
	struct gds_connection *c = ctx;
	const struct gds_faults *f = &c->worker->server->faults;
	p->priority = priorities[p->transport == GDS_UDP ? f->dtls : f->tls];
	p->forgive = f->forgive;
	p->blame = f->blame;
	p->without_ems = f->session & GDS_FAULT_NO_EMS;
	p->asks_no_cert = f->session & GDS_FAULT_CERT_NOT_ASKED;
	if (f->alpn) {
		p->alpn[0] = protocols[f->alpn];
		p->alpn[1] = NULL;
	}
	if ((f->session & GDS_FAULT_ENDLESS) && p->transport == GDS_TCP) {
		p->deadline = GDS_NEVER;
	}
}

/* Whatever was selected over TCP, HTTP is spoken. */
bool gds_fault_is_stream(void *ctx, enum gds_transport transport, bool stream)
{
	(void)ctx;
	return stream && transport == GDS_UDP;
}
