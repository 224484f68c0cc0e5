/* SPDX-License-Identifier: MIT */
/* AGENT_CA_CERT and AGENT_SSL_CERT: base64(certificate PEM) ";" base64(key PEM) (CERT-03). */
#include "tls/identity_private.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r"

/** A value found in a file of settings; borrowed from it. */
struct value {
	const char *start;
	size_t size; /* [bytes] */
};

static const char *skip(const char *p, const char *end, const char *set)
{
	while (p < end && strchr(set, *p)) {
		p++;
	}
	return p;
}

/**
 * \return true when this line sets name. All forms that GoDoxy hands out: NAME=VALUE for a
 * service's environment file, NAME="VALUE" \ for its install script, NAME: "VALUE" and - NAME=VALUE
 * for compose.
 */
static bool line_sets(const char *p, const char *end, const char *name, struct value *out)
{
	static const char export[] = "export ";
	p = skip(p, end, BLANKS "-\"'");
	if ((size_t)(end - p) > strlen(export) && memcmp(p, export, strlen(export)) == 0) {
		p = skip(p + strlen(export), end, BLANKS);
	}
	size_t n = strlen(name);
	if ((size_t)(end - p) <= n || memcmp(p, name, n) != 0) {
		return false;
	}
	p = skip(p + n, end, BLANKS);
	if (p == end || !strchr("=:", *p)) {
		return false;
	}
	p = skip(p + 1, end, BLANKS "\"'");
	const char *last = p;
	while (last < end && !strchr(BLANKS "\"'", *last)) {
		last++;
	}
	*out = (struct value){.start = p, .size = (size_t)(last - p)};
	return true;
}

/** The last line that sets it wins, as in a shell. */
static bool find_value(const struct gds_bytes *file, const char *name, struct value *out)
{
	bool found = false;
	const char *end = file->data + file->size;
	for (const char *line = file->data; line < end;) {
		/* /proc/PID/environ ends its lines with NUL. */
		const char *stop = line;
		while (stop < end && *stop != '\n' && *stop != '\0') {
			stop++;
		}
		found = line_sets(line, stop, name, out) || found;
		line = stop + 1;
	}
	return found;
}

