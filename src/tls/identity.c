/* SPDX-License-Identifier: MIT */
/* An identity from PEM texts: what belongs where, and whether it belongs together. */
#include "tls/identity_private.h"

#include <gnutls/x509.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/** One "-----BEGIN LABEL-----" ... "-----END LABEL-----" inside a text. */
struct block {
	const char *label;
	size_t label_length;
	const char *start, *end; /* the whole block, end one past its last dash */
	bool cut;		 /* there is no END line */
};

#define BEGIN "-----BEGIN "
#define DASHES "-----"

/** \return true when there is a block at or after *from, which then moves behind it. */
static bool next_block(const char **from, struct block *out)
{
	const char *start = strstr(*from, BEGIN);
	if (!start) {
		return false;
	}
	const char *label = start + strlen(BEGIN);
	const char *dashes = strstr(label, DASHES);
	if (!dashes || (size_t)(dashes - label) > 64) {
		*out = (struct block){.label = label, .start = start, .end = label, .cut = true};
		*from = label;
		return true;
	}
	*out = (struct block){
		.label = label, .label_length = (size_t)(dashes - label), .start = start};
	char end_line[96];
	snprintf(end_line, sizeof(end_line), "-----END %.*s-----", (int)out->label_length, label);
	const char *end = strstr(dashes, end_line);
	out->cut = !end;
	out->end = end ? end + strlen(end_line) : dashes;
	*from = out->end;
	return true;
}

static bool label_is(const struct block *b, const char *label)
{
	return b->label_length == strlen(label) && memcmp(b->label, label, b->label_length) == 0;
}

/* Go takes no other label, so none is taken here. */
static bool is_certificate(const struct block *b)
{
	return label_is(b, "CERTIFICATE");
}

/* "PRIVATE KEY" and everything before it: EC, RSA, ENCRYPTED. */
static bool is_key(const struct block *b)
{
	static const char tail[] = "PRIVATE KEY";
	size_t n = sizeof(tail) - 1;
	return b->label_length >= n && memcmp(b->label + b->label_length - n, tail, n) == 0;
}

static bool is_encrypted(const struct block *b)
{
	/* PKCS #8 says so in the label, the traditional format in a header line (RFC 1421). */
	return label_is(b, "ENCRYPTED PRIVATE KEY") ||
	       memmem(b->start, (size_t)(b->end - b->start), "ENCRYPTED", 9);
}

static bool is_blank(const struct gds_part *part)
{
	return strspn(part->text, " \t\r\n") == part->size;
}

static bool has_block(const struct gds_part *part, bool (*is)(const struct block *))
{
	struct block b;
	for (const char *p = part->text; next_block(&p, &b);) {
		if (is(&b)) {
			return true;
		}
	}
	return false;
}

static int complain_missing(
	const struct gds_part *part, bool want_key, struct gds_complaint *complaint)
{
	const char *wanted = want_key ? "private key" : "certificate";
	if (has_block(part, want_key ? is_certificate : is_key)) {
		return gds_complain(complaint, GDS_E_FORMAT,
			"%s holds a %s where a %s is wanted: were certificate and key swapped?",
			part->name, want_key ? "certificate" : "private key", wanted);
	}
	if ((unsigned char)part->text[0] == 0x30 && part->size > 1) {
		return gds_complain(complaint, GDS_E_FORMAT,
			"%s is DER, not PEM: convert it with openssl %s -inform DER -in FILE",
			part->name, want_key ? "pkey" : "x509");
	}
	/* A NUL hides what comes behind it. */
	if (strlen(part->text) != part->size) {
		return gds_complain(complaint, GDS_E_FORMAT,
			"%s is no text: it has NUL bytes in it", part->name);
	}
	return gds_complain(
		complaint, GDS_E_FORMAT, "%s holds no %s in PEM form", part->name, wanted);
}

/**
 * Copy what a part is meant to hold: all certificates, or the first key. The rest stays behind, so
 * that a file with both never carries its key into a place for certificates.
 */
