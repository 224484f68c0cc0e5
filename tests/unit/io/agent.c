/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent.h"

static struct gds_trust *trusts[2];
static struct gds_identity *identities[2]; /* what they were made of */

static struct gds_trust *trust_of(const struct gds_identity *identity, enum gds_role role)
{
	struct gds_trust *trust = NULL;
	struct gds_complaint complaint;

	assert_int_equal(gds_trust_new(&trust, identity, role, &complaint), GDS_OK);
	return trust;
}

static void generate(struct gds_identity *out[2])
{
	static const struct gds_generate_options as_godoxy;
	struct gds_identity *ca = NULL;
	struct gds_complaint complaint;

	assert_int_equal(gds_identity_generate_ca(&ca, &as_godoxy, &complaint), GDS_OK);
	for (int role = GDS_CLIENT; role <= GDS_SERVER; role++) {
		enum gds_leaf kind = role == GDS_SERVER ? GDS_LEAF_SERVER : GDS_LEAF_CLIENT;

		assert_int_equal(
			gds_identity_generate_leaf(&out[role], ca, kind, &as_godoxy, &complaint),
			GDS_OK);
	}
	gds_identity_free(ca);
}

struct gds_trust *agent_trust(enum gds_role role)
{
	if (!trusts[role]) {
		generate(identities);
		for (int i = GDS_CLIENT; i <= GDS_SERVER; i++) {
			trusts[i] = trust_of(identities[i], (enum gds_role)i);
		}
	}
	return trusts[role];
}

struct gds_trust *agent_stranger(bool trusts_agent)
{
	struct gds_identity *others[2], mixed;
	struct gds_trust *trust;

	generate(others);
	mixed = *others[GDS_CLIENT];
	if (trusts_agent) {
		mixed.ca = identities[GDS_CLIENT]->ca;
	}
	trust = trust_of(&mixed, GDS_CLIENT);
	gds_identity_free(others[GDS_CLIENT]);
	gds_identity_free(others[GDS_SERVER]);
	return trust;
}

void agent_free_trusts(void)
{
	for (int i = 0; i < 2; i++) {
		gds_trust_unref(trusts[i]);
		gds_identity_free(identities[i]);
		trusts[i] = NULL;
		identities[i] = NULL;
	}
}

/* Echo to the end of one request; the others of this listener go on meanwhile. */
static void echo(struct agent *a, struct gds_incoming *in)
{
	static char buffer[GDS_DATAGRAM_IN_MAX];
	ssize_t n = GDS_E_TIMEOUT;

	if (gds_incoming_serve(in) != GDS_OK) {
		return;
	}
	while (!a->stop && (n > 0 || n == GDS_E_TIMEOUT)) {
		n = gds_incoming_read(in, buffer, sizeof(buffer), gds_within(20 * GDS_MILLISECOND));
		if (n > 0) {
			(void)gds_incoming_write(in, buffer, (size_t)n, gds_within(GDS_SECOND));
		}
	}
	(void)gds_incoming_shut(in);
}

static void decide(struct agent *a, struct gds_incoming *in)
{
	switch (gds_incoming_verdict(in)) {
	case GDS_HEALTH:
		a->health++;
		break;
	case GDS_DIAL:
		a->requests++;
		if (a->does == AGENT_ECHOES) {
			echo(a, in);
		} else if (a->does == AGENT_TUNNELS) {
			(void)gds_incoming_tunnel(in);
		}
		break;
	default:
		a->last_code = gds_incoming_request(in)->why.code;
		a->refused++;
		break;
	}
}

static void *run(void *ctx)
{
	struct agent *a = ctx;
	struct gds_incoming *in;

	while (!a->stop) {
		if (gds_listener_accept(a->listener, &in, gds_within(20 * GDS_MILLISECOND)) ==
			GDS_OK) {
			decide(a, in);
			gds_incoming_free(in);
		}
	}
	return NULL;
}

void agent_start(struct agent *a, enum agent_does does, unsigned faces)
{
	struct gds_listener_options o = {.trust = agent_trust(GDS_SERVER), .faces = faces};
	struct gds_complaint complaint = {0};

	*a = (struct agent){.does = does};
	assert_int_equal(gds_listener_new(&a->listener, &o, &complaint), GDS_OK);
	assert_int_equal(pthread_create(&a->thread, NULL, run, a), 0);
}

int agent_stop(struct agent *a)
{
	struct gds_incoming *in;
	int rc;

	a->stop = true;
	pthread_join(a->thread, NULL);
	rc = gds_listener_close(a->listener, gds_within(2 * GDS_SECOND));
	/* A client may have known how it ended before the thread came to collect it. */
	while (gds_listener_accept(a->listener, &in, GDS_AT_ONCE) == GDS_OK) {
		decide(a, in);
		gds_incoming_free(in);
	}
	gds_listener_free(a->listener);
	return rc;
}

struct gds_client_options agent_client(
	const struct agent *a, enum gds_transport transport, const char *host, uint16_t port)
{
	return (struct gds_client_options){
		.transport = transport,
		.agent = "127.0.0.1",
		.agent_port = gds_listener_address(a->listener)->port,
		.trust = agent_trust(GDS_CLIENT),
		.host = host,
		.port = port,
		.timeout = 5 * GDS_SECOND,
	};
}
