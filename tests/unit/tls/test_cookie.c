/* SPDX-License-Identifier: MIT */
/* UDP-03, UDP-19: an address is proved before anything is kept, and nobody gets more than it
 * sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "duo.h"
#include "tls/cookie.h"

#include <string.h>

static const uint8_t keys[2][GDS_COOKIE_KEY_SIZE] = {"0123456789abcde", "fedcba987654321"};
static const uint8_t older[2][GDS_COOKIE_KEY_SIZE] = {"fedcba987654321", "xxxxxxxxxxxxxxx"};
static const uint8_t strange[2][GDS_COOKIE_KEY_SIZE] = {"aaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbb"};
static const struct gds_address peer = {.family = 4, .port = 4711, .ip = {192, 0, 2, 1}};

struct fixture {
	struct duo d;
	uint8_t hello[512];
	size_t n;
};

/* The client's next datagram, taken out of the way. */
static void take(struct fixture *f)
{
	ssize_t n = gds_carrier_read(&f->d.pair->end[SERVER]->carrier, f->hello, sizeof(f->hello));
	assert_true(n > 0);
	f->n = (size_t)n;
}

static void begin(struct fixture *f)
{
	duo_init(&f->d, DTLS, NULL, NULL);
	duo_start_side(&f->d, CLIENT);
	assert_int_equal(gds_session_handshake(f->d.session[CLIENT]), GDS_AGAIN);
	take(f);
}

static enum gds_cookie_result judge(struct fixture *f, const struct gds_address *from,
	const uint8_t key[2][GDS_COOKIE_KEY_SIZE], struct gds_prestate *prestate, size_t *n)
{
	uint8_t reply[GDS_COOKIE_REPLY_MAX];
	*n = 0;
	enum gds_cookie_result result =
		gds_cookie_judge(f->hello, f->n, from, key, prestate, reply, n);
	if (result == GDS_COOKIE_ASK) {
		pair_inject(f->d.pair, CLIENT, reply, *n);
	}
	return result;
}

static void answer(struct fixture *f, const uint8_t key[2][GDS_COOKIE_KEY_SIZE])
{
	struct gds_prestate prestate;
	size_t n;
	begin(f);
	assert_int_equal(judge(f, &peer, key, &prestate, &n), GDS_COOKIE_ASK);
	assert_true(n > 0 && n < f->n);
	assert_int_equal(gds_session_handshake(f->d.session[CLIENT]), GDS_AGAIN);
	assert_true(duo_facts(&f->d, CLIENT)->hello_verify);
	take(f);
}

static void test_exchange(void **state)
{
	(void)state;
	struct fixture f;
	struct gds_prestate prestate = {0};
	size_t n;
	answer(&f, keys);
	assert_int_equal(judge(&f, &peer, keys, &prestate, &n), GDS_COOKIE_GOOD);
	assert_int_equal(n, 0);
	/* A new session with what the exchange left, and the same datagram. */
	f.d.profile[SERVER].prestate = &prestate;
	duo_start_side(&f.d, SERVER);
	pair_inject(f.d.pair, SERVER, f.hello, f.n);
	duo_shake(&f.d);
	assert_int_equal(f.d.status[CLIENT], GDS_OK);
	assert_int_equal(f.d.status[SERVER], GDS_OK);
	assert_int_equal(f.d.waits, 0);
	duo_free(&f.d);
}

static void test_keys(void **state)
{
	(void)state;
	const struct {
		const uint8_t (*asked)[GDS_COOKIE_KEY_SIZE];
		enum gds_cookie_result result;
	} cases[] = {
		{keys, GDS_COOKIE_GOOD},
		{older, GDS_COOKIE_GOOD}, /* its current one is our previous one */
		{strange, GDS_COOKIE_ASK},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;
		struct gds_prestate prestate;
		size_t n;
		answer(&f, cases[i].asked);
		assert_int_equal(judge(&f, &peer, keys, &prestate, &n), cases[i].result);
		duo_free(&f.d);
	}
}

static void test_another_address(void **state)
{
	(void)state;
	const struct gds_address others[] = {
		{.family = 4, .port = 4712, .ip = {192, 0, 2, 1}},
		{.family = 4, .port = 4711, .ip = {192, 0, 2, 2}},
		{.family = 6, .port = 4711, .ip = {192, 0, 2, 1}},
	};
	struct fixture f;
	struct gds_prestate prestate;
	size_t n;
	answer(&f, keys);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(judge(&f, &others[i], keys, &prestate, &n), GDS_COOKIE_ASK);
	}
	/* The padding around an address is no part of it. */
	struct gds_address same = peer;
	memset(same.ip + 4, 0xff, 12);
	same.scope = 77;
	assert_int_equal(judge(&f, &same, keys, &prestate, &n), GDS_COOKIE_GOOD);
	duo_free(&f.d);
}

static void test_ignored(void **state)
{
	(void)state;
	struct fixture f;
	struct gds_prestate prestate;
	size_t n;
	begin(&f);
	for (size_t cut = 0; cut < f.n; cut++) {
		struct fixture part = f;
		part.n = cut;
		assert_int_equal(judge(&part, &peer, keys, &prestate, &n), GDS_COOKIE_IGNORE);
	}
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = {
		{0, 23},
		{0, 21},
		{4, 1},
		{13, 2},
		{13, 16},
		{1, 3},
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct fixture changed = f;
		changed.hello[changes[i].at] = changes[i].value;
		assert_int_equal(judge(&changed, &peer, keys, &prestate, &n), GDS_COOKIE_IGNORE);
	}
	duo_free(&f.d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_another_address),
		cmocka_unit_test(test_ignored),
	};
	return cmocka_run_group_tests(tests, cast_make, cast_free);
}
