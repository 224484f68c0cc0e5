/* SPDX-License-Identifier: MIT */
/** header_check COUNT: judge a valid header COUNT times; print the CPU time each takes, as JSON. */
#include <gdstream/header.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static double used_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
	long count = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
	struct gds_header header;
	uint8_t wire[GDS_HEADER_SIZE];
	double start;

	if (count <= 0) {
		fprintf(stderr, "usage: header_check COUNT\n");
		return 3;
	}
	if (gds_header_init(&header, "example.com", "443", 0) != GDS_OK ||
		gds_header_encode(&header, wire) != GDS_OK) {
		fprintf(stderr, "header_check: the header cannot be encoded\n");
		return 1;
	}
	start = used_us();
	for (long i = 0; i < count; i++) {
		if (gds_header_check(wire, NULL) != GDS_OK) {
			fprintf(stderr, "header_check: the header is refused\n");
			return 1;
		}
	}
	printf("{\"ok\":true,\"units\":%ld,\"cpu_us_per_unit\":%.6f}\n", count,
		(used_us() - start) / (double)count);
	return 0;
}
