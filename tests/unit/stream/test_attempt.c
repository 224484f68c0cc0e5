/* SPDX-License-Identifier: MIT */
/* The attempt over sessions that follow a script: what it asks for, what it concludes. The clock is
 * a variable. */
#include "fake_session.h"

#include <gdstream/attempt.h>
#include <gdstream/race.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct gds_machine *begin(enum gds_transport transport, enum gds_plan plan, bool literal)
{
	struct gds_attempt_options options = {
		.transport = transport,
		.plan = plan,
		.host = literal ? NULL : "agent.example",
		.port = 8890,
		.deadline = clock_now + 5 * GDS_SECOND,
	};
	struct gds_machine *machine;

	if (literal) {
		assert_int_equal(gds_address_parse(&options.address, "192.0.2.1", 8890), GDS_OK);
	}
	if (plan == GDS_PLAN_TUNNEL) {
		assert_int_equal(gds_header_init(&options.header, "127.0.0.1", "8080", 0), GDS_OK);
	}
	machine = gds_attempt_new(&options, &fake_env);
	assert_non_null(machine);
	return machine;
}

static struct gds_need step(struct gds_machine *machine)
{
	struct gds_need need;

	machine->ops->step(machine, clock_now, &need);
	return need;
}

static void end(struct gds_machine *machine)
{
	machine->ops->free(machine);
	assert_int_equal(sockets_open, 0);
	assert_int_equal(trust_references, 0);
}

static void connected(struct gds_machine *machine, unsigned id)
{
	struct gds_answer answer = {.id = id, .carrier = fake_socket_new()};

	machine->ops->answer(machine, &answer);
}

static void failed(struct gds_machine *machine, unsigned id, int code)
{
	struct gds_answer answer = {.id = id, .why = {.code = code}};

	machine->ops->answer(machine, &answer);
}

static void resolved(struct gds_machine *machine, const char *const *ips)
{
	struct gds_need need = step(machine);
	struct gds_address list[4];
	struct gds_answer answer = {.id = need.id, .list = list};

	assert_int_equal(need.kind, GDS_RESOLVE);
	assert_string_equal(need.host, "agent.example");
	assert_int_equal(need.port, 8890);
	for (; ips[answer.n]; answer.n++) {
		assert_int_equal(gds_address_parse(&list[answer.n], ips[answer.n], 8890), GDS_OK);
	}
	machine->ops->answer(machine, &answer);
}

/* Step until the machine waits or ends, refusing all needs but the first CONNECT. */
static struct gds_need connect_and_step(struct gds_machine *machine)
{
	struct gds_need need = step(machine);

	assert_int_equal(need.kind, GDS_CONNECT);
	connected(machine, need.id);
	return step(machine);
}

static gds_time soonest(struct gds_machine *machine)
{
	struct gds_interest interests[GDS_MACHINE_INTERESTS];
	size_t n = machine->ops->interest(machine, interests);
	gds_time at = GDS_NEVER;

	for (size_t i = 0; i < n; i++) {
		assert_false(interests[i].ready);
		at = interests[i].deadline < at ? interests[i].deadline : at;
	}
	return at;
}

/* --- Tests --------------------------------------------------------------------------------- */

