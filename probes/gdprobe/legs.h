/* SPDX-License-Identifier: MIT */
#ifndef GDPROBE_LEGS_H
#define GDPROBE_LEGS_H

#include "gdprobe/probe.h"

/** A tunnel's face is judged: which leg of it took the time, and which one failed. */
void legs_of(const struct check *, struct gds_result_legs *);

#endif
