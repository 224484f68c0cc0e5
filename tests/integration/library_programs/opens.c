/* SPDX-License-Identifier: MIT */
/* Many clients one after the other: prints what is left of descriptors and of the heap [bytes]. */
#include <gdstream/gdstream.h>

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

static long descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	long n = 0;

	while (readdir(d)) {
		n++;
	}
	closedir(d);
	return n;
}

/* \return 0 when the exchange went well, or nobody was to be reached on purpose. */
static int once(struct gds_client_options *options, int i)
{
	static char answer[GDS_DATAGRAM_IN_MAX];
	struct gds_client *client = NULL;
	struct gds_health health;
	int rc;

	options->transport = i % 2 ? GDS_UDP : GDS_TCP;
	if (i % 5 == 4) {
		return gds_client_health(&health, options);
	}
	rc = gds_client_open(&client, options, NULL);
	if (rc == GDS_OK) {
		ssize_t n = gds_client_write(client, "x", 1, gds_within(5 * GDS_SECOND));

		n = n == 1 ? gds_client_read(
				     client, answer, sizeof(answer), gds_within(5 * GDS_SECOND))
			   : n;
		rc = n == 1 ? GDS_OK : (int)n;
	}
	if (i % 3) {
		gds_client_close(client, gds_within(GDS_SECOND));
	}
	gds_client_free(client);
	return rc;
}

/* usage: opens IDENTITY AGENT PORT HOST PORT COUNT */
int main(int argc, char **argv)
{
	struct gds_identity *identity = NULL;
	struct gds_trust *trust = NULL;
	struct gds_complaint complaint;
	long before = 0;
	size_t heap = 0;

	if (argc != 7 || gds_identity_from_path(&identity, argv[1], &complaint) != GDS_OK ||
		gds_trust_new(&trust, identity, GDS_CLIENT, &complaint) != GDS_OK) {
		return 2;
	}
	struct gds_client_options options = {.agent = argv[2],
		.agent_port = (uint16_t)atoi(argv[3]),
		.host = argv[4],
		.port = (uint16_t)atoi(argv[5]),
		.trust = trust};
	int count = atoi(argv[6]);

	for (int i = -10; i < count; i++) {
		int rc;

		if (i == 0) { /* the first ones fill caches */
			before = descriptors();
			heap = mallinfo2().uordblks;
		}
		rc = once(&options, i + 10);
		if (rc != GDS_OK) {
			printf("%d: %s\n", i, gds_strerror(rc));
			return 1;
		}
	}
	printf("%ld %ld\n", descriptors() - before, (long)mallinfo2().uordblks - (long)heap);
	gds_trust_unref(trust);
	gds_identity_free(identity);
	return 0;
}
