/* SPDX-License-Identifier: MIT */
/** The 275-byte request header (HDR-01). Pure: bytes in, bytes out. */
#ifndef GDSTREAM_HEADER_H
#define GDSTREAM_HEADER_H

#include <gdstream/error.h>

#include <stdbool.h>
#include <stddef.h>

#define GDS_HEADER_SIZE 275
#define GDS_HOST_MAX 255
#define GDS_PORT_MAX 5
#define GDS_FLAG_CLOSE_IMMEDIATELY 0x01
#define GDS_ALPN "godoxy-agent-stream/1"
#define GDS_DEFAULT_PORT 8890
#define GDS_SERVER_NAME "godoxy.agent"

/** A decoded header. Text is as sent: it may hold any byte, length counts. NUL-terminated for convenience. */
struct gds_header {
	char version[9];
	uint8_t host_length;
	char host[GDS_HOST_MAX + 1];
	uint8_t port_length;
	char port[GDS_PORT_MAX + 1];
	uint8_t flags;
	uint32_t checksum;
};

/** One field of the layout: encoder, decoder, describer and mutators follow this table. */
struct gds_header_field {
	const char *name;
	uint16_t offset, size; /* [bytes] */
	const char *meaning;
};

enum gds_header_field_id {
	GDS_FIELD_VERSION,
	GDS_FIELD_HOST_LENGTH,
	GDS_FIELD_HOST,
	GDS_FIELD_PORT_LENGTH,
	GDS_FIELD_PORT,
	GDS_FIELD_FLAGS,
	GDS_FIELD_CHECKSUM,
	GDS_FIELDS
};
extern const struct gds_header_field gds_header_fields[GDS_FIELDS];

/** Fill a header for a destination. \return GDS_OK, GDS_E_HOST_LENGTH, GDS_E_PORT_LENGTH (HDR-06). */
int gds_header_init(struct gds_header *out, const char *host, const char *port, uint8_t flags);
/** Encode, computing the checksum. \return GDS_OK, GDS_E_PORT_LENGTH. */
int gds_header_encode(const struct gds_header *, uint8_t wire[static GDS_HEADER_SIZE]);
/** Decode without judging: fields as they are (a port length above 5 is kept, its text cut at 5). */
void gds_header_decode(struct gds_header *out, const uint8_t wire[static GDS_HEADER_SIZE]);
/**
 * Judge a header: the first broken rule of checksum, version, port length, then, without the health
 * flag, host empty, host NUL, host form, port.
 * \param error filled with code, stage header and the statement's id when refused. May be NULL.
 * \return GDS_OK or the code.
 */
int gds_header_check(const uint8_t wire[static GDS_HEADER_SIZE], struct gds_error *error);
/** \return true when the header asks for validation only (HC-01, HDR-09). */
bool gds_header_is_health(const struct gds_header *);
/** CRC-32/IEEE of the bytes 0..270. */
uint32_t gds_header_checksum(const uint8_t wire[static GDS_HEADER_SIZE]);
/** One line: version, host, port, flags, checksum right or wrong; unprintable bytes as \xHH. \return length as snprintf. */
int gds_header_describe(const uint8_t wire[static GDS_HEADER_SIZE], char *text, size_t size);
/** Annotated hex, a line or more a field. \return length as snprintf. */
int gds_header_dump(const uint8_t wire[static GDS_HEADER_SIZE], char *text, size_t size);

#endif
