/* SPDX-License-Identifier: MIT */
/** What client.c and client_health.c share. Not for other folders. */
#ifndef GDS_IO_CLIENT_PRIVATE_H
#define GDS_IO_CLIENT_PRIVATE_H

#include <gdstream/client.h>

/**
 * An attempt for these options.
 * \param out owned by the caller from GDS_OK on.
 * \return GDS_OK or what gds_client_open says of options that are refused locally, with why filled.
 */
int gds_client_attempt(struct gds_machine **out, const struct gds_client_options *, enum gds_plan,
	gds_time deadline, struct gds_error *why);

static inline const struct gds_env *gds_client_env(const struct gds_client_options *o)
{
	return o->env ? o->env : gds_env_system();
}

#endif
