/* SPDX-License-Identifier: MIT */
#include "server/faults.h"

#include "server/server_private.h"

#include <gdstream/catalogue.h>

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define AT(member) offsetof(struct gds_faults, member)
#define NO_ARGUMENT SIZE_MAX
#define ROW(name, member, value)                                                                   \
	{                                                                                          \
		name, AT(member), value, NO_ARGUMENT, 0, 0                                         \
	}
#define ROW_WITH(name, member, value, argument, least, most)                                       \
	{                                                                                          \
		name, AT(member), value, AT(argument), least, most                                 \
	}
/* What gds_faults_identity does: a server only gets the trust that came of it. */
#define ROW_CERTIFICATE(name)                                                                      \
	{                                                                                          \
		name, AT(server), 0, NO_ARGUMENT, 0, 0                                             \
	}

/* What each fault of the catalogue sets. */
static const struct row {
	const char *name;
	size_t member;
	unsigned value; /* bits, or one of a choice */
	size_t argument;
	long least, most;
} rows[] = {
	ROW("accept-bad-checksum", header, GDS_FAULT_CHECKSUM),
	ROW("accept-bad-version", header, GDS_FAULT_VERSION),
	ROW("accept-port-length", header, GDS_FAULT_PORT_LENGTH),
	ROW("refuse-good", header, GDS_FAULT_REFUSE),
	ROW("health-dials", header, GDS_FAULT_HEALTH_DIALS),
	ROW("health-answers", header, GDS_FAULT_HEALTH_ANSWERS),
	ROW("ignore-flag", header, GDS_FAULT_IGNORE_FLAG),
	ROW("skip-dial", header, GDS_FAULT_SKIP_DIAL),
	ROW_WITH("dial-other-port", header, GDS_FAULT_OTHER_PORT, port_shift, 1, 65535),
	ROW("early-payload-lost", stream, GDS_FAULT_EARLY_LOST),
	ROW("header-forwarded", stream, GDS_FAULT_FORWARD_HEADER),
	ROW_WITH("payload-adds-byte", stream, GDS_FAULT_ADD, at, 0, INT_MAX),
	ROW_WITH("payload-drops-byte", stream, GDS_FAULT_DROP, at, 0, INT_MAX),
	ROW_WITH("payload-flips-bit", stream, GDS_FAULT_FLIP, at, 0, INT_MAX),
	ROW_WITH("close-late", header, GDS_FAULT_CLOSE_LATE, close_after, 1, INT_MAX),
	ROW("close-never", header, GDS_FAULT_CLOSE_NEVER),
	ROW("close-reset", ending, GDS_FAULT_CLOSE_RESET),
	ROW("no-close-notify", ending, GDS_FAULT_NO_CLOSE_NOTIFY),

	ROW("no-client-cert", session, GDS_FAULT_NO_CLIENT_CERT),
	ROW("cert-not-asked", session, GDS_FAULT_CERT_NOT_ASKED),
	ROW("any-client-ca", forgive, GDS_VERIFY_SIGNER),
	ROW("expired-client", forgive, GDS_VERIFY_EXPIRED),
	ROW("any-client-purpose", forgive, GDS_VERIFY_PURPOSE),
	ROW("other-client-ca", blame, GDS_VERIFY_SIGNER),
	ROW("clock-ahead", blame, GDS_VERIFY_EXPIRED),
	ROW("clock-behind", blame, GDS_VERIFY_NOT_YET),
	ROW("refuse-clients", blame, GDS_VERIFY_OTHER),

	ROW_CERTIFICATE("cert-wrong-san"),
	ROW_CERTIFICATE("cert-no-san"),
	ROW_CERTIFICATE("cert-cn-only"),
	ROW_CERTIFICATE("cert-client-purpose"),
	ROW_CERTIFICATE("cert-expired"),
	ROW_CERTIFICATE("cert-not-yet-valid"),
	{"cert-expiring", AT(server), 0, AT(days), 1, 365000},
	ROW_CERTIFICATE("cert-rsa"),
	ROW_CERTIFICATE("cert-other-ca"),
	ROW_CERTIFICATE("cert-foreign"),

	ROW("tls-1.1-only", tls, GDS_FAULT_TLS_11),
	ROW("tls-1.2-only", session, GDS_FAULT_TLS_12),
	ROW("tls-1.3-only", session, GDS_FAULT_TLS_13),
	ROW("tls-other-suite", tls, GDS_FAULT_TLS_SUITE),
	ROW("tls-other-group", tls, GDS_FAULT_TLS_GROUP),
	ROW("no-alpn", alpn, GDS_FAULT_ALPN_NONE),
	ROW("alpn-http-only", alpn, GDS_FAULT_ALPN_HTTP),
	ROW("alpn-stream-only", alpn, GDS_FAULT_ALPN_STREAM),
	ROW("alpn-other", alpn, GDS_FAULT_ALPN_OTHER),

	ROW("alpn-always-http", session, GDS_FAULT_ALWAYS_HTTP),

	ROW("stalls", start, GDS_FAULT_STALL),
	ROW("closes-at-once", start, GDS_FAULT_CLOSE),
	ROW("resets-at-once", start, GDS_FAULT_RESET),
	ROW("speaks-http", start, GDS_FAULT_HTTP),
	ROW("speaks-ssh", start, GDS_FAULT_SSH),
	ROW("speaks-smtp", start, GDS_FAULT_SMTP),
	ROW_WITH("slow-handshake", start, GDS_FAULT_SLOW, start_delay, 1, INT_MAX),
	ROW("stop-after-hello", start, GDS_FAULT_STOP),
	ROW("corrupt-handshake", start, GDS_FAULT_CORRUPT),

	ROW("dtls-closed", server, GDS_FAULT_UDP_CLOSED),
	ROW("dtls-silent", hello, GDS_FAULT_HELLO_SILENT),
	ROW("dtls-garbage", hello, GDS_FAULT_HELLO_GARBAGE),
	ROW_WITH("dtls-alert", hello, GDS_FAULT_HELLO_ALERT, alert, 1, 255),
	ROW("dtls-no-cookie", hello, GDS_FAULT_HELLO_ACCEPT),
	ROW("dtls-silent-after-cookie", slot, GDS_FAULT_MUTE),
	ROW("dtls-no-ems", dtls, GDS_FAULT_DTLS_NO_EMS),
	ROW("dtls-other-suite", dtls, GDS_FAULT_DTLS_SUITE),
	ROW("dtls-other-group", dtls, GDS_FAULT_DTLS_GROUP),
	ROW("dtls-1.0-only", dtls, GDS_FAULT_DTLS_10),
	ROW_WITH("dtls-drops-message", slot, GDS_FAULT_DROP_MESSAGE, message, 0, 65535),
	ROW_WITH("dtls-loses-flight", slot, GDS_FAULT_LOSE_MESSAGE, message, 0, 65535),
	ROW("dtls-no-close-notify", slot, GDS_FAULT_DROP_CLOSE),
	ROW_WITH("dtls-forgets", slot, GDS_FAULT_FORGET, forget_after, 0, INT_MAX),
	ROW("dtls-locks-tuple", hello, GDS_FAULT_HELLO_LOCKED),

	ROW_WITH("udp-payload-limit", datagram, GDS_FAULT_LIMIT, limit, 0, 65535),
	ROW("udp-splits", datagram, GDS_FAULT_SPLIT),
	ROW("udp-merges", datagram, GDS_FAULT_MERGE),
	ROW("udp-duplicates", datagram, GDS_FAULT_DUPLICATE),
	ROW("udp-reorders", datagram, GDS_FAULT_REORDER),
	ROW("udp-corrupts", datagram, GDS_FAULT_FLIP_ALL),
	ROW_WITH("udp-drops", datagram, GDS_FAULT_DROP_NTH, nth, 1, INT_MAX),
	ROW("long-datagram-kills", datagram, GDS_FAULT_LONG_KILLS),
	ROW("icmp-kills", destination, GDS_FAULT_ICMP_KILLS),

	ROW("info-404", http, GDS_FAULT_OLD_AGENT),
	ROW_WITH("info-500", http, GDS_FAULT_STATUS, http_status, 200, 599),
	ROW("info-text", http, GDS_FAULT_TEXT),
	ROW("info-wrong-json", http, GDS_FAULT_JSON),
	ROW_WITH("info-slow", destination, GDS_FAULT_HTTP_SLOW, http_delay, 1, INT_MAX),
	ROW("http-garbage", destination, GDS_FAULT_HTTP_GARBAGE),
	ROW("http-truncated", destination, GDS_FAULT_HTTP_CUT),
	ROW("other-paths-502", http, GDS_FAULT_502),
	ROW("health-udp-blind", http, GDS_FAULT_UDP_HEALTH),
	ROW("health-any-scheme", http, GDS_FAULT_ANY_SCHEME),

	ROW("one-at-a-time", server, GDS_FAULT_ONE),
	ROW("leaks-destination", destination, GDS_FAULT_LEAK),
	ROW("empty-host-dials", header, GDS_FAULT_EMPTY_HOST),
	ROW("nul-host-resolves", header, GDS_FAULT_NUL_HOST),
	ROW("odd-port-dials", header, GDS_FAULT_ODD_PORT),
	ROW("handshake-endless", session, GDS_FAULT_ENDLESS),
	ROW("header-hangs-on-http", http, GDS_FAULT_HANGS),
	ROW("keeps-client-end", destination, GDS_FAULT_KEEP_CLIENT_END),
	ROW("keeps-destination-end", stream, GDS_FAULT_KEEP_DESTINATION_END),
	ROW("ignores-resets", stream, GDS_FAULT_CLIENT_RESET),
	ROW("dial-not-cancelled", stream, GDS_FAULT_KEEP_DIALLING),
	ROW("udp-never-idle", server, GDS_FAULT_NEVER_IDLE),
	ROW("udp-silent-shutdown", slot, GDS_FAULT_SILENT_SHUTDOWN),
	ROW("fragile-handshake", slot, GDS_FAULT_FRAGILE),
};

