/* SPDX-License-Identifier: MIT */
#include "gdprobe/probe.h"

#include "cli/options.h"
#include "out/format.h"

#include <stdio.h>
#include <string.h>

/* A target has up to five descriptors: below the usual limit of 1024, and little enough that one
 * target's handshake does not wait for the others'. */
#define PARALLEL 16
#define PARALLEL_MAX 128
#define DEFAULT_TIMEOUT (5 * GDS_SECOND) /* API-08: the budget GoDoxy gives an agent */

static const char *const face_names[] = {
	[FACE_HTTPS] = "http", [FACE_TCP] = "tcp", [FACE_UDP] = "udp"};

static int set_identity(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)complaint;
	((struct options *)ctx)->identity.path = value;
	return GDS_OK;
}

static int set_identity_dir(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)complaint;
	((struct options *)ctx)->identity.folder = value;
	return GDS_OK;
}

static int set_ca(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)complaint;
	((struct options *)ctx)->identity.ca = value;
	return GDS_OK;
}

static int set_cert(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)complaint;
	((struct options *)ctx)->identity.cert = value;
	return GDS_OK;
}

static int set_key(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)complaint;
	((struct options *)ctx)->identity.key = value;
	return GDS_OK;
}

static int set_agent_env(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)complaint;
	((struct options *)ctx)->identity.agent_env = value;
	return GDS_OK;
}

static int set_tcp(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->faces[FACE_TCP] = true;
	return GDS_OK;
}

static int set_udp(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->faces[FACE_UDP] = true;
	return GDS_OK;
}

static int set_http(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->faces[FACE_HTTPS] = true;
	return GDS_OK;
}

int options_set_optional(
	struct options *options, const char *value, struct gds_complaint *complaint)
{
	for (int face = FACE_HTTPS; face <= FACE_UDP; face++) {
		if (strcmp(value, face_names[face]) == 0) {
			options->optional[face] = true;
			return GDS_OK;
		}
	}
	return gds_complain(
		complaint, GDS_E_INVALID, "it takes tcp, udp or http, not \"%s\"", value);
}

static int set_optional(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return options_set_optional(ctx, value, complaint);
}

static int set_tls(void *ctx, const char *value, struct gds_complaint *complaint)
{
	struct options *options = ctx;

	if (strcmp(value, "1.2") == 0) {
		options->versions = GDS_TLS_12;
	} else if (strcmp(value, "1.3") == 0) {
		options->versions = GDS_TLS_13;
	} else {
		return gds_complain(
			complaint, GDS_E_INVALID, "it takes 1.2 or 1.3, not \"%s\"", value);
	}
	return GDS_OK;
}

static int set_through(void *ctx, const char *value, struct gds_complaint *complaint)
{
	struct options *options = ctx;

	return gds_target_parse(value, 0, options->through, &options->through_port, complaint);
}

static int set_echo(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->echo = true;
	return GDS_OK;
}

static int set_loopback(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->loopback = true;
	return GDS_OK;
}

static int set_add_agent(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->add_agent = true;
	return GDS_OK;
}

static int set_timeout(void *ctx, const char *value, struct gds_complaint *complaint)
{
	((struct options *)ctx)->timeout_given = true;
	return gds_duration_parse(value, &((struct options *)ctx)->timeout, complaint);
}

static int set_file(void *ctx, const char *value, struct gds_complaint *complaint)
{
	struct options *options = ctx;

	if (options->n_files == FILES_MAX) {
		return gds_complain(complaint, GDS_E_INVALID, "at most %d lists", FILES_MAX);
	}
	options->files[options->n_files++] = value;
	return GDS_OK;
}

static int set_parallel(void *ctx, const char *value, struct gds_complaint *complaint)
{
	long n = 0;
	int rc = gds_number_parse(value, 1, PARALLEL_MAX, &n, complaint);

	if (rc == GDS_OK) {
		((struct options *)ctx)->parallel = (size_t)n;
	}
	return rc;
}

static int set_json(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->json = true;
	return GDS_OK;
}

static int set_format(void *ctx, const char *value, struct gds_complaint *complaint)
{
	((struct options *)ctx)->format = value;
	return gds_format_check(value, complaint);
}

static int set_textfile(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)complaint;
	((struct options *)ctx)->textfile = value;
	return GDS_OK;
}

static int set_exporter(void *ctx, const char *value, struct gds_complaint *complaint)
{
	((struct options *)ctx)->exporter = true;
	return gds_listen_parse(value, &((struct options *)ctx)->listen, complaint);
}

static int set_nagios(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->nagios = true;
	return GDS_OK;
}

static int set_warning(void *ctx, const char *value, struct gds_complaint *complaint)
{
	((struct options *)ctx)->thresholds_given = true;
	return gds_thresholds_parse(&((struct options *)ctx)->warning, value, complaint);
}

