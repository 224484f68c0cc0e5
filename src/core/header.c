/* SPDX-License-Identifier: MIT */
#include <gdstream/header.h>

#include "core/host.h"

#include <libdeflate.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The one layout (HDR-01). Everything below goes by this table. */
const struct gds_header_field gds_header_fields[GDS_FIELDS] = {
	[GDS_FIELD_VERSION] = {"version", 0, 8, "protocol version, ASCII 0.1.0, NUL padded"},
	[GDS_FIELD_HOST_LENGTH] = {"host length", 8, 1, "bytes of the host, 0 to 255"},
	[GDS_FIELD_HOST] = {"host", 9, 255, "name or IP literal without brackets, NUL padded"},
	[GDS_FIELD_PORT_LENGTH] = {"port length", 264, 1, "bytes of the port, 0 to 5"},
	[GDS_FIELD_PORT] = {"port", 265, 5, "decimal port as text, NUL padded"},
	[GDS_FIELD_FLAGS] = {"flags", 270, 1, "bit 0: CloseImmediately, a health check"},
	[GDS_FIELD_CHECKSUM] = {"checksum", 271, 4, "CRC-32/IEEE of all bytes before, big-endian"},
};

/* Version 0.1.0 as it stands on the wire. */
static const uint8_t version_now[8] = "0.1.0";

static uint8_t *field(uint8_t *wire, enum gds_header_field_id id)
{
	return wire + gds_header_fields[id].offset;
}

static const uint8_t *const_field(const uint8_t *wire, enum gds_header_field_id id)
{
	return wire + gds_header_fields[id].offset;
}

static size_t size_of(enum gds_header_field_id id)
{
	return gds_header_fields[id].size;
}

