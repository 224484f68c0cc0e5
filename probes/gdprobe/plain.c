/* SPDX-License-Identifier: MIT */
#include "gdprobe/plain.h"

#include <poll.h>
#include <string.h>

static const char request[] = "GET / HTTP/1.0\r\n\r\n";

struct plain {
	struct gds_machine machine;
	const struct gds_env *env;
	struct gds_address address;
	struct gds_carrier *carrier;
	bool ask, asked, over;
	unsigned connect; /* id of the CONNECT under way; 0 none */
	size_t sent;
	gds_time deadline;
	struct plain_report report;
};

static void end(struct plain *p, const struct gds_error *why)
{
	if (why) {
		p->report.why = *why;
	}
	gds_carrier_close(p->carrier, GDS_CLOSE_SILENT);
	p->carrier = NULL;
	p->over = true;
	p->report.duration = gds_now(p->env) - p->report.start;
}

static void speak(struct plain *p)
{
	while (p->sent < sizeof(request) - 1) {
		ssize_t n = gds_carrier_write(
			p->carrier, request + p->sent, sizeof(request) - 1 - p->sent);

		if (n == GDS_AGAIN) {
			return;
		}
		if (n < 0) {
			break; /* the read below says why */
		}
		p->sent += (size_t)n;
	}
}

static void listen_once(struct plain *p)
{
	uint8_t bytes[sizeof(p->report.first) - 1];
	ssize_t n = gds_carrier_read(p->carrier, bytes, sizeof(bytes));

	if (n == GDS_AGAIN) {
		return;
	}
	if (n < 0) {
		end(p, &p->carrier->why);
		if (p->report.why.code == GDS_OK) {
			p->report.why.code = (int)n;
		}
		return;
	}
	for (ssize_t i = 0; i < n && bytes[i] >= ' ' && bytes[i] < 0x7f; i++) {
		p->report.first[i] = (char)bytes[i];
	}
	if (!p->report.first[0]) {
		memcpy(p->report.first, "binary", sizeof("binary"));
	}
	end(p, NULL);
}

static void plain_step(struct gds_machine *machine, gds_time now, struct gds_need *need)
{
	struct plain *p = (struct plain *)machine;

	memset(need, 0, sizeof(*need));
	need->kind = GDS_WAIT;
	need->deadline = GDS_NEVER;
	if (!p->asked) {
		p->asked = true;
		p->connect = 1;
		need->kind = GDS_CONNECT;
		need->id = p->connect;
		need->transport = GDS_TCP;
		need->address = p->address;
		need->deadline = p->deadline;
		return;
	}
	if (p->carrier && !p->over) {
		speak(p);
		listen_once(p);
	}
	if (!p->over && now >= p->deadline) {
		end(p, &(struct gds_error){.code = GDS_E_TIMEOUT, .origin = GDS_PATH});
	}
	if (p->over && p->connect) {
		need->kind = GDS_CANCEL;
		need->id = p->connect;
		p->connect = 0;
	} else if (p->over) {
		need->kind = GDS_DONE;
	}
}

static size_t plain_interest(
	struct gds_machine *machine, struct gds_interest out[static GDS_MACHINE_INTERESTS])
{
	struct plain *p = (struct plain *)machine;
	size_t n = 0;

	if (p->carrier) {
		gds_carrier_interest(p->carrier, &out[n]);
		if (p->sent < sizeof(request) - 1) {
			out[n].events |= POLLOUT;
		}
		n++;
	}
	out[n] = (struct gds_interest){.fd = -1, .deadline = p->deadline};
	return n + 1;
}

static void plain_answer(struct gds_machine *machine, const struct gds_answer *answer)
{
	struct plain *p = (struct plain *)machine;

	if (p->over || answer->id != p->connect) {
		gds_carrier_close(answer->carrier, GDS_CLOSE_SILENT); /* crossed with our CANCEL */
		return;
	}
	p->connect = 0;
	if (answer->why.code != GDS_OK) {
		end(p, &answer->why);
		return;
	}
	p->carrier = answer->carrier;
	p->report.connected = true;
	if (!p->ask) {
		end(p, NULL);
	}
}

static void plain_cancel(struct gds_machine *machine, enum gds_close how)
{
	struct plain *p = (struct plain *)machine;

	(void)how;
	if (!p->over) {
		end(p, &(struct gds_error){.code = GDS_E_CANCELLED, .origin = GDS_LOCAL});
	}
}

static void plain_free(struct gds_machine *machine)
{
	struct plain *p = (struct plain *)machine;

	if (p) {
		gds_carrier_close(p->carrier, GDS_CLOSE_SILENT);
		gds_free(p->env, p);
	}
}

static const struct gds_machine_ops plain_ops = {
	.step = plain_step,
	.interest = plain_interest,
	.answer = plain_answer,
	.cancel = plain_cancel,
	.free = plain_free,
};

struct gds_machine *plain_new(
	const struct gds_address *address, bool ask, gds_time deadline, const struct gds_env *env)
{
	struct plain *p = gds_alloc(env, sizeof(*p));

	if (!p) {
		return NULL;
	}
	p->machine.ops = &plain_ops;
	p->env = env;
	p->address = *address;
	p->ask = ask;
	p->deadline = deadline;
	p->report.start = gds_now(env);
	return &p->machine;
}

const struct plain_report *plain_report(const struct gds_machine *machine)
{
	return &((const struct plain *)machine)->report;
}
