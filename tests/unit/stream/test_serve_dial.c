/* SPDX-License-Identifier: MIT */
#include "serving.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const one_ip[] = {"192.0.2.1"};

/* TCP-04: refused, unresolvable, timed out: close_notify, FIN. */
static void test_unreached(void **state)
{
	static const int codes[] = {GDS_E_REFUSED, GDS_E_RESOLVE, GDS_E_TIMEOUT};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct serving f;
		serving_open_session(&f, GDS_TCP, GDS_ALPN);
		serving_send_header(&f, "db.example", "5432", 0);
		serving_step(&f);
		if (codes[i] == GDS_E_RESOLVE) {
			struct gds_answer answer = {.id = f.need.id, .why.code = codes[i]};
			f.serve->ops->answer(f.serve, &answer);
			serving_step(&f);
		} else {
			serving_answer_list(&f, one_ip, 1);
			if (codes[i] == GDS_E_TIMEOUT) {
				test_clock += 10 * GDS_SECOND;
				serving_step(&f);
				assert_int_equal(f.need.kind, GDS_CANCEL);
				serving_step(&f);
			} else {
				serving_answer_connect(&f, f.need.id, NULL, codes[i]);
			}
		}
		assert_int_equal(f.report.kind, GDS_SERVED_UNREACHED);
		assert_int_equal(f.report.why.code, codes[i]);
		serving_assert_closed(&f);
		serving_finish(&f);
	}
}

/*
 * RFC 8305: the second address starts a quarter of a second later, and the slower one is cancelled.
 */
static void test_race(void **state)
{
	static const char *const two[] = {"192.0.2.1", "192.0.2.2"};
	struct serving f;
	struct gds_interest interest[GDS_MACHINE_INTERESTS];
	struct memory *destination = memory_new(false);
	(void)state;
	serving_open_session(&f, GDS_TCP, GDS_ALPN);
	serving_send_header(&f, "db.example", "5432", 0);
	serving_step(&f);
	serving_answer_list(&f, two, 2);
	unsigned first = f.need.id;
	assert_int_equal(f.need.address.ip[3], 1);
	f.serve->ops->interest(f.serve, interest);
	assert_int_equal(interest[0].deadline - test_clock, 250 * GDS_MILLISECOND);
	test_clock += 250 * GDS_MILLISECOND;
	serving_step(&f);
	assert_int_equal(f.need.kind, GDS_CONNECT);
	assert_int_equal(f.need.address.ip[3], 2);
	serving_answer_connect(&f, f.need.id, destination, GDS_OK);
	assert_int_equal(f.need.kind, GDS_CANCEL);
	assert_int_equal(f.need.id, first);
	serving_step(&f);
	serving_send_bytes(&f, "x", 1);
	serving_step(&f);
	assert_int_equal(destination->out_length, 1);
	serving_finish(&f);
	memory_free(destination);
}

/* TCP-10: a client that goes ends the dial, and the driver is told. */
static void test_gone_while_dialling(void **state)
{
	(void)state;
	for (int reset = 0; reset < 2; reset++) {
		struct serving f;
		serving_open_session(&f, GDS_TCP, GDS_ALPN);
		serving_send_header(&f, "db.example", "5432", 0);
		serving_step(&f);
		serving_answer_list(&f, one_ip, 1);
		unsigned id = f.need.id;
		if (reset) {
			f.near->in_end_status = GDS_E_RESET;
		} else {
			gds_carrier_shut(f.client);
		}
		serving_step(&f);
		assert_int_equal(f.need.kind, GDS_CANCEL);
		assert_int_equal(f.need.id, id);
		assert_int_equal(f.report.kind, GDS_SERVED_UNREACHED);
		serving_finish(&f);
	}
}

/*
 * TCP-02, TCP-07: payload and close_notify before the destination stands arrive there, in that
 * order.
 */
static void test_half_close_while_dialling(void **state)
{
	struct serving f;
	struct memory *destination = memory_new(false);
	uint8_t back[8];
	(void)state;
	serving_open_session(&f, GDS_TCP, GDS_ALPN);
	serving_send_header(&f, "db.example", "5432", 0);
	serving_step(&f);
	serving_answer_list(&f, one_ip, 1);
	unsigned id = f.need.id;
	serving_send_bytes(&f, "request", 7);
	gds_carrier_shut(f.client);
	serving_step(&f);
	assert_int_equal(f.ended, 0);
	serving_answer_connect(&f, id, destination, GDS_OK);
	assert_memory_equal(destination->out, "request", 7);
	assert_int_equal(destination->shuts, 1);
	memory_give(destination, "reply", 5);
	serving_step(&f);
	assert_int_equal(serving_client_read(&f, back, sizeof(back)), 5);
	serving_finish(&f);
	memory_free(destination);
}

/* While dialling 64 KiB are held; then TCP stops reading, UDP drops and counts. */
static void test_early_bound(void **state)
{
	static uint8_t data[16000];
	(void)state;
	for (int udp = 0; udp < 2; udp++) {
		struct serving f;
		struct gds_interest interest[GDS_MACHINE_INTERESTS];
		struct memory *destination = memory_new(udp);
		serving_open_session(&f, udp ? GDS_UDP : GDS_TCP, udp ? NULL : GDS_ALPN);
		serving_send_header(&f, "db.example", "5432", 0);
		serving_step(&f);
		serving_answer_list(&f, one_ip, 1);
		for (int i = 0; i < 6; i++) {
			serving_send_bytes(&f, data, sizeof(data));
			serving_step(&f);
		}
		f.serve->ops->interest(f.serve, interest);
		assert_int_equal(interest[0].events & POLLIN, udp ? POLLIN : 0);
		assert_false(interest[0].ready && !udp);
		serving_answer_connect(&f, f.need.id, destination, GDS_OK);
		for (int i = 0; i < 4; i++) {
			serving_step(&f);
		}
		assert_int_equal(destination->out_length, (udp ? 4 : 6) * sizeof(data));
		gds_carrier_shut(f.client);
		destination->in_end_status = udp ? GDS_AGAIN : GDS_EOF;
		serving_step(&f);
		gds_carrier_shut(&f.far->carrier);
		serving_step(&f);
		assert_int_equal(f.report.tunnel.dropped[0], udp ? 2 : 0);
		serving_finish(&f);
		memory_free(destination);
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
		cmocka_unit_test(test_unreached),
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_gone_while_dialling),
		cmocka_unit_test(test_half_close_while_dialling),
		cmocka_unit_test(test_early_bound),
	};
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
