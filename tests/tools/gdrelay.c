/* SPDX-License-Identifier: MIT */
/* gdrelay: the relay of src/net/relay.h as a program, for tests over real sockets. */
#include "cli/options.h"
#include "cli/signals.h"
#include "net/relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FINE = 0, FAILED = 3 };

struct options {
	struct gds_relay_options relay;
	const char *ready_file;
};

static struct gds_impairment *impairment(void *ctx)
{
	return &((struct options *)ctx)->relay.impairment;
}

static int set_address(struct gds_address *out, const char *value, struct gds_complaint *complaint)
{
	char host[256];
	uint16_t port = 0;
	const char *colon = strrchr(value, ':');
	int rc;

	/* Port 0, a free one, is no target that anybody could name. */
	if (colon && strcmp(colon, ":0") == 0) {
		snprintf(host, sizeof(host), "%.*s", (int)(colon - value), value);
		rc = GDS_OK;
	} else {
		rc = gds_target_parse(value, 0, host, &port, complaint);
	}
	if (rc == GDS_OK && gds_address_parse(out, host, port) != GDS_OK) {
		rc = gds_complain(
			complaint, GDS_E_INVALID, "it takes an IP address, not \"%.60s\"", value);
	}
	return rc;
}

static int set_listen(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return set_address(&((struct options *)ctx)->relay.listen, value, complaint);
}

static int set_to(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return set_address(&((struct options *)ctx)->relay.to, value, complaint);
}

static int set_ready_file(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)complaint;
	((struct options *)ctx)->ready_file = value;
	return GDS_OK;
}

static int set_seed(void *ctx, const char *value, struct gds_complaint *complaint)
{
	long seed;
	int rc = gds_number_parse(value, 0, INT32_MAX, &seed, complaint);

	if (rc == GDS_OK) {
		impairment(ctx)->seed = (uint64_t)seed;
	}
	return rc;
}

/* "0.2": by hand, for strtod would take the locale's comma. */
static int set_chance(uint32_t *out, const char *value, struct gds_complaint *complaint)
{
	const char *at = value;
	uint32_t millionths = 0, scale = GDS_IMPAIR_ALWAYS;

	if (*at == '0' || *at == '1') {
		millionths = (uint32_t)(*at++ - '0') * GDS_IMPAIR_ALWAYS;
		if (*at == '.') {
			for (at++; *at >= '0' && *at <= '9' && scale > 1; at++) {
				scale /= 10;
				millionths += (uint32_t)(*at - '0') * scale;
			}
		}
	}
	if (at == value || *at != '\0' || millionths > GDS_IMPAIR_ALWAYS) {
		return gds_complain(complaint, GDS_E_INVALID,
			"it takes a chance from 0 to 1, not \"%.60s\"", value);
	}
	*out = millionths;
	return GDS_OK;
}

static int set_loss(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return set_chance(&impairment(ctx)->loss, value, complaint);
}

static int set_duplicate(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return set_chance(&impairment(ctx)->duplicate, value, complaint);
}

static int set_reorder(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return set_chance(&impairment(ctx)->reorder, value, complaint);
}

static int set_delay(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gds_duration_parse(value, &impairment(ctx)->delay, complaint);
}

static int set_jitter(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gds_duration_parse(value, &impairment(ctx)->jitter, complaint);
}

static int set_held(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gds_duration_parse(value, &impairment(ctx)->held, complaint);
}

static int set_split(void *ctx, const char *value, struct gds_complaint *complaint)
{
	long bytes;
	int rc = gds_number_parse(value, 1, 65536, &bytes, complaint);

	if (rc == GDS_OK) {
		impairment(ctx)->split = (size_t)bytes;
	}
	return rc;
}

static int set_stream_delay(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gds_duration_parse(value, &impairment(ctx)->stream_delay, complaint);
}

static int set_gap(void *ctx, const char *value, struct gds_complaint *complaint)
{
	return gds_duration_parse(value, &impairment(ctx)->gap, complaint);
}

