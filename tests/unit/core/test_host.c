/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "core/host.h"

#include <arpa/inet.h>
#include <netdb.h>

enum kind { NAME, NUMBER, FOUR, SIX };

/* What Go's netip.ParseAddr takes is an address; what getaddrinfo would take beyond that, a NUMBER.
 */
static const struct {
	const char *text;
	enum kind kind;
} rows[] = {
	{"0.0.0.0", FOUR},
	{"127.0.0.1", FOUR},
	{"255.255.255.255", FOUR},
	{"1.2.3.4", FOUR},

	{"127.1", NUMBER},
	{"127.0.1", NUMBER},
	{"0177.0.0.1", NUMBER},
	{"127.0.0.01", NUMBER},
	{"127.0.0.001", NUMBER},
	{"00.0.0.0", NUMBER},
	{"2130706433", NUMBER},
	{"0", NUMBER},
	{"1", NUMBER},
	{"0x7f000001", NUMBER},
	{"0X7F000001", NUMBER},
	{"0x7f.0.0.1", NUMBER},
	{"0x7f.1", NUMBER},
	{"127.0.0.0x1", NUMBER},
	{"256.0.0.1", NUMBER},
	{"1.2.3.4.5", NUMBER},
	{"1.2.3.4.", NUMBER},
	{".1.2.3.4", NUMBER},
	{"1..2.3", NUMBER},
	{"127.0.0.1000", NUMBER},
	{"4294967296", NUMBER},

	{"localhost", NAME},
	{"example.com", NAME},
	{"1.example", NAME},
	{"127.0.0.1.nip.io", NAME},
	{"0x", NAME},
	{"0xg", NAME},
	{"x7f", NAME},
	{"7f.1", NAME},
	{"1-2", NAME},
	{"a", NAME},
	{".", NAME},
	{"...", NAME},
	{"1.2.3.4 ", NAME},
	{" 1.2.3.4", NAME},
	{"+1.2.3.4", NAME},
	{"-1", NAME},

	{"::", SIX},
	{"::1", SIX},
	{"1::", SIX},
	{"0:0:0:0:0:0:0:1", SIX},
	{"fe80::1cc0:3e8c:119f:c2e1", SIX},
	{"2001:DB8::68", SIX},
	{"::ffff:1.2.3.4", SIX},
	{"64:ff9b::192.0.2.33", SIX},
	{"1:2:3:4:5:6:1.2.3.4", SIX},
	{"1:2:3:4:5:6:7::", SIX},
	{"::2:3:4:5:6:7:8", SIX},

	{":", NAME},
	{":::", NAME},
	{"1:2:3:4:5:6:7", NAME},
	{"1:2:3:4:5:6:7:8:9", NAME},
	{"1:2:3:4:5:6:7:8::", NAME},
	{"1:2:3:4::5:6:7:8", NAME},
	{"::1::", NAME},
	{"1:::2", NAME},
	{"12345::", NAME},
	{"g::", NAME},
	{":1", NAME},
	{"1:", NAME},
	{"::1:", NAME},
	{"::1.2.3", NAME},
	{"::1.2.3.04", NAME},
	{"1.2.3.4::", NAME},
	{"1:2:3:4:5:6:7:1.2.3.4", NAME},
	{"::1%lo", NAME},
	{"[::1]", NAME},
};

static void test_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *text = rows[i].text;
		size_t n = strlen(text);
		uint8_t ip[16];

		print_message("# %s\n", text);
		assert_int_equal(gds_host_parse_ipv4(ip, text, n), rows[i].kind == FOUR);
		assert_int_equal(gds_host_parse_ipv6(ip, text, n), rows[i].kind == SIX);
		assert_int_equal(gds_host_is_number(text, n), rows[i].kind == NUMBER);
	}
}

/* The library's inet_pton as the judge: same verdict, same bytes; it takes no leading zeros either.
 */
static void test_against_inet_pton(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *text = rows[i].text;
		uint8_t ours[16] = {0}, theirs[16] = {0};
		int six = inet_pton(AF_INET6, text, theirs);

		print_message("# %s\n", text);
		assert_int_equal(gds_host_parse_ipv6(ours, text, strlen(text)), six);
		if (six) {
			assert_memory_equal(ours, theirs, 16);
		}
		memset(ours, 0, sizeof(ours));
		assert_int_equal(gds_host_parse_ipv4(ours, text, strlen(text)),
			inet_pton(AF_INET, text, theirs));
		if (rows[i].kind == FOUR) {
			assert_memory_equal(ours, theirs, 4);
		}
	}
}

/* HDR-14's point: nothing that getaddrinfo takes for an IPv4 address may pass for a name. */
static void test_against_getaddrinfo(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct addrinfo hints = {.ai_family = AF_INET, .ai_flags = AI_NUMERICHOST};
		struct addrinfo *list = NULL;

		print_message("# %s\n", rows[i].text);
		if (getaddrinfo(rows[i].text, NULL, &hints, &list) == 0) {
			assert_true(rows[i].kind == FOUR || rows[i].kind == NUMBER ||
				    strncmp(rows[i].text, "::ffff:", 7) == 0);
			freeaddrinfo(list);
		}
	}
}

/* The length counts, not a NUL: what stands behind it is never read. */
static void test_length(void **state)
{
	uint8_t ip[16];

	(void)state;
	assert_true(gds_host_parse_ipv4(ip, "10.0.0.12", 8));
	assert_int_equal(ip[3], 1);
	assert_false(gds_host_parse_ipv4(ip, "10.0.0.1", 7));
	assert_true(gds_host_parse_ipv6(ip, "::12", 3));
	assert_int_equal(ip[15], 1);
	assert_true(gds_host_is_number("127.1.example", 5));
	assert_false(gds_host_is_number("", 0));
	assert_false(gds_host_parse_ipv4(ip, "", 0));
	assert_false(gds_host_parse_ipv6(ip, "", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_against_inet_pton),
		cmocka_unit_test(test_against_getaddrinfo),
		cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
