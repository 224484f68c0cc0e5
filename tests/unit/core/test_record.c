/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "core/record.h"

#include <stdio.h>
#include <stdlib.h>

/* ClientHellos as three clients sent them to a UDP socket on loopback (hex). */
static const char openssl_hello[] = /* OpenSSL 3.0, s_client -dtls1_2 */
	"16feff000000000000000000c0010000b400000000000000b4fefd5d77e41c28ed7c8f6085531280fbaaacff"
	"0600ada3ee20e74fa558764a8250d900000038c02cc030009fcca9cca8ccaac02bc02f009ec024c028006bc0"
	"23c0270067c00ac0140039c009c0130033009d009c003d003c0035002f00ff01000052000b00040300010200"
	"0a000c000a001d0017001e00190018002300000016000000170000000d002a00280403050306030807080808"
	"09080a080b080408050806040105010601030303010302040205020602";
static const char gnutls_hello[] = /* GnuTLS 3.7.9, gnutls-cli -u */
	"16feff000000000000000000ce010000c200000000000000c2fefde13d6669b542ff8e987c5adfbdc98a70aa"
	"fdafe98c042d23e2b3293466e1c8b000000032c02ccca9c0adc00ac02bc0acc009c030cca8c014c02fc01300"
	"9dc09d0035009cc09c002f009fccaac09f0039009ec09e003301000066000500050100000000000a00160014"
	"001700180019001d001e01000101010201030104000b00020100000d00220020040108090804040308070501"
	"080a0805050308080601080b0806060302010203001600000017000000230000ff01000100001c00024000";
static const char pion_hello[] = /* GoDoxy's client, pion/dtls 3.1.5, with the cookie asked for */
	"16fefd000000000000000100960100008a000100000000008afefd6b06e0a4f7884df874e7317ef17f5a075e"
	"2afba69baec4813784136e88b79fb60014aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0002c02b010000"
	"4a000d001600140403050306030807080408050806040105010601ff01000100000a00080006001d00170018"
	"000b000201000017000000000011000f00000c676f646f78792e6167656e74";

#define X32 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/* The bytes in a heap block of exactly their size, so that a sanitizer sees each read beyond it. */
static uint8_t *exact(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	assert_non_null(copy);
	if (n) {
		memcpy(copy, data, n);
	}
	return copy;
}

static size_t from_hex(uint8_t *out, const char *hex)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned value;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
		out[i] = (uint8_t)value;
	}
	return n;
}

static const char *const hellos[] = {openssl_hello, gnutls_hello, pion_hello};

static void test_client_hellos(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(hellos); i++) {
		uint8_t wire[512];
		size_t n = from_hex(wire, hellos[i]);
		struct gds_record record;

		assert_int_equal(gds_record_parse_dtls(&record, wire, n), n);
		assert_int_equal(record.type, GDS_CONTENT_HANDSHAKE);
		assert_int_equal(record.epoch, 0);
		assert_int_equal(record.sequence, hellos[i] == pion_hello ? 1 : 0);
		assert_int_equal(record.length, n - 13);
		assert_ptr_equal(record.fragment, wire + 13);
		assert_true(gds_record_is_client_hello(wire, n));
		/* 13 record, 12 handshake, 2 version: the random is next. */
		assert_ptr_equal(gds_record_client_random(wire, n), wire + 27);
	}
}

/* No prefix is one, and none is read beyond its end. */
static void test_every_prefix(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(hellos); i++) {
		uint8_t wire[512];
		size_t whole = from_hex(wire, hellos[i]);

		for (size_t n = 0; n < whole; n++) {
			uint8_t *cut = exact(wire, n);
			struct gds_record record;

			assert_int_equal(gds_record_parse_dtls(&record, cut, n), -1);
			assert_false(gds_record_is_client_hello(cut, n));
			assert_null(gds_record_client_random(cut, n));
			assert_int_equal(gds_record_plain_alert(cut, n), -1);
			(void)gds_record_speaker(cut, n);
			free(cut);
		}
	}
}

/* Shortened at each point, with the record's and the handshake's lengths put right. */
static void test_every_shorter_hello(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(hellos); i++) {
		uint8_t wire[512];
		size_t whole = from_hex(wire, hellos[i]);

		for (size_t n = 25; n < whole; n++) {
			uint8_t *cut = exact(wire, n);
			/* Without its extensions a hello is whole too: after the compression
			 * methods. */
			size_t bare = 27 + 32;

			bare += 1U + wire[bare];
			bare += 1U + wire[bare];
			bare += 2U + (size_t)(wire[bare] << 8 | wire[bare + 1]);
			bare += 1U + wire[bare];
			cut[11] = (uint8_t)((n - 13) >> 8);
			cut[12] = (uint8_t)(n - 13);
			cut[15] = cut[23] = (uint8_t)((n - 25) >> 8);
			cut[16] = cut[24] = (uint8_t)(n - 25);
			assert_int_equal(gds_record_is_client_hello(cut, n), n == bare);
			free(cut);
		}
	}
}

