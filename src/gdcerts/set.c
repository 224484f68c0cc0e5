/* SPDX-License-Identifier: MIT */
/* What new and renew share. */
#include "gdcerts/gdcerts.h"

#include <stdio.h>

int gdcerts_join(char out[static PATH_MAX], const char *folder, const char *name,
	struct gds_complaint *complaint)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);
	return n > 0 && n < PATH_MAX ? GDS_OK
				     : gds_complain(complaint, GDS_E_FILE,
					       "%.100s... is too long a path", folder);
}

int gdcerts_load_ca(struct gds_identity **out, const char *from, struct gds_complaint *complaint)
{
	char cert[PATH_MAX], key[PATH_MAX];
	enum gds_file_kind kind;
	int status = gds_identity_kind(&kind, from, complaint);
	if (status != GDS_OK) {
		return status;
	}
	switch (kind) {
	case GDS_FILE_ENV:
		return gds_identity_from_env_file(out, from, complaint);
	case GDS_FILE_DIRECTORY:
		status = gdcerts_join(cert, from, "ca.pem", complaint);
		if (status == GDS_OK) {
			status = gdcerts_join(key, from, "ca.key", complaint);
		}
		return status == GDS_OK ? gds_identity_from_ca(out, cert, key, complaint) : status;
	case GDS_FILE_ZIP:
		return gds_complain(complaint, GDS_E_INVALID,
			"%s holds no CA key to sign with: it is in the agent's AGENT_CA_CERT, give "
			"a file with the agent's AGENT_* values",
			from);
	case GDS_FILE_PEM:
		break;
	}
	return gds_complain(complaint, GDS_E_INVALID,
		"%s is a PEM file: give the directory with ca.pem and ca.key, or a file with "
		"AGENT_* values",
		from);
}

int gdcerts_generate_leaves(struct gdcerts_set *set, const struct gds_generate_options *dates,
	bool rsa, struct gds_complaint *complaint)
{
	struct gds_generate_options leaf = *dates;
	int status = gds_identity_generate_leaf(
		&set->client, set->ca, GDS_LEAF_CLIENT, &leaf, complaint);
	if (status == GDS_OK) {
		leaf.leaf_rsa = rsa;
		status = gds_identity_generate_leaf(
			&set->server, set->ca, GDS_LEAF_SERVER, &leaf, complaint);
	}
	return status;
}

void gdcerts_report(const struct gdcerts_set *set, const char *folder)
{
	struct gds_certificate server = {0};
	char from[40], to[40];
	gds_certificate_read(&server, set->server->cert);
	printf("%s: CA, server (%s) and client certificate, valid from %s to %s\n", folder,
		server.key, gds_date_format(server.not_before, from),
		gds_date_format(server.not_after, to));
	printf("for the agent:  AGENT_CA_CERT and AGENT_SSL_CERT are in %s/agent.env\n", folder);
	printf("for GoDoxy:     copy %s/client.zip to its certs/HOST:8890.zip\n", folder);
}

void gdcerts_set_clear(struct gdcerts_set *set)
{
	gds_identity_free(set->ca);
	gds_identity_free(set->server);
	gds_identity_free(set->client);
}