static const struct row *find(const struct gds_fault *fault)
{
	for (size_t i = 0; fault && i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, fault->name) == 0) {
			return &rows[i];
		}
	}
	return NULL;
}

/* Of these one is chosen, of the others any number of bits is set. */
static bool is_choice(size_t member)
{
	return member == AT(tls) || member == AT(dtls) || member == AT(alpn) ||
	       member == AT(start) || member == AT(hello);
}

static void set_member(struct gds_faults *f, const struct row *row)
{
	unsigned *member = (unsigned *)(void *)((char *)f + row->member);
	*member = is_choice(row->member) ? row->value : *member | row->value;
}

static int set_argument(struct gds_faults *f, const struct row *row, const struct gds_fault *fault,
	const char *name, struct gds_complaint *complaint)
{
	const char *text = strchr(name, '=');
	char *end = NULL;
	long value = text ? strtol(text + 1, &end, 10) : fault->standard;
	if (text && !fault->argument) {
		return gds_complain(
			complaint, GDS_E_INVALID, "the fault %s takes no argument", fault->name);
	}
	if (row->argument == NO_ARGUMENT) {
		return GDS_OK;
	}
	if (text && (end == text + 1 || *end || value < row->least || value > row->most)) {
		return gds_complain(complaint, GDS_E_INVALID,
			"the fault %s takes a number from %ld to %ld, not \"%s\"", fault->name,
			row->least, row->most, text + 1);
	}
	*(long *)(void *)((char *)f + row->argument) = value;
	return GDS_OK;
}

