/* SPDX-License-Identifier: MIT */
#include "lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct gds_trust *trusts[2];

struct gds_trust *lab_trust(enum gds_role role)
{
	static const struct gds_generate_options as_godoxy;
	struct gds_complaint complaint = {0};
	struct gds_identity *ca = NULL, *leaf = NULL;
	if (trusts[role]) {
		return trusts[role];
	}
	assert_int_equal(gds_identity_generate_ca(&ca, &as_godoxy, &complaint), GDS_OK);
	for (int i = 0; i < 2; i++) {
		enum gds_leaf kind = i == GDS_SERVER ? GDS_LEAF_SERVER : GDS_LEAF_CLIENT;
		assert_int_equal(
			gds_identity_generate_leaf(&leaf, ca, kind, &as_godoxy, &complaint),
			GDS_OK);
		assert_int_equal(
			gds_trust_new(&trusts[i], leaf, (enum gds_role)i, &complaint), GDS_OK);
		gds_identity_free(leaf);
	}
	gds_identity_free(ca);
	return trusts[role];
}

void lab_free(void)
{
	for (int i = 0; i < 2; i++) {
		gds_trust_unref(trusts[i]);
		trusts[i] = NULL;
	}
}

struct gds_session *lab_client(struct memory *below, enum gds_transport transport, const char *alpn)
{
	struct gds_session *session = NULL;
	struct gds_profile profile = {
		.role = GDS_CLIENT,
		.transport = transport,
		.alpn = {alpn, NULL},
		.deadline = GDS_NEVER,
	};
	assert_int_equal(
		gds_session_new(&session, &profile, lab_trust(GDS_CLIENT), &below->carrier),
		GDS_OK);
	return session;
}

void lab_header(
	uint8_t wire[static GDS_HEADER_SIZE], const char *host, const char *port, uint8_t flags)
{
	struct gds_header header;
	assert_int_equal(gds_header_init(&header, host, port, flags), GDS_OK);
	assert_int_equal(gds_header_encode(&header, wire), GDS_OK);
}
