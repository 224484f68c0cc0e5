/* SPDX-License-Identifier: MIT */
/* The checks that go through the agent: to a destination of the user's, or back to ourselves. */
#include "gdprobe/run.h"

#include "io/socket.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* UDP-20: header or payload lost is not a fault of the agent's; a new session tells. */
#define ROUNDS 2

/* The address that packets to the peer leave from: an agent that reached us can answer there. */
static int local_towards(
	const struct gds_address *peer, struct gds_address *out, struct gds_error *why)
{
	struct gds_dial dial = {.fd = -1};
	struct sockaddr_storage local;
	socklen_t n = sizeof(local);
	int rc = gds_dial_start(&dial, GDS_UDP, peer, why);

	if (rc == GDS_OK) {
		rc = getsockname(dial.fd, (struct sockaddr *)&local, &n) == 0
			     ? gds_address_from_sockaddr(out, (const struct sockaddr *)&local)
			     : GDS_E_IO;
	}
	gds_dial_cancel(&dial);
	out->port = 0;
	return rc;
}

/* HDR-13: an IPv6 literal travels without brackets. */
static void literal(const struct gds_address *address, char text[static GDS_ADDRESS_TEXT])
{
	char *end;

	gds_address_format(address, text);
	end = strrchr(text, address->family == 6 ? ']' : ':');
	if (end) {
		*end = '\0';
	}
	if (text[0] == '[') {
		memmove(text, text + 1, strlen(text));
	}
}

static int loopback_header(
	struct probe *probe, const struct gds_address *peer, struct gds_header *out)
{
	struct run *run = probe->run;
	struct gds_address local;
	struct gds_error why;
	struct gds_complaint complaint;
	char host[GDS_ADDRESS_TEXT], port[8];
	int rc;

	if (!probe->destination) {
		rc = local_towards(peer, &local, &why);
		if (rc == GDS_OK) {
			rc = gds_destination_echo(&probe->destination, run->driver, run->loop,
				&local, run->env, &complaint);
		}
		if (rc != GDS_OK) {
			return rc;
		}
	}
	literal(gds_destination_address(probe->destination), host);
	snprintf(port, sizeof(port), "%u",
		(unsigned)gds_destination_address(probe->destination)->port);
	return gds_header_init(out, host, port, 0);
}

static int header_for(struct probe *probe, const struct gds_address *peer, struct gds_header *out)
{
	const struct options *options = probe->run->options;
	char port[8];

	if (options->loopback) {
		return loopback_header(probe, peer, out);
	}
	snprintf(port, sizeof(port), "%u", (unsigned)options->through_port);
	return gds_header_init(out, options->through, port, 0);
}

static void attempt(struct check *check, const struct gds_address *peer)
{
	struct gds_header header;
	int rc = header_for(check->probe, peer, &header);

	if (rc == GDS_OK) {
		check_attempt(check, &header);
	} else {
		check_fail(check, rc, GDS_STAGE_TUNNEL);
	}
}

void tunnel_begin(struct check *check, const struct gds_address *peer)
{
	check_open(check);
	attempt(check, peer);
}

static bool worth_another(const struct check *check)
{
	struct run *run = check->probe->run;
	enum payload_outcome outcome = check->payload.outcome;

	return check->face == FACE_UDP_TUNNEL && check->payload.datagrams == 0 &&
	       (outcome == PAYLOAD_CLOSED || outcome == PAYLOAD_SILENT) && check->rounds < ROUNDS &&
	       !run->over && gds_now(run->env) < check->probe->deadline;
}

static void on_payload(void *ctx, struct gds_machine *machine)
{
	struct check *check = ctx;

	check->payload = *payload_report(machine);
	check->tunnelled = true;
	if (worth_another(check)) {
		struct gds_address peer = check->report.peer;

		attempt(check, &peer);
		return;
	}
	check_finish(check);
}

void tunnel_opened(struct check *check, struct gds_carrier *session)
{
	struct run *run = check->probe->run;
	bool echo = run->options->echo || run->options->loopback;
	struct gds_machine *machine = payload_new(
		session, echo ? PAYLOAD_ECHO : PAYLOAD_LISTEN, check->probe->deadline, run->env);

	check->rounds++;
	if (!machine) {
		gds_carrier_close(session, GDS_CLOSE_CLEAN);
		check_fail(check, GDS_E_NOMEM, GDS_STAGE_TUNNEL);
	} else if (!gds_driver_bind(run->driver, machine, on_payload, check)) {
		machine->ops->free(machine);
		check_fail(check, GDS_E_NOMEM, GDS_STAGE_TUNNEL);
	}
}
