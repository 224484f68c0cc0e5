/* SPDX-License-Identifier: MIT */
/** Anyone's text made fit for a terminal, and for JSON. */
#ifndef GDS_GDCERTS_TEXT_H
#define GDS_GDCERTS_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/** Print, control characters as \xHH: none of them reaches the terminal. */
void gdcerts_print_clean(const char *text, FILE *);
/** A JSON string of n bytes; those that are no UTF-8 as \xHH. \return NULL without memory. */
json_t *gdcerts_text_json(const char *text, size_t n);
/** What every object begins with: schema, tool, version, argv. \return NULL without memory. */
json_t *gdcerts_object_json(const char *schema, int argc, char **argv);
/** Print as one line and free it. \return false without memory (root may be NULL then). */
bool gdcerts_print_json(json_t *root, FILE *);

#endif
