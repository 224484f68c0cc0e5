/* SPDX-License-Identifier: MIT */
/* A whole set of certificates in a directory: what gdcerts new and gdserver --ephemeral leave
 * behind. */
#include "tls/identity_private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *const gds_identity_set_files[GDS_SET_FILES] = {"ca.pem", "ca.key", "server.pem",
	"server.key", "client.pem", "client.key", "agent.env", "client.zip"};

int gds_identity_write_set(const struct gds_identity *ca, const struct gds_identity *server,
	const struct gds_identity *client, const char *folder, struct gds_complaint *complaint)
{
	const struct {
		const char *pem;
		unsigned mode;
	} texts[] = {
		{ca->ca, 0644},
		{ca->ca_key, 0600},
		{server->cert, 0644},
		{server->key, 0600},
		{client->cert, 0644},
		{client->key, 0600},
	};
	enum { TEXTS = sizeof(texts) / sizeof(texts[0]), ENV = TEXTS };
	if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
		return gds_complain(
			complaint, GDS_E_FILE, "%s cannot be made: %s", folder, strerror(errno));
	}
	int status = GDS_OK;
	for (size_t i = 0; status == GDS_OK && i < GDS_SET_FILES; i++) {
		char path[PATH_MAX];
		int n = snprintf(path, sizeof(path), "%s/%s", folder, gds_identity_set_files[i]);
		if (n < 0 || (size_t)n >= sizeof(path)) {
			status = gds_complain(
				complaint, GDS_E_FILE, "%.100s... is too long a path", folder);
		} else if (i < TEXTS) {
			status = gds_identity_write_pem(
				texts[i].pem, path, texts[i].mode, complaint);
		} else if (i == ENV) {
			status = gds_identity_write_env(ca, server, path, complaint);
		} else {
			status = gds_identity_write_zip(client, path, complaint);
		}
	}
	return status;
}
