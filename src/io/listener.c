/* SPDX-License-Identifier: MIT */
#include "io/listener_private.h"

#include <string.h>
#include <unistd.h>

/* RFC 6347 section 4.2.1 asks for a secret that changes; the one before it is still good. */
#define COOKIE_KEY_LIFE (300 * GDS_SECOND)

/* --- Start --- */

static int listen_here(struct gds_listener *l, struct gds_complaint *complaint)
{
	static const struct gds_address loopback = {.family = 4, .ip = {127, 0, 0, 1}};
	struct gds_address at = l->o.address.family ? l->o.address : loopback;

	at.port = l->o.address.port;
	switch (l->o.faces) {
	case GDS_FACE_TCP:
		return gds_listen_one(&at, GDS_TCP, &l->tcp, &l->address, complaint);
	case GDS_FACE_UDP:
		return gds_listen_one(&at, GDS_UDP, &l->udp, &l->address, complaint);
	case GDS_FACE_TCP | GDS_FACE_UDP:
		return gds_listen_pair(&at, 1, &l->tcp, &l->udp, &l->address, complaint);
	default:
		return GDS_OK;
	}
}

/* \return GDS_OK, GDS_E_NOMEM, GDS_E_DESCRIPTORS. */
static int equip(struct gds_listener *l)
{
	int rc = gds_wait_new(&l->wait, l->env);

	l->scratch = gds_alloc(l->env, sizeof(*l->scratch));
	if (rc == GDS_OK && !l->scratch) {
		rc = GDS_E_NOMEM;
	}
	if (rc == GDS_OK && l->tcp >= 0) {
		l->tcp_slot = gds_wait_watch(l->wait, l->tcp, gds_listener_tcp_ready, l);
		rc = l->tcp_slot < 0 ? GDS_E_NOMEM : GDS_OK;
		l->accepting = true;
	}
	if (rc == GDS_OK && l->udp >= 0) {
		l->keys_at = gds_later(gds_now(l->env), COOKIE_KEY_LIFE);
		rc = gds_listener_init_demux(l);
	}
	if (rc == GDS_OK && l->udp >= 0) {
		l->udp_slot = gds_wait_watch(l->wait, l->udp, gds_listener_udp_ready, l);
		rc = l->udp_slot < 0 ? GDS_E_NOMEM : GDS_OK;
	}
	return rc;
}

static bool are_good(const struct gds_listener_options *o)
{
	return o && o->trust && gds_trust_role(o->trust) == GDS_SERVER &&
	       (o->faces & ~(unsigned)(GDS_FACE_TCP | GDS_FACE_UDP)) == 0;
}

int gds_listener_new(struct gds_listener **out, const struct gds_listener_options *o,
	struct gds_complaint *complaint)
{
	struct gds_listener *l;
	int rc;

	if (out) {
		*out = NULL;
	}
	if (!out || !are_good(o)) {
		return gds_complain(complaint, GDS_E_INVALID,
			"a listener needs a trust of the server's role, and faces it knows");
	}
	const struct gds_env *env = o->env ? o->env : gds_env_system();

	l = gds_alloc(env, sizeof(*l));
	if (!l) {
		return gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	l->o = *o;
	l->o.max_open = o->max_open ? o->max_open : GDS_LISTENER_OPEN;
	gds_trust_ref(l->o.trust);
	l->env = env;
	l->tcp = l->udp = l->tcp_slot = l->udp_slot = -1;
	l->keys_at = l->resume_at = GDS_NEVER;
	l->last = &l->first;
	rc = listen_here(l, complaint);
	if (rc == GDS_OK) {
		rc = equip(l);
		if (rc != GDS_OK) {
			gds_complain(
				complaint, rc, "the listener cannot start: %s", gds_strerror(rc));
		}
	}
	if (rc != GDS_OK) {
		gds_listener_free(l);
		return rc;
	}
	*out = l;
	return GDS_OK;
}

const struct gds_address *gds_listener_address(const struct gds_listener *l)
{
	static const struct gds_address none;

	return l ? &l->address : &none;
}

/* --- Go on --- */

void gds_listener_settle(struct gds_listener *l)
{
	if (l->batch) {
		gds_batch_flush(l->batch);
	}
	gds_listener_set_accepting(l);
}

static void run_timers(struct gds_listener *l, gds_time now)
{
	if (now >= l->resume_at) {
		l->resume_at = GDS_NEVER;
	}
	if (now >= l->keys_at) {
		uint8_t keys[2][16];

		memcpy(keys[1], l->cookie_keys[0], sizeof(keys[1]));
		if (l->env->random(l->env->ctx, keys[0], sizeof(keys[0])) == GDS_OK) {
			memcpy(l->cookie_keys, keys, sizeof(keys));
			gds_demux_keys(l->demux, keys);
		}
		l->keys_at = gds_later(now, COOKIE_KEY_LIFE);
	}
}

void gds_listener_step(struct gds_listener *l, gds_time now)
{
	if (l) {
		run_timers(l, now);
		gds_wait_step(l->wait, now);
		gds_listener_settle(l);
	}
}

void gds_listener_interest(struct gds_listener *l, struct gds_interest *out)
{
	*out = (struct gds_interest){.fd = -1, .deadline = GDS_NEVER};
	if (l) {
		gds_wait_interest(l->wait, out);
		out->deadline = l->keys_at < out->deadline ? l->keys_at : out->deadline;
		out->deadline = l->resume_at < out->deadline ? l->resume_at : out->deadline;
	}
}

static struct gds_incoming *dequeue(struct gds_listener *l)
{
	struct gds_incoming *in = l->first;

