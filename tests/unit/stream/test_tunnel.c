/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <gdstream/tunnel.h>

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gds_scratch scratch;

struct fixture {
	struct memory *a, *b;
	struct gds_machine *tunnel;
	enum gds_need_kind need;
};

static void begin(struct fixture *f, bool datagram, struct gds_tunnel_options o)
{
	f->a = memory_new(datagram);
	f->b = memory_new(datagram);
	o.scratch = &scratch;
	o.env = test_env();
	f->tunnel = gds_tunnel_new(&f->a->carrier, &f->b->carrier, &o);
	assert_non_null(f->tunnel);
}

static void step(struct fixture *f)
{
	struct gds_need need;
	f->tunnel->ops->step(f->tunnel, test_clock, &need);
	f->need = need.kind;
}

static void finish(struct fixture *f)
{
	f->tunnel->ops->free(f->tunnel);
	memory_free(f->a);
	memory_free(f->b);
	assert_int_equal(test_allocated, 0);
}

static const struct gds_tunnel_report *report(const struct fixture *f)
{
	return gds_tunnel_report(f->tunnel);
}

static const struct gds_tunnel_options plain;

/* TCP-06: bytes pass unchanged both ways at once. */
static void test_bytes_both_ways(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, false, plain);
	memory_give(f.a, "question", 8);
	memory_give(f.b, "answer", 6);
	step(&f);
	assert_int_equal(f.need, GDS_WAIT);
	assert_int_equal(f.b->out_length, 8);
	assert_memory_equal(f.b->out, "question", 8);
	assert_int_equal(f.a->out_length, 6);
	assert_memory_equal(f.a->out, "answer", 6);
	assert_int_equal(report(&f)->bytes[0], 8);
	assert_int_equal(report(&f)->bytes[1], 6);
	finish(&f);
}

/* TCP-07, TCP-08: each end reaches the other side alone, and only both together end the tunnel. */
static void test_half_close(void **state)
{
	for (int first = 0; first < 2; first++) {
		struct fixture f;
		(void)state;
		begin(&f, false, plain);
		struct memory *early = first ? f.b : f.a, *late = first ? f.a : f.b;
		memory_give(early, "last words", 10);
		early->in_end_status = GDS_EOF;
		step(&f);
		assert_int_equal(late->out_length, 10);
		assert_int_equal(late->shuts, 1);
		assert_int_equal(early->shuts, 0);
		assert_int_equal(late->closes, 0);
		/* The other direction is still open. */
		memory_give(late, "reply", 5);
		step(&f);
		assert_int_equal(early->out_length, 5);
		assert_int_equal(f.need, GDS_WAIT);
		late->in_end_status = GDS_EOF;
		step(&f);
		assert_int_equal(f.need, GDS_DONE);
		assert_int_equal(f.a->closes + f.b->closes, 2);
		assert_int_equal(report(&f)->why.code, GDS_OK);
		finish(&f);
	}
}

/* TCP-12: a slow reader holds at most 64 KiB, is not read for, and loses nothing. */
static void test_backpressure(void **state)
{
	struct fixture f;
	struct gds_interest interest[GDS_MACHINE_INTERESTS];
	static uint8_t data[200000];
	(void)state;
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (uint8_t)(i * 7 + i / 251);
	}
	begin(&f, false, plain);
	memory_give(f.a, data, sizeof(data));
	f.b->out_room = 1000;
	step(&f);
	size_t held = f.a->in_start - f.b->out_length;
	assert_int_equal(f.b->out_length, 1000);
	assert_in_range(held, 1, 65536);
	for (int i = 0; i < 5; i++) {
		step(&f);
	}
	assert_int_equal(f.a->in_start - f.b->out_length, held);
	assert_int_equal(f.tunnel->ops->interest(f.tunnel, interest), 2);
	assert_int_equal(interest[0].events & POLLIN, 0);
	assert_int_equal(interest[1].events, POLLIN | POLLOUT);
	f.a->in_end_status = GDS_EOF;
	while (f.b->out_length < sizeof(data)) {
		f.b->out_room = 777;
		step(&f);
		assert_in_range(f.a->in_start - f.b->out_length, 0, 65536);
	}
	f.b->out_room = 1;
	step(&f);
	assert_memory_equal(f.b->out, data, sizeof(data));
	assert_int_equal(f.b->shuts, 1);
	finish(&f);
}

/* An idle tunnel owns no buffer: the machine is its only block. */
static void test_idle_owns_nothing(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, false, plain);
	memory_give(f.a, "x", 1);
	f.b->out_room = 0;
	step(&f);
	assert_int_equal(test_allocated, 2);
	f.b->out_room = 10;
	step(&f);
	assert_int_equal(test_allocated, 1);
	finish(&f);
}

