/* SPDX-License-Identifier: MIT */
/* gdprobe under the name check_godoxy_stream: options and exit codes of a monitoring plugin. */
#include "gdprobe/probe.h"

#include "cli/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME "check_godoxy_stream"
#define DEFAULT_LIMIT (10 * GDS_SECOND) /* as other plugins */

/* The two halves of a target, beside the options that gdprobe has too. */
struct plugin {
	struct options options;
	const char *host;
	long port;
};

#define OPTIONS(ctx) (&((struct plugin *)(ctx))->options)
#define SETTER(name, field)                                                                        \
	static int set_##name(void *ctx, const char *value, struct gds_complaint *complaint)       \
	{                                                                                          \
		(void)complaint;                                                                   \
		((struct plugin *)ctx)->field = value;                                             \
		return GDS_OK;                                                                     \
	}
#define SWITCH(name, field)                                                                        \
	static int set_##name(void *ctx, const char *value, struct gds_complaint *complaint)       \
	{                                                                                          \
		(void)value;                                                                       \
		(void)complaint;                                                                   \
		((struct plugin *)ctx)->field = true;                                              \
		return GDS_OK;                                                                     \
	}

SETTER(host, host)
SETTER(identity, options.identity.path)
SETTER(ca, options.identity.ca)
SETTER(cert, options.identity.cert)
SETTER(key, options.identity.key)
SETTER(identity_dir, options.identity.folder)
SWITCH(tcp, options.faces[FACE_TCP])
SWITCH(udp, options.faces[FACE_UDP])
SWITCH(http, options.faces[FACE_HTTPS])
SWITCH(loopback, options.loopback)
SWITCH(verbose, options.verbose)

static int set_port(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gds_number_parse(value, 1, 65535, &((struct plugin *)ctx)->port, complaint);
}

static int set_timeout(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gds_duration_parse(value, &OPTIONS(ctx)->timeout, complaint);
}

static int set_optional(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return options_set_optional(OPTIONS(ctx), value, complaint);
}

static int set_warning(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gds_thresholds_parse(&OPTIONS(ctx)->warning, value, complaint);
}

static int set_critical(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gds_thresholds_parse(&OPTIONS(ctx)->critical, value, complaint);
}

static const struct gds_option table[] = {
	{'H', "hostname", "HOST", "the agent: a name or an IP address", set_host},
	{'p', "port", "PORT", "its port (default 8890)", set_port},
	{'i', "identity", "FILE|DIR", "its zip, or a directory with ca.pem, cert.pem, key.pem",
		set_identity},
	{0, "ca", "FILE", "the CA, as PEM", set_ca},
	{0, "cert", "FILE", "the client certificate, as PEM", set_cert},
	{0, "key", "FILE", "its key, as PEM", set_key},
	{0, "identity-dir", "DIR", "the folder with HOST:PORT.zip", set_identity_dir},
	{'t', "timeout", "SECONDS", "of the whole check (default 10)", set_timeout},
	{'w', "warning", "RANGE[,RANGE]",
		"warn when seconds, or days left of a certificate, are outside", set_warning},
	{'c', "critical", "RANGE[,RANGE]", "the same, critical", set_critical},
	{0, "tcp", NULL, "check the stream protocol over TLS", set_tcp},
	{0, "udp", NULL, "check the stream protocol over DTLS", set_udp},
	{0, "http", NULL, "check the HTTPS API", set_http},
	{0, "optional", "FACE", "a failure of tcp, udp or http is a warning; may be repeated",
		set_optional},
	{0, "loopback", NULL, "bytes through the agent to an echo service in here and back",
		set_loopback},
	{'v', "verbose", NULL, "accepted; there is nothing more to say", set_verbose},
};

static const struct gds_program program = {
	.name = NAME,
	.purpose = "Check a GoDoxy agent over TCP, UDP and HTTPS (all three unless named).",
	.usage = "-H HOST [-p PORT] -i ZIP [-t SECONDS] [-w RANGE] [-c RANGE]",
	.options = table,
	.n = sizeof(table) / sizeof(table[0]),
	.examples = "Examples:\n"
		    "  " NAME " -H 10.0.0.12 -i nas.zip -t 10 -w 1 -c 3\n"
		    "  " NAME " -H nas.lan -i nas.zip -w 1,30: -c 3,7: --optional udp\n"
		    "\nExit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n",
	.usage_exit = 3,
};

bool plugin_is_called(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;

	return argv0 && strcmp(slash ? slash + 1 : argv0, NAME) == 0;
}

static int refuse(const char *why)
{
	printf("GODOXY UNKNOWN - %s, see --help\n", why);
	return program.usage_exit;
}

int plugin_parse(
	struct options *options, int argc, char **argv, bool *done, char target[static 300])
{
	struct plugin plugin = {.options = options_default, .port = GDS_DEFAULT_PORT};
	struct gds_complaint complaint = {0};
	const char *wrong;
	int rest = argc;

	/* What a monitoring system shows is standard output, and nothing else. */
	dup2(STDOUT_FILENO, STDERR_FILENO);
	plugin.options.plugin = plugin.options.nagios = true;
	plugin.options.timeout = DEFAULT_LIMIT;
	gds_options_parse(&program, argc, argv, &plugin, done, &rest);
	if (*done) {
		/* Also after --help: the guidelines' rule, unlike GNU's. */
		return program.usage_exit;
	}
	*done = true;
	wrong = options_settle(&plugin.options);
	if (!wrong && gds_identity_options_check(&plugin.options.identity, &complaint) != GDS_OK) {
		wrong = complaint.text;
	}
	if (!wrong && (!plugin.host || rest < argc)) {
		wrong = plugin.host ? "the agent is given by -H HOST alone" : "-H HOST is missing";
	}
	if (!wrong && strlen(plugin.host) > GDS_HOST_MAX) {
		wrong = "-H HOST is too long";
	}
	if (wrong) {
		return refuse(wrong);
	}
	snprintf(target, 300,
		strchr(plugin.host, ':') && plugin.host[0] != '[' ? "[%s]:%ld" : "%s:%ld",
		plugin.host, plugin.port);
	*options = plugin.options;
	*done = false;
	return GDS_OK;
}
