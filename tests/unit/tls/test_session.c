/* SPDX-License-Identifier: MIT */
/* A session over streams and datagrams alike: success, closing, backpressure, resets, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "duo.h"
#include "tls/session_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static const char *const versions[KINDS] = {"TLS1.2", "TLS1.3", "DTLS1.2"};

static void assert_write(struct duo *d, int side, const void *data, size_t n)
{
	assert_int_equal(gds_carrier_write(d->carrier[side], data, n), n);
	assert_int_equal(gds_carrier_flush(d->carrier[side]), GDS_OK);
}

static void test_success(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct duo d;
		duo_ready(&d, kind);
		for (int i = 0; i < 2; i++) {
			const struct gds_facts *f = duo_facts(&d, i);
			assert_string_equal(f->version, versions[kind]);
			assert_string_equal(f->alpn, kind == DTLS ? "" : "godoxy-agent-stream/1");
			assert_true(f->established);
			assert_true(f->certificate_sent);
			assert_int_equal(f->verify, 0);
			assert_int_equal(f->alert_in, 0);
			assert_int_equal(f->alert_out, 0);
			assert_false(f->resumed);
			assert_string_equal(f->peer.names, "godoxy.agent");
			assert_true(f->started > 0 && f->hello_in >= f->started &&
				    f->verified >= f->hello_in && f->finished >= f->verified);
			assert_int_equal(f->bytes_in, duo_facts(&d, 1 - i)->bytes_out);
			assert_int_equal(f->retransmissions, 0);
		}
		assert_true(duo_facts(&d, CLIENT)->certificate_requested);
		assert_true(kind == TLS13 || duo_facts(&d, CLIENT)->ems);
		/* One write a flight: an alert cannot be lost to a reset between two of them
		 *. */
		assert_true(kind == DTLS || d.pair->end[CLIENT]->written == 2);
		duo_free(&d);
	}
}

static void test_close(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct duo d;
		char buffer[64];
		duo_ready(&d, kind);
		assert_write(&d, CLIENT, "hello", 5);
		assert_int_equal(gds_carrier_shut(d.carrier[CLIENT]), GDS_OK);
		assert_int_equal(gds_carrier_shut(d.carrier[CLIENT]), GDS_OK); /* once only */
		assert_int_equal(duo_read(&d, SERVER, buffer, sizeof(buffer)), 5);
		assert_int_equal(duo_read(&d, SERVER, buffer, sizeof(buffer)), GDS_EOF);
		assert_int_equal(duo_read(&d, SERVER, buffer, sizeof(buffer)), GDS_EOF);
		assert_true(duo_facts(&d, SERVER)->close_in);
		assert_true(duo_facts(&d, CLIENT)->close_out);
		/* Half-closed: the other direction goes on. */
		assert_write(&d, SERVER, "still here", 10);
		assert_int_equal(duo_read(&d, CLIENT, buffer, sizeof(buffer)), 10);
		assert_int_equal(gds_carrier_write(d.carrier[CLIENT], "x", 1), GDS_E_INVALID);
		assert_int_equal(gds_carrier_shut(d.carrier[SERVER]), GDS_OK);
		assert_int_equal(duo_read(&d, CLIENT, buffer, sizeof(buffer)), GDS_EOF);
		assert_int_equal(duo_facts(&d, CLIENT)->alert_in, 0); /* close_notify is none */
		duo_free(&d);
	}
}

static void test_ways_to_close(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		for (enum gds_close how = GDS_CLOSE_CLEAN; how <= GDS_CLOSE_SILENT; how++) {
			struct duo d;
			char buffer[64];
			duo_ready(&d, kind);
			gds_carrier_close(d.carrier[CLIENT], how);
			d.carrier[CLIENT] = NULL;
			ssize_t n = gds_carrier_read(d.carrier[SERVER], buffer, sizeof(buffer));
			if (how == GDS_CLOSE_CLEAN) {
				assert_int_equal(n, GDS_EOF);
			} else {
				/* FIN without close_notify is no end in order (TLS-09). */
				assert_int_equal(n, kind == DTLS ? GDS_AGAIN : GDS_E_TRUNCATED);
			}
			duo_free(&d);
		}
	}
}

