/* SPDX-License-Identifier: MIT */
/** A client's session in memory, facing whatever the test puts on the other end. */
#ifndef GDS_TESTS_STREAM_LAB_H
#define GDS_TESTS_STREAM_LAB_H

#include "memory.h"

#include <gdstream/header.h>
#include <gdstream/session.h>

/** Fresh certificates as GoDoxy's; the same for all tests of a program. */
struct gds_trust *lab_trust(enum gds_role);
void lab_free(void);

/** A client's session over memory; alpn NULL: none. The memory stays the test's. */
struct gds_session *lab_client(struct memory *, enum gds_transport, const char *alpn);
/** A header's bytes. */
void lab_header(
	uint8_t wire[static GDS_HEADER_SIZE], const char *host, const char *port, uint8_t flags);

#endif
