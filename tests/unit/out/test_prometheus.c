/* SPDX-License-Identifier: MIT */
#include "out/prometheus.h"

#include "sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char bytes[GDS_PROMETHEUS_FAMILIES + 4 * GDS_PROMETHEUS_RESULT];

static const char *format(const struct gds_result *results, size_t n, bool label)
{
	struct gds_prometheus_options options = {.timeout = 5 * GDS_SECOND, .label = label};
	struct gds_text text;

	gds_text_init(&text, bytes, sizeof(bytes));
	gds_prometheus_format(&text, results, n, &options);
	assert_false(text.cut);
	return bytes;
}

static void has(const char *metrics, const char *line)
{
	const char *at = strstr(metrics, line);

	if (!at || (at > metrics && at[-1] != '\n') || at[strlen(line)] != '\n') {
		fail_msg("no line %s in\n%s", line, metrics);
	}
}

static size_t count(const char *metrics, const char *word)
{
	size_t n = 0;

	for (; (metrics = strstr(metrics, word)); metrics++) {
		n++;
	}
	return n;
}

static void test_healthy(void **state)
{
	struct gds_result result = sample_healthy();
	const char *metrics = format(&result, 1, false);

	(void)state;
	has(metrics, "# TYPE probe_success gauge");
	has(metrics, "probe_success 1");
	has(metrics, "probe_godoxy_completed 1");
	has(metrics, "probe_duration_seconds 0.014000000");
	has(metrics, "probe_timeout_seconds 5.000000000");
	has(metrics, "probe_ssl_earliest_cert_expiry 33331414470");
	has(metrics, "probe_ssl_last_chain_expiry_timestamp_seconds 33331414470");
	has(metrics, "probe_godoxy_stream_duration_seconds{stage=\"connect\",transport=\"tls\","
		     "face=\"tcp\"} 0.000200000");
	has(metrics, "probe_godoxy_face_success{face=\"udp\"} 1");
	has(metrics,
		"probe_godoxy_agent_info{name=\"nas\",version=\"v0.30.4\",runtime=\"docker\"} 1");
	has(metrics, "probe_godoxy_clock_skew_seconds -1");
	assert_null(strstr(metrics, "probe_godoxy_cause"));
	assert_null(strstr(metrics, "target="));
	assert_int_equal(metrics[strlen(metrics) - 1], '\n');
}

static void test_failure(void **state)
{
	struct gds_result result = sample_filtered();
	const char *metrics;

	(void)state;
	result.faces[1].state = GDS_RESULT_BAD;
	result.faces[1].cause = result.faces[2].cause;
	strcpy(result.faces[0].address, "[::1]:8890");
	strcpy(result.faces[0].tls_version, "TLS 1.3");
	strcpy(result.faces[0].tls_cipher, "TLS_AES_128_GCM_SHA256");
	result.certificates.flawed = true;
	result.certificates.cause = gds_cause_find("clocks-apart");
	metrics = format(&result, 1, false);
	has(metrics, "probe_success 0");
	has(metrics, "probe_godoxy_completed 1");
	has(metrics, "probe_ip_protocol 6");
	has(metrics, "probe_tls_version_info{face=\"https\",version=\"TLS 1.3\"} 1");
	has(metrics, "probe_tls_cipher_info{face=\"https\",cipher=\"TLS_AES_128_GCM_SHA256\"} 1");
	has(metrics, "probe_godoxy_cause{cause=\"udp-filtered\"} 1");
	has(metrics, "probe_godoxy_cause{cause=\"clocks-apart\"} 1");
	assert_int_equal(count(metrics, "probe_godoxy_cause{"), 2);
	assert_null(strstr(metrics, "chain_expiry"));
	has(metrics, "probe_godoxy_stream_duration_seconds{stage=\"handshake\",transport=\"dtls\","
		     "face=\"udp\"} 4.900000000");
}

/* A warning is a success with a cause; what could not be judged is neither done nor well. */
static void test_completed_is_not_success(void **state)
{
	struct gds_result warned = sample_healthy();
	struct gds_result unjudged = {.severity = GDS_UNKNOWN, .target = "x:1", .complaint = "why"};
	struct gds_result blind = sample_healthy();
	const char *metrics;

	(void)state;
	warned.severity = GDS_WARNING;
	has(format(&warned, 1, false), "probe_success 1");
	metrics = format(&unjudged, 1, false);
	has(metrics, "probe_success 0");
	has(metrics, "probe_godoxy_completed 0");
	assert_null(strstr(metrics, "probe_ssl"));
	blind.severity = GDS_UNKNOWN;
	metrics = format(&blind, 1, false);
	has(metrics, "probe_success 0");
	has(metrics, "probe_godoxy_completed 0");
}

static void test_many_targets(void **state)
{
	struct gds_result results[3] = {sample_healthy(), sample_filtered(), sample_healthy()};
	const char *metrics;

	(void)state;
	strcpy(results[1].target, "nas:8890");
	strcpy(results[2].target, "\xff:1");
	metrics = format(results, 3, true);
	has(metrics, "probe_success{target=\"10.0.0.12:8890\"} 1");
	has(metrics, "probe_success{target=\"nas:8890\"} 0");
	has(metrics, "probe_success{target=\"?:1\"} 1");
	has(metrics, "probe_godoxy_cause{cause=\"udp-filtered\",target=\"nas:8890\"} 1");
	assert_int_equal(count(metrics, "# TYPE probe_success "), 1);
	assert_int_equal(count(metrics, "# HELP probe_success "), 1);
}

static void test_hostile_name(void **state)
{
	struct gds_result result = sample_healthy();

	(void)state;
	strcpy(result.name, "a\"} 1\nprobe_success 0\\");
	has(format(&result, 1, false), "probe_godoxy_agent_info{name=\"a\\\"} 1\\nprobe_success "
				       "0\\\\\",version=\"v0.30.4\","
				       "runtime=\"docker\"} 1");
	assert_int_equal(count(bytes, "\nprobe_success "), 1);
}

/* The longest of everything fits: no file is ever cut. */
static void test_room(void **state)
{
	struct gds_result result = sample_filtered();

	(void)state;
	while (result.n < GDS_RESULT_FACES) {
		result.faces[result.n++] = result.faces[2];
	}
	memset(result.target, '"', sizeof(result.target) - 1);
	memset(result.name, '"', sizeof(result.name) - 1);
	for (size_t i = 0; i < result.n; i++) {
		memset(result.faces[i].tls_cipher, '"', sizeof(result.faces[i].tls_cipher) - 1);
		for (int stage = 0; stage < GDS_STAGES; stage++) {
			result.faces[i].stages[stage].reached = true;
			result.faces[i].stages[stage].duration = INT64_MAX;
		}
	}
	for (size_t n = 1; n <= 4; n++) {
		struct gds_result results[4] = {result, result, result, result};

		assert_true(strlen(format(results, n, true)) <
			    GDS_PROMETHEUS_FAMILIES + n * GDS_PROMETHEUS_RESULT - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_healthy),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_completed_is_not_success),
		cmocka_unit_test(test_many_targets),
		cmocka_unit_test(test_hostile_name),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