static void test_truncated_handshake(void **state)
{
	(void)state;
	for (enum kind kind = TLS12; kind <= TLS13; kind++) {
		struct duo d;
		duo_init(&d, kind, NULL, NULL);
		duo_start(&d);
		assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_AGAIN);
		d.pair->end[CLIENT]->fin = true;
		assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_E_TRUNCATED);
		assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_E_TRUNCATED);
		assert_int_equal(d.carrier[CLIENT]->why.stage, GDS_STAGE_HANDSHAKE);
		assert_int_equal(duo_facts(&d, CLIENT)->bytes_in, 0);
		duo_free(&d);
	}
}

/* Every split of input and output, down to a byte a call, and every other write refused. */
static void test_short_reads_and_writes(void **state)
{
	(void)state;
	for (enum kind kind = TLS12; kind <= TLS13; kind++) {
		for (size_t max = 1; max < 40; max = max * 3 + 1) {
			struct duo d;
			duo_init(&d, kind, NULL, NULL);
			for (int i = 0; i < 2; i++) {
				d.pair->end[i]->read_max = max;
				d.pair->end[i]->write_max = max;
				d.pair->end[i]->always_again_once = true;
			}
			duo_start(&d);
			for (int turn = 0; turn < 20000 && (d.status[0] || d.status[1]); turn++) {
				for (int i = 0; i < 2; i++) {
					d.status[i] = gds_session_handshake(d.session[i]);
					(void)gds_carrier_flush(d.carrier[i]);
				}
			}
			assert_int_equal(d.status[CLIENT], GDS_OK);
			assert_int_equal(d.status[SERVER], GDS_OK);
			duo_free(&d);
		}
	}
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8));
}

/* What write accepted arrives, in order and once, however little the way takes at a time. */
static void test_backpressure(void **state)
{
	(void)state;
	enum { TOTAL = 300000 };
	uint8_t *data = malloc(TOTAL);
	uint8_t *got = malloc(TOTAL);
	assert_non_null(data);
	assert_non_null(got);
	for (size_t i = 0; i < TOTAL; i++) {
		data[i] = pattern(i);
	}
	for (enum kind kind = TLS12; kind <= TLS13; kind++) {
		struct duo d;
		size_t sent = 0, received = 0, refused = 0;
		duo_ready(&d, kind);
		d.pair->end[CLIENT]->room = 0;
		while (received < TOTAL) {
			ssize_t n = sent < TOTAL ? gds_carrier_write(d.carrier[CLIENT], data + sent,
							   TOTAL - sent)
						 : GDS_AGAIN;
			assert_true(n > 0 || n == GDS_AGAIN);
			sent += n > 0 ? (size_t)n : 0;
			refused += n == GDS_AGAIN;
			struct gds_interest want;
			int status = gds_carrier_flush(d.carrier[CLIENT]);
			gds_carrier_interest(d.carrier[CLIENT], &want);
			assert_int_equal(status == GDS_AGAIN, (want.events & POLLOUT) != 0);
			d.pair->end[CLIENT]->room = 1000;
			n = gds_carrier_read(d.carrier[SERVER], got + received, TOTAL - received);
			assert_true(n > 0 || n == GDS_AGAIN);
			received += n > 0 ? (size_t)n : 0;
		}
		assert_true(refused > 10);
		assert_memory_equal(data, got, TOTAL);
		duo_free(&d);
	}
	free(data);
	free(got);
}

/* The peer rejected us and reset; what it said is still there to be read. */
static void test_alert_after_reset(void **state)
{
	(void)state;
	struct duo d;
	char buffer[64];
	struct gds_identity *expired = odd_leaf(cast.ca, GDS_LEAF_CLIENT,
		&(struct odd_leaf){.not_before = 1000, .not_after = 2000});
	duo_init(&d, TLS13, expired, NULL);
	duo_start(&d);
	duo_shake(&d);
	assert_int_equal(d.status[CLIENT], GDS_OK); /* TLS-05: not yet accepted */
	assert_int_equal(d.status[SERVER], GDS_E_VERIFY);
	d.pair->end[CLIENT]->write_error = GDS_E_RESET;
	assert_int_equal(gds_carrier_write(d.carrier[CLIENT], "header", 6), GDS_E_RESET);
	assert_int_equal(gds_carrier_read(d.carrier[CLIENT], buffer, sizeof(buffer)), GDS_E_ALERT);
	assert_int_equal(d.carrier[CLIENT]->why.alert, 45 + 1);
	duo_free(&d);
	odd_free(expired);
}

