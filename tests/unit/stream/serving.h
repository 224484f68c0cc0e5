/* SPDX-License-Identifier: MIT */
/** The serving machine facing a client in memory, driven by hand. */
#ifndef GDS_TESTS_STREAM_SERVING_H
#define GDS_TESTS_STREAM_SERVING_H

#include "lab.h"

#include <gdstream/serve.h>

struct serving {
	enum gds_transport transport;
	struct memory *near, *far; /* the server's end of the wire, the client's */
	struct gds_session *session;
	struct gds_carrier *client;
	struct gds_machine *serve;
	struct gds_need need; /* the last one that was not WAIT */
	unsigned ended;
	struct gds_serve_report report;
};

void serving_begin(struct serving *f, enum gds_transport transport, const char *alpn);
/* Step until it waits, or asks for something. */
void serving_step(struct serving *f);
void serving_shake_hands(struct serving *f);
void serving_open_session(struct serving *f, enum gds_transport transport, const char *alpn);
void serving_send_bytes(struct serving *f, const void *data, size_t n);
void serving_send_header(struct serving *f, const char *host, const char *port, uint8_t flags);
ssize_t serving_client_read(struct serving *f, void *data, size_t n);
/* HDR-05, HC-04: close_notify and no byte before it; then FIN, and no reset. */
void serving_assert_closed(struct serving *f);
void serving_answer_list(struct serving *f, const char *const *ips, size_t n);
void serving_answer_connect(struct serving *f, unsigned id, struct memory *destination, int code);
void serving_finish(struct serving *f);

#endif
