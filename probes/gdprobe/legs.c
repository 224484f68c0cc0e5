/* SPDX-License-Identifier: MIT */
/* A tunnel has three legs: here to the agent, the agent to the destination, and back. Of a
 * destination of our own (--loopback) we see both ends of the second one; of another only whether
 * something came back, so that the second and third cannot be told apart. */
#include "gdprobe/legs.h"

static enum gds_transport transport_of(const struct check *check)
{
	return check->face == FACE_UDP_TUNNEL ? GDS_UDP : GDS_TCP;
}

static void set(struct gds_result_legs *legs, enum gds_leg leg, enum gds_leg_state state)
{
	legs->leg[leg].state = state;
}

static void took(struct gds_result_legs *legs, enum gds_leg leg, gds_time duration)
{
	legs->leg[leg].timed = true;
	legs->leg[leg].duration = duration > 0 ? duration : 0;
}

/* [ns] there and back, without any work of the agent's: TCP's connect, DTLS's cookie. 0: unknown */
static gds_time round_trip(const struct check *check)
{
	const struct gds_report *report = &check->report;
	const struct gds_facts *facts = &report->facts;

	if (transport_of(check) == GDS_TCP) {
		return report->stages[GDS_STAGE_CONNECT].duration;
	}
	return facts->hello_in > facts->started ? facts->hello_in - facts->started : 0;
}

/* What our own destination saw. */
static void seen_from_the_end(const struct check *check, struct gds_result_legs *legs)
{
	const struct gds_destination *destination = check->probe->destination;
	const struct payload_report *payload = &check->payload;
	gds_time arrived = gds_destination_first(destination, transport_of(check));

	if (!arrived) {
		set(legs, GDS_LEG_DESTINATION, GDS_LEG_FAILED);
		return;
	}
	set(legs, GDS_LEG_DESTINATION, GDS_LEG_OK);
	if (payload->first_sent) {
		took(legs, GDS_LEG_DESTINATION,
			arrived - payload->first_sent - round_trip(check) / 2);
	}
	if (payload->first_back) {
		set(legs, GDS_LEG_RETURN, GDS_LEG_OK);
		took(legs, GDS_LEG_RETURN, payload->first_back - arrived);
	}
	if (payload->outcome == PAYLOAD_SILENT || payload->outcome == PAYLOAD_CLOSED) {
		set(legs, GDS_LEG_RETURN, GDS_LEG_FAILED);
	}
}

static void seen_from_here(const struct check *check, struct gds_result_legs *legs)
{
	const struct payload_report *payload = &check->payload;

	if (payload->first_back) {
		set(legs, GDS_LEG_DESTINATION, GDS_LEG_OK);
		set(legs, GDS_LEG_RETURN, GDS_LEG_OK);
		if (payload->first_sent) {
			/* There and back: the two are one. */
			took(legs, GDS_LEG_DESTINATION,
				payload->first_back - payload->first_sent - round_trip(check));
		}
		return;
	}
	switch (payload->outcome) {
	case PAYLOAD_OPENED:
		set(legs, GDS_LEG_DESTINATION, GDS_LEG_OK);
		set(legs, GDS_LEG_RETURN, GDS_LEG_UNKNOWN);
		break;
	case PAYLOAD_CLOSED:
		set(legs, GDS_LEG_DESTINATION, GDS_LEG_FAILED);
		break;
	default:
		set(legs, GDS_LEG_DESTINATION, GDS_LEG_UNKNOWN);
		set(legs, GDS_LEG_RETURN, GDS_LEG_UNKNOWN);
		break;
	}
}

void legs_of(const struct check *check, struct gds_result_legs *legs)
{
	bool stood = check->finished && check->tunnelled && check->report.why.code == GDS_OK;

	legs->known = true;
	legs->own = check->probe->destination != NULL;
	if (!check->started || !stood || check->payload.outcome == PAYLOAD_BROKEN) {
		set(legs, GDS_LEG_AGENT, GDS_LEG_FAILED);
		return;
	}
	set(legs, GDS_LEG_AGENT, GDS_LEG_OK);
	if (round_trip(check)) {
		took(legs, GDS_LEG_AGENT, round_trip(check));
	}
	if (legs->own) {
		seen_from_the_end(check, legs);
	} else {
		seen_from_here(check, legs);
	}
}
