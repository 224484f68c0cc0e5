/* SPDX-License-Identifier: MIT */
#include "tls/cookie.h"

#include "core/record.h"

#include <gnutls/dtls.h>
#include <string.h>

/** Family, address, port: what names a client, and nothing of the padding around it. */
#define PEER_SIZE 19

struct reply {
	uint8_t *bytes;
	size_t n;
};

static size_t peer_bytes(const struct gds_address *peer, uint8_t out[static PEER_SIZE])
{
	size_t ip = peer->family == 4 ? 4 : 16;
	out[0] = peer->family;
	out[1] = (uint8_t)(peer->port >> 8);
	out[2] = (uint8_t)peer->port;
	memcpy(out + 3, peer->ip, ip);
	return 3 + ip;
}

static gnutls_datum_t key_datum(const uint8_t key[static GDS_COOKIE_KEY_SIZE])
{
	return (gnutls_datum_t){
		.data = (unsigned char *)(uintptr_t)key, .size = GDS_COOKIE_KEY_SIZE};
}

static ssize_t keep_reply(gnutls_transport_ptr_t ptr, const void *data, size_t n)
{
	struct reply *reply = ptr;
	if (n > GDS_COOKIE_REPLY_MAX) {
		return -1;
	}
	memcpy(reply->bytes, data, n);
	reply->n = n;
	return (ssize_t)n;
}

enum gds_cookie_result gds_cookie_judge(const uint8_t *hello, size_t hello_length,
	const struct gds_address *peer, const uint8_t key[2][GDS_COOKIE_KEY_SIZE],
	struct gds_prestate *prestate, uint8_t reply[static GDS_COOKIE_REPLY_MAX], size_t *n)
{
	/* cookie_verify looks at fixed offsets only, and answers what is no ClientHello too. */
	if (!gds_record_is_client_hello(hello, hello_length)) {
		return GDS_COOKIE_IGNORE;
	}
	uint8_t who[PEER_SIZE];
	size_t who_length = peer_bytes(peer, who);
	gnutls_dtls_prestate_st state = {0};
	for (int i = 0; i < 2; i++) {
		gnutls_datum_t secret = key_datum(key[i]);
		int ret = gnutls_dtls_cookie_verify(
			&secret, who, who_length, (void *)(uintptr_t)hello, hello_length, &state);
		if (ret == 0) {
			*prestate = (struct gds_prestate){.record_seq = state.record_seq,
				.read_seq = state.hsk_read_seq,
				.write_seq = state.hsk_write_seq};
			return GDS_COOKIE_GOOD;
		}
	}
	/* RFC 6347 section 4.2.1: the answer has the sequence number of the question. */
	memset(&state, 0, sizeof(state));
	state.record_seq = hello[10];
	struct reply out = {.bytes = reply};
	gnutls_datum_t secret = key_datum(key[0]);
	int sent = gnutls_dtls_cookie_send(&secret, who, who_length, &state, &out, keep_reply);
	if (sent <= 0 || out.n >= hello_length) {
		return GDS_COOKIE_IGNORE; /* UDP-19 */
	}
	*n = out.n;
	return GDS_COOKIE_ASK;
}
