/* SPDX-License-Identifier: MIT */
/* What only UDP has: boundaries, loss, retransmission, forged and foreign datagrams, ICMP
 * (UDP-06..UDP-22). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "duo.h"
#include "tls/session_private.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t plain_alert[] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
static const uint8_t early_data[] = {
	23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 1, 0, 4, 'd', 'a', 't', 'a'};
static const uint8_t plain_data[] = {
	23, 254, 253, 0, 0, 0, 0, 0, 0, 0, 8, 0, 4, 'd', 'a', 't', 'a'};

static uint8_t pattern(size_t i, size_t n)
{
	return (uint8_t)(i * 7 + n);
}

static void test_boundaries(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 2, 100, 275, 1200, 8155, 8156, 16000, 16346, 16347};
	static uint8_t out[GDS_DATAGRAM_MAX + 1], in[GDS_DATAGRAM_IN_MAX];
	struct duo d;
	duo_ready(&d, DTLS);
	for (int side = 0; side < 2; side++) {
		/* All on the way at once, read one by one. */
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			for (size_t j = 0; j < sizes[i]; j++) {
				out[j] = pattern(j, sizes[i]);
			}
			assert_int_equal(
				gds_carrier_write(d.carrier[side], out, sizes[i]), sizes[i]);
		}
		/* UDP-09: nothing is sent, and the session lives. */
		assert_int_equal(
			gds_carrier_write(d.carrier[side], out, GDS_DATAGRAM_MAX + 1), GDS_E_LIMIT);
		assert_int_equal(gds_carrier_write(d.carrier[side], out, 0), 0); /* UDP-18 */
		assert_int_equal(d.carrier[side]->dropped, 1);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			assert_int_equal(duo_read(&d, 1 - side, in, sizeof(in)), (ssize_t)sizes[i]);
			for (size_t j = 0; j < sizes[i]; j++) {
				assert_int_equal(in[j], pattern(j, sizes[i]));
			}
		}
		assert_int_equal(duo_read(&d, 1 - side, in, sizeof(in)), GDS_AGAIN);
	}
	duo_free(&d);
}

/* Never the rest of a datagram as the next one. */
static void test_small_buffer(void **state)
{
	(void)state;
	uint8_t out[300] = {1}, in[300];
	struct duo d;
	duo_ready(&d, DTLS);
	assert_int_equal(gds_carrier_write(d.carrier[CLIENT], out, 300), 300);
	assert_int_equal(gds_carrier_write(d.carrier[CLIENT], out, 275), 275);
	assert_int_equal(gds_carrier_read(d.carrier[SERVER], in, 275), 275);
	assert_int_equal(d.carrier[SERVER]->dropped, 1);
	duo_free(&d);
}

/* Several records in one datagram are several datagrams, and none is forgotten when the caller
 * waits between reads. */
static void test_records_in_one_datagram(void **state)
{
	(void)state;
	uint8_t in[300], both[1024];
	struct duo d;
	duo_ready(&d, DTLS);
	struct pair_end *end = d.pair->end[CLIENT];
	end->lose = ~UINT64_C(0);
	end->written = 0;
	assert_int_equal(gds_carrier_write(d.carrier[CLIENT], "one", 3), 3);
	size_t n = end->last_length;
	memcpy(both, end->last, n);
	assert_int_equal(gds_carrier_write(d.carrier[CLIENT], "three", 5), 5);
	memcpy(both + n, end->last, end->last_length);
	n += end->last_length;
	pair_inject(d.pair, SERVER, both, n);
	assert_int_equal(gds_carrier_read(d.carrier[SERVER], in, sizeof(in)), 3);
	struct gds_interest want;
	gds_carrier_interest(d.carrier[SERVER], &want);
	assert_true(want.ready);
	assert_int_equal(gds_carrier_read(d.carrier[SERVER], in, sizeof(in)), 5);
	assert_int_equal(gds_carrier_read(d.carrier[SERVER], in, sizeof(in)), GDS_AGAIN);
	gds_carrier_interest(d.carrier[SERVER], &want);
	assert_false(want.ready);
	duo_free(&d);
}