static int extract(
	char **out, const struct gds_part *part, bool want_key, struct gds_complaint *complaint)
{
	if (is_blank(part)) {
		return gds_complain(complaint, GDS_E_FORMAT, "%s is empty", part->name);
	}
	char *text = calloc(1, part->size + 2); /* one newline may be added */
	if (!text) {
		return gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	char *write = text;
	int status = GDS_OK;
	struct block b;
	for (const char *p = part->text; status == GDS_OK && next_block(&p, &b);) {
		if (want_key ? !is_key(&b) || write != text : !is_certificate(&b)) {
			continue;
		}
		if (b.cut) {
			status = gds_complain(complaint, GDS_E_FORMAT,
				"%s is cut off: a BEGIN line has no END line", part->name);
		} else if (want_key && is_encrypted(&b)) {
			status = gds_complain(complaint, GDS_E_FORMAT,
				"the private key in %s is encrypted: decrypt it with openssl pkey "
				"first, a server cannot ask for a passphrase",
				part->name);
		} else {
			write = mempcpy(write, b.start, (size_t)(b.end - b.start));
			*write++ = '\n';
		}
	}
	if (status == GDS_OK && write == text) {
		status = complain_missing(part, want_key, complaint);
	}
	if (status != GDS_OK) {
		gds_secret_free(text, part->size);
		return status;
	}
	*out = text;
	return GDS_OK;
}

static int complain_parse(
	const struct gds_part *part, const char *what, int ret, struct gds_complaint *complaint)
{
	if (ret == GNUTLS_E_MEMORY_ERROR) {
		return gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	return gds_complain(complaint, GDS_E_FORMAT, "the %s in %s cannot be parsed: %s", what,
		part->name, gnutls_strerror(ret));
}

static int key_id_of_certificates(const char *pem, const struct gds_part *part, uint8_t id[32],
	struct gds_complaint *complaint)
{
	gnutls_datum_t datum = gds_datum_of(pem);
	gnutls_x509_crt_t *list = NULL;
	unsigned n = 0;
	int ret = gnutls_x509_crt_list_import2(&list, &n, &datum, GNUTLS_X509_FMT_PEM, 0);
	if (ret >= 0) {
		size_t size = 32;
		ret = gnutls_x509_crt_get_key_id(list[0], GNUTLS_KEYID_USE_SHA256, id, &size);
		for (unsigned i = 0; i < n; i++) {
			gnutls_x509_crt_deinit(list[i]);
		}
		gnutls_free(list);
	}
	return ret < 0 ? complain_parse(part, "certificate", ret, complaint) : GDS_OK;
}

static int key_id_of_key(const char *pem, const struct gds_part *part, uint8_t id[32],
	struct gds_complaint *complaint)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_datum_t datum = gds_datum_of(pem);
	size_t size = 32;
	int ret = gnutls_x509_privkey_init(&key);
	if (ret >= 0) {
		ret = gnutls_x509_privkey_import2(key, &datum, GNUTLS_X509_FMT_PEM, NULL, 0);
	}
	if (ret >= 0) {
		ret = gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, id, &size);
	}
	gnutls_x509_privkey_deinit(key);
	return ret < 0 ? complain_parse(part, "private key", ret, complaint) : GDS_OK;
}

/** A certificate, a key, or both: extracted, parsed, and then of the same public key. */
static int load_pair(char **cert, char **key, const struct gds_part *cert_part,
	const struct gds_part *key_part, struct gds_complaint *complaint)
{
	uint8_t cert_id[32], key_id[32];
	int status = GDS_OK;
	if (cert_part->text) {
		status = extract(cert, cert_part, false, complaint);
		if (status == GDS_OK) {
			status = key_id_of_certificates(*cert, cert_part, cert_id, complaint);
		}
	}
	if (status == GDS_OK && key_part->text) {
		status = extract(key, key_part, true, complaint);
		if (status == GDS_OK) {
			status = key_id_of_key(*key, key_part, key_id, complaint);
		}
	}
	if (status != GDS_OK || !*cert || !*key || memcmp(cert_id, key_id, sizeof(key_id)) == 0) {
		return status;
	}
	if (strcmp(cert_part->name, key_part->name) == 0) {
		return gds_complain(complaint, GDS_E_FORMAT,
			"certificate and key in %s do not belong together", cert_part->name);
	}
	return gds_complain(complaint, GDS_E_FORMAT,
		"%s and %s do not belong together: the key is another certificate's",
		cert_part->name, key_part->name);
}

