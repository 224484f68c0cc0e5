/* SPDX-License-Identifier: MIT */
#ifndef GDPROBE_DIFFERENTIAL_H
#define GDPROBE_DIFFERENTIAL_H

#include "gdprobe/probe.h"

/** Faces are judged: narrow their causes by what the variants showed. */
void differential(const struct probe *, struct gds_result *);

#endif
