/* SPDX-License-Identifier: MIT */
/** Certificates as GoDoxy makes them, and odd ones, made at test time with GnuTLS. */
#ifndef TESTS_TLS_ODD_H
#define TESTS_TLS_ODD_H

#include <gdstream/identity.h>

enum odd_key { ODD_P256, ODD_P384, ODD_RSA, ODD_ED25519 };

/** What a leaf has; zeroed = as GoDoxy. */
struct odd_leaf {
	bool no_eku, both_eku, other_eku; /* EKU left out; both purposes; the other role's only */
	bool no_san, wrong_san;
	enum odd_key key;
	int64_t not_before, not_after; /* wall [s]; 0 = a day ago, and year 3026 */
};

/** A CA named as all of GoDoxy's; another key each time. name NULL = "godoxy.agent". */
struct gds_identity *odd_ca(const char *name, int64_t not_after);
/** A leaf of that CA: ca, cert and key filled. */
struct gds_identity *odd_leaf(
	const struct gds_identity *ca, enum gds_leaf, const struct odd_leaf *);
void odd_free(struct gds_identity *);

#endif
