/* SPDX-License-Identifier: MIT */
/** Checks with one thing changed, side by side with the face they explain. */
#ifndef GDPROBE_VARIANTS_H
#define GDPROBE_VARIANTS_H

#include "gdprobe/narrow.h"

#include "out/result.h"

#include <gdstream/attempt.h>

enum variant_kind {
	/* Over UDP; those that a healthy agent has nothing to complain about come first. */
	VARIANT_UDP_PORT,
	VARIANT_UDP_MTU,
	VARIANT_UDP_SUITE,
	VARIANT_UDP_EMS,
	/* Over TCP. */
	VARIANT_TLS12,
	VARIANT_PLAIN,
	VARIANT_ALPN,
	VARIANT_BARE,
	VARIANT_CONNECT,
	VARIANTS
};

enum diagnose_mode { DIAGNOSE_AUTO, DIAGNOSE_ALWAYS, DIAGNOSE_NEVER };

struct probe;
struct check;

struct variant {
	struct probe *probe;
	enum variant_kind kind;
	bool started, finished;
	gds_time start, duration; /* mono; [ns] */
	unsigned seen;		  /* enum seen; 0: cannot be judged */
	unsigned flights;	  /* ClientHellos sent */
	char evidence[100];
};

/** A target begins: variants may be wanted when a face is silent. */
void variants_expect(struct probe *);
/** A face begins: its silence counts from now on. */
void variants_wait(struct probe *);
/** A face has its result; begin what may explain it. */
void variants_follow(struct check *);
/** The target is done with. Accepts one that never expected any. */
void variants_end(struct probe *);
/** What the variants of a target showed. */
void variants_seen(const struct probe *, unsigned seen[OBSERVATIONS]);
/** Copy them for the output. */
void variants_result(const struct probe *, struct gds_result_diagnosis *);
/** What a report shows, as an observation. */
unsigned seen_of(const struct gds_report *);

#endif
