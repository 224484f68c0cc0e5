/* SPDX-License-Identifier: MIT */
#include "lab.h"

#include <gdstream/serve.h>

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gds_scratch scratch;

struct fixture {
	enum gds_transport transport;
	struct memory *near, *far; /* the server's end of the wire, the client's */
	struct gds_session *session;
	struct gds_carrier *client;
	struct gds_machine *serve;
	struct gds_need need; /* the last one that was not WAIT */
	unsigned ended;
	struct gds_serve_report report;
};

static void ended(void *ctx, const struct gds_serve_report *report)
{
	struct fixture *f = ctx;
	f->ended++;
	f->report = *report;
}

static const struct gds_serve_ops ops = {.ended = ended};

static void begin(struct fixture *f, enum gds_transport transport, const char *alpn)
{
	memset(f, 0, sizeof(*f));
	f->transport = transport;
	f->near = memory_new(transport == GDS_UDP);
	f->far = memory_new(transport == GDS_UDP);
	memory_join(f->near, f->far);
	struct gds_serve_options o = {
		.trust = lab_trust(GDS_SERVER),
		.transport = transport,
		.http = true,
		.scratch = &scratch,
		.ops = &ops,
		.ctx = f,
		.env = test_env(),
	};
	f->serve = gds_serve_new(&f->near->carrier, &o);
	assert_non_null(f->serve);
	f->session = lab_client(f->far, transport, alpn);
	f->client = gds_session_carrier(f->session);
}

/* Step until it waits, or asks for something. */
static void step(struct fixture *f)
{
	struct gds_need need = {.kind = GDS_WAIT};
	f->serve->ops->step(f->serve, test_clock, &need);
	if (need.kind != GDS_WAIT) {
		f->need = need;
	}
}

static void shake_hands(struct fixture *f)
{
	int rc = GDS_AGAIN;
	for (int i = 0; i < 20; i++) {
		rc = gds_session_handshake(f->session);
		step(f);
	}
	assert_int_equal(rc, GDS_OK);
}

static void open_session(struct fixture *f, enum gds_transport transport, const char *alpn)
{
	begin(f, transport, alpn);
	shake_hands(f);
}

static void send_bytes(struct fixture *f, const void *data, size_t n)
{
	assert_int_equal(gds_carrier_write(f->client, data, n), n);
	assert_int_equal(gds_carrier_flush(f->client), GDS_OK);
}

static void send_header(struct fixture *f, const char *host, const char *port, uint8_t flags)
{
	uint8_t wire[GDS_HEADER_SIZE];
	lab_header(wire, host, port, flags);
	send_bytes(f, wire, sizeof(wire));
}

static ssize_t client_read(struct fixture *f, void *data, size_t n)
{
	return gds_carrier_read(f->client, data, n);
}

/* HDR-05, HC-04: close_notify and no byte before it; then FIN, and no reset. */
static void assert_closed(struct fixture *f)
{
	uint8_t byte;
	assert_int_equal(client_read(f, &byte, 1), GDS_EOF);
	if (f->transport == GDS_TCP) {
		assert_int_equal(f->far->in_end_status, GDS_EOF);
		gds_carrier_shut(&f->far->carrier);
		step(f);
	}
	assert_int_equal(f->need.kind, GDS_DONE);
	assert_int_equal(f->near->closes, 1);
	assert_int_not_equal(f->near->how, GDS_CLOSE_RESET);
}

static void answer_list(struct fixture *f, const char *const *ips, size_t n)
{
	struct gds_address list[8];
	assert_int_equal(f->need.kind, GDS_RESOLVE);
	for (size_t i = 0; i < n; i++) {
		gds_address_parse(&list[i], ips[i], f->need.port);
	}
	struct gds_answer answer = {.id = f->need.id, .list = list, .n = n};
	f->serve->ops->answer(f->serve, &answer);
	step(f);
}

static void answer_connect(struct fixture *f, unsigned id, struct memory *destination, int code)
{
	struct gds_answer answer = {.id = id,
		.why.code = code,
		.carrier = destination ? &destination->carrier : NULL};
	f->serve->ops->answer(f->serve, &answer);
	step(f);
}

static void finish(struct fixture *f)
{
	gds_carrier_close(f->client, GDS_CLOSE_SILENT);
	f->serve->ops->free(f->serve);
	memory_free(f->near);
	memory_free(f->far);
	assert_int_equal(test_allocated, 0);
}

static const char *const one_ip[] = {"192.0.2.1"};

