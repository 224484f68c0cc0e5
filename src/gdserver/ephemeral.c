/* SPDX-License-Identifier: MIT */
#include "gdserver/gdserver.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int path_of(char path[static PATH_MAX], const char *folder, const char *name,
	struct gds_complaint *complaint)
{
	int n = snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return n > 0 && n < PATH_MAX ? GDS_OK
				     : gds_complain(complaint, GDS_E_FILE,
					       "%.100s... is too long a path", folder);
}

static int write_all(const struct gds_identity *ca, const struct gds_identity *server,
	const struct gds_identity *client, const char *folder, struct gds_complaint *complaint)
{
	const struct {
		const char *name, *pem;
		unsigned mode;
	} files[] = {
		{"ca.pem", ca->ca, 0644},
		{"ca.key", ca->ca_key, 0600},
		{"server.pem", server->cert, 0644},
		{"server.key", server->key, 0600},
		{"client.pem", client->cert, 0644},
		{"client.key", client->key, 0600},
	};
	char path[PATH_MAX];
	int rc = GDS_OK;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && rc == GDS_OK; i++) {
		rc = path_of(path, folder, files[i].name, complaint);
		if (rc == GDS_OK) {
			rc = gds_identity_write_pem(files[i].pem, path, files[i].mode, complaint);
		}
	}
	if (rc == GDS_OK && (rc = path_of(path, folder, "agent.env", complaint)) == GDS_OK) {
		rc = gds_identity_write_env(ca, server, path, complaint);
	}
	if (rc == GDS_OK && (rc = path_of(path, folder, "client.zip", complaint)) == GDS_OK) {
		rc = gds_identity_write_zip(client, path, complaint);
	}
	return rc;
}

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
	if (rc == GDS_OK && mkdir(folder, 0700) < 0 && errno != EEXIST) {
		rc = gds_complain(
			complaint, GDS_E_FILE, "%s cannot be made: %s", folder, strerror(errno));
	}
	if (rc == GDS_OK) {
		rc = write_all(ca, server, client, folder, complaint);
	}
	if (rc == GDS_OK) {
		*out = server;
		server = NULL;
	}
	gds_identity_free(ca);
	gds_identity_free(server);
	gds_identity_free(client);
	return rc;
}
