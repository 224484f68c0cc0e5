/* SPDX-License-Identifier: MIT */
/* Results as gdprobe would fill them, for the three forms of output. */
#ifndef TEST_OUT_SAMPLE_H
#define TEST_OUT_SAMPLE_H

#include "out/result.h"

#include <stdio.h>
#include <string.h>

static inline void sample_face(struct gds_result *result, const char *name, const char *label,
	gds_time duration, const char *summary)
{
	struct gds_result_face *face = &result->faces[result->n++];

	face->name = name;
	face->label = label;
	face->duration = duration;
	snprintf(face->summary, sizeof(face->summary), "%s", summary);
}

/* The healthy agent of README.md. */
static inline struct gds_result sample_healthy(void)
{
	struct gds_result r = {
		.target = "10.0.0.12:8890",
		.duration = 14 * GDS_MILLISECOND,
		.info = true,
		.name = "nas",
		.version = "v0.30.4",
		.runtime = "docker",
		.certificates = {.known = true,
			.key = "ECDSA P-256",
			.not_after = INT64_C(33331414470),
			.days = 364997,
			.skew_known = true,
			.skew = -1},
		.not_tested = "a destination (--loopback, --through)",
	};

	sample_face(&r, "https", "HTTPS", 6600 * GDS_MICROSECOND, "TLS 1.3, /info");
	sample_face(&r, "tcp", "TCP", 4700 * GDS_MICROSECOND, "header accepted, clean close");
	sample_face(&r, "udp", "UDP", 5700 * GDS_MICROSECOND, "DTLS 1.2, clean close");
	r.faces[1].stages[GDS_STAGE_CONNECT] = (struct gds_result_stage){
		.reached = true, .passed = true, .start = 1000, .duration = 200000};
	return r;
}

/* The same one behind a firewall that drops UDP. */
static inline struct gds_result sample_filtered(void)
{
	struct gds_result r = sample_healthy();

	r.severity = GDS_CRITICAL;
	r.duration = 4900 * GDS_MILLISECOND;
	r.faces[2].state = GDS_RESULT_BAD;
	r.faces[2].duration = 4900 * GDS_MILLISECOND;
	r.faces[2].cause = gds_cause_find("udp-filtered");
	strcpy(r.faces[2].summary, "3 flights, no answer");
	strcpy(r.faces[2].evidence, "3 flights, no answer");
	r.faces[2].stages[GDS_STAGE_HANDSHAKE] =
		(struct gds_result_stage){.reached = true, .duration = 4900 * GDS_MILLISECOND};
	return r;
}

#endif