int gds_identity_build(struct gds_identity **out, const struct gds_part parts[static GDS_PARTS],
	const char *source, struct gds_complaint *complaint)
{
	struct gds_identity *id = calloc(1, sizeof(*id));
	if (!id || !(id->source = strdup(source))) {
		gds_identity_free(id);
		return gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	int status = load_pair(
		&id->ca, &id->ca_key, &parts[GDS_PART_CA], &parts[GDS_PART_CA_KEY], complaint);
	if (status == GDS_OK) {
		status = load_pair(&id->cert, &id->key, &parts[GDS_PART_CERT], &parts[GDS_PART_KEY],
			complaint);
	}
	if (status != GDS_OK) {
		gds_identity_free(id);
		return status;
	}
	*out = id;
	return GDS_OK;
}

void gds_identity_free(struct gds_identity *id)
{
	if (!id) {
		return;
	}
	free(id->ca);
	gds_secret_free_text(id->ca_key);
	free(id->cert);
	gds_secret_free_text(id->key);
	free(id->source);
	free(id);
}

static int load_files(struct gds_identity **out, const char *const paths[static GDS_PARTS],
	const char *source, struct gds_complaint *complaint)
{
	struct gds_bytes bytes[GDS_PARTS] = {{0}};
	struct gds_part parts[GDS_PARTS] = {{0}};
	int status = GDS_OK;
	for (size_t i = 0; status == GDS_OK && i < GDS_PARTS; i++) {
		if (paths[i]) {
			status = gds_file_read(&bytes[i], paths[i], GDS_PEM_MAX, complaint);
			parts[i] = (struct gds_part){paths[i], bytes[i].data, bytes[i].size};
		}
	}
	if (status == GDS_OK) {
		status = gds_identity_build(out, parts, source, complaint);
	}
	for (size_t i = 0; i < GDS_PARTS; i++) {
		gds_bytes_free(&bytes[i]);
	}
	return status;
}

int gds_identity_from_files(struct gds_identity **out, const char *ca, const char *cert,
	const char *key, struct gds_complaint *complaint)
{
	if (!ca) {
		return gds_complain(complaint, GDS_E_INVALID, "there is no CA certificate given");
	}
	if (!cert != !key) {
		return gds_complain(complaint, GDS_E_INVALID, "%s is given without its %s",
			cert ? cert : key, cert ? "private key" : "certificate");
	}
	const char *const paths[GDS_PARTS] = {
		[GDS_PART_CA] = ca, [GDS_PART_CERT] = cert, [GDS_PART_KEY] = key};
	return load_files(out, paths, cert ? cert : ca, complaint);
}

int gds_identity_from_ca(struct gds_identity **out, const char *ca, const char *ca_key,
	struct gds_complaint *complaint)
{
	const char *const paths[GDS_PARTS] = {[GDS_PART_CA] = ca, [GDS_PART_CA_KEY] = ca_key};
	return load_files(out, paths, ca, complaint);
}

int gds_identity_from_pem(
	struct gds_identity **out, const char *path, struct gds_complaint *complaint)
{
	struct gds_bytes bytes = {0};
	int status = gds_file_read(&bytes, path, GDS_PEM_MAX, complaint);
	if (status != GDS_OK) {
		return status;
	}
	const struct gds_part whole = {path, bytes.data, bytes.size}, none = {0};
	bool has_key = has_block(&whole, is_key);
	/* With neither in it, the complaint is about the certificate. */
	bool has_cert = !has_key || has_block(&whole, is_certificate);
	struct gds_part parts[GDS_PARTS] = {
		[GDS_PART_CERT] = has_cert ? whole : none, [GDS_PART_KEY] = has_key ? whole : none};
	status = gds_identity_build(out, parts, path, complaint);
	gds_bytes_free(&bytes);
	return status;
}

int gds_identity_kind(enum gds_file_kind *out, const char *path, struct gds_complaint *complaint)
{
	struct stat st;
	struct gds_bytes bytes = {0};
	if (strcmp(path, "-") == 0) {
		*out = GDS_FILE_ENV;
		return GDS_OK;
	}
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		*out = GDS_FILE_DIRECTORY;
		return GDS_OK;
	}
	int status = gds_file_read(&bytes, path, GDS_ZIP_SIZE_MAX, complaint);
	if (status != GDS_OK) {
		return status;
	}
	const char *dot = strrchr(path, '.');
	if ((bytes.size >= 2 && memcmp(bytes.data, "PK", 2) == 0) ||
		(dot && strcmp(dot, ".zip") == 0)) {
		*out = GDS_FILE_ZIP;
	} else if (memmem(bytes.data, bytes.size, BEGIN, strlen(BEGIN))) {
		*out = GDS_FILE_PEM;
	} else if (memmem(bytes.data, bytes.size, "AGENT_", 6) ||
		   (dot && strcmp(dot, ".env") == 0)) {
		*out = GDS_FILE_ENV;
	} else {
		*out = GDS_FILE_PEM;
	}
	gds_bytes_free(&bytes);
	return GDS_OK;
}

static bool join(char out[static PATH_MAX], const char *folder, const char *name)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);
	return n > 0 && n < PATH_MAX;
}

static int from_directory(
	struct gds_identity **out, const char *folder, struct gds_complaint *complaint)
{
	static const char *const pairs[][2] = {
		{"cert.pem", "key.pem"}, {"client.pem", "client.key"}};
	char ca[PATH_MAX], cert[PATH_MAX], key[PATH_MAX];
	struct stat st;
	if (!join(ca, folder, "ca.pem")) {
		return gds_complain(complaint, GDS_E_FILE, "%.100s... is too long a path", folder);
	}
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (join(cert, folder, pairs[i][0]) && join(key, folder, pairs[i][1]) &&
			stat(cert, &st) == 0) {
			return gds_identity_from_files(out, ca, cert, key, complaint);
		}
	}
	return gds_complain(complaint, GDS_E_FILE,
		"%s has no cert.pem in it: an identity is a directory with ca.pem, cert.pem and "
		"key.pem",
		folder);
}

int gds_identity_from_path(
	struct gds_identity **out, const char *path, struct gds_complaint *complaint)
{
	struct stat st;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		return from_directory(out, path, complaint);
	}
	struct gds_bytes zip = {0};
	int status = gds_file_read(&zip, path, GDS_ZIP_SIZE_MAX, complaint);
	if (status == GDS_OK) {
		status = gds_identity_from_zip(out, &zip, path, complaint);
	}
	gds_bytes_free(&zip);
	return status;
}
