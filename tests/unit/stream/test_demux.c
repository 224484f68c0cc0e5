/* SPDX-License-Identifier: MIT */
#include "lab.h"

#include <gdstream/demux.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A client and the server's session of it, when there is one. */
struct client {
	struct memory *wire;
	struct gds_session *session;
	struct gds_address address;
};

/* What the demultiplexer's owner keeps for a slot. */
struct served {
	struct gds_carrier *slot;
	struct gds_session *session;
	struct gds_address peer;
	bool established, closed, replaced;
	unsigned wakes;
	uint8_t got[64];
	size_t got_length;
};

struct fixture {
	struct gds_demux *demux;
	struct client *clients[4];
	size_t n_clients;
	struct served served[8];
	size_t n_served;
	unsigned sent;	     /* datagrams */
	size_t sent_length;  /* of the last one */
	size_t asked_length; /* of the last one that went in */
	bool refuse;
	uint8_t last[2048]; /* the last datagram that a client sent */
	size_t last_length;
};

static void serve_step(struct fixture *f, struct served *s)
{
	if (!s->established) {
		s->established = gds_session_handshake(s->session) == GDS_OK;
		if (s->established) {
			gds_demux_established(f->demux, s->slot);
		}
	}
	if (s->established) {
		ssize_t n = gds_carrier_read(gds_session_carrier(s->session),
			s->got + s->got_length, sizeof(s->got) - s->got_length);
		s->got_length += n > 0 ? (size_t)n : 0;
	}
}

static void ops_send(void *ctx, const struct gds_address *to, const uint8_t *data, size_t n)
{
	struct fixture *f = ctx;
	f->sent++;
	f->sent_length = n;
	for (size_t i = f->n_clients; i-- > 0;) {
		if (gds_address_equal(&f->clients[i]->address, to)) {
			memory_give_datagram(f->clients[i]->wire, data, n);
			return;
		}
	}
}

static void *ops_accepted(void *ctx, struct gds_carrier *slot, const struct gds_address *peer,
	const struct gds_prestate *prestate)
{
	struct fixture *f = ctx;
	if (f->refuse) {
		return NULL;
	}
	struct served *s = &f->served[f->n_served++];
	struct gds_profile profile = {
		.role = GDS_SERVER,
		.transport = GDS_UDP,
		.prestate = prestate,
		.deadline = GDS_NEVER,
	};
	s->slot = slot;
	s->peer = *peer;
	assert_int_equal(
		gds_session_new(&s->session, &profile, lab_trust(GDS_SERVER), slot), GDS_OK);
	serve_step(f, s);
	return s;
}

static void ops_wake(void *ctx, void *token)
{
	struct served *s = token;
	s->wakes++;
	serve_step(ctx, s);
}

static void serve_close(struct served *s)
{
	if (!s->closed) {
		s->closed = true;
		gds_carrier_close(gds_session_carrier(s->session), GDS_CLOSE_SILENT);
	}
}

static void ops_replaced(void *ctx, void *token)
{
	struct served *s = token;
	(void)ctx;
	s->replaced = true;
	serve_close(s);
}

static void begin(struct fixture *f, size_t max_sessions)
{
	static const struct gds_demux_ops ops = {
		ops_send, ops_accepted, ops_wake, ops_replaced, NULL};
	struct gds_demux_options o = {.max_sessions = max_sessions, .env = test_env()};
	memset(f, 0, sizeof(*f));
	memset(o.cookie_key, 7, sizeof(o.cookie_key));
	f->demux = gds_demux_new(&o, &ops, f);
	assert_non_null(f->demux);
}

/* A client that comes from this port; the newest one of an address gets the answers. */
static struct client *client_new(struct fixture *f, uint16_t port)
{
	struct client *c = calloc(1, sizeof(*c));
	assert_non_null(c);
	c->wire = memory_new(true);
	c->session = lab_client(c->wire, GDS_UDP, NULL);
	gds_address_parse(&c->address, "192.0.2.7", port);
	f->clients[f->n_clients++] = c;
	return c;
}

static void input(struct fixture *f, const struct gds_address *peer, const void *data, size_t n)
{
	struct gds_datagram in = {.peer = *peer, .data = data, .n = n};
	f->asked_length = n;
	gds_demux_input(f->demux, &in, test_clock);
}

/* memory.out has no boundaries: a client's datagrams are cut at the DTLS records' lengths. */
static void deliver(struct fixture *f, struct client *c)
{
	struct memory *m = c->wire;
	size_t at = 0;
	while (at < m->out_length) {
		size_t n = 13 + ((size_t)m->out[at + 11] << 8 | m->out[at + 12]);
		memcpy(f->last, m->out + at, n);
		f->last_length = n;
		input(f, &c->address, m->out + at, n);
		at += n;
	}
	m->out_room += m->out_length;
	m->out_length = 0;
}

