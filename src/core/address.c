/* SPDX-License-Identifier: MIT */
#include <gdstream/address.h>
#include <gdstream/header.h>

#include "core/host.h"

/* if_nametoindex: scope names belong to the machine; the only thing that core/ asks of the system.
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* The longest run of at least two zero groups, for "::" (RFC 5952 section 4.2). \return its length.
 */
static unsigned longest_zeros(const uint8_t *ip, unsigned *start)
{
	unsigned best = 1, run = 0;

	*start = 8;
	for (unsigned i = 0; i < 8; i++) {
		run = ip[2 * i] == 0 && ip[2 * i + 1] == 0 ? run + 1 : 0;
		if (run > best) {
			best = run;
			*start = i + 1 - run;
		}
	}
	return *start < 8 ? best : 0;
}

static bool is_mapped_ipv4(const uint8_t *ip)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(ip, prefix, sizeof(prefix)) == 0;
}

/* RFC 5952. \return the length. */
static int format_ipv6(const uint8_t *ip, char *text, size_t size)
{
	unsigned start, zeros = longest_zeros(ip, &start);
	int at = 0;

	if (is_mapped_ipv4(ip)) {
		return snprintf(text, size, "::ffff:%u.%u.%u.%u", ip[12], ip[13], ip[14], ip[15]);
	}
	for (unsigned i = 0; i < 8; i++) {
		if (i == start) {
			at += snprintf(text + at, size - (size_t)at, "::");
			i += zeros - 1;
			continue;
		}
		at += snprintf(text + at, size - (size_t)at, "%s%x",
			i > 0 && i != start + zeros ? ":" : "",
			(unsigned)(ip[2 * i] << 8 | ip[2 * i + 1]));
	}
	return at;
}

const char *gds_address_format(
	const struct gds_address *address, char text[static GDS_ADDRESS_TEXT])
{
	const uint8_t *ip = address->ip;
	int at;

	if (address->family == 4) {
		(void)snprintf(text, GDS_ADDRESS_TEXT, "%u.%u.%u.%u:%u", ip[0], ip[1], ip[2], ip[3],
			address->port);
	} else if (address->family == 6) {
		at = snprintf(text, GDS_ADDRESS_TEXT, "[");
		at += format_ipv6(ip, text + at, GDS_ADDRESS_TEXT - (size_t)at);
		if (address->scope) {
			at += snprintf(
				text + at, GDS_ADDRESS_TEXT - (size_t)at, "%%%u", address->scope);
		}
		(void)snprintf(text + at, GDS_ADDRESS_TEXT - (size_t)at, "]:%u", address->port);
	} else {
		(void)snprintf(text, GDS_ADDRESS_TEXT, "(none)");
	}
	return text;
}

/* A number, or the name of an interface of this machine. \return 0 when it is neither. */
static uint32_t parse_scope(const char *text)
{
	uint64_t number = 0;
	size_t i = 0;

	while (text[i] >= '0' && text[i] <= '9' && number <= UINT32_MAX) {
		number = number * 10 + (uint64_t)(text[i] - '0');
		i++;
	}
	if (i > 0 && text[i] == '\0') {
		return number <= UINT32_MAX ? (uint32_t)number : 0;
	}
	return if_nametoindex(text);
}

int gds_address_parse(struct gds_address *out, const char *ip, uint16_t port)
{
	struct gds_address address = {.port = port};
	size_t length = strcspn(ip, "%");

	if (gds_host_parse_ipv4(address.ip, ip, length)) {
		address.family = 4;
	} else if (gds_host_parse_ipv6(address.ip, ip, length)) {
		address.family = 6;
	} else {
		return GDS_E_FORMAT;
	}
	if (ip[length] == '%') {
		address.scope = address.family == 6 ? parse_scope(ip + length + 1) : 0;
		if (address.scope == 0) {
			return GDS_E_FORMAT;
		}
	}
	*out = address;
	return GDS_OK;
}

bool gds_address_equal(const struct gds_address *a, const struct gds_address *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope &&
	       memcmp(a->ip, b->ip, a->family == 4 ? 4 : sizeof(a->ip)) == 0;
}