/* The same with the reset during the client's last flight. */
static void test_alert_after_reset_in_handshake(void **state)
{
	(void)state;
	for (enum kind kind = TLS12; kind <= TLS13; kind++) {
		struct duo d;
		char buffer[64];
		duo_init(&d, kind, NULL, NULL);
		duo_start(&d);
		assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_AGAIN);
		assert_int_equal(gds_session_handshake(d.session[SERVER]), GDS_AGAIN);
		d.pair->end[CLIENT]->write_error = GDS_E_RESET;
		d.status[CLIENT] = gds_session_handshake(d.session[CLIENT]);
		static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 48};
		if (kind == TLS12) { /* in 1.3 it would have to be encrypted */
			assert_int_equal(d.status[CLIENT], GDS_AGAIN);
			pair_inject(d.pair, CLIENT, alert, sizeof(alert));
			assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_E_ALERT);
			assert_int_equal(duo_facts(&d, CLIENT)->alert_in, 48 + 1);
		} else {
			assert_int_equal(d.status[CLIENT], GDS_OK);
			d.pair->end[CLIENT]->fin = true;
			assert_int_equal(
				gds_carrier_read(d.carrier[CLIENT], buffer, sizeof(buffer)),
				GDS_E_RESET);
		}
		duo_free(&d);
	}
}

static void test_key_update(void **state)
{
	(void)state;
	struct duo d;
	char buffer[64];
	duo_ready(&d, TLS13);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			gnutls_session_key_update(d.session[CLIENT]->tls, GNUTLS_KU_PEER), 0);
		assert_write(&d, CLIENT, "after", 5);
		assert_int_equal(duo_read(&d, SERVER, buffer, sizeof(buffer)), 5);
		assert_write(&d, SERVER, "answer", 6);
		assert_int_equal(duo_read(&d, CLIENT, buffer, sizeof(buffer)), 6);
	}
	duo_free(&d);
}

/* TLS-06: refused with the alert that Go sends, and the session ends. */
static void test_renegotiation(void **state)
{
	(void)state;
	struct duo d;
	char buffer[64];
	duo_ready(&d, TLS12);
	assert_int_equal(gnutls_handshake(d.session[CLIENT]->tls), GNUTLS_E_AGAIN);
	assert_int_equal(gds_carrier_read(d.carrier[SERVER], buffer, sizeof(buffer)), GDS_E_TLS);
	assert_string_equal(d.carrier[SERVER]->why.statement, "TLS-06");
	assert_int_equal(duo_facts(&d, SERVER)->alert_out, 10 + 1);
	assert_int_equal(gnutls_handshake(d.session[CLIENT]->tls), GNUTLS_E_FATAL_ALERT_RECEIVED);
	assert_int_equal(gnutls_alert_get(d.session[CLIENT]->tls), 10);
	duo_free(&d);
}

struct mismatch {
	enum kind kind;
	const char *client, *server; /* priorities */
	const char *alpn;
	int server_code, client_code, alert;
};

static void test_mismatch(void **state)
{
	(void)state;
	static const struct mismatch cases[] = {
		/* TLS-01 */
		{TLS12, "NORMAL:-VERS-ALL:+VERS-TLS1.1", NULL, NULL, GDS_E_TLS, GDS_E_ALERT, 70},
		{DTLS, "NORMAL:-VERS-ALL:+VERS-DTLS1.0", NULL, NULL, GDS_E_TLS, GDS_E_ALERT, 70},
		/* UDP-01, UDP-14 */
		{DTLS, "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-CIPHER-ALL:+AES-256-GCM", NULL, NULL,
			GDS_E_TLS, GDS_E_ALERT, 40},
		{TLS12, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC", NULL, NULL,
			GDS_E_TLS, GDS_E_ALERT, 40},
		/* MUX-02 */
		{TLS13, NULL, NULL, "foo/1", GDS_E_ALPN, GDS_E_ALERT, 120},
		{TLS12, NULL, NULL, "GODOXY-AGENT-STREAM/1", GDS_E_ALPN, GDS_E_ALERT, 120},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct mismatch *c = &cases[i];
		struct duo d;
		duo_init(&d, c->kind, NULL, NULL);
		d.profile[CLIENT].priority = c->client;
		d.profile[SERVER].priority = c->server;
		if (c->alpn) {
			d.profile[CLIENT].alpn[0] = c->alpn;
		}
		duo_start(&d);
		duo_shake(&d);
		assert_int_equal(d.status[SERVER], c->server_code);
		assert_int_equal(d.status[CLIENT], c->client_code);
		assert_int_equal(duo_facts(&d, SERVER)->alert_out, c->alert + 1);
		assert_int_equal(duo_facts(&d, CLIENT)->alert_in, c->alert + 1);
		assert_int_equal(d.carrier[CLIENT]->why.alert, c->alert + 1);
		duo_free(&d);
	}
}

