/* SPDX-License-Identifier: MIT */
/*
 * The golden headers of the Go peer (tests/interop/peer, which shares no code with this) through
 * the acceptor, cut in every way, and through the encoder. test_header.c reads the same file for
 * the fields alone.
 */
#include "unit.h"

#include <gdstream/acceptor.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct vector {
	const char *name, *statement, *verdict;
	uint8_t wire[GDS_HEADER_SIZE];
	size_t n; /* [bytes] of wire: less than a header when the verdict is "more" */
	uint8_t host[GDS_HOST_MAX], port[GDS_PORT_MAX];
	size_t host_length, port_length;
	uint8_t flags;
};

static const char *member(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	if (!value) {
		fail_msg("a vector without \"%s\"", key);
	}
	return value;
}

static size_t bytes_of(const json_t *object, const char *key, uint8_t *out, size_t size)
{
	const char *hex = member(object, key);
	size_t n = strlen(hex) / 2;

	assert_int_equal(strlen(hex) % 2, 0);
	assert_true(n <= size);
	for (size_t i = 0; i < n; i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'}, *end;

		out[i] = (uint8_t)strtoul(digits, &end, 16);
		assert_ptr_equal(end, digits + 2);
	}
	return n;
}

static struct vector vector_of(const json_t *object)
{
	struct vector v = {
		.name = member(object, "name"),
		.statement = member(object, "statement"),
		.verdict = member(object, "verdict"),
		.flags = (uint8_t)json_integer_value(json_object_get(object, "flags")),
	};

	v.n = bytes_of(object, "hex", v.wire, sizeof(v.wire));
	v.host_length = bytes_of(object, "host_hex", v.host, sizeof(v.host));
	v.port_length = bytes_of(object, "port_hex", v.port, sizeof(v.port));
	return v;
}

static enum gds_verdict expected(const struct vector *v)
{
	static const struct {
		const char *word;
		enum gds_verdict verdict;
	} words[] = {
		{"more", GDS_NEED_MORE},
		{"dial", GDS_DIAL},
		{"health", GDS_HEALTH},
		{"refuse", GDS_REFUSE},
	};

	for (size_t i = 0; i < COUNT(words); i++) {
		if (strcmp(v->verdict, words[i].word) == 0) {
			return words[i].verdict;
		}
	}
	fail_msg("%s: no such verdict as \"%s\"", v->name, v->verdict);
	return GDS_REFUSE;
}

static void assert_judged(const struct vector *v, const struct gds_acceptor *a)
{
	assert_int_equal(a->verdict, expected(v));
	assert_int_equal(a->have, v->n);
	if (a->verdict == GDS_REFUSE) {
		assert_string_equal(a->why.statement, v->statement);
		assert_int_equal(a->why.stage, GDS_STAGE_HEADER);
	} else {
		assert_int_equal(a->why.code, GDS_OK);
	}
	if (a->verdict != GDS_NEED_MORE) {
		assert_int_equal(a->header.flags, v->flags);
		assert_int_equal(a->header.host_length, v->host_length);
		assert_memory_equal(a->header.host, v->host, v->host_length);
		assert_memory_equal(a->header.port, v->port, v->port_length);
	}
}

/* In pieces of this size; over TCP with payload behind it (TCP-01, TCP-02, UDP-04). */
static void check_in_pieces(const struct vector *v, enum gds_transport transport, size_t piece)
{
	uint8_t stream[GDS_HEADER_SIZE + 3];
	size_t payload = transport == GDS_TCP && v->n == GDS_HEADER_SIZE ? 3 : 0;
	size_t at = 0, total = v->n + payload;
	struct gds_acceptor a;

	memcpy(stream, v->wire, v->n);
	memset(stream + v->n, 'p', sizeof(stream) - v->n);
	gds_acceptor_init(&a, transport, 0);
	while (at < v->n) {
		size_t left = total - at, used;
		size_t given = left < piece ? left : piece;

		assert_int_equal(a.verdict, GDS_NEED_MORE);
		(void)gds_acceptor_feed(&a, stream + at, given, 0, &used);
		assert_int_equal(used, at + given > v->n ? v->n - at : given);
		at += used;
	}
	assert_judged(v, &a);
}