static uint32_t wire_checksum(const uint8_t *wire)
{
	const uint8_t *at = const_field(wire, GDS_FIELD_CHECKSUM);

	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

uint32_t gds_header_checksum(const uint8_t wire[static GDS_HEADER_SIZE])
{
	return libdeflate_crc32(0, wire, gds_header_fields[GDS_FIELD_CHECKSUM].offset);
}

int gds_header_init(struct gds_header *out, const char *host, const char *port, uint8_t flags)
{
	size_t host_length, port_length;

	if (!out || !host || !port) {
		return GDS_E_INVALID;
	}
	host_length = strlen(host);
	port_length = strlen(port);
	if (host_length > GDS_HOST_MAX) {
		return GDS_E_HOST_LENGTH;
	}
	if (port_length > GDS_PORT_MAX) {
		return GDS_E_PORT_LENGTH;
	}
	memset(out, 0, sizeof(*out));
	memcpy(out->version, version_now, sizeof(version_now));
	memcpy(out->host, host, host_length);
	memcpy(out->port, port, port_length);
	out->host_length = (uint8_t)host_length;
	out->port_length = (uint8_t)port_length;
	out->flags = flags;
	return GDS_OK;
}

void gds_header_health(struct gds_header *out)
{
	(void)gds_header_init(out, "", "", GDS_FLAG_CLOSE_IMMEDIATELY);
}

int gds_header_encode(const struct gds_header *header, uint8_t wire[static GDS_HEADER_SIZE])
{
	uint8_t *at;
	uint32_t sum;

	if (header->port_length > GDS_PORT_MAX) {
		return GDS_E_PORT_LENGTH;
	}
	/* Padding is NUL (HDR-08), whatever stands behind the text in the struct. */
	memset(wire, 0, GDS_HEADER_SIZE);
	memcpy(field(wire, GDS_FIELD_VERSION), header->version, size_of(GDS_FIELD_VERSION));
	*field(wire, GDS_FIELD_HOST_LENGTH) = header->host_length;
	memcpy(field(wire, GDS_FIELD_HOST), header->host, header->host_length);
	*field(wire, GDS_FIELD_PORT_LENGTH) = header->port_length;
	memcpy(field(wire, GDS_FIELD_PORT), header->port, header->port_length);
	*field(wire, GDS_FIELD_FLAGS) = header->flags;

	sum = gds_header_checksum(wire);
	at = field(wire, GDS_FIELD_CHECKSUM);
	at[0] = (uint8_t)(sum >> 24);
	at[1] = (uint8_t)(sum >> 16);
	at[2] = (uint8_t)(sum >> 8);
	at[3] = (uint8_t)sum;
	return GDS_OK;
}

void gds_header_decode(struct gds_header *out, const uint8_t wire[static GDS_HEADER_SIZE])
{
	size_t port_bytes;

	memset(out, 0, sizeof(*out));
	memcpy(out->version, const_field(wire, GDS_FIELD_VERSION), size_of(GDS_FIELD_VERSION));
	out->host_length = *const_field(wire, GDS_FIELD_HOST_LENGTH);
	memcpy(out->host, const_field(wire, GDS_FIELD_HOST), out->host_length);
	out->port_length = *const_field(wire, GDS_FIELD_PORT_LENGTH);
	port_bytes = out->port_length < GDS_PORT_MAX ? out->port_length : GDS_PORT_MAX;
	memcpy(out->port, const_field(wire, GDS_FIELD_PORT), port_bytes);
	out->flags = *const_field(wire, GDS_FIELD_FLAGS);
	out->checksum = wire_checksum(wire);
}

const char *gds_header_host(const struct gds_header *header, size_t *n)
{
	if (n) {
		*n = header->host_length;
	}
	return header->host;
}

const char *gds_header_port(const struct gds_header *header, size_t *n)
{
	if (n) {
		/* HDR-04: a decoded one may claim more than its field has. */
		*n = header->port_length < GDS_PORT_MAX ? header->port_length : GDS_PORT_MAX;
	}
	return header->port;
}

bool gds_header_is_health(const struct gds_header *header)
{
	/* HDR-09: the other bits mean nothing. */
	return header->flags & GDS_FLAG_CLOSE_IMMEDIATELY;
}

/* HDR-12: decimal digits only, 1..65535; leading zeros do no harm. */
static bool port_is_good(const char *port, size_t n)
{
	unsigned value = 0;

	for (size_t i = 0; i < n; i++) {
		if (port[i] < '0' || port[i] > '9') {
			return false;
		}
		value = value * 10 + (unsigned)(port[i] - '0');
	}
	return value >= 1 && value <= 65535;
}

/* HDR-10 to HDR-14, in this order: where to dial must be plain before anything is looked up. */
static int check_destination(const uint8_t *wire, size_t port_length, const char **statement)
{
	const char *host = (const char *)const_field(wire, GDS_FIELD_HOST);
	size_t n = *const_field(wire, GDS_FIELD_HOST_LENGTH);

	if (n == 0) {
		*statement = "HDR-10";
		return GDS_E_HOST_EMPTY;
	}
	if (memchr(host, 0, n)) {
		*statement = "HDR-11";
		return GDS_E_HOST_NUL;
	}
	if (host[0] == '[' || host[n - 1] == ']') {
		*statement = "HDR-13";
		return GDS_E_HOST_FORM;
	}
	if (gds_host_is_number(host, n)) {
		*statement = "HDR-14";
		return GDS_E_HOST_FORM;
	}
	if (!port_is_good((const char *)const_field(wire, GDS_FIELD_PORT), port_length)) {
		*statement = "HDR-12";
		return GDS_E_PORT;
	}
	return GDS_OK;
}

/* On the wire's own bytes: a copy of the fields would cost as much as the checksum. */
static int check(const uint8_t *wire, const char **statement)
{
	size_t port_length = *const_field(wire, GDS_FIELD_PORT_LENGTH);

	if (gds_header_checksum(wire) != wire_checksum(wire)) {
		*statement = "HDR-03";
		return GDS_E_CHECKSUM;
	}
	/* All eight bytes: GoDoxy compares the padding too. */
	if (memcmp(const_field(wire, GDS_FIELD_VERSION), version_now, sizeof(version_now)) != 0) {
		*statement = "HDR-02";
		return GDS_E_VERSION;
	}
	if (port_length > GDS_PORT_MAX) {
		*statement = "HDR-04";
		return GDS_E_PORT_LENGTH;
	}
	if (*const_field(wire, GDS_FIELD_FLAGS) & GDS_FLAG_CLOSE_IMMEDIATELY) {
		return GDS_OK; /* HC-01: host and port do not matter */
	}
	return check_destination(wire, port_length, statement);
}

int gds_header_check(const uint8_t wire[static GDS_HEADER_SIZE], struct gds_error *error)
{
	const char *statement = NULL;
	int code = check(wire, &statement);

	if (error) {
		*error = (struct gds_error){.code = code};
		if (code != GDS_OK) {
			error->stage = GDS_STAGE_HEADER;
			error->origin = GDS_PEER;
			error->statement = statement;
		}
	}
	return code;
}

/* A text that grows as snprintf's does: what does not fit is counted all the same. */
struct text {
	char *at;
	size_t size, length;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...)
{
	bool full = text->length >= text->size;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(full ? NULL : text->at + text->length, full ? 0 : text->size - text->length,
		format, arguments);
	va_end(arguments);
	text->length += n > 0 ? (size_t)n : 0;
}

static void add_quoted(struct text *text, const uint8_t *bytes, size_t n)
{
	add(text, "\"");
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '"' || bytes[i] == '\\') {
			add(text, "\\%c", bytes[i]);
		} else if (bytes[i] >= 0x20 && bytes[i] < 0x7f) {
			add(text, "%c", bytes[i]);
		} else {
			add(text, "\\x%02x", bytes[i]);
		}
	}
	add(text, "\"");
}

