/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <gdstream/acceptor.h>

#define START (7 * GDS_SECOND)

static void make(uint8_t wire[static GDS_HEADER_SIZE], uint8_t flags)
{
	struct gds_header header;

	assert_int_equal(gds_header_init(&header, "127.0.0.1", "8080", flags), GDS_OK);
	assert_int_equal(gds_header_encode(&header, wire), GDS_OK);
}

static void assert_refused(const struct gds_acceptor *a, int code, const char *statement)
{
	assert_int_equal(a->verdict, GDS_REFUSE);
	assert_int_equal(a->why.code, code);
	assert_int_equal(a->why.stage, GDS_STAGE_HEADER);
	assert_string_equal(a->why.statement, statement);
}

/* TCP-01, TCP-02: cut anywhere, with payload behind it in the second part. */
static void test_every_split(void **state)
{
	uint8_t stream[GDS_HEADER_SIZE + 40];

	(void)state;
	make(stream, 0);
	memset(stream + GDS_HEADER_SIZE, 'p', 40);
	for (size_t cut = 0; cut <= GDS_HEADER_SIZE; cut++) {
		struct gds_acceptor a;
		size_t used = 99;

		gds_acceptor_init(&a, GDS_TCP, START);
		assert_int_equal(gds_acceptor_feed(&a, stream, cut, START, &used),
			cut == GDS_HEADER_SIZE ? GDS_DIAL : GDS_NEED_MORE);
		assert_int_equal(used, cut);
		assert_int_equal(
			gds_acceptor_feed(&a, stream + cut, sizeof(stream) - cut, START, &used),
			GDS_DIAL);
		assert_int_equal(used, GDS_HEADER_SIZE - cut);
		assert_string_equal(a.header.host, "127.0.0.1");
		assert_string_equal(a.header.port, "8080");
		assert_int_equal(a.why.code, GDS_OK);
	}
}

/* Pieces of each size, down to a byte a record, over both transports (UDP-04). */
static void test_pieces(void **state)
{
	uint8_t wire[GDS_HEADER_SIZE];

	(void)state;
	make(wire, GDS_FLAG_CLOSE_IMMEDIATELY);
	for (unsigned transport = GDS_TCP; transport <= GDS_UDP; transport++) {
		for (size_t step = 1; step <= GDS_HEADER_SIZE; step++) {
			enum gds_verdict verdict = GDS_NEED_MORE;
			struct gds_acceptor a;
			size_t at = 0;

			gds_acceptor_init(&a, (enum gds_transport)transport, START);
			while (at < sizeof(wire)) {
				size_t left = sizeof(wire) - at, used;

				assert_int_equal(verdict, GDS_NEED_MORE);
				verdict = gds_acceptor_feed(
					&a, wire + at, left < step ? left : step, START, &used);
				assert_int_equal(used, left < step ? left : step);
				at += used;
			}
			assert_int_equal(verdict, GDS_HEALTH);
		}
	}
}

static void test_reasons(void **state)
{
	uint8_t wire[GDS_HEADER_SIZE];
	struct gds_acceptor a;
	size_t used;

	(void)state;
	make(wire, GDS_FLAG_CLOSE_IMMEDIATELY);
	wire[274] ^= 1;
	gds_acceptor_init(&a, GDS_TCP, START);
	assert_int_equal(gds_acceptor_feed(&a, wire, sizeof(wire), START, &used), GDS_REFUSE);
	assert_refused(&a, GDS_E_CHECKSUM, "HDR-03");
	assert_string_equal(a.header.host, "127.0.0.1"); /* filled for the log all the same */

	/* A verdict is final: nothing more is taken, no deadline, no end changes it. */
	make(wire, 0);
	assert_int_equal(gds_acceptor_feed(&a, wire, sizeof(wire), START, &used), GDS_REFUSE);
	assert_int_equal(used, 0);
	assert_int_equal(gds_acceptor_tick(&a, GDS_NEVER), GDS_REFUSE);
	assert_int_equal(gds_acceptor_end(&a), GDS_REFUSE);
	assert_refused(&a, GDS_E_CHECKSUM, "HDR-03");

	gds_acceptor_init(&a, GDS_TCP, START);
	assert_int_equal(gds_acceptor_feed(&a, wire, sizeof(wire), START, &used), GDS_DIAL);
	assert_int_equal(gds_acceptor_tick(&a, GDS_NEVER), GDS_DIAL);
	assert_int_equal(gds_acceptor_end(&a), GDS_DIAL);
	assert_int_equal(gds_acceptor_feed(&a, wire, 5, GDS_NEVER, &used), GDS_DIAL);
	assert_int_equal(used, 0);
}

