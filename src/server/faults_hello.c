/* SPDX-License-Identifier: MIT */
/* Faults in answering a ClientHello over UDP, before there is a session. */
#include "server/faults_pass.h"

#include <string.h>

/* A record of epoch 0 with a fatal alert, as pion sends it (docs/godoxy-facts.md section 5). */
static size_t alert(uint8_t *out, uint8_t number)
{
	static const uint8_t record[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0};
	memcpy(out, record, sizeof(record));
	out[sizeof(record) - 1] = number;
	return sizeof(record);
}

enum gds_hello gds_fault_hello(
	void *ctx, const struct gds_datagram *in, bool lives, uint8_t *reply, size_t *n)
{
	static const char garbage[] = "this is no DTLS\n";
	struct gds_worker *w = ctx;
	const struct gds_faults *f = &w->server->faults;
	(void)in;
	switch ((enum gds_fault_hello)f->hello) {
	case GDS_FAULT_HELLO_SILENT:
		*n = 0;
		return GDS_HELLO_REPLY;
	case GDS_FAULT_HELLO_GARBAGE:
		*n = sizeof(garbage) - 1;
		memcpy(reply, garbage, *n);
		return GDS_HELLO_REPLY;
	case GDS_FAULT_HELLO_ALERT:
		*n = alert(reply, (uint8_t)f->alert);
		return GDS_HELLO_REPLY;
	case GDS_FAULT_HELLO_ACCEPT:
		return GDS_HELLO_ACCEPT;
	case GDS_FAULT_HELLO_LOCKED:
		*n = 0;
		return lives ? GDS_HELLO_REPLY : GDS_HELLO_COOKIE;
	}
	return GDS_HELLO_COOKIE;
}
