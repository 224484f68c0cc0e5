/* SPDX-License-Identifier: MIT */
#include "odd.h"

#include "../core/unit.h"

#include <gdstream/identity.h>

#include <dirent.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/** A directory of one's own, and a set of certificates that the tests share. */
static struct {
	char folder[1024];
	struct gds_identity *ca, *server, *client, *other;
	struct gds_complaint complaint;
} lab;

static const char *path_of(const char *name)
{
	static char paths[16][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % COUNT(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", lab.folder, name);
	return path;
}

static const char *put_bytes(const char *name, const void *data, size_t n)
{
	const char *path = path_of(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
	return path;
}

static const char *put(const char *name, const char *text)
{
	return put_bytes(name, text, strlen(text));
}

static void assert_words(const char *words)
{
	if (!strstr(lab.complaint.text, words)) {
		fail_msg("\"%s\" does not say \"%s\"", lab.complaint.text, words);
	}
	assert_null(strchr(lab.complaint.text, '\n'));
}

static int setup(void **state)
{
	const struct gds_generate_options as_godoxy = {0};

	(void)state;
	const char *temporary = getenv("TMPDIR");
	snprintf(lab.folder, sizeof(lab.folder), "%s/test-identity.XXXXXX",
		temporary ? temporary : P_tmpdir);
	assert_non_null(mkdtemp(lab.folder));
	assert_int_equal(gds_identity_generate_ca(&lab.ca, &as_godoxy, &lab.complaint), GDS_OK);
	assert_int_equal(gds_identity_generate_leaf(
				 &lab.server, lab.ca, GDS_LEAF_SERVER, &as_godoxy, &lab.complaint),
		GDS_OK);
	assert_int_equal(gds_identity_generate_leaf(
				 &lab.client, lab.ca, GDS_LEAF_CLIENT, &as_godoxy, &lab.complaint),
		GDS_OK);
	lab.other = odd_ca("another CA", 0);
	return 0;
}

static int teardown(void **state)
{
	DIR *folder = opendir(lab.folder);

	(void)state;
	assert_non_null(folder);
	for (struct dirent *entry; (entry = readdir(folder));) {
		unlink(path_of(entry->d_name));
	}
	closedir(folder);
	rmdir(lab.folder);
	gds_identity_free(lab.ca);
	gds_identity_free(lab.server);
	gds_identity_free(lab.client);
	odd_free(lab.other);
	return 0;
}

static void test_files(void **state)
{
	const char *ca = put("ca", lab.ca->ca);
	const char *cert = put("cert", lab.client->cert), *key = put("key", lab.client->key);
	struct gds_identity *id = NULL;

	(void)state;
	assert_int_equal(gds_identity_from_files(&id, ca, cert, key, &lab.complaint), GDS_OK);
	assert_string_equal(id->ca, lab.ca->ca);
	assert_string_equal(id->cert, lab.client->cert);
	assert_string_equal(id->key, lab.client->key);
	assert_null(id->ca_key);
	assert_string_equal(id->source, cert);
	gds_identity_free(id);

	assert_int_equal(gds_identity_from_files(&id, ca, NULL, NULL, &lab.complaint), GDS_OK);
	assert_null(id->cert);
	assert_null(id->key);
	gds_identity_free(id);
	gds_identity_free(NULL);
}

/** What a file is filled with. */
enum content {
	CA,
	CERT,
	KEY,
	OTHER_KEY,
	EMPTY,
	TEXT,
	GARBAGE,
	ENCRYPTED,
	CUT,
	HUGE,
	MISSING,
	ABSENT
};

static const char *content_of(enum content content)
{
	static char cut[128], huge[GDS_PEM_MAX + 2];

	switch (content) {
	case CA:
		return lab.ca->ca;
	case CERT:
		return lab.client->cert;
	case KEY:
		return lab.client->key;
	case OTHER_KEY:
		return lab.server->key;
	case EMPTY:
		return "";
	case TEXT:
		return "hello\n";
	case GARBAGE:
		return "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
		       "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
	case ENCRYPTED:
		return "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHsMFcG\n"
		       "-----END ENCRYPTED PRIVATE KEY-----\n";
	case CUT:
		snprintf(cut, sizeof(cut), "%s", lab.client->cert);
		return cut;
	case HUGE:
		memset(huge, 'x', sizeof(huge) - 1);
		return huge;
	case MISSING:
	case ABSENT:
		break;
	}
	return NULL;
}

static const char *place(const char *name, enum content content)
{
	const char *text = content_of(content);

	unlink(path_of(name));
	return content == ABSENT ? NULL : text ? put(name, text) : path_of(name);
}

static void test_bad_files(void **state)
{
	static const struct {
		enum content ca, cert, key;
		int status;
		const char *words;
	} rows[] = {
		{CA, KEY, CERT, GDS_E_FORMAT, "swapped"},
		{CA, CERT, CERT, GDS_E_FORMAT, "swapped"},
		{KEY, CERT, KEY, GDS_E_FORMAT, "swapped"},
		{CA, CERT, OTHER_KEY, GDS_E_FORMAT, "do not belong together"},
		{CA, CA, KEY, GDS_E_FORMAT, "do not belong together"},
		{EMPTY, CERT, KEY, GDS_E_FORMAT, "ca is empty"},
		{CA, EMPTY, KEY, GDS_E_FORMAT, "cert is empty"},
		{CA, CERT, EMPTY, GDS_E_FORMAT, "key is empty"},
		{TEXT, CERT, KEY, GDS_E_FORMAT, "holds no certificate"},
		{CA, CERT, TEXT, GDS_E_FORMAT, "holds no private key"},
		{GARBAGE, CERT, KEY, GDS_E_FORMAT, "cannot be parsed"},
		{CA, GARBAGE, KEY, GDS_E_FORMAT, "cannot be parsed"},
		{CA, CERT, GARBAGE, GDS_E_FORMAT, "cannot be parsed"},
		{CA, CERT, ENCRYPTED, GDS_E_FORMAT, "encrypted"},
		{CA, CUT, KEY, GDS_E_FORMAT, "cut off"},
		{HUGE, CERT, KEY, GDS_E_LIMIT, "larger than 64 KiB"},
		{MISSING, CERT, KEY, GDS_E_FILE, "does not exist"},
		{CA, MISSING, KEY, GDS_E_FILE, "does not exist"},
		{CA, CERT, ABSENT, GDS_E_INVALID, "without its private key"},
		{CA, ABSENT, KEY, GDS_E_INVALID, "without its certificate"},
		{ABSENT, CERT, KEY, GDS_E_INVALID, "no CA certificate"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gds_identity *untouched = (struct gds_identity *)&lab, *id = untouched;
		const char *ca = place("ca", rows[i].ca), *cert = place("cert", rows[i].cert);
		const char *key = place("key", rows[i].key);
		int status = gds_identity_from_files(&id, ca, cert, key, &lab.complaint);

		assert_words(rows[i].words);
		assert_int_equal(status, rows[i].status);
		assert_int_equal(lab.complaint.code, status);
		assert_ptr_equal(id, untouched);
	}
}

/* A file with certificate and key in it is fine for both, and the key stays out of the certificate.
 */
static void test_combined_file(void **state)
{
	char both[4096];
	struct gds_identity *id = NULL;

	(void)state;
	snprintf(both, sizeof(both), "Bag attributes\n%s%s%s", lab.client->key, lab.client->cert,
		lab.ca->ca);
	const char *path = put("both", both), *ca = put("ca", lab.ca->ca);
	assert_int_equal(gds_identity_from_files(&id, ca, path, path, &lab.complaint), GDS_OK);
	assert_null(strstr(id->cert, "PRIVATE"));
	assert_null(strstr(id->cert, "Bag"));
	assert_null(strstr(id->key, "CERTIFICATE"));
	snprintf(both, sizeof(both), "%s%s", lab.client->cert, lab.ca->ca);
	assert_string_equal(id->cert, both);
	assert_string_equal(id->key, lab.client->key);
	gds_identity_free(id);
}

static void test_nul_bytes(void **state)
{
	static const char hidden[] = "x\0-----BEGIN CERTIFICATE-----";
	struct gds_identity *id = NULL;
	const char *path = put_bytes("nul", hidden, sizeof(hidden));

	(void)state;
	assert_int_equal(
		gds_identity_from_files(&id, path, NULL, NULL, &lab.complaint), GDS_E_FORMAT);
	assert_words("NUL bytes");
}

static void test_zip_and_env_round_trip(void **state)
{
	const char *zip = path_of("a.zip"), *env = path_of("a.env");
	struct gds_identity *id = NULL;

	(void)state;
	assert_int_equal(gds_identity_write_zip(lab.client, zip, &lab.complaint), GDS_OK);
	assert_int_equal(gds_identity_from_path(&id, zip, &lab.complaint), GDS_OK);
	assert_string_equal(id->ca, lab.ca->ca);
	assert_string_equal(id->cert, lab.client->cert);
	assert_string_equal(id->key, lab.client->key);
	assert_string_equal(id->source, zip);
	gds_identity_free(id);

	assert_int_equal(gds_identity_write_env(lab.ca, lab.server, env, &lab.complaint), GDS_OK);
	assert_int_equal(gds_identity_from_env_file(&id, env, &lab.complaint), GDS_OK);
	assert_string_equal(id->ca, lab.ca->ca);
	assert_string_equal(id->ca_key, lab.ca->ca_key);
	assert_string_equal(id->cert, lab.server->cert);
	assert_string_equal(id->key, lab.server->key);
	gds_identity_free(id);

	assert_int_equal(
		gds_identity_write_zip(lab.ca, path_of("no"), &lab.complaint), GDS_E_INVALID);
	assert_int_equal(
		gds_identity_write_env(lab.server, lab.server, path_of("no"), &lab.complaint),
		GDS_E_INVALID);
	assert_int_not_equal(access(path_of("no"), F_OK), 0);
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

/* The umask neither opens nor closes what is written, and a file that was open to all does not stay
 * so. */
static void test_modes(void **state)
{
	static const mode_t masks[] = {0, 022, 0777};
	const char *path = put("secret", "old");
	DIR *folder;
	unsigned leftovers = 0;

	(void)state;
	assert_int_equal(chmod(path, 0666), 0);
	for (size_t i = 0; i < COUNT(masks); i++) {
		mode_t before = umask(masks[i]);
		int status = gds_identity_write_pem("key", path, 0600, &lab.complaint);
		assert_int_equal(status, GDS_OK);
		assert_int_equal(mode_of(path), 0600);
		assert_int_equal(
			gds_identity_write_pem("cert", path, 0644, &lab.complaint), GDS_OK);
		assert_int_equal(mode_of(path), 0644);
		umask(before);
	}
	/* A failure leaves nothing behind. */
	assert_int_equal(
		gds_identity_write_pem("x", path_of("none/x"), 0600, &lab.complaint), GDS_E_FILE);
	assert_words("none/x cannot be written");
	assert_int_equal(mkdir(path_of("taken"), 0700), 0);
	assert_int_equal(
		gds_identity_write_pem("x", path_of("taken"), 0600, &lab.complaint), GDS_E_FILE);
	rmdir(path_of("taken"));
	folder = opendir(lab.folder);
	for (struct dirent *entry; (entry = readdir(folder));) {
		leftovers += strncmp(entry->d_name, "taken", 5) == 0;
	}
	closedir(folder);
	assert_int_equal(leftovers, 0);
}

static void test_leaf_needs_a_ca_key(void **state)
{
	const struct gds_generate_options options = {0};
	struct gds_identity *id = NULL;

	(void)state;
	assert_int_equal(gds_identity_generate_leaf(
				 &id, lab.client, GDS_LEAF_CLIENT, &options, &lab.complaint),
		GDS_E_INVALID);
	assert_words("no CA key");
	assert_null(id);
}

static void test_generated_dates(void **state)
{
	static const struct {
		int64_t from, to, want_from, want_to; /* 0, 0: refused */
	} rows[] = {
		/* 2028-02-29 to 3028-02-29; 2000-02-29 to 3000-03-01; from Go's AddDate(1000, 0,
		   0). */
		{INT64_C(1835395200), 0, INT64_C(1835395200), INT64_C(33392304000)},
		{INT64_C(951782400), 0, INT64_C(951782400), INT64_C(32508777600)},
		{1, 2, 1, 2},
		{INT64_C(2147483647), INT64_C(2147483648), INT64_C(2147483647),
			INT64_C(2147483648)},
		{INT64_C(2524607999), INT64_C(2524608000), INT64_C(2524607999),
			INT64_C(2524608000)}, /* 2050: UTCTime ends, GeneralizedTime begins */
		{1, INT64_C(253402300799), 1, INT64_C(253402300799)},
		{1, INT64_C(253402300800), 0, 0},
		{INT64_C(253402300799), 0, 0, 0},
		{-1, 5, 0, 0},
		{5, 5, 0, 0},
		{6, 5, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gds_generate_options options = {
			.valid_from = rows[i].from, .valid_to = rows[i].to};
		struct gds_identity *id = NULL;
		struct gds_certificate c;
		int status = gds_identity_generate_leaf(
			&id, lab.ca, GDS_LEAF_CLIENT, &options, &lab.complaint);

		if (rows[i].want_to == 0) {
			assert_int_equal(status, GDS_E_INVALID);
			continue;
		}
		assert_int_equal(status, GDS_OK);
		assert_int_equal(gds_certificate_read(&c, id->cert), GDS_OK);
		assert_true(c.not_before == rows[i].want_from);
		assert_true(c.not_after == rows[i].want_to);
		gds_identity_free(id);
	}
}

/*
 * Whatever the top bits of the private number are, the file begins alike: SEQUENCE of 119 bytes,
 * version 1, OCTET STRING of 32 (RFC 5915 section 3). GnuTLS alone gets that wrong for half of all
 * keys.
 */
static void test_keys_have_one_length(void **state)
{
	static const char head[] = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEI";
	const struct gds_generate_options options = {0};

	(void)state;
	for (int i = 0; i < 64; i++) {
		struct gds_identity *id = NULL;

		assert_int_equal(gds_identity_generate_ca(&id, &options, &lab.complaint), GDS_OK);
		assert_memory_equal(id->ca_key, head, sizeof(head) - 1);
		assert_int_equal(strlen(id->ca_key), 227); /* that of the real agent's */
		gds_identity_free(id);
	}
}

static void test_rsa_leaf(void **state)
{
	const struct gds_generate_options options = {.leaf_rsa = true};
	struct gds_identity *id = NULL;
	struct gds_certificate c;

	(void)state;
	assert_int_equal(
		gds_identity_generate_leaf(&id, lab.ca, GDS_LEAF_SERVER, &options, &lab.complaint),
		GDS_OK);
	assert_int_equal(gds_certificate_read(&c, id->cert), GDS_OK);
	assert_string_equal(c.key, "RSA-2048");
	assert_true(c.rsa && c.server_auth && !c.client_auth);
	assert_int_equal(
		gds_certificate_judge(id->cert, lab.ca->ca, GDS_LEAF_SERVER, c.not_before), 0);
	gds_identity_free(id);
}

static void test_directories(void **state)
{
	const char *const names[] = {"ca.pem", "cert.pem", "key.pem", "client.pem", "client.key"};
	struct gds_identity *id = NULL;

	(void)state;
	assert_int_equal(gds_identity_from_path(&id, lab.folder, &lab.complaint), GDS_E_FILE);
	assert_words("has no cert.pem");
	put("ca.pem", lab.ca->ca);
	put("client.pem", lab.client->cert);
	put("client.key", lab.client->key);
	assert_int_equal(gds_identity_from_path(&id, lab.folder, &lab.complaint), GDS_OK);
	assert_string_equal(id->cert, lab.client->cert);
	gds_identity_free(id);
	/* cert.pem comes first. */
	put("cert.pem", lab.server->cert);
	put("key.pem", lab.server->key);
	assert_int_equal(gds_identity_from_path(&id, lab.folder, &lab.complaint), GDS_OK);
	assert_string_equal(id->cert, lab.server->cert);
	gds_identity_free(id);
	for (size_t i = 0; i < COUNT(names); i++) {
		unlink(path_of(names[i]));
	}
}

static void test_kinds(void **state)
{
	static const struct {
		const char *name, *text;
		enum gds_file_kind kind;
	} rows[] = {
		{"k1", "PK\003\004", GDS_FILE_ZIP},
		{"k2.zip", "hello", GDS_FILE_ZIP},
		{"k3", "-----BEGIN X-----", GDS_FILE_PEM},
		{"k4", "AGENT_CA_CERT=x", GDS_FILE_ENV},
		{"k5.env", "", GDS_FILE_ENV},
		{"k6", "", GDS_FILE_PEM},
	};
	enum gds_file_kind kind;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *path = put(rows[i].name, rows[i].text);
		assert_int_equal(gds_identity_kind(&kind, path, &lab.complaint), GDS_OK);
		assert_int_equal(kind, rows[i].kind);
	}
	assert_int_equal(gds_identity_kind(&kind, lab.folder, &lab.complaint), GDS_OK);
	assert_int_equal(kind, GDS_FILE_DIRECTORY);
	assert_int_equal(gds_identity_kind(&kind, "-", &lab.complaint), GDS_OK);
	assert_int_equal(kind, GDS_FILE_ENV);
	assert_int_equal(gds_identity_kind(&kind, path_of("none"), &lab.complaint), GDS_E_FILE);
}

/* GnuTLS can be made to run out of memory at every single step: a status each time, no leak, no
 * half result. */
static long allocations_left;

static void *failing_malloc(size_t n)
{
	return allocations_left-- > 0 ? malloc(n) : NULL;
}

static void test_out_of_memory(void **state)
{
	gnutls_alloc_function before = gnutls_malloc;
	const struct gds_generate_options options = {0};
	long steps = 0;
	int status;

	(void)state;
	do {
		struct gds_identity *id = NULL;

		allocations_left = steps++;
		gnutls_malloc = failing_malloc;
		status = gds_identity_generate_leaf(
			&id, lab.ca, GDS_LEAF_CLIENT, &options, &lab.complaint);
		gnutls_malloc = before;
		if (status != GDS_OK) {
			assert_null(id);
		}
		gds_identity_free(id);
		assert_true(steps < 10000);
	} while (status != GDS_OK);
	assert_true(steps > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_combined_file),
		cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_zip_and_env_round_trip),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_leaf_needs_a_ca_key),
		cmocka_unit_test(test_generated_dates),
		cmocka_unit_test(test_keys_have_one_length),
		cmocka_unit_test(test_rsa_leaf),
		cmocka_unit_test(test_directories),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