static int turn(struct fixture *f, struct client *c)
{
	int rc = gds_session_handshake(c->session);
	deliver(f, c);
	return rc;
}

static void shake_hands(struct fixture *f, struct client *c)
{
	int rc = GDS_AGAIN;
	for (int i = 0; i < 20 && rc == GDS_AGAIN; i++) {
		rc = turn(f, c);
	}
	assert_int_equal(rc, GDS_OK);
}

static void say(struct fixture *f, struct client *c, const char *text)
{
	gds_carrier_write(gds_session_carrier(c->session), text, strlen(text));
	gds_carrier_flush(gds_session_carrier(c->session));
	deliver(f, c);
}

static void finish(struct fixture *f)
{
	for (size_t i = 0; i < f->n_served; i++) {
		serve_close(&f->served[i]);
	}
	assert_int_equal(gds_demux_stats(f->demux)->sessions, 0);
	gds_demux_free(f->demux);
	for (size_t i = 0; i < f->n_clients; i++) {
		gds_carrier_close(gds_session_carrier(f->clients[i]->session), GDS_CLOSE_SILENT);
		memory_free(f->clients[i]->wire);
		free(f->clients[i]);
	}
	assert_int_equal(test_allocated, 0);
}

/* UDP-03, UDP-19: no state and no larger answer before the cookie. */
static void test_cookie_first(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 0);
	struct client *c = client_new(&f, 1000);
	turn(&f, c);
	assert_int_equal(f.sent, 1);
	assert_true(f.sent_length <= f.asked_length);
	assert_int_equal(f.n_served, 0);
	assert_int_equal(gds_demux_stats(f.demux)->cookies_sent, 1);
	assert_int_equal(gds_demux_stats(f.demux)->sessions, 0);
	shake_hands(&f, c);
	assert_int_equal(f.n_served, 1);
	assert_true(gds_address_equal(&f.served[0].peer, &c->address));
	finish(&f);
}

/* A cookie is good for its own address only. */
static void test_cookie_of_another(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 0);
	struct client *c = client_new(&f, 1000);
	turn(&f, c);
	gds_session_handshake(c->session);
	struct gds_address other = c->address;
	other.port = 1001;
	input(&f, &other, c->wire->out, c->wire->out_length);
	assert_int_equal(f.n_served, 0);
	finish(&f);
}

/* UDP-19: to what is no ClientHello there is no answer. */
static void test_no_answer(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 0);
	struct client *c = client_new(&f, 1000);
	gds_session_handshake(c->session);
	uint8_t hello[2048];
	size_t n = c->wire->out_length;
	memcpy(hello, c->wire->out, n);
	input(&f, &c->address, hello, 0);
	input(&f, &c->address, hello, 13);
	input(&f, &c->address, hello, n - 1);
	hello[4] = 1; /* epoch */
	input(&f, &c->address, hello, n);
	hello[4] = 0;
	hello[0] = 23; /* application data */
	input(&f, &c->address, hello, n);
	hello[0] = 22;
	hello[13] = 2; /* ServerHello */
	input(&f, &c->address, hello, n);
	input(&f, &c->address, "GET / HTTP/1.0\r\n\r\n", 18);
	assert_int_equal(f.sent, 0);
	assert_int_equal(f.n_served, 0);
	assert_int_equal(gds_demux_stats(f.demux)->ignored, 7);
	finish(&f);
}

/* Every datagram goes to its own session. */
static void test_many(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 0);
	for (uint16_t i = 0; i < 3; i++) {
		shake_hands(&f, client_new(&f, (uint16_t)(1000 + i)));
	}
	say(&f, f.clients[0], "zero");
	say(&f, f.clients[2], "two");
	say(&f, f.clients[1], "one");
	assert_memory_equal(f.served[0].got, "zero", 5);
	assert_memory_equal(f.served[1].got, "one", 4);
	assert_memory_equal(f.served[2].got, "two", 4);
	finish(&f);
}

/*
 * UDP-13, RFC 6347 section 4.2.8: beside the old one until it stands, then in its place; also when
 * there is room for one session only.
 */
