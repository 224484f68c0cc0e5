/* SPDX-License-Identifier: MIT */
/* gdcerts renew: new leaves of the same CA, in a directory that gdcerts new made. */
#include "cli/options.h"
#include "gdcerts/gdcerts.h"

#include <gdstream/env.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
	bool force;
	long days; /* 0: not given */
};

static int set_force(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->force = true;
	return GDS_OK;
}

static int set_days(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gds_number_parse(
		value, 1, GDCERTS_DAYS_MAX, &((struct options *)ctx)->days, complaint);
}

static const struct gds_option table[] = {
	{'f', "force", NULL, "replace the *.old files of an earlier renewal", set_force},
	{0, "days", "N", "valid for N days, instead of 1000 years", set_days},
};

static const struct gds_program program = {
	.name = "gdcerts renew",
	.purpose =
		"Make new server and client certificates, of the same CA and with the same names, "
		"in a directory that gdcerts new made; what was there is kept as *.old.",
	.usage = "[OPTION]... DIR",
	.options = table,
	.n = sizeof(table) / sizeof(table[0]),
	.examples = "Examples:\n"
		    "  gdcerts renew certs\n"
		    "Of an agent's own CA, which is in its environment:\n"
		    "  gdcerts new --from agent.env certs",
	.usage_exit = GDCERTS_FAILED,
};

/* A file of the set, and the name it is kept under; a CA's files stay as they are. */
static bool is_renewed(size_t i)
{
	return strncmp(gds_identity_set_files[i], "ca.", 3) != 0;
}

static int names_of(size_t i, const char *folder, char path[static PATH_MAX],
	char old[static PATH_MAX], struct gds_complaint *complaint)
{
	char name[32];
	snprintf(name, sizeof(name), "%s.old", gds_identity_set_files[i]);
	int status = gdcerts_join(path, folder, gds_identity_set_files[i], complaint);
	return status == GDS_OK ? gdcerts_join(old, folder, name, complaint) : status;
}

static int refuse_what_is_no_set(const char *folder, struct gds_complaint *complaint)
{
	enum gds_file_kind kind;
	int status = gds_identity_kind(&kind, folder, complaint);
	if (status == GDS_OK && kind == GDS_FILE_ENV) {
		return gds_complain(complaint, GDS_E_INVALID,
			"%s is no directory but AGENT_* values: new certificates of their CA are "
			"made by gdcerts new --from %s DIR",
			folder, folder);
	}
	return status;
}

static int judge_ca(const struct gds_identity *ca, int64_t now, const char *folder,
	struct gds_complaint *complaint)
{
	struct gds_certificate facts = {0};
	char date[40];
	int status = gds_certificate_read(&facts, ca->ca);
	if (status != GDS_OK) {
		return gds_complain(complaint, status, "%s/ca.pem cannot be parsed", folder);
	}
	if (!facts.is_ca) {
		return gds_complain(complaint, GDS_E_INVALID,
			"%s/ca.pem is no CA certificate: nothing can be signed with it", folder);
	}
	if (facts.not_after < now || facts.not_before > now) {
		bool expired = facts.not_after < now;
		return gds_complain(complaint, GDS_E_INVALID,
			"the CA in %s %s %s: new certificates of it would not be accepted, make a "
			"new CA with gdcerts new",
			folder, expired ? "expired on" : "is not valid before",
			gds_date_format(expired ? facts.not_after : facts.not_before, date));
	}
	return GDS_OK;
}

/* Names stay the same only where GoDoxy's are there; a date that has passed is why one renews. */
static int judge_leaf(const struct gds_identity *ca, enum gds_leaf role, int64_t now,
	const char *folder, struct gds_complaint *complaint)
{
	const char *name = role == GDS_LEAF_SERVER ? "server.pem" : "client.pem";
	char path[PATH_MAX];
	struct gds_identity *leaf = NULL;
	int status = gdcerts_join(path, folder, name, complaint);
	if (status == GDS_OK) {
		status = gds_identity_from_pem(&leaf, path, complaint);
	}
	if (status != GDS_OK) {
		return status;
	}
	unsigned flags = leaf->cert ? gds_certificate_judge(leaf->cert, ca->ca, role, now)
				    : (unsigned)GDS_VERIFY_OTHER;
	gds_identity_free(leaf);
	if (flags & ~(unsigned)(GDS_VERIFY_EXPIRED | GDS_VERIFY_NOT_YET)) {
		return gds_complain(complaint, GDS_E_INVALID,
			"%s is not as gdcerts new makes it: see gdcerts inspect --ca %s/ca.pem %s",
			path, folder, path);
	}
	return GDS_OK;
}

