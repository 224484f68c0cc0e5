/* SPDX-License-Identifier: MIT */
/* The zip GoDoxy keeps for an agent (CERT-04): ca.pem, cert.pem, key.pem. */
#include "tls/identity_private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

/** The entries and the parts they hold; other entries are ignored, as GoDoxy does. */
static const struct {
	enum gds_part_kind part;
	const char *name;
} entries[] = {
	{GDS_PART_CA, "ca.pem"},
	{GDS_PART_CERT, "cert.pem"},
	{GDS_PART_KEY, "key.pem"},
};
#define ENTRIES (sizeof(entries) / sizeof(entries[0]))

struct archive {
	zip_t *zip;
	const char *path;
	struct gds_complaint *complaint;
	zip_stat_t stats[GDS_ZIP_ENTRIES_MAX];
	size_t n;
};

static int open_zip(struct archive *a, const struct gds_bytes *bytes)
{
	/* libzip takes no bytes at all for a zip without entries. */
	if (bytes->size == 0) {
		return gds_complain(a->complaint, GDS_E_FORMAT, "%s is empty", a->path);
	}
	zip_error_t error;
	zip_error_init(&error);
	int status = GDS_OK;
	zip_source_t *source = zip_source_buffer_create(bytes->data, bytes->size, 0, &error);
	if (source) {
		a->zip = zip_open_from_source(source, ZIP_RDONLY, &error);
	}
	if (!a->zip) {
		if (zip_error_code_zip(&error) == ZIP_ER_MEMORY) {
			status = gds_complain(a->complaint, GDS_E_NOMEM, "out of memory");
		} else {
			status = gds_complain(a->complaint, GDS_E_FORMAT,
				"%s is no zip file: give the agent's zip, or a directory with "
				"ca.pem, cert.pem and key.pem",
				a->path);
		}
		zip_source_free(source);
	}
	zip_error_fini(&error);
	return status;
}

