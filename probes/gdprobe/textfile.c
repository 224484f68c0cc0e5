/* SPDX-License-Identifier: MIT */
/* Metrics for node_exporter's textfile collector: whoever reads the file sees all of it or the old
 * one. */
#include "gdprobe/probe.h"

#include "out/prometheus.h"

#include <gdstream/identity.h>

#include <stdio.h>
#include <stdlib.h>

int textfile_write(const struct options *options, const struct gds_result *results, size_t n,
	struct gds_complaint *complaint)
{
	struct gds_prometheus_options form = {.timeout = options->timeout, .label = true};
	size_t size = GDS_PROMETHEUS_FAMILIES + n * GDS_PROMETHEUS_RESULT;
	char *bytes = malloc(size);
	struct gds_text text;
	int rc;

	if (!bytes) {
		return gds_complain(complaint, GDS_E_NOMEM, "no memory for the metrics");
	}
	gds_text_init(&text, bytes, size);
	gds_prometheus_format(&text, results, n, &form);
	/* The collector runs as another user. Its rule, a new file beside it and a rename, is that
	 * of certificates too. */
	rc = text.cut ? gds_complain(complaint, GDS_E_LIMIT, "the metrics are too long")
		      : gds_identity_write_pem(bytes, options->textfile, 0644, complaint);
	free(bytes);
	return rc;
}
