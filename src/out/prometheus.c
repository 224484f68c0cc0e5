/* SPDX-License-Identifier: MIT */
#include "out/prometheus.h"

#include <stdint.h>
#include <string.h>

struct sheet {
	struct gds_text *out;
	const struct gds_prometheus_options *options;
	const char *family;
	const struct gds_result *result;
	bool labelled; /* a brace is open */
};

/* --- Samples: open, labels, value ------------------------------------------------------------ */

static void open_sample(struct sheet *s)
{
	gds_text_add(s->out, "%s", s->family);
	s->labelled = false;
}

/* Values are valid UTF-8: an invalid one would cost the scraper all other samples. */
static void add_label(struct sheet *s, const char *name, const char *value)
{
	gds_text_add(s->out, "%s%s=\"", s->labelled ? "," : "{", name);
	s->labelled = true;
	for (; *value; value++) {
		if (*value == '\n') {
			gds_text_add(s->out, "\\n");
		} else if (*value == '"' || *value == '\\') {
			gds_text_add(s->out, "\\%c", *value);
		} else {
			gds_text_add(s->out, "%c", *value);
		}
	}
	gds_text_add(s->out, "\"");
}

static void close_labels(struct sheet *s)
{
	if (s->options->label) {
		char target[sizeof(s->result->target)];

		memcpy(target, s->result->target, sizeof(target));
		gds_text_ascii(target);
		add_label(s, "target", target);
	}
	gds_text_add(s->out, "%s ", s->labelled ? "}" : "");
}

static void add_integer(struct sheet *s, int64_t value)
{
	close_labels(s);
	gds_text_add(s->out, "%lld\n", (long long)value);
}

/* By hand: no exponent, no locale, no digit lost. */
static void add_seconds(struct sheet *s, gds_time span)
{
	close_labels(s);
	gds_text_add(s->out, "%lld.%09lld\n", (long long)(span / GDS_SECOND),
		(long long)(span % GDS_SECOND));
}

static void plain_integer(struct sheet *s, int64_t value)
{
	open_sample(s);
	add_integer(s, value);
}

static void plain_seconds(struct sheet *s, gds_time span)
{
	open_sample(s);
	add_seconds(s, span);
}

/* --- Families ------------------------------------------------------------------------------- */

static bool completed(const struct gds_result *result)
{
	return !result->complaint[0] && result->severity != GDS_UNKNOWN;
}

static void success(struct sheet *s)
{
	plain_integer(s, completed(s->result) && s->result->severity != GDS_CRITICAL);
}

static void was_completed(struct sheet *s)
{
	plain_integer(s, completed(s->result));
}

static void duration(struct sheet *s)
{
	plain_seconds(s, s->result->duration);
}

static void timeout(struct sheet *s)
{
	plain_seconds(s, s->options->timeout);
}

static bool was_tried(const struct gds_result_face *face)
{
	return face->state == GDS_RESULT_OK || face->state == GDS_RESULT_BAD;
}

static void ip_protocol(struct sheet *s)
{
	int protocol = 0;

	for (size_t i = 0; i < s->result->n && !protocol; i++) {
		const char *address = s->result->faces[i].address;

		protocol = !*address ? 0 : *address == '[' ? 6 : 4;
	}
	if (protocol) {
		plain_integer(s, protocol);
	}
}

/* The faces look the name up side by side. */
static void lookup(struct sheet *s)
{
	gds_time longest = -1;

	for (size_t i = 0; i < s->result->n; i++) {
		const struct gds_result_stage *stage =
			&s->result->faces[i].stages[GDS_STAGE_RESOLVE];

		if (stage->reached && stage->duration > longest) {
			longest = stage->duration;
		}
	}
	if (longest >= 0) {
		plain_seconds(s, longest);
	}
}

static void cert_expiry(struct sheet *s)
{
	if (s->result->certificates.known) {
		plain_integer(s, s->result->certificates.not_after);
	}
}

/* blackbox_exporter: of a chain that was verified. There is one chain here, so it is the same end.
 */
static void chain_expiry(struct sheet *s)
{
	if (!s->result->certificates.flawed) {
		cert_expiry(s);
	}
}

static const char *transport_of(const struct gds_result_face *face)
{
	return strncmp(face->name, "udp", 3) == 0 ? "dtls" : "tls";
}

static void tls_version(struct sheet *s)
{
	for (size_t i = 0; i < s->result->n; i++) {
		const struct gds_result_face *face = &s->result->faces[i];

		if (face->tls_version[0]) {
			open_sample(s);
			add_label(s, "face", face->name);
			add_label(s, "version", face->tls_version);
			add_integer(s, 1);
		}
	}
}