/* HC-01, HC-02, HC-04: both transports, host and port set or not; nobody is asked for a destination. */
static void test_health(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct fixture f;
		open_session(&f, i & 1 ? GDS_UDP : GDS_TCP, i & 1 ? NULL : GDS_ALPN);
		send_header(&f, i & 2 ? "127.0.0.1" : "", i & 2 ? "8080" : "", 1);
		step(&f);
		assert_closed(&f);
		assert_int_equal(f.ended, 1);
		assert_int_equal(f.report.kind, GDS_SERVED_HEALTH);
		assert_int_equal(f.report.why.code, GDS_OK);
		finish(&f);
	}
}

/* HDR-02, HDR-03, HDR-05 */
static void test_refused(void **state)
{
	static const struct {
		size_t at; /* this byte is changed; the checksum is made again unless it is in it */
		int code;
	} table[] = {{272, GDS_E_CHECKSUM}, {20, GDS_E_CHECKSUM}, {0, GDS_E_CHECKSUM}};
	(void)state;
	for (int i = 0; i < 6; i++) {
		struct fixture f;
		uint8_t wire[GDS_HEADER_SIZE];
		open_session(&f, i & 1 ? GDS_UDP : GDS_TCP, i & 1 ? NULL : GDS_ALPN);
		lab_header(wire, "127.0.0.1", "8080", 0);
		wire[table[i / 2].at] ^= 1;
		send_bytes(&f, wire, sizeof(wire));
		step(&f);
		assert_int_equal(f.report.kind, GDS_SERVED_REFUSED);
		assert_int_equal(f.report.why.code, table[i / 2].code);
		assert_closed(&f);
		finish(&f);
	}
}

/* GNUTLS trap 36: what the client still sends is read away until it closes, or a second has passed. */
static void test_surplus_is_drained(void **state)
{
	(void)state;
	for (int stubborn = 0; stubborn < 2; stubborn++) {
		struct fixture f;
		uint8_t byte;
		open_session(&f, GDS_TCP, GDS_ALPN);
		send_header(&f, "", "", 1);
		step(&f);
		send_bytes(&f, "surplus", 7);
		assert_int_equal(client_read(&f, &byte, 1), GDS_EOF);
		assert_int_equal(f.near->shuts, 1);
		assert_int_equal(f.near->closes, 0);
		step(&f);
		assert_int_equal(f.near->in_start, f.near->in_end);
		assert_int_equal(f.near->closes, 0);
		if (stubborn) {
			test_clock += GDS_SECOND;
		} else {
			gds_carrier_shut(&f.far->carrier);
		}
		step(&f);
		assert_int_equal(f.near->closes, 1);
		assert_int_equal(f.need.kind, GDS_DONE);
		finish(&f);
	}
}

/* TCP-01, TCP-02, TCP-06: split anywhere, payload in the header's last record, both ways. */
static void test_tunnel(void **state)
{
	(void)state;
	for (size_t split = 0; split < GDS_HEADER_SIZE; split += 54) {
		struct fixture f;
		uint8_t wire[GDS_HEADER_SIZE + 7], back[16];
		struct memory *destination = memory_new(false);
		open_session(&f, GDS_TCP, GDS_ALPN);
		lab_header(wire, "db.example", "5432", 0);
		memcpy(wire + GDS_HEADER_SIZE, "payload", 7);
		if (split > 0) {
			send_bytes(&f, wire, split);
			step(&f);
			assert_int_equal(f.need.kind, GDS_WAIT);
		}
		send_bytes(&f, wire + split, sizeof(wire) - split);
		step(&f);
		assert_string_equal(f.need.host, "db.example");
		assert_int_equal(f.need.port, 5432);
		answer_list(&f, one_ip, 1);
		assert_int_equal(f.need.kind, GDS_CONNECT);
		answer_connect(&f, f.need.id, destination, GDS_OK);
		assert_int_equal(destination->out_length, 7);
		assert_memory_equal(destination->out, "payload", 7);
		memory_give(destination, "answer", 6);
		step(&f);
		assert_int_equal(client_read(&f, back, sizeof(back)), 6);
		destination->in_end_status = GDS_EOF;
		gds_carrier_shut(f.client);
		step(&f);
		assert_int_equal(destination->shuts, 1);
		assert_closed(&f);
		assert_int_equal(f.report.kind, GDS_SERVED_TUNNEL);
		assert_int_equal(f.report.tunnel.bytes[0], 7);
		assert_int_equal(f.report.tunnel.bytes[1], 6);
		finish(&f);
		memory_free(destination);
	}
}

/* UDP-05, UDP-21: a record longer than what the header lacks. */
static void test_header_with_payload_udp(void **state)
{
	struct fixture f;
	uint8_t wire[GDS_HEADER_SIZE + 1] = {0};
	(void)state;
	open_session(&f, GDS_UDP, NULL);
	lab_header(wire, "127.0.0.1", "8080", 0);
	send_bytes(&f, wire, sizeof(wire));
	step(&f);
	assert_int_equal(f.report.why.code, GDS_E_HEADER_RECORD);
	assert_closed(&f);
	finish(&f);
}

