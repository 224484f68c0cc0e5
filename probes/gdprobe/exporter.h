/* SPDX-License-Identifier: MIT */
/** Between exporter.c, which speaks HTTP, scrape.c, which probes, and exporter_page.c. */
#ifndef GDPROBE_EXPORTER_H
#define GDPROBE_EXPORTER_H

#include "gdprobe/probe.h"

#include <microhttpd.h>

#define SCRAPES_MAX 512 /* waiting and under way */

enum scrape_state { SCRAPE_WAITING, SCRAPE_RUNNING, SCRAPE_DONE };

/** One request for /probe, from its arrival to the end of its connection. */
struct scrape {
	struct scraper *scraper;
	struct MHD_Connection *connection; /* suspended until it is done */
	struct scrape *next;		   /* of those that wait, or are under way */
	enum scrape_state state;
	gds_time budget;   /* [ns] */
	gds_time deadline; /* of the answer */
	gds_time latest;   /* begun later, it would be judged in a hurry */
	bool debug, busy;  /* busy: not probed, no room or no time for it */
	struct options options;
	struct gds_target target;
	struct run run;
	struct probe probe;
	struct gds_result result;
};

/** What all scrapes share. */
struct scraper {
	const struct options *options;
	struct run engine; /* owns the loop and what hangs on it */
	struct gds_timer *dispatch;
	struct scrape *first, *last; /* that wait */
	struct scrape *under_way;
	size_t waiting, running;
	uint64_t healthy, unhealthy, unjudged, rejected, busy; /* answers so far */
	bool stopping;
	void (*answered)(void *ctx); /* a connection was resumed */
	void *ctx;
};

/** \return GDS_OK, GDS_E_NOMEM. */
int scraper_init(struct scraper *, const struct options *);
void scraper_deinit(struct scraper *);
/** All that wait and run are answered: that there was no time for them. Nothing is suspended now.
 */
void scraper_stop(struct scraper *);

/**
 * Read a request. \return NULL with the HTTP status and a sentence in complaint; without memory
 * status is 503.
 */
struct scrape *scrape_new(struct scraper *, struct MHD_Connection *, unsigned *status,
	struct gds_complaint *complaint);
/** Suspend its connection until it is done. */
void scrape_begin(struct scrape *);
/** Its connection is done with it. */
void scrape_release(struct scrape *);

/** exporter_page.c: bodies, freed with free(); NULL without memory. */
char *page_scrape(const struct scrape *);
char *page_metrics(const struct scraper *);
extern const char page_root[];

#endif
