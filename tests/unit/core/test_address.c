/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <gdstream/address.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

static void test_round_trip(void **state)
{
	static const struct {
		const char *ip, *text; /* with port 8890 */
		bool loopback;
	} rows[] = {
		{"127.0.0.1", "127.0.0.1:8890", true},
		{"127.255.255.254", "127.255.255.254:8890", true},
		{"10.0.0.12", "10.0.0.12:8890", false},
		{"::1", "[::1]:8890", true},
		{"::", "[::]:8890", false},
		{"::ffff:127.0.0.1", "[::ffff:127.0.0.1]:8890", true},
		{"::ffff:10.0.0.1", "[::ffff:10.0.0.1]:8890", false},
		{"2001:DB8:0:0:1:0:0:1", "[2001:db8::1:0:0:1]:8890", false},
		{"2001:db8:0:1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]:8890", false},
		{"1:0:0:2:0:0:0:3", "[1:0:0:2::3]:8890", false},
		{"fe80:0:0:0:0:0:0:1%7", "[fe80::1%7]:8890", false},
		{"1::", "[1::]:8890", false},
		{"1:2:3:4:5:6:0:0", "[1:2:3:4:5:6::]:8890", false},
		{"fe80::1%4294967295", "[fe80::1%4294967295]:8890", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gds_address address, again;
		char text[GDS_ADDRESS_TEXT], bare[GDS_ADDRESS_TEXT];
		char *end;

		print_message("# %s\n", rows[i].ip);
		assert_int_equal(gds_address_parse(&address, rows[i].ip, 8890), GDS_OK);
		assert_string_equal(gds_address_format(&address, text), rows[i].text);
		assert_int_equal(gds_address_is_loopback(&address), rows[i].loopback);

		memcpy(bare, text + (text[0] == '['), sizeof(bare) - 1);
		end = strchr(bare, ']');
		*(end ? end : strchr(bare, ':')) = '\0';
		assert_int_equal(gds_address_parse(&again, bare, 8890), GDS_OK);
		assert_true(gds_address_equal(&address, &again));
	}
}

/* RFC 5952 as glibc's inet_ntop has it, over seeded addresses with many zero groups. */
static void test_format_against_inet_ntop(void **state)
{
	unsigned seed = 5952;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct gds_address address = {.family = 6, .port = 1};
		char ours[GDS_ADDRESS_TEXT], theirs[INET6_ADDRSTRLEN], whole[GDS_ADDRESS_TEXT];

		for (unsigned i = 0; i < 8; i++) {
			int bits = rand_r(&seed);

			/* The first is never 0: inet_ntop writes "::1.2.3.4" where RFC 5952 allows
			 * both. */
			address.ip[2 * i] = i == 0 || bits & 0x10000 ? (uint8_t)(bits | 1) : 0;
			address.ip[2 * i + 1] = bits & 0x20000 ? (uint8_t)(bits >> 8) : 0;
		}
		assert_non_null(inet_ntop(AF_INET6, address.ip, theirs, sizeof(theirs)));
		(void)snprintf(whole, sizeof(whole), "[%s]:1", theirs);
		assert_string_equal(gds_address_format(&address, ours), whole);
	}
}

static void test_parse_refuses(void **state)
{
	static const char *const texts[] = {"", "127.1", "0177.0.0.1", "2130706433", "0x7f000001",
		"localhost", "[::1]", "::1%", "::1%no-such-if", "127.0.0.1%1", "::1%0",
		"::1%4294967297", "::1%-1", "1.2.3.4:5", "%1"};
	struct gds_address address = {.port = 77};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		print_message("# %s\n", texts[i]);
		assert_int_equal(gds_address_parse(&address, texts[i], 1), GDS_E_FORMAT);
		assert_int_equal(address.port, 77);
	}
}

static void test_scope_name(void **state)
{
	struct gds_address address;
	char name[IF_NAMESIZE], text[GDS_ADDRESS_TEXT];

	(void)state;
	/* Index 1 is the loopback interface in every network namespace of Linux. */
	assert_non_null(if_indextoname(1, name));
	(void)snprintf(text, sizeof(text), "::1%%%s", name);
	assert_int_equal(gds_address_parse(&address, text, 1), GDS_OK);
	assert_int_equal(address.scope, 1);
}