static void check_acceptor(const struct vector *v)
{
	for (size_t piece = 1; piece <= GDS_HEADER_SIZE; piece++) {
		check_in_pieces(v, GDS_TCP, piece);
		check_in_pieces(v, GDS_UDP, piece);
	}
	check_in_pieces(v, GDS_TCP, GDS_HEADER_SIZE + 3);
}

static bool is_nul(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != 0) {
			return false;
		}
	}
	return true;
}

/* \return whether our encoder could have written it: right in all but host and port. */
static bool is_canonical(const struct vector *v)
{
	static const char version[8] = "0.1.0";
	const uint8_t *sum = v->wire + 271;
	uint32_t stored =
		(uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 | (uint32_t)sum[2] << 8 | sum[3];

	return v->n == GDS_HEADER_SIZE && memcmp(v->wire, version, sizeof(version)) == 0 &&
	       v->wire[264] == v->port_length && stored == gds_header_checksum(v->wire) &&
	       is_nul(v->wire + 9 + v->host_length, GDS_HOST_MAX - v->host_length) &&
	       is_nul(v->wire + 265 + v->port_length, GDS_PORT_MAX - v->port_length) &&
	       !memchr(v->host, 0, v->host_length) && !memchr(v->port, 0, v->port_length);
}

/* \return whether it was encoded: the same bytes as the peer's encoder wrote. */
static bool check_encoder(const struct vector *v)
{
	char host[GDS_HOST_MAX + 1] = "", port[GDS_PORT_MAX + 1] = "";
	uint8_t wire[GDS_HEADER_SIZE];
	struct gds_header header;

	if (!is_canonical(v)) {
		return false;
	}
	memcpy(host, v->host, v->host_length);
	memcpy(port, v->port, v->port_length);
	assert_int_equal(gds_header_init(&header, host, port, v->flags), GDS_OK);
	assert_int_equal(gds_header_encode(&header, wire), GDS_OK);
	assert_memory_equal(wire, v->wire, sizeof(wire));
	return true;
}

static json_t *load(void)
{
	const char *top = getenv("top_srcdir");
	char path[4096];
	json_error_t error;
	json_t *root;

	(void)snprintf(path, sizeof(path), "%s/tests/data/header_vectors.json", top ? top : ".");
	root = json_load_file(path, 0, &error);
	if (!root) {
		fail_msg("%s: %s (run from the top of the sources, or set top_srcdir)", path,
			error.text);
	}
	return root;
}

static void test_acceptor(void **state)
{
	json_t *root = load(), *vectors = json_object_get(root, "vectors"), *object;
	unsigned seen[GDS_REFUSE + 1] = {0};
	size_t i;

	(void)state;
	json_array_foreach(vectors, i, object)
	{
		struct vector v = vector_of(object);

		print_message("# %s\n", v.name);
		check_acceptor(&v);
		seen[expected(&v)]++;
	}
	for (i = 0; i < COUNT(seen); i++) {
		assert_true(seen[i] >=
			    2); /* a file that lost a kind of vector proves less than it seems to */
	}
	json_decref(root);
}

static void test_encoder(void **state)
{
	json_t *root = load(), *vectors = json_object_get(root, "vectors"), *object;
	unsigned encoded = 0;
	size_t i;

	(void)state;
	json_array_foreach(vectors, i, object)
	{
		struct vector v = vector_of(object);

		print_message("# %s\n", v.name);
		encoded += check_encoder(&v);
	}
	assert_true(encoded >= 20);
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acceptor),
		cmocka_unit_test(test_encoder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
