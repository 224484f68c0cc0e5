/* SPDX-License-Identifier: MIT */
/**
 * Deliberate misbehaviour: another implementation of the server's decisions (DESIGN: principle 5).
 * The names are the catalogue's (gds_faults); here is what each of them sets, and what that
 * changes.
 */
#ifndef GDS_SERVER_FAULTS_H
#define GDS_SERVER_FAULTS_H

#include "server/http.h"
#include "server/server.h"

#include <gdstream/demux.h>

struct gds_connection;
struct gds_worker;
struct gds_pass;

/** What is done wrong, by the place where it is done; zeroed = nothing. */
struct gds_faults {
	/* Of a header, a dial, a health check: faults_header.c. */
	unsigned header; /* gds_fault_header bits */
	long port_shift;
	long close_after; /* [ms] */
	unsigned ending;  /* gds_fault_ending bits */
	/* Of a session: faults_session.c. */
	unsigned session;	 /* gds_fault_session bits */
	unsigned tls, dtls;	 /* which priorities; 0: the usual ones */
	unsigned alpn;		 /* gds_fault_alpn */
	unsigned forgive, blame; /* gds_verify_flag bits */
	/* Between socket and session: faults_start.c, faults_slot.c. */
	unsigned start;	   /* gds_fault_start */
	long start_delay;  /* [ms] */
	unsigned slot;	   /* gds_fault_slot bits */
	long message;	   /* message_seq of the handshake message that is lost */
	long forget_after; /* [ms] */
	/* In place of the cookie: faults_hello.c. */
	unsigned hello; /* gds_fault_hello */
	long alert;
	/* Above the session: faults_stream.c, faults_datagram.c. */
	unsigned stream;   /* gds_fault_stream bits */
	long at;	   /* [bytes] of payload before it */
	unsigned datagram; /* gds_fault_datagram bits */
	long limit;	   /* [bytes] */
	long nth;
	/* At the destination: faults_destination.c. */
	unsigned destination; /* gds_fault_destination bits */
	long http_delay;      /* [ms] */
	/* The HTTPS API: faults_http.c. */
	unsigned http; /* gds_fault_http bits */
	long http_status;
	/* Of the server as a whole: faults.c. */
	unsigned server; /* gds_fault_server bits */
	/* Of the server's certificate: faults_identity.c. */
	long days;
};

enum gds_fault_header {
	GDS_FAULT_CHECKSUM = 1 << 0,
	GDS_FAULT_VERSION = 1 << 1,
	GDS_FAULT_PORT_LENGTH = 1 << 2,
	GDS_FAULT_REFUSE = 1 << 3,
	GDS_FAULT_HEALTH_DIALS = 1 << 4,
	GDS_FAULT_IGNORE_FLAG = 1 << 5,
	GDS_FAULT_SKIP_DIAL = 1 << 6,
	GDS_FAULT_OTHER_PORT = 1 << 7,
	GDS_FAULT_CLOSE_LATE = 1 << 8,
	GDS_FAULT_CLOSE_NEVER = 1 << 9,
	GDS_FAULT_EMPTY_HOST = 1 << 10,
	GDS_FAULT_NUL_HOST = 1 << 11,
	GDS_FAULT_ODD_PORT = 1 << 12,
	GDS_FAULT_HEALTH_ANSWERS = 1 << 13,
};

enum gds_fault_ending { GDS_FAULT_NO_CLOSE_NOTIFY = 1 << 0, GDS_FAULT_CLOSE_RESET = 1 << 1 };

enum gds_fault_session {
	GDS_FAULT_NO_CLIENT_CERT = 1 << 0,
	GDS_FAULT_CERT_NOT_ASKED = 1 << 1,
	GDS_FAULT_NO_EMS = 1 << 2,
	GDS_FAULT_TLS_12 = 1 << 3,
	GDS_FAULT_TLS_13 = 1 << 4,
	GDS_FAULT_ENDLESS = 1 << 5,
	GDS_FAULT_ALWAYS_HTTP = 1 << 6,
};

enum gds_fault_priority {
	GDS_FAULT_TLS_11 = 1,
	GDS_FAULT_TLS_SUITE,
	GDS_FAULT_TLS_GROUP,
	GDS_FAULT_DTLS_NO_EMS,
	GDS_FAULT_DTLS_SUITE,
	GDS_FAULT_DTLS_GROUP,
	GDS_FAULT_DTLS_10,
	GDS_FAULT_PRIORITIES
};

enum gds_fault_alpn {
	GDS_FAULT_ALPN_NONE = 1,
	GDS_FAULT_ALPN_HTTP,
	GDS_FAULT_ALPN_STREAM,
	GDS_FAULT_ALPN_OTHER,
	GDS_FAULT_ALPNS
};

enum gds_fault_start {
	GDS_FAULT_STALL = 1,
	GDS_FAULT_CLOSE,
	GDS_FAULT_RESET,
	GDS_FAULT_HTTP,
	GDS_FAULT_SSH,
	GDS_FAULT_SMTP,
	GDS_FAULT_SLOW,
	GDS_FAULT_STOP,
	GDS_FAULT_CORRUPT,
};

enum gds_fault_slot {
	GDS_FAULT_MUTE = 1 << 0,
	GDS_FAULT_DROP_MESSAGE = 1 << 1,
	GDS_FAULT_LOSE_MESSAGE = 1 << 2,
	GDS_FAULT_DROP_CLOSE = 1 << 3,
	GDS_FAULT_FORGET = 1 << 4,
	GDS_FAULT_SILENT_SHUTDOWN = 1 << 5,
	GDS_FAULT_FRAGILE = 1 << 6,
};