static void test_restart(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 1);
	struct client *old = client_new(&f, 1000);
	shake_hands(&f, old);
	say(&f, old, "a");
	struct client *new = client_new(&f, 1000);
	turn(&f, new);
	assert_int_equal(f.n_served, 1);
	turn(&f, new);
	assert_int_equal(f.n_served, 2);
	assert_int_equal(gds_demux_stats(f.demux)->sessions, 2);
	/* Until the Finished of the new one the old one lives. */
	assert_false(f.served[0].replaced);
	say(&f, old, "b");
	assert_memory_equal(f.served[0].got, "ab", 3);
	shake_hands(&f, new);
	assert_true(f.served[0].replaced);
	assert_false(f.served[1].replaced);
	assert_int_equal(gds_demux_stats(f.demux)->sessions, 1);
	say(&f, new, "c");
	assert_memory_equal(f.served[1].got, "c", 2);
	/*
	 * And once more: what was a candidate is now the one that lives until the next one stands.
	 */
	struct client *newer = client_new(&f, 1000);
	turn(&f, newer);
	turn(&f, newer);
	assert_int_equal(f.n_served, 3);
	assert_false(f.served[1].replaced);
	shake_hands(&f, newer);
	assert_true(f.served[1].replaced);
	finish(&f);
}

/*
 * A candidate whose client loses interest leaves the old session as it was; a third one takes the
 * candidate's place.
 */
static void test_candidate_given_up(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 0);
	struct client *old = client_new(&f, 1000);
	shake_hands(&f, old);
	struct client *second = client_new(&f, 1000);
	turn(&f, second);
	turn(&f, second);
	struct client *third = client_new(&f, 1000);
	turn(&f, third);
	turn(&f, third);
	assert_true(f.served[1].replaced);
	serve_close(&f.served[2]);
	say(&f, old, "still here");
	assert_memory_equal(f.served[0].got, "still here", 11);
	finish(&f);
}

/* A late duplicate of the live session's own ClientHello does nothing to it. */
static void test_late_duplicate(void **state)
{
	struct fixture f;
	uint8_t hello[2048];
	(void)state;
	begin(&f, 0);
	struct client *c = client_new(&f, 1000);
	turn(&f, c);
	gds_session_handshake(c->session);
	size_t n = c->wire->out_length;
	memcpy(hello, c->wire->out, n);
	shake_hands(&f, c);
	unsigned sent = f.sent, wakes = f.served[0].wakes;
	input(&f, &c->address, hello, n);
	assert_int_equal(f.sent, sent);
	assert_int_equal(f.served[0].wakes, wakes);
	assert_int_equal(f.n_served, 1);
	say(&f, c, "x");
	assert_memory_equal(f.served[0].got, "x", 2);
	finish(&f);
}

/* UDP-17, UDP-22: what is forged from the session's address changes nothing. */
static void test_forged(void **state)
{
	static const uint8_t alert[] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40};
	static const uint8_t data[] = {23, 254, 253, 0, 0, 0, 0, 0, 0, 0, 98, 0, 3, 'a', 'b', 'c'};
	struct fixture f;
	(void)state;
	begin(&f, 0);
	struct client *c = client_new(&f, 1000);
	for (int i = 0; i < 20 && (f.n_served == 0 || !f.served[0].established); i++) {
		turn(&f, c);
		input(&f, &c->address, alert, sizeof(alert));
		input(&f, &c->address, data, sizeof(data));
		unsigned wakes = f.n_served ? f.served[0].wakes : 0;
		input(&f, &c->address, data, 0);
		input(&f, &c->address, "garbage", 7);
		assert_int_equal(f.n_served ? f.served[0].wakes : 0, wakes);
	}
	assert_int_equal(f.n_served, 1);
	shake_hands(&f, c);
	say(&f, c, "x");
	input(&f, &c->address, f.last, f.last_length); /* a replay */
	assert_memory_equal(f.served[0].got, "x", 2);
	finish(&f);
}

/* The bound of the table, an owner that refuses, and a server that drains. */
static void test_bounds(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 1);
	shake_hands(&f, client_new(&f, 1000));
	struct client *second = client_new(&f, 1001);
	turn(&f, second);
	turn(&f, second);
	assert_int_equal(f.n_served, 1);
	assert_int_equal(gds_demux_stats(f.demux)->over_limit, 1);
	serve_close(&f.served[0]);
	f.refuse = true;
	test_clock += 2 * GDS_SECOND; /* it sends its hello again */
	turn(&f, second);
	assert_int_equal(gds_demux_stats(f.demux)->sessions, 0);
	gds_demux_drain(f.demux);
	unsigned sent = f.sent;
	turn(&f, client_new(&f, 1002));
	assert_int_equal(f.sent, sent);
	finish(&f);
}

static int tear_down(void **state)
{
	(void)state;
	lab_free();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cookie_first),
		cmocka_unit_test(test_cookie_of_another),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_candidate_given_up),
		cmocka_unit_test(test_late_duplicate),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
