/* SPDX-License-Identifier: MIT */
/* What gdstream(3) says about misuse, called: NULL, the wrong state, closing twice. Prints the
 * first that differs. */
#include <gdstream/gdstream.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void expect(int line, long got, long wanted)
{
	if (got != wanted) {
		printf("line %d: %ld, not %ld\n", line, got, wanted);
		failures++;
	}
}

#define EXPECT(got, wanted) expect(__LINE__, (long)(got), (long)(wanted))

static void headers(void)
{
	static char host[GDS_HOST_MAX + 2];
	struct gds_header h;
	uint8_t wire[GDS_HEADER_SIZE];
	size_t n = 99;

	memset(host, 'h', GDS_HOST_MAX + 1);
	EXPECT(gds_header_init(NULL, "h", "1", 0), GDS_E_INVALID);
	EXPECT(gds_header_init(&h, NULL, "1", 0), GDS_E_INVALID);
	EXPECT(gds_header_init(&h, "h", NULL, 0), GDS_E_INVALID);
	EXPECT(gds_header_init(&h, host, "1", 0), GDS_E_HOST_LENGTH);
	EXPECT(gds_header_init(&h, "h", "123456", 0), GDS_E_PORT_LENGTH);
	host[GDS_HOST_MAX] = '\0';
	EXPECT(gds_header_init(&h, host, "12345", 0), GDS_OK);
	EXPECT(strlen(gds_header_host(&h, &n)), GDS_HOST_MAX);
	EXPECT(n, GDS_HOST_MAX);
	EXPECT(strcmp(gds_header_port(&h, &n), "12345"), 0);
	EXPECT(n, 5);
	EXPECT(gds_header_is_health(&h), 0);
	gds_header_health(&h);
	EXPECT(gds_header_is_health(&h), 1);
	EXPECT(gds_header_host(&h, NULL)[0], 0);
	EXPECT(gds_header_encode(&h, wire), GDS_OK);
	EXPECT(memcmp(wire + 271, "\x7d\x62\x1c\x75", 4), 0); /* PROTOCOL: known vector */
	EXPECT(gds_header_check(wire, NULL), GDS_OK);
	wire[0] ^= 1;
	EXPECT(gds_header_check(wire, NULL), GDS_E_CHECKSUM);
}

static void nothing(void)
{
	struct gds_client *client;
	struct gds_listener *listener;
	struct gds_incoming *incoming;
	struct gds_complaint complaint;
	static const struct gds_client_options options;
	static const struct gds_listener_options listening;
	char byte;

	EXPECT(gds_client_open(&client, NULL, NULL), GDS_E_INVALID);
	EXPECT(gds_client_open(NULL, &options, NULL), GDS_E_INVALID);
	EXPECT(gds_client_open(&client, &options, NULL), GDS_E_INVALID);
	EXPECT(client == NULL, 1);
	EXPECT(gds_client_read(NULL, &byte, 1, GDS_NEVER), GDS_E_INVALID);
	EXPECT(gds_client_write(NULL, &byte, 1, GDS_NEVER), GDS_E_INVALID);
	EXPECT(gds_client_shut(NULL, GDS_NEVER), GDS_E_INVALID);
	EXPECT(gds_client_close(NULL, GDS_NEVER), GDS_E_INVALID);
	EXPECT(gds_client_fd(NULL), -1);
	gds_client_free(NULL);
	EXPECT(gds_listener_new(NULL, &listening, &complaint), GDS_E_INVALID);
	EXPECT(gds_listener_new(&listener, NULL, NULL), GDS_E_INVALID);
	EXPECT(gds_listener_new(&listener, &listening, &complaint), GDS_E_INVALID);
	EXPECT(gds_listener_accept(NULL, &incoming, GDS_NEVER), GDS_E_INVALID);
	EXPECT(gds_listener_close(NULL, GDS_NEVER), GDS_E_INVALID);
	EXPECT(gds_incoming_tunnel(NULL), GDS_E_INVALID);
	EXPECT(gds_incoming_serve(NULL), GDS_E_INVALID);
	EXPECT(gds_incoming_verdict(NULL), GDS_NEED_MORE);
	gds_incoming_free(NULL);
	gds_listener_free(NULL);
	gds_wait_free(NULL);
	gds_identity_free(NULL);
	gds_trust_unref(NULL);
	EXPECT(gds_wait_run(NULL, GDS_NEVER), GDS_E_INVALID);
}

static void wrong_state(const struct gds_client_options *options)
{
	struct gds_client *client = NULL;
	char byte;

	EXPECT(gds_client_open(&client, options, NULL), GDS_OK);
	EXPECT(gds_client_read(client, NULL, 1, GDS_AT_ONCE), GDS_E_INVALID);
	EXPECT(gds_client_read(client, &byte, 0, GDS_AT_ONCE), GDS_E_INVALID);
	EXPECT(gds_client_write(client, NULL, 1, GDS_AT_ONCE), GDS_E_INVALID);
	EXPECT(gds_client_write(client, NULL, 0, GDS_AT_ONCE), 0);
	EXPECT(gds_client_read(client, &byte, 1, GDS_AT_ONCE), GDS_AGAIN);
	EXPECT(gds_client_close(client, gds_within(GDS_SECOND)) <= 0, 1);
	EXPECT(gds_client_close(client, GDS_AT_ONCE), GDS_OK);
	EXPECT(gds_client_read(client, &byte, 1, GDS_NEVER), GDS_E_INVALID);
	EXPECT(gds_client_write(client, &byte, 1, GDS_NEVER), GDS_E_INVALID);
	EXPECT(gds_client_shut(client, GDS_NEVER), GDS_E_INVALID);
	EXPECT(gds_client_fd(client), -1);
	EXPECT(gds_client_report(client)->finished, 1);
	gds_client_free(client);
}

/* usage: misuse IDENTITY AGENT PORT HOST PORT */
int main(int argc, char **argv)
{
	struct gds_identity *identity = NULL;
	struct gds_trust *trust = NULL;
	struct gds_complaint complaint;

	if (argc != 6 || gds_identity_from_path(&identity, argv[1], &complaint) != GDS_OK ||
		gds_trust_new(&trust, identity, GDS_CLIENT, &complaint) != GDS_OK) {
		return 2;
	}
	struct gds_client_options options = {.agent = argv[2],
		.agent_port = (uint16_t)atoi(argv[3]),
		.host = argv[4],
		.port = (uint16_t)atoi(argv[5]),
		.trust = trust};

	headers();
	nothing();
	for (int transport = GDS_TCP; transport <= GDS_UDP; transport++) {
		options.transport = (enum gds_transport)transport;
		wrong_state(&options);
	}
	gds_trust_unref(trust);
	gds_identity_free(identity);
	return failures ? 1 : 0;
}
