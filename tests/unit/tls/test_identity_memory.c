/* SPDX-License-Identifier: MIT */
/* Identities and trust are made before there is an env, from the C library's heap. The linker puts
 * these in its place (Makemodule.am), so that each of its allocations fails in turn. */
#include "odd.h"

#include <gdstream/session.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static size_t allocations, fail_at;

static bool fails(void)
{
	if (++allocations != fail_at) {
		return false;
	}
	errno = ENOMEM;
	return true;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n)
{
	return fails() ? NULL : __real_strndup(text, n);
}

static struct gds_identity *ca, *server, *client;
static char folder[256], set[300], zip[350], env[350];

static int generate(struct gds_identity **out, struct gds_complaint *complaint)
{
	static const struct gds_generate_options options;

	return gds_identity_generate_leaf(out, ca, GDS_LEAF_CLIENT, &options, complaint);
}

static int generate_ca(struct gds_identity **out, struct gds_complaint *complaint)
{
	static const struct gds_generate_options options;

	return gds_identity_generate_ca(out, &options, complaint);
}

static int read_zip(struct gds_identity **out, struct gds_complaint *complaint)
{
	return gds_identity_from_path(out, zip, complaint);
}

static int read_env(struct gds_identity **out, struct gds_complaint *complaint)
{
	return gds_identity_from_env_file(out, env, complaint);
}

static int read_files(struct gds_identity **out, struct gds_complaint *complaint)
{
	char paths[3][350];
	static const char *const names[] = {"ca.pem", "client.pem", "client.key"};

	for (int i = 0; i < 3; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%s", set, names[i]);
	}
	return gds_identity_from_files(out, paths[0], paths[1], paths[2], complaint);
}

static int make_trust(struct gds_identity **out, struct gds_complaint *complaint)
{
	struct gds_trust *trust = NULL;
	int rc = gds_trust_new(&trust, client, GDS_CLIENT, complaint);

	*out = NULL;
	gds_trust_unref(trust);
	return rc;
}

static void test_each(void **state)
{
	static const struct {
		const char *name;
		int (*make)(struct gds_identity **, struct gds_complaint *);
	} table[] = {
		{"generate a CA", generate_ca},
		{"generate a leaf", generate},
		{"read a zip", read_zip},
		{"read an environment file", read_env},
		{"read files", read_files},
		{"trust", make_trust},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int rc = GDS_E_NOMEM;

		for (fail_at = 1; rc != GDS_OK; fail_at++) {
			struct gds_identity *id = NULL;
			struct gds_complaint complaint = {0};

			assert_in_range(fail_at, 1, 100);
			allocations = 0;
			rc = table[i].make(&id, &complaint);
			if (rc != GDS_OK && (rc != GDS_E_NOMEM || !complaint.text[0])) {
				fail_msg("%s, allocation %zu: %s (%s)", table[i].name, fail_at,
					gds_errname(rc), complaint.text);
			}
			if (rc != GDS_OK) {
				assert_null(id);
			}
			gds_identity_free(id);
		}
		assert_in_range(fail_at, 3, 100); /* one at least did fail */
	}
	fail_at = 0;
}

static int set_up(void **state)
{
	static const struct gds_generate_options options;
	struct gds_complaint complaint;

	const char *temporary = getenv("TMPDIR");

	(void)state;
	snprintf(
		folder, sizeof(folder), "%s/gds-identity-XXXXXX", temporary ? temporary : P_tmpdir);
	if (!mkdtemp(folder)) {
		return -1;
	}
	snprintf(set, sizeof(set), "%s/set", folder);
	snprintf(zip, sizeof(zip), "%s/client.zip", set);
	snprintf(env, sizeof(env), "%s/agent.env", set);
	return gds_identity_generate_ca(&ca, &options, &complaint) ||
	       gds_identity_generate_leaf(&server, ca, GDS_LEAF_SERVER, &options, &complaint) ||
	       gds_identity_generate_leaf(&client, ca, GDS_LEAF_CLIENT, &options, &complaint) ||
	       gds_identity_write_set(ca, server, client, set, &complaint);
}

static int tear_down(void **state)
{
	static const char *const names[] = {"ca.pem", "ca.key", "server.pem", "server.key",
		"client.pem", "client.key", "client.zip", "agent.env"};
	char path[350];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", set, names[i]);
		unlink(path);
	}
	rmdir(set);
	gds_identity_free(ca);
	gds_identity_free(server);
	gds_identity_free(client);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
