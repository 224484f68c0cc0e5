/* SPDX-License-Identifier: MIT */
/*
 * What an agent can do, and a stream through it: lines of standard input go to the destination,
 * what it answers to standard output.
 *
 * usage: client_tcp IDENTITY AGENT PORT HOST PORT
 * IDENTITY is a folder with ca.pem, cert.pem and key.pem, or the zip that GoDoxy keeps.
 */
#include <gdstream/gdstream.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct gds_trust *load(const char *path)
{
	struct gds_identity *identity = NULL;
	struct gds_trust *trust = NULL;
	struct gds_complaint complaint;

	if (gds_identity_from_path(&identity, path, &complaint) != GDS_OK ||
		gds_trust_new(&trust, identity, GDS_CLIENT, &complaint) != GDS_OK) {
		fprintf(stderr, "client_tcp: %s\n", complaint.text);
	}
	gds_identity_free(identity);
	return trust;
}

static int detect(const struct gds_client_options *options)
{
	struct gds_capabilities can;
	int rc = gds_detect(&can, options);

	if (rc != GDS_OK) {
		fprintf(stderr, "client_tcp: %s\n", gds_strerror(rc));
		return rc;
	}
	fprintf(stderr, "supports_tcp_stream %d (%s)\n", can.supports_tcp_stream, can.tcp.cause);
	fprintf(stderr, "supports_udp_stream %d (%s)\n", can.supports_udp_stream, can.udp.cause);
	return can.supports_tcp_stream ? GDS_OK : GDS_E_REFUSED;
}

/* Everything is sent before anything is read: enough for small inputs. A real program does both at
 * once with poll(2), see gds_client_interest. */
static int talk(struct gds_client *client)
{
	char buffer[4096];
	size_t n;
	ssize_t got;

	while ((n = fread(buffer, 1, sizeof(buffer), stdin)) > 0) {
		ssize_t rc = gds_client_write(client, buffer, n, gds_within(10 * GDS_SECOND));

		if (rc < 0) {
			return (int)rc;
		}
		if ((size_t)rc < n) {
			return GDS_E_TIMEOUT; /* fewer bytes: the deadline passed */
		}
	}
	gds_client_shut(client, gds_within(GDS_SECOND));
	while ((got = gds_client_read(
			client, buffer, sizeof(buffer), gds_within(10 * GDS_SECOND))) > 0) {
		fwrite(buffer, 1, (size_t)got, stdout);
	}
	return got == GDS_EOF ? GDS_OK : (int)got;
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: client_tcp IDENTITY AGENT PORT HOST PORT\n");
		return 2;
	}
	struct gds_client_options options = {
		.transport = GDS_TCP,
		.agent = argv[2],
		.agent_port = (uint16_t)atoi(argv[3]),
		.host = argv[4],
		.port = (uint16_t)atoi(argv[5]),
		.trust = load(argv[1]),
	};
	struct gds_client *client = NULL;
	struct gds_error why = {.code = GDS_E_INVALID};
	int rc = options.trust ? detect(&options) : GDS_E_FILE;

	if (rc == GDS_OK) {
		rc = gds_client_open(&client, &options, &why);
		if (rc != GDS_OK) {
			fprintf(stderr, "client_tcp: %s: %s\n", gds_stage_name(why.stage),
				gds_strerror(rc));
		}
	}
	if (client) {
		rc = talk(client);
		if (rc != GDS_OK) {
			fprintf(stderr, "client_tcp: %s\n", gds_strerror(rc));
		}
		gds_client_close(client, gds_within(GDS_SECOND));
	}
	gds_client_free(client);
	gds_trust_unref(options.trust);
	return rc == GDS_OK ? 0 : 1;
}
