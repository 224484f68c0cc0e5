/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent.h"
#include "support.h"

#include <gdstream/catalogue.h>

#include <string.h>

#define SOON gds_within(5 * GDS_SECOND)
#define BOTH (GDS_FACE_TCP | GDS_FACE_UDP)

static void test_refused_locally(void **state)
{
	static char too_long[GDS_HOST_MAX + 2];
	struct gds_trust *client = agent_trust(GDS_CLIENT), *server = agent_trust(GDS_SERVER);
	static const struct gds_client_options none;
	const struct {
		struct gds_client_options o;
		int code;
		const char *statement;
	} rows[] = {
		{{.agent = "127.0.0.1", .host = "h", .port = 1}, GDS_E_INVALID, NULL},
		{{.trust = server, .agent = "127.0.0.1", .host = "h", .port = 1}, GDS_E_INVALID,
			NULL},
		{{.trust = client, .host = "h", .port = 1}, GDS_E_INVALID, NULL},
		{{.trust = client, .agent = "127.0.0.1", .port = 1}, GDS_E_INVALID, NULL},
		{{.trust = client, .agent = "", .host = "h", .port = 1}, GDS_E_HOST_EMPTY, NULL},
		{{.trust = client, .agent = too_long, .host = "h", .port = 1}, GDS_E_HOST_LENGTH,
			NULL},
		{{.trust = client, .agent = "127.0.0.1", .host = too_long, .port = 1},
			GDS_E_HOST_LENGTH, "HDR-06"},
		{{.trust = client, .agent = "127.0.0.1", .host = "", .port = 1}, GDS_E_HOST_EMPTY,
			"HDR-10"},
		{{.trust = client, .agent = "127.0.0.1", .host = "h", .port = 0}, GDS_E_PORT,
			"HDR-12"},
		{{.trust = client, .agent = "127.0.0.1", .host = "127.1", .port = 1},
			GDS_E_HOST_FORM, "HDR-14"},
		{{.trust = client, .agent = "127.0.0.1", .host = "[::1]", .port = 1},
			GDS_E_HOST_FORM, "HDR-13"},
	};

	(void)state;
	memset(too_long, 'h', GDS_HOST_MAX + 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gds_client *c = (struct gds_client *)&c;
		struct gds_error why;

		assert_int_equal(gds_client_open(&c, &rows[i].o, &why), rows[i].code);
		assert_null(c);
		assert_int_equal(why.code, rows[i].code);
		if (rows[i].statement) {
			assert_string_equal(why.statement, rows[i].statement);
			assert_int_equal(why.origin, GDS_LOCAL);
		}
		assert_int_equal(gds_client_open(&c, &rows[i].o, NULL), rows[i].code);
	}
	struct gds_client *c;
	struct gds_health h;
	struct gds_capabilities can;

	assert_int_equal(gds_client_open(NULL, &none, NULL), GDS_E_INVALID);
	assert_int_equal(gds_client_open(&c, NULL, NULL), GDS_E_INVALID);
	assert_int_equal(gds_client_health(NULL, &none), GDS_E_INVALID);
	assert_int_equal(gds_client_health(&h, NULL), GDS_E_INVALID);
	assert_int_equal(gds_client_health(&h, &none), GDS_E_INVALID);
	assert_int_equal(gds_detect(NULL, &none), GDS_E_INVALID);
	assert_int_equal(gds_detect(&can, &none), GDS_E_INVALID);
}

static void test_null_and_closed(void **state)
{
	char byte;

	(void)state;
	assert_int_equal(gds_client_read(NULL, &byte, 1, GDS_AT_ONCE), GDS_E_INVALID);
	assert_int_equal(gds_client_write(NULL, &byte, 1, GDS_AT_ONCE), GDS_E_INVALID);
	assert_int_equal(gds_client_shut(NULL, GDS_AT_ONCE), GDS_E_INVALID);
	assert_int_equal(gds_client_close(NULL, GDS_AT_ONCE), GDS_E_INVALID);
	assert_int_equal(gds_client_fd(NULL), -1);
	assert_int_equal(gds_client_error(NULL)->code, GDS_E_INVALID);
	assert_null(gds_client_report(NULL));
	gds_client_free(NULL);
}

static void exchange(struct gds_client *c, const char *text)
{
	char buffer[256];
	size_t have = 0, n = strlen(text);

	assert_int_equal(gds_client_write(c, text, n, SOON), n);
	while (have < n) {
		ssize_t got = gds_client_read(c, buffer + have, sizeof(buffer) - have, SOON);

		assert_true(got > 0);
		have += (size_t)got;
	}
	assert_int_equal(have, n);
	assert_memory_equal(buffer, text, n);
}

