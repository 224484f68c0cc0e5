/* SPDX-License-Identifier: MIT */
#include "serving.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const one_ip[] = {"192.0.2.1"};

/*
 * HC-01, HC-02, HC-04: both transports, host and port set or not; nobody is asked for a
 * destination.
 */
static void test_health(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct serving f;
		serving_open_session(&f, i & 1 ? GDS_UDP : GDS_TCP, i & 1 ? NULL : GDS_ALPN);
		serving_send_header(&f, i & 2 ? "127.0.0.1" : "", i & 2 ? "8080" : "", 1);
		serving_step(&f);
		serving_assert_closed(&f);
		assert_int_equal(f.ended, 1);
		assert_int_equal(f.report.kind, GDS_SERVED_HEALTH);
		assert_int_equal(f.report.why.code, GDS_OK);
		serving_finish(&f);
	}
}

/* HDR-02, HDR-03, HDR-05 */
static void test_refused(void **state)
{
	static const struct {
		size_t at;   /* this byte is changed */
		bool sealed; /* and the checksum made right again */
		int code;
	} table[] = {
		{272, false, GDS_E_CHECKSUM},
		{0, false, GDS_E_CHECKSUM},
		{0, true, GDS_E_VERSION},
		{264, true, GDS_E_PORT_LENGTH},
	};
	(void)state;
	for (int i = 0; i < 8; i++) {
		struct serving f;
		uint8_t wire[GDS_HEADER_SIZE];
		serving_open_session(&f, i & 1 ? GDS_UDP : GDS_TCP, i & 1 ? NULL : GDS_ALPN);
		lab_header(wire, "127.0.0.1", "8080", 0);
		wire[table[i / 2].at] ^= 8;
		uint32_t sum = gds_header_checksum(wire);
		for (int byte = 0; byte < 4 && table[i / 2].sealed; byte++) {
			wire[271 + byte] = (uint8_t)(sum >> (24 - 8 * byte));
		}
		serving_send_bytes(&f, wire, sizeof(wire));
		serving_step(&f);
		assert_int_equal(f.report.kind, GDS_SERVED_REFUSED);
		assert_int_equal(f.report.why.code, table[i / 2].code);
		serving_assert_closed(&f);
		serving_finish(&f);
	}
}

/*
 * GNUTLS trap 36: what the client still sends is read away until it closes, or a second has passed.
 */
static void test_surplus_is_drained(void **state)
{
	(void)state;
	for (int stubborn = 0; stubborn < 2; stubborn++) {
		struct serving f;
		uint8_t byte;
		serving_open_session(&f, GDS_TCP, GDS_ALPN);
		serving_send_header(&f, "", "", 1);
		serving_step(&f);
		serving_send_bytes(&f, "surplus", 7);
		assert_int_equal(serving_client_read(&f, &byte, 1), GDS_EOF);
		assert_int_equal(f.near->shuts, 1);
		assert_int_equal(f.near->closes, 0);
		serving_step(&f);
		assert_int_equal(f.near->in_start, f.near->in_end);
		assert_int_equal(f.near->closes, 0);
		if (stubborn) {
			test_clock += GDS_SECOND;
		} else {
			gds_carrier_shut(&f.far->carrier);
		}
		serving_step(&f);
		assert_int_equal(f.near->closes, 1);
		assert_int_equal(f.need.kind, GDS_DONE);
		serving_finish(&f);
	}
}

/* TCP-01, TCP-02, TCP-06: split anywhere, payload in the header's last record, both ways. */
static void test_tunnel(void **state)
{
	(void)state;
	for (size_t split = 0; split < GDS_HEADER_SIZE; split += 54) {
		struct serving f;
		uint8_t wire[GDS_HEADER_SIZE + 7], back[16];
		struct memory *destination = memory_new(false);
		serving_open_session(&f, GDS_TCP, GDS_ALPN);
		lab_header(wire, "db.example", "5432", 0);
		memcpy(wire + GDS_HEADER_SIZE, "payload", 7);
		if (split > 0) {
			serving_send_bytes(&f, wire, split);
			serving_step(&f);
			assert_int_equal(f.need.kind, GDS_WAIT);
		}
		serving_send_bytes(&f, wire + split, sizeof(wire) - split);
		serving_step(&f);
		assert_string_equal(f.need.host, "db.example");
		assert_int_equal(f.need.port, 5432);
		serving_answer_list(&f, one_ip, 1);
		assert_int_equal(f.need.kind, GDS_CONNECT);
		serving_answer_connect(&f, f.need.id, destination, GDS_OK);
		assert_int_equal(destination->out_length, 7);
		assert_memory_equal(destination->out, "payload", 7);
		memory_give(destination, "answer", 6);
		serving_step(&f);
		assert_int_equal(serving_client_read(&f, back, sizeof(back)), 6);
		destination->in_end_status = GDS_EOF;
		gds_carrier_shut(f.client);
		serving_step(&f);
		assert_int_equal(destination->shuts, 1);
		serving_assert_closed(&f);
		assert_int_equal(f.report.kind, GDS_SERVED_TUNNEL);
		assert_int_equal(f.report.tunnel.bytes[0], 7);
		assert_int_equal(f.report.tunnel.bytes[1], 6);
		serving_finish(&f);
		memory_free(destination);
	}
}

/* UDP-05, UDP-21: a record longer than what the header lacks. */
static void test_header_with_payload_udp(void **state)
{
	struct serving f;
	uint8_t wire[GDS_HEADER_SIZE + 1] = {0};
	(void)state;
	serving_open_session(&f, GDS_UDP, NULL);
	lab_header(wire, "127.0.0.1", "8080", 0);
	serving_send_bytes(&f, wire, sizeof(wire));
	serving_step(&f);
	assert_int_equal(f.report.why.code, GDS_E_HEADER_RECORD);
	serving_assert_closed(&f);
	serving_finish(&f);
}