static void test_alpn_choice(void **state)
{
	(void)state;
	static const struct {
		const char *offer[2], *chosen;
	} cases[] = {
		{{"godoxy-agent-stream/1", "http/1.1"},
			"http/1.1"}, /* as GoDoxy, in either order */
		{{"http/1.1", "godoxy-agent-stream/1"}, "http/1.1"},
		{{"foo", "godoxy-agent-stream/1"}, "godoxy-agent-stream/1"},
		{{NULL, NULL}, ""}, /* MUX-01: the HTTPS API */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct duo d;
		duo_init(&d, TLS13, NULL, NULL);
		memcpy(d.profile[CLIENT].alpn, cases[i].offer, sizeof(cases[i].offer));
		duo_start(&d);
		duo_shake(&d);
		assert_int_equal(d.status[CLIENT], GDS_OK);
		assert_int_equal(d.status[SERVER], GDS_OK);
		assert_string_equal(duo_facts(&d, CLIENT)->alpn, cases[i].chosen);
		assert_string_equal(duo_facts(&d, SERVER)->alpn, cases[i].chosen);
		duo_free(&d);
	}
}

static void test_not_tls(void **state)
{
	(void)state;
	static const struct {
		const char *said;
		bool answered;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true}, /* TLS-08 */
		{"POST /godoxy/agent/info HTTP/1.1\r\n\r\n", true},
		{"0.1.0\0\0\0\0\0\0", false},
		{"SSH-2.0-OpenSSH_9.2\r\n", false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int side = 0; side < 2; side++) {
			struct duo d;
			char answer[128] = "";
			duo_init(&d, TLS13, NULL, NULL);
			duo_start(&d);
			if (side == CLIENT) {
				assert_int_equal(gds_session_handshake(d.session[side]), GDS_AGAIN);
				d.pair->end[SERVER]->start = d.pair->end[SERVER]->end;
			}
			pair_inject(d.pair, side, cases[i].said, strlen(cases[i].said) + 1);
			assert_int_equal(gds_session_handshake(d.session[side]), GDS_E_NOT_TLS);
			assert_memory_equal(duo_facts(&d, side)->first, cases[i].said,
				strlen(cases[i].said) + 1);
			assert_int_equal(duo_facts(&d, side)->alert_out, 0);
			ssize_t n = gds_carrier_read(
				&d.pair->end[1 - side]->carrier, answer, sizeof(answer) - 1);
			if (cases[i].answered && side == SERVER) {
				assert_true(n > 0);
				assert_non_null(strstr(answer, "HTTP/1.0 400 Bad Request"));
			} else {
				assert_int_equal(n, GDS_AGAIN);
			}
			duo_free(&d);
		}
	}
}

/* A few bytes that are no TLS, and then silence: said at the deadline. */
static void test_not_tls_late(void **state)
{
	(void)state;
	struct duo d;
	duo_init(&d, TLS13, NULL, NULL);
	d.pair->fake_clock = true;
	d.profile[CLIENT].deadline = GDS_SECOND;
	duo_start(&d);
	pair_inject(d.pair, CLIENT, "hi", 2);
	assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_AGAIN);
	d.pair->now = GDS_SECOND;
	assert_int_equal(gds_session_handshake(d.session[CLIENT]), GDS_E_NOT_TLS);
	duo_free(&d);
}

static void test_deadline(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		for (int side = 0; side < 2; side++) {
			struct duo d;
			duo_init(&d, kind, NULL, NULL);
			d.pair->fake_clock = true;
			d.pair->now = GDS_SECOND;
			d.profile[side].deadline = 11 * GDS_SECOND;
			duo_start(&d);
			assert_int_equal(gds_session_handshake(d.session[side]), GDS_AGAIN);
			struct gds_interest want;
			gds_carrier_interest(d.carrier[side], &want);
			assert_true(want.deadline <= 11 * GDS_SECOND);
			d.pair->now = 11 * GDS_SECOND - 1;
			assert_int_equal(gds_session_handshake(d.session[side]), GDS_AGAIN);
			d.pair->now = 11 * GDS_SECOND;
			assert_int_equal(gds_session_handshake(d.session[side]), GDS_E_TIMEOUT);
			assert_int_equal(d.carrier[side]->why.stage, GDS_STAGE_HANDSHAKE);
			duo_free(&d);
		}
	}
}

