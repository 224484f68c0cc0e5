/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <gdstream/header.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* The three vectors of docs/godoxy-facts.md, section 1: measured on GoDoxy's own wire. */
static void test_known_checksums(void **state)
{
	static const struct {
		const char *host, *port;
		uint8_t flags, checksum[4];
	} rows[] = {
		{"", "", 1, {0x7d, 0x62, 0x1c, 0x75}},
		{"127.0.0.1", "8080", 0, {0x24, 0x9c, 0xed, 0xad}},
		{"example.com", "443", 0, {0xe8, 0x9b, 0x2e, 0x09}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gds_header header, again;
		uint8_t wire[GDS_HEADER_SIZE];
		struct gds_error error;

		assert_int_equal(
			gds_header_init(&header, rows[i].host, rows[i].port, rows[i].flags),
			GDS_OK);
		assert_int_equal(gds_header_encode(&header, wire), GDS_OK);
		assert_memory_equal(wire + 271, rows[i].checksum, 4);
		assert_memory_equal(wire, "0.1.0\0\0\0", 8);
		assert_int_equal(wire[8], strlen(rows[i].host));
		assert_memory_equal(wire + 9, rows[i].host, strlen(rows[i].host));
		assert_int_equal(wire[264], strlen(rows[i].port));
		assert_memory_equal(wire + 265, rows[i].port, strlen(rows[i].port));
		assert_int_equal(wire[270], rows[i].flags);
		assert_int_equal(gds_header_check(wire, &error), GDS_OK);
		assert_int_equal(error.code, GDS_OK);
		assert_null(error.statement);

		gds_header_decode(&again, wire);
		assert_string_equal(again.version, "0.1.0");
		assert_string_equal(again.host, rows[i].host);
		assert_string_equal(again.port, rows[i].port);
		assert_int_equal(again.flags, rows[i].flags);
		assert_int_equal(again.checksum, gds_header_checksum(wire));
		assert_int_equal(gds_header_is_health(&again), rows[i].flags == 1);
	}
}

static void test_layout(void **state)
{
	size_t offset = 0;

	(void)state;
	for (unsigned i = 0; i < GDS_FIELDS; i++) {
		assert_int_equal(gds_header_fields[i].offset, offset);
		offset += gds_header_fields[i].size;
	}
	assert_int_equal(offset, GDS_HEADER_SIZE);
}

/* HDR-06 */
static void test_limits(void **state)
{
	char host[258];
	struct gds_header header;
	uint8_t wire[GDS_HEADER_SIZE];

	(void)state;
	memset(host, 'h', sizeof(host));
	host[255] = '\0';
	assert_int_equal(gds_header_init(&header, host, "65535", 0), GDS_OK);
	assert_int_equal(gds_header_encode(&header, wire), GDS_OK);
	assert_int_equal(wire[263], 'h');
	assert_int_equal(gds_header_check(wire, NULL), GDS_OK);
	host[255] = 'h';
	host[256] = '\0';
	assert_int_equal(gds_header_init(&header, host, "1", 0), GDS_E_HOST_LENGTH);
	assert_int_equal(gds_header_init(&header, "nas", "domain", 0), GDS_E_PORT_LENGTH);

	assert_int_equal(gds_header_init(&header, "nas", "1", 0), GDS_OK);
	header.port_length = 6;
	assert_int_equal(gds_header_encode(&header, wire), GDS_E_PORT_LENGTH);
}

/* HDR-08: what stands in the struct behind the text does not travel. */
static void test_padding(void **state)
{
	struct gds_header header;
	uint8_t wire[GDS_HEADER_SIZE], clean[GDS_HEADER_SIZE];

	(void)state;
	assert_int_equal(gds_header_init(&header, "nas", "80", 0), GDS_OK);
	assert_int_equal(gds_header_encode(&header, clean), GDS_OK);
	memset(header.host + 3, 'x', sizeof(header.host) - 3);
	memset(header.port + 2, 'x', sizeof(header.port) - 2);
	memset(wire, 0xff, sizeof(wire));
	assert_int_equal(gds_header_encode(&header, wire), GDS_OK);
	assert_memory_equal(wire, clean, sizeof(wire));
}

static void seal(uint8_t *wire)
{
	uint32_t sum = gds_header_checksum(wire);

	for (unsigned i = 0; i < 4; i++) {
		wire[271 + i] = (uint8_t)(sum >> (24 - 8 * i));
	}
}

/* Every rule broken at once, mended one by one: the reason is always the first of the order. */
static void test_order_of_reasons(void **state)
{
	static const struct {
		int code;
		const char *statement;
	} order[] = {
		{GDS_E_CHECKSUM, "HDR-03"},
		{GDS_E_VERSION, "HDR-02"},
		{GDS_E_PORT_LENGTH, "HDR-04"},
		{GDS_E_HOST_EMPTY, "HDR-10"},
		{GDS_E_HOST_NUL, "HDR-11"},
		{GDS_E_HOST_FORM, "HDR-13"},
		{GDS_E_HOST_FORM, "HDR-14"},
		{GDS_E_PORT, "HDR-12"},
		{GDS_OK, NULL},
	};
	uint8_t wire[GDS_HEADER_SIZE] = "0.2.0";

	(void)state;
	wire[264] = 6;
	memcpy(wire + 265, "zzzzz", 5);
	for (size_t i = 0; i < COUNT(order); i++) {
		struct gds_error error = {.code = 1};

		switch (i) {
		case 2:
			wire[2] = '1';
			break;
		case 3:
			wire[264] = 5;
			break;
		case 4:
			wire[8] = 5;
			memcpy(wire + 9, "[\0.1]", 5);
			break;
		case 5:
			memcpy(wire + 9, "[::1]", 5);
			break;
		case 6:
			memcpy(wire + 9, "127.1", 5);
			break;
		case 7:
			memcpy(wire + 9, "local", 5);
			break;
		case 8:
			memcpy(wire + 265, "00080", 5);
			break;
		default:
			break;
		}
		if (i > 0) {
			seal(wire);
		}
		print_message("# %zu\n", i);
		assert_int_equal(gds_header_check(wire, &error), order[i].code);
		assert_int_equal(gds_header_check(wire, NULL), order[i].code);
		assert_int_equal(error.code, order[i].code);
		if (order[i].statement) {
			assert_string_equal(error.statement, order[i].statement);
			assert_int_equal(error.stage, GDS_STAGE_HEADER);
			assert_int_equal(error.origin, GDS_PEER);
		} else {
			assert_null(error.statement);
		}
	}
}

/* HDR-13, HDR-14, and what is right though it looks alike: docs/godoxy-facts.md, section 2. */
static void test_hosts(void **state)
{
	static const struct {
		const char *host, *statement;
	} rows[] = {
		{"[::1]", "HDR-13"},
		{"[::1", "HDR-13"},
		{"::1]", "HDR-13"},
		{"[", "HDR-13"},
		{"127.1", "HDR-14"},
		{"0177.0.0.1", "HDR-14"},
		{"2130706433", "HDR-14"},
		{"0x7f000001", "HDR-14"},
		{"0x7f.1", "HDR-14"},
		{"127.0.0.01", "HDR-14"},
		{"127.0.0.1.", "HDR-14"},
		{"1.2.3.4.5", "HDR-14"},
		{"256.0.0.1", "HDR-14"},
		{"0", "HDR-14"},
		{"::1", NULL},
		{"::1%lo", NULL},
		{"::ffff:127.0.0.1", NULL},
		{"127.0.0.1", NULL},
		{"1.example", NULL},
		{"xn--nxasmq6b", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gds_header header;
		uint8_t wire[GDS_HEADER_SIZE];
		struct gds_error error;

		print_message("# %s\n", rows[i].host);
		assert_int_equal(gds_header_init(&header, rows[i].host, "80", 0), GDS_OK);
		assert_int_equal(gds_header_encode(&header, wire), GDS_OK);
		(void)gds_header_check(wire, &error);
		assert_int_equal(error.code, rows[i].statement ? GDS_E_HOST_FORM : GDS_OK);
		if (rows[i].statement) {
			assert_string_equal(error.statement, rows[i].statement);
		}
	}
}

/* A CRC-32 sees every single flipped bit. */
static void test_every_bit(void **state)
{
	struct gds_header header;
	uint8_t wire[GDS_HEADER_SIZE];

	(void)state;
	assert_int_equal(gds_header_init(&header, "127.0.0.1", "8080", 0), GDS_OK);
	assert_int_equal(gds_header_encode(&header, wire), GDS_OK);
	for (size_t bit = 0; bit < sizeof(wire) * 8; bit++) {
		wire[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_int_equal(gds_header_check(wire, NULL), GDS_E_CHECKSUM);
		wire[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	assert_int_equal(gds_header_check(wire, NULL), GDS_OK);
}

static size_t from_hex(uint8_t *out, size_t size, const char *hex)
{
	size_t n = strlen(hex) / 2;

	assert_true(n <= size);
	for (size_t i = 0; i < n; i++) {
		unsigned value;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
		out[i] = (uint8_t)value;
	}
	return n;
}

static void check_vector(const json_t *vector)
{
	const char *name = json_string_value(json_object_get(vector, "name"));
	const char *verdict = json_string_value(json_object_get(vector, "verdict"));
	const char *statement = json_string_value(json_object_get(vector, "statement"));
	uint8_t wire[GDS_HEADER_SIZE] = {0}, text[GDS_HOST_MAX];
	size_t n, length;
	struct gds_header header;
	struct gds_error error;
	int code;

	print_message("# %s\n", name);
	n = from_hex(wire, sizeof(wire), json_string_value(json_object_get(vector, "hex")));
	if (n < sizeof(wire)) {
		assert_string_equal(verdict, "more");
		return; /* test_acceptor's business */
	}
	gds_header_decode(&header, wire);
	code = gds_header_check(wire, &error);
	if (strcmp(verdict, "refuse") == 0) {
		assert_int_not_equal(code, GDS_OK);
		assert_string_equal(error.statement, statement);
	} else {
		assert_int_equal(code, GDS_OK);
		assert_int_equal(gds_header_is_health(&header), strcmp(verdict, "health") == 0);
	}
	assert_int_equal(header.flags, json_integer_value(json_object_get(vector, "flags")));
	length = from_hex(
		text, sizeof(text), json_string_value(json_object_get(vector, "host_hex")));
	assert_int_equal(header.host_length, length);
	assert_memory_equal(header.host, text, length);
	length = from_hex(
		text, sizeof(text), json_string_value(json_object_get(vector, "port_hex")));
	assert_memory_equal(header.port, text, length);
}

/* Golden headers written by the Go peer (tests/interop/peer), which shares no code with this. */
static void test_vectors_of_the_go_peer(void **state)
{
	const char *top = getenv("top_srcdir");
	char path[4096];
	json_t *root, *vectors, *vector;
	json_error_t error;
	size_t i;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/tests/data/header_vectors.json", top ? top : ".");
	root = json_load_file(path, 0, &error);
	if (!root) {
		fail_msg("%s: %s (run from the top of the sources, or set top_srcdir)", path,
			error.text);
	}
	vectors = json_object_get(root, "vectors");
	assert_true(json_array_size(vectors) >= 50);
	json_array_foreach(vectors, i, vector)
	{
		check_vector(vector);
	}
	json_decref(root);
}

static void test_describe(void **state)
{
	struct gds_header header;
	uint8_t wire[GDS_HEADER_SIZE];
	char text[2048], small[20];
	int n;

	(void)state;
	assert_int_equal(gds_header_init(&header, "127.0.0.1", "8080", 0), GDS_OK);
	assert_int_equal(gds_header_encode(&header, wire), GDS_OK);
	n = gds_header_describe(wire, text, sizeof(text));
	assert_string_equal(text, "version \"0.1.0\" host \"127.0.0.1\" port \"8080\" flags 0x00 "
				  "checksum 249cedad (right)");
	assert_int_equal(n, strlen(text));

	/* As snprintf: the whole length, what fits, and a NUL. */
	assert_int_equal(gds_header_describe(wire, small, sizeof(small)), n);
	assert_int_equal(strlen(small), sizeof(small) - 1);
	assert_memory_equal(small, text, sizeof(small) - 1);
	assert_int_equal(gds_header_describe(wire, NULL, 0), n);

	wire[8] = 4;
	memcpy(wire + 9, "\x1b[\"\\", 4);
	wire[264] = 255;
	wire[270] = 0xff;
	(void)gds_header_describe(wire, text, sizeof(text));
	assert_non_null(strstr(text, "host \"\\x1b[\\\"\\\\\""));
	assert_non_null(strstr(text, "port length 255 port \"8080\\x00\""));
	assert_non_null(strstr(text, "flags 0xff (health check)"));
	assert_non_null(strstr(text, "checksum 249cedad (wrong: "));
}

static void test_dump(void **state)
{
	struct gds_header header;
	uint8_t wire[GDS_HEADER_SIZE];
	char text[8192], small[64];
	int n;

	(void)state;
	assert_int_equal(gds_header_init(&header, "127.0.0.1", "8080", 0), GDS_OK);
	assert_int_equal(gds_header_encode(&header, wire), GDS_OK);
	n = gds_header_dump(wire, text, sizeof(text));
	assert_string_equal(text, "   0  30 2e 31 2e 30 00 00 00  version      \"0.1.0\"\n"
				  "   8  09                       host length  9\n"
				  "   9  31 32 37 2e 30 2e 30 2e  host         \"127.0.0.1\"\n"
				  "  17  31                     \n"
				  "  18  246 bytes of NUL\n"
				  " 264  04                       port length  4\n"
				  " 265  38 30 38 30 00           port         \"8080\"\n"
				  " 270  00                       flags        0x00\n"
				  " 271  24 9c ed ad              checksum     249cedad (right)\n");
	assert_int_equal(n, strlen(text));
	assert_int_equal(gds_header_dump(wire, small, sizeof(small)), n);
	assert_int_equal(strlen(small), sizeof(small) - 1);

	memset(wire, 0xfe, sizeof(wire));
	assert_true(gds_header_dump(wire, text, sizeof(text)) < (int)sizeof(text));
	assert_null(strstr(text, "bytes of NUL"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_checksums),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_order_of_reasons),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_vectors_of_the_go_peer),
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