static int decode(struct gds_bytes *out, const struct value *text, const char *what,
	const char *name, const char *path, struct gds_complaint *complaint)
{
	if (text->size == 0) {
		return gds_complain(
			complaint, GDS_E_FORMAT, "%s of %s has an empty %s", name, path, what);
	}
	gnutls_datum_t in = {
		.data = (unsigned char *)(uintptr_t)text->start, .size = (unsigned)text->size};
	gnutls_datum_t decoded = {0};
	int ret = gnutls_base64_decode2(&in, &decoded);
	if (ret < 0) {
		return ret == GNUTLS_E_MEMORY_ERROR
			       ? gds_complain(complaint, GDS_E_NOMEM, "out of memory")
			       : gds_complain(complaint, GDS_E_FORMAT,
					 "the %s in %s of %s is not base64: was the value cut?",
					 what, name, path);
	}
	int status = GDS_OK;
	out->data = calloc(1, (size_t)decoded.size + 1);
	if (out->data) {
		memcpy(out->data, decoded.data, decoded.size);
		out->size = decoded.size;
	} else {
		status = gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	gnutls_memset(decoded.data, 0, decoded.size);
	gnutls_free(decoded.data);
	return status;
}

/** One variable: its certificate in pair[0], its key in pair[1]. */
static int load_variable(struct gds_bytes pair[static 2], const struct gds_bytes *file,
	const char *name, const char *path, struct gds_complaint *complaint)
{
	struct value value = {0};
	if (!find_value(file, name, &value)) {
		return gds_complain(complaint, GDS_E_FORMAT, "%s does not set %s", path, name);
	}
	const char *semicolon = memchr(value.start, ';', value.size);
	if (!semicolon) {
		return gds_complain(complaint, GDS_E_FORMAT,
			"%s of %s has no ';' between certificate and key: was the value cut?", name,
			path);
	}
	struct value cert = {value.start, (size_t)(semicolon - value.start)};
	struct value key = {semicolon + 1, value.size - cert.size - 1};
	if (memchr(key.start, ';', key.size)) {
		return gds_complain(complaint, GDS_E_FORMAT,
			"%s of %s has more than one ';': it wants a certificate and a key", name,
			path);
	}
	int status = decode(&pair[0], &cert, "certificate", name, path, complaint);
	if (status == GDS_OK) {
		status = decode(&pair[1], &key, "private key", name, path, complaint);
	}
	return status;
}

int gds_identity_from_env_file(
	struct gds_identity **out, const char *path, struct gds_complaint *complaint)
{
	static const struct {
		const char *name;
		enum gds_part_kind cert, key;
	} variables[] = {
		{"AGENT_CA_CERT", GDS_PART_CA, GDS_PART_CA_KEY},
		{"AGENT_SSL_CERT", GDS_PART_CERT, GDS_PART_KEY},
	};
	const char *shown = strcmp(path, "-") == 0 ? "standard input" : path;
	struct gds_bytes file = {0}, bytes[GDS_PARTS] = {{0}};
	struct gds_part parts[GDS_PARTS] = {{0}};
	char names[GDS_PARTS][256], source[256];
	int status = gds_file_read(&file, path, GDS_ENV_MAX, complaint);
	for (size_t i = 0; status == GDS_OK && i < sizeof(variables) / sizeof(variables[0]); i++) {
		enum gds_part_kind cert = variables[i].cert, key = variables[i].key;
		struct gds_bytes pair[2] = {{0}};
		status = load_variable(pair, &file, variables[i].name, shown, complaint);
		bytes[cert] = pair[0];
		bytes[key] = pair[1];
		snprintf(names[cert], sizeof(names[cert]), "the certificate in %s of %s",
			variables[i].name, shown);
		snprintf(names[key], sizeof(names[key]), "the key in %s of %s", variables[i].name,
			shown);
		parts[cert] = (struct gds_part){names[cert], pair[0].data, pair[0].size};
		parts[key] = (struct gds_part){names[key], pair[1].data, pair[1].size};
	}
	if (status == GDS_OK) {
		snprintf(source, sizeof(source), "AGENT_SSL_CERT of %s", shown);
		status = gds_identity_build(out, parts, source, complaint);
	}
	for (size_t i = 0; i < GDS_PARTS; i++) {
		gds_bytes_free(&bytes[i]);
	}
	gds_bytes_free(&file);
	return status;
}

static int encode(struct gds_bytes *out, const char *pem, struct gds_complaint *complaint)
{
	gnutls_datum_t in = gds_datum_of(pem);
	gnutls_datum_t encoded = {0};
	if (gnutls_base64_encode2(&in, &encoded) < 0) {
		return gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	}
	out->data = calloc(1, (size_t)encoded.size + 1);
	if (out->data) {
		memcpy(out->data, encoded.data, encoded.size);
		out->size = encoded.size;
	}
	gnutls_memset(encoded.data, 0, encoded.size);
	gnutls_free(encoded.data);
	return out->data ? GDS_OK : gds_complain(complaint, GDS_E_NOMEM, "out of memory");
}

int gds_identity_write_env(const struct gds_identity *ca, const struct gds_identity *server,
	const char *path, struct gds_complaint *complaint)
{
	const char *texts[GDS_PARTS] = {[GDS_PART_CA] = ca->ca,
		[GDS_PART_CA_KEY] = ca->ca_key,
		[GDS_PART_CERT] = server->cert,
		[GDS_PART_KEY] = server->key};
	struct gds_bytes encoded[GDS_PARTS] = {{0}};
	char *text = NULL;
	int n = 0, status = GDS_OK;
	for (size_t i = 0; status == GDS_OK && i < GDS_PARTS; i++) {
		status = texts[i] ? encode(&encoded[i], texts[i], complaint)
				  : gds_complain(complaint, GDS_E_INVALID,
					    "%s cannot be written: it needs the CA's key and a "
					    "server's certificate and key",
					    path);
	}
	if (status == GDS_OK) {
		n = asprintf(&text, "AGENT_CA_CERT=\"%s;%s\"\nAGENT_SSL_CERT=\"%s;%s\"\n",
			encoded[GDS_PART_CA].data, encoded[GDS_PART_CA_KEY].data,
			encoded[GDS_PART_CERT].data, encoded[GDS_PART_KEY].data);
		status = n < 0 ? gds_complain(complaint, GDS_E_NOMEM, "out of memory")
			       : gds_file_write(path, 0600, text, (size_t)n, complaint);
		gds_secret_free(n < 0 ? NULL : text, n < 0 ? 0 : (size_t)n);
	}
	for (size_t i = 0; i < GDS_PARTS; i++) {
		gds_bytes_free(&encoded[i]);
	}
	return status;
}
