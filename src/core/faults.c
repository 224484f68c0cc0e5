/* SPDX-License-Identifier: MIT */
#include <gdstream/catalogue.h>

#include <string.h>

/* Shows: by default in a plain check; through a tunnel; or only to a suite of its own. */
const struct gds_fault gds_faults[] = {
	{"accept-bad-checksum", "HDR-03", GDS_SHOWS_CONFORM, GDS_STAGE_HEADER,
		"accepts a header whose checksum is wrong"},
	{"accept-bad-version", "HDR-02", GDS_SHOWS_CONFORM, GDS_STAGE_HEADER,
		"accepts a header of another version"},
	{"refuse-good", "HDR-01", GDS_SHOWS_THROUGH, GDS_STAGE_HEADER,
		"refuses headers that are right"},
	{"health-dials", "HC-01", GDS_SHOWS_CONFORM, GDS_STAGE_HEADER,
		"contacts the destination named in a health check"},
	{"health-answers", "HC-02", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE,
		"answers a health check with bytes"},
	{"no-close-notify", "TLS-09", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE,
		"ends sessions without close_notify"},
	{"skip-dial", "TCP-04", GDS_SHOWS_THROUGH, GDS_STAGE_TUNNEL,
		"opens a tunnel without dialling its destination"},
	{"no-client-cert", "TLS-02", GDS_SHOWS_CONFORM, GDS_STAGE_VERIFY,
		"requires no certificate of a client"},
};

const size_t gds_faults_count = sizeof(gds_faults) / sizeof(gds_faults[0]);

const struct gds_fault *gds_fault_find(const char *name)
{
	for (size_t i = 0; i < gds_faults_count; i++) {
		if (strcmp(gds_faults[i].name, name) == 0) {
			return &gds_faults[i];
		}
	}
	return NULL;
}
