/* SPDX-License-Identifier: MIT */
#ifndef GDPROBE_CLOCKS_H
#define GDPROBE_CLOCKS_H

#include <gdstream/identity.h>

/**
 * A certificate was judged by a clock: what that says about whose clock is off, and by how much at
 * least. \param cause of the face. \param wall ours [s].
 * \return text, empty when it says nothing.
 */
const char *clocks_bound(const char *cause, const struct gds_certificate *own,
	const struct gds_certificate *agent, int64_t wall, char *text, size_t size);

#endif
