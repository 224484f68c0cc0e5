/* SPDX-License-Identifier: MIT */
/* Faults of the server's certificate: odd ones, signed on the spot. */
#include "server/faults.h"

#include <gdstream/catalogue.h>
#include <gdstream/identity.h>

#include <stdlib.h>
#include <string.h>

#define DAY INT64_C(86400)

/* What is odd about it; dates in days from now, 0 = as usual. */
static const struct odd {
	const char *fault;
	const char *common_name, *san;
	int64_t from, to;
	bool rsa, for_client, other_ca;
} odds[] = {
	{"cert-wrong-san", NULL, "other.example", 0, 0, false, false, false},
	{"cert-no-san", "other.example", "", 0, 0, false, false, false},
	{"cert-cn-only", NULL, "", 0, 0, false, false, false},
	{"cert-client-purpose", NULL, NULL, 0, 0, false, true, false},
	{"cert-expired", NULL, NULL, -400, -35, false, false, false},
	{"cert-not-yet-valid", NULL, NULL, 2, 0, false, false, false},
	{"cert-expiring", NULL, NULL, -1, 10, false, false, false},
	{"cert-rsa", NULL, NULL, 0, 0, true, false, false},
	{"cert-other-ca", NULL, NULL, 0, 0, false, false, true},
	{"cert-foreign", "www.example", "www.example", 0, 0, false, false, true},
};

static const struct odd *find(const char *name)
{
	const struct gds_fault *fault = gds_fault_find(name);
	for (size_t i = 0; fault && i < sizeof(odds) / sizeof(odds[0]); i++) {
		if (strcmp(odds[i].fault, fault->name) == 0) {
			return &odds[i];
		}
	}
	return NULL;
}

static void swap(char **a, char **b)
{
	char *kept = *a;
	*a = *b;
	*b = kept;
}

static int replace(struct gds_identity *id, const struct odd *odd, int64_t days,
	struct gds_complaint *complaint)
{
	const struct gds_env *env = gds_env_system();
	int64_t now = env->wall(env->ctx) / GDS_SECOND;
	int64_t to = odd->to > 0 && days > 0 ? days : odd->to;
	static const struct gds_generate_options as_godoxy;
	struct gds_generate_options options = {
		.valid_from = odd->from ? now + odd->from * DAY : 0,
		.valid_to = to ? now + to * DAY + DAY / 2 : 0,
		.leaf_rsa = odd->rsa,
		.common_name = odd->common_name,
		.san = odd->san,
	};
	struct gds_identity *ca = NULL, *leaf = NULL;
	int rc = odd->other_ca ? gds_identity_generate_ca(&ca, &as_godoxy, complaint) : GDS_OK;
	if (rc == GDS_OK) {
		rc = gds_identity_generate_leaf(&leaf, ca ? ca : id,
			odd->for_client ? GDS_LEAF_CLIENT : GDS_LEAF_SERVER, &options, complaint);
	}
	if (rc == GDS_OK) {
		swap(&id->cert, &leaf->cert);
		swap(&id->key, &leaf->key);
	}
	gds_identity_free(ca);
	gds_identity_free(leaf);
	return rc;
}

int gds_faults_identity(
	const char *const *names, struct gds_identity *id, struct gds_complaint *complaint)
{
	struct gds_faults f;
	int rc = gds_faults_parse(names, &f, complaint);
	for (; rc == GDS_OK && names && *names; names++) {
		const struct odd *odd = find(*names);
		if (odd && !odd->other_ca && !id->ca_key) {
			return gds_complain(complaint, GDS_E_INVALID,
				"the fault %s needs the CA's key to sign a certificate with: give "
				"--agent-env or --ephemeral, which have it",
				odd->fault);
		}
		rc = odd ? replace(id, odd, f.days, complaint) : GDS_OK;
	}
	return rc;
}
