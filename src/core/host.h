/* SPDX-License-Identifier: MIT */
/** What a host's text is, before anything is looked up. Pure: names of interfaces are not resolved
 * here. */
#ifndef GDS_CORE_HOST_H
#define GDS_CORE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * A strict dotted quad: four decimals of 0..255 without leading zeros (HDR-14), as Go's
 * netip.ParseAddr has it. \return true, ip filled [network order].
 */
bool gds_host_parse_ipv4(uint8_t ip[static 4], const char *text, size_t n);
/** An IPv6 literal of RFC 4291 section 2.2, without brackets and scope. \return true, ip filled. */
bool gds_host_parse_ipv6(uint8_t ip[static 16], const char *text, size_t n);
/**
 * HDR-14: made of numbers between dots, but no dotted quad: what inet_aton (and with it
 * getaddrinfo) would take for an address, in decimal, octal or hexadecimal, and what is a number
 * too many. No host name is of digits and dots alone (Go's isDomainName refuses them as well).
 */
bool gds_host_is_number(const char *text, size_t n);

#endif
