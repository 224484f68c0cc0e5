/* SPDX-License-Identifier: MIT */
/** The 275-byte request header (HDR-01). Pure: bytes in, bytes out. */
#ifndef GDSTREAM_HEADER_H
#define GDSTREAM_HEADER_H

#include <gdstream/api.h>
#include <gdstream/error.h>

#include <stdbool.h>
#include <stddef.h>

GDS_BEGIN_DECLS

#define GDS_HEADER_SIZE 275
#define GDS_HOST_MAX 255
#define GDS_PORT_MAX 5
#define GDS_FLAG_CLOSE_IMMEDIATELY 0x01
#define GDS_ALPN "godoxy-agent-stream/1"
#define GDS_DEFAULT_PORT 8890
#define GDS_SERVER_NAME "godoxy.agent"

/** A decoded header. Text is as sent: it may hold any byte, length counts. NUL-terminated for
 * convenience. */
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

/**
 * Fill a header for a destination. Lengths are refused here (HDR-06), what the text says is not:
 * gds_header_check judges it as a server would. \param host a name or an IP literal without
 * brackets (HDR-13), NUL-terminated [0 to 255 bytes]. \param port decimal text [0 to 5 bytes].
 * \param flags 0, or GDS_FLAG_CLOSE_IMMEDIATELY. \return GDS_OK; GDS_E_HOST_LENGTH,
 * GDS_E_PORT_LENGTH (HDR-06); GDS_E_INVALID for NULL. Source: HDR-01.
 */
int gds_header_init(struct gds_header *out, const char *host, const char *port, uint8_t flags);
/** Fill the header of a health check: close immediately, no destination (HC-01). Encoded it ends in
 * 7d621c75. */
void gds_header_health(struct gds_header *out);
/** Encode, computing the checksum. \return GDS_OK, GDS_E_PORT_LENGTH. */
int gds_header_encode(const struct gds_header *, uint8_t wire[GDS_AT_LEAST(GDS_HEADER_SIZE)]);
/** Decode without judging: fields as they are (a port length above 5 is kept, its text cut at 5).
 */
void gds_header_decode(struct gds_header *out, const uint8_t wire[GDS_AT_LEAST(GDS_HEADER_SIZE)]);
/**
 * Judge a header: the first broken rule of checksum, version, port length, then, without the health
 * flag, host empty, host NUL, host form, port.
 * \param error filled with code, stage header and the statement's id when refused. May be NULL.
 * \return GDS_OK or the code.
 */
int gds_header_check(const uint8_t wire[GDS_AT_LEAST(GDS_HEADER_SIZE)], struct gds_error *error);
/**
 * The host as it was sent (HDR-07). It may hold any byte, NUL too (HDR-11): n counts, the NUL
 * behind it does not. \param n out: [bytes, 0 to 255]; may be NULL. \return the text, valid as long
 * as the header.
 */
const char *gds_header_host(const struct gds_header *, size_t *n);
/** The port as it was sent (HDR-07). \param n out: [bytes, 0 to 5]; may be NULL. \return as
 * gds_header_host. */
const char *gds_header_port(const struct gds_header *, size_t *n);
/** Should it be closed? \return true when the header asks for validation only (HC-01), whatever
 * other bits say (HDR-09). */
bool gds_header_is_health(const struct gds_header *);
/** CRC-32/IEEE of the bytes 0..270. */
uint32_t gds_header_checksum(const uint8_t wire[GDS_AT_LEAST(GDS_HEADER_SIZE)]);
/** One line: version, host, port, flags, checksum right or wrong; unprintable bytes as \xHH.
 * \return length as snprintf. */
int gds_header_describe(const uint8_t wire[GDS_AT_LEAST(GDS_HEADER_SIZE)], char *text, size_t size);
/** Annotated hex, a line or more a field. \return length as snprintf. */
int gds_header_dump(const uint8_t wire[GDS_AT_LEAST(GDS_HEADER_SIZE)], char *text, size_t size);

GDS_END_DECLS

#endif