bool gds_address_is_loopback(const struct gds_address *address)
{
	static const uint8_t one[16] = {[15] = 1};

	if (address->family == 4) {
		return address->ip[0] == 127;
	}
	return address->family == 6 &&
	       (memcmp(address->ip, one, sizeof(one)) == 0 ||
		       (is_mapped_ipv4(address->ip) && address->ip[12] == 127));
}

/* Where the parts of a target are. */
struct parts {
	const char *host, *port; /* port NULL: none given */
	size_t host_length;
};

static int split(const char *text, struct parts *out, struct gds_complaint *complaint)
{
	const char *end, *colon = strchr(text, ':');

	if (text[0] == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] != '\0' && end[1] != ':')) {
			return gds_complain(complaint, GDS_E_FORMAT,
				"\"%.280s\" is no target: an IPv6 address in brackets is [ADDRESS] "
				"or "
				"[ADDRESS]:PORT",
				text);
		}
		*out = (struct parts){text + 1, end[1] ? end + 2 : NULL, (size_t)(end - text - 1)};
	} else if (colon && !strchr(colon + 1, ':')) {
		*out = (struct parts){text, colon + 1, (size_t)(colon - text)};
	} else {
		/* No colon, or several: a bare IPv6 address, which then cannot have a port. */
		*out = (struct parts){text, NULL, strlen(text)};
	}
	return GDS_OK;
}

/* 1..65535, digits only. \return 0 when it is anything else. */
static uint16_t parse_port(const char *text)
{
	uint32_t value = 0;

	for (; *text >= '0' && *text <= '9' && value <= UINT16_MAX; text++) {
		value = value * 10 + (uint32_t)(*text - '0');
	}
	return *text == '\0' && value <= UINT16_MAX ? (uint16_t)value : 0;
}

static int check_host(const struct parts *parts, const char *text, struct gds_complaint *complaint)
{
	const char *host = parts->host;
	size_t n = parts->host_length, address = 0;
	uint8_t ip[16];

	if (n == 0) {
		return gds_complain(complaint, GDS_E_HOST_EMPTY,
			"\"%.280s\" names no host: write HOST:PORT", text);
	}
	if (n > GDS_HOST_MAX) {
		return gds_complain(complaint, GDS_E_HOST_LENGTH,
			"the host has %zu bytes, and no host has more than %d", n, GDS_HOST_MAX);
	}
	if (gds_host_is_number(host, n)) {
		return gds_complain(complaint, GDS_E_FORMAT,
			"\"%.*s\" is no address: write all four numbers, in decimal, as in "
			"10.0.0.12",
			(int)n, host);
	}
	while (address < n && host[address] != '%') {
		address++;
	}
	if ((text[0] == '[' || memchr(host, ':', n)) && !gds_host_parse_ipv6(ip, host, address)) {
		return gds_complain(complaint, GDS_E_FORMAT,
			"\"%.280s\" holds no IPv6 address: write HOST:PORT or [ADDRESS]:PORT",
			text);
	}
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)host[i] <= ' ' || host[i] == 0x7f || strchr("/[]@", host[i])) {
			return gds_complain(complaint, GDS_E_FORMAT,
				"\"%.280s\" is no target: write HOST:PORT, not a URL", text);
		}
	}
	return GDS_OK;
}

int gds_target_parse(const char *text, uint16_t fallback, char host[static 256], uint16_t *port,
	struct gds_complaint *complaint)
{
	struct parts parts = {0};
	uint16_t number = fallback;
	int status = split(text, &parts, complaint);

	if (status == GDS_OK) {
		status = check_host(&parts, text, complaint);
	}
	if (status != GDS_OK) {
		return status;
	}
	if (parts.port) {
		number = parse_port(parts.port);
		if (number == 0) {
			return gds_complain(complaint, GDS_E_PORT,
				"\"%.40s\" is no port: write a number from 1 to 65535", parts.port);
		}
	} else if (number == 0) {
		return gds_complain(complaint, GDS_E_PORT,
			"\"%.280s\" names no port: write HOST:PORT, an IPv6 address in brackets",
			text);
	}
	memcpy(host, parts.host, parts.host_length);
	host[parts.host_length] = '\0';
	*port = number;
	return GDS_OK;
}
