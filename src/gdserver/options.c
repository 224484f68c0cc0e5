/* SPDX-License-Identifier: MIT */
#include "cli/options.h"
#include "gdserver/gdserver.h"
#include "server/faults.h"

#include <string.h>

static struct gdserver_options *options_of(void *ctx)
{
	return ctx;
}

static int set_listen(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gds_listen_parse(value, &options_of(ctx)->server.listen, complaint);
}

#define SETTER(name, field)                                                                        \
	static int set_##name(void *ctx, const char *value, struct gds_complaint *complaint)       \
	{                                                                                          \
		(void)complaint;                                                                   \
		options_of(ctx)->field = value;                                                    \
		return GDS_OK;                                                                     \
	}
#define SWITCH(name, field)                                                                        \
	static int set_##name(void *ctx, const char *value, struct gds_complaint *complaint)       \
	{                                                                                          \
		(void)value;                                                                       \
		(void)complaint;                                                                   \
		options_of(ctx)->field = true;                                                     \
		return GDS_OK;                                                                     \
	}
#define DURATION(name, field)                                                                      \
	static int set_##name(void *ctx, const char *value, struct gds_complaint *complaint)       \
	{                                                                                          \
		return gds_duration_parse(value, &options_of(ctx)->server.field, complaint);       \
	}
#define NUMBER(name, field, type, min, max)                                                        \
	static int set_##name(void *ctx, const char *value, struct gds_complaint *complaint)       \
	{                                                                                          \
		long n = 0;                                                                        \
		int rc = gds_number_parse(value, min, max, &n, complaint);                         \
		options_of(ctx)->field = rc == GDS_OK ? (type)n : options_of(ctx)->field;          \
		return rc;                                                                         \
	}

SETTER(ca, ca)
SETTER(cert, cert)
SETTER(key, key)
SETTER(agent_env, agent_env)
SETTER(ephemeral, ephemeral)
SETTER(ready_file, ready_file)
SETTER(name, server.name)
SETTER(agent_version, server.version)
SWITCH(quiet, quiet)
SWITCH(verbose, verbose)
SWITCH(list_faults, list_faults)
SWITCH(json, json)
SWITCH(optional_client_cert, server.optional_client_cert)
DURATION(header_limit, header_limit)
DURATION(handshake_limit, handshake_limit)
DURATION(dial_limit, dial_limit)
DURATION(udp_idle, udp_idle)
DURATION(drain, drain)
NUMBER(workers, server.workers, size_t, 1, 64)
NUMBER(ready_fd, ready_fd, int, 0, 65535)
NUMBER(max_connections, server.max_connections, size_t, 1, 1000000)
NUMBER(max_sessions, server.max_sessions, size_t, 1, 1000000)

static int set_tls(void *ctx, const char *value, struct gds_complaint *complaint)
{
	enum gds_versions *versions = &options_of(ctx)->server.versions;
	if (strcmp(value, "1.2") == 0) {
		*versions = GDS_TLS_12;
	} else if (strcmp(value, "1.3") == 0) {
		*versions = GDS_TLS_13;
	} else {
		return gds_complain(
			complaint, GDS_E_INVALID, "it is 1.2 or 1.3, not \"%s\"", value);
	}
	return GDS_OK;
}

static int set_fault(void *ctx, const char *value, struct gds_complaint *complaint)
{
	struct gdserver_options *o = options_of(ctx);
	if (o->n_faults == GDSERVER_FAULTS_MAX) {
		return gds_complain(
			complaint, GDS_E_INVALID, "at most %d faults at once", GDSERVER_FAULTS_MAX);
	}
	const char *one[] = {value, NULL};
	struct gds_faults parsed;
	int rc = gds_faults_parse(one, &parsed, complaint);
	o->faults[o->n_faults] = rc == GDS_OK ? value : NULL;
	o->n_faults += rc == GDS_OK;
	return rc;
}

static int set_profile(void *ctx, const char *value, struct gds_complaint *complaint)
{
	struct gdserver_options *o = options_of(ctx);
	int rc = GDS_OK;
	o->profile = gds_fault_profile_find(value);
	if (!o->profile) {
		return gds_complain(complaint, GDS_E_INVALID,
			"there is no profile named \"%s\"; --list-faults shows them", value);
	}
	for (const char *const *fault = o->profile->faults; *fault && rc == GDS_OK; fault++) {
		rc = set_fault(ctx, *fault, complaint);
	}
	return rc;
}