/* Each datagram of a handshake is lost once, from either side. */
static void test_loss(void **state)
{
	(void)state;
	for (int side = 0; side < 2; side++) {
		for (unsigned i = 0; i < 8; i++) {
			struct duo d;
			char in[16];
			duo_init(&d, DTLS, NULL, NULL);
			d.pair->end[side]->lose = UINT64_C(1) << i;
			duo_start(&d);
			duo_shake(&d);
			assert_int_equal(d.status[CLIENT], GDS_OK);
			assert_int_equal(d.status[SERVER], GDS_OK);
			assert_true(d.waits <= 8);
			assert_true(d.turns <= 30);
			d.pair->end[side]->lose = 0;
			assert_int_equal(gds_carrier_write(d.carrier[CLIENT], "hello", 5), 5);
			assert_int_equal(duo_read(&d, SERVER, in, sizeof(in)), 5);
			duo_free(&d);
		}
	}
}

/* The server's Finished is lost, and what it says next is not: genuine data before its time. */
static void test_data_before_finished(void **state)
{
	(void)state;
	struct duo d;
	char in[16];
	duo_init(&d, DTLS, NULL, NULL);
	d.pair->end[SERVER]->lose = UINT64_C(1) << 6;
	duo_start(&d);
	for (int turn = 0; turn < 10 && d.status[SERVER] != GDS_OK; turn++) {
		d.status[CLIENT] = gds_session_handshake(d.session[CLIENT]);
		d.status[SERVER] = gds_session_handshake(d.session[SERVER]);
	}
	assert_int_equal(d.status[SERVER], GDS_OK);
	assert_int_equal(d.pair->end[SERVER]->written, 7);
	assert_int_equal(gds_carrier_write(d.carrier[SERVER], "early", 5), 5);
	duo_shake(&d);
	assert_int_equal(d.status[CLIENT], GDS_OK);
	assert_int_equal(gds_carrier_write(d.carrier[SERVER], "later", 5), 5);
	assert_int_equal(duo_read(&d, CLIENT, in, sizeof(in)), 5);
	assert_memory_equal(in, "later", 5);
	duo_free(&d);
}

/* What comes before a ChangeCipherSpec is lost: GnuTLS must not see it, for it would forget its
 * buffer. */
static void test_early_change_cipher_spec(void **state)
{
	static const uint8_t ccs[] = {20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 1, 1};
	(void)state;
	for (unsigned lost = 1; lost < 4; lost++) {
		struct duo d;
		duo_init(&d, DTLS, NULL, NULL);
		d.pair->end[CLIENT]->lose = UINT64_C(1)
					    << lost; /* of Certificate and what follows */
		duo_start(&d);
		pair_inject(d.pair, CLIENT, ccs, sizeof(ccs));
		pair_inject(d.pair, SERVER, ccs, sizeof(ccs));
		duo_shake(&d);
		assert_int_equal(d.status[CLIENT], GDS_OK);
		assert_int_equal(d.status[SERVER], GDS_OK);
		assert_int_equal(d.carrier[CLIENT]->dropped, 1);
		assert_in_range(d.carrier[SERVER]->dropped, 2, 3);
		duo_free(&d);
	}
}

/* A whole flight in one datagram, as pion sends it: what is in front of a ChangeCipherSpec counts.
 */
static void test_flight_in_one_datagram(void **state)
{
	(void)state;
	struct duo d;
	uint8_t flight[8192];
	size_t length = 0;
	ssize_t n;
	duo_init(&d, DTLS, NULL, NULL);
	d.profile[CLIENT].retransmit = d.profile[SERVER].retransmit = GDS_SECOND;
	duo_start(&d);
	for (int i = 0; i < 2; i++) { /* the ClientHello; the second flight */
		assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_AGAIN);
		if (i == 0) {
			assert_int_equal(gds_session_handshake(d.session[SERVER]), GDS_AGAIN);
		}
	}
	struct gds_carrier *below = &d.pair->end[SERVER]->carrier;
	while ((n = gds_carrier_read(below, flight + length, sizeof(flight) - length)) > 0) {
		length += (size_t)n;
	}
	assert_in_range(length, 600, sizeof(flight) - 1);
	pair_inject(d.pair, SERVER, flight, length);
	duo_shake(&d);
	assert_int_equal(d.status[CLIENT], GDS_OK);
	assert_int_equal(d.status[SERVER], GDS_OK);
	assert_int_equal(d.waits, 0);
	assert_int_equal(d.carrier[SERVER]->dropped, 0);
	duo_free(&d);
}

