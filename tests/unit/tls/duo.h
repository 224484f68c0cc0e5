/* SPDX-License-Identifier: MIT */
/** A client and a server session over a pair, and what drives them. */
#ifndef TESTS_TLS_DUO_H
#define TESTS_TLS_DUO_H

#include "odd.h"
#include "pair.h"

#include <gdstream/session.h>

enum { CLIENT, SERVER };

/** Identities that all tests of a program share; made once. */
struct cast {
	struct gds_identity *ca, *same_name_ca, *foreign_ca; /* same_name: as another agent's */
	struct gds_identity *server, *client;
};
extern struct cast cast;
int cast_make(void **state);
int cast_free(void **state);

struct duo {
	struct pair *pair;
	struct gds_profile profile[2];
	struct gds_trust *trust[2];
	struct gds_session *session[2];
	struct gds_carrier *carrier[2]; /* of the sessions */
	int status[2];			/* of the handshakes */
	unsigned turns;			/* of duo_shake: a busy loop shows here */
	unsigned waits;			/* times that both had to wait for a timer */
};

/** The kinds of session that most tests go through. */
enum kind { TLS12, TLS13, DTLS, KINDS };

/**
 * Profiles, trusts and pair; no session yet, so that they can be changed. NULL identity: the
 * cast's.
 */
void duo_init(struct duo *, enum kind, const struct gds_identity *client,
	const struct gds_identity *server);
void duo_start(struct duo *);
/** One side only. */
void duo_start_side(struct duo *, int side);
/** Shake hands until both have a final status. */
void duo_shake(struct duo *);
/** init, start, shake; both must be established. */
void duo_ready(struct duo *, enum kind);
void duo_free(struct duo *);
/** Read from one side, driving the other as needed. \return as read. */
ssize_t duo_read(struct duo *, int side, void *buffer, size_t size);
const struct gds_facts *duo_facts(const struct duo *, int side);

#endif
