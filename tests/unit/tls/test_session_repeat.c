/* SPDX-License-Identifier: MIT */
/* Datagrams that are sent again as they are (UDP-17, UDP-20): what was lost arrives, what arrived
 * is read once. */
#include "duo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HEADER 275

static void ready(struct duo *d)
{
	duo_ready(d, DTLS);
	/* The server has its answer, and what follows is seen on a clock of our own. */
	d->pair->now = gds_env_system()->mono(NULL);
	d->pair->fake_clock = true;
	for (int side = 0; side < 2; side++) {
		d->pair->end[side]->written = 0;
	}
}

/* Wait as long as this side asks for, and let it do what it then does. \return false: it asks for
 * nothing. */
static bool wait_for(struct duo *d, int side)
{
	struct gds_interest want;
	uint8_t byte[1];

	gds_carrier_interest(d->carrier[side], &want);
	if (want.deadline == GDS_NEVER) {
		return false;
	}
	assert_true(want.deadline > d->pair->now);
	d->pair->now = want.deadline;
	assert_int_equal(gds_carrier_read(d->carrier[side], byte, sizeof(byte)), GDS_AGAIN);
	return true;
}

static ssize_t read_server(struct duo *d, uint8_t in[static HEADER])
{
	return gds_carrier_read(d->carrier[SERVER], in, HEADER);
}

static void test_first_record(void **state)
{
	uint8_t out[HEADER] = {1, 2, 3}, in[HEADER];

	(void)state;
	for (unsigned lost = 0; lost < 8; lost++) {
		struct duo d;

		ready(&d);
		struct pair_end *end = d.pair->end[CLIENT];

		end->lose = (UINT64_C(1) << lost) - 1;
		assert_int_equal(gds_carrier_write(d.carrier[CLIENT], out, HEADER), HEADER);
		uint8_t datagram[2048];
		size_t n = end->last_length;

		memcpy(datagram, end->last, n);
		for (unsigned i = 0; i < lost; i++) {
			assert_int_equal(read_server(&d, in), GDS_AGAIN);
			assert_true(wait_for(&d, CLIENT));
			assert_int_equal(end->last_length, n);
			assert_memory_equal(end->last, datagram, n);
		}
		assert_int_equal(read_server(&d, in), HEADER);
		assert_memory_equal(in, out, HEADER);
		/* All others are replays. */
		while (wait_for(&d, CLIENT)) {
			assert_int_equal(read_server(&d, in), GDS_AGAIN);
		}
		assert_int_equal(end->written, 9); /* bounded */
		duo_free(&d);
	}
}

static void test_answer_ends_it(void **state)
{
	uint8_t out[HEADER] = {1}, in[HEADER];
	struct duo d;

	(void)state;
	ready(&d);
	assert_int_equal(gds_carrier_write(d.carrier[CLIENT], out, HEADER), HEADER);
	assert_int_equal(read_server(&d, in), HEADER);
	assert_int_equal(gds_carrier_write(d.carrier[SERVER], "x", 1), 1);
	assert_int_equal(gds_carrier_read(d.carrier[CLIENT], in, sizeof(in)), 1);
	assert_false(wait_for(&d, CLIENT));
	assert_false(wait_for(&d, SERVER));
	assert_int_equal(d.pair->end[CLIENT]->written, 1);
	assert_int_equal(d.pair->end[SERVER]->written, 1);
	duo_free(&d);
}

/* Payload, and whatever a server sends, travels once. */
static void test_only_the_first(void **state)
{
	uint8_t out[HEADER] = {1}, in[HEADER];
	struct duo d;

	(void)state;
	ready(&d);
	assert_int_equal(gds_carrier_write(d.carrier[CLIENT], out, HEADER), HEADER);
	assert_int_equal(gds_carrier_write(d.carrier[CLIENT], "payload", 7), 7);
	assert_false(wait_for(&d, CLIENT));
	assert_int_equal(read_server(&d, in), HEADER);
	assert_int_equal(read_server(&d, in), 7);
	assert_int_equal(gds_carrier_write(d.carrier[SERVER], out, HEADER), HEADER);
	assert_false(wait_for(&d, SERVER));
	duo_free(&d);
}