static const struct gds_option table[] = {
	{0, "listen", "IP:PORT", "where clients come, TCP and UDP (default 127.0.0.1:0)",
		set_listen},
	{0, "to", "IP:PORT", "the target; required", set_to},
	{0, "ready-file", "FILE", "appears with the address, as JSON, once clients may come",
		set_ready_file},
	{0, "seed", "N", "another fate for all (default 0)", set_seed},
	{0, "udp-loss", "P", "chance of a datagram to be lost", set_loss},
	{0, "udp-duplicate", "P", "to come twice", set_duplicate},
	{0, "udp-reorder", "P", "to be overtaken", set_reorder},
	{0, "udp-delay", "TIME", "of each datagram", set_delay},
	{0, "udp-jitter", "TIME", "added to the delay, none to all of it", set_jitter},
	{0, "udp-held", "TIME", "how much later the overtaken and the second ones come", set_held},
	{0, "tcp-split", "BYTES", "largest piece of a stream", set_split},
	{0, "tcp-delay", "TIME", "of each byte", set_stream_delay},
	{0, "tcp-gap", "TIME", "between two pieces", set_gap},
};

static const struct gds_program program = {
	.name = "gdrelay",
	.purpose = "Relay TCP and UDP to a target as a bad network would, decided by a seed.",
	.usage = "--to IP:PORT [OPTION]...",
	.options = table,
	.n = sizeof(table) / sizeof(table[0]),
	.examples = "On SIGTERM it prints what it did, as one JSON object.\n",
	.usage_exit = FAILED,
};

/* Whoever waits for the file never sees half of it. */
static int announce(const char *path, const struct gds_address *address)
{
	char text[GDS_ADDRESS_TEXT], temporary[4096];
	FILE *file;
	bool written;

	if (!path) {
		return GDS_OK;
	}
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	file = fopen(temporary, "w");
	if (!file) {
		return GDS_E_FILE;
	}
	written = fprintf(file, "{\"address\":\"%s\"}\n", gds_address_format(address, text)) > 0;
	written = fclose(file) == 0 && written;
	return written && rename(temporary, path) == 0 ? GDS_OK : GDS_E_FILE;
}

static void pair(const char *name, const uint64_t values[2], const char *end)
{
	printf("\"%s\":[%" PRIu64 ",%" PRIu64 "]%s", name, values[0], values[1], end);
}

static void report(const struct gds_relay_stats *s)
{
	printf("{\"connections\":%" PRIu64 ",\"flows\":%" PRIu64 ",", s->connections, s->flows);
	pair("bytes", s->bytes, ",");
	pair("pieces", s->pieces, ",");
	pair("datagrams", s->datagrams, ",");
	pair("lost", s->lost, ",");
	pair("duplicated", s->duplicated, ",");
	pair("held", s->held, ",");
	pair("overflown", s->overflown, "}\n");
}

static void on_signal(void *ctx, int number)
{
	(void)number;
	gds_loop_stop(ctx);
}

static int run(const struct options *options)
{
	const struct gds_env *env = gds_env_system();
	struct gds_complaint complaint = {.code = GDS_E_NOMEM, .text = "out of memory"};
	struct gds_loop *loop = gds_loop_new(env);
	struct gds_signals *signals = loop ? gds_signals_new(loop, on_signal, loop, env) : NULL;
	struct gds_resolver *resolver = signals ? gds_resolver_new(env, 1) : NULL;
	struct gds_driver *driver =
		resolver ? gds_driver_new(loop, resolver, NULL, NULL, env) : NULL;
	struct gds_relay *relay = NULL;
	int rc = GDS_E_NOMEM;

	if (driver) {
		rc = gds_relay_new(&relay, driver, loop, &options->relay, env, &complaint);
	}
	if (rc == GDS_OK && announce(options->ready_file, gds_relay_address(relay)) != GDS_OK) {
		rc = gds_complain(&complaint, GDS_E_FILE, "--ready-file %s cannot be written",
			options->ready_file);
	}
	if (rc == GDS_OK) {
		gds_loop_run(loop);
		report(gds_relay_stats(relay));
	} else {
		fprintf(stderr, "gdrelay: %s\n", complaint.text);
	}
	gds_relay_free(relay);
	gds_driver_free(driver);
	gds_resolver_free(resolver);
	gds_signals_free(signals);
	gds_loop_free(loop);
	return rc == GDS_OK ? FINE : FAILED;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	bool done = false;
	int rest = argc, code;

	(void)gds_address_parse(&options.relay.listen, "127.0.0.1", 0);
	code = gds_options_parse(&program, argc, argv, &options, &done, &rest);
	if (done) {
		return code;
	}
	if (options.relay.to.family == 0 || rest < argc) {
		fprintf(stderr, "gdrelay: %s, see --help\n",
			rest < argc ? "it takes options only" : "no target: give --to IP:PORT");
		return FAILED;
	}
	gds_signals_ignore_pipe();
	return run(&options);
}
