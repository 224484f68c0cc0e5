/* SPDX-License-Identifier: MIT */
/** A result for a program: one JSON object on one line, all times in nanoseconds. */
#ifndef GDS_OUT_JSON_H
#define GDS_OUT_JSON_H

#include "out/result.h"

#define GDS_JSON_SCHEMA "gdprobe/1"

/** \return the line without newline, freed with free(); NULL without memory. */
char *gds_json_format(const struct gds_result *, const struct gds_result_tool *);

#endif
