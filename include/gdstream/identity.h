/* SPDX-License-Identifier: MIT */
/** Who we are and whom we trust: certificates and keys from PEM files, agent zips, AGENT_* values,
 * or fresh. */
#ifndef GDSTREAM_IDENTITY_H
#define GDSTREAM_IDENTITY_H

#include <gdstream/api.h>
#include <gdstream/error.h>

#include <stdbool.h>
#include <stddef.h>

GDS_BEGIN_DECLS

#define GDS_PEM_MAX 65536 /* [bytes] of one PEM file or zip entry */
#define GDS_ZIP_ENTRIES_MAX 16
#define GDS_ZIP_SIZE_MAX (1 << 20) /* [bytes] of a zip file */
#define GDS_ENV_MAX (1 << 18)	   /* [bytes] of a file with AGENT_* values */

/**
 * PEM texts, NUL-terminated, each owned by the identity, any may be NULL. ca and cert hold
 * certificates only, whatever else the file had; keys hold one key. Keys are wiped when freed.
 */
struct gds_identity {
	char *ca, *ca_key; /* the CA that signs both sides; its key only where we sign ourselves */
	char *cert, *key;  /* our own leaf; NULL: we have none */
	char *source;	   /* where it came from, for messages: a path, "AGENT_SSL_CERT of FILE" */
};

/**
 * All loaders: \param out filled on GDS_OK, freed with gds_identity_free; on an error untouched.
 * \return GDS_OK; GDS_E_FILE, GDS_E_FORMAT, GDS_E_LIMIT, GDS_E_NOMEM with one sentence in
 * complaint. They check that each PEM parses, that cert and key belong together, that keys are not
 * encrypted, and that certificate and key files were not swapped; not dates, signer or usage:
 * gds_certificate_judge does.
 */

/** cert and key may both be NULL (no certificate of our own). Unreadable files: owner and mode are
 * named. */
int gds_identity_from_files(struct gds_identity **out, const char *ca, const char *cert,
	const char *key, struct gds_complaint *complaint);
/** A CA to sign with: ca and ca_key. */
int gds_identity_from_ca(struct gds_identity **out, const char *ca, const char *ca_key,
	struct gds_complaint *complaint);
/**
 * The zip that GoDoxy keeps (CERT-04), or a directory with ca.pem, cert.pem, key.pem; in a
 * directory without cert.pem client.pem and client.key serve as well (what gdcerts writes).
 */
int gds_identity_from_path(
	struct gds_identity **out, const char *path, struct gds_complaint *complaint);
/**
 * AGENT_CA_CERT and AGENT_SSL_CERT (CERT-03), "-" for stdin. NAME=VALUE lines with optional
 * "export" and quotes, the "NAME: VALUE" lines of GoDoxy's compose file, or /proc/PID/environ. cert
 * and key are then a server's, and ca_key is there.
 */
int gds_identity_from_env_file(
	struct gds_identity **out, const char *path, struct gds_complaint *complaint);
/**
 * Any PEM file, for a look at it: all its certificates in cert, its key in key, at least one of the
 * two; both together must belong together. ca is NULL.
 */
int gds_identity_from_pem(
	struct gds_identity **out, const char *path, struct gds_complaint *complaint);

enum gds_file_kind { GDS_FILE_PEM, GDS_FILE_ZIP, GDS_FILE_ENV, GDS_FILE_DIRECTORY };
/** Which of the loaders a path is for, by its content; "-" is GDS_FILE_ENV. \return GDS_OK,
 * GDS_E_FILE. */
int gds_identity_kind(enum gds_file_kind *out, const char *path, struct gds_complaint *complaint);
/** Accepts NULL. Wipes keys. */
void gds_identity_free(struct gds_identity *);

enum gds_leaf { GDS_LEAF_SERVER, GDS_LEAF_CLIENT };

/** What to generate differently from GoDoxy's own; zeroed = exactly as GoDoxy (CERT-01, CERT-02).
 */
