/* SPDX-License-Identifier: MIT */
#include "cli/known.h"
#include "cli/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct gds_targets targets;
static struct gds_complaint complaint;
static const struct gds_generate_options as_godoxy;

/* Each test has a folder of its own as its working directory. */
static int setup(void **state)
{
	char folder[] = "/tmp/gds-target-XXXXXX";

	if (!mkdtemp(folder) || chdir(folder) != 0) {
		return -1;
	}
	*state = strdup(folder);
	unsetenv("GDSTREAM_IDENTITY");
	memset(&complaint, 0, sizeof(complaint));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	char command[64];

	gds_targets_clear(&targets);
	if (chdir("/") != 0) {
		return -1;
	}
	snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
	free(*state);
	return system(command);
}

static void touch(const char *path)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fclose(file);
}

static void test_addresses(void **state)
{
	static const struct {
		const char *argument, *host, *text;
		uint16_t port;
	} cases[] = {
		{"nas", "nas", "nas:8890", 8890},
		{"nas:1", "nas", "nas:1", 1},
		{"10.0.0.12:65535", "10.0.0.12", "10.0.0.12:65535", 65535},
		{"::1", "::1", "[::1]:8890", 8890},
		{"[2001:db8::1]:9000", "2001:db8::1", "[2001:db8::1]:9000", 9000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(gds_targets_add(&targets, cases[i].argument, &complaint), GDS_OK);
		assert_int_equal(targets.n, i + 1);
		assert_string_equal(targets.list[i].host, cases[i].host);
		assert_string_equal(targets.list[i].text, cases[i].text);
		assert_int_equal(targets.list[i].port, cases[i].port);
		assert_null(targets.list[i].zip);
	}
}

static void test_refused(void **state)
{
	static const char *const wrong[] = {"", ":1", "nas:0", "nas:70000", "nas:http",
		"nas:", "[::1", "missing.zip", "missing/", "no-address.zip", "folder"};

	(void)state;
	touch("no-address.zip");
	assert_int_equal(mkdir("folder", 0700), 0);
	touch("folder/readme.txt");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		complaint.text[0] = '\0';
		assert_true(gds_targets_add(&targets, wrong[i], &complaint) < 0);
		assert_int_equal(targets.n, 0);
		assert_true(strlen(complaint.text) > 10);
	}
}

static void test_zips(void **state)
{
	(void)state;
	assert_int_equal(mkdir("certs", 0700), 0);
	touch("certs/10.0.0.12:8890.zip");
	touch("certs/[::1]:8891.zip");
	touch("certs/.hidden:1.zip");
	touch("certs/notes.txt");
	assert_int_equal(gds_targets_add(&targets, "certs", &complaint), GDS_OK);
	assert_int_equal(targets.n, 2);
	assert_string_equal(targets.list[0].text, "10.0.0.12:8890");
	assert_string_equal(targets.list[0].zip, "certs/10.0.0.12:8890.zip");
	assert_string_equal(targets.list[1].text, "[::1]:8891");
	assert_int_equal(gds_targets_add(&targets, "certs/10.0.0.12:8890.zip", &complaint), GDS_OK);
	assert_int_equal(targets.n, 3);
	/* One zip that tells no address spoils the folder: it would be left out silently
	 * otherwise. */
	touch("certs/client.zip");
	assert_int_equal(gds_targets_add(&targets, "certs", &complaint), GDS_E_FORMAT);
	assert_non_null(strstr(complaint.text, "-i certs/client.zip"));
}

static void test_bound(void **state)
{
	(void)state;
	for (int i = 0; i < GDS_TARGETS_MAX; i++) {
		assert_int_equal(gds_targets_add(&targets, "nas", &complaint), GDS_OK);
	}
	assert_int_equal(gds_targets_add(&targets, "nas", &complaint), GDS_E_LIMIT);
}