/* One session, one attempt; what does the script make of it? */
static const struct {
	const char *what;
	enum gds_transport transport;
	struct script script;
	int code;
	enum gds_stage stage;
} outcomes[] = {
	{"healthy TCP", GDS_TCP, {.answers = true, .read = GDS_EOF}, GDS_OK, 0},
	{"healthy UDP", GDS_UDP, {.answers = true, .read = GDS_EOF}, GDS_OK, 0},
	{"TLS-05: rejected after the handshake", GDS_TCP,
		{.answers = true, .read = GDS_E_ALERT, .read_code = GDS_E_ALERT, .alert = 46},
		GDS_E_ALERT, GDS_STAGE_CLOSE},
	{"HC-02: bytes", GDS_TCP, {.answers = true, .read = 5}, GDS_E_FORMAT, GDS_STAGE_CLOSE},
	{"HC-02: a whole datagram", GDS_UDP, {.answers = true, .read = 16384}, GDS_E_FORMAT,
		GDS_STAGE_CLOSE},
	{"TLS-09: FIN alone", GDS_TCP,
		{.answers = true, .read = GDS_E_TRUNCATED, .read_code = GDS_E_TRUNCATED},
		GDS_E_TRUNCATED, GDS_STAGE_CLOSE},
	{"MUX-04: http/1.1 selected", GDS_TCP, {.answers = true, .selects = "http/1.1"}, GDS_E_ALPN,
		GDS_STAGE_ALPN},
	{"MUX-04: nothing selected", GDS_TCP, {.answers = true, .selects = ""}, GDS_E_ALPN,
		GDS_STAGE_ALPN},
	{"alert 120", GDS_TCP,
		{.handshake = GDS_E_ALERT, .handshake_code = GDS_E_ALERT, .alert = 121},
		GDS_E_ALERT, GDS_STAGE_ALPN},
	{"their certificate", GDS_TCP, {.handshake = GDS_E_VERIFY, .handshake_code = GDS_E_VERIFY},
		GDS_E_VERIFY, GDS_STAGE_VERIFY},
	{"UDP: an alert is an answer", GDS_UDP,
		{.answers = true,
			.handshake = GDS_E_ALERT,
			.handshake_code = GDS_E_ALERT,
			.alert = 72},
		GDS_E_ALERT, GDS_STAGE_HANDSHAKE},
	{"UDP: ICMP refusal", GDS_UDP,
		{.handshake = GDS_E_REFUSED, .handshake_code = GDS_E_REFUSED}, GDS_E_REFUSED,
		GDS_STAGE_HANDSHAKE},
	{"trap 2: the alert behind a failed write", GDS_TCP,
		{.answers = true,
			.write = GDS_E_RESET,
			.read = GDS_E_ALERT,
			.read_code = GDS_E_ALERT,
			.alert = 117},
		GDS_E_ALERT, GDS_STAGE_HEADER},
	{"a failed write and nothing behind it", GDS_TCP,
		{.answers = true,
			.write = GDS_E_RESET,
			.read = GDS_E_TRUNCATED,
			.read_code = GDS_E_TRUNCATED},
		GDS_E_RESET, GDS_STAGE_HEADER},
};

/* Connect as often as it asks; what ends the scripts' sessions must end the attempt. */
static struct gds_need connect_to_the_end(struct gds_machine *machine)
{
	struct gds_need need = connect_and_step(machine);

	while (need.kind == GDS_CONNECT) {
		connected(machine, need.id);
		need = step(machine);
	}
	return need;
}

static void test_outcomes(void **state)
{
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		struct gds_machine *machine;
		const struct gds_report *report;

		fake_setup(state);
		scripts[0] = scripts[1] = outcomes[i].script;
		machine = begin(outcomes[i].transport, GDS_PLAN_HEALTH, true);
		report = gds_attempt_report(machine);
		print_message("# %s\n", outcomes[i].what);
		assert_int_equal(connect_to_the_end(machine).kind, GDS_DONE);
		assert_true(report->finished);
		assert_int_equal(report->why.code, outcomes[i].code);
		assert_int_equal(report->why.stage, outcomes[i].stage);
		if (outcomes[i].code != GDS_OK) {
			assert_int_equal(report->stages[outcomes[i].stage].outcome, GDS_FAILED);
		}
		assert_int_equal(made, 1 + gds_attempt_report(machine)->retries);
		/* A session that stood is told goodbye. */
		assert_int_equal(closed_clean, outcomes[i].script.handshake == GDS_OK);
		assert_null(gds_attempt_take(machine));
		end(machine);
	}
}

/* The header of a health check is the one of docs/godoxy-facts.md section 1, sent once. */
static void test_health_header(void **state)
{
	static const uint8_t checksum[] = {0x7d, 0x62, 0x1c, 0x75};
	struct gds_machine *machine = begin(GDS_TCP, GDS_PLAN_HEALTH, true);

	(void)state;
	assert_int_equal(connect_and_step(machine).kind, GDS_DONE);
	assert_int_equal(written_length, 275);
	assert_memory_equal(written, "0.1.0\0\0\0", 8);
	assert_int_equal(written[270], 1);
	assert_memory_equal(written + 271, checksum, 4);
	end(machine);
}

