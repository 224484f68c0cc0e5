/* SPDX-License-Identifier: MIT */
/** gdcerts inside: the sub-commands and what they share. */
#ifndef GDS_GDCERTS_GDCERTS_H
#define GDS_GDCERTS_GDCERTS_H

#include <gdstream/identity.h>

#include <limits.h>
#include <stdint.h>

/** DESIGN: the one table of exit codes. */
enum gdcerts_exit { GDCERTS_OK = 0, GDCERTS_FINDING = 1, GDCERTS_FAILED = 3 };

/** A sub-command, with the whole argv: its name is argv[1]. \return the exit code. */
int gdcerts_new(int argc, char **argv);
int gdcerts_renew(int argc, char **argv);
int gdcerts_inspect(int argc, char **argv);
int gdcerts_header(int argc, char **argv);

/** "gdcerts: SENTENCE" on stderr. \return GDCERTS_FAILED. */
int gdcerts_fail(const char *sentence);

/**
 * "YYYY-MM-DD" or "YYYY-MM-DDTHH:MM:SSZ" (UTC) as wall seconds, years 1970 to 9999.
 * \return GDS_OK, GDS_E_INVALID with a sentence.
 */
int gdcerts_date_parse(const char *text, int64_t *out, struct gds_complaint *complaint);

#define GDCERTS_DAY INT64_C(86400) /* [s] */
#define GDCERTS_DAYS_MAX 2932896   /* 1970 to 9999 */

/** What new makes and renew renews. */
struct gdcerts_set {
	struct gds_identity *ca, *server, *client;
};

/** "folder/name" \return GDS_OK, GDS_E_FILE when it is too long. */
int gdcerts_join(char out[static PATH_MAX], const char *folder, const char *name,
	struct gds_complaint *complaint);
/** A CA to sign with: ca.pem and ca.key of a directory, or AGENT_CA_CERT of a file. */
int gdcerts_load_ca(struct gds_identity **out, const char *from, struct gds_complaint *complaint);
/** A server's and a client's certificate of set->ca, with these dates; rsa is for the server. */
int gdcerts_generate_leaves(struct gdcerts_set *set, const struct gds_generate_options *dates,
	bool rsa, struct gds_complaint *complaint);
/** What was made, and where it belongs, on stdout. */
void gdcerts_report(const struct gdcerts_set *set, const char *folder);
void gdcerts_set_clear(struct gdcerts_set *set);

#endif
