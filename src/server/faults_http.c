/* SPDX-License-Identifier: MIT */
/* Faults of the HTTPS API: other routes. */
#include "server/faults.h"

#include <string.h>

#define TEXT "text/plain; charset=utf-8"
#define JSON "application/json"
#define INFO GDS_HTTP_BASE "/info"
#define HEALTH GDS_HTTP_BASE "/health"

/* One more, before all others. */
static void first(struct gds_http_options *o, struct gds_http_route route)
{
	if (o->n < GDS_HTTP_ROUTES) {
		memmove(o->routes + 1, o->routes, o->n * sizeof(o->routes[0]));
		o->routes[0] = route;
		o->n++;
	}
}

static void replace_last(struct gds_http_options *o, unsigned status, const char *body)
{
	struct gds_http_route *last = &o->routes[o->n - 1];
	last->status = status;
	last->type = NULL;
	last->body = body;
}

/* API-08: what agents had before /info. */
static void be_old(struct gds_http_options *o)
{
	first(o, (struct gds_http_route){GDS_HTTP_BASE "/name", NULL, 200, TEXT, o->name});
	first(o, (struct gds_http_route){GDS_HTTP_BASE "/version", NULL, 200, TEXT, o->version});
	first(o, (struct gds_http_route){GDS_HTTP_BASE "/runtime", NULL, 200, TEXT, o->runtime});
	first(o, (struct gds_http_route){INFO, NULL, 404, TEXT, "404 page not found\n"});
}

static bool is_udp(const char *scheme)
{
	return strncmp(scheme, "udp", 3) == 0;
}

/* API-02 has the list; a query without one is an error of its own. */
static bool is_unknown(const char *scheme)
{
	static const char *const known[] = {"http", "https", "h2c", "tcp", "tcp4", "tcp6", "udp",
		"udp4", "udp6", "fileserver", ""};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(scheme, known[i]) == 0) {
			return false;
		}
	}
	return true;
}

void gds_fault_http(const struct gds_faults *f, struct gds_http_options *o)
{
	if (f->http & GDS_FAULT_OLD_AGENT) {
		be_old(o);
	}
	if (f->http & GDS_FAULT_STATUS) {
		first(o, (struct gds_http_route){INFO, NULL, (unsigned)f->http_status, TEXT,
				 "Internal Server Error\n"});
	}
	if (f->http & GDS_FAULT_TEXT) {
		first(o, (struct gds_http_route){INFO, NULL, 200, TEXT, "It works!\n"});
	}
	if (f->http & GDS_FAULT_JSON) {
		first(o, (struct gds_http_route){INFO, NULL, 200, JSON, "{\"status\":\"up\"}\n"});
	}
	if (f->http & GDS_FAULT_UDP_HEALTH) {
		first(o, (struct gds_http_route){HEALTH, is_udp, 200, JSON,
				 "{\"healthy\":true,\"detail\":\"\",\"latency\":0}\n"});
	}
	if (f->http & GDS_FAULT_ANY_SCHEME) {
		first(o, (struct gds_http_route){HEALTH, is_unknown, 200, JSON,
				 "{\"healthy\":false,\"detail\":\"\",\"latency\":0}\n"});
	}
	if (f->http & GDS_FAULT_502) {
		replace_last(o, 502, "");
	}
	if (f->http & GDS_FAULT_HANGS) {
		o->first_request = 0;
	}
}
