/* SPDX-License-Identifier: MIT */
/** Inside tls/ only: what the sources of an identity (files, zip, AGENT_* values) share. */
#ifndef GDS_TLS_IDENTITY_PRIVATE_H
#define GDS_TLS_IDENTITY_PRIVATE_H

#include <gdstream/identity.h>

#include <gnutls/gnutls.h>
#include <stdint.h>
#include <string.h>

/** Bytes on the heap, followed by a NUL that size does not count. Wiped when freed: they may hold a
 * key. */
struct gds_bytes {
	char *data;
	size_t size; /* [bytes] */
};

/** A text as GnuTLS takes it. */
static inline gnutls_datum_t gds_datum_of(const char *text)
{
	return (gnutls_datum_t){
		.data = (unsigned char *)(uintptr_t)text, .size = (unsigned)strlen(text)};
}

/** Accepts NULL. Wipes n bytes first, or all up to the NUL. */
void gds_secret_free(char *text, size_t n);
void gds_secret_free_text(char *text);
void gds_bytes_free(struct gds_bytes *);

/**
 * Read a regular file, "-" for stdin.
 * \param max [bytes] more is refused. \return GDS_OK, GDS_E_FILE, GDS_E_LIMIT, GDS_E_NOMEM.
 */
int gds_file_read(
	struct gds_bytes *out, const char *path, size_t max, struct gds_complaint *complaint);
/** Write with mode to a new file beside path, then move it there: never half a file, never a
 * moment's wrong mode. */
int gds_file_write(const char *path, unsigned mode, const char *data, size_t n,
	struct gds_complaint *complaint);

/** The four texts an identity may be built from. */
enum gds_part_kind { GDS_PART_CA, GDS_PART_CA_KEY, GDS_PART_CERT, GDS_PART_KEY, GDS_PARTS };
struct gds_part {
	const char *name; /* for messages: a path, "key.pem in FILE" */
	const char *text; /* NULL: absent; NUL-terminated beyond size */
	size_t size;	  /* [bytes] */
};

/** Check the parts (see the loaders' contract) and copy what belongs to each. source is copied. */
int gds_identity_build(struct gds_identity **out, const struct gds_part parts[static GDS_PARTS],
	const char *source, struct gds_complaint *complaint);
/** The part of identity_zip.c in gds_identity_from_path: bytes of a zip file. */
int gds_identity_from_zip(struct gds_identity **out, const struct gds_bytes *zip, const char *path,
	struct gds_complaint *complaint);

#endif
