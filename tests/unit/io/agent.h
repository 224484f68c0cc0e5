/* SPDX-License-Identifier: MIT */
/** An agent in a thread of its own: a listener that serves, tunnels or refuses what comes. And
 * fresh certificates. */
#ifndef TESTS_IO_AGENT_H
#define TESTS_IO_AGENT_H

#include <gdstream/client.h>
#include <gdstream/listener.h>

#include <pthread.h>
#include <stdatomic.h>

enum agent_does { AGENT_ECHOES, AGENT_TUNNELS, AGENT_REFUSES, AGENT_IGNORES };

struct agent {
	struct gds_listener *listener;
	enum agent_does does;
	pthread_t thread;
	atomic_bool stop;
	atomic_int requests, health, refused; /* collected so far */
	_Atomic int last_code;		      /* of the last refusal */
};

/** The same certificates for all tests of a program. */
struct gds_trust *agent_trust(enum gds_role);
/** A client with a certificate of another CA, which trusts the agent or only that CA. To be
 * unreferenced. */
struct gds_trust *agent_stranger(bool trusts_agent);
void agent_free_trusts(void);

void agent_start(struct agent *, enum agent_does, unsigned faces);
/** Closed in order within a second, and freed. \return what gds_listener_close said. */
int agent_stop(struct agent *);

/** Options for a client of this agent with a destination. */
struct gds_client_options agent_client(
	const struct agent *, enum gds_transport, const char *host, uint16_t port);

#endif