static int set_critical(void *ctx, const char *value, struct gds_complaint *complaint)
{
	((struct options *)ctx)->thresholds_given = true;
	return gds_thresholds_parse(&((struct options *)ctx)->critical, value, complaint);
}

static int set_verbose(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->verbose = true;
	return GDS_OK;
}

static int set_diagnose(void *ctx, const char *value, struct gds_complaint *complaint)
{
	static const char *const modes[] = {
		[DIAGNOSE_AUTO] = "auto", [DIAGNOSE_ALWAYS] = "always", [DIAGNOSE_NEVER] = "never"};

	for (int mode = DIAGNOSE_AUTO; mode <= DIAGNOSE_NEVER; mode++) {
		if (strcmp(value, modes[mode]) == 0) {
			((struct options *)ctx)->diagnose = (enum diagnose_mode)mode;
			return GDS_OK;
		}
	}
	return gds_complain(
		complaint, GDS_E_INVALID, "it takes auto, always or never, not \"%s\"", value);
}

static int set_explain(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)complaint;
	((struct options *)ctx)->explain = value;
	return GDS_OK;
}

static int set_list_causes(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->list_causes = true;
	return GDS_OK;
}

static const struct gds_option table[] = {
	{0, NULL, NULL,
		"Who we are (else the target's zip, $GDSTREAM_IDENTITY, certs/HOST:PORT.zip)",
		NULL},
	{'i', "identity", "FILE|DIR",
		"the agent's zip, or a directory with ca.pem, cert.pem, key.pem", set_identity},
	{0, "identity-dir", "DIR", "the folder with a HOST:PORT.zip for each target",
		set_identity_dir},
	{0, "ca", "FILE", "the CA, as PEM; without --cert no client certificate is shown", set_ca},
	{0, "cert", "FILE", "the client certificate, as PEM", set_cert},
	{0, "key", "FILE", "its key, as PEM", set_key},
	{0, "agent-env", "FILE|-",
		"on the agent's own host: its environment file; a client certificate of one hour "
		"is signed "
		"in memory",
		set_agent_env},
	{0, NULL, NULL, "What to check (all three unless named)", NULL},
	{0, "tcp", NULL, "the stream protocol over TLS", set_tcp},
	{0, "udp", NULL, "the stream protocol over DTLS", set_udp},
	{0, "http", NULL, "the HTTPS API: /info", set_http},
	{0, "optional", "FACE", "a failure of tcp, udp or http is a warning; may be repeated",
		set_optional},
	{0, "tls", "1.2|1.3", "only this version over TCP", set_tls},
	{0, "through", "HOST:PORT", "open a tunnel to this destination", set_through},
	{0, "echo", NULL, "the destination is an echo service: send a pattern and compare",
		set_echo},
	{0, "loopback", NULL,
		"be the destination: the agent connects back to an echo service in here",
		set_loopback},
	{0, "add-agent", NULL,
		"do what GoDoxy does when it adds an agent, step by step in 5 s, and say what it "
		"would conclude",
		set_add_agent},
	{0, "timeout", "TIME", "for each target: 2, 1.5s, 800ms (default 5s)", set_timeout},
	{'f', "targets", "FILE|-", "check the targets in this file too, one a line", set_file},
	{0, "parallel", "N", "this many targets at once (default 16)", set_parallel},
	{0, "diagnose", "WHEN",
		"auto: after silence or a failure check again with one thing changed, to narrow "
		"the cause (with --nagios at most twice: the agent logs each refused handshake); "
		"always; never",
		set_diagnose},
	{0, NULL, NULL, "What to print", NULL},
	{0, "json", NULL, "one JSON object a target", set_json},
	{0, "format", "FORMAT",
		"a text with variables a target: '%{target} %{result} %{time_tls}\\n'", set_format},
	{0, "nagios", NULL, "one line with performance data", set_nagios},
	{0, "textfile", "FILE",
		"write metrics for node_exporter's textfile collector too, replaced in one step",
		set_textfile},
	{0, "exporter", "ADDR:PORT",
		"serve /probe?target=HOST:PORT and /metrics to Prometheus, until SIGTERM",
		set_exporter},
	{'w', "warning", "RANGE[,RANGE]",
		"with --nagios: warn when seconds, or days left of a certificate, are outside",
		set_warning},
	{'c', "critical", "RANGE[,RANGE]", "the same, critical", set_critical},
	{'v', "verbose", NULL, "stages and evidence", set_verbose},
	{0, "explain", "CAUSE", "say what a cause means and what to do about it, and exit",
		set_explain},
	{0, "list-causes", NULL, "list all causes, and exit", set_list_causes},
};

