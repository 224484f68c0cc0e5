/* SPDX-License-Identifier: MIT */
/* The socket of a session that a program has set up itself: GnuTLS is only handed through to tls/.
 */
#include "tls/adopt.h"
#include "io/socket_private.h"

#include <gdstream/gnutls.h>

int gds_carrier_adopt_gnutls(struct gds_carrier **out, gnutls_session_t tls, int fd,
	struct gds_trust *trust, const struct gds_env *env)
{
	struct gds_session *session = NULL;
	struct gds_carrier *below;
	int rc;

	if (!out || !tls || fd < 0) {
		return GDS_E_INVALID;
	}
	env = env ? env : gds_env_system();
	below = gds_stream_socket_new(fd, env);
	if (!below) {
		return GDS_E_NOMEM;
	}
	rc = gds_session_adopt(&session, tls, below, trust);
	if (rc != GDS_OK) {
		gds_free(env,
			gds_socket_of(below)); /* without its close: the descriptor is not ours */
		return rc;
	}
	*out = gds_session_carrier(session);
	return GDS_OK;
}
