/* SPDX-License-Identifier: MIT */
/* The amount of a skew is told by the Date header alone; the dates of a certificate only bound it
 * from below. */
#include "gdprobe/clocks.h"

#include <stdio.h>
#include <string.h>

#define DAY 86400
#define SPAN_TEXT 32

static const char *span(int64_t seconds, char text[static SPAN_TEXT])
{
	if (seconds >= 2 * DAY) {
		snprintf(text, SPAN_TEXT, "%lld days", (long long)(seconds / DAY));
	} else if (seconds >= 2 * 3600) {
		snprintf(text, SPAN_TEXT, "%lld hours", (long long)(seconds / 3600));
	} else {
		snprintf(text, SPAN_TEXT, "%lld s", (long long)seconds);
	}
	return text;
}

const char *clocks_bound(const char *cause, const struct gds_certificate *own,
	const struct gds_certificate *agent, int64_t wall, char *text, size_t size)
{
	char a[SPAN_TEXT], b[SPAN_TEXT];

	text[0] = '\0';
	if (strcmp(cause, "server-cert-not-yet-valid") == 0 && agent->present) {
		snprintf(text, size, "valid only in %s: this clock is behind by at least that",
			span(agent->not_before - wall, a));
	} else if (strcmp(cause, "server-cert-expired") == 0 && agent->present) {
		snprintf(
			text, size, "ended %s ago by this clock", span(wall - agent->not_after, a));
	} else if (strcmp(cause, "client-cert-not-yet-valid") == 0 && own && own->present &&
		   own->not_before > wall) {
		snprintf(text, size, "ours is valid only in %s", span(own->not_before - wall, a));
	} else if (strcmp(cause, "clocks-apart") == 0 && own && own->present) {
		/* The alert is the same on both sides of a validity: in date here, it is the
		 * agent's clock that is off. */
		snprintf(text, size,
			"the agent's clock is at least %s behind this one, or %s ahead",
			span(wall - own->not_before, a), span(own->not_after - wall, b));
	}
	return text;
}