static const struct gds_program program = {
	.name = "gdprobe",
	.purpose =
		"Say whether a GoDoxy agent is healthy over TCP, UDP and HTTPS, and if not, why.\n"
		"TARGET is HOST[:8890], an agent's zip HOST:PORT.zip, or a folder of them.",
	.usage = "[OPTION]... TARGET...\n[OPTION]... -f FILE\n[OPTION]... --exporter ADDR:PORT "
		 "--identity-dir DIR\n--explain CAUSE\n--list-causes",
	.options = table,
	.n = sizeof(table) / sizeof(table[0]),
	.examples = "Examples:\n"
		    "  gdprobe certs/10.0.0.12:8890.zip\n"
		    "  gdprobe -i agent.zip nas.lan\n"
		    "  gdprobe -i agent.zip --loopback nas.lan\n"
		    "  gdprobe --agent-env /etc/godoxy-agent.env localhost\n"
		    "  gdprobe -f agents.txt --parallel 32\n"
		    "  gdprobe --exporter 127.0.0.1:9890 --identity-dir certs/\n"
		    "  gdprobe --nagios -w 1,30: -c 4,7: certs/\n"
		    "\nExit status: 0 healthy, 1 warning, 2 not healthy, 3 could not judge.\n",
	.usage_exit = 3,
};

static const char *wrong_exporter(const struct options *options, bool targets)
{
	const struct gds_identity_options *identity = &options->identity;

	if (!identity->folder) {
		return "--exporter needs --identity-dir: it probes only those whose zip is there";
	}
	if (identity->path || identity->ca || identity->agent_env) {
		return "--exporter takes certificates from --identity-dir only";
	}
	if (targets) {
		return "--exporter takes its targets from the requests";
	}
	if (options->json || options->nagios || options->format || options->textfile) {
		return "--exporter excludes --json, --format, --nagios and --textfile";
	}
	return NULL;
}

/* \return NULL, or what is wrong with these options together. */
static const char *contradiction(const struct options *options)
{
	bool destination = options->through[0] || options->loopback;

	if (options->json + options->nagios + (options->format != NULL) > 1) {
		return "--json, --format and --nagios exclude each other";
	}
	if (options->thresholds_given && !options->nagios) {
		return "-w and -c need --nagios";
	}
	if (options->through[0] && options->loopback) {
		return "--through and --loopback exclude each other";
	}
	if (options->echo && !destination) {
		return "--echo needs a destination: --through HOST:PORT";
	}
	if (destination && !options->faces[FACE_TCP] && !options->faces[FACE_UDP]) {
		return "a destination is reached over --tcp or --udp, not over --http";
	}
	if (options->add_agent && options->timeout_given) {
		return "--add-agent has GoDoxy's own 5 s: leave --timeout out";
	}
	if (options->add_agent && !(options->faces[FACE_TCP] && options->faces[FACE_UDP] &&
					  options->faces[FACE_HTTPS])) {
		return "--add-agent takes all three steps: leave --tcp, --udp and --http out";
	}
	return NULL;
}

static void settle(struct options *options)
{
	bool *faces = options->faces;
	bool destination = options->through[0] || options->loopback;

	/* UDP says nothing about a destination that does not answer: only an echo can be judged. */
	faces[FACE_TCP_TUNNEL] = destination && faces[FACE_TCP];
	faces[FACE_UDP_TUNNEL] = (options->loopback || options->echo) && faces[FACE_UDP];
	options->optional[FACE_TCP_TUNNEL] = options->optional[FACE_TCP];
	options->optional[FACE_UDP_TUNNEL] = options->optional[FACE_UDP];
}

const struct options options_default = {.timeout = DEFAULT_TIMEOUT, .parallel = PARALLEL};

const char *options_settle(struct options *options)
{
	bool *faces = options->faces;
	const char *wrong;

	if (!faces[FACE_TCP] && !faces[FACE_UDP] && !faces[FACE_HTTPS]) {
		faces[FACE_TCP] = faces[FACE_UDP] = faces[FACE_HTTPS] = true;
	}
	wrong = contradiction(options);
	if (!wrong) {
		settle(options);
	}
	return wrong;
}

int options_parse(struct options *options, int argc, char **argv, bool *done, int *rest)
{
	struct gds_complaint complaint = {0};
	const char *wrong;
	int code;

	*options = options_default;
	code = gds_options_parse(&program, argc, argv, options, done, rest);
	if (*done || options->explain || options->list_causes) {
		return code;
	}
	wrong = options_settle(options);
	if (!wrong && options->exporter) {
		wrong = wrong_exporter(options, *rest < argc || options->n_files > 0);
	} else if (!wrong && *rest >= argc && options->n_files == 0) {
		wrong = "no target: give HOST[:PORT], an agent's zip, a folder of zips, or -f FILE";
	}
	if (!wrong && gds_identity_options_check(&options->identity, &complaint) != GDS_OK) {
		wrong = complaint.text;
	}
	if (wrong) {
		fprintf(stderr, "gdprobe: %s, see --help\n", wrong);
		*done = true;
		return program.usage_exit;
	}
	return GDS_OK;
}
