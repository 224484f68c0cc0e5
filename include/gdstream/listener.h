/* SPDX-License-Identifier: MIT */
/**
 * The simple server: it secures connections, judges headers, answers health checks, and gives the
 * program what asks for a destination. Connections come in three ways, freely mixed: from a TCP and
 * UDP socket of its own, as descriptors that the program has accepted, or as GnuTLS sessions that
 * the program has already secured (gdstream/gnutls.h).
 *
 * A listener and its incoming requests belong to one thread at a time. Nothing happens but inside
 * its calls: gds_listener_accept, _step and _close, and gds_incoming_read, _write and _shut, which
 * go on with all connections while they wait. From a foreign event loop watch
 * gds_listener_interest, and call gds_listener_accept with GDS_AT_ONCE until it gives GDS_AGAIN.
 * What gds_incoming_take gives is free of the listener and may go to another thread.
 */
#ifndef GDSTREAM_LISTENER_H
#define GDSTREAM_LISTENER_H

#include <gdstream/api.h>
#include <gdstream/serve.h>
#include <gdstream/wait.h>

GDS_BEGIN_DECLS

/** Connections, sessions and requests not yet collected that a listener has at most, unless told
 * otherwise. */
#define GDS_LISTENER_OPEN 1024

enum gds_face { GDS_FACE_TCP = 1 << 0, GDS_FACE_UDP = 1 << 1 };

struct gds_listener;
/** A connection that came to something: a request, a health check, or a refusal. */
struct gds_incoming;

/** Zeroed members are defaults. */
struct gds_listener_options {
	struct gds_trust
		*trust; /* who we are and who may come; role server; a reference is taken */
	unsigned faces; /* gds_face bits: sockets of its own, both on one port number (MUX-01); 0:
			   none */
	struct gds_address address;		/* where; family 0: 127.0.0.1; port 0: a free one */
	bool optional_client_cert;		/* TLS-12: TCP only, lets everybody in */
	enum gds_versions versions;		/* TCP */
	gds_time handshake_limit, header_limit; /* [ns]; 0: 10 s (TLS-07, TCP-03, UDP-08) */
	gds_time dial_limit; /* [ns] for the program's decision and the dial together; 0: 10 s
				(TCP-04) */
	gds_time idle;	     /* [ns] of a UDP session; 0: 5 min (UDP-12); GDS_NEVER */
	size_t max_open;     /* 0 = GDS_LISTENER_OPEN; beyond it TCP waits in the kernel, UDP is not
				answered */
	/** Called once for each connection when it has ended, whatever came of it; may be NULL. Not
	 * to call the listener. */
	void (*ended)(void *ctx, const struct gds_serve_report *);
	void *ctx;
	const struct gds_env *env; /* outlives the listener; NULL = gds_env_system() */
};

/**
 * \param out filled on GDS_OK, else NULL. \param complaint a sentence about a failure; may be NULL.
 * \return GDS_OK; GDS_E_INVALID: NULL, no trust or one of the wrong role, an unknown face;
 * GDS_E_IN_USE, GDS_E_PERMISSION, GDS_E_DESCRIPTORS, GDS_E_IO: it cannot listen there; GDS_E_NOMEM.
 * It takes 64 KiB, with UDP 0.7 MiB more.
 */
int gds_listener_new(struct gds_listener **out, const struct gds_listener_options *,
	struct gds_complaint *complaint);
/** \return where it listens, with the real port; family 0: no sockets of its own, or NULL. */
const struct gds_address *gds_listener_address(const struct gds_listener *);
/**
 * Serve a TCP connection that the program has accepted: the handshake comes next.
 * \param fd connected, nothing read from it yet; owned and made non-blocking from GDS_OK on.
 * \return GDS_OK; GDS_E_INVALID: NULL, not a descriptor, or closing; GDS_E_LIMIT: max_open is
 * reached; GDS_E_NOMEM.
 */
int gds_listener_adopt_fd(struct gds_listener *, int fd);
/**
 * Serve a session whose handshake is done: the header comes next.
 * \param carrier from gds_carrier_adopt_gnutls; owned from GDS_OK on. Who the peer is was settled
 * there. \return as gds_listener_adopt_fd; GDS_E_INVALID too when the carrier is no TLS session.
 */
int gds_listener_adopt_session(struct gds_listener *, struct gds_carrier *carrier);
/** What to wait for: one descriptor (always POLLIN), ready = go on at once, a deadline. Of NULL:
 * nothing. */
void gds_listener_interest(struct gds_listener *, struct gds_interest *out);
/** Do what can be done now. Never blocks. */
void gds_listener_step(struct gds_listener *, gds_time now);
/**
 * The next that came to something, oldest first; steps and waits until there is one.
 * \param out filled on GDS_OK, to be freed with gds_incoming_free; else NULL.
 * \return GDS_OK; GDS_E_TIMEOUT: the deadline passed (GDS_AGAIN when that was GDS_AT_ONCE);
 * GDS_E_CANCELLED: it was closed and nothing is left; GDS_E_INVALID: NULL.
 */
