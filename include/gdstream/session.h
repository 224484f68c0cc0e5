/* SPDX-License-Identifier: MIT */
/**
 * TLS 1.2/1.3 and DTLS 1.2 sessions over a carrier, both roles, non-blocking. A session is itself
 * a carrier.
 */
#ifndef GDSTREAM_SESSION_H
#define GDSTREAM_SESSION_H

#include <gdstream/address.h>
#include <gdstream/api.h>
#include <gdstream/carrier.h>
#include <gdstream/identity.h>

GDS_BEGIN_DECLS

enum gds_role { GDS_CLIENT, GDS_SERVER };

/**
 * Immutable and reference-counted: CA, own certificate, parsed credentials and priorities, for
 * one role.
 */
struct gds_trust;

/**
 * \param identity borrowed for the call; ca required; cert and key required for GDS_SERVER.
 * \return GDS_OK; GDS_E_FORMAT, GDS_E_NOMEM, GDS_E_TLS with a sentence in complaint.
 */
int gds_trust_new(struct gds_trust **out, const struct gds_identity *identity, enum gds_role,
	struct gds_complaint *complaint);
struct gds_trust *gds_trust_ref(struct gds_trust *);
/** Accepts NULL. */
void gds_trust_unref(struct gds_trust *);
/** \return the role it was made for. */
enum gds_role gds_trust_role(const struct gds_trust *);
/** Our own certificate and our CA's, as facts (present = false when there is none). */
const struct gds_certificate *gds_trust_own(const struct gds_trust *);
const struct gds_certificate *gds_trust_ca(const struct gds_trust *);
/**
 * Would the peer accept our certificate, judged by our own CA and the given wall time [s]?
 * gds_verify_flag bits.
 */
unsigned gds_trust_own_flaws(const struct gds_trust *, int64_t now);

enum gds_versions { GDS_TLS_ANY, GDS_TLS_12, GDS_TLS_13 }; /* TCP only; DTLS is 1.2 */

/** What DTLS cookie exchange left for the session: gnutls_dtls_prestate_st, opaque here. */
struct gds_prestate {
	unsigned record_seq, read_seq, write_seq;
};

struct gds_profile {
	enum gds_role role;
	enum gds_transport transport;
	enum gds_versions versions;
	const char *alpn[2];  /* client: offered; server: known, in order of preference; TCP only */
	const char *priority; /* GnuTLS priority string; NULL = the default of the transport */
	bool optional_client_cert; /* server: TLS-12, TCP only */
	bool no_certificate;	   /* client: show none, whatever the trust has */
	/* A deliberately bad peer (gds_fault); zeroed = as the protocol asks. */
	unsigned forgive;  /* gds_verify_flag bits overlooked in the peer's certificate */
	unsigned blame;	   /* and those it is said to have, whatever it is */
	bool asks_no_cert; /* server: with optional_client_cert, none is even asked for */
	bool without_ems;  /* UDP: Extended Master Secret is not required */
	unsigned
		mtu; /* [bytes] UDP payload in the handshake; 0 = 1400. Then records up to 16 KiB */
	gds_time retransmit;		     /* [ns] UDP: first repetition, doubling; 0 = 250 ms */
	const struct gds_prestate *prestate; /* UDP server: from the cookie exchange */
	gds_time deadline;		     /* of the handshake, absolute; GDS_NEVER */
};

#define GDS_FIRST_BYTES 96

/** What a session has seen so far. */
struct gds_facts {
	char version[16]; /* "TLS1.3", "DTLS1.2" */
	char cipher[64];
	char group[32];
	char alpn[32]; /* empty: none selected */
	bool established;
	bool ems, resumed;
	bool certificate_requested; /* client: the server asked for one */
	bool certificate_sent;	    /* we sent ours */
	struct gds_certificate peer;
	unsigned verify;		/* gds_verify_flag bits of the peer's certificate */
	int alert_in, alert_out;	/* alert number + 1; 0 = none; close_notify not counted */
	bool close_in, close_out;	/* close_notify received, sent */
	bool hello_verify;		/* UDP client: a cookie was asked for */
	unsigned retransmissions;	/* UDP: flights we repeated */
	uint64_t bytes_in, bytes_out;	/* on the carrier below */
	uint8_t first[GDS_FIRST_BYTES]; /* the first bytes the peer ever sent */
	size_t first_length;
	/* mono, 0 = not yet: creation; first bytes in; peer's certificate judged; handshake done */
	gds_time started, hello_in, verified, finished;
	/* UDP client: version of the plaintext record of alert_in, 0xfefd; 0: none */
	unsigned alert_version;
	gds_time verifying; /* [ns] span spent in judging the peer's certificate */
};

struct gds_session;

/**
 * \param trust a reference is taken. \param below is owned from GDS_OK on; on an error it stays
 * the caller's.
 * \return GDS_OK, GDS_E_NOMEM, GDS_E_INVALID (bad priority string), GDS_E_TLS.
 */
int gds_session_new(struct gds_session **out, const struct gds_profile *, struct gds_trust *trust,
	struct gds_carrier *below);
/**
 * Go on with the handshake. A failure of ours has sent its alert before this returns (TLS-02,
 * TLS-03, UDP-02). UDP client: a plaintext fatal alert is reported at once as GDS_E_ALERT
 * (UDP-14).
 * \return GDS_OK when established (client TLS 1.3: the server has not judged us yet, TLS-05);
 * GDS_AGAIN: wait for the interest of gds_session_carrier; an error, details in carrier's why.
 */
int gds_session_handshake(struct gds_session *);
/** \return the facts, valid as long as the session. */
const struct gds_facts *gds_session_facts(const struct gds_session *);
/**
 * The session as a carrier: reads and writes plaintext; close() ends session and below. Its
 * interest covers handshake and retransmission timers too. read(): GDS_EOF only for close_notify;
 * FIN without it is GDS_E_TRUNCATED; a fatal alert GDS_E_ALERT, also after a failed write.
 */
struct gds_carrier *gds_session_carrier(struct gds_session *);

/** Largest plaintext of one datagram that a session sends: GnuTLS's limit (UDP-09). */
#define GDS_DATAGRAM_MAX 16347
/** Largest it accepts from the peer. */
#define GDS_DATAGRAM_IN_MAX 16384

GDS_END_DECLS

#endif
