/* SPDX-License-Identifier: MIT */
#include "out/result.h"

static int rank(enum gds_severity severity)
{
	switch (severity) {
	case GDS_FINE:
		return 0;
	case GDS_WARNING:
		return 1;
	case GDS_UNKNOWN:
		return 2;
	case GDS_CRITICAL:
		break;
	}
	return 3;
}

enum gds_severity gds_severity_worse(enum gds_severity a, enum gds_severity b)
{
	return rank(a) >= rank(b) ? a : b;
}

const char *gds_severity_name(enum gds_severity severity)
{
	static const char *const names[] = {
		[GDS_FINE] = "healthy",
		[GDS_WARNING] = "warning",
		[GDS_CRITICAL] = "not healthy",
		[GDS_UNKNOWN] = "unknown",
	};

	return names[severity];
}

const char *gds_result_state_name(enum gds_result_state state)
{
	static const char *const names[] = {
		[GDS_RESULT_OK] = "ok",
		[GDS_RESULT_BAD] = "failed",
		[GDS_RESULT_SKIPPED] = "skipped",
		[GDS_RESULT_UNJUDGED] = "unjudged",
	};

	return names[state];
}

int gds_severity_exit(enum gds_severity severity)
{
	switch (severity) {
	case GDS_FINE:
		return 0;
	case GDS_WARNING:
		return 1;
	case GDS_CRITICAL:
		return 2;
	case GDS_UNKNOWN:
		break;
	}
	return 3;
}

enum gds_severity gds_result_face_severity(const struct gds_result_face *face)
{
	if (face->state != GDS_RESULT_BAD) {
		return GDS_FINE;
	}
	if (face->cause && face->cause->severity == GDS_UNKNOWN) {
		return GDS_UNKNOWN;
	}
	/* A cause that is a warning elsewhere (clocks) still made this face fail. */
	return face->optional ? GDS_WARNING : GDS_CRITICAL;
}

const struct gds_cause *gds_result_cause(const struct gds_result *result)
{
	const struct gds_cause *optional = NULL;

	for (size_t i = 0; i < result->n; i++) {
		const struct gds_result_face *face = &result->faces[i];

		if (face->state != GDS_RESULT_BAD) {
			continue;
		}
		if (!face->optional) {
			return face->cause;
		}
		if (!optional) {
			optional = face->cause;
		}
	}
	if (optional || result->certificates.cause) {
		return optional ? optional : result->certificates.cause;
	}
	return result->diagnosis.n ? result->diagnosis.causes[0] : NULL;
}