static const struct gds_option table[] = {
	{'l', "listen", "ADDR:PORT",
		"Listen here, TCP and UDP (default 127.0.0.1:8890; port 0: a free one; IPv6 in "
		"brackets)",
		set_listen},
	{0, NULL, NULL, "Certificates (one of these ways)", NULL},
	{0, "agent-env", "FILE",
		"AGENT_CA_CERT and AGENT_SSL_CERT from an environment file; - is stdin",
		set_agent_env},
	{0, "ca", "FILE", "The CA that signs the clients (PEM); with --cert and --key", set_ca},
	{0, "cert", "FILE", "The server's certificate (PEM)", set_cert},
	{0, "key", "FILE", "The server's key (PEM)", set_key},
	{0, "ephemeral", "DIR", "Make fresh certificates in DIR, with client.zip for a prober",
		set_ephemeral},
	{0, NULL, NULL, "Starting and stopping", NULL},
	{0, "ready-fd", "N",
		"Write one JSON line with the addresses to descriptor N when listening",
		set_ready_fd},
	{0, "ready-file", "FILE", "The same to a file, replaced atomically", set_ready_file},
	{0, "drain", "DURATION", "Time for saying goodbye to all sessions on SIGTERM (default 5s)",
		set_drain},
	{0, NULL, NULL, "Limits", NULL},
	{'w', "workers", "N", "Threads, each with its own sockets (default 1)", set_workers},
	{0, "max-connections", "N", "TCP connections a worker (default 4096)", set_max_connections},
	{0, "max-sessions", "N", "UDP sessions a worker (default 4096)", set_max_sessions},
	{0, "handshake-limit", "DURATION", "For a TLS or DTLS handshake (default 10s)",
		set_handshake_limit},
	{0, "header-limit", "DURATION", "For a whole header (default 10s)", set_header_limit},
	{0, "dial-limit", "DURATION", "For reaching a destination (default 10s)", set_dial_limit},
	{0, "udp-idle", "DURATION",
		"A UDP session whose client is silent ends after this (default 5m)", set_udp_idle},
	{0, NULL, NULL, "Behaviour", NULL},
	{0, "name", "NAME", "The agent's name in /info (default gdserver)", set_name},
	{0, "tls", "VERSION", "Only 1.2 or only 1.3 over TCP (default both)", set_tls},
	{0, "optional-client-cert", NULL, "Over TCP, let clients in that send no certificate",
		set_optional_client_cert},
	{0, "agent-version", "VERSION", "The version in /info (default our own)",
		set_agent_version},
	{0, "fault", "NAME[=ARG]", "Misbehave on purpose; may be repeated", set_fault},
	{0, "profile", "NAME", "Misbehave as a known server does: godoxy-0.30", set_profile},
	{0, "list-faults", NULL, "List the faults and exit", set_list_faults},
	{0, "json", NULL, "With --list-faults: as one JSON object", set_json},
	{'q', "quiet", NULL, "Log warnings and errors only", set_quiet},
	{'v', "verbose", NULL, "Log more", set_verbose},
};

static const struct gds_program program = {
	.name = "gdserver",
	.purpose = "A reference server of the GoDoxy agent stream protocol: TLS and DTLS tunnels "
		   "on one port.",
	.usage = "[OPTION]...",
	.options = table,
	.n = sizeof(table) / sizeof(table[0]),
	.examples = "gdserver --ephemeral /tmp/lab\n"
		    "gdserver --agent-env agent.env --listen 0.0.0.0:8890",
	.usage_exit = GDSERVER_FAILED,
};

int gdserver_options_parse(struct gdserver_options *o, int argc, char **argv, bool *done)
{
	int rest = 0;
	*o = (struct gdserver_options){.ready_fd = -1};
	gds_address_parse(&o->server.listen, "127.0.0.1", GDS_DEFAULT_PORT);
	int code = gds_options_parse(&program, argc, argv, o, done, &rest);
	o->server.faults = o->faults;
	if (!*done && o->json && !o->list_faults) {
		fprintf(stderr, "gdserver: --json goes with --list-faults\n");
		*done = true;
		return GDSERVER_FAILED;
	}
	if (!*done && rest < argc) {
		fprintf(stderr, "gdserver: \"%s\" is no option, see --help\n", argv[rest]);
		*done = true;
		return GDSERVER_FAILED;
	}
	return code;
}

static int from_options(struct gds_identity **out, const struct gdserver_options *o,
	struct gds_complaint *complaint)
{
	bool files = o->ca || o->cert || o->key;
	int ways = files + (o->agent_env != NULL) + (o->ephemeral != NULL);
	if (ways != 1) {
		return gds_complain(complaint, GDS_E_INVALID,
			ways == 0 ? "no certificates: give --agent-env FILE, or --ca, --cert and "
				    "--key, or "
				    "--ephemeral DIR"
				  : "--agent-env, --ephemeral and --ca/--cert/--key exclude each "
				    "other: "
				    "give one");
	}
	if (o->ephemeral) {
		return gdserver_ephemeral(out, o->ephemeral, complaint);
	}
	if (o->agent_env) {
		return gds_identity_from_env_file(out, o->agent_env, complaint);
	}
	if (!o->ca || !o->cert || !o->key) {
		return gds_complain(complaint, GDS_E_INVALID,
			"--ca, --cert and --key belong together: --%s is missing",
			!o->ca	   ? "ca"
			: !o->cert ? "cert"
				   : "key");
	}
	return gds_identity_from_files(out, o->ca, o->cert, o->key, complaint);
}

int gdserver_identity(struct gds_identity **out, const struct gdserver_options *o,
	struct gds_complaint *complaint)
{
	struct gds_identity *identity = NULL;
	int rc = from_options(&identity, o, complaint);
	if (rc == GDS_OK) {
		rc = gds_faults_identity(o->faults, identity, complaint);
	}
	if (rc != GDS_OK) {
		gds_identity_free(identity);
		return rc;
	}
	*out = identity;
	return GDS_OK;
}