static void test_equal(void **state)
{
	struct gds_address a, b;

	(void)state;
	assert_int_equal(gds_address_parse(&a, "10.0.0.1", 1), GDS_OK);
	b = a;
	b.ip[15] = 9; /* an IPv4 address has four bytes */
	assert_true(gds_address_equal(&a, &b));
	b.port = 2;
	assert_false(gds_address_equal(&a, &b));
	assert_int_equal(gds_address_parse(&a, "fe80::1%1", 1), GDS_OK);
	assert_int_equal(gds_address_parse(&b, "fe80::1%2", 1), GDS_OK);
	assert_false(gds_address_equal(&a, &b));
	memset(&a, 0, sizeof(a));
	assert_string_equal(gds_address_format(&a, (char[GDS_ADDRESS_TEXT]){0}), "(none)");
	assert_false(gds_address_is_loopback(&a));
}

#define HOST_50 "abcdefghijklmnopqrstuvwxyz.bcdefghijklmnopqrstuvw."
#define HOST_250 HOST_50 HOST_50 HOST_50 HOST_50 HOST_50

static void test_target(void **state)
{
	static const struct {
		const char *text;
		uint16_t fallback;
		int want;
		const char *host;
		uint16_t port;
	} rows[] = {
		{"10.0.0.12", 8890, GDS_OK, "10.0.0.12", 8890},
		{"10.0.0.12:1", 8890, GDS_OK, "10.0.0.12", 1},
		{"nas:65535", 0, GDS_OK, "nas", 65535},
		{"nas", 8890, GDS_OK, "nas", 8890},
		{"::1", 8890, GDS_OK, "::1", 8890},
		{"fe80::1%eth0", 8890, GDS_OK, "fe80::1%eth0", 8890},
		{"[::1]", 8890, GDS_OK, "::1", 8890},
		{"[::1]:443", 0, GDS_OK, "::1", 443},
		{"[fe80::1%lo]:443", 0, GDS_OK, "fe80::1%lo", 443},
		{HOST_250 "abcde:9", 0, GDS_OK, HOST_250 "abcde", 9},

		{"nas", 0, GDS_E_PORT, NULL, 0},
		{"::1", 0, GDS_E_PORT, NULL, 0},
		{"[::1]", 0, GDS_E_PORT, NULL, 0},
		{"nas:", 8890, GDS_E_PORT, NULL, 0},
		{"nas:0", 8890, GDS_E_PORT, NULL, 0},
		{"nas:70000", 8890, GDS_E_PORT, NULL, 0},
		{"nas:65536", 8890, GDS_E_PORT, NULL, 0},
		{"nas:4294967297", 8890, GDS_E_PORT, NULL, 0},
		{"nas:http", 8890, GDS_E_PORT, NULL, 0},
		{"nas:-1", 8890, GDS_E_PORT, NULL, 0},
		{"nas: 80", 8890, GDS_E_PORT, NULL, 0},
		{"[::1]:", 8890, GDS_E_PORT, NULL, 0},
		{"", 8890, GDS_E_HOST_EMPTY, NULL, 0},
		{":80", 8890, GDS_E_HOST_EMPTY, NULL, 0},
		{"[]:80", 8890, GDS_E_HOST_EMPTY, NULL, 0},
		{HOST_250 "abcdef:9", 0, GDS_E_HOST_LENGTH, NULL, 0},
		{"[::1", 8890, GDS_E_FORMAT, NULL, 0},
		{"[::1]80", 8890, GDS_E_FORMAT, NULL, 0},
		{"[nas]:80", 8890, GDS_E_FORMAT, NULL, 0},
		{"[10.0.0.1]:80", 8890, GDS_E_FORMAT, NULL, 0},
		{"1:2:3", 8890, GDS_E_FORMAT, NULL, 0},
		{"127.1", 8890, GDS_E_FORMAT, NULL, 0},
		{"2130706433:80", 8890, GDS_E_FORMAT, NULL, 0},
		{"https://nas", 8890, GDS_E_PORT, NULL, 0},
		{"nas/info", 8890, GDS_E_FORMAT, NULL, 0},
		{"my nas", 8890, GDS_E_FORMAT, NULL, 0},
		{"nas\n", 8890, GDS_E_FORMAT, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gds_complaint complaint = {0};
		char host[256] = "untouched";
		uint16_t port = 7;
		int got = gds_target_parse(rows[i].text, rows[i].fallback, host, &port, &complaint);

		print_message("# %zu %.20s\n", i, rows[i].text);
		assert_int_equal(got, rows[i].want);
		if (got == GDS_OK) {
			assert_string_equal(host, rows[i].host);
			assert_int_equal(port, rows[i].port);
		} else {
			assert_string_equal(host, "untouched");
			assert_int_equal(port, 7);
			assert_int_equal(complaint.code, got);
			assert_true(strlen(complaint.text) > 10);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_format_against_inet_ntop),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_scope_name),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