/* TCP-03, UDP-08: absolute; over UDP the handshake's time is in it. */
static void test_header_late(void **state)
{
	(void)state;
	for (int udp = 0; udp < 2; udp++) {
		struct fixture f;
		struct gds_interest interest[GDS_MACHINE_INTERESTS];
		begin(&f, udp ? GDS_UDP : GDS_TCP, udp ? NULL : GDS_ALPN);
		gds_time start = test_clock;
		test_clock += 3 * GDS_SECOND;
		shake_hands(&f);
		test_clock = start + 9 * GDS_SECOND;
		send_bytes(&f, "0.1.0", 5);
		step(&f);
		assert_int_equal(f.ended, 0);
		gds_time limit = start + (udp ? 10 : 13) * GDS_SECOND;
		f.serve->ops->interest(f.serve, interest);
		assert_int_equal(interest[0].deadline, limit);
		test_clock = limit - 1;
		step(&f);
		assert_int_equal(f.ended, 0);
		test_clock = limit;
		step(&f);
		assert_int_equal(f.report.why.code, GDS_E_HEADER_LATE);
		assert_closed(&f);
		finish(&f);
	}
}

/* TLS-07 */
static void test_handshake_limit(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, GDS_TCP, GDS_ALPN);
	step(&f);
	test_clock += 10 * GDS_SECOND;
	step(&f);
	assert_int_equal(f.report.kind, GDS_SERVED_NOTHING);
	assert_int_equal(f.report.why.code, GDS_E_TIMEOUT);
	finish(&f);
}

/* TCP-04: refused, unresolvable, timed out: close_notify, FIN. */
static void test_unreached(void **state)
{
	static const int codes[] = {GDS_E_REFUSED, GDS_E_RESOLVE, GDS_E_TIMEOUT};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct fixture f;
		open_session(&f, GDS_TCP, GDS_ALPN);
		send_header(&f, "db.example", "5432", 0);
		step(&f);
		if (codes[i] == GDS_E_RESOLVE) {
			struct gds_answer answer = {.id = f.need.id, .why.code = codes[i]};
			f.serve->ops->answer(f.serve, &answer);
			step(&f);
		} else {
			answer_list(&f, one_ip, 1);
			if (codes[i] == GDS_E_TIMEOUT) {
				test_clock += 10 * GDS_SECOND;
				step(&f);
				assert_int_equal(f.need.kind, GDS_CANCEL);
				step(&f);
			} else {
				answer_connect(&f, f.need.id, NULL, codes[i]);
			}
		}
		assert_int_equal(f.report.kind, GDS_SERVED_UNREACHED);
		assert_int_equal(f.report.why.code, codes[i]);
		assert_closed(&f);
		finish(&f);
	}
}

/* RFC 8305: the second address starts a quarter of a second later, and the slower one is cancelled. */
static void test_race(void **state)
{
	static const char *const two[] = {"192.0.2.1", "192.0.2.2"};
	struct fixture f;
	struct gds_interest interest[GDS_MACHINE_INTERESTS];
	struct memory *destination = memory_new(false);
	(void)state;
	open_session(&f, GDS_TCP, GDS_ALPN);
	send_header(&f, "db.example", "5432", 0);
	step(&f);
	answer_list(&f, two, 2);
	unsigned first = f.need.id;
	assert_int_equal(f.need.address.ip[3], 1);
	f.serve->ops->interest(f.serve, interest);
	assert_int_equal(interest[0].deadline - test_clock, 250 * GDS_MILLISECOND);
	test_clock += 250 * GDS_MILLISECOND;
	step(&f);
	assert_int_equal(f.need.kind, GDS_CONNECT);
	assert_int_equal(f.need.address.ip[3], 2);
	answer_connect(&f, f.need.id, destination, GDS_OK);
	assert_int_equal(f.need.kind, GDS_CANCEL);
	assert_int_equal(f.need.id, first);
	step(&f);
	send_bytes(&f, "x", 1);
	step(&f);
	assert_int_equal(destination->out_length, 1);
	finish(&f);
	memory_free(destination);
}

/* TCP-10: a client that goes ends the dial, and the driver is told. */
static void test_gone_while_dialling(void **state)
{
	(void)state;
	for (int reset = 0; reset < 2; reset++) {
		struct fixture f;
		open_session(&f, GDS_TCP, GDS_ALPN);
		send_header(&f, "db.example", "5432", 0);
		step(&f);
		answer_list(&f, one_ip, 1);
		unsigned id = f.need.id;
		if (reset) {
			f.near->in_end_status = GDS_E_RESET;
		} else {
			gds_carrier_shut(f.client);
		}
		step(&f);
		assert_int_equal(f.need.kind, GDS_CANCEL);
		assert_int_equal(f.need.id, id);
		assert_int_equal(f.report.kind, GDS_SERVED_UNREACHED);
		finish(&f);
	}
}