static void test_tunnel_is_given_away(void **state)
{
	static const uint8_t checksum[] = {0x24, 0x9c, 0xed, 0xad};
	struct gds_machine *machine = begin(GDS_UDP, GDS_PLAN_TUNNEL, true);
	struct gds_carrier *carrier;

	(void)state;
	assert_int_equal(connect_and_step(machine).kind, GDS_DONE);
	assert_memory_equal(written + 271, checksum, 4);
	carrier = gds_attempt_take(machine);
	assert_non_null(carrier);
	assert_null(gds_attempt_take(machine));
	gds_carrier_close(carrier, GDS_CLOSE_CLEAN);
	end(machine);
}

static void test_http_sends_no_header(void **state)
{
	struct gds_machine *machine = begin(GDS_TCP, GDS_PLAN_HTTP, true);
	struct gds_carrier *carrier;

	(void)state;
	assert_int_equal(connect_and_step(machine).kind, GDS_DONE);
	assert_string_equal(gds_attempt_report(machine)->facts.alpn, "http/1.1");
	assert_int_equal(written_length, 0);
	carrier = gds_attempt_take(machine);
	assert_non_null(carrier);
	gds_carrier_close(carrier, GDS_CLOSE_CLEAN);
	end(machine);
}

/* RFC 8305: the second address starts 250 ms later, the first to connect wins, the other is taken
 * back. */
static void test_tcp_race(void **state)
{
	static const char *const ips[] = {"2001:db8::1", "192.0.2.1", NULL};
	struct gds_machine *machine = begin(GDS_TCP, GDS_PLAN_HEALTH, false);
	struct gds_need first, second, cancel;

	(void)state;
	resolved(machine, ips);
	first = step(machine);
	assert_int_equal(first.kind, GDS_CONNECT);
	assert_int_equal(first.address.family, 6);
	assert_int_equal(step(machine).kind, GDS_WAIT);
	assert_int_equal(soonest(machine), clock_now + 250 * GDS_MILLISECOND);
	clock_now += 250 * GDS_MILLISECOND;
	second = step(machine);
	assert_int_equal(second.kind, GDS_CONNECT);
	assert_int_equal(second.address.family, 4);
	connected(machine, second.id);
	cancel = step(machine);
	assert_int_equal(cancel.kind, GDS_CANCEL);
	assert_int_equal(cancel.id, first.id);
	/* Crossed: it is closed, not used. */
	connected(machine, first.id);
	assert_int_equal(sockets_open, 1);
	assert_int_equal(step(machine).kind, GDS_DONE);
	assert_int_equal(gds_attempt_report(machine)->why.code, GDS_OK);
	assert_int_equal(gds_attempt_report(machine)->peer.family, 4);
	assert_int_equal(made, 1);
	end(machine);
}

/* A failure starts the next at once; of all failures the one that says most is told. */
static void test_tcp_all_fail(void **state)
{
	static const char *const ips[] = {"2001:db8::1", "192.0.2.1", "2001:db8::2", NULL};
	static const int codes[] = {GDS_E_UNREACHABLE, GDS_E_REFUSED, GDS_E_TIMEOUT};
	struct gds_machine *machine = begin(GDS_TCP, GDS_PLAN_HEALTH, false);
	const struct gds_report *report = gds_attempt_report(machine);

	(void)state;
	resolved(machine, ips);
	for (size_t i = 0; i < 3; i++) {
		struct gds_need need = step(machine);

		assert_int_equal(need.kind, GDS_CONNECT);
		failed(machine, need.id, codes[i]);
	}
	assert_int_equal(step(machine).kind, GDS_DONE);
	assert_int_equal(report->why.code, GDS_E_REFUSED);
	assert_int_equal(report->why.stage, GDS_STAGE_CONNECT);
	assert_int_equal(report->peer.family, 4);
	end(machine);
}