static void test_heavy_loss(void **state)
{
	(void)state;
	/* A fixed pattern of one in three, both ways. */
	struct duo d;
	duo_init(&d, DTLS, NULL, NULL);
	d.pair->end[CLIENT]->lose = UINT64_C(0x9249249249249249);
	d.pair->end[SERVER]->lose = UINT64_C(0x2492492492492492);
	d.profile[CLIENT].retransmit = d.profile[SERVER].retransmit = 5 * GDS_MILLISECOND;
	duo_start(&d);
	duo_shake(&d);
	assert_int_equal(d.status[CLIENT], GDS_OK);
	assert_int_equal(d.status[SERVER], GDS_OK);
	assert_true(duo_facts(&d, CLIENT)->retransmissions > 0);
	duo_free(&d);
}

/* A handshake that waits does so without a busy loop, and says how long. */
static void test_wake_ups(void **state)
{
	(void)state;
	struct duo d;
	unsigned wakes = 0;
	duo_init(&d, DTLS, NULL, NULL);
	d.profile[CLIENT].deadline = gds_env_system()->mono(NULL) + 300 * GDS_MILLISECOND;
	duo_start(&d);
	while ((d.status[CLIENT] = gds_session_handshake(d.session[CLIENT])) == GDS_AGAIN) {
		struct gds_interest want;
		gds_carrier_interest(d.carrier[CLIENT], &want);
		assert_int_equal(want.events, POLLIN);
		assert_false(want.ready);
		gds_time now = gds_env_system()->mono(NULL);
		if (want.deadline > now) {
			poll(NULL, 0, (int)((want.deadline - now) / GDS_MILLISECOND) + 1);
		}
		wakes++;
	}
	assert_int_equal(d.status[CLIENT], GDS_E_TIMEOUT);
	/* GnuTLS's at 20, 60, 140, 300 ms; eight of ours, 20 ms after what went before; the
	 * deadline. */
	assert_in_range(wakes, 6, 14);
	assert_in_range(duo_facts(&d, CLIENT)->retransmissions, 5, 12);
	assert_int_equal(duo_facts(&d, CLIENT)->bytes_in, 0);
	duo_free(&d);
}

/* The rest of the server's flight never comes: GnuTLS's timer says zero for ever then. */
static void test_wake_ups_in_mid_flight(void **state)
{
	(void)state;
	struct duo d;
	unsigned wakes = 0;
	duo_init(&d, DTLS, NULL, NULL);
	d.pair->end[SERVER]->lose = ~UINT64_C(1); /* its first datagram arrives, nothing else */
	d.profile[CLIENT].deadline = gds_env_system()->mono(NULL) + 200 * GDS_MILLISECOND;
	duo_start(&d);
	(void)gds_session_handshake(d.session[CLIENT]);
	(void)gds_session_handshake(d.session[SERVER]);
	while ((d.status[CLIENT] = gds_session_handshake(d.session[CLIENT])) == GDS_AGAIN) {
		struct gds_interest want;
		gds_carrier_interest(d.carrier[CLIENT], &want);
		gds_time now = gds_env_system()->mono(NULL);
		if (!want.ready && want.deadline > now) {
			poll(NULL, 0, (int)((want.deadline - now) / GDS_MILLISECOND) + 1);
		}
		wakes++;
	}
	assert_int_equal(d.status[CLIENT], GDS_E_TIMEOUT);
	assert_true(wakes < 20);
	assert_true(duo_facts(&d, CLIENT)->bytes_in > 0);
	duo_free(&d);
}

