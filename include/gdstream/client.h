/* SPDX-License-Identifier: MIT */
/**
 * The simple client: a stream or datagrams through an agent, blocking with deadlines; health
 * checks; and what an agent can do.
 *
 * A client belongs to one thread at a time; different clients are independent, and a gds_trust may
 * be shared. Deadlines are absolute [mono]: gds_within(5 * GDS_SECOND), GDS_NEVER, or GDS_AT_ONCE
 * not to wait. No call raises SIGPIPE.
 */
#ifndef GDSTREAM_CLIENT_H
#define GDSTREAM_CLIENT_H

#include <gdstream/api.h>
#include <gdstream/attempt.h>
#include <gdstream/wait.h>

GDS_BEGIN_DECLS

/** How long gds_client_open and gds_client_health take at most, unless told otherwise [ns]. */
#define GDS_CLIENT_TIMEOUT (10 * GDS_SECOND)
/** API-08: the one budget for all that is asked of an agent [ns]. */
#define GDS_DETECT_BUDGET (5 * GDS_SECOND)

struct gds_client;

/** Zeroed members are defaults. Everything is borrowed for the call only, but env. */
struct gds_client_options {
	enum gds_transport transport;
	const char *agent;	 /* host name or IP literal without brackets [1 to 255 bytes] */
	uint16_t agent_port;	 /* [host order]; 0 = GDS_DEFAULT_PORT */
	struct gds_trust *trust; /* who we are and whom we trust; role client */
	const char
		*host; /* destination, as seen from the agent [1 to 255 bytes]; health: not used */
	uint16_t port; /* of the destination [host order], 1 to 65535; health: not used */
	enum gds_versions versions; /* TCP */
	const char *priority;	    /* GnuTLS priority string; NULL = the protocol's */
	gds_time timeout;	    /* [ns] of the whole call; 0 = GDS_CLIENT_TIMEOUT, detect:
				       GDS_DETECT_BUDGET */
	const struct gds_env *env;  /* outlives the client; NULL = gds_env_system() */
};

/**
 * Connect to the agent, verify it, and ask for the destination. Success says that the header is on
 * its way: the protocol has no answer to it, and under TLS 1.3 not even the server's judgement of
 * our certificate is known yet (TLS-05). The first read tells: GDS_EOF without a byte is what a
 * refused header or an unreachable destination look like; GDS_E_ALERT is a refused certificate.
 * Over UDP the header may be lost (UDP-20): without an answer, open anew.
 *
 * \param out filled on GDS_OK, else NULL. \param why the evidence, stage included, of a failure;
 * may be NULL. \return GDS_OK. Nothing was sent: GDS_E_INVALID (NULL, no trust, a trust of the
 * wrong role); GDS_E_HOST_EMPTY, _LENGTH, _FORM, GDS_E_PORT: agent or destination are refused
 * locally (HDR-06, HDR-12 to HDR-14); GDS_E_NOMEM, GDS_E_DESCRIPTORS. Otherwise what went wrong:
 * GDS_E_TIMEOUT, GDS_E_RESOLVE, GDS_E_REFUSED, GDS_E_RESET, GDS_E_UNREACHABLE, GDS_E_PERMISSION,
 * GDS_E_IO, GDS_E_TLS, GDS_E_ALERT, GDS_E_VERIFY, GDS_E_NO_CERTIFICATE, GDS_E_ALPN,
 * GDS_E_TRUNCATED, GDS_E_EMS, GDS_E_NOT_TLS.
 */
int gds_client_open(
	struct gds_client **out, const struct gds_client_options *, struct gds_error *why);
/**
 * Read what comes first. Over UDP one call gives one datagram; one that is larger than size is
 * dropped and counted, so have room for GDS_DATAGRAM_IN_MAX. \param size [bytes], at least 1.
 * \return > 0 bytes; GDS_EOF: the agent closed in order (close_notify), again at each further call;
 * GDS_E_TIMEOUT: the deadline passed (GDS_AGAIN when that was GDS_AT_ONCE), the client lives on;
 * GDS_E_INVALID: NULL, size 0, or closed; GDS_E_TRUNCATED: FIN without close_notify (TLS-09);
 * GDS_E_ALERT, GDS_E_RESET, GDS_E_TLS, GDS_E_IO, and others of gds_client_error.
 */
