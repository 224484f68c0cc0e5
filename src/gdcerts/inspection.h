/* SPDX-License-Identifier: MIT */
/** What was found in one file, for text and JSON alike. */
#ifndef GDS_GDCERTS_INSPECTION_H
#define GDS_GDCERTS_INSPECTION_H

#include <gdstream/identity.h>

#include <stdio.h>

#define ITEMS_MAX 16
#define PROBLEMS_MAX 48

enum role { ROLE_CA, ROLE_SERVER, ROLE_CLIENT, ROLE_EITHER, ROLE_NEITHER };

/** One certificate, or a key alone. */
struct item {
	enum role role;
	bool has_key;
	char key[32];		     /* its type, when has_key */
	struct gds_certificate cert; /* present = false: a key alone */
};

struct problem {
	const char *id;	       /* stable, for scripts */
	const char *statement; /* the id of what it breaks, or NULL */
	char text[512];
};

struct inspection {
	const char *path;
	enum gds_file_kind kind;
	bool unreadable; /* nothing could be judged: the only problem says why */
	struct item items[ITEMS_MAX];
	size_t n_items;
	struct problem problems[PROBLEMS_MAX];
	size_t n_problems;
};

/** \param ca_pem the CA of a PEM file's leaves; NULL: any signer will do. \param now wall [s]. */
void inspection_run(struct inspection *, const char *path, const char *ca_pem, int64_t now);
void inspection_print(const struct inspection *, FILE *);
/** One line of JSON. \return false without memory. */
bool inspection_print_json(const struct inspection *, int argc, char **argv, FILE *);

const char *role_name(enum role);
const char *kind_name(enum gds_file_kind);
/** "serverAuth" and so on: the usages this protocol knows. \return their number, at most 4. */
size_t usage_names(const struct gds_certificate *, const char *names[static 4]);

#endif
