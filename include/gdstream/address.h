/* SPDX-License-Identifier: MIT */
/** Socket addresses as values. */
#ifndef GDSTREAM_ADDRESS_H
#define GDSTREAM_ADDRESS_H

#include <gdstream/api.h>
#include <gdstream/error.h>

#include <stdbool.h>
#include <stddef.h>

GDS_BEGIN_DECLS

/** An IPv4 or IPv6 address with port: no sockaddr, so that core/ needs no socket header. */
struct gds_address {
	uint8_t family; /* 4 or 6; 0 = none */
	uint16_t port;	/* [host order] */
	uint32_t scope; /* IPv6 scope id, 0 = none */
	uint8_t ip[16]; /* [network order]; IPv4 in the first 4 bytes */
};

/** "255.255.255.255:65535", "[IPv6%scope]:65535" and NUL. */
#define GDS_ADDRESS_TEXT 80

/** \return text, which is filled with ADDR:PORT, IPv6 in brackets. */
const char *gds_address_format(
	const struct gds_address *, char text[GDS_AT_LEAST(GDS_ADDRESS_TEXT)]);
/**
 * Parse an IP literal, strictly: dotted quad of four decimals or IPv6 with optional %scope (name or
 * number), no brackets; never an inet_aton form (HDR-14). A scope name is looked up among the
 * interfaces of this machine. \return GDS_OK; GDS_E_FORMAT, also for an unknown interface.
 */
int gds_address_parse(struct gds_address *out, const char *ip, uint16_t port);
bool gds_address_equal(const struct gds_address *a, const struct gds_address *b);
bool gds_address_is_loopback(const struct gds_address *);
/**
 * Split "HOST:PORT", "[IPv6]:PORT", "HOST" or a bare IPv6 literal.
 * \param fallback the port when none is given; 0 = a port is required. 1..65535 accepted otherwise.
 * \return GDS_OK; GDS_E_HOST_EMPTY, GDS_E_HOST_LENGTH, GDS_E_PORT, GDS_E_FORMAT with a sentence in
 * complaint.
 */
int gds_target_parse(const char *text, uint16_t fallback, char host[GDS_AT_LEAST(256)],
	uint16_t *port, struct gds_complaint *complaint);

GDS_END_DECLS

#endif
