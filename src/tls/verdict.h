/* SPDX-License-Identifier: MIT */
/** Why a session was refused, as a cause of the catalogue. No GnuTLS type here. */
#ifndef GDS_TLS_VERDICT_H
#define GDS_TLS_VERDICT_H

#include <gdstream/attempt.h>

/** What a verdict may lean on beside the report itself. */
struct gds_verdict_input {
	const struct gds_report *report;
	enum gds_transport transport;
	const struct gds_certificate *own; /* our certificate; present = false: none */
	unsigned own_flaws;		   /* gds_trust_own_flaws */
	const struct gds_report
		*other; /* the same agent over TCP with TLS, when transport is UDP; may be NULL */
};

/** \return the id of a cause in gds_causes, "healthy" when the report passed; never NULL. */
const char *gds_verdict_cause(const struct gds_verdict_input *);
/**
 * Evidence in a few words: "alert 42 bad_certificate", "ICMP port unreachable", "3 flights, no
 * answer". \return text.
 */
const char *gds_verdict_evidence(const struct gds_verdict_input *, char *text, size_t size);

#endif
