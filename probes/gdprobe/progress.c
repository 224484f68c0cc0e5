/* SPDX-License-Identifier: MIT */
/* How far a run is, for a person who waits in front of a terminal. Never in a log or a pipe. */
#include "gdprobe/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PACE (100 * GDS_MILLISECOND)

struct progress {
	size_t total;
	gds_time next; /* mono: not shown before */
	bool shown;
};

struct progress *progress_new(const struct options *options, size_t total)
{
	struct progress *progress = NULL;
	const char *terminal = getenv("TERM");

	if (total > 1 && !options->nagios && isatty(STDERR_FILENO) && terminal &&
		strcmp(terminal, "dumb") != 0) {
		progress = calloc(1, sizeof(*progress));
	}
	if (progress) {
		progress->total = total;
	}
	return progress;
}

void progress_show(struct progress *progress, size_t done, size_t bad, gds_time now)
{
	if (!progress || (now < progress->next && done < progress->total)) {
		return;
	}
	progress->next = gds_later(now, PACE);
	progress->shown = true;
	fprintf(stderr, "\r\033[K%zu of %zu checked", done, progress->total);
	if (bad) {
		fprintf(stderr, ", %zu not healthy", bad);
	}
	fflush(stderr);
}

void progress_hide(struct progress *progress)
{
	if (progress && progress->shown) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
		progress->shown = false;
		progress->next = 0;
	}
}

void progress_free(struct progress *progress)
{
	progress_hide(progress);
	free(progress);
}