int gds_faults_parse(
	const char *const *names, struct gds_faults *f, struct gds_complaint *complaint)
{
	*f = (struct gds_faults){0};
	for (; names && *names; names++) {
		const struct gds_fault *fault = gds_fault_find(*names);
		const struct row *row = find(fault);
		if (!row) {
			return gds_complain(complaint, GDS_E_INVALID,
				"there is no fault named \"%s\"; --list-faults shows them", *names);
		}
		set_member(f, row);
		int rc = set_argument(f, row, fault, *names, complaint);
		if (rc != GDS_OK) {
			return rc;
		}
		if (row->member == AT(stream) && row->value == GDS_FAULT_CLIENT_RESET) {
			f->destination |= GDS_FAULT_DESTINATION_RESET; /* either side */
		}
	}
	return GDS_OK;
}

static struct gds_carrier *under(struct gds_connection *c, struct gds_carrier *below)
{
	const struct gds_faults *f = &c->worker->server->faults;
	if (c->transport == GDS_TCP) {
		return f->start ? gds_fault_under_tcp(c, below) : below;
	}
	return f->slot ? gds_fault_under_udp(c, below) : below;
}

static struct gds_carrier *over(
	void *ctx, enum gds_transport transport, struct gds_carrier *session)
{
	struct gds_connection *c = ctx;
	return transport == GDS_TCP ? gds_fault_over_tcp(c, session)
				    : gds_fault_over_udp(c, session);
}