/* A name that leads out of its folder has no business here, wanted entry or not. */
static bool is_plain_name(const char *name)
{
	return name[0] != '\0' && !strpbrk(name, "/\\") && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

/** Everything that can be refused from the directory alone, before a byte is inflated. */
static int judge_entry(struct archive *a, size_t i)
{
	zip_stat_t *st = &a->stats[i];
	zip_uint64_t need = ZIP_STAT_NAME | ZIP_STAT_SIZE;
	if (zip_stat_index(a->zip, i, 0, st) < 0 || (st->valid & need) != need) {
		return gds_complain(a->complaint, GDS_E_FORMAT,
			"%s is damaged: entry %zu cannot be read", a->path, i + 1);
	}
	if (!is_plain_name(st->name)) {
		return gds_complain(a->complaint, GDS_E_FORMAT,
			"%s is refused: entry %zu has a path for a name, which no agent's zip has",
			a->path, i + 1);
	}
	if (st->size > GDS_PEM_MAX) {
		return gds_complain(a->complaint, GDS_E_LIMIT,
			"%s is refused: an entry would grow to %ju bytes, and no certificate "
			"is larger than %d",
			a->path, (uintmax_t)st->size, GDS_PEM_MAX);
	}
	for (size_t j = 0; j < i; j++) {
		if (strcmp(a->stats[j].name, st->name) == 0) {
			return gds_complain(a->complaint, GDS_E_FORMAT,
				"%s is refused: it has two entries of the same name", a->path);
		}
	}
	return GDS_OK;
}

static int judge_archive(struct archive *a)
{
	zip_int64_t n = zip_get_num_entries(a->zip, 0);
	if (n < 0 || n > GDS_ZIP_ENTRIES_MAX) {
		return gds_complain(a->complaint, GDS_E_LIMIT,
			"%s is refused: it has %jd entries, an agent's zip has 3 and %d are "
			"allowed",
			a->path, (intmax_t)n, GDS_ZIP_ENTRIES_MAX);
	}
	a->n = (size_t)n;
	int status = GDS_OK;
	for (size_t i = 0; status == GDS_OK && i < a->n; i++) {
		status = judge_entry(a, i);
	}
	return status;
}

static int complain_entry(struct archive *a, const char *name, const char *what)
{
	return gds_complain(a->complaint, GDS_E_FORMAT, "%s in %s %s", name, a->path, what);
}

/* The directory may lie about the size: never inflate beyond the bound, but see the one byte more.
 */
static int inflate_entry(
	struct archive *a, zip_file_t *file, const zip_stat_t *st, struct gds_bytes *out)
{
	out->data = calloc(1, GDS_PEM_MAX + 1);
	if (!out->data) {
		return gds_complain(a->complaint, GDS_E_NOMEM, "out of memory");
	}
	zip_int64_t n = zip_fread(file, out->data, GDS_PEM_MAX + 1);
	out->size = n > 0 ? (size_t)n : 0;
	if (n > GDS_PEM_MAX) {
		return gds_complain(a->complaint, GDS_E_LIMIT,
			"%s in %s is refused: it grows beyond %d bytes", st->name, a->path,
			GDS_PEM_MAX);
	}
	/* A wrong checksum shows in the read after the last byte. */
	char none;
	if (n < 0 || out->size != st->size || zip_fread(file, &none, 1) != 0) {
		return complain_entry(a, st->name, "is damaged: fetch the zip again");
	}
	return GDS_OK;
}

static int read_entry(struct archive *a, const char *name, struct gds_bytes *out)
{
	zip_int64_t index = zip_name_locate(a->zip, name, 0);
	if (index < 0) {
		return gds_complain(a->complaint, GDS_E_FORMAT,
			"%s has no %s in it: an agent's zip has ca.pem, cert.pem and key.pem",
			a->path, name);
	}
	const zip_stat_t *st = &a->stats[index];
	if ((st->valid & ZIP_STAT_ENCRYPTION_METHOD) && st->encryption_method != ZIP_EM_NONE) {
		return complain_entry(a, name, "is encrypted: pack it without a password");
	}
	zip_file_t *file = zip_fopen_index(a->zip, (zip_uint64_t)index, 0);
	if (!file) {
		return complain_entry(a, name, "is packed in a way that cannot be read");
	}
	int status = inflate_entry(a, file, st, out);
	zip_fclose(file);
	return status;
}

int gds_identity_from_zip(struct gds_identity **out, const struct gds_bytes *zip, const char *path,
	struct gds_complaint *complaint)
{
	struct archive a = {.path = path, .complaint = complaint};
	struct gds_bytes bytes[ENTRIES] = {{0}};
	struct gds_part parts[GDS_PARTS] = {{0}};
	char names[ENTRIES][256];
	int status = open_zip(&a, zip);
	if (status == GDS_OK) {
		status = judge_archive(&a);
	}
	for (size_t i = 0; status == GDS_OK && i < ENTRIES; i++) {
		status = read_entry(&a, entries[i].name, &bytes[i]);
		snprintf(names[i], sizeof(names[i]), "%s in %s", entries[i].name, path);
		parts[entries[i].part] = (struct gds_part){names[i], bytes[i].data, bytes[i].size};
	}
	if (status == GDS_OK) {
		status = gds_identity_build(out, parts, path, complaint);
	}
	for (size_t i = 0; i < ENTRIES; i++) {
		gds_bytes_free(&bytes[i]);
	}
	if (a.zip) {
		zip_discard(a.zip);
	}
	return status;
}

static const char *part_of(const struct gds_identity *id, enum gds_part_kind part)
{
	return part == GDS_PART_CA ? id->ca : part == GDS_PART_CERT ? id->cert : id->key;
}

static bool add_entries(zip_t *zip, const struct gds_identity *id)
{
	for (size_t i = 0; i < ENTRIES; i++) {
		const char *text = part_of(id, entries[i].part);
		zip_source_t *source = zip_source_buffer(zip, text, strlen(text), 0);
		zip_int64_t index = source ? zip_file_add(zip, entries[i].name, source, 0) : -1;
		if (index < 0) {
			zip_source_free(source);
			return false;
		}
		zip_uint64_t at = (zip_uint64_t)index;
		/* Stored, as GoDoxy writes it (docs/godoxy-facts.md section 8); 0600 for who
		 * unpacks it. */
		if (zip_set_file_compression(zip, at, ZIP_CM_STORE, 0) < 0 ||
			zip_file_set_external_attributes(zip, at, 0, ZIP_OPSYS_UNIX,
				(zip_uint32_t)(S_IFREG | 0600) << 16) < 0) {
			return false;
		}
	}
	return true;
}

/** \param source a buffer that holds the zip afterwards; the caller's in any case. */
static bool pack(zip_source_t *source, const struct gds_identity *id, zip_error_t *error)
{
	zip_t *zip = zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, error);
	if (!zip) {
		return false;
	}
	zip_source_keep(source);
	if (!add_entries(zip, id) || zip_close(zip) < 0) {
		zip_discard(zip);
		return false;
	}
	return true;
}

static bool unload(zip_source_t *source, struct gds_bytes *out)
{
	zip_stat_t st;
	if (zip_source_stat(source, &st) < 0 || !(st.valid & ZIP_STAT_SIZE) ||
		st.size > GDS_ZIP_SIZE_MAX || zip_source_open(source) < 0) {
		return false;
	}
	out->data = calloc(1, (size_t)st.size + 1);
	out->size = out->data ? (size_t)st.size : 0;
	bool whole =
		out->data && zip_source_read(source, out->data, st.size) == (zip_int64_t)st.size;
	zip_source_close(source);
	return whole;
}

int gds_identity_write_zip(
	const struct gds_identity *id, const char *path, struct gds_complaint *complaint)
{
	if (!id->ca || !id->cert || !id->key) {
		return gds_complain(complaint, GDS_E_INVALID,
			"%s cannot be written: a zip needs a CA, a certificate and its key", path);
	}
	struct gds_bytes bytes = {0};
	zip_error_t error;
	zip_error_init(&error);
	zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &error);
	int status;
	if (source && pack(source, id, &error) && unload(source, &bytes)) {
		status = gds_file_write(path, 0600, bytes.data, bytes.size, complaint);
	} else {
		status = gds_complain(complaint, GDS_E_NOMEM, "%s cannot be packed", path);
	}
	gds_bytes_free(&bytes);
	zip_source_free(source);
	zip_error_fini(&error);
	return status;
}