static void test_talk(void **state)
{
	(void)state;
	for (int transport = GDS_TCP; transport <= GDS_UDP; transport++) {
		struct agent agent;
		struct gds_client *c;
		struct gds_error why;
		struct gds_interest want;
		char buffer[64];

		agent_start(&agent, AGENT_ECHOES, BOTH);
		struct gds_client_options o =
			agent_client(&agent, (enum gds_transport)transport, "anything.example", 80);

		assert_int_equal(gds_client_open(&c, &o, &why), GDS_OK);
		assert_int_equal(why.code, GDS_OK);
		exchange(c, "first");
		exchange(c, "and second");
		assert_int_equal(
			gds_client_read(c, buffer, sizeof(buffer), GDS_AT_ONCE), GDS_AGAIN);
		assert_int_equal(
			gds_client_read(c, buffer, sizeof(buffer), gds_within(GDS_MILLISECOND)),
			GDS_E_TIMEOUT);
		assert_int_equal(gds_client_read(c, buffer, 0, GDS_AT_ONCE), GDS_E_INVALID);
		gds_client_interest(c, &want);
		assert_int_equal(want.fd, gds_client_fd(c));
		assert_true(want.events & POLLIN);
		assert_true(gds_client_report(c)->facts.established);
		assert_int_equal(gds_client_error(c)->code, GDS_OK);
		if (transport == GDS_TCP) {
			/* TCP-07, TCP-08: both ends in order. */
			assert_int_equal(gds_client_shut(c, SOON), GDS_OK);
			assert_int_equal(gds_client_write(c, "x", 1, SOON), GDS_E_INVALID);
			assert_int_equal(gds_client_read(c, buffer, sizeof(buffer), SOON), GDS_EOF);
			assert_int_equal(gds_client_read(c, buffer, sizeof(buffer), SOON), GDS_EOF);
		} else {
			/* UDP-09 */
			static char large[GDS_DATAGRAM_MAX + 1];

			assert_int_equal(
				gds_client_write(c, large, sizeof(large), SOON), GDS_E_LIMIT);
			exchange(c, "it lives on");
		}
		assert_int_equal(gds_client_close(c, SOON), GDS_OK);
		assert_int_equal(gds_client_close(c, SOON), GDS_OK);
		assert_int_equal(gds_client_read(c, buffer, 1, SOON), GDS_E_INVALID);
		assert_int_equal(gds_client_write(c, buffer, 1, SOON), GDS_E_INVALID);
		assert_int_equal(gds_client_shut(c, SOON), GDS_E_INVALID);
		assert_int_equal(gds_client_fd(c), -1);
		assert_non_null(gds_client_report(c));
		gds_client_free(c);
		assert_int_equal(agent_stop(&agent), GDS_OK);
		assert_int_equal(agent.requests, 1);
	}
}

/* A large amount both ways: fewer bytes than asked for only when the deadline has passed. */
static void test_large(void **state)
{
	static char data[300000], back[sizeof(data)];
	struct agent agent;
	struct gds_client *c;
	size_t sent = 0, got = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (char)(i * 7 + i / 251);
	}
	agent_start(&agent, AGENT_ECHOES, GDS_FACE_TCP);
	struct gds_client_options o = agent_client(&agent, GDS_TCP, "anything.example", 80);

	assert_int_equal(gds_client_open(&c, &o, NULL), GDS_OK);
	while (got < sizeof(data)) {
		ssize_t n = gds_client_write(c, data + sent, sizeof(data) - sent, GDS_AT_ONCE);

		assert_true(n >= 0 || n == GDS_AGAIN);
		sent += n > 0 ? (size_t)n : 0;
		n = gds_client_read(
			c, back + got, sizeof(back) - got, gds_within(20 * GDS_MILLISECOND));
		assert_true(n > 0 || n == GDS_E_TIMEOUT);
		got += n > 0 ? (size_t)n : 0;
	}
	assert_memory_equal(data, back, sizeof(data));
	assert_int_equal(gds_client_close(c, SOON), GDS_OK);
	gds_client_free(c);
	assert_int_equal(agent_stop(&agent), GDS_OK);
}

/* What a refused request looks like: the end, without a byte. */
static void test_turned_away(void **state)
{
	(void)state;
	for (int transport = GDS_TCP; transport <= GDS_UDP; transport++) {
		struct agent agent;
		struct gds_client *c;
		char byte;

		agent_start(&agent, AGENT_REFUSES, BOTH);
		struct gds_client_options o =
			agent_client(&agent, (enum gds_transport)transport, "anything.example", 80);

		assert_int_equal(gds_client_open(&c, &o, NULL), GDS_OK);
		assert_int_equal(gds_client_read(c, &byte, 1, SOON), GDS_EOF);
		gds_client_free(c);
		assert_int_equal(agent_stop(&agent), GDS_OK);
	}
}