/* Each byte of each hello set to each of a few values: whatever comes out, nothing is read beyond.
 */
static void test_mutations(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};

	(void)state;
	for (size_t i = 0; i < COUNT(hellos); i++) {
		uint8_t wire[512];
		size_t n = from_hex(wire, hellos[i]);

		for (size_t at = 0; at < n * COUNT(values); at++) {
			uint8_t *odd = exact(wire, n);
			const uint8_t *random;

			odd[at / COUNT(values)] = values[at % COUNT(values)];
			random = gds_record_client_random(odd, n);
			assert_true(random == NULL || random == odd + 27);
			(void)gds_record_plain_alert(odd, n);
			free(odd);
		}
	}
}

/* A hello put together from its parts; lengths are right unless a row says otherwise. */
static void test_bodies(void **state)
{
	static const struct {
		const char *what;
		const char *session_id, *cookie, *suites, *compressions, *extensions, *behind;
		bool want;
	} rows[] = {
		{"the least", "00", "00", "0002c02b", "0100", "", "", true},
		{"empty extensions", "00", "00", "0002c02b", "0100", "0000", "", true},
		{"one extension", "00", "00", "0002c02b", "0100",
			"0004"
			"00170000",
			"", true},
		{"a session id of 32", "20" X32, "00", "0002c02b", "0100", "", "", true},
		{"a session id of 33", "21" X32 "aa", "00", "0002c02b", "0100", "", "", false},
		{"a cookie of 32", "00", "20" X32, "0002c02b", "0100", "", "", true},
		{"no suite", "00", "00", "0000", "0100", "", "", false},
		{"three bytes of suites", "00", "00", "0003c02b00", "0100", "", "", false},
		{"no compression method", "00", "00", "0002c02b", "00", "", "", false},
		{"extensions too short", "00", "00", "0002c02b", "0100",
			"0005"
			"00170000",
			"", false},
		{"an extension too long", "00", "00", "0002c02b", "0100",
			"0004"
			"00170001",
			"", false},
		{"half an extension", "00", "00", "0002c02b", "0100",
			"0003"
			"001700",
			"", false},
		{"half a length", "00", "00", "0002c02b", "0100", "00", "", false},
		{"bytes behind extensions", "00", "00", "0002c02b", "0100",
			"0000"
			"aa",
			"", false},
		{"extensions beyond the message", "00", "00", "0002c02b", "0100", "", "0000",
			false},
		{"another message behind", "00", "00", "0002c02b", "0100", "", "14000000", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char hex[512];
		uint8_t wire[256], *data;
		size_t n, behind = strlen(rows[i].behind) / 2;

		print_message("# %s\n", rows[i].what);
		(void)snprintf(hex, sizeof(hex),
			"16feff"
			"0000000000000000"
			"0000"
			"01"
			"000000"
			"0000"
			"000000"
			"000000"
			"fefd" X32 "%s%s%s%s%s%s",
			rows[i].session_id, rows[i].cookie, rows[i].suites, rows[i].compressions,
			rows[i].extensions, rows[i].behind);
		n = from_hex(wire, hex);
		wire[12] = (uint8_t)(n - 13);
		wire[16] = wire[24] = (uint8_t)(n - 25 - behind);
		data = exact(wire, n);
		assert_int_equal(gds_record_is_client_hello(data, n), rows[i].want);
		free(data);
	}
}

static void test_not_a_client_hello(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
	} rows[] = {
		{"epoch 1", 4, 1},
		{"an alert", 0, 21},
		{"application data", 0, 23},
		{"TLS 1.2's version", 1, 3},
		{"DTLS 1.3's number", 2, 0xfc},
		{"a ServerHello", 13, 2},
		{"a fragment further on", 21, 1},
		{"a fragment that is not the whole", 24, 1},
		{"TLS inside", 25, 3},
		{"a session id of 33 bytes", 59, 33},
	};
	uint8_t wire[512];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t n = from_hex(wire, pion_hello);

		print_message("# %s\n", rows[i].what);
		assert_true(gds_record_is_client_hello(wire, n));
		wire[rows[i].at] = rows[i].value;
		assert_false(gds_record_is_client_hello(wire, n));
	}
}