ssize_t gds_client_read(struct gds_client *, void *buffer, size_t size, gds_time deadline);
/**
 * Write. Over TCP all of it, unless the deadline or an error comes first; over UDP one datagram of
 * at most GDS_DATAGRAM_MAX bytes (UDP-09), empty ones are dropped (UDP-18). \return bytes taken: n,
 * or fewer when the deadline passed; GDS_E_TIMEOUT (GDS_AGAIN when that was GDS_AT_ONCE): none was;
 * GDS_E_LIMIT: a datagram too long, nothing sent; GDS_E_INVALID: NULL, closed, or after
 * gds_client_shut; GDS_E_RESET, GDS_E_ALERT, GDS_E_TLS, GDS_E_IO.
 */
ssize_t gds_client_write(struct gds_client *, const void *data, size_t n, gds_time deadline);
/**
 * Announce the end of our direction (close_notify); reading goes on (TCP-07: the destination sees a
 * FIN. An agent of GoDoxy 0.30 does not pass it on). Over UDP the agent ends the session then
 * (UDP-15). \return GDS_OK; GDS_E_TIMEOUT or GDS_AGAIN: call again; GDS_E_INVALID: NULL or closed;
 * an error as gds_client_write.
 */
int gds_client_shut(struct gds_client *, gds_time deadline);
/**
 * Say goodbye (close_notify, FIN) and let go of the socket. TCP: what the peer still sends is read
 * and thrown away until it closes too, so that it sees no reset, until the deadline. The client
 * stays valid for gds_client_error and _report, and has to be freed. \return GDS_OK, also when it
 * was closed before; GDS_E_TIMEOUT: the socket was closed at the deadline, with GDS_AT_ONCE usually
 * so; GDS_E_INVALID: NULL.
 */
int gds_client_close(struct gds_client *, gds_time deadline);
/** Close without a wait unless closed before, and free. The handle is gone: using it again is
 * undefined. Accepts NULL. */
void gds_client_free(struct gds_client *);

/** \return the socket, for poll(2) with gds_client_interest; -1: NULL or closed. It stays the
 * client's: never read, write or close it. */
int gds_client_fd(const struct gds_client *);
/**
 * For a foreign event loop: when descriptor, events or deadline are due, or ready is set, call read
 * and write with GDS_AT_ONCE. After a write that was not taken whole wait for POLLOUT too.
 */
void gds_client_interest(struct gds_client *, struct gds_interest *out);
/** \return the last error of this client with its evidence; code GDS_OK: none. Valid as long as the
 * client. */
const struct gds_error *gds_client_error(const struct gds_client *);
/** \return how it came to be: stages, peer, and what the session saw (gds_facts). Valid as long as
 * the client; NULL for NULL. */
const struct gds_report *gds_client_report(const struct gds_client *);

/** What a health check found. */
struct gds_health {
	struct gds_report report;
	const char *cause; /* id of a row in gds_causes ("healthy", "refused", ...), static;
			      gds_cause_find has its words */
};

/**
 * One health check (HC-01): healthy is a clean close with no alert, in time, and nothing less
 * (HC-05). \param out filled always, but for GDS_E_INVALID. \return GDS_OK: healthy; GDS_E_INVALID;
 * otherwise the code of out->report.why, as gds_client_open, and GDS_E_FORMAT: the server sent
 * bytes (HC-02).
 */
int gds_client_health(struct gds_health *out, const struct gds_client_options *);

/** What an agent can do, as a GoDoxy server would find out when it adds one. */
struct gds_capabilities {
	bool supports_tcp_stream, supports_udp_stream;
	struct gds_health tcp, udp; /* how that was learnt */
};

/**
 * Detect by a TCP and a UDP health check side by side, in one budget (API-08). The agent's own
 * version, name and runtime come from GET /godoxy/agent/info, which this library leaves to an HTTP
 * client. \param options transport, host and port are not used. \return GDS_OK: the question was
 * answered, whatever the answer; GDS_E_INVALID, GDS_E_HOST_EMPTY, GDS_E_HOST_LENGTH, GDS_E_NOMEM,
 * GDS_E_DESCRIPTORS: nothing was asked.
 */
int gds_detect(struct gds_capabilities *out, const struct gds_client_options *options);

GDS_END_DECLS

#endif
