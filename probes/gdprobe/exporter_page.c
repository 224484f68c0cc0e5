/* SPDX-License-Identifier: MIT */
/* The bodies of the exporter's answers. */
#include "config.h"

#include "gdprobe/exporter.h"

#include "out/prometheus.h"
#include "out/term.h"

#include <stdlib.h>

#define METRICS_SIZE 8192
#define DEBUG_SIZE 16384

const char page_root[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
	"charset=\"utf-8\"><title>gdprobe</title></head>"
	"<body><h1>gdprobe</h1>\n<ul><li>/probe?target=HOST:PORT&amp;module=all|tcp|udp|http"
	"&amp;debug=true</li>\n<li><a href=\"/metrics\">/metrics</a> of this exporter</li></ul>"
	"</body></html>\n";

char *page_scrape(const struct scrape *scrape)
{
	struct gds_prometheus_options form = {.timeout = scrape->budget};
	struct gds_term_options term = {.verbose = true};
	size_t size = DEBUG_SIZE + GDS_PROMETHEUS_FAMILIES + GDS_PROMETHEUS_RESULT;
	char *bytes = malloc(size);
	struct gds_text text;

	if (!bytes) {
		return NULL;
	}
	gds_text_init(&text, bytes, size);
	if (scrape->debug) {
		gds_term_format(&text, &scrape->result, &term);
		gds_text_add(&text, "\nMetrics that would have been returned:\n");
	}
	gds_prometheus_format(&text, &scrape->result, 1, &form);
	if (text.cut) {
		free(bytes);
		return NULL;
	}
	return bytes;
}

char *page_metrics(const struct scraper *s)
{
	char *bytes = malloc(METRICS_SIZE);
	struct gds_text text;
	const struct {
		const char *result;
		uint64_t count;
	} answers[] = {
		{"healthy", s->healthy},
		{"not_healthy", s->unhealthy},
		{"unjudged", s->unjudged},
		{"rejected", s->rejected},
		{"busy", s->busy},
	};

	if (!bytes) {
		return NULL;
	}
	gds_text_init(&text, bytes, METRICS_SIZE);
	gds_prometheus_family(
		&text, "gdprobe_exporter_build_info", "gauge", "Which gdprobe this is");
	gds_text_add(&text, "gdprobe_exporter_build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
	gds_prometheus_family(&text, "gdprobe_exporter_scrapes_total", "counter",
		"Requests for /probe, by what was answered");
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		gds_text_add(&text, "gdprobe_exporter_scrapes_total{result=\"%s\"} %llu\n",
			answers[i].result, (unsigned long long)answers[i].count);
	}
	gds_prometheus_family(
		&text, "gdprobe_exporter_scrapes_running", "gauge", "Probes under way now");
	gds_text_add(&text, "gdprobe_exporter_scrapes_running %zu\n", s->running);
	gds_prometheus_family(&text, "gdprobe_exporter_scrapes_waiting", "gauge",
		"Requests that wait for their turn");
	gds_text_add(&text, "gdprobe_exporter_scrapes_waiting %zu\n", s->waiting);
	return bytes;
}
