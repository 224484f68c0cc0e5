/* SPDX-License-Identifier: MIT */
/** The server's side of one connection: handshake, ALPN, header, dial, tunnel. */
#ifndef GDSTREAM_SERVE_H
#define GDSTREAM_SERVE_H

#include <gdstream/acceptor.h>
#include <gdstream/api.h>
#include <gdstream/machine.h>
#include <gdstream/session.h>
#include <gdstream/tunnel.h>

GDS_BEGIN_DECLS

/** TCP-04 */
#define GDS_DIAL_LIMIT (10 * GDS_SECOND)
/** TLS-07: the TLS handshake's limit. */
#define GDS_HANDSHAKE_LIMIT (10 * GDS_SECOND)
/** UDP-12: a session over which nothing passed for this long is reaped. */
#define GDS_UDP_IDLE (300 * GDS_SECOND)

struct gds_request {
	enum gds_transport transport;
	struct gds_address peer;
	struct gds_header header;
	struct gds_error why;	       /* of a refusal */
	const struct gds_facts *facts; /* NULL once the session is gone */
};

struct gds_serve_report;

/**
 * Decisions of a server: the default is right; faults replace members (DESIGN: principle 5). NULL
 * members = default.
 */
struct gds_serve_ops {
	/** Change what the session is made with. */
	void (*profile)(void *ctx, struct gds_profile *);
	/** The session stands, and is the stream's or, over TCP, HTTP's. \return whose it is to be.
	 */
	bool (*is_stream)(void *ctx, enum gds_transport, bool stream);
	/**
	 * The header, which may be changed, and its verdict. \return the verdict to go by.
	 */
	enum gds_verdict (*judge)(void *ctx, enum gds_verdict, struct gds_request *);
	/** \return a destination of the server's own in place of a dial, NULL to dial. */
	struct gds_carrier *(*destination)(void *ctx, enum gds_transport);
	bool (*may_dial)(void *ctx, const struct gds_address *);
	/**
	 * The destination, or the HTTP side, stands: \return a carrier over it, which owns it, or
	 * itself.
	 */
	struct gds_carrier *(*reached)(
		void *ctx, const struct gds_serve_report *, struct gds_carrier *destination);
	/**
	 * \return a carrier over the session, which it owns; the session itself when nothing is
	 * wrapped.
	 */
	struct gds_carrier *(*wrap)(void *ctx, enum gds_transport, struct gds_carrier *session);
	/** CLEAN: close_notify, FIN. SILENT: FIN alone. RESET: a reset. */
	enum gds_close (*ending)(void *ctx, const struct gds_error *why);
	/**
	 * The session stands over the carrier at the bottom: the demultiplexer replaces an older
	 * one of the same address now (UDP-13).
	 */
	void (*established)(void *ctx, struct gds_carrier *below);
	/** One call for each connection, as soon as its outcome is known: for log and metrics. */
	void (*ended)(void *ctx, const struct gds_serve_report *);
};

struct gds_serve_options {
	struct gds_trust *trust; /* a reference is taken; role server */
	enum gds_transport transport;
	struct gds_address peer;
	const struct gds_prestate *prestate; /* UDP; borrowed for the call */
	bool optional_client_cert;
	enum gds_versions versions;
	/* answer http/1.1 and no ALPN by HANDOFF; false: alert 120, and without ALPN an end */
	bool http;
	gds_time handshake_limit, header_limit, dial_limit; /* [ns]; 0 = the protocol's */
	gds_time idle; /* [ns] of a UDP session; 0 = 5 min (UDP-12); GDS_NEVER = none */
	struct gds_scratch *scratch;
	const struct gds_serve_ops *ops; /* may be NULL */
	void *ctx;
	const struct gds_env *env;
};

enum gds_serve_kind {
	GDS_SERVED_NOTHING,   /* it ended before a header was judged: why.stage says where */
	GDS_SERVED_HEALTH,    /* a health check (HC-01) */
	GDS_SERVED_TUNNEL,    /* a tunnel that was open */
	GDS_SERVED_HTTP,      /* handed off to the HTTP side */
	GDS_SERVED_REFUSED,   /* the header was refused */
	GDS_SERVED_UNREACHED, /* the header was good, the destination could not be dialled */
};

struct gds_serve_report {
	enum gds_serve_kind kind;
	struct gds_request request;
	struct gds_error why; /* GDS_OK = ended in order */
	struct gds_tunnel_report tunnel;
	gds_time start, duration;
};

/** \param below owned from success on. \return NULL without memory. */
struct gds_machine *gds_serve_new(struct gds_carrier *below, const struct gds_serve_options *);
/**
 * Over a session that already stands: the header comes next. Of the options those of the handshake
 * do not matter. \param session owned, with its carrier, from success on. \return NULL without
 * memory.
 */
struct gds_machine *gds_serve_adopt(struct gds_session *session, const struct gds_serve_options *);

GDS_END_DECLS

#endif