/* TCP-09: who is reset, and how the other side learns of it. */
static void test_reset(void **state)
{
	static const struct {
		int from; /* 0: the client */
		int status;
		enum gds_close other;
	} table[] = {
		{0, GDS_E_RESET, GDS_CLOSE_RESET},
		{0, GDS_E_TRUNCATED, GDS_CLOSE_RESET},
		{0, GDS_E_ALERT, GDS_CLOSE_RESET},
		{1, GDS_E_RESET, GDS_CLOSE_SILENT},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct fixture f;
		begin(&f, false, plain);
		struct memory *dead = table[i].from ? f.b : f.a, *other = table[i].from ? f.a : f.b;
		memory_give(dead, "all of this", 11);
		dead->in_end_status = table[i].status;
		step(&f);
		assert_int_equal(other->out_length, 11);
		assert_int_equal(dead->closes, 1);
		if (table[i].from) {
			/* The client is told in order: close_notify and FIN, then it may close. */
			assert_true(other->shuts > 0);
			other->in_end_status = GDS_EOF;
			step(&f);
		}
		assert_int_equal(f.need, GDS_DONE);
		assert_int_equal(other->closes, 1);
		assert_int_equal(other->how, table[i].other);
		assert_int_equal(report(&f)->why.code, table[i].status);
		finish(&f);
	}
}

/* TCP-09 on a side that ended in order before: only looking at it tells. */
static void test_reset_after_half_close(void **state)
{
	struct fixture f;
	struct gds_interest interest[GDS_MACHINE_INTERESTS];
	(void)state;
	begin(&f, false, plain);
	f.a->in_end_status = GDS_EOF;
	step(&f);
	assert_int_equal(f.need, GDS_WAIT);
	f.tunnel->ops->interest(f.tunnel, interest);
	assert_int_equal(interest[0].events & POLLIN, 0);
	assert_in_range(interest[0].deadline - test_clock, 1, GDS_SECOND);
	f.a->in_end_status = GDS_E_RESET;
	test_clock = interest[0].deadline;
	step(&f);
	assert_int_equal(f.need, GDS_DONE);
	assert_int_equal(f.b->how, GDS_CLOSE_RESET);
	finish(&f);
}

/* TCP-09 on a side that is not read because the other is too slow. */
static void test_reset_while_blocked(void **state)
{
	struct fixture f;
	struct gds_interest interest[GDS_MACHINE_INTERESTS];
	(void)state;
	begin(&f, false, plain);
	memory_give(f.a, "waits", 5);
	f.b->out_room = 0;
	step(&f);
	assert_int_equal(f.need, GDS_WAIT);
	f.tunnel->ops->interest(f.tunnel, interest);
	assert_in_range(interest[0].deadline - test_clock, 1, GDS_SECOND);
	f.a->out_status = GDS_E_RESET;
	test_clock = interest[0].deadline;
	step(&f);
	assert_int_equal(f.need, GDS_DONE);
	assert_int_equal(f.b->how, GDS_CLOSE_RESET);
	finish(&f);
}

/* A destination that answered and closed while the client still sends: the answer arrives whole. */
static void test_write_fails_answer_arrives(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, false, plain);
	memory_give(f.a, "more", 4);
	memory_give(f.b, "early answer", 12);
	f.b->out_status = GDS_E_RESET;
	f.b->in_end_status = GDS_EOF;
	step(&f);
	assert_int_equal(f.a->out_length, 12);
	assert_true(f.a->shuts > 0);
	test_clock += 2 * GDS_SECOND;
	step(&f);
	assert_int_equal(f.need, GDS_DONE);
	assert_int_equal(report(&f)->why.code, GDS_E_RESET);
	finish(&f);
}

/* What came before the destination stood goes first, and its end with it (TCP-02, TCP-07). */
static void test_early(void **state)
{
	struct fixture f;
	struct gds_tunnel_options o = {
		.early = (const uint8_t *)"early", .early_length = 5, .early_end = true};
	(void)state;
	begin(&f, false, o);
	step(&f);
	assert_int_equal(f.b->out_length, 5);
	assert_int_equal(f.b->shuts, 1);
	assert_int_equal(report(&f)->bytes[0], 5);
	finish(&f);
}

/* UDP-06: one datagram in, one out, in order, early ones first. */
static void test_datagrams(void **state)
{
	struct fixture f;
	static const uint8_t early[] = {0, 2, 'e', '1', 0, 3, 'e', '-', '2'};
	struct gds_tunnel_options o = {.early = early, .early_length = sizeof(early)};
	(void)state;
	begin(&f, true, o);
	memory_give_datagram(f.a, "one", 3);
	memory_give_datagram(f.a, "three", 5);
	memory_give_datagram(f.b, "back", 4);
	step(&f);
	assert_int_equal(f.b->out_length, 13);
	assert_memory_equal(f.b->out, "e1e-2onethree", 13);
	assert_int_equal(report(&f)->datagrams[0], 4);
	assert_int_equal(report(&f)->datagrams[1], 1);
	assert_memory_equal(f.a->out, "back", 4);
	finish(&f);
}