	if (in) {
		l->first = in->later;
		if (!l->first) {
			l->last = &l->first;
		}
		l->queued--;
	}
	return in;
}

int gds_listener_accept(struct gds_listener *l, struct gds_incoming **out, gds_time deadline)
{
	if (out) {
		*out = NULL;
	}
	if (!l || !out) {
		return GDS_E_INVALID;
	}
	for (;;) {
		struct gds_interest want;
		gds_time now;

		*out = dequeue(l);
		if (!*out) {
			gds_listener_step(l, gds_now(l->env));
			*out = dequeue(l);
		}
		if (*out) {
			gds_listener_set_accepting(l);
			return GDS_OK;
		}
		now = gds_now(l->env);
		if (l->closed && gds_wait_count(l->wait) == 0) {
			return GDS_E_CANCELLED;
		}
		if (now >= deadline) {
			return deadline == GDS_AT_ONCE ? GDS_AGAIN : GDS_E_TIMEOUT;
		}
		gds_listener_interest(l, &want);
		gds_wait_sleep(&want, 1, deadline, now);
	}
}

/* --- End --- */

static void cancel_all(struct gds_listener *l, enum gds_close how)
{
	struct gds_incoming *next;

	/* One cancelled may end itself, never others. */
	for (struct gds_incoming *in = l->all; in; in = next) {
		next = in->next;
		if (in->task) {
			gds_task_cancel(in->task, how);
		}
	}
}

static void stop_listening(struct gds_listener *l)
{
	if (l->tcp >= 0) {
		gds_wait_unwatch(l->wait, l->tcp_slot, l->tcp);
		close(l->tcp); /* who comes now is refused, not left waiting */
		l->tcp = -1;
	}
	if (l->demux) {
		gds_demux_drain(l->demux);
	}
}

int gds_listener_close(struct gds_listener *l, gds_time deadline)
{
	if (!l) {
		return GDS_E_INVALID;
	}
	if (!l->closed) {
		l->closed = true;
		stop_listening(l);
		cancel_all(l, GDS_CLOSE_CLEAN);
		gds_listener_settle(l);
	}
	while (gds_wait_count(l->wait) > 0) {
		gds_time now = gds_now(l->env);
		struct gds_interest want;

		gds_listener_step(l, now);
		if (gds_wait_count(l->wait) == 0) {
			break;
		}
		if (now >= deadline) {
			cancel_all(l, GDS_CLOSE_RESET);
			gds_listener_settle(l);
			return GDS_E_TIMEOUT;
		}
		gds_listener_interest(l, &want);
		gds_wait_sleep(&want, 1, deadline, now);
	}
	return GDS_OK;
}

static void close_socket(int fd)
{
	if (fd >= 0) {
		close(fd);
	}
}

/* The program's ones outlive the listener; the others go with it. */
static void orphan_all(struct gds_listener *l)
{
	struct gds_incoming *in;

	while ((in = dequeue(l))) {
		gds_incoming_free(in);
	}
	while ((in = l->all)) {
		l->all = in->next;
		in->next = in->previous = NULL;
		in->listener = NULL;
	}
}

void gds_listener_free(struct gds_listener *l)
{
	if (!l) {
		return;
	}
	cancel_all(l, GDS_CLOSE_SILENT);
	gds_wait_free(l->wait);
	l->wait = NULL;
	orphan_all(l);
	gds_demux_free(l->demux);
	gds_batch_free(l->batch);
	close_socket(l->tcp);
	close_socket(l->udp);
	gds_trust_unref(l->o.trust);
	gds_free(l->env, l->scratch);
	gds_free(l->env, l);
}
