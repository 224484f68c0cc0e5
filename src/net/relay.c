/* SPDX-License-Identifier: MIT */
#include "net/relay_private.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
/* Without descriptors or memory a listening socket stays readable: look again after this. */
#define ACCEPT_PAUSE (100 * GDS_MILLISECOND)

void gds_relay_accept_while_there_is_room(struct gds_relay *r)
{
	gds_watch_set(r->accepting, r->tcp, r->open < GDS_RELAY_STREAMS ? POLLIN : 0);
}

/* accept(2) reports what went wrong with a connection before it was accepted: that one only. */
static bool is_exhausted(int sys)
{
	return sys == EMFILE || sys == ENFILE || sys == ENOBUFS || sys == ENOMEM;
}

static void on_accept(void *ctx, short revents)
{
	struct gds_relay *r = ctx;
	bool served = true;

	(void)revents;
	for (int i = 0; served && i < ACCEPTS_A_TURN && r->open < GDS_RELAY_STREAMS; i++) {
		int fd = accept4(r->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && errno == EAGAIN) {
			break;
		}
		served = fd >= 0 ? gds_relay_stream_serve(r, fd) : !is_exhausted(errno);
	}
	if (served) {
		gds_relay_accept_while_there_is_room(r);
	} else {
		gds_watch_set(r->accepting, r->tcp, 0);
		gds_timer_set(r->pause, gds_later(gds_now(r->env), ACCEPT_PAUSE));
	}
}

static void on_pause_over(void *ctx)
{
	gds_relay_accept_while_there_is_room(ctx);
}

int gds_relay_new(struct gds_relay **out, struct gds_driver *driver, struct gds_loop *loop,
	const struct gds_relay_options *options, const struct gds_env *env,
	struct gds_complaint *complaint)
{
	struct gds_relay *r;
	int rc;

	if (options->to.family == 0 || options->to.port == 0) {
		return gds_complain(complaint, GDS_E_INVALID,
			"a relay needs a target: an address and a port to relay to");
	}
	r = gds_alloc(env, sizeof(*r));
	if (!r) {
		return gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	r->env = env;
	r->driver = driver;
	r->loop = loop;
	r->options = *options;
	rc = gds_listen_pair(&options->listen, 1, &r->tcp, &r->udp, &r->address, complaint);
	if (rc != GDS_OK) {
		gds_free(env, r);
		return rc;
	}
	r->accepting = gds_watch_new(loop, r->tcp, POLLIN, on_accept, r);
	r->receiving = gds_watch_new(loop, r->udp, POLLIN, gds_relay_on_datagram, r);
	r->pause = gds_timer_new(loop, on_pause_over, r);
	r->delivery = gds_timer_new(loop, gds_relay_on_delivery, r);
	if (!r->accepting || !r->receiving || !r->pause || !r->delivery) {
		gds_relay_free(r);
		return gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	*out = r;
	return GDS_OK;
}

const struct gds_address *gds_relay_address(const struct gds_relay *r)
{
	return &r->address;
}

const struct gds_relay_stats *gds_relay_stats(const struct gds_relay *r)
{
	return &r->stats;
}

void gds_relay_free(struct gds_relay *r)
{
	if (!r) {
		return;
	}
	gds_relay_streams_free(r);
	gds_relay_flows_free(r);
	gds_watch_free(r->accepting);
	gds_watch_free(r->receiving);
	gds_timer_free(r->pause);
	gds_timer_free(r->delivery);
	close(r->tcp);
	close(r->udp);
	gds_free(r->env, r);
}