/* UDP-22: none of these ends a server's handshake, whenever they come. */
static void test_forged_in_handshake(void **state)
{
	(void)state;
	static const struct {
		const void *data;
		size_t n;
	} forged[] = {
		{"", 0}, {plain_alert, sizeof(plain_alert)}, {early_data, sizeof(early_data)},
		{plain_data, sizeof(plain_data)}, {"garbage", 7}, {"\x16\xfe\xfd", 3},
		{"\x18\xfe\xfd\0\0\0\0\0\0\0\1\0\1x", 14}, /* heartbeat */
	};
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		for (int when = 0; when < 4; when++) {
			struct duo d;
			char in[16];
			duo_init(&d, DTLS, NULL, NULL);
			duo_start(&d);
			for (int turn = 0; turn < 4; turn++) {
				if (turn == when) {
					pair_inject(d.pair, SERVER, forged[i].data, forged[i].n);
				}
				for (int side = 0; side < 2; side++) {
					if (d.status[side] == GDS_AGAIN) {
						d.status[side] =
							gds_session_handshake(d.session[side]);
					}
				}
			}
			duo_shake(&d);
			assert_int_equal(d.status[CLIENT], GDS_OK);
			assert_int_equal(d.status[SERVER], GDS_OK);
			assert_int_equal(gds_carrier_write(d.carrier[CLIENT], "hello", 5), 5);
			assert_int_equal(duo_read(&d, SERVER, in, sizeof(in)), 5);
			duo_free(&d);
		}
	}
}

/* What GnuTLS is shown of such datagrams. It bears some of them, but that is not promised. */
static void test_admitted(void **state)
{
	(void)state;
	static const uint8_t shake[] = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 7, 0, 1, 1};
	static const struct {
		const uint8_t *first, *second;
		size_t n, m, handshake, session; /* bytes, and what is left of them */
	} cases[] = {
		{shake, NULL, sizeof(shake), 0, sizeof(shake), sizeof(shake)},
		{plain_alert, NULL, sizeof(plain_alert), 0, 0, sizeof(plain_alert)},
		{early_data, NULL, sizeof(early_data), 0, 0, sizeof(early_data)},
		{early_data, shake, sizeof(early_data), sizeof(shake), sizeof(shake),
			sizeof(early_data) + sizeof(shake)},
		{shake, plain_data, sizeof(shake), sizeof(plain_data) - 1, sizeof(shake),
			sizeof(shake)},
		{shake, (const uint8_t *)"junk", sizeof(shake), 4, sizeof(shake), sizeof(shake)},
		{(const uint8_t *)"junk", NULL, 4, 0, 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int established = 0; established < 2; established++) {
			struct gds_session s = {.role = GDS_SERVER, .datagram = true};
			uint8_t data[64];
			s.facts.established = established;
			memcpy(data, cases[i].first, cases[i].n);
			if (cases[i].m > 0) {
				memcpy(data + cases[i].n, cases[i].second, cases[i].m);
			}
			assert_int_equal(gds_session_admit(&s, data, cases[i].n + cases[i].m),
				established ? cases[i].session : cases[i].handshake);
		}
	}
}

/* A forged alert is put in front of, and behind, a good record in one datagram. */
static void test_forged_in_one_datagram(void **state)
{
	(void)state;
	for (int behind = 0; behind < 2; behind++) {
		struct duo d;
		uint8_t both[1024];
		duo_init(&d, DTLS, NULL, NULL);
		duo_start(&d);
		d.pair->end[CLIENT]->lose = 1;
		assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_AGAIN);
		size_t n = d.pair->end[CLIENT]->last_length;
		memcpy(both + (behind ? 0 : sizeof(plain_alert)), d.pair->end[CLIENT]->last, n);
		memcpy(both + (behind ? n : 0), plain_alert, sizeof(plain_alert));
		pair_inject(d.pair, SERVER, both, n + sizeof(plain_alert));
		duo_shake(&d);
		assert_int_equal(d.status[CLIENT], GDS_OK);
		assert_int_equal(d.status[SERVER], GDS_OK);
		assert_int_equal(d.waits, 0);
		duo_free(&d);
	}
}

