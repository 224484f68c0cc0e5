/* SPDX-License-Identifier: MIT */
#include "io/client_private.h"
#include "io/wait_private.h"
#include "stream/farewell.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

struct gds_client {
	const struct gds_env *env;
	struct gds_carrier *carrier; /* NULL once closed */
	bool shut;
	struct gds_error why; /* the last error */
	struct gds_report report;
};

/* --- Open --- */

static int refuse(struct gds_error *why, int code)
{
	*why = (struct gds_error){.code = code, .origin = GDS_LOCAL};
	return code;
}

/* What a server would refuse is not sent at all (HDR-06, HDR-10 to HDR-14). */
static int make_header(
	struct gds_header *out, const struct gds_client_options *o, struct gds_error *why)
{
	uint8_t wire[GDS_HEADER_SIZE];
	char port[GDS_PORT_MAX + 1];
	int rc;

	snprintf(port, sizeof(port), "%u", (unsigned)o->port);
	rc = gds_header_init(out, o->host, port, 0);
	if (rc == GDS_OK) {
		rc = gds_header_encode(out, wire);
	}
	if (rc != GDS_OK) {
		refuse(why, rc);
		why->statement = "HDR-06";
	} else {
		rc = gds_header_check(wire, why);
		why->origin = GDS_LOCAL;
	}
	why->stage = GDS_STAGE_HEADER;
	return rc;
}

int gds_client_attempt(struct gds_machine **out, const struct gds_client_options *o,
	enum gds_plan plan, gds_time deadline, struct gds_error *why)
{
	struct gds_attempt_options attempt = {
		.transport = o->transport,
		.plan = plan,
		.host = o->agent,
		.port = o->agent_port ? o->agent_port : GDS_DEFAULT_PORT,
		.trust = o->trust,
		.versions = o->versions,
		.priority = o->priority,
		.deadline = deadline,
	};

	if (!o->trust || gds_trust_role(o->trust) != GDS_CLIENT || !o->agent ||
		(plan == GDS_PLAN_TUNNEL && !o->host)) {
		return refuse(why, GDS_E_INVALID);
	}
	if (!o->agent[0] || strlen(o->agent) > GDS_HOST_MAX) {
		return refuse(why, o->agent[0] ? GDS_E_HOST_LENGTH : GDS_E_HOST_EMPTY);
	}
	if (plan == GDS_PLAN_TUNNEL) {
		int rc = make_header(&attempt.header, o, why);

		if (rc != GDS_OK) {
			return rc;
		}
	}
	*out = gds_attempt_new(&attempt, gds_client_env(o));
	return *out ? GDS_OK : refuse(why, GDS_E_NOMEM);
}

/* The attempt has ended, and is freed behind this. */
static void on_opened(void *ctx, struct gds_machine *machine)
{
	struct gds_client *c = ctx;

	c->report = *gds_attempt_report(machine);
	c->carrier = gds_attempt_take(machine);
}

static int run_attempt(struct gds_client *c, struct gds_machine *machine)
{
	struct gds_wait *wait = NULL;
	int rc = gds_wait_new(&wait, c->env);

	if (rc == GDS_OK && !gds_wait_add(wait, machine, on_opened, c)) {
		rc = GDS_E_NOMEM;
	}
	if (rc != GDS_OK) {
		machine->ops->free(machine);
		c->report.why = (struct gds_error){.code = rc, .origin = GDS_LOCAL};
	} else {
		/* It has a deadline of its own. */
		(void)gds_wait_run(wait, GDS_NEVER);
	}
	gds_wait_free(wait);
	return c->report.why.code;
}

int gds_client_open(
	struct gds_client **out, const struct gds_client_options *o, struct gds_error *why)
{
	struct gds_machine *machine = NULL;
	struct gds_client *c;
	struct gds_error unwanted;
	int rc;

	why = why ? why : &unwanted;
	if (out) {
		*out = NULL;
	}
	if (!out || !o) {
		return refuse(why, GDS_E_INVALID);
	}
	c = gds_alloc(gds_client_env(o), sizeof(*c));
	if (!c) {
		return refuse(why, GDS_E_NOMEM);
	}
	c->env = gds_client_env(o);
	gds_time span = o->timeout > 0 ? o->timeout : GDS_CLIENT_TIMEOUT;

	*why = (struct gds_error){0};
	rc = gds_client_attempt(
		&machine, o, GDS_PLAN_TUNNEL, gds_later(gds_now(c->env), span), why);
	if (rc == GDS_OK) {
		rc = run_attempt(c, machine);
		*why = c->report.why;
	}
	if (rc != GDS_OK) {
		gds_free(c->env, c);
		return rc;
	}
	*out = c;
	return GDS_OK;
}

/* --- Talk --- */

static int note(struct gds_client *c, int code)
{
	c->why = c->carrier->why;
	c->why.code = code;
	return code;
}

/*
 * Wait until reading (POLLIN) or writing (POLLOUT) is worth another try.
 * \return GDS_OK, GDS_AGAIN or GDS_E_TIMEOUT: the deadline has passed.
 */
static int await(struct gds_client *c, short events, gds_time deadline)
{
	struct gds_interest want = {.fd = -1, .deadline = GDS_NEVER};
	gds_time now = gds_now(c->env);

	if (now >= deadline) {
		return deadline == GDS_AT_ONCE ? GDS_AGAIN : GDS_E_TIMEOUT;
	}
	gds_carrier_interest(c->carrier, &want);
	if (events == POLLOUT) {
		/* What waits to be read must not wake a writer again and again. */
		want.events = POLLOUT;
		want.ready = false;
	}
	gds_wait_sleep(&want, 1, deadline, now);
	return GDS_OK;
}