static int judge_files(const char *folder, bool force, struct gds_complaint *complaint)
{
	char path[PATH_MAX], old[PATH_MAX];
	struct stat st;
	for (size_t i = 0; i < GDS_SET_FILES; i++) {
		int status = names_of(i, folder, path, old, complaint);
		if (status != GDS_OK) {
			return status;
		}
		if (!is_renewed(i)) {
			continue;
		}
		if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) {
			return gds_complain(complaint, GDS_E_INVALID,
				"%s is not a regular file: is this what gdcerts new made?", path);
		}
		if (!force && lstat(old, &st) == 0) {
			return gds_complain(complaint, GDS_E_INVALID,
				"%s is already there, from an earlier renewal: replace it with "
				"--force",
				old);
		}
	}
	return GDS_OK;
}

/**
 * Give each file its second name: a hard link, so that no moment is without the file, or where
 * the file system has none a new name. \param kept out: which were there.
 */
static int keep_old(
	const char *folder, bool kept[static GDS_SET_FILES], struct gds_complaint *complaint)
{
	char path[PATH_MAX], old[PATH_MAX];
	for (size_t i = 0; i < GDS_SET_FILES; i++) {
		int status = names_of(i, folder, path, old, complaint);
		if (status != GDS_OK) {
			return status;
		}
		if (!is_renewed(i)) {
			continue;
		}
		if (unlink(old) < 0 && errno != ENOENT) {
			return gds_complain(complaint, GDS_E_FILE, "%s cannot be replaced: %s", old,
				strerror(errno));
		}
		kept[i] = link(path, old) == 0;
		if (!kept[i] && (errno == EPERM || errno == EOPNOTSUPP)) {
			kept[i] = rename(path, old) == 0;
		}
		if (!kept[i] && errno != ENOENT) {
			return gds_complain(complaint, GDS_E_FILE, "%s cannot be made: %s", old,
				strerror(errno));
		}
	}
	return GDS_OK;
}

/* What could not be written as a whole was not renewed at all. */
static void bring_back(const char *folder, const bool kept[static GDS_SET_FILES])
{
	char path[PATH_MAX], old[PATH_MAX];
	for (size_t i = 0; i < GDS_SET_FILES; i++) {
		if (kept[i] && names_of(i, folder, path, old, NULL) == GDS_OK &&
			rename(old, path) == 0) {
			/* Of two names of one file rename leaves both. */
			(void)unlink(old);
		}
	}
}

static int renew(struct gdcerts_set *set, const struct options *options, const char *folder,
	struct gds_complaint *complaint)
{
	const struct gds_env *env = gds_env_system();
	int64_t now = env->wall(env->ctx) / GDS_SECOND;
	struct gds_generate_options dates = {.valid_from = now};
	bool kept[GDS_SET_FILES] = {false};
	dates.valid_to = options->days ? now + options->days * GDCERTS_DAY : 0;
	int status = refuse_what_is_no_set(folder, complaint);
	if (status == GDS_OK) {
		status = gdcerts_load_ca(&set->ca, folder, complaint);
	}
	if (status == GDS_OK) {
		status = judge_ca(set->ca, now, folder, complaint);
	}
	if (status == GDS_OK) {
		status = judge_leaf(set->ca, GDS_LEAF_SERVER, now, folder, complaint);
	}
	if (status == GDS_OK) {
		status = judge_leaf(set->ca, GDS_LEAF_CLIENT, now, folder, complaint);
	}
	if (status == GDS_OK) {
		status = judge_files(folder, options->force, complaint);
	}
	if (status == GDS_OK) {
		status = gdcerts_generate_leaves(set, &dates, false, complaint);
	}
	if (status != GDS_OK) {
		return status;
	}
	status = keep_old(folder, kept, complaint);
	if (status == GDS_OK) {
		status = gds_identity_write_set(
			set->ca, set->server, set->client, folder, complaint);
	}
	if (status != GDS_OK) {
		bring_back(folder, kept);
	}
	return status;
}

int gdcerts_renew(int argc, char **argv)
{
	struct options options = {0};
	struct gds_complaint complaint = {0};
	struct gdcerts_set set = {0};
	bool done = false;
	int rest = 0;
	int code = gds_options_parse(&program, argc - 1, argv + 1, &options, &done, &rest);
	if (done) {
		return code;
	}
	rest++;
	if (argc - rest != 1) {
		return gdcerts_fail(argc == rest
					    ? "renew: DIR is missing, see gdcerts renew --help"
					    : "renew: one DIR is enough, see gdcerts renew --help");
	}
	int status = renew(&set, &options, argv[rest], &complaint);
	if (status == GDS_OK) {
		gdcerts_report(&set, argv[rest]);
		printf("the old ones:   %s/*.old, accepted until they expire, for the CA is the "
		       "same\n",
			argv[rest]);
	}
	gdcerts_set_clear(&set);
	return status == GDS_OK ? GDCERTS_OK : gdcerts_fail(complaint.text);
}