static void test_cut(void **state)
{
	uint8_t wire[GDS_HEADER_SIZE];

	(void)state;
	make(wire, 0);
	for (size_t n = 0; n < GDS_HEADER_SIZE; n++) {
		struct gds_acceptor a;
		size_t used;

		gds_acceptor_init(&a, GDS_TCP, START);
		assert_int_equal(gds_acceptor_feed(&a, wire, n, START, &used), GDS_NEED_MORE);
		assert_int_equal(gds_acceptor_end(&a), GDS_REFUSE);
		assert_refused(&a, GDS_E_HEADER_CUT, "HDR-01");
	}
}

/* UDP-05, UDP-21: a record longer than what the header lacks is refused; its first bytes tell why.
 */
static void test_records(void **state)
{
	static const struct {
		const char *name;
		size_t first;	    /* bytes of the header in a record before; 0 = none */
		bool payload_first; /* those bytes are payload */
		size_t record;	    /* [bytes] of the record judged */
		bool payload;	    /* it holds payload only */
		int code;
		const char *statement;
	} rows[] = {
		{"header and a byte", 0, false, 276, false, GDS_E_HEADER_RECORD, "UDP-05"},
		{"header and payload", 0, false, 400, false, GDS_E_HEADER_RECORD, "UDP-05"},
		{"rest and a byte", 100, false, 176, false, GDS_E_HEADER_RECORD, "UDP-05"},
		{"after one byte", 1, false, 275, false, GDS_E_HEADER_RECORD, "UDP-05"},
		{"after five bytes", 5, false, 275, false, GDS_E_HEADER_RECORD, "UDP-05"},
		{"after all but one", 274, false, 2, false, GDS_E_HEADER_RECORD, "UDP-05"},
		{"payload alone", 0, false, 400, true, GDS_E_HEADER_RECORD, "UDP-21"},
		{"small payload, then the header", 13, true, 275, false, GDS_E_HEADER_RECORD,
			"UDP-21"},
		{"payload of 275 bytes", 0, false, 275, true, GDS_E_CHECKSUM, "HDR-03"},
	};
	uint8_t header[GDS_HEADER_SIZE + 200], payload[400];

	(void)state;
	make(header, 0);
	memset(header + GDS_HEADER_SIZE, 'p', 200);
	memset(payload, 'p', sizeof(payload));
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t skip = rows[i].payload_first ? 0 : rows[i].first, used;
		struct gds_acceptor a;

		print_message("# %s\n", rows[i].name);
		gds_acceptor_init(&a, GDS_UDP, START);
		assert_int_equal(gds_acceptor_feed(&a, rows[i].payload_first ? payload : header,
					 rows[i].first, START, &used),
			GDS_NEED_MORE);
		assert_int_equal(gds_acceptor_feed(&a, rows[i].payload ? payload : header + skip,
					 rows[i].record, START, &used),
			GDS_REFUSE);
		assert_refused(&a, rows[i].code, rows[i].statement);
	}
}

/* TCP-03, UDP-08: ten seconds from the start, absolute, to the nanosecond. */
static void test_deadline(void **state)
{
	static const struct {
		enum gds_transport transport;
		const char *statement;
	} rows[] = {{GDS_TCP, "TCP-03"}, {GDS_UDP, "UDP-08"}};
	gds_time end = START + INT64_C(10000000000);
	uint8_t wire[GDS_HEADER_SIZE];

	(void)state;
	make(wire, 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gds_acceptor a, b;
		size_t used;

		gds_acceptor_init(&a, rows[i].transport, START);
		assert_true(a.deadline == end);
		/* A byte every quarter of a second does not put it off. */
		for (gds_time now = START; now < end; now += 250 * GDS_MILLISECOND) {
			size_t n = (size_t)((now - START) / (250 * GDS_MILLISECOND));

			assert_int_equal(
				gds_acceptor_feed(&a, wire + n, 1, now, &used), GDS_NEED_MORE);
			assert_int_equal(used, 1);
		}
		assert_int_equal(gds_acceptor_tick(&a, end - 1), GDS_NEED_MORE);
		b = a;
		assert_int_equal(gds_acceptor_tick(&a, end), GDS_REFUSE);
		assert_refused(&a, GDS_E_HEADER_LATE, rows[i].statement);

		/* Whole one nanosecond before, or come too late. */
		a = b;
		assert_int_equal(
			gds_acceptor_feed(&a, wire + 40, GDS_HEADER_SIZE - 40, end - 1, &used),
			GDS_DIAL);
		assert_int_equal(gds_acceptor_feed(&b, wire + 40, GDS_HEADER_SIZE - 40, end, &used),
			GDS_REFUSE);
		assert_int_equal(used, 0);
		assert_refused(&b, GDS_E_HEADER_LATE, rows[i].statement);
	}
}

static void test_far_future(void **state)
{
	struct gds_acceptor a;

	(void)state;
	gds_acceptor_init(&a, GDS_TCP, GDS_NEVER - 5);
	assert_true(a.deadline == GDS_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_far_future),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
