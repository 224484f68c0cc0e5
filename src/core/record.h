/* SPDX-License-Identifier: MIT */
/** The one parser of TLS and DTLS record headers and of what else a port may answer. */
#ifndef GDS_CORE_RECORD_H
#define GDS_CORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gds_content {
	GDS_CONTENT_CCS = 20,
	GDS_CONTENT_ALERT = 21,
	GDS_CONTENT_HANDSHAKE = 22,
	GDS_CONTENT_DATA = 23
};

/** A record header: RFC 5246 section 6.2.1, RFC 6347 section 4.1. */
struct gds_record {
	uint8_t type;
	uint16_t version;
	uint16_t epoch;		 /* DTLS only */
	uint64_t sequence;	 /* DTLS only, 48 bits */
	uint16_t length;	 /* [bytes] of the fragment */
	const uint8_t *fragment; /* inside the caller's bytes */
};

/** \return bytes of the whole record; 0 when more are needed; -1 when this is no TLS record. */
int gds_record_parse_tls(struct gds_record *out, const uint8_t *data, size_t n);
/** \return bytes of the record; -1 when this is no whole DTLS record (a datagram is never
 * continued). */
int gds_record_parse_dtls(struct gds_record *out, const uint8_t *data, size_t n);
/** \return true when the datagram begins with an epoch-0 handshake record that holds a well-formed
 * ClientHello (UDP-19). */
bool gds_record_is_client_hello(const uint8_t *data, size_t n);
/** \return the 32 random bytes inside a ClientHello datagram, NULL when it is none. */
const uint8_t *gds_record_client_random(const uint8_t *data, size_t n);
/** \return the alert number of a plaintext (epoch 0) fatal alert datagram, -1 when it is none. */
int gds_record_plain_alert(const uint8_t *data, size_t n);

enum gds_speaker {
	GDS_SPEAKS_NOTHING,
	GDS_SPEAKS_TLS,
	GDS_SPEAKS_HTTP,
	GDS_SPEAKS_SSH,
	GDS_SPEAKS_SMTP,
	GDS_SPEAKS_OTHER
};
/** What the first bytes from a port are. */
enum gds_speaker gds_record_speaker(const uint8_t *data, size_t n);

#endif
