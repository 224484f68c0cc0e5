/* SPDX-License-Identifier: MIT */
/* What a connection came to: one counter, one line. No raw header byte and no payload gets here. */
#include "server/server_private.h"

#include <stdio.h>
#include <string.h>

/*
 * Lines about failed handshakes that a worker writes in a second; the next one says how many were
 * left out.
 */
#define FAILURES_A_SECOND 20

static void begin(struct gds_log_line *line, const char *message, const struct gds_serve_report *r)
{
	char peer[GDS_ADDRESS_TEXT];
	gds_log_begin(line, message);
	gds_log_text(line, "transport", r->request.transport == GDS_UDP ? "udp" : "tcp");
	gds_log_text(line, "peer", gds_address_format(&r->request.peer, peer));
}

static void add_verify(struct gds_log_line *line, unsigned flags)
{
	static const char *const names[] = {"signer", "expired", "not-yet", "purpose", "name",
		"no-san", "signature", "revoked", "other"};
	char text[96] = "";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (flags & 1u << i) {
			size_t n = strlen(text);
			snprintf(text + n, sizeof(text) - n, "%s%s", n ? "," : "", names[i]);
		}
	}
	gds_log_text(line, "verify", text);
}

static void add_why(struct gds_log_line *line, const struct gds_error *why)
{
	if (why->code == GDS_OK) {
		return;
	}
	gds_log_text(line, "stage", gds_stage_name(why->stage));
	gds_log_text(line, "error", gds_errname(why->code));
	gds_log_text(line, "reason", gds_strerror(why->code));
	gds_log_text(line, "statement", why->statement);
	add_verify(line, why->verify);
	if (why->alert > 0) {
		gds_log_text(line, "alert", gds_alert_name(why->alert - 1));
	}
	if (why->code == GDS_E_TLS || why->code == GDS_E_RESOLVE) {
		gds_log_number(line, "library", why->lib);
	}
	if (why->sys != 0) {
		char text[64];
		gds_log_text(line, "errno", strerror_r(why->sys, text, sizeof(text)));
	}
}

static void add_destination(struct gds_log_line *line, const struct gds_header *h)
{
	gds_log_bytes(line, "host", h->host, h->host_length);
	gds_log_bytes(line, "port", h->port, h->port_length);
}

static void add_traffic(struct gds_log_line *line, const struct gds_serve_report *r)
{
	static const char *const keys[][2] = {{"bytes_in", "bytes_out"},
		{"datagrams_in", "datagrams_out"}, {"dropped_in", "dropped_out"}};
	const struct gds_tunnel_report *t = &r->tunnel;
	for (int i = 0; i < 2; i++) {
		gds_log_number(line, keys[0][i], (int64_t)t->bytes[i]);
		if (r->request.transport == GDS_UDP) {
			gds_log_number(line, keys[1][i], (int64_t)t->datagrams[i]);
		}
		if (t->dropped[i] > 0) {
			gds_log_number(line, keys[2][i], (int64_t)t->dropped[i]);
		}
	}
	if (t->refused > 0) {
		gds_log_number(line, "refused", (int64_t)t->refused);
	}
	if (t->idle) {
		gds_log_text(line, "idle", "yes");
	}
}

static const struct kind {
	const char *message;
	enum gds_log_level level;
	enum gds_counter counter;
	bool destination, traffic;
} kinds[] = {
	[GDS_SERVED_NOTHING] = {"handshake failed", GDS_LOG_WARNING, COUNT_HANDSHAKES_FAILED, false,
		false},
	[GDS_SERVED_HEALTH] = {"health check", GDS_LOG_INFO, COUNT_HEALTH, false, false},
	[GDS_SERVED_TUNNEL] = {"tunnel ended", GDS_LOG_INFO, COUNT_TUNNELS, true, true},
	[GDS_SERVED_HTTP] = {"http connection ended", GDS_LOG_DEBUG, COUNT_HTTP, false, true},
	[GDS_SERVED_REFUSED] = {"header refused", GDS_LOG_WARNING, COUNT_REFUSED, false, false},
	[GDS_SERVED_UNREACHED] = {"destination not reached", GDS_LOG_WARNING, COUNT_UNREACHED, true,
		false},
};

/*
 * A connection that ended before its header did without anything being wrong with it: a port scan,
 * a stop.
 */
static bool is_quiet(const struct gds_serve_report *r)
{
	bool gone = r->why.code == GDS_E_TRUNCATED || r->why.code == GDS_E_RESET ||
		    r->why.code == GDS_E_TIMEOUT || r->why.code == GDS_E_CANCELLED;
	return r->kind == GDS_SERVED_NOTHING && gone;
}

/*
 * Whoever can reach the port can make handshakes fail: the log keeps its bound. \return true to
 * write the line.
 */
static bool may_log(struct gds_worker *w, struct gds_log_line *line)
{
	gds_time now = gds_now(gds_env_system());
	if (now - w->log_second >= GDS_SECOND) {
		w->log_second = now;
		w->log_lines = 0;
	}
	if (w->log_lines >= FAILURES_A_SECOND) {
		w->log_suppressed++;
		return false;
	}
	w->log_lines++;
	if (w->log_suppressed > 0) {
		gds_log_number(line, "suppressed", w->log_suppressed);
		w->log_suppressed = 0;
	}
	return true;
}

void gds_connection_ended(void *ctx, const struct gds_serve_report *r)
{
	struct gds_connection *c = ctx;
	const struct kind *kind = &kinds[r->kind];
	const struct gds_facts *facts = r->request.facts;
	const char *message = kind->message;
	struct gds_log_line line;
	if (r->kind == GDS_SERVED_NOTHING && facts && facts->established) {
		message = "session ended without a header";
	} else {
		gds_count(c->worker, kind->counter, 1);
	}
	begin(&line, message, r);
	if (kind->destination) {
		add_destination(&line, &r->request.header);
	}
	add_why(&line, &r->why);
	if (facts && facts->alert_out > 0) {
		gds_log_text(&line, "answered", gds_alert_name(facts->alert_out - 1));
	}
	if (kind->traffic) {
		add_traffic(&line, r);
	}
	gds_log_span(&line, "duration", r->duration);
	if (r->kind != GDS_SERVED_NOTHING || may_log(c->worker, &line)) {
		gds_server_log(c->worker->server, is_quiet(r) ? GDS_LOG_INFO : kind->level, &line);
	}
}