struct gds_generate_options {
	/* wall [s since 1970], years 1950 to 9999; 0: now, and 1000 years later. Not gds_time: year
	 * 9999 does not fit into 64 bits of nanoseconds. */
	int64_t valid_from, valid_to;
	bool leaf_rsa; /* the RSA era: RSA-2048 leaf (CERT-05) */
	/* Of a deliberately odd leaf; NULL: GoDoxy's name. "": no subjectAltName. */
	const char *common_name, *san;
};

/** A fresh CA in ca and ca_key (cert, key NULL). */
int gds_identity_generate_ca(struct gds_identity **out, const struct gds_generate_options *,
	struct gds_complaint *complaint);
/** A leaf signed by the CA key of from: out has ca, cert, key, no ca_key. GDS_E_INVALID when from
 * has no CA key. */
int gds_identity_generate_leaf(struct gds_identity **out, const struct gds_identity *from,
	enum gds_leaf, const struct gds_generate_options *, struct gds_complaint *complaint);
/** Write as the zip GoDoxy keeps: ca.pem, cert.pem, key.pem stored, file mode 0600, replaced
 * atomically. */
int gds_identity_write_zip(
	const struct gds_identity *, const char *path, struct gds_complaint *complaint);
/** Write an agent's environment file, mode 0600: AGENT_CA_CERT (with CA key) and AGENT_SSL_CERT of
 * server. */
int gds_identity_write_env(const struct gds_identity *ca, const struct gds_identity *server,
	const char *path, struct gds_complaint *complaint);
/** The files of a set, in the order in which they are written; those with a key have mode 0600. */
#define GDS_SET_FILES 8
extern const char *const gds_identity_set_files[GDS_SET_FILES];
/**
 * Write CA, server and client in all the forms that GoDoxy hands out: ca.pem, ca.key, server.pem,
 * server.key, client.pem, client.key, agent.env, client.zip. folder is made, 0700, when it is not
 * there; files are replaced.
 */
int gds_identity_write_set(const struct gds_identity *ca, const struct gds_identity *server,
	const struct gds_identity *client, const char *folder, struct gds_complaint *complaint);
/** Write one PEM text to path with mode, replaced atomically. */
int gds_identity_write_pem(
	const char *pem, const char *path, unsigned mode, struct gds_complaint *complaint);

/** What a certificate says. All text is NUL-terminated, unprintable bytes escaped. */
struct gds_certificate {
	bool present;
	char subject[256], issuer[256];
	char serial[64]; /* hex */
	char key[32];	 /* "ECDSA P-256", "RSA-2048", "Ed25519" */
	bool rsa;
	char names[256]; /* dNSName SANs, comma separated; empty = none */
	bool has_san;	 /* a subjectAltName of any kind */
	bool is_ca, cert_sign;
	bool server_auth, client_auth; /* usable for; both true when there is no EKU */
	bool digital_signature;
	int64_t not_before, not_after; /* wall [s since 1970], 64 bits: year 3026 (CERT-02) */
	char fingerprint[65];	       /* SHA-256 of the DER, hex */
};

/** Read the facts of a PEM certificate (the first in the text). \return GDS_OK, GDS_E_FORMAT. */
int gds_certificate_read(struct gds_certificate *out, const char *pem);
/** The type of a PEM private key, in the words of gds_certificate.key. \return GDS_OK,
 * GDS_E_FORMAT. */
int gds_key_read(char type[GDS_AT_LEAST(32)], const char *pem);
/**
 * Judge a certificate against a CA as a peer in that role would (dates, signer, purpose, and for a
 * server the name). \param now wall [s]. \return gds_verify_flag bits, 0 = acceptable.
 */
unsigned gds_certificate_judge(
	const char *pem, const char *ca_pem, enum gds_leaf role, int64_t now);
/** Format wall seconds as "YYYY-MM-DD HH:MM:SS UTC" with 64-bit arithmetic. \return text. */
const char *gds_date_format(int64_t seconds, char text[GDS_AT_LEAST(40)]);

GDS_END_DECLS

#endif