enum gds_fault_hello {
	GDS_FAULT_HELLO_SILENT = 1,
	GDS_FAULT_HELLO_GARBAGE,
	GDS_FAULT_HELLO_ALERT,
	GDS_FAULT_HELLO_ACCEPT,
	GDS_FAULT_HELLO_LOCKED,
};

enum gds_fault_stream {
	GDS_FAULT_EARLY_LOST = 1 << 0,
	GDS_FAULT_FORWARD_HEADER = 1 << 1,
	GDS_FAULT_ADD = 1 << 2,
	GDS_FAULT_DROP = 1 << 3,
	GDS_FAULT_FLIP = 1 << 4,
	GDS_FAULT_ANSWER = 1 << 5,
	GDS_FAULT_KEEP_DIALLING = 1 << 6,
	GDS_FAULT_KEEP_DESTINATION_END = 1 << 7,
	GDS_FAULT_CLIENT_RESET = 1 << 8,
};

enum gds_fault_datagram {
	GDS_FAULT_LIMIT = 1 << 0,
	GDS_FAULT_SPLIT = 1 << 1,
	GDS_FAULT_MERGE = 1 << 2,
	GDS_FAULT_DUPLICATE = 1 << 3,
	GDS_FAULT_REORDER = 1 << 4,
	GDS_FAULT_FLIP_ALL = 1 << 5,
	GDS_FAULT_DROP_NTH = 1 << 6,
	GDS_FAULT_LONG_KILLS = 1 << 7,
};

enum gds_fault_destination {
	GDS_FAULT_LEAK = 1 << 0,
	GDS_FAULT_KEEP_CLIENT_END = 1 << 1,
	GDS_FAULT_DESTINATION_RESET = 1 << 2,
	GDS_FAULT_ICMP_KILLS = 1 << 3,
	GDS_FAULT_HTTP_SLOW = 1 << 4,
	GDS_FAULT_HTTP_GARBAGE = 1 << 5,
	GDS_FAULT_HTTP_CUT = 1 << 6,
};

enum gds_fault_http {
	GDS_FAULT_OLD_AGENT = 1 << 0,
	GDS_FAULT_STATUS = 1 << 1,
	GDS_FAULT_TEXT = 1 << 2,
	GDS_FAULT_JSON = 1 << 3,
	GDS_FAULT_502 = 1 << 4,
	GDS_FAULT_UDP_HEALTH = 1 << 5,
	GDS_FAULT_ANY_SCHEME = 1 << 6,
	GDS_FAULT_HANGS = 1 << 7,
};

enum gds_fault_server {
	GDS_FAULT_UDP_CLOSED = 1 << 0,
	GDS_FAULT_ONE = 1 << 1,
	GDS_FAULT_NEVER_IDLE = 1 << 2,
};

/** What a server may do otherwise than it should; NULL members = as it should. */
struct gds_server_ops {
	struct gds_serve_ops serve; /* called with a gds_connection */
	/** \return a carrier over the socket or slot, which owns it, or itself. */
	struct gds_carrier *(*under)(struct gds_connection *, struct gds_carrier *below);
	/** As in gds_demux_ops; called with a gds_worker. */
	enum gds_hello (*hello)(
		void *ctx, const struct gds_datagram *, bool lives, uint8_t *reply, size_t *n);
	/** The sockets of a worker are open. */
	void (*listening)(struct gds_worker *);
};

/** \param names "NAME" or "NAME=ARG". \return GDS_OK, or GDS_E_INVALID with a sentence. */
int gds_faults_parse(
	const char *const *names, struct gds_faults *, struct gds_complaint *complaint);
/** Replace what these faults do otherwise. */
void gds_faults_apply(
	const struct gds_faults *, struct gds_server_ops *, struct gds_server_options *);

/**
 * Give the server the odd certificate that these faults ask for, signed by the CA key of the
 * identity. \return GDS_OK, also when they ask for none; GDS_E_INVALID: there is no CA key.
 */
int gds_faults_identity(
	const char *const *names, struct gds_identity *, struct gds_complaint *complaint);

/* faults_header.c */
enum gds_verdict gds_fault_judge(void *ctx, enum gds_verdict, struct gds_request *);
enum gds_close gds_fault_end(void *ctx, const struct gds_error *why);
struct gds_carrier *gds_fault_sink(void *ctx, enum gds_transport);
/* faults_session.c */
void gds_fault_profile(void *ctx, struct gds_profile *);
bool gds_fault_is_stream(void *ctx, enum gds_transport, bool stream);
/* faults_start.c, faults_slot.c */
struct gds_carrier *gds_fault_under_tcp(struct gds_connection *, struct gds_carrier *below);
struct gds_carrier *gds_fault_under_udp(struct gds_connection *, struct gds_carrier *below);
/* faults_hello.c */
enum gds_hello gds_fault_hello(
	void *ctx, const struct gds_datagram *, bool lives, uint8_t *reply, size_t *n);
/* faults_stream.c, faults_datagram.c */
struct gds_carrier *gds_fault_over_tcp(struct gds_connection *, struct gds_carrier *session);
struct gds_carrier *gds_fault_over_udp(struct gds_connection *, struct gds_carrier *session);
/* faults_destination.c */
struct gds_carrier *gds_fault_reached(
	void *ctx, const struct gds_serve_report *, struct gds_carrier *destination);
/** Close what was left open (leaks-destination). */
void gds_fault_forget_leaked(struct gds_worker *);
/* faults_http.c */
void gds_fault_http(const struct gds_faults *, struct gds_http_options *);

#endif