/* What a field says. Text is cut to its length byte; the version ends at its first NUL. */
static void add_value(struct text *text, const uint8_t *wire, enum gds_header_field_id id)
{
	const uint8_t *at = const_field(wire, id);
	size_t size = size_of(id), length;

	switch (id) {
	case GDS_FIELD_VERSION:
		add_quoted(text, at, strnlen((const char *)at, size));
		break;
	case GDS_FIELD_HOST:
	case GDS_FIELD_PORT:
		length = at[-1]; /* its length byte stands right before each text */
		add_quoted(text, at, length < size ? length : size);
		break;
	case GDS_FIELD_FLAGS:
		add(text, "0x%02x%s", *at,
			*at & GDS_FLAG_CLOSE_IMMEDIATELY ? " (health check)" : "");
		break;
	case GDS_FIELD_CHECKSUM:
		add(text, "%08x ", wire_checksum(wire));
		if (wire_checksum(wire) == gds_header_checksum(wire)) {
			add(text, "(right)");
		} else {
			add(text, "(wrong: %08x is right)", gds_header_checksum(wire));
		}
		break;
	default:
		add(text, "%u", *at);
		break;
	}
}

int gds_header_describe(const uint8_t wire[static GDS_HEADER_SIZE], char *text, size_t size)
{
	struct text out = {.at = text, .size = size};

	for (unsigned id = 0; id < GDS_FIELDS; id++) {
		/* A length is seen in its text, unless it is one that the text cannot have. */
		if (id == GDS_FIELD_HOST_LENGTH ||
			(id == GDS_FIELD_PORT_LENGTH &&
				*const_field(wire, GDS_FIELD_PORT_LENGTH) <= GDS_PORT_MAX)) {
			continue;
		}
		add(&out, "%s%s ", id ? " " : "", gds_header_fields[id].name);
		add_value(&out, wire, (enum gds_header_field_id)id);
	}
	return (int)out.length;
}

#define DUMP_COLUMNS 8

static void add_hex_line(struct text *text, size_t offset, const uint8_t *bytes, size_t n)
{
	add(text, "%4zu ", offset);
	for (size_t i = 0; i < DUMP_COLUMNS; i++) {
		if (i < n) {
			add(text, " %02x", bytes[i]);
		} else {
			add(text, "   ");
		}
	}
}

/* \return the bytes of a field that are worth a line: up to the last that is not NUL, one at least.
 */
static size_t significant(const uint8_t *bytes, size_t n)
{
	while (n > 1 && bytes[n - 1] == 0) {
		n--;
	}
	return n;
}

int gds_header_dump(const uint8_t wire[static GDS_HEADER_SIZE], char *text, size_t size)
{
	struct text out = {.at = text, .size = size};

	for (unsigned id = 0; id < GDS_FIELDS; id++) {
		const struct gds_header_field *the = &gds_header_fields[id];
		const uint8_t *at = wire + the->offset;
		size_t shown = the->size <= DUMP_COLUMNS ? the->size : significant(at, the->size);

		for (size_t i = 0; i < shown; i += DUMP_COLUMNS) {
			size_t n = shown - i < DUMP_COLUMNS ? shown - i : DUMP_COLUMNS;

			add_hex_line(&out, the->offset + i, at + i, n);
			if (i == 0) {
				add(&out, "  %-11s  ", the->name);
				add_value(&out, wire, (enum gds_header_field_id)id);
			}
			add(&out, "\n");
		}
		if (shown < the->size) {
			add(&out, "%4zu  %zu bytes of NUL\n", the->offset + shown,
				the->size - shown);
		}
	}
	return (int)out.length;
}