/* UDP-14: the client says so at once, where GnuTLS alone loses a third of them. */
static void test_plain_alert_to_client(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		struct duo d;
		duo_init(&d, DTLS, NULL, NULL);
		duo_start(&d);
		assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_AGAIN);
		pair_inject(d.pair, CLIENT, plain_alert, sizeof(plain_alert));
		assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_E_ALERT);
		assert_int_equal(d.carrier[CLIENT]->why.alert, 40 + 1);
		assert_int_equal(duo_facts(&d, CLIENT)->alert_in, 40 + 1);
		assert_int_equal(d.waits, 0);
		duo_free(&d);
	}
}

/* UDP-17: replayed, forged and garbage datagrams change nothing on a session that stands. */
static void test_forged_on_session(void **state)
{
	(void)state;
	struct duo d;
	char in[64];
	uint8_t record[256];
	duo_ready(&d, DTLS);
	for (int side = 0; side < 2; side++) {
		assert_int_equal(gds_carrier_write(d.carrier[1 - side], "first", 5), 5);
		size_t n = d.pair->end[1 - side]->last_length;
		memcpy(record, d.pair->end[1 - side]->last, n);
		assert_int_equal(duo_read(&d, side, in, sizeof(in)), 5);
		pair_inject(d.pair, side, record, n); /* replayed */
		record[n - 1] ^= 1;
		record[10] = 200; /* a new number, a wrong tag */
		pair_inject(d.pair, side, record, n);
		pair_inject(d.pair, side, plain_alert, sizeof(plain_alert));
		pair_inject(d.pair, side, plain_data, sizeof(plain_data));
		pair_inject(d.pair, side, early_data, sizeof(early_data));
		pair_inject(d.pair, side, "garbage", 7);
		pair_inject(d.pair, side, "", 0);
		/* GnuTLS would take less than a header for the beginning of the next datagram. */
		pair_inject(d.pair, side, "short", 5);
		assert_int_equal(gds_carrier_write(d.carrier[1 - side], "next", 4), 4);
		assert_int_equal(duo_read(&d, side, in, sizeof(in)), 4);
		for (size_t cut = 1; cut < n; cut++) {
			pair_inject(d.pair, side, record, cut);
		}
		for (int i = 0; i < 200; i++) {
			uint8_t junk[64];
			assert_int_equal(
				gds_env_system()->random(NULL, junk, sizeof(junk)), GDS_OK);
			pair_inject(d.pair, side, junk, sizeof(junk));
		}
		assert_int_equal(gds_carrier_write(d.carrier[1 - side], "second", 6), 6);
		assert_int_equal(duo_read(&d, side, in, sizeof(in)), 6);
		assert_int_equal(duo_read(&d, side, in, sizeof(in)), GDS_AGAIN);
	}
	duo_free(&d);
}

static void test_icmp(void **state)
{
	(void)state;
	static const struct {
		int code;
		uint8_t type, icmp;
	} cases[] = {{GDS_E_REFUSED, 3, 3}, {GDS_E_UNREACHABLE, 3, 13}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct duo d;
		char in[16];
		duo_init(&d, DTLS, NULL, NULL);
		duo_start(&d);
		assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_AGAIN);
		struct pair_end *end = d.pair->end[CLIENT];
		end->read_error = cases[i].code;
		end->icmp_type = cases[i].type;
		end->icmp_code = cases[i].icmp;
		assert_int_equal(gds_session_handshake(d.session[CLIENT]), cases[i].code);
		assert_int_equal(d.carrier[CLIENT]->why.icmp_type, cases[i].type);
		assert_int_equal(d.carrier[CLIENT]->why.icmp_code, cases[i].icmp);
		assert_int_equal(d.carrier[CLIENT]->why.origin, GDS_PATH);
		duo_free(&d);

		/* On a session that stands, and to a server at any time, it is no end. */
		duo_ready(&d, DTLS);
		d.pair->end[CLIENT]->read_error = cases[i].code;
		assert_int_equal(gds_carrier_read(d.carrier[CLIENT], in, sizeof(in)), GDS_AGAIN);
		d.pair->end[CLIENT]->write_error = cases[i].code;
		assert_int_equal(gds_carrier_write(d.carrier[CLIENT], "lost", 4), 4);
		d.pair->end[CLIENT]->write_error = 0;
		assert_int_equal(gds_carrier_write(d.carrier[CLIENT], "hello", 5), 5);
		assert_int_equal(duo_read(&d, SERVER, in, sizeof(in)), 5);
		duo_free(&d);
	}
}