/* TCP-02, TCP-07: payload and close_notify before the destination stands arrive there, in that order. */
static void test_half_close_while_dialling(void **state)
{
	struct fixture f;
	struct memory *destination = memory_new(false);
	uint8_t back[8];
	(void)state;
	open_session(&f, GDS_TCP, GDS_ALPN);
	send_header(&f, "db.example", "5432", 0);
	step(&f);
	answer_list(&f, one_ip, 1);
	unsigned id = f.need.id;
	send_bytes(&f, "request", 7);
	gds_carrier_shut(f.client);
	step(&f);
	assert_int_equal(f.ended, 0);
	answer_connect(&f, id, destination, GDS_OK);
	assert_memory_equal(destination->out, "request", 7);
	assert_int_equal(destination->shuts, 1);
	memory_give(destination, "reply", 5);
	step(&f);
	assert_int_equal(client_read(&f, back, sizeof(back)), 5);
	finish(&f);
	memory_free(destination);
}

/* While dialling 64 KiB are held; then TCP stops reading, UDP drops and counts. */
static void test_early_bound(void **state)
{
	static uint8_t data[16000];
	(void)state;
	for (int udp = 0; udp < 2; udp++) {
		struct fixture f;
		struct gds_interest interest[GDS_MACHINE_INTERESTS];
		struct memory *destination = memory_new(udp);
		open_session(&f, udp ? GDS_UDP : GDS_TCP, udp ? NULL : GDS_ALPN);
		send_header(&f, "db.example", "5432", 0);
		step(&f);
		answer_list(&f, one_ip, 1);
		for (int i = 0; i < 6; i++) {
			send_bytes(&f, data, sizeof(data));
			step(&f);
		}
		f.serve->ops->interest(f.serve, interest);
		assert_int_equal(interest[0].events & POLLIN, udp ? POLLIN : 0);
		assert_false(interest[0].ready && !udp);
		answer_connect(&f, f.need.id, destination, GDS_OK);
		for (int i = 0; i < 4; i++) {
			step(&f);
		}
		assert_int_equal(destination->out_length, (udp ? 4 : 6) * sizeof(data));
		gds_carrier_shut(f.client);
		destination->in_end_status = udp ? GDS_AGAIN : GDS_EOF;
		step(&f);
		gds_carrier_shut(&f.far->carrier);
		step(&f);
		assert_int_equal(f.report.tunnel.dropped[0], udp ? 2 : 0);
		finish(&f);
		memory_free(destination);
	}
}

/* MUX-01, DESIGN principle 9: http/1.1 and no ALPN are handed off. */
static void test_http(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fixture f;
		struct memory *http = memory_new(false);
		open_session(&f, GDS_TCP, i ? NULL : "http/1.1");
		assert_int_equal(f.need.kind, GDS_HANDOFF);
		answer_connect(&f, f.need.id, http, GDS_OK);
		send_bytes(&f, "GET /", 5);
		step(&f);
		assert_memory_equal(http->out, "GET /", 5);
		finish(&f);
		memory_free(http);
	}
}

/* TLS-08: a sentence for a person who speaks HTTP in the clear. */
static void test_plain_http(void **state)
{
	struct fixture f;
	char answer[256] = "";
	(void)state;
	begin(&f, GDS_TCP, GDS_ALPN);
	memory_give(f.near, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
	step(&f);
	assert_true(gds_carrier_read(&f.far->carrier, answer, sizeof(answer) - 1) > 0);
	assert_memory_equal(answer, "HTTP/1.0 400 Bad Request\r\n", 26);
	assert_int_equal(f.far->in_end_status, GDS_EOF);
	assert_int_equal(f.report.why.code, GDS_E_NOT_TLS);
	finish(&f);
}

/* TCP-11, UDP-16: a stop says goodbye before a header came, too. */
static void test_cancel(void **state)
{
	(void)state;
	for (int udp = 0; udp < 2; udp++) {
		struct fixture f;
		open_session(&f, udp ? GDS_UDP : GDS_TCP, udp ? NULL : GDS_ALPN);
		f.serve->ops->cancel(f.serve, GDS_CLOSE_CLEAN);
		step(&f);
		assert_closed(&f);
		assert_int_equal(f.ended, 1);
		finish(&f);
	}
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
		cmocka_unit_test(test_unreached),
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_gone_while_dialling),
		cmocka_unit_test(test_half_close_while_dialling),
		cmocka_unit_test(test_early_bound),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_plain_http),
		cmocka_unit_test(test_cancel),
	};
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
