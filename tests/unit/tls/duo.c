/* SPDX-License-Identifier: MIT */
#include "duo.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct cast cast;

int cast_make(void **state)
{
	(void)state;
	cast.ca = odd_ca(NULL, 0);
	cast.same_name_ca = odd_ca(NULL, 0);
	cast.foreign_ca = odd_ca("Example Root", 0);
	cast.server = odd_leaf(cast.ca, GDS_LEAF_SERVER, NULL);
	cast.client = odd_leaf(cast.ca, GDS_LEAF_CLIENT, NULL);
	return 0;
}

int cast_free(void **state)
{
	(void)state;
	odd_free(cast.ca);
	odd_free(cast.same_name_ca);
	odd_free(cast.foreign_ca);
	odd_free(cast.server);
	odd_free(cast.client);
	return 0;
}

void duo_init(struct duo *d, enum kind kind, const struct gds_identity *client,
	const struct gds_identity *server)
{
	struct gds_complaint complaint = {0};
	memset(d, 0, sizeof(*d));
	d->pair = pair_new(kind == DTLS);
	int status = gds_trust_new(
		&d->trust[CLIENT], client ? client : cast.client, GDS_CLIENT, &complaint);
	assert(status == GDS_OK);
	status = gds_trust_new(
		&d->trust[SERVER], server ? server : cast.server, GDS_SERVER, &complaint);
	assert(status == GDS_OK);
	(void)status;
	d->profile[CLIENT] = (struct gds_profile){.role = GDS_CLIENT,
		.transport = kind == DTLS ? GDS_UDP : GDS_TCP,
		.versions = kind == TLS12 ? GDS_TLS_12 : GDS_TLS_13,
		.alpn = {"godoxy-agent-stream/1"},
		.retransmit = 20 * GDS_MILLISECOND,
		.deadline = GDS_NEVER};
	d->profile[SERVER] = d->profile[CLIENT];
	d->profile[SERVER].role = GDS_SERVER;
	d->profile[SERVER].versions = GDS_TLS_ANY;
	d->profile[SERVER].alpn[0] = "http/1.1";
	d->profile[SERVER].alpn[1] = "godoxy-agent-stream/1";
}

void duo_start_side(struct duo *d, int side)
{
	int status = gds_session_new(
		&d->session[side], &d->profile[side], d->trust[side], &d->pair->end[side]->carrier);
	assert(status == GDS_OK);
	(void)status;
	d->carrier[side] = gds_session_carrier(d->session[side]);
	d->status[side] = GDS_AGAIN;
}

void duo_start(struct duo *d)
{
	duo_start_side(d, CLIENT);
	duo_start_side(d, SERVER);
}

/* Nothing is on the way: wait as long as the sessions ask for, and no longer. */
static void wait_for_timer(struct duo *d)
{
	gds_time at = GDS_NEVER;
	for (int i = 0; i < 2; i++) {
		struct gds_interest want;
		if (!d->pair->end[i] || d->status[i] != GDS_AGAIN) {
			continue;
		}
		gds_carrier_interest(d->carrier[i], &want);
		if (want.ready) {
			return;
		}
		at = want.deadline < at ? want.deadline : at;
	}
	gds_time now = gds_env_system()->mono(NULL);
	assert(at != GDS_NEVER && "both wait for ever");
	if (at > now && !d->pair->fake_clock) {
		poll(NULL, 0, (int)((at - now + GDS_MILLISECOND - 1) / GDS_MILLISECOND));
	}
	if (d->pair->fake_clock) {
		d->pair->now = at;
	}
	d->waits++;
}

void duo_shake(struct duo *d)
{
	for (d->turns = 0; d->turns < 20000; d->turns++) {
		for (int i = 0; i < 2; i++) {
			/* A server that is done hears the client's repeated Finished by reading. */
			uint8_t byte[1];
			if (d->status[i] == GDS_AGAIN) {
				d->status[i] = gds_session_handshake(d->session[i]);
			} else if (d->status[i] == GDS_OK && d->status[1 - i] == GDS_AGAIN) {
				ssize_t n = gds_carrier_read(d->carrier[i], byte, sizeof(byte));
				if (n != GDS_AGAIN) {
					d->status[i] = (int)n;
				}
			}
		}
		if (d->status[CLIENT] != GDS_AGAIN && d->status[SERVER] != GDS_AGAIN) {
			return;
		}
		/* What was sent to one that has failed, nobody reads any more. */
		if ((d->status[CLIENT] < GDS_AGAIN || !pair_has_input(d->pair, CLIENT)) &&
			(d->status[SERVER] < GDS_AGAIN || !pair_has_input(d->pair, SERVER))) {
			if (d->status[CLIENT] < GDS_AGAIN || d->status[SERVER] < GDS_AGAIN) {
				return; /* one has failed, and the other was told nothing */
			}
			wait_for_timer(d);
		}
	}
	assert(false && "the handshake does not end");
}

void duo_ready(struct duo *d, enum kind kind)
{
	duo_init(d, kind, NULL, NULL);
	duo_start(d);
	duo_shake(d);
	assert(d->status[CLIENT] == GDS_OK && d->status[SERVER] == GDS_OK);
}

void duo_free(struct duo *d)
{
	for (int i = 0; i < 2; i++) {
		gds_carrier_close(d->carrier[i], GDS_CLOSE_CLEAN);
		gds_trust_unref(d->trust[i]);
	}
	pair_free(d->pair);
}

ssize_t duo_read(struct duo *d, int side, void *buffer, size_t size)
{
	for (int turn = 0; turn < 200000; turn++) {
		ssize_t n = gds_carrier_read(d->carrier[side], buffer, size);
		if (n != GDS_AGAIN) {
			return n;
		}
		(void)gds_carrier_flush(d->carrier[1 - side]);
		struct gds_interest want;
		gds_carrier_interest(d->carrier[side], &want);
		if (!want.ready) {
			return GDS_AGAIN;
		}
	}
	assert(false && "reading does not end");
	return GDS_E_TIMEOUT;
}

const struct gds_facts *duo_facts(const struct duo *d, int side)
{
	return gds_session_facts(d->session[side]);
}
