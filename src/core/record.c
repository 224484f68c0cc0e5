/* SPDX-License-Identifier: MIT */
#include "core/record.h"

#include <string.h>

/* RFC 5246 section 6.2.3: the longest fragment on the wire. */
#define FRAGMENT_MAX (16384 + 2048)
#define TLS_HEADER 5
#define DTLS_HEADER 13
/* RFC 6347 section 4.2.2: type 1, length 3, message_seq 2, fragment_offset 3, fragment_length 3. */
#define DTLS_HANDSHAKE_HEADER 12
#define CLIENT_HELLO 1
#define RANDOM_SIZE 32
#define ALERT_FATAL 2

/* Bytes that are read from the front. An overrun sticks, so that it is asked for once. */
struct reader {
	const uint8_t *at;
	size_t left;
	bool overrun;
};

static const uint8_t *take(struct reader *reader, size_t n)
{
	const uint8_t *bytes = reader->at;

	if (reader->overrun || n > reader->left) {
		reader->overrun = true;
		return NULL;
	}
	reader->at += n;
	reader->left -= n;
	return bytes;
}

/* \return a number of n <= 8 bytes, big-endian; 0 after an overrun. */
static uint64_t number(struct reader *reader, size_t n)
{
	const uint8_t *bytes = take(reader, n);
	uint64_t value = 0;

	for (size_t i = 0; bytes && i < n; i++) {
		value = value << 8 | bytes[i];
	}
	return value;
}

static bool is_type(uint8_t type)
{
	return type >= GDS_CONTENT_CCS && type <= GDS_CONTENT_DATA;
}

int gds_record_parse_tls(struct gds_record *out, const uint8_t *data, size_t n)
{
	struct reader reader = {.at = data, .left = n};

	/* What is wrong is told from the first byte that shows it: the peer may never send a fifth.
	 */
	if ((n > 0 && !is_type(data[0])) || (n > 1 && data[1] != 3)) {
		return -1;
	}
	if (n < TLS_HEADER) {
		return 0;
	}
	*out = (struct gds_record){.type = (uint8_t)number(&reader, 1)};
	out->version = (uint16_t)number(&reader, 2);
	out->length = (uint16_t)number(&reader, 2);
	if (out->length > FRAGMENT_MAX) {
		return -1;
	}
	out->fragment = take(&reader, out->length);
	return out->fragment ? TLS_HEADER + out->length : 0;
}

int gds_record_parse_dtls(struct gds_record *out, const uint8_t *data, size_t n)
{
	struct reader reader = {.at = data, .left = n};

	*out = (struct gds_record){.type = (uint8_t)number(&reader, 1)};
	out->version = (uint16_t)number(&reader, 2);
	out->epoch = (uint16_t)number(&reader, 2);
	out->sequence = number(&reader, 6);
	out->length = (uint16_t)number(&reader, 2);
	out->fragment = take(&reader, out->length);
	/* 0xfeff is DTLS 1.0 (also in the ClientHello of 1.2), 0xfefd 1.2. */
	if (reader.overrun || !is_type(out->type) || out->length > FRAGMENT_MAX ||
		(out->version != 0xfeff && out->version != 0xfefd)) {
		return -1;
	}
	return DTLS_HEADER + out->length;
}

/* A vector with a length of `prefix` bytes before it. \return its length. */
static size_t skip_vector(struct reader *reader, size_t prefix)
{
	size_t length = (size_t)number(reader, prefix);

	(void)take(reader, length);
	return length;
}

/* RFC 5246 section 7.4.1.4: each a type and a vector. */
static bool extensions_are_whole(struct reader *body)
{
	size_t length = (size_t)number(body, 2);
	struct reader reader = {.at = take(body, length), .left = length};

	reader.overrun = reader.at == NULL;
	while (reader.left > 0 && !reader.overrun) {
		(void)number(&reader, 2);
		(void)skip_vector(&reader, 2);
	}
	return !reader.overrun && body->left == 0;
}

/* RFC 6347 section 4.2.1. \return the random, NULL when the body is not well-formed. */
static const uint8_t *client_hello_body(struct reader *body)
{
	const uint8_t *random;
	size_t session_id, suites, compressions;

	if (number(body, 1) != 0xfe) {
		return NULL; /* client_version: DTLS of some kind; which one is for the handshake to
				say */
	}
	(void)number(body, 1);
	random = take(body, RANDOM_SIZE);
	session_id = skip_vector(body, 1);
	(void)skip_vector(body, 1); /* cookie */
	suites = skip_vector(body, 2);
	compressions = skip_vector(body, 1);
	if (body->overrun || session_id > 32 || suites < 2 || suites % 2 || compressions < 1) {
		return NULL;
	}
	return body->left == 0 || extensions_are_whole(body) ? random : NULL;
}

const uint8_t *gds_record_client_random(const uint8_t *data, size_t n)
{
	struct gds_record record;
	struct reader reader;
	uint64_t type, length, offset, fragment;

	if (gds_record_parse_dtls(&record, data, n) < 0 || record.epoch != 0 ||
		record.type != GDS_CONTENT_HANDSHAKE) {
		return NULL;
	}
	reader = (struct reader){.at = record.fragment, .left = record.length};
	type = number(&reader, 1);
	length = number(&reader, 3);
	(void)number(&reader, 2); /* message_seq: 0, or 1 after a HelloVerifyRequest */
	offset = number(&reader, 3);
	fragment = number(&reader, 3);
	/* In one piece: without a cookie nothing may be kept in which to put pieces together
	 * (UDP-03). */
	if (reader.overrun || type != CLIENT_HELLO || offset != 0 || fragment != length ||
		length != reader.left) {
		return NULL;
	}
	return client_hello_body(&reader);
}

bool gds_record_is_client_hello(const uint8_t *data, size_t n)
{
	return gds_record_client_random(data, n) != NULL;
}

int gds_record_plain_alert(const uint8_t *data, size_t n)
{
	struct gds_record record;

	/* The alert may stand behind other records of the same datagram. */
	while (n > 0) {
		int length = gds_record_parse_dtls(&record, data, n);

		if (length < 0) {
			return -1;
		}
		if (record.type == GDS_CONTENT_ALERT && record.epoch == 0 && record.length == 2 &&
			record.fragment[0] == ALERT_FATAL) {
			return record.fragment[1];
		}
		data += length;
		n -= (size_t)length;
	}
	return -1;
}

static bool begins(const uint8_t *data, size_t n, const char *text)
{
	size_t length = strlen(text);

	return n >= length && memcmp(data, text, length) == 0;
}

/* FTP greets with 220 as well, and most often names itself. */
static bool is_smtp(const uint8_t *data, size_t n)
{
	return (begins(data, n, "220 ") || begins(data, n, "220-") || begins(data, n, "554 ")) &&
	       !memmem(data, n, "FTP", 3);
}

enum gds_speaker gds_record_speaker(const uint8_t *data, size_t n)
{
	struct gds_record record;

	if (n == 0) {
		return GDS_SPEAKS_NOTHING;
	}
	if (gds_record_parse_tls(&record, data, n) >= 0 ||
		gds_record_parse_dtls(&record, data, n) >= 0) {
		return GDS_SPEAKS_TLS;
	}
	if (begins(data, n, "HTTP/")) {
		return GDS_SPEAKS_HTTP;
	}
	if (begins(data, n, "SSH-")) {
		return GDS_SPEAKS_SSH;
	}
	return is_smtp(data, n) ? GDS_SPEAKS_SMTP : GDS_SPEAKS_OTHER;
}