static void test_local_firewall(void **state)
{
	(void)state;
	struct duo d;
	duo_init(&d, DTLS, NULL, NULL);
	duo_start(&d);
	d.pair->end[CLIENT]->write_error = GDS_E_PERMISSION;
	assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_E_PERMISSION);
	duo_free(&d);
}

/* A socket below that is full for a while: nothing is lost, and one datagram at most waits. */
static void test_full_socket(void **state)
{
	(void)state;
	struct duo d;
	char in[16];
	struct gds_interest want;
	duo_init(&d, DTLS, NULL, NULL);
	d.pair->end[CLIENT]->always_again_once = true;
	d.pair->end[SERVER]->always_again_once = true;
	duo_start(&d);
	for (int turn = 0; turn < 100 && (d.status[0] || d.status[1]); turn++) {
		for (int i = 0; i < 2; i++) {
			d.status[i] = d.status[i] ? gds_session_handshake(d.session[i]) : GDS_OK;
			(void)gds_carrier_flush(d.carrier[i]);
		}
	}
	assert_int_equal(d.status[CLIENT], GDS_OK);
	assert_int_equal(d.status[SERVER], GDS_OK);
	d.pair->end[CLIENT]->always_again_once = false;
	assert_int_equal(gds_carrier_flush(d.carrier[CLIENT]), GDS_OK);
	d.pair->end[CLIENT]->room = 0;
	assert_int_equal(gds_carrier_write(d.carrier[CLIENT], "one", 3), 3);
	assert_int_equal(gds_carrier_write(d.carrier[CLIENT], "three", 5), GDS_AGAIN);
	gds_carrier_interest(d.carrier[CLIENT], &want);
	assert_true(want.events & POLLOUT);
	d.pair->end[CLIENT]->room = SIZE_MAX;
	assert_int_equal(gds_carrier_flush(d.carrier[CLIENT]), GDS_OK);
	gds_carrier_interest(d.carrier[CLIENT], &want);
	assert_false(want.events & POLLOUT);
	assert_int_equal(duo_read(&d, SERVER, in, sizeof(in)), 3);
	duo_free(&d);
}

static void test_no_ems(void **state)
{
	(void)state;
	struct duo d;
	duo_init(&d, DTLS, NULL, NULL);
	d.profile[CLIENT].priority = "NORMAL:-VERS-ALL:+VERS-DTLS1.2:%NO_SESSION_HASH";
	duo_start(&d);
	duo_shake(&d);
	assert_int_equal(d.status[SERVER], GDS_E_EMS);
	assert_int_equal(duo_facts(&d, SERVER)->alert_out, 71 + 1);
	assert_int_not_equal(d.status[CLIENT], GDS_OK);
	duo_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boundaries),
		cmocka_unit_test(test_small_buffer),
		cmocka_unit_test(test_records_in_one_datagram),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_data_before_finished),
		cmocka_unit_test(test_early_change_cipher_spec),
		cmocka_unit_test(test_flight_in_one_datagram),
		cmocka_unit_test(test_heavy_loss),
		cmocka_unit_test(test_wake_ups),
		cmocka_unit_test(test_wake_ups_in_mid_flight),
		cmocka_unit_test(test_forged_in_handshake),
		cmocka_unit_test(test_admitted),
		cmocka_unit_test(test_forged_in_one_datagram),
		cmocka_unit_test(test_plain_alert_to_client),
		cmocka_unit_test(test_forged_on_session),
		cmocka_unit_test(test_icmp),
		cmocka_unit_test(test_local_firewall),
		cmocka_unit_test(test_full_socket),
		cmocka_unit_test(test_no_ems),
	};
	return cmocka_run_group_tests(tests, cast_make, cast_free);
}
