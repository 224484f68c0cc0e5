/* SPDX-License-Identifier: MIT */
/** What an open tunnel is worth: does it stay open, does it bring back what was sent. */
#ifndef GDPROBE_PAYLOAD_H
#define GDPROBE_PAYLOAD_H

#include <gdstream/machine.h>

#define PAYLOAD_TCP_SIZE 65536 /* [bytes] echoed over TCP */
/**
 * A tunnel that cannot be made is closed at once: one that stands for this long, or speaks, is open
 * [ns].
 */
#define PAYLOAD_WATCH (300 * GDS_MILLISECOND)

enum payload_kind {
	PAYLOAD_LISTEN, /* send nothing */
	PAYLOAD_ECHO	/* send a pattern, want it back */
};

enum payload_outcome {
	PAYLOAD_UNDER_WAY,
	PAYLOAD_OPENED,	 /* it stayed open, or spoke first */
	PAYLOAD_ECHOED,	 /* all of it came back */
	PAYLOAD_CLOSED,	 /* announced end before that */
	PAYLOAD_SILENT,	 /* nothing, or not all, came back in time */
	PAYLOAD_CORRUPT, /* something else came back */
	PAYLOAD_BROKEN	 /* why says how */
};

struct payload_report {
	enum payload_outcome outcome;
	struct gds_error why;
	uint64_t sent, received; /* [bytes] */
	unsigned datagrams, repeated;
	gds_time start, duration; /* mono; [ns] */
	/* mono, 0 = never: payload went out (UDP: the last time, until it came back); came back */
	gds_time first_sent, first_back;
};

/**
 * \param carrier an open tunnel's, owned on success; over UDP its datagrams. \return NULL without
 * memory.
 */
struct gds_machine *payload_new(
	struct gds_carrier *carrier, enum payload_kind, gds_time deadline, const struct gds_env *);
const struct payload_report *payload_report(const struct gds_machine *);

#endif