/* The server's Finished, both datagrams of it, is lost; the client never asks. */
static void test_last_flight(void **state)
{
	struct duo d;
	unsigned written;

	(void)state;
	duo_init(&d, DTLS, NULL, NULL);
	d.profile[CLIENT].retransmit = 100 * GDS_SECOND;
	d.pair->end[SERVER]->lose = UINT64_C(3) << 5;
	duo_start(&d);
	for (int turn = 0; turn < 10 && d.status[SERVER] != GDS_OK; turn++) {
		d.status[CLIENT] = gds_session_handshake(d.session[CLIENT]);
		d.status[SERVER] = gds_session_handshake(d.session[SERVER]);
	}
	assert_int_equal(d.status[SERVER], GDS_OK);
	written = d.pair->end[SERVER]->written;
	d.pair->now = gds_env_system()->mono(NULL);
	d.pair->fake_clock = true;
	assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_AGAIN);
	assert_true(wait_for(&d, SERVER));
	assert_int_equal(d.pair->end[SERVER]->written, written + 2);
	assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_OK);
	duo_free(&d);
}

static void test_close_is_said_twice(void **state)
{
	uint8_t in[16];

	(void)state;
	for (int side = 0; side < 2; side++) {
		struct duo d;

		ready(&d);
		d.pair->end[side]->lose = 1;
		assert_int_equal(gds_carrier_shut(d.carrier[side]), GDS_OK);
		assert_int_equal(d.pair->end[side]->written, 2);
		assert_int_equal(gds_carrier_read(d.carrier[1 - side], in, sizeof(in)), GDS_EOF);
		/* The answer is one of many ways to know: it is said once. */
		assert_int_equal(gds_carrier_shut(d.carrier[1 - side]), GDS_OK);
		assert_int_equal(d.pair->end[1 - side]->written, 1);
		assert_int_equal(gds_carrier_read(d.carrier[side], in, sizeof(in)), GDS_EOF);
		duo_free(&d);
	}
}

/* Of a flight nobody answers each datagram has its old bytes between two repetitions of GnuTLS's,
 * and there is an end to it. */
static void test_flight_is_bounded(void **state)
{
	struct duo d;
	unsigned wakes = 0;

	(void)state;
	duo_init(&d, DTLS, NULL, NULL);
	d.profile[CLIENT].retransmit =
		1000 * GDS_SECOND; /* GnuTLS's clock is another: it stays silent */
	d.profile[CLIENT].deadline = GDS_NEVER;
	d.pair->fake_clock = true;
	d.pair->now = gds_env_system()->mono(NULL);
	duo_start_side(&d, CLIENT);
	assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_AGAIN);
	struct pair_end *end = d.pair->end[CLIENT];
	uint8_t hello[2048];
	size_t n = end->last_length;

	memcpy(hello, end->last, n);
	for (int i = 0; i < 30; i++) {
		unsigned before = end->written;

		d.pair->now += 1000 * GDS_SECOND;
		assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_AGAIN);
		if (end->written > before) {
			wakes++;
			assert_int_equal(end->written, before + 1);
			assert_int_equal(end->last_length, n);
			assert_memory_equal(end->last, hello, n);
		}
	}
	assert_int_equal(wakes, 8);
	assert_int_equal(duo_facts(&d, CLIENT)->retransmissions, 8);
	gds_carrier_close(d.carrier[CLIENT], GDS_CLOSE_SILENT);
	d.carrier[CLIENT] = NULL;
	gds_trust_unref(d.trust[CLIENT]);
	gds_trust_unref(d.trust[SERVER]);
	pair_free(d.pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_record),
		cmocka_unit_test(test_answer_ends_it),
		cmocka_unit_test(test_only_the_first),
		cmocka_unit_test(test_last_flight),
		cmocka_unit_test(test_close_is_said_twice),
		cmocka_unit_test(test_flight_is_bounded),
	};
	return cmocka_run_group_tests(tests, cast_make, cast_free);
}