ssize_t gds_client_read(struct gds_client *c, void *buffer, size_t size, gds_time deadline)
{
	if (!c || !c->carrier || !buffer || size == 0) {
		return GDS_E_INVALID;
	}
	for (;;) {
		ssize_t n = gds_carrier_read(c->carrier, buffer, size);
		int rc;

		if (n > 0 || n == GDS_EOF) {
			return n;
		}
		if (n < 0 && n != GDS_AGAIN) {
			return note(c, (int)n);
		}
		/* What a write left behind goes out while we wait. */
		(void)gds_carrier_flush(c->carrier);
		rc = await(c, POLLIN, deadline);
		if (rc != GDS_OK) {
			return rc;
		}
	}
}

/* \return GDS_OK when nothing is left in the carrier. */
static int flush(struct gds_client *c, gds_time deadline)
{
	for (;;) {
		int rc = gds_carrier_flush(c->carrier);

		if (rc == GDS_OK) {
			return GDS_OK;
		}
		if (rc != GDS_AGAIN) {
			return note(c, rc);
		}
		rc = await(c, POLLOUT, deadline);
		if (rc != GDS_OK) {
			return rc;
		}
	}
}

/* The alert that explains a failed write is still there to be read (GNUTLS trap 2). */
static int write_failed(struct gds_client *c, int code)
{
	uint8_t byte[1];

	note(c, code);
	if (!c->carrier->datagram &&
		gds_carrier_read(c->carrier, byte, sizeof(byte)) == GDS_E_ALERT) {
		note(c, GDS_E_ALERT);
	}
	return c->why.code;
}

ssize_t gds_client_write(struct gds_client *c, const void *data, size_t n, gds_time deadline)
{
	size_t done = 0;
	int rc = GDS_OK;

	if (!c || !c->carrier || c->shut || (!data && n > 0)) {
		return GDS_E_INVALID;
	}
	while (rc == GDS_OK && done < n) {
		ssize_t w = gds_carrier_write(c->carrier, (const char *)data + done, n - done);

		if (w > 0) {
			done += (size_t)w;
		} else if (w == GDS_E_LIMIT) {
			return GDS_E_LIMIT;
		} else if (w < 0 && w != GDS_AGAIN) {
			return write_failed(c, (int)w);
		} else {
			rc = await(c, POLLOUT, deadline);
		}
	}
	/* Taken is taken: what the socket does not want yet goes out with the calls to come. */
	if (rc == GDS_OK) {
		rc = flush(c, deadline);
	}
	if (rc == GDS_OK || rc == GDS_AGAIN || rc == GDS_E_TIMEOUT) {
		return done > 0 || rc == GDS_OK ? (ssize_t)done : rc;
	}
	return write_failed(c, rc);
}

int gds_client_shut(struct gds_client *c, gds_time deadline)
{
	if (!c || !c->carrier) {
		return GDS_E_INVALID;
	}
	c->shut = true;
	for (;;) {
		int rc = gds_carrier_shut(c->carrier);

		if (rc == GDS_OK) {
			return flush(c, deadline);
		}
		if (rc != GDS_AGAIN) {
			return note(c, rc);
		}
		rc = await(c, POLLOUT, deadline);
		if (rc != GDS_OK) {
			return rc;
		}
	}
}

/* --- Close --- */

static int say_farewell(struct gds_client *c, struct gds_scratch *scratch, gds_time deadline)
{
	struct gds_farewell farewell = {0};
	bool over;
	gds_time now;

	gds_farewell_start(&farewell, c->carrier, true, deadline);
	for (;;) {
		struct gds_interest want = {.fd = -1, .deadline = GDS_NEVER};

		now = gds_now(c->env);
		over = gds_farewell_step(&farewell, NULL, scratch, now);
		if (over) {
			break;
		}
		gds_farewell_interest(&farewell, &want);
		gds_wait_sleep(&want, 1, deadline, now);
	}
	return now >= deadline ? GDS_E_TIMEOUT : GDS_OK;
}

int gds_client_close(struct gds_client *c, gds_time deadline)
{
	struct gds_scratch *scratch;
	int rc = GDS_OK;

	if (!c) {
		return GDS_E_INVALID;
	}
	if (!c->carrier) {
		return GDS_OK;
	}
	scratch = c->carrier->datagram ? NULL : gds_alloc(c->env, sizeof(*scratch));
	if (scratch) {
		rc = say_farewell(c, scratch, deadline);
	} else {
		/* Datagrams: one goodbye, and no answer to wait for. Without memory: the short way.
		 */
		gds_carrier_close(c->carrier, GDS_CLOSE_CLEAN);
	}
	c->carrier = NULL;
	gds_free(c->env, scratch);
	return rc;
}

void gds_client_free(struct gds_client *c)
{
	if (c) {
		(void)gds_client_close(c, GDS_AT_ONCE);
		gds_free(c->env, c);
	}
}

/* --- Look --- */

int gds_client_fd(const struct gds_client *c)
{
	return c && c->carrier ? gds_carrier_fd(c->carrier) : -1;
}

void gds_client_interest(struct gds_client *c, struct gds_interest *out)
{
	*out = (struct gds_interest){.fd = -1, .deadline = GDS_NEVER};
	if (c && c->carrier) {
		gds_carrier_interest(c->carrier, out);
	}
}

const struct gds_error *gds_client_error(const struct gds_client *c)
{
	static const struct gds_error invalid = {.code = GDS_E_INVALID};

	return c ? &c->why : &invalid;
}

const struct gds_report *gds_client_report(const struct gds_client *c)
{
	return c ? &c->report : NULL;
}
