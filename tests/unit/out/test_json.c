/* SPDX-License-Identifier: MIT */
#include "out/json.h"

#include "sample.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char *arguments[] = {(char[]){"gdprobe"}, (char[]){"a\xff.zip"}, NULL};
static const struct gds_result_tool tool = {
	.tool = "gdprobe", .version = "1.2.3", .argv = arguments};

static json_t *format(const struct gds_result *result)
{
	char *line = gds_json_format(result, &tool);
	json_t *root;

	assert_non_null(line);
	assert_null(strchr(line, '\n'));
	root = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	free(line);
	return root;
}

static json_t *at(json_t *root, const char *path)
{
	char key[64];

	while (root && *path) {
		size_t n = strcspn(path, "/");

		memcpy(key, path, n);
		key[n] = '\0';
		root = json_object_get(root, key);
		path += n + (path[n] == '/');
	}
	assert_non_null(root);
	return root;
}

static void test_healthy(void **state)
{
	struct gds_result result = sample_healthy();
	json_t *root = format(&result);

	(void)state;
	assert_string_equal(json_string_value(at(root, "schema")), "gdprobe/1");
	assert_string_equal(json_string_value(at(root, "tool")), "gdprobe");
	assert_string_equal(json_string_value(at(root, "version")), "1.2.3");
	assert_int_equal(json_array_size(at(root, "argv")), 2);
	assert_string_equal(json_string_value(at(root, "result")), "healthy");
	assert_int_equal(json_integer_value(at(root, "exit")), 0);
	assert_string_equal(json_string_value(at(root, "agent/name")), "nas");
	assert_string_equal(json_string_value(at(root, "faces/udp/state")), "ok");
	assert_int_equal(json_integer_value(at(root, "faces/udp/duration_ns")), 5700000);
	assert_true(json_is_null(at(root, "cause")));
	assert_int_equal(
		json_integer_value(at(root, "certificates/not_after_s")), INT64_C(33331414470));
	assert_int_equal(json_integer_value(at(root, "certificates/clock_skew_s")), -1);
	assert_int_equal(
		json_integer_value(at(root, "faces/tcp/stages/connect/duration_ns")), 200000);
	assert_int_equal(json_object_size(at(root, "faces/tcp/stages")), 1);
	json_decref(root);
}

static void test_failure(void **state)
{
	struct gds_result result = sample_filtered();
	json_t *root = format(&result);

	(void)state;
	assert_int_equal(json_integer_value(at(root, "exit")), 2);
	assert_string_equal(json_string_value(at(root, "result")), "not healthy");
	assert_string_equal(json_string_value(at(root, "cause/id")), "udp-filtered");
	assert_string_equal(json_string_value(at(root, "faces/udp/cause/id")), "udp-filtered");
	assert_true(json_string_length(at(root, "faces/udp/cause/next")) > 10);
	assert_string_equal(
		json_string_value(at(root, "faces/udp/evidence")), "3 flights, no answer");
	assert_string_equal(
		json_string_value(at(root, "faces/udp/stages/handshake/outcome")), "failed");
	json_decref(root);
}

/* The cause of a face that must work outranks that of one that need not. */
static void test_worst_cause(void **state)
{
	struct gds_result result = sample_filtered();
	json_t *root;

	(void)state;
	result.faces[1] = result.faces[2];
	result.faces[1].name = "tcp";
	result.faces[1].optional = true;
	result.faces[2].cause = gds_cause_find("udp-closed");
	root = format(&result);
	assert_string_equal(json_string_value(at(root, "cause/id")), "udp-closed");
	json_decref(root);
}

static void test_complaint(void **state)
{
	struct gds_result result = {.severity = GDS_UNKNOWN};
	json_t *root;

	(void)state;
	strcpy(result.target, "x:1");
	strcpy(result.complaint, "no certificate");
	root = format(&result);
	assert_int_equal(json_integer_value(at(root, "exit")), 3);
	assert_string_equal(json_string_value(at(root, "complaint")), "no certificate");
	assert_true(json_is_null(at(root, "agent")));
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_healthy),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_worst_cause),
		cmocka_unit_test(test_complaint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