int gds_listener_accept(struct gds_listener *, struct gds_incoming **out, gds_time deadline);
/**
 * Stop listening, say goodbye to every session (TCP-11, UDP-16), and go on until all have ended or
 * the deadline has passed; what is left then is reset. Requests not collected yet still can be, to
 * be freed. \return GDS_OK, also when it was closed before; GDS_E_TIMEOUT: some were reset;
 * GDS_E_INVALID: NULL.
 */
int gds_listener_close(struct gds_listener *, gds_time deadline);
/** Connections are dropped silently unless it was closed before. Incoming that the program still
 * has stay valid, but dead. Accepts NULL. */
void gds_listener_free(struct gds_listener *);

/**
 * What it is: GDS_DIAL: a good header that asks for a destination, for the program to decide.
 * GDS_HEALTH: a health check, validated and already closed (HC-01: the stable code of
 * close-immediately). GDS_REFUSE: refused or failed before that, already closed; the request's why
 * says at which stage and with which stable code (GDS_E_CHECKSUM, ...). GDS_NEED_MORE: NULL.
 */
enum gds_verdict gds_incoming_verdict(const struct gds_incoming *);
/** \return transport, peer, decoded header, why of a refusal, and the session's facts while it
 * lives. Valid as long as the incoming. */
const struct gds_request *gds_incoming_request(const struct gds_incoming *);

/**
 * One of the three decisions on a GDS_DIAL: let it tunnel. The destination it asks for is looked up
 * and dialled, and bytes or datagrams pass both ways as long as the listener is stepped; the
 * incoming may be freed at once. \return GDS_OK; GDS_E_INVALID: NULL, no GDS_DIAL, or decided
 * before; GDS_E_CANCELLED: the connection has ended meanwhile (the client went, or dial_limit
 * passed).
 */
int gds_incoming_tunnel(struct gds_incoming *);
/** The second: turn it away. The client sees what it sees of an unreachable destination (TCP-04).
 * \return as gds_incoming_tunnel. */
int gds_incoming_refuse(struct gds_incoming *);
/**
 * The third: serve it here. What follows is plaintext, read and written by gds_incoming_read and
 * _write, or, after gds_incoming_take, by whoever has the carrier. \return as gds_incoming_tunnel;
 * GDS_E_NOMEM, GDS_E_DESCRIPTORS (it takes two): undecided still.
 */
int gds_incoming_serve(struct gds_incoming *);
/**
 * Take the plaintext end of what gds_incoming_serve began: a non-blocking carrier on one end of a
 * socketpair(2), whose descriptor gds_carrier_fd tells. TCP: a stream; GDS_EOF is the client's
 * close_notify, shut sends ours. UDP: one datagram a call; GDS_EOF is the end of the session, and
 * closing ends it (close_notify). A session that broke off ends the stream as well:
 * gds_incoming_report then knows. The listener has to be stepped meanwhile. \return GDS_OK;
 * GDS_E_INVALID: not served here, or taken before.
 */
int gds_incoming_take(struct gds_incoming *, struct gds_carrier **out);
/**
 * As gds_client_read. \return > 0 bytes; GDS_EOF: the client's orderly end; GDS_E_TIMEOUT, or
 * GDS_AGAIN with GDS_AT_ONCE; GDS_E_INVALID: NULL, size 0, not served here, or taken;
 * GDS_E_CANCELLED: the listener was freed; GDS_E_TRUNCATED, GDS_E_RESET, GDS_E_ALERT, GDS_E_TLS,
 * GDS_E_IO: the session broke off.
 */
ssize_t gds_incoming_read(struct gds_incoming *, void *buffer, size_t size, gds_time deadline);
/** As gds_client_write, errors as gds_incoming_read. What was taken is sent while the listener is
 * stepped. */
ssize_t gds_incoming_write(struct gds_incoming *, const void *data, size_t n, gds_time deadline);
/** Announce our end (close_notify) behind all that was written; reading goes on (TCP-08). UDP:
 * nothing. \return GDS_OK, GDS_E_INVALID, an error. */
int gds_incoming_shut(struct gds_incoming *);
/** \return how the connection ended; NULL: it has not, or NULL. Valid as long as the incoming. */
const struct gds_serve_report *gds_incoming_report(const struct gds_incoming *);
/**
 * The handle is gone. Undecided: refused. Served here and not taken: closed, what was written still
 * goes out. A tunnel goes on. Accepts NULL; a second time is undefined.
 */
void gds_incoming_free(struct gds_incoming *);

GDS_END_DECLS

#endif
