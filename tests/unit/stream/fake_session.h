/* SPDX-License-Identifier: MIT */
/* A gds_session that does as a script tells it, instead of the real one: for tests of what stands
 * on sessions. */
#ifndef TEST_STREAM_FAKE_SESSION_H
#define TEST_STREAM_FAKE_SESSION_H

#include <gdstream/session.h>

#define FAKE_SESSIONS 8

struct script {
	int handshake;	     /* what gds_session_handshake returns */
	int handshake_code;  /* why, when that is an error */
	int alert;	     /* + 1 */
	bool answers;	     /* the peer said something */
	uint64_t more;	     /* [bytes] and went on */
	const char *selects; /* NULL: what was offered */
	ssize_t read;
	int read_code;
	int write; /* 0: all is taken */
};

/** One a session, in the order of their making. */
extern struct script scripts[FAKE_SESSIONS];
extern size_t made, closed_clean, closed_silent, sockets_open;
extern uint8_t written[1024];
extern size_t written_length; /* of all sessions together */
extern int trust_references;
/** What the clock of fake_env says. */
extern gds_time clock_now;
extern const struct gds_env fake_env;

/** A cmocka setup: healthy scripts, all counters 0. */
int fake_setup(void **state);
struct gds_carrier *fake_socket_new(void);

#endif
