/* SPDX-License-Identifier: MIT */
/** A TCP connection without TLS: does it stand, and does anybody speak HTTP there. */
#ifndef GDPROBE_PLAIN_H
#define GDPROBE_PLAIN_H

#include <gdstream/machine.h>

struct plain_report {
	struct gds_error why; /* code GDS_OK: it connected, and ended in order */
	bool connected;
	char first[48];		  /* what was said, harmless to print; empty: nothing */
	gds_time start, duration; /* mono; [ns] */
};

/** \param ask send a request and listen; false: connect only. \return NULL without memory. */
struct gds_machine *plain_new(
	const struct gds_address *, bool ask, gds_time deadline, const struct gds_env *);
const struct plain_report *plain_report(const struct gds_machine *);

#endif