/* UDP-10, UDP-11: what cannot pass is dropped alone; the session and both directions live on. */
static void test_datagram_events(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, true, plain);
	f.a->limit = 100;
	static uint8_t big[101];
	memory_give_datagram(f.b, big, sizeof(big));
	memory_give_datagram(f.b, "small", 5);
	step(&f);
	assert_int_equal(report(&f)->dropped[1], 1);
	assert_int_equal(f.a->out_length, 5);
	f.b->in_end_status = GDS_E_REFUSED;
	memory_give_datagram(f.a, "to nobody", 9);
	f.b->out_status = GDS_E_REFUSED;
	step(&f);
	assert_int_equal(f.need, GDS_WAIT);
	assert_true(report(&f)->refused > 0);
	assert_int_equal(report(&f)->dropped[0], 1);
	f.b->in_end_status = GDS_AGAIN;
	f.b->out_status = GDS_OK;
	memory_give_datagram(f.a, "again", 5);
	memory_give_datagram(f.b, "hello", 5);
	step(&f);
	assert_int_equal(f.b->out_length, 5);
	assert_int_equal(f.a->out_length, 10);
	finish(&f);
}

/*
 * UDP-11: the socket tells of an earlier refusal in place of sending; the datagram at hand is not
 * lost with it.
 */
static void test_refusal_of_another(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, true, plain);
	f.b->out_status = GDS_E_REFUSED;
	f.b->out_failures = 1;
	memory_give_datagram(f.a, "this one", 8);
	step(&f);
	assert_int_equal(f.b->out_length, 8);
	assert_int_equal(report(&f)->refused, 1);
	assert_int_equal(report(&f)->dropped[0], 0);
	finish(&f);
}

/* UDP-15: close_notify is answered and the destination's socket is gone in the same step. */
static void test_datagram_close(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, true, plain);
	f.a->in_end_status = GDS_EOF;
	step(&f);
	assert_int_equal(f.need, GDS_DONE);
	assert_int_equal(f.a->shuts, 1);
	assert_int_equal(f.b->closes, 1);
	assert_int_equal(report(&f)->why.code, GDS_OK);
	finish(&f);
}

/* UDP-12: reaped after the limit, counted from the client's last datagram; the destination's do not
 * count. */
static void test_idle_limit(void **state)
{
	struct fixture f;
	struct gds_interest interest[GDS_MACHINE_INTERESTS];
	struct gds_tunnel_options o = {.idle = 10 * GDS_SECOND};
	(void)state;
	begin(&f, true, o);
	test_clock += 9 * GDS_SECOND;
	memory_give_datagram(f.a, "x", 1);
	step(&f);
	f.tunnel->ops->interest(f.tunnel, interest);
	assert_int_equal(interest[0].deadline, test_clock + 10 * GDS_SECOND);
	test_clock += 10 * GDS_SECOND - 1;
	memory_give_datagram(f.b, "x", 1);
	step(&f);
	assert_int_equal(f.need, GDS_WAIT);
	test_clock += 1;
	step(&f);
	assert_int_equal(f.need, GDS_DONE);
	assert_true(report(&f)->idle);
	assert_int_equal(f.a->shuts, 1);
	finish(&f);
}

/*
 * TCP-11: a stop delivers what waits, says goodbye, and ends by the deadline even when nobody
 * listens.
 */
static void test_cancel(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, false, plain);
	memory_give(f.b, "0123456789", 10);
	f.a->out_room = 4;
	step(&f);
	f.tunnel->ops->cancel(f.tunnel, GDS_CLOSE_CLEAN);
	step(&f);
	assert_int_equal(f.need, GDS_WAIT);
	assert_int_equal(f.b->closes, 1);
	assert_int_equal(f.a->shuts, 0);
	f.a->out_room = 100;
	step(&f);
	assert_memory_equal(f.a->out, "0123456789", 10);
	assert_true(f.a->shuts > 0);
	test_clock += GDS_SECOND;
	step(&f);
	assert_int_equal(f.need, GDS_DONE);
	assert_int_equal(report(&f)->why.code, GDS_E_CANCELLED);
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_both_ways),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_backpressure),
		cmocka_unit_test(test_idle_owns_nothing),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_reset_after_half_close),
		cmocka_unit_test(test_reset_while_blocked),
		cmocka_unit_test(test_write_fails_answer_arrives),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_datagram_events),
		cmocka_unit_test(test_refusal_of_another),
		cmocka_unit_test(test_datagram_close),
		cmocka_unit_test(test_idle_limit),
		cmocka_unit_test(test_cancel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