/* UDP: the silent first address does not keep the second from winning. */
static void test_udp_race(void **state)
{
	static const char *const ips[] = {"2001:db8::1", "192.0.2.1", NULL};
	struct gds_machine *machine = begin(GDS_UDP, GDS_PLAN_HEALTH, false);
	const struct gds_report *report = gds_attempt_report(machine);
	struct gds_need need;

	(void)state;
	scripts[0].answers = false;
	scripts[0].handshake = GDS_AGAIN;
	resolved(machine, ips);
	need = connect_and_step(machine);
	assert_int_equal(need.kind, GDS_WAIT);
	assert_int_equal(soonest(machine), clock_now + 250 * GDS_MILLISECOND);
	clock_now += 250 * GDS_MILLISECOND;
	need = connect_and_step(machine);
	assert_int_equal(need.kind, GDS_DONE);
	assert_int_equal(report->why.code, GDS_OK);
	assert_int_equal(report->peer.family, 4);
	assert_int_equal(made, 2);
	assert_int_equal(closed_silent, 1);
	assert_int_equal(closed_clean, 1);
	end(machine);
}

/* UDP: whoever has said anything is the agent, however long the handshake takes: no second session
 * beside it. */
static void test_udp_first_answer_wins(void **state)
{
	static const char *const ips[] = {"2001:db8::1", "192.0.2.1", NULL};
	struct gds_machine *machine = begin(GDS_UDP, GDS_PLAN_HEALTH, false);

	(void)state;
	scripts[0].handshake = GDS_AGAIN;
	resolved(machine, ips);
	assert_int_equal(connect_and_step(machine).kind, GDS_WAIT);
	clock_now += 300 * GDS_MILLISECOND;
	assert_int_equal(step(machine).kind, GDS_WAIT);
	scripts[0].handshake = GDS_OK;
	assert_int_equal(step(machine).kind, GDS_DONE);
	assert_int_equal(gds_attempt_report(machine)->peer.family, 6);
	assert_int_equal(made, 1);
	end(machine);
}

/* A silent peer may be an old session's port: new sockets at 1.6 and 3.2 s, and then it is the way
 * there. */
static void test_udp_silence(void **state)
{
	struct gds_machine *machine = begin(GDS_UDP, GDS_PLAN_HEALTH, true);
	const struct gds_report *report = gds_attempt_report(machine);
	gds_time start = clock_now;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		scripts[i].answers = false;
		scripts[i].handshake = GDS_AGAIN;
		assert_int_equal(connect_and_step(machine).kind, GDS_WAIT);
		clock_now = soonest(machine);
		assert_int_equal(clock_now - start,
			i < 2 ? (gds_time)(i + 1) * 1600 * GDS_MILLISECOND : 5 * GDS_SECOND);
	}
	assert_int_equal(step(machine).kind, GDS_DONE);
	assert_int_equal(report->why.code, GDS_E_TIMEOUT);
	assert_int_equal(report->why.stage, GDS_STAGE_HANDSHAKE);
	assert_int_equal(report->stages[GDS_STAGE_CONNECT].outcome, GDS_PASSED);
	assert_int_equal(report->duration, 5 * GDS_SECOND);
	/* One flight of each session but the last, which is the one that is no repetition. */
	assert_int_equal(report->facts.retransmissions, 2);
	end(machine);
}

/* Answered once and never again: that is no closed way, but one that loses packets. */
static void test_udp_silent_mid(void **state)
{
	struct gds_machine *machine = begin(GDS_UDP, GDS_PLAN_HEALTH, true);
	const struct gds_report *report = gds_attempt_report(machine);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		scripts[i].answers = i == 0;
		scripts[i].handshake = GDS_AGAIN;
		assert_int_equal(connect_and_step(machine).kind, GDS_WAIT);
		clock_now = soonest(machine);
	}
	assert_int_equal(step(machine).kind, GDS_DONE);
	assert_int_equal(report->why.code, GDS_E_TIMEOUT);
	assert_int_equal(report->why.stage, GDS_STAGE_HANDSHAKE);
	assert_int_equal(report->facts.bytes_in, 100);
	end(machine);
}

/* A failure that may be another session's is not believed the first time; bytes that come keep a
 * slow handshake alive. */
