/* SPDX-License-Identifier: MIT */
#include "gdserver/gdserver.h"

int gdserver_ephemeral(
	struct gds_identity **out, const char *folder, struct gds_complaint *complaint)
{
	static const struct gds_generate_options as_godoxy;
	struct gds_identity *ca = NULL, *server = NULL, *client = NULL;
	int rc = gds_identity_generate_ca(&ca, &as_godoxy, complaint);
	if (rc == GDS_OK) {
		rc = gds_identity_generate_leaf(
			&server, ca, GDS_LEAF_SERVER, &as_godoxy, complaint);
	}
	if (rc == GDS_OK) {
		rc = gds_identity_generate_leaf(
			&client, ca, GDS_LEAF_CLIENT, &as_godoxy, complaint);
	}
	if (rc == GDS_OK) {
		rc = gds_identity_write_set(ca, server, client, folder, complaint);
	}
	if (rc == GDS_OK) {
		server->ca_key = ca->ca_key; /* a fault may sign with it */
		ca->ca_key = NULL;
		*out = server;
		server = NULL;
	}
	gds_identity_free(ca);
	gds_identity_free(server);
	gds_identity_free(client);
	return rc;
}
