/* SPDX-License-Identifier: MIT */
/** The catalogues: statements of the protocol, causes of a failure, faults of the server. One table
 * each. */
#ifndef GDSTREAM_CATALOGUE_H
#define GDSTREAM_CATALOGUE_H

#include <gdstream/api.h>
#include <gdstream/error.h>

#include <stdbool.h>
#include <stddef.h>

GDS_BEGIN_DECLS

enum gds_level { GDS_MUST, GDS_SHOULD, GDS_MAY };

/** A numbered statement of the protocol. */
struct gds_requirement {
	const char *id; /* "HDR-01" */
	enum gds_level level;
	char side; /* S server, C client, B both, X certificates or set-up */
	const char *text;
	const char *differs; /* what GoDoxy 0.30.4 does otherwise, NULL when it conforms */
};
extern const struct gds_requirement gds_requirements[];
extern const size_t gds_requirements_count;
/** \return the statement, or NULL. */
const struct gds_requirement *gds_requirement_find(const char *id);

enum gds_severity { GDS_FINE, GDS_WARNING, GDS_CRITICAL, GDS_UNKNOWN };

/** A cause: what is wrong, said to a tired person, and the next step. */
struct gds_cause {
	const char *id; /* "udp-filtered": stable, in JSON and tests */
	enum gds_severity severity;
	const char *sentence; /* no full stop inside, ends without one */
	const char *next;     /* what to do */
};
extern const struct gds_cause gds_causes[];
extern const size_t gds_causes_count;
/** \return the cause; asking for an id that is not in the table is a bug (asserted by tests): then
 * the cause "unknown". */
const struct gds_cause *gds_cause_find(const char *id);

enum gds_fault_shows { GDS_SHOWS_DEFAULT, GDS_SHOWS_THROUGH, GDS_SHOWS_CONFORM };

/** A deliberate misbehaviour of gdserver. */
struct gds_fault {
	const char *name;
	const char *statement; /* the id it breaks */
	enum gds_fault_shows shows;
	enum gds_stage stage; /* where a client sees it */
	const char *cause;    /* what gdprobe should name; NULL: nothing that it looks at */
	const char *text;
	const char *argument; /* what NAME=ARG stands for ("MS"); NULL: it takes none */
	long standard;	      /* the argument when none is given */
};
extern const struct gds_fault gds_faults[];
extern const size_t gds_faults_count;
/** \param name may have "=ARG" behind it. \return the fault, or NULL. */
const struct gds_fault *gds_fault_find(const char *name);

/** Faults that together are the behaviour of a known server: names, NULL-terminated. */
struct gds_fault_profile {
	const char *name;
	const char *text;
	const char *const *faults;
};
extern const struct gds_fault_profile gds_fault_profiles[];
extern const size_t gds_fault_profiles_count;
/** \return the profile, or NULL. */
const struct gds_fault_profile *gds_fault_profile_find(const char *name);

GDS_END_DECLS

#endif