static void test_udp_second_chance(void **state)
{
	struct gds_machine *machine = begin(GDS_UDP, GDS_PLAN_HEALTH, true);
	const struct gds_report *report = gds_attempt_report(machine);

	(void)state;
	scripts[0].handshake = scripts[0].handshake_code = GDS_E_TLS;
	assert_int_equal(connect_to_the_end(machine).kind, GDS_DONE);
	assert_int_equal(report->why.code, GDS_OK);
	assert_int_equal(report->retries, 1);
	end(machine);

	fake_setup(state);
	scripts[0].handshake = scripts[0].handshake_code = GDS_E_VERIFY;
	machine = begin(GDS_UDP, GDS_PLAN_HEALTH, true);
	assert_int_equal(connect_to_the_end(machine).kind, GDS_DONE);
	assert_int_equal(made, 1);
	end(machine);

	fake_setup(state);
	scripts[0].handshake = GDS_AGAIN;
	machine = begin(GDS_UDP, GDS_PLAN_HEALTH, true);
	assert_int_equal(connect_and_step(machine).kind, GDS_WAIT);
	for (int i = 0; i < 4; i++) {
		clock_now += GDS_SECOND;
		scripts[0].more += 50;
		assert_int_equal(step(machine).kind, GDS_WAIT);
	}
	scripts[0].handshake = GDS_OK;
	assert_int_equal(step(machine).kind, GDS_DONE);
	assert_int_equal(made, 1);
	end(machine);
}

/* UDP-20: a lost header means a new session, never a second header on the old one. */
static void test_udp_header_lost(void **state)
{
	struct gds_machine *machine = begin(GDS_UDP, GDS_PLAN_HEALTH, true);
	const struct gds_report *report = gds_attempt_report(machine);

	(void)state;
	scripts[0].read = GDS_AGAIN;
	assert_int_equal(connect_and_step(machine).kind, GDS_WAIT);
	assert_int_equal(soonest(machine), clock_now + 700 * GDS_MILLISECOND);
	assert_int_equal(written_length, 275);
	clock_now += 700 * GDS_MILLISECOND;
	assert_int_equal(connect_and_step(machine).kind, GDS_DONE);
	assert_int_equal(report->why.code, GDS_OK);
	assert_int_equal(report->retries, 1);
	assert_int_equal(made, 2);
	assert_int_equal(closed_clean, 2);
	assert_int_equal(written_length, 2 * 275);
	end(machine);
}

/* An agent that never closes is tried four times and no more; the close is what is missing. */
static void test_udp_never_closed(void **state)
{
	struct gds_machine *machine = begin(GDS_UDP, GDS_PLAN_HEALTH, true);
	const struct gds_report *report = gds_attempt_report(machine);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		scripts[i].read = GDS_AGAIN;
		assert_int_equal(connect_and_step(machine).kind, GDS_WAIT);
		clock_now += 700 * GDS_MILLISECOND;
	}
	assert_int_equal(step(machine).kind, GDS_WAIT);
	clock_now += 3 * GDS_SECOND;
	assert_int_equal(step(machine).kind, GDS_DONE);
	assert_int_equal(made, 4);
	assert_int_equal(report->why.code, GDS_E_TIMEOUT);
	assert_int_equal(report->why.stage, GDS_STAGE_CLOSE);
	end(machine);
}

/* The first session stood and the second meets silence: still it is the close that is missing, not
 * the way. */
static void test_udp_silent_retry(void **state)
{
	struct gds_machine *machine = begin(GDS_UDP, GDS_PLAN_HEALTH, true);
	const struct gds_report *report = gds_attempt_report(machine);

	scripts[0].read = GDS_AGAIN;
	scripts[1].answers = false;
	scripts[1].handshake = GDS_AGAIN;
	assert_int_equal(connect_and_step(machine).kind, GDS_WAIT);
	clock_now += GDS_SECOND;
	assert_int_equal(connect_and_step(machine).kind, GDS_WAIT);
	clock_now += 4 * GDS_SECOND;
	if (*state) {
		/* Told by the session itself, which is gone afterwards. */
		scripts[1].answers = true;
		scripts[1].handshake = scripts[1].handshake_code = GDS_E_TIMEOUT;
	}
	assert_int_equal(step(machine).kind, GDS_DONE);
	assert_int_equal(report->why.code, GDS_E_TIMEOUT);
	assert_int_equal(report->why.stage, GDS_STAGE_CLOSE);
	assert_true(report->facts.established);
	end(machine);
}

