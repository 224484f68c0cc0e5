/* SPDX-License-Identifier: MIT */
/**
 * For programs that accept and secure connections themselves, for instance because they multiplex
 * ALPN protocols on one port: a finished GnuTLS session as a carrier. The only public header that
 * includes one of GnuTLS.
 */
#ifndef GDSTREAM_GNUTLS_H
#define GDSTREAM_GNUTLS_H

#include <gdstream/api.h>
#include <gdstream/session.h>

#include <gnutls/gnutls.h>

GDS_BEGIN_DECLS

/**
 * Make a carrier of a TLS session whose handshake is done and of its connected TCP socket:
 * plaintext in and out, close_notify, truncation and alerts told apart as in the library's own
 * sessions. Its transport functions are replaced, and the descriptor is made non-blocking;
 * everything else of the session is left alone. What GnuTLS has already buffered is read first.
 *
 * \param tls not corked, no kTLS. Owned from GDS_OK on: it is freed with the carrier. Its
 * credentials stay the program's and outlive the carrier. \param fd owned from GDS_OK on. On an
 * error both stay the caller's. \param trust judges the peer's certificate once more, as the
 * library's own handshake does (TLS-02, TLS-03, TLS-04); borrowed for the call. NULL: the program
 * vouches for the peer. \param env borrowed, outlives the carrier; NULL = gds_env_system(). \return
 * GDS_OK; GDS_E_INVALID: NULL, a DTLS session, kTLS, or no handshake yet; GDS_E_ALPN: it did not
 * select godoxy-agent-stream/1 (MUX-01, MUX-04); GDS_E_VERIFY, GDS_E_NO_CERTIFICATE: trust refuses
 * the peer; GDS_E_NOMEM.
 */
int gds_carrier_adopt_gnutls(struct gds_carrier **out, gnutls_session_t tls, int fd,
	struct gds_trust *trust, const struct gds_env *env);

GDS_END_DECLS

#endif
