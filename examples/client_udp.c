/* SPDX-License-Identifier: MIT */
/*
 * Datagrams through an agent: each argument is sent as one, each answer printed on a line of its
 * own. A lost header looks like silence, and is answered by a new session (UDP-20).
 *
 * usage: client_udp IDENTITY AGENT PORT HOST PORT TEXT...
 */
#include <gdstream/gdstream.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS 3

static struct gds_trust *load(const char *path)
{
	struct gds_identity *identity = NULL;
	struct gds_trust *trust = NULL;
	struct gds_complaint complaint;

	if (gds_identity_from_path(&identity, path, &complaint) != GDS_OK ||
		gds_trust_new(&trust, identity, GDS_CLIENT, &complaint) != GDS_OK) {
		fprintf(stderr, "client_udp: %s\n", complaint.text);
	}
	gds_identity_free(identity);
	return trust;
}

/* \return bytes of the answer, or what gds_client_read said. */
static ssize_t ask(struct gds_client *client, const char *text, char *answer, size_t size)
{
	ssize_t rc = gds_client_write(client, text, strlen(text), gds_within(GDS_SECOND));

	return rc < 0 ? rc : gds_client_read(client, answer, size, gds_within(2 * GDS_SECOND));
}

static int ask_all(struct gds_client *client, char **texts, int *at, int n)
{
	static char answer[GDS_DATAGRAM_IN_MAX];

	while (*at < n) {
		ssize_t rc = ask(client, texts[*at], answer, sizeof(answer));

		if (rc < 0) {
			return (int)rc;
		}
		printf("%.*s\n", (int)rc, answer);
		(*at)++;
	}
	return GDS_OK;
}

int main(int argc, char **argv)
{
	if (argc < 7) {
		fprintf(stderr, "usage: client_udp IDENTITY AGENT PORT HOST PORT TEXT...\n");
		return 2;
	}
	struct gds_client_options options = {
		.transport = GDS_UDP,
		.agent = argv[2],
		.agent_port = (uint16_t)atoi(argv[3]),
		.host = argv[4],
		.port = (uint16_t)atoi(argv[5]),
		.trust = load(argv[1]),
	};
	int rc = options.trust ? GDS_E_TIMEOUT : GDS_E_FILE;
	int at = 6;

	for (int i = 0; i < SESSIONS && rc == GDS_E_TIMEOUT; i++) {
		struct gds_client *client;
		struct gds_error why;

		rc = gds_client_open(&client, &options, &why);
		if (rc == GDS_OK) {
			rc = ask_all(client, argv, &at, argc);
			gds_client_close(client, GDS_AT_ONCE);
		}
		gds_client_free(client);
	}
	if (rc != GDS_OK) {
		fprintf(stderr, "client_udp: %s\n", gds_strerror(rc));
	}
	gds_trust_unref(options.trust);
	return rc == GDS_OK ? 0 : 1;
}