static void test_udp_retry_times_out(void **state)
{
	*state = &clock_now;
	test_udp_silent_retry(state);
}

/* A bare handshake: silence afterwards is acceptance, an alert is not. */
static void test_handshake_only(void **state)
{
	struct gds_machine *machine = begin(GDS_TCP, GDS_PLAN_HANDSHAKE, true);

	(void)state;
	scripts[0].read = GDS_AGAIN;
	assert_int_equal(connect_and_step(machine).kind, GDS_WAIT);
	assert_int_equal(written_length, 0);
	clock_now = soonest(machine);
	assert_int_equal(step(machine).kind, GDS_DONE);
	assert_int_equal(gds_attempt_report(machine)->why.code, GDS_OK);
	end(machine);

	fake_setup(state);
	scripts[0] = (struct script){
		.answers = true, .read = GDS_E_ALERT, .read_code = GDS_E_ALERT, .alert = 49};
	machine = begin(GDS_TCP, GDS_PLAN_HANDSHAKE, true);
	assert_int_equal(connect_and_step(machine).kind, GDS_DONE);
	assert_int_equal(gds_attempt_report(machine)->why.alert, 49);
	end(machine);
}

static void test_unresolvable(void **state)
{
	struct gds_machine *machine = begin(GDS_TCP, GDS_PLAN_HEALTH, false);
	struct gds_need need = step(machine);

	(void)state;
	assert_int_equal(need.kind, GDS_RESOLVE);
	failed(machine, need.id, GDS_E_RESOLVE);
	assert_int_equal(step(machine).kind, GDS_DONE);
	assert_int_equal(gds_attempt_report(machine)->why.stage, GDS_STAGE_RESOLVE);
	assert_int_equal(gds_attempt_report(machine)->why.code, GDS_E_RESOLVE);
	end(machine);
}

/* Whatever is asked for is taken back before the end. */
static void test_cancel(void **state)
{
	struct gds_machine *machine = begin(GDS_TCP, GDS_PLAN_HEALTH, true);
	struct gds_need need = step(machine), cancel;

	(void)state;
	assert_int_equal(need.kind, GDS_CONNECT);
	machine->ops->cancel(machine, GDS_CLOSE_CLEAN);
	cancel = step(machine);
	assert_int_equal(cancel.kind, GDS_CANCEL);
	assert_int_equal(cancel.id, need.id);
	assert_int_equal(step(machine).kind, GDS_DONE);
	assert_int_equal(gds_attempt_report(machine)->why.code, GDS_E_CANCELLED);
	end(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_outcomes, fake_setup),
		cmocka_unit_test_setup(test_health_header, fake_setup),
		cmocka_unit_test_setup(test_tunnel_is_given_away, fake_setup),
		cmocka_unit_test_setup(test_http_sends_no_header, fake_setup),
		cmocka_unit_test_setup(test_tcp_race, fake_setup),
		cmocka_unit_test_setup(test_tcp_all_fail, fake_setup),
		cmocka_unit_test_setup(test_udp_race, fake_setup),
		cmocka_unit_test_setup(test_udp_first_answer_wins, fake_setup),
		cmocka_unit_test_setup(test_udp_silence, fake_setup),
		cmocka_unit_test_setup(test_udp_silent_mid, fake_setup),
		cmocka_unit_test_setup(test_udp_second_chance, fake_setup),
		cmocka_unit_test_setup(test_udp_header_lost, fake_setup),
		cmocka_unit_test_setup(test_udp_never_closed, fake_setup),
		cmocka_unit_test_setup(test_udp_silent_retry, fake_setup),
		cmocka_unit_test_setup(test_udp_retry_times_out, fake_setup),
		cmocka_unit_test_setup(test_handshake_only, fake_setup),
		cmocka_unit_test_setup(test_unresolvable, fake_setup),
		cmocka_unit_test_setup(test_cancel, fake_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
