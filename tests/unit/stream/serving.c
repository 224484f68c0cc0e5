/* SPDX-License-Identifier: MIT */
#include "serving.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct gds_scratch scratch;

static void ended(void *ctx, const struct gds_serve_report *report)
{
	struct serving *f = ctx;
	f->ended++;
	f->report = *report;
}

static const struct gds_serve_ops ops = {.ended = ended};

void serving_begin(struct serving *f, enum gds_transport transport, const char *alpn)
{
	memset(f, 0, sizeof(*f));
	f->transport = transport;
	f->near = memory_new(transport == GDS_UDP);
	f->far = memory_new(transport == GDS_UDP);
	memory_join(f->near, f->far);
	struct gds_serve_options o = {
		.trust = lab_trust(GDS_SERVER),
		.transport = transport,
		.http = true,
		.scratch = &scratch,
		.ops = &ops,
		.ctx = f,
		.env = test_env(),
	};
	f->serve = gds_serve_new(&f->near->carrier, &o);
	assert_non_null(f->serve);
	f->session = lab_client(f->far, transport, alpn);
	f->client = gds_session_carrier(f->session);
}

void serving_step(struct serving *f)
{
	struct gds_need need = {.kind = GDS_WAIT};
	f->serve->ops->step(f->serve, test_clock, &need);
	if (need.kind != GDS_WAIT) {
		f->need = need;
	}
}

void serving_shake_hands(struct serving *f)
{
	int rc = GDS_AGAIN;
	for (int i = 0; i < 20; i++) {
		rc = gds_session_handshake(f->session);
		serving_step(f);
	}
	assert_int_equal(rc, GDS_OK);
}

void serving_open_session(struct serving *f, enum gds_transport transport, const char *alpn)
{
	serving_begin(f, transport, alpn);
	serving_shake_hands(f);
}

void serving_send_bytes(struct serving *f, const void *data, size_t n)
{
	assert_int_equal(gds_carrier_write(f->client, data, n), n);
	assert_int_equal(gds_carrier_flush(f->client), GDS_OK);
}

void serving_send_header(struct serving *f, const char *host, const char *port, uint8_t flags)
{
	uint8_t wire[GDS_HEADER_SIZE];
	lab_header(wire, host, port, flags);
	serving_send_bytes(f, wire, sizeof(wire));
}

ssize_t serving_client_read(struct serving *f, void *data, size_t n)
{
	return gds_carrier_read(f->client, data, n);
}

void serving_assert_closed(struct serving *f)
{
	uint8_t byte;
	assert_int_equal(serving_client_read(f, &byte, 1), GDS_EOF);
	if (f->transport == GDS_TCP) {
		assert_int_equal(f->far->in_end_status, GDS_EOF);
		gds_carrier_shut(&f->far->carrier);
		serving_step(f);
	}
	assert_int_equal(f->need.kind, GDS_DONE);
	assert_int_equal(f->near->closes, 1);
	assert_int_not_equal(f->near->how, GDS_CLOSE_RESET);
}

void serving_answer_list(struct serving *f, const char *const *ips, size_t n)
{
	struct gds_address list[8];
	assert_int_equal(f->need.kind, GDS_RESOLVE);
	for (size_t i = 0; i < n; i++) {
		gds_address_parse(&list[i], ips[i], f->need.port);
	}
	struct gds_answer answer = {.id = f->need.id, .list = list, .n = n};
	f->serve->ops->answer(f->serve, &answer);
	serving_step(f);
}

void serving_answer_connect(struct serving *f, unsigned id, struct memory *destination, int code)
{
	struct gds_answer answer = {
		.id = id, .why.code = code, .carrier = destination ? &destination->carrier : NULL};
	f->serve->ops->answer(f->serve, &answer);
	serving_step(f);
}

void serving_finish(struct serving *f)
{
	gds_carrier_close(f->client, GDS_CLOSE_SILENT);
	f->serve->ops->free(f->serve);
	memory_free(f->near);
	memory_free(f->far);
	assert_int_equal(test_allocated, 0);
}
