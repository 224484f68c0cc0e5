/* SPDX-License-Identifier: MIT */
/* gdcerts inspect: what is in a file, and what is wrong with it for this protocol. */
#include "cli/options.h"
#include "gdcerts/gdcerts.h"
#include "gdcerts/inspection.h"

#include <gdstream/env.h>

#include <stdlib.h>

struct options {
	bool json;
	const char *ca;
};

static int set_json(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->json = true;
	return GDS_OK;
}

static int set_ca(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)complaint;
	((struct options *)ctx)->ca = value;
	return GDS_OK;
}

static const struct gds_option table[] = {
	{0, "ca", "FILE", "judge the certificates of PEM files against this CA", set_ca},
	{0, "json", NULL, "one JSON object a file, one a line", set_json},
};

static const struct gds_program program = {
	.name = "gdcerts inspect",
	.purpose =
		"Show what is in PEM files, agents' zips and files with AGENT_* values (\"-\" for "
		"standard input), and what is wrong with it for this protocol.",
	.usage = "[OPTION]... FILE...",
	.options = table,
	.n = sizeof(table) / sizeof(table[0]),
	.examples = "Examples:\n"
		    "  gdcerts inspect certs/10.0.0.12:8890.zip\n"
		    "  gdcerts inspect --ca ca.pem server.pem client.pem\n"
		    "  docker exec godoxy-agent env | gdcerts inspect -",
	.usage_exit = GDCERTS_FAILED,
};

static int inspect_all(
	const struct options *options, int argc, char **argv, int rest, const char *ca_pem)
{
	const struct gds_env *env = gds_env_system();
	int64_t now = env->wall(env->ctx) / GDS_SECOND;
	int code = GDCERTS_OK;
	struct inspection *in = calloc(1, sizeof(*in));
	if (!in) {
		return gdcerts_fail("out of memory");
	}
	for (int i = rest; i < argc; i++) {
		inspection_run(in, argv[i], ca_pem, now);
		int worth = in->unreadable   ? GDCERTS_FAILED
			    : in->n_problems ? GDCERTS_FINDING
					     : GDCERTS_OK;
		code = worth > code ? worth : code;
		if (options->json) {
			if (!inspection_print_json(in, argc, argv, stdout)) {
				code = gdcerts_fail("out of memory");
			}
		} else if (in->unreadable) {
			gdcerts_fail(in->problems[0].text);
		} else {
			inspection_print(in, stdout);
		}
	}
	free(in);
	return code;
}

int gdcerts_inspect(int argc, char **argv)
{
	struct options options = {0};
	struct gds_complaint complaint = {0};
	struct gds_identity *ca = NULL;
	bool done = false;
	int rest = 0;
	int code = gds_options_parse(&program, argc - 1, argv + 1, &options, &done, &rest);
	if (done) {
		return code;
	}
	rest++;
	if (rest == argc) {
		return gdcerts_fail("inspect: FILE is missing, see gdcerts inspect --help");
	}
	if (options.ca &&
		gds_identity_from_files(&ca, options.ca, NULL, NULL, &complaint) != GDS_OK) {
		return gdcerts_fail(complaint.text);
	}
	code = inspect_all(&options, argc, argv, rest, ca ? ca->ca : NULL);
	gds_identity_free(ca);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		return gdcerts_fail("the output cannot be written");
	}
	return code;
}