static void tls_cipher(struct sheet *s)
{
	for (size_t i = 0; i < s->result->n; i++) {
		const struct gds_result_face *face = &s->result->faces[i];

		if (face->tls_cipher[0]) {
			open_sample(s);
			add_label(s, "face", face->name);
			add_label(s, "cipher", face->tls_cipher);
			add_integer(s, 1);
		}
	}
}

static void stages(struct sheet *s)
{
	for (size_t i = 0; i < s->result->n; i++) {
		const struct gds_result_face *face = &s->result->faces[i];

		for (int stage = 0; stage < GDS_STAGES; stage++) {
			if (face->stages[stage].reached) {
				open_sample(s);
				add_label(s, "stage", gds_stage_name((enum gds_stage)stage));
				add_label(s, "transport", transport_of(face));
				add_label(s, "face", face->name);
				add_seconds(s, face->stages[stage].duration);
			}
		}
	}
}

static void face_success(struct sheet *s)
{
	for (size_t i = 0; i < s->result->n; i++) {
		open_sample(s);
		add_label(s, "face", s->result->faces[i].name);
		add_integer(s, s->result->faces[i].state == GDS_RESULT_OK);
	}
}

static void face_duration(struct sheet *s)
{
	for (size_t i = 0; i < s->result->n; i++) {
		if (was_tried(&s->result->faces[i])) {
			open_sample(s);
			add_label(s, "face", s->result->faces[i].name);
			add_seconds(s, s->result->faces[i].duration);
		}
	}
}

/* Each cause once: which faces show it, probe_godoxy_face_success says. */
static void causes(struct sheet *s)
{
	const struct gds_result *result = s->result;

	for (size_t i = 0; i <= result->n; i++) {
		const struct gds_cause *cause =
			i < result->n ? result->faces[i].cause : result->certificates.cause;
		bool seen = false;

		for (size_t j = 0; j < i; j++) {
			seen = seen || result->faces[j].cause == cause;
		}
		if (cause && !seen) {
			open_sample(s);
			add_label(s, "cause", cause->id);
			add_integer(s, 1);
		}
	}
}

static void agent_info(struct sheet *s)
{
	if (s->result->info) {
		open_sample(s);
		add_label(s, "name", s->result->name);
		add_label(s, "version", s->result->version);
		add_label(s, "runtime", s->result->runtime);
		add_integer(s, 1);
	}
}

static void clock_skew(struct sheet *s)
{
	if (s->result->certificates.skew_known) {
		plain_integer(s, s->result->certificates.skew);
	}
}

static const struct {
	const char *name, *help;
	void (*write)(struct sheet *);
} families[] = {
	{"probe_success", "Displays whether or not the probe was a success", success},
	{"probe_godoxy_completed",
		"Whether the agent could be judged at all: 0 says nothing about it", was_completed},
	{"probe_duration_seconds", "Returns how long the probe took to complete in seconds",
		duration},
	{"probe_timeout_seconds", "How long the probe was allowed to take in seconds", timeout},
	{"probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", ip_protocol},
	{"probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds",
		lookup},
	{"probe_ssl_earliest_cert_expiry",
		"Returns the end of the first certificate to end, of CA, client and agent, in "
		"unixtime",
		cert_expiry},
	{"probe_ssl_last_chain_expiry_timestamp_seconds",
		"Returns last SSL chain expiry in timestamp", chain_expiry},
	{"probe_tls_version_info", "Returns the TLS version used", tls_version},
	{"probe_tls_cipher_info", "Returns the TLS cipher negotiated during handshake", tls_cipher},
	{"probe_godoxy_stream_duration_seconds", "Duration of one stage of a connection", stages},
	{"probe_godoxy_face_success", "Whether this way to the agent works", face_success},
	{"probe_godoxy_face_duration_seconds",
		"Duration of the whole check of this way to the agent", face_duration},
	{"probe_godoxy_cause", "1 for each cause found: gdprobe --explain CAUSE tells more",
		causes},
	{"probe_godoxy_agent_info", "What the agent says of itself", agent_info},
	{"probe_godoxy_clock_skew_seconds", "How far the agent's clock is ahead", clock_skew},
};

void gds_prometheus_family(
	struct gds_text *out, const char *name, const char *type, const char *help)
{
	gds_text_add(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void gds_prometheus_format(struct gds_text *out, const struct gds_result *results, size_t n,
	const struct gds_prometheus_options *options)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		struct sheet s = {.out = out, .options = options, .family = families[i].name};
		size_t before = out->length, header;

		gds_prometheus_family(out, families[i].name, "gauge", families[i].help);
		header = out->length;
		for (size_t j = 0; j < n; j++) {
			s.result = &results[j];
			families[i].write(&s);
		}
		if (out->length == header && !out->cut) {
			/* A family without samples is not announced. */
			out->length = before;
			out->bytes[before] = '\0';
		}
	}
}
