/* SPDX-License-Identifier: MIT */
/* gdcerts new: CA, server and client certificate as GoDoxy makes them, in all its forms. */
#include "cli/options.h"
#include "gdcerts/gdcerts.h"

#include <gdstream/env.h>
#include <gdstream/identity.h>

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

struct options {
	bool force, rsa;
	const char *from;	       /* a directory with ca.pem and ca.key, or AGENT_* values */
	int64_t not_before, not_after; /* wall [s], 0: not given */
	long days;		       /* 0: not given */
};

static int set_force(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->force = true;
	return GDS_OK;
}

static int set_rsa(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->rsa = true;
	return GDS_OK;
}

static int set_from(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)complaint;
	((struct options *)ctx)->from = value;
	return GDS_OK;
}

static int set_days(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gds_number_parse(
		value, 1, GDCERTS_DAYS_MAX, &((struct options *)ctx)->days, complaint);
}

static int set_not_before(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gdcerts_date_parse(value, &((struct options *)ctx)->not_before, complaint);
}

static int set_not_after(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gdcerts_date_parse(value, &((struct options *)ctx)->not_after, complaint);
}

static const struct gds_option table[] = {
	{'f', "force", NULL, "replace files that are already in DIR", set_force},
	{0, "from", "OTHER",
		"sign with the CA of OTHER, a directory with ca.pem and ca.key or a file with "
		"AGENT_* values, not with a new one",
		set_from},
	{0, NULL, NULL,
		"Odd certificates, to test with: the server's and the client's, never the CA",
		NULL},
	{0, "rsa", NULL,
		"an RSA-2048 server key, as the first agents had: it can never work over UDP",
		set_rsa},
	{0, "not-before", "DATE", "valid from this date (UTC), instead of from now",
		set_not_before},
	{0, "not-after", "DATE", "valid to this date, instead of 1000 years", set_not_after},
	{0, "days", "N", "valid for N days, instead of 1000 years", set_days},
};

static const struct gds_program program = {
	.name = "gdcerts new",
	.purpose =
		"Make a CA, a server and a client certificate as GoDoxy does, in ca.pem, ca.key, "
		"server.pem, server.key, client.pem, client.key, agent.env and client.zip.",
	.usage = "[OPTION]... DIR",
	.options = table,
	.n = sizeof(table) / sizeof(table[0]),
	.examples = "Examples:\n"
		    "  gdcerts new certs\n"
		    "  gdcerts new --from certs --not-before 2020-01-01 --days 30 expired",
	.usage_exit = GDCERTS_FAILED,
};

static int refuse_to_replace(const char *folder, struct gds_complaint *complaint)
{
	char path[PATH_MAX];
	struct stat st;
	for (size_t i = 0; i < GDS_SET_FILES; i++) {
		int status = gdcerts_join(path, folder, gds_identity_set_files[i], complaint);
		if (status != GDS_OK) {
			return status;
		}
		if (lstat(path, &st) == 0) {
			return gds_complain(complaint, GDS_E_INVALID,
				"%s is already there: choose another directory, or replace it with "
				"--force",
				path);
		}
	}
	return GDS_OK;
}

static int choose_dates(const struct options *options, struct gds_generate_options *out,
	struct gds_complaint *complaint)
{
	const struct gds_env *env = gds_env_system();
	if (options->days && options->not_after) {
		return gds_complain(complaint, GDS_E_INVALID,
			"--days and --not-after exclude each other: give one");
	}
	out->valid_from =
		options->not_before ? options->not_before : env->wall(env->ctx) / GDS_SECOND;
	out->valid_to = options->not_after;
	if (options->days) {
		out->valid_to = out->valid_from + options->days * GDCERTS_DAY;
	}
	if (out->valid_to && out->valid_to <= out->valid_from) {
		return gds_complain(complaint, GDS_E_INVALID,
			"--not-after is not later than the begin: give an earlier --not-before "
			"too");
	}
	return GDS_OK;
}

static int generate(
	struct gdcerts_set *set, const struct options *options, struct gds_complaint *complaint)
{
	const struct gds_generate_options as_godoxy = {0};
	struct gds_generate_options leaf = {0};
	int status = choose_dates(options, &leaf, complaint);
	if (status == GDS_OK) {
		status = options->from ? gdcerts_load_ca(&set->ca, options->from, complaint)
				       : gds_identity_generate_ca(&set->ca, &as_godoxy, complaint);
	}
	return status == GDS_OK ? gdcerts_generate_leaves(set, &leaf, options->rsa, complaint)
				: status;
}

int gdcerts_new(int argc, char **argv)
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
					    ? "new: DIR is missing, see gdcerts new --help"
					    : "new: one DIR is enough, see gdcerts new --help");
	}
	const char *folder = argv[rest];
	/* All is made before anything is written: what fails leaves the directory as it was. */
	int status = generate(&set, &options, &complaint);
	if (status == GDS_OK && !options.force) {
		status = refuse_to_replace(folder, &complaint);
	}
	if (status == GDS_OK) {
		status = gds_identity_write_set(set.ca, set.server, set.client, folder, &complaint);
	}
	if (status == GDS_OK) {
		gdcerts_report(&set, folder);
	}
	gdcerts_set_clear(&set);
	return status == GDS_OK ? GDCERTS_OK : gdcerts_fail(complaint.text);
}