/*
 * A socket that is connected elsewhere gets nobody else's datagrams: the system refuses them as
 * it does where nobody listens.
 */
static void close_udp(struct gds_worker *w)
{
	struct sockaddr_storage to;
	struct gds_address nobody = w->server->address;
	nobody.port = 9; /* discard (RFC 863) */
	if (w->server->address.family == 4) {
		memcpy(nobody.ip, (uint8_t[]){127, 0, 0, 1}, 4);
	} else {
		memset(nobody.ip, 0, sizeof(nobody.ip));
		nobody.ip[15] = 1;
	}
	socklen_t n = gds_address_to_sockaddr(&nobody, &to);
	(void)connect(w->udp, (struct sockaddr *)&to, n);
}

void gds_faults_apply(
	const struct gds_faults *f, struct gds_server_ops *ops, struct gds_server_options *o)
{
	if (f->header) {
		ops->serve.judge = gds_fault_judge;
		ops->serve.destination = gds_fault_sink;
	}
	if (f->header & GDS_FAULT_HEALTH_ANSWERS || f->stream || f->datagram || f->destination) {
		ops->serve.judge = gds_fault_judge;
		ops->serve.wrap = over;
	}
	if (f->ending || f->start) {
		ops->serve.ending = gds_fault_end;
	}
	if (f->stream || f->destination) {
		ops->serve.reached = gds_fault_reached;
	}
	if (f->session || f->tls || f->dtls || f->alpn || f->forgive || f->blame) {
		ops->serve.profile = gds_fault_profile;
	}
	if (f->session & GDS_FAULT_ALWAYS_HTTP) {
		ops->serve.is_stream = gds_fault_is_stream;
	}
	ops->under = f->start || f->slot ? under : NULL;
	ops->hello = f->hello ? gds_fault_hello : NULL;
	ops->listening = f->server & GDS_FAULT_UDP_CLOSED ? close_udp : NULL;
	if (f->session & (GDS_FAULT_NO_CLIENT_CERT | GDS_FAULT_CERT_NOT_ASKED)) {
		o->optional_client_cert = true;
	}
	if (f->session & (GDS_FAULT_TLS_12 | GDS_FAULT_TLS_13)) {
		o->versions = f->session & GDS_FAULT_TLS_12 ? GDS_TLS_12 : GDS_TLS_13;
	}
	if (f->server & GDS_FAULT_ONE) {
		o->max_connections = 1;
	}
	if (f->server & GDS_FAULT_NEVER_IDLE) {
		o->udp_idle = GDS_NEVER;
	}
}