static void test_contradictions(void **state)
{
	static const struct {
		struct gds_identity_options options;
		int code;
	} cases[] = {
		{{0}, GDS_OK},
		{{.path = "a"}, GDS_OK},
		{{.ca = "a"}, GDS_OK},
		{{.ca = "a", .cert = "b", .key = "c"}, GDS_OK},
		{{.agent_env = "-"}, GDS_OK},
		{{.path = "a", .ca = "b"}, GDS_E_INVALID},
		{{.path = "a", .agent_env = "b"}, GDS_E_INVALID},
		{{.ca = "a", .agent_env = "b"}, GDS_E_INVALID},
		{{.cert = "a", .key = "b"}, GDS_E_INVALID},
		{{.ca = "a", .cert = "b"}, GDS_E_INVALID},
		{{.ca = "a", .key = "b"}, GDS_E_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			gds_identity_options_check(&cases[i].options, &complaint), cases[i].code);
	}
}

/* Fresh certificates in a zip, as GoDoxy keeps them. */
static void make_zip(const char *path)
{
	struct gds_identity *ca = NULL, *leaf = NULL;

	assert_int_equal(gds_identity_generate_ca(&ca, &as_godoxy, &complaint), GDS_OK);
	assert_int_equal(
		gds_identity_generate_leaf(&leaf, ca, GDS_LEAF_CLIENT, &as_godoxy, &complaint),
		GDS_OK);
	assert_int_equal(gds_identity_write_zip(leaf, path, &complaint), GDS_OK);
	gds_identity_free(ca);
	gds_identity_free(leaf);
}

/* The options, the target's own zip, the environment, the working directory: the first that is
 * there. */
static void test_order(void **state)
{
	struct gds_identity_options options = {0};
	struct gds_identity *identity = NULL;
	struct gds_target target = {.text = "nas:8890"};
	char own[] = "own.zip";

	(void)state;
	assert_int_equal(gds_known_identity(&identity, &target, &options, &complaint), GDS_E_FILE);
	assert_non_null(strstr(complaint.text, "certs/nas:8890.zip"));
	assert_int_equal(mkdir("certs", 0700), 0);
	make_zip("certs/nas:8890.zip");
	make_zip("environment.zip");
	make_zip("own.zip");
	make_zip("option.zip");
	for (int step = 0; step < 4; step++) {
		static const char *const sources[] = {
			"certs/nas:8890.zip", "environment.zip", "own.zip", "option.zip"};

		if (step == 1) {
			setenv("GDSTREAM_IDENTITY", "environment.zip", 1);
		} else if (step == 2) {
			target.zip = own;
		} else if (step == 3) {
			options.path = "option.zip";
		}
		assert_int_equal(
			gds_known_identity(&identity, &target, &options, &complaint), GDS_OK);
		assert_string_equal(identity->source, sources[step]);
		gds_identity_free(identity);
	}
	unsetenv("GDSTREAM_IDENTITY");
}

/* --agent-env: a client certificate for an hour, signed by the agent's CA and acceptable to it. */
static void test_agent_env(void **state)
{
	struct gds_identity_options options = {.agent_env = "agent.env"};
	struct gds_identity *ca = NULL, *server = NULL, *identity = NULL;
	struct gds_certificate certificate;
	struct gds_target target = {.text = "nas:8890"};
	int64_t now;

	(void)state;
	assert_int_equal(gds_identity_generate_ca(&ca, &as_godoxy, &complaint), GDS_OK);
	assert_int_equal(
		gds_identity_generate_leaf(&server, ca, GDS_LEAF_SERVER, &as_godoxy, &complaint),
		GDS_OK);
	assert_int_equal(gds_identity_write_env(ca, server, "agent.env", &complaint), GDS_OK);
	assert_int_equal(gds_known_identity(&identity, &target, &options, &complaint), GDS_OK);
	assert_int_equal(gds_certificate_read(&certificate, identity->cert), GDS_OK);
	now = (int64_t)time(NULL);
	assert_int_equal(gds_certificate_judge(identity->cert, ca->ca, GDS_LEAF_CLIENT, now), 0);
	assert_true(certificate.client_auth && !certificate.server_auth);
	assert_in_range(certificate.not_after, now + 3590, now + 3600);
	assert_true(certificate.not_before < now);
	assert_null(identity->ca_key);
	gds_identity_free(ca);
	gds_identity_free(server);
	gds_identity_free(identity);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zips, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_contradictions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_agent_env, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
