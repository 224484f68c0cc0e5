/* SPDX-License-Identifier: MIT */
/** HelloVerifyRequest cookies: made and checked before any state is kept (RFC 6347 4.2.1). */
#ifndef GDS_TLS_COOKIE_H
#define GDS_TLS_COOKIE_H

#include <gdstream/address.h>
#include <gdstream/session.h>

#define GDS_COOKIE_KEY_SIZE 16
/** Room for a HelloVerifyRequest datagram; never larger than the question (UDP-19). */
#define GDS_COOKIE_REPLY_MAX 64

enum gds_cookie_result { GDS_COOKIE_GOOD, GDS_COOKIE_ASK, GDS_COOKIE_IGNORE };

/**
 * \param hello a datagram; \param key [0] current, [1] previous: both random from the start,
 * for with a known one anybody makes cookies.
 * \param prestate filled for GDS_COOKIE_GOOD; \param reply, n filled for GDS_COOKIE_ASK.
 * \return GOOD: the address is proved, start a session with the same datagram; ASK: send the
 * reply, keep nothing; IGNORE: no well-formed epoch-0 ClientHello.
 */
enum gds_cookie_result gds_cookie_judge(const uint8_t *hello, size_t hello_length,
	const struct gds_address *peer, const uint8_t key[2][GDS_COOKIE_KEY_SIZE],
	struct gds_prestate *prestate, uint8_t reply[static GDS_COOKIE_REPLY_MAX], size_t *n);

#endif