/* docs/godoxy-facts.md, section 5: a refused ClientHello is answered in plain text. */
static void test_plain_alerts(void **state)
{
	static const struct {
		const char *hex;
		int want;
	} rows[] = {
		{"15fefd00000000000000000002"
		 "0246",
			70},
		{"15feff00000000000000000002"
		 "0247",
			71},
		{"15fefd00000000000000000002"
		 "0228",
			40},
		/* behind another record; and behind one of epoch 1 */
		{"14fefd0000000000000001000101"
		 "15fefd00000000000000020002"
		 "022a",
			42},
		{"15fefd0001000000000001000101"
		 "15fefd00000000000000020002"
		 "022a",
			42},
		{"15fefd00000000000000000002"
		 "0100",
			-1}, /* a warning: close_notify */
		{"15fefd00010000000000000002"
		 "0246",
			-1}, /* epoch 1: encrypted */
		{"15030300000000000000000002"
		 "0246",
			-1},
		{"16fefd00000000000000000002"
		 "0246",
			-1},
		{"15fefd00000000000000000002"
		 "02",
			-1},
		{"15fefd00000000000000000003"
		 "024600",
			-1},
		{"15fefd00000000000000000000", -1},
		{"", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t wire[64];
		size_t n = from_hex(wire, rows[i].hex);
		uint8_t *data = exact(wire, n);

		print_message("# %s\n", rows[i].hex);
		assert_int_equal(gds_record_plain_alert(data, n), rows[i].want);
		free(data);
	}
}

static void test_tls_records(void **state)
{
	static const struct {
		const char *hex;
		int want;
	} rows[] = {
		{"", 0}, {"16", 0}, {"1603", 0}, {"160301", 0}, {"1603010005", 0},
		{"160301000501020304", 0}, {"16030100050102030405", 10},
		{"16030100050102030405ff", 10}, {"15030300020228", 7}, {"1703030000", 5},
		{"1703034800", 0},  /* 18432 bytes: the longest there is */
		{"1703034801", -1}, /* one more */
		{"13", -1}, {"18", -1}, {"1602", -1}, {"16fefd", -1}, {"48545450", -1}, /* HTTP */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t wire[64];
		size_t n = from_hex(wire, rows[i].hex);
		uint8_t *data = exact(wire, n);
		struct gds_record record;

		print_message("# %s\n", rows[i].hex);
		assert_int_equal(gds_record_parse_tls(&record, data, n), rows[i].want);
		if (rows[i].want > 0) {
			assert_int_equal(record.type, data[0]);
			assert_int_equal(record.version, data[1] << 8 | data[2]);
			assert_int_equal(record.length, rows[i].want - 5);
			assert_ptr_equal(record.fragment, data + 5);
			assert_int_equal(record.epoch, 0);
		}
		free(data);
	}
}

static void test_dtls_numbers(void **state)
{
	uint8_t wire[64];
	size_t n = from_hex(wire, "17fefd"
				  "abcd"
				  "123456789abc"
				  "0003"
				  "010203"
				  "99");
	struct gds_record record;

	(void)state;
	assert_int_equal(gds_record_parse_dtls(&record, wire, n), 16);
	assert_int_equal(record.version, 0xfefd);
	assert_int_equal(record.epoch, 0xabcd);
	assert_true(record.sequence == UINT64_C(0x123456789abc));
	assert_int_equal(record.length, 3);
}

static void test_speakers(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		enum gds_speaker want;
	} rows[] = {
		{"", 0, GDS_SPEAKS_NOTHING},
		{"\x16\x03\x03", 3, GDS_SPEAKS_TLS},
		{"\x15\x03\x01\x00\x02\x02\x28", 7, GDS_SPEAKS_TLS},
		{"\x15\xfe\xfd\0\0\0\0\0\0\0\0\0\x02\x02\x47", 15, GDS_SPEAKS_TLS},
		{"HTTP/1.0 400 Bad Request\r\n", 26, GDS_SPEAKS_HTTP},
		{"HTTP/1.1 200 OK\r\n", 17, GDS_SPEAKS_HTTP},
		{"SSH-2.0-OpenSSH_9.2p1\r\n", 23, GDS_SPEAKS_SSH},
		{"220 mx.example.com ESMTP Postfix\r\n", 34, GDS_SPEAKS_SMTP},
		{"220-mx.example.com\r\n", 20, GDS_SPEAKS_SMTP},
		{"554 no SMTP here\r\n", 18, GDS_SPEAKS_SMTP},
		{"220 (vsFTPd 3.0.3)\r\n", 20, GDS_SPEAKS_OTHER},
		{"HTTP", 4, GDS_SPEAKS_OTHER},
		{"\x16\x02\x03", 3, GDS_SPEAKS_OTHER},
		{"\0\0\0", 3, GDS_SPEAKS_OTHER},
		{"+OK dovecot ready\r\n", 19, GDS_SPEAKS_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t *data = exact((const uint8_t *)rows[i].text, rows[i].n);

		print_message("# %zu\n", i);
		assert_int_equal(gds_record_speaker(data, rows[i].n), rows[i].want);
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client_hellos),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_every_shorter_hello),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_not_a_client_hello),
		cmocka_unit_test(test_plain_alerts),
		cmocka_unit_test(test_tls_records),
		cmocka_unit_test(test_dtls_numbers),
		cmocka_unit_test(test_speakers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