/* TCP-03, UDP-08: absolute; over UDP the handshake's time is in it. */
static void test_header_late(void **state)
{
	(void)state;
	for (int udp = 0; udp < 2; udp++) {
		struct serving f;
		struct gds_interest interest[GDS_MACHINE_INTERESTS];
		serving_begin(&f, udp ? GDS_UDP : GDS_TCP, udp ? NULL : GDS_ALPN);
		gds_time start = test_clock;
		test_clock += 3 * GDS_SECOND;
		serving_shake_hands(&f);
		test_clock = start + 9 * GDS_SECOND;
		serving_send_bytes(&f, "0.1.0", 5);
		serving_step(&f);
		assert_int_equal(f.ended, 0);
		gds_time limit = start + (udp ? 10 : 13) * GDS_SECOND;
		f.serve->ops->interest(f.serve, interest);
		assert_int_equal(interest[0].deadline, limit);
		test_clock = limit - 1;
		serving_step(&f);
		assert_int_equal(f.ended, 0);
		test_clock = limit;
		serving_step(&f);
		assert_int_equal(f.report.why.code, GDS_E_HEADER_LATE);
		serving_assert_closed(&f);
		serving_finish(&f);
	}
}

/* TLS-07 */
static void test_handshake_limit(void **state)
{
	struct serving f;
	(void)state;
	serving_begin(&f, GDS_TCP, GDS_ALPN);
	serving_step(&f);
	test_clock += 10 * GDS_SECOND;
	serving_step(&f);
	assert_int_equal(f.report.kind, GDS_SERVED_NOTHING);
	assert_int_equal(f.report.why.code, GDS_E_TIMEOUT);
	serving_finish(&f);
}

/* MUX-01, DESIGN principle 9: http/1.1 and no ALPN are handed off. */
static void test_http(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct serving f;
		struct memory *http = memory_new(false);
		serving_open_session(&f, GDS_TCP, i ? NULL : "http/1.1");
		assert_int_equal(f.need.kind, GDS_HANDOFF);
		serving_answer_connect(&f, f.need.id, http, GDS_OK);
		serving_send_bytes(&f, "GET /", 5);
		serving_step(&f);
		assert_memory_equal(http->out, "GET /", 5);
		serving_finish(&f);
		memory_free(http);
	}
}

/* TLS-08: a sentence for a person who speaks HTTP in the clear. */
static void test_plain_http(void **state)
{
	struct serving f;
	char answer[256] = "";
	(void)state;
	serving_begin(&f, GDS_TCP, GDS_ALPN);
	memory_give(f.near, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
	serving_step(&f);
	assert_true(gds_carrier_read(&f.far->carrier, answer, sizeof(answer) - 1) > 0);
	assert_memory_equal(answer, "HTTP/1.0 400 Bad Request\r\n", 26);
	assert_int_equal(f.far->in_end_status, GDS_EOF);
	assert_int_equal(f.report.why.code, GDS_E_NOT_TLS);
	serving_finish(&f);
}

/* TCP-11, UDP-16: a stop says goodbye before a header came, too. */
static void test_cancel(void **state)
{
	(void)state;
	for (int udp = 0; udp < 2; udp++) {
		struct serving f;
		serving_open_session(&f, udp ? GDS_UDP : GDS_TCP, udp ? NULL : GDS_ALPN);
		f.serve->ops->cancel(f.serve, GDS_CLOSE_CLEAN);
		serving_step(&f);
		serving_assert_closed(&f);
		assert_int_equal(f.ended, 1);
		serving_finish(&f);
	}
}

/*
 * A whole tunnel with early payload, in which the server's n-th allocation fails: it ends, and
 * nothing is left.
 */
static bool tunnel_without_memory(int n)
{
	struct serving f;
	struct memory *destination = memory_new(false);
	serving_begin(&f, GDS_TCP, GDS_ALPN);
	for (int i = 0; i < 12; i++) {
		(void)gds_session_handshake(f.session);
		test_fail_in = n;
		serving_step(&f);
		n = test_fail_in;
		test_fail_in = 0;
	}
	if (gds_session_facts(f.session)->established) {
		serving_send_header(&f, "192.0.2.1", "80", 0);
		serving_send_bytes(&f, "payload", 7);
	}
	test_fail_in = n;
	serving_step(&f);
	if (f.need.kind == GDS_RESOLVE) {
		serving_answer_list(&f, one_ip, 1);
		serving_answer_connect(&f, f.need.id, destination, GDS_OK);
	}
	f.serve->ops->cancel(f.serve, GDS_CLOSE_CLEAN);
	f.far->in_end_status = f.near->in_end_status = GDS_EOF;
	serving_step(&f);
	n = test_fail_in;
	test_fail_in = 0;
	test_clock += 2 * GDS_SECOND;
	serving_step(&f);
	assert_int_equal(f.need.kind, GDS_DONE);
	assert_int_equal(f.ended, 1);
	serving_finish(&f);
	if (destination->closes == 0) {
		assert_int_not_equal(f.report.kind, GDS_SERVED_TUNNEL);
	}
	memory_free(destination);
	return n > 0; /* it did not get so far */
}

static void test_no_memory(void **state)
{
	int n = 1;
	(void)state;
	while (!tunnel_without_memory(n)) {
		n++;
	}
	assert_in_range(n, 3, 100);
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
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_surplus_is_drained),
		cmocka_unit_test(test_tunnel),
		cmocka_unit_test(test_header_with_payload_udp),
		cmocka_unit_test(test_header_late),
		cmocka_unit_test(test_handshake_limit),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_plain_http),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