static void test_stranger(void **state)
{
	struct gds_trust *stranger;
	struct gds_client *c;
	struct gds_health h;
	struct agent agent;
	char byte;

	(void)state;
	agent_start(&agent, AGENT_ECHOES, BOTH);
	struct gds_client_options o = agent_client(&agent, GDS_TCP, "anything.example", 80);

	/* TLS-04: it refuses the agent. */
	o.trust = stranger = agent_stranger(false);
	assert_int_equal(gds_client_open(&c, &o, NULL), GDS_E_VERIFY);
	assert_null(c);
	assert_int_equal(gds_client_health(&h, &o), GDS_E_VERIFY);
	assert_int_equal(h.report.why.verify & GDS_VERIFY_SIGNER, GDS_VERIFY_SIGNER);
	assert_string_equal(h.cause, "server-cert-other-ca");
	gds_trust_unref(stranger);
	/* TLS-03, TLS-05: the agent refuses it, and under TLS 1.3 only reading tells. */
	o.trust = stranger = agent_stranger(true);
	o.versions = GDS_TLS_13;
	assert_int_equal(gds_client_open(&c, &o, NULL), GDS_OK);
	assert_int_equal(gds_client_read(c, &byte, 1, SOON), GDS_E_ALERT);
	assert_int_equal(gds_client_error(c)->alert, 48 + 1);
	gds_client_free(c);
	assert_int_equal(gds_client_health(&h, &o), GDS_E_ALERT);
	assert_string_equal(h.cause, "client-cert-other-ca");
	gds_trust_unref(stranger);
	assert_int_equal(agent_stop(&agent), GDS_OK);
	assert_int_equal(agent.requests, 0);
	assert_int_equal(agent.last_code, GDS_E_VERIFY);
}

static void test_health_and_detect(void **state)
{
	static const struct {
		unsigned faces;
		bool tcp, udp;
	} rows[] = {{BOTH, true, true}, {GDS_FACE_TCP, true, false}, {GDS_FACE_UDP, false, true}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct agent agent;
		struct gds_health h;
		struct gds_capabilities can;

		agent_start(&agent, AGENT_IGNORES, rows[i].faces);
		struct gds_client_options o = agent_client(&agent, GDS_TCP, NULL, 0);

		assert_int_equal(gds_client_health(&h, &o), rows[i].tcp ? GDS_OK : GDS_E_REFUSED);
		assert_int_equal(h.report.why.code, rows[i].tcp ? GDS_OK : GDS_E_REFUSED);
		assert_string_equal(h.cause, rows[i].tcp ? "healthy" : gds_cause_find(h.cause)->id);
		assert_string_not_equal(h.cause, "unknown");
		assert_int_equal(gds_detect(&can, &o), GDS_OK);
		assert_int_equal(can.supports_tcp_stream, rows[i].tcp);
		assert_int_equal(can.supports_udp_stream, rows[i].udp);
		assert_string_not_equal(can.udp.cause, "unknown");
		assert_int_equal(agent_stop(&agent), GDS_OK);
		assert_int_equal(agent.requests, 0);
		assert_int_equal(agent.health, 2 * rows[i].tcp + rows[i].udp);
	}
}

/* Nobody answers: the budget holds, and both checks run side by side within it. */
static void test_budget(void **state)
{
	struct gds_address silent;
	int tcp = bound_socket(4, SOCK_STREAM, &silent);
	struct gds_client_options o = {.agent = "127.0.0.1",
		.agent_port = silent.port,
		.trust = agent_trust(GDS_CLIENT),
		.timeout = 200 * GDS_MILLISECOND};
	gds_time start = gds_now(gds_env_system());
	struct gds_capabilities can;

	(void)state;
	assert_true(tcp >= 0);
	assert_int_equal(gds_detect(&can, &o), GDS_OK);
	gds_time took = gds_now(gds_env_system()) - start;

	assert_false(can.supports_tcp_stream);
	assert_false(can.supports_udp_stream);
	assert_int_equal(can.tcp.report.why.code, GDS_E_TIMEOUT);
	assert_true(took >= 200 * GDS_MILLISECOND);
	assert_true(took < 2 * GDS_SECOND);
	close(tcp);
}

static void test_no_descriptor_is_left_behind(void **state)
{
	struct agent agent;
	size_t before;

	(void)state;
	agent_start(&agent, AGENT_ECHOES, BOTH);
	before = count_descriptors();
	for (int i = 0; i < 20; i++) {
		struct gds_client_options o =
			agent_client(&agent, i % 2 ? GDS_TCP : GDS_UDP, "anything.example", 80);
		struct gds_client *c;

		assert_int_equal(gds_client_open(&c, &o, NULL), GDS_OK);
		exchange(c, "x");
		gds_client_free(c);
	}
	assert_int_equal(agent_stop(&agent), GDS_OK);
	assert_true(count_descriptors() < before); /* the agent's own went with it */
}

static int tear_down(void **state)
{
	(void)state;
	agent_free_trusts();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_locally),
		cmocka_unit_test(test_null_and_closed),
		cmocka_unit_test(test_talk),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_turned_away),
		cmocka_unit_test(test_stranger),
		cmocka_unit_test(test_health_and_detect),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_no_descriptor_is_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
