/* SPDX-License-Identifier: MIT */
/* Health checks that block, and what can be learnt of an agent by them. */
#include "io/client_private.h"
#include "tls/verdict.h"

/* One check under way. */
struct checking {
	struct gds_health *health;
};

static void on_checked(void *ctx, struct gds_machine *machine)
{
	struct checking *c = ctx;

	c->health->report = *gds_attempt_report(machine);
}

/* \return GDS_OK when the check is under way. */
static int begin(struct gds_wait *wait, struct checking *checking,
	const struct gds_client_options *o, gds_time deadline)
{
	struct gds_error *why = &checking->health->report.why;
	struct gds_machine *machine = NULL;
	int rc = gds_client_attempt(&machine, o, GDS_PLAN_HEALTH, deadline, why);

	if (rc == GDS_OK && !gds_wait_add(wait, machine, on_checked, checking)) {
		machine->ops->free(machine);
		*why = (struct gds_error){.code = GDS_E_NOMEM};
		rc = GDS_E_NOMEM;
	}
	return rc;
}

static void conclude(struct gds_health *h, const struct gds_client_options *o,
	enum gds_transport transport, const struct gds_report *other)
{
	const struct gds_env *env = gds_client_env(o);
	struct gds_verdict_input input = {
		.report = &h->report,
		.transport = transport,
		.own = gds_trust_own(o->trust),
		.own_flaws = gds_trust_own_flaws(o->trust, env->wall(env->ctx) / GDS_SECOND),
		.other = other,
	};

	h->cause = gds_verdict_cause(&input);
}

static gds_time deadline_of(const struct gds_client_options *o, gds_time usual)
{
	return gds_later(gds_now(gds_client_env(o)), o->timeout > 0 ? o->timeout : usual);
}

int gds_client_health(struct gds_health *out, const struct gds_client_options *o)
{
	struct checking checking = {.health = out};
	struct gds_wait *wait = NULL;
	int rc;

	if (!out || !o) {
		return GDS_E_INVALID;
	}
	*out = (struct gds_health){.cause = "unknown"};
	rc = gds_wait_new(&wait, o->env);
	if (rc == GDS_OK) {
		rc = begin(wait, &checking, o, deadline_of(o, GDS_CLIENT_TIMEOUT));
	}
	if (rc == GDS_OK) {
		(void)gds_wait_run(wait, GDS_NEVER); /* it has a deadline of its own */
		conclude(out, o, o->transport, NULL);
		rc = out->report.why.code;
	}
	out->report.why.code = rc;
	gds_wait_free(wait);
	return rc;
}

int gds_detect(struct gds_capabilities *out, const struct gds_client_options *options)
{
	struct checking tcp, udp;
	struct gds_client_options o;
	struct gds_wait *wait = NULL;
	gds_time deadline;
	int rc;

	if (!out || !options) {
		return GDS_E_INVALID;
	}
	*out = (struct gds_capabilities){.tcp.cause = "unknown", .udp.cause = "unknown"};
	tcp = (struct checking){.health = &out->tcp};
	udp = (struct checking){.health = &out->udp};
	o = *options;
	deadline = deadline_of(&o, GDS_DETECT_BUDGET);
	rc = gds_wait_new(&wait, o.env);
	if (rc == GDS_OK) {
		o.transport = GDS_TCP;
		rc = begin(wait, &tcp, &o, deadline);
	}
	if (rc == GDS_OK) {
		o.transport = GDS_UDP;
		o.priority = NULL; /* one string does not fit TLS and DTLS */
		rc = begin(wait, &udp, &o, deadline);
	}
	if (rc == GDS_OK) {
		(void)gds_wait_run(wait, GDS_NEVER);
		conclude(&out->tcp, &o, GDS_TCP, NULL);
		/* TCP's view tells why UDP fails where UDP itself cannot (CERT-05). */
		conclude(&out->udp, &o, GDS_UDP, &out->tcp.report);
		out->supports_tcp_stream = out->tcp.report.why.code == GDS_OK;
		out->supports_udp_stream = out->udp.report.why.code == GDS_OK;
	}
	gds_wait_free(wait);
	return rc;
}
