/* SPDX-License-Identifier: MIT */
#include "core/host.h"

#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* \return 0..15, -1 when c is no hexadecimal digit. */
static int hex_digit(char c)
{
	if (is_digit(c)) {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

/* \return the length of a decimal of 0..255 without leading zero at the start of text; 0 = none. */
static size_t octet(uint8_t *out, const char *text, size_t n)
{
	unsigned value = 0;
	size_t i = 0;

	while (i < n && i < 3 && is_digit(text[i])) {
		value = value * 10 + (unsigned)(text[i] - '0');
		i++;
	}
	if (i == 0 || value > 255 || (i > 1 && text[0] == '0')) {
		return 0;
	}
	*out = (uint8_t)value;
	return i;
}

bool gds_host_parse_ipv4(uint8_t ip[static 4], const char *text, size_t n)
{
	size_t at = 0;

	for (unsigned i = 0; i < 4; i++) {
		size_t length;

		if (i > 0) {
			if (at >= n || text[at] != '.') {
				return false;
			}
			at++;
		}
		length = octet(&ip[i], text + at, n - at);
		if (length == 0) {
			return false;
		}
		at += length;
	}
	return at == n;
}

/* \return digits of a 16-bit group at the start of text; 0 = none. */
static size_t group(uint8_t out[static 2], const char *text, size_t n)
{
	unsigned value = 0;
	size_t i = 0;

	while (i < n && i < 4 && hex_digit(text[i]) >= 0) {
		value = value << 4 | (unsigned)hex_digit(text[i]);
		i++;
	}
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
	return i;
}

/*
 * Groups between colons, until the text or a "::" ends them; the last 32 bits may be a dotted quad.
 * \return bytes filled; -1 when malformed. *at stands behind what was taken, on the "::" if any.
 */
static int groups(uint8_t *out, size_t room, const char *text, size_t n, size_t *at)
{
	size_t have = 0;

	for (;;) {
		size_t length;

		if (have + 4 <= room && gds_host_parse_ipv4(out + have, text + *at, n - *at)) {
			*at = n;
			return (int)have + 4;
		}
		if (have + 2 > room) {
			return -1;
		}
		length = group(out + have, text + *at, n - *at);
		if (length == 0) {
			return -1;
		}
		*at += length;
		have += 2;
		if (*at == n || (n - *at >= 2 && text[*at] == ':' && text[*at + 1] == ':')) {
			return (int)have;
		}
		if (text[*at] != ':') {
			return -1;
		}
		(*at)++;
	}
}

bool gds_host_parse_ipv6(uint8_t ip[static 16], const char *text, size_t n)
{
	uint8_t tail[16] = {0};
	int head_size = 0, tail_size = 0;
	size_t at = 0;

	memset(ip, 0, 16);
	if (n < 2) {
		return false;
	}
	if (!(text[0] == ':' && text[1] == ':')) {
		head_size = groups(ip, 16, text, n, &at);
		if (head_size < 0 || at == n) {
			return head_size == 16;
		}
	}
	at += 2; /* the "::", which stands for one group of zeros at least */
	if (at < n) {
		tail_size = groups(tail, 16, text, n, &at);
		if (tail_size < 0 || at != n) {
			return false;
		}
	}
	if (head_size + tail_size > 14) {
		return false;
	}
	memcpy(ip + 16 - tail_size, tail, (size_t)tail_size);
	return true;
}

/* Digits, or 0x and hexadecimal digits. */
static bool is_number(const char *text, size_t n)
{
	bool hex = n > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');

	for (size_t i = hex ? 2 : 0; i < n; i++) {
		if (hex ? hex_digit(text[i]) < 0 : !is_digit(text[i])) {
			return false;
		}
	}
	return true;
}

bool gds_host_is_number(const char *text, size_t n)
{
	uint8_t ip[4];
	size_t start = 0;
	bool any = false;

	if (gds_host_parse_ipv4(ip, text, n)) {
		return false;
	}
	/* Empty parts count as numbers ("127.1.", "1..2"), but dots alone do not make one. */
	for (size_t i = 0; i <= n; i++) {
		if (i == n || text[i] == '.') {
			if (!is_number(text + start, i - start)) {
				return false;
			}
			any = any || i > start;
			start = i + 1;
		}
	}
	return any;
}
