/* SPDX-License-Identifier: MIT */
/** Sessions that others have set up. No GnuTLS type here. */
#ifndef GDS_TLS_ADOPT_H
#define GDS_TLS_ADOPT_H

#include <gdstream/session.h>

/**
 * \param tls a gnutls_session_t. The rest, and what is returned, as gds_carrier_adopt_gnutls; on an
 * error tls and below stay the caller's, and tls has its own transport still.
 */
int gds_session_adopt(
	struct gds_session **out, void *tls, struct gds_carrier *below, struct gds_trust *trust);
/** \return the session whose carrier this is, NULL when it is another kind of carrier. */
struct gds_session *gds_session_of_carrier(struct gds_carrier *);

#endif