/* Each allocation of ours fails: out of memory, or not needed; never another's fault. */
static void test_no_memory(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		for (size_t fail = 3; fail < 40; fail++) {
			struct duo d;
			duo_init(&d, kind, NULL, NULL);
			duo_start(&d);
			d.pair->fail_after = d.pair->allocations + fail - 2;
			for (int turn = 0; turn < 50; turn++) {
				for (int i = 0; i < 2; i++) {
					if (d.status[i] == GDS_AGAIN) {
						d.status[i] = gds_session_handshake(d.session[i]);
					}
				}
			}
			for (int i = 0; i < 2; i++) {
				assert_true(d.status[i] == GDS_OK || d.status[i] == GDS_AGAIN ||
					    d.status[i] == GDS_E_NOMEM ||
					    d.status[i] == GDS_E_ALERT);
			}
			duo_free(&d);
		}
	}
}

static size_t fail_at, gnutls_allocations;

static void *failing_malloc(size_t n)
{
	if (++gnutls_allocations == fail_at) {
		errno = ENOMEM;
		return NULL;
	}
	return malloc(n);
}

static void *failing_calloc(size_t n, size_t size)
{
	if (++gnutls_allocations == fail_at) {
		errno = ENOMEM;
		return NULL;
	}
	return calloc(n, size);
}

static void *failing_realloc(void *old, size_t n)
{
	if (++gnutls_allocations == fail_at) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, n);
}

/* Inside GnuTLS, out of memory may look like a bad certificate. It must not be called
 * one. */
static void test_no_memory_in_gnutls(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		for (fail_at = 1; fail_at < 2000; fail_at += 7) {
			struct duo d;
			duo_init(&d, kind, NULL, NULL);
			duo_start(&d);
			gnutls_allocations = 0;
			gnutls_malloc = failing_malloc;
			gnutls_calloc = failing_calloc;
			gnutls_realloc = failing_realloc;
			for (int turn = 0; turn < 30; turn++) {
				for (int i = 0; i < 2; i++) {
					if (d.status[i] == GDS_AGAIN) {
						d.status[i] = gds_session_handshake(d.session[i]);
					}
				}
			}
			gnutls_malloc = malloc;
			gnutls_calloc = calloc;
			gnutls_realloc = realloc;
			for (int i = 0; i < 2; i++) {
				assert_int_not_equal(d.status[i], GDS_E_VERIFY);
				assert_int_equal(duo_facts(&d, i)->verify, 0);
			}
			bool all = gnutls_allocations < fail_at;
			duo_free(&d);
			if (all) {
				break;
			}
		}
	}
}

static void test_bad_priority(void **state)
{
	(void)state;
	struct duo d;
	struct gds_session *session = NULL;
	duo_init(&d, TLS13, NULL, NULL);
	d.profile[CLIENT].priority = "NORMAL:+NO-SUCH-THING";
	assert_int_equal(gds_session_new(&session, &d.profile[CLIENT], d.trust[CLIENT],
				 &d.pair->end[CLIENT]->carrier),
		GDS_E_INVALID);
	assert_null(session); /* and the carrier is still ours */
	duo_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_success),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_ways_to_close),
		cmocka_unit_test(test_truncated_handshake),
		cmocka_unit_test(test_short_reads_and_writes),
		cmocka_unit_test(test_backpressure),
		cmocka_unit_test(test_alert_after_reset),
		cmocka_unit_test(test_alert_after_reset_in_handshake),
		cmocka_unit_test(test_key_update),
		cmocka_unit_test(test_renegotiation),
		cmocka_unit_test(test_mismatch),
		cmocka_unit_test(test_alpn_choice),
		cmocka_unit_test(test_not_tls),
		cmocka_unit_test(test_not_tls_late),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_no_memory_in_gnutls),
		cmocka_unit_test(test_bad_priority),
	};
	return cmocka_run_group_tests(tests, cast_make, cast_free);
}
