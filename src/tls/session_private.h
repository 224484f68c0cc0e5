/* SPDX-License-Identifier: MIT */
/** Inside tls/ only: a session and what its files call of each other. */
#ifndef GDS_TLS_SESSION_PRIVATE_H
#define GDS_TLS_SESSION_PRIVATE_H

#include "tls/trust.h"

/** Room for the largest DTLS record in a datagram: 13 + 8 + 16384 + 16. */
#define GDS_HELD_SIZE 16640
/** Output queued at most: a handshake flight, or a record and the answers to what came after it. */
#define GDS_QUEUE_MAX 131072
/** Records or datagrams handled in one call before the caller gets its turn again. */
#define GDS_TURNS_MAX 64

/**
 * Output that the carrier below did not take yet. GnuTLS never sees EAGAIN from its push
 * functions, so that what a write accepted is owned here and not by a half-sent record of GnuTLS
 *. Datagrams have their length in two bytes before them. Without content it owns no
 * memory.
 */
struct gds_queue {
	uint8_t *bytes;
	size_t start, end, size;
};

/** Datagrams that are sent again, as they are, for as long as nothing answers them. */
struct gds_repeat {
	bool fresh;	/* the next one that goes out begins a flight */
	uint8_t *bytes; /* each led by its length in two */
	size_t n, room;
	unsigned count;
	gds_time at; /* mono */
};

/** Handshake messages of one peer at most; GoDoxy's and GnuTLS's have 7. */
#define GDS_MESSAGES_MAX 16

/** What came in the clear of the peer's handshake messages over UDP, by message_seq. */
struct gds_heard {
	unsigned next;			  /* the highest that came, + 1 */
	uint32_t bytes[GDS_MESSAGES_MAX]; /* of each, from its beginning on without a gap */
	uint32_t whole;			  /* bit i: all of message i */
	unsigned first;			  /* of the peer's hello */
	unsigned last; /* of what ends its flight before ChangeCipherSpec, + 1; 0: not heard */
	bool changed;  /* its ChangeCipherSpec was let through */
};

struct gds_session {
	struct gds_carrier carrier; /* first: the session is this carrier */
	gnutls_session_t tls;
	struct gds_trust *trust;
	gnutls_certificate_credentials_t bare; /* client without a certificate; NULL: the trust's */
	enum gds_role role;
	bool datagram;
	bool optional_client_cert;
	unsigned forgive, blame; /* of gds_profile */
	bool without_ems;
	gds_time deadline;   /* of the handshake */
	gds_time retransmit; /* [ns] first interval */
	gds_time timer;	     /* mono, when a flight is due again; GDS_NEVER */
	struct gds_facts facts;
	struct gds_error below; /* what broke underneath; code 0 = nothing */
	int heard_alert;	/* UDP server: a plaintext alert + 1 that may be forged (UDP-22) */
	bool dead;		/* carrier.why is final: the handshake, or reading, failed */
	bool ended;		/* the peer's close_notify was read */
	bool eof;		/* FIN below */
	bool write_lost;	/* TCP: the peer reset, but its alert may still be read */
	bool no_memory;		/* an allocation failed inside a callback */
	bool blocked;		/* the last pull found nothing */
	bool more;		/* input may be left above the carrier below */
	bool pushed;		/* since the last flush below */
	bool too_long;		/* the carrier below refused the last datagram for its size */
	struct gds_queue queue;
	uint8_t *held; /* one datagram pulled early, for GnuTLS's pull_timeout */
	size_t held_length;
	struct gds_repeat repeat;
	bool wrote; /* UDP: a record of data */
	bool keep;  /* UDP: what goes out now is kept for repetition */
	struct gds_heard heard;
	bool twice; /* UDP: what goes out now is sent two times over */
	/* UDP: the highest handshake message and fragment sent in the clear, + 1; and the last
	 * that was a repetition, 0 = none under way */
	uint64_t sent_message, repeated_message;
};

static inline gds_time gds_session_now(const struct gds_session *s)
{
	const struct gds_env *env = s->carrier.env;
	return env->mono(env->ctx);
}

/* session_transport.c: between GnuTLS and the carrier below. */
void gds_session_transport_set(struct gds_session *);
/** Give the queue to the carrier below. \return GDS_OK when empty, GDS_AGAIN, an error. */
int gds_session_drain(struct gds_session *);
/** Drain, and flush below if anything was pushed since the last time. */
int gds_session_settle(struct gds_session *);
bool gds_session_queued(const struct gds_session *);

/** Write a datagram below: lost when it is not taken now. */
void gds_session_push(struct gds_session *, const uint8_t *data, size_t n);

/* session_repeat.c */
/** What goes out from now on replaces what was kept. */
void gds_session_repeat_begin(struct gds_session *);
void gds_session_repeat_keep(struct gds_session *, const uint8_t *data, size_t n);
/** It was answered, or is of no use any more. */
void gds_session_repeat_forget(struct gds_session *);
/** \return when gds_session_repeat has something to do; GDS_NEVER. */
gds_time gds_session_repeat_due(const struct gds_session *);
/** Send it again when it is due. */
void gds_session_repeat(struct gds_session *);

/* session_filter.c: datagrams before and after GnuTLS. */
/** Keep what a handshake may see of a datagram, in place. \return bytes left, 0 = none. */
size_t gds_session_admit(struct gds_session *, uint8_t *data, size_t n);
/** Look at a datagram that goes out: repeated flights are counted. */
void gds_session_sent(struct gds_session *, const uint8_t *data, size_t n);

/* session_verify.c */
int gds_session_verify(gnutls_session_t);
/** The same, for a session that GnuTLS does not know by its pointer; without a trust the
 * certificate is only read. */
int gds_session_judge(struct gds_session *);

/* session_failure.c: from GnuTLS's codes to errors and alerts. */
/** The handshake failed with a GnuTLS code: fill why, send our alert. \return the code of why. */
int gds_session_refuse(struct gds_session *, int ret);
/** The deadline of the handshake has passed. \return the code of why. */
int gds_session_expire(struct gds_session *);
/** The same for reading and writing an established session. */
int gds_session_break(struct gds_session *, int ret);
/** End with an error of our own. alert < 0: none. \return why.code. */
int gds_session_fail(struct gds_session *, const struct gds_error *why, int alert);

/* session_carrier.c */
extern const struct gds_carrier_ops gds_session_ops;
/* session.c */
/** Certificates and parameters into the facts: the handshake is over. */
void gds_session_note(struct gds_session *);
void gds_session_free(struct gds_session *);

#endif
