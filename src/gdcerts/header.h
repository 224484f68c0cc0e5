/* SPDX-License-Identifier: MIT */
/** gdcerts header inside: where its 275 bytes come from, and how they are shown. */
#ifndef GDS_GDCERTS_HEADER_H
#define GDS_GDCERTS_HEADER_H

#include <gdstream/header.h>

/**
 * The bytes of a header from what was given: nothing or "-" is standard input, a name is a file,
 * anything else must be hexadecimal, in one argument or several. Files hold either form.
 * \return GDS_OK; GDS_E_FILE, GDS_E_FORMAT with a sentence.
 */
int gdcerts_header_read(uint8_t wire[static GDS_HEADER_SIZE], int n, char **arguments,
	struct gds_complaint *complaint);

#endif
