/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support.h"

#include <gdstream/wait.h>

#include <sys/socket.h>

/* A machine that asks one question, then reads a descriptor until told to end. */
struct toy {
	struct gds_machine machine; /* first */
	struct gds_need question;   /* kind GDS_WAIT: none */
	bool asked, answered;
	struct gds_error why;
	struct gds_address list[8];
	size_t n;
	struct gds_carrier *carrier;
	int fd;	       /* to read from; -1 */
	int end_after; /* bytes read until it is done; < 0: never */
	gds_time done_at;
	int ready_left; /* so many steps it says "ready" */
	int steps, received, cancels, ended, freed;
	int *order, *orders;   /* where to note when it ended */
	struct gds_wait *adds; /* adds another toy when it ends */
	struct toy *added;
	bool swaps; /* closes its descriptor before it asks, and reads from what it is given */
};

static void toy_step(struct gds_machine *m, gds_time now, struct gds_need *need)
{
	struct toy *t = (struct toy *)m;
	char byte;

	t->steps++;
	t->ready_left -= t->ready_left > 0;
	*need = (struct gds_need){.kind = GDS_WAIT};
	if (t->question.kind != GDS_WAIT && !t->asked) {
		t->asked = true;
		*need = t->question;
		if (t->swaps) {
			close(t->fd);
		}
		return;
	}
	while (t->fd >= 0 && recv(t->fd, &byte, 1, MSG_DONTWAIT) == 1) {
		t->received++;
	}
	if (t->cancels || t->answered || now >= t->done_at ||
		(t->end_after >= 0 && t->received >= t->end_after)) {
		need->kind = GDS_DONE;
	}
}

static size_t toy_interest(struct gds_machine *m, struct gds_interest *out)
{
	struct toy *t = (struct toy *)m;

	out[0] = (struct gds_interest){
		.fd = t->fd, .events = POLLIN, .ready = t->ready_left > 0, .deadline = t->done_at};
	return 1;
}

static void toy_answer(struct gds_machine *m, const struct gds_answer *a)
{
	struct toy *t = (struct toy *)m;

	assert_int_equal(a->id, t->question.id);
	t->answered = !t->swaps;
	t->why = a->why;
	t->n = a->n < 8 ? a->n : 8;
	for (size_t i = 0; i < t->n; i++) {
		t->list[i] = a->list[i];
	}
	t->carrier = a->carrier;
	if (t->swaps) {
		t->fd = gds_carrier_fd(a->carrier);
	}
}

static void toy_cancel(struct gds_machine *m, enum gds_close how)
{
	(void)how;
	((struct toy *)m)->cancels++;
}

static void toy_free(struct gds_machine *m)
{
	struct toy *t = (struct toy *)m;

	assert_int_equal(t->ended, 1);
	t->freed++;
	gds_carrier_close(t->carrier, GDS_CLOSE_SILENT);
}

static const struct gds_machine_ops toy_ops = {
	.step = toy_step,
	.interest = toy_interest,
	.answer = toy_answer,
	.cancel = toy_cancel,
	.free = toy_free,
};

static struct toy toy(void)
{
	return (struct toy){.machine.ops = &toy_ops,
		.question.kind = GDS_WAIT,
		.fd = -1,
		.end_after = -1,
		.done_at = GDS_NEVER};
}

static void on_ended(void *ctx, struct gds_machine *m)
{
	struct toy *t = ctx;

	assert_ptr_equal(m, &t->machine);
	t->ended++;
	if (t->order) {
		*t->order = ++*t->orders;
	}
	if (t->adds) {
		assert_non_null(gds_wait_add(t->adds, &t->added->machine, on_ended, t->added));
	}
}

static struct gds_wait *wait_with(struct toy *t)
{
	struct gds_wait *w = NULL;

	assert_int_equal(gds_wait_new(&w, NULL), GDS_OK);
	assert_non_null(gds_wait_add(w, &t->machine, on_ended, t));
	return w;
}

static void test_null(void **state)
{
	struct gds_wait *w;
	struct toy t = toy();

	(void)state;
	assert_int_equal(gds_wait_new(NULL, NULL), GDS_E_INVALID);
	assert_int_equal(gds_wait_run(NULL, GDS_AT_ONCE), GDS_E_INVALID);
	assert_null(gds_wait_add(NULL, &t.machine, NULL, NULL));
	assert_int_equal(gds_wait_count(NULL), 0);
	gds_wait_step(NULL, 0);
	gds_wait_free(NULL);
	assert_int_equal(gds_wait_new(&w, NULL), GDS_OK);
	assert_null(gds_wait_add(w, NULL, NULL, NULL));
	assert_int_equal(gds_wait_run(w, GDS_NEVER), GDS_OK); /* nothing to wait for */
	gds_wait_free(w);
	assert_true(gds_within(GDS_NEVER) == GDS_NEVER);
}

static void test_questions(void **state)
{
	struct gds_address refusing, listening;
	int bare = bare_socket(4, SOCK_STREAM, &refusing);
	int bound = bound_socket(4, SOCK_STREAM, &listening);
	const struct {
		struct gds_need need;
		int code;
		bool carrier;
	} rows[] = {
		{{.kind = GDS_RESOLVE, .host = "127.0.0.1", .port = 5}, GDS_OK, false},
		{{.kind = GDS_RESOLVE, .host = "::1", .port = 5}, GDS_OK, false},
		{{.kind = GDS_RESOLVE, .host = "localhost", .port = 5}, GDS_OK, false},
		{{.kind = GDS_RESOLVE, .host = "127.1", .port = 5}, GDS_E_RESOLVE,
			false}, /* HDR-14 */
		{{.kind = GDS_CONNECT, .address = refusing}, GDS_E_REFUSED, false},
		{{.kind = GDS_CONNECT, .address = listening}, GDS_OK, true},
		{{.kind = GDS_CONNECT, .transport = GDS_UDP, .address = refusing}, GDS_OK, true},
		{{.kind = GDS_HANDOFF}, GDS_E_INVALID, false},
	};

	(void)state;
	assert_true(bare >= 0 && bound >= 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct toy t = toy();
		struct gds_wait *w = wait_with(&t);

		t.question = rows[i].need;
		t.question.id = 7;
		t.question.deadline = gds_within(5 * GDS_SECOND);
		assert_int_equal(gds_wait_run(w, GDS_NEVER), GDS_OK);
		assert_true(t.answered);
		assert_int_equal(t.why.code, rows[i].code);
		assert_int_equal(t.carrier != NULL, rows[i].carrier);
		if (rows[i].need.kind == GDS_RESOLVE && rows[i].code == GDS_OK) {
			assert_true(t.n >= 1);
			assert_int_equal(t.list[0].port, 5);
			assert_true(gds_address_is_loopback(&t.list[0]));
		}
		assert_int_equal(t.ended, 1);
		assert_int_equal(t.freed, 1);
		gds_wait_free(w);
	}
	close(bare);
	close(bound);
}

/* A question that nobody answers in time is answered by the wait. */
static void test_connect_times_out(void **state)
{
	struct gds_address at;
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[4];
	struct sockaddr_storage s;
	struct toy t = toy();
	struct gds_wait *w = wait_with(&t);

	(void)state;
	at = loopback(4, 0);
	socklen_t size = gds_address_to_sockaddr(&at, &s);

	assert_int_equal(bind(listening, (struct sockaddr *)&s, size), 0);
	listen(listening, 0);
	at = own_address(listening);
	/* Linux drops the SYN of whom the full queue has no room for. */
	for (int i = 0; i < 4; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect_to(fill[i], &at);
	}
	t.question = (struct gds_need){.kind = GDS_CONNECT,
		.id = 1,
		.address = at,
		.deadline = gds_within(50 * GDS_MILLISECOND)};
	assert_int_equal(gds_wait_run(w, gds_within(5 * GDS_SECOND)), GDS_OK);
	assert_int_equal(t.why.code, GDS_E_TIMEOUT);
	gds_wait_free(w);
	for (int i = 0; i < 4; i++) {
		close(fill[i]);
	}
	close(listening);
}

static void test_deadline(void **state)
{
	struct toy t = toy();
	struct gds_wait *w = wait_with(&t);
	gds_time start = gds_now(gds_env_system());

	(void)state;
	assert_int_equal(gds_wait_run(w, GDS_AT_ONCE), GDS_E_TIMEOUT);
	assert_int_equal(gds_wait_run(w, gds_within(30 * GDS_MILLISECOND)), GDS_E_TIMEOUT);
	assert_true(gds_now(gds_env_system()) - start >= 30 * GDS_MILLISECOND);
	assert_true(t.steps <= 2); /* nothing happened: nothing was stepped */
	assert_int_equal(gds_wait_count(w), 1);
	gds_wait_free(w);
	assert_int_equal(t.ended, 1); /* freed with the wait */
	assert_int_equal(t.freed, 1);
}

static void test_ready_and_done_at(void **state)
{
	struct toy t = toy();
	struct gds_wait *w;
	struct gds_interest want;

	(void)state;
	t.ready_left = 5;
	t.done_at = gds_within(20 * GDS_MILLISECOND);
	w = wait_with(&t);
	gds_wait_step(w, gds_now(gds_env_system()));
	gds_wait_interest(w, &want);
	assert_true(want.ready);
	assert_true(want.fd >= 0);
	assert_int_equal(want.events, POLLIN);
	assert_true(want.deadline == t.done_at);
	assert_int_equal(gds_wait_run(w, gds_within(5 * GDS_SECOND)), GDS_OK);
	assert_true(t.steps >= 6 && t.steps < 20);
	gds_wait_free(w);
}

/* Several at once; the one descriptor of the wait tells a foreign loop. */
static void test_many(void **state)
{
	enum { MANY = 40 };
	struct toy toys[MANY];
	int pairs[MANY][2], order[MANY] = {0}, orders = 0;
	struct gds_wait *w = NULL;
	struct gds_interest want;

	(void)state;
	assert_int_equal(gds_wait_new(&w, NULL), GDS_OK);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]), 0);
		toys[i] = toy();
		toys[i].fd = pairs[i][0];
		toys[i].end_after = 2;
		toys[i].order = &order[i];
		toys[i].orders = &orders;
		assert_non_null(gds_wait_add(w, &toys[i].machine, on_ended, &toys[i]));
	}
	gds_wait_step(w, gds_now(gds_env_system()));
	gds_wait_interest(w, &want);
	assert_false(want.ready);
	assert_int_equal(want.deadline, GDS_NEVER);
	struct pollfd p = {.fd = want.fd, .events = want.events};

	assert_int_equal(poll(&p, 1, 0), 0);
	for (int i = MANY - 1; i >= 0; i--) {
		assert_int_equal(write(pairs[i][1], "ab", 2), 2);
		assert_int_equal(poll(&p, 1, LIMIT_MS), 1);
		gds_wait_step(w, gds_now(gds_env_system()));
		assert_int_equal(order[i], MANY - i);
		assert_int_equal(toys[i].steps, 2); /* once at first, once for its own bytes */
	}
	assert_int_equal(gds_wait_count(w), 0);
	gds_wait_free(w);
	for (int i = 0; i < MANY; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
}

static void test_cancel_and_add(void **state)
{
	struct toy first = toy(), second = toy();
	struct gds_wait *w = NULL;
	struct gds_task *task;

	(void)state;
	second.done_at = 0;
	assert_int_equal(gds_wait_new(&w, NULL), GDS_OK);
	first.adds = w;
	first.added = &second;
	task = gds_wait_add(w, &first.machine, on_ended, &first);
	assert_non_null(task);
	assert_int_equal(first.steps, 0); /* not before a step of the wait */
	gds_task_wake(task);
	assert_int_equal(first.steps, 1);
	gds_task_cancel(task, GDS_CLOSE_CLEAN);
	assert_int_equal(first.freed, 1);
	assert_int_equal(gds_wait_count(w), 1);
	assert_int_equal(gds_wait_run(w, GDS_NEVER), GDS_OK);
	assert_int_equal(second.freed, 1);
	gds_wait_free(w);
}

/* The number of a closed descriptor comes back at once, and the kernel has forgotten the old one.
 */
static void test_same_number(void **state)
{
	struct gds_address peer, own;
	int fd = bound_socket(4, SOCK_DGRAM, &peer);
	int first = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage to;
	struct toy t = toy();
	struct gds_wait *w = NULL;
	struct gds_task *task;

	(void)state;
	t.fd = first;
	t.end_after = 1;
	assert_int_equal(gds_wait_new(&w, NULL), GDS_OK);
	task = gds_wait_add(w, &t.machine, on_ended, &t);
	gds_wait_step(w, gds_now(gds_env_system()));
	t.swaps = true;
	t.question = (struct gds_need){
		.kind = GDS_CONNECT, .id = 1, .transport = GDS_UDP, .address = peer};
	gds_task_wake(task);
	assert_int_equal(t.fd, first);
	own = own_address(t.fd);
	socklen_t n = gds_address_to_sockaddr(&own, &to);

	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, n), 1);
	assert_int_equal(gds_wait_run(w, gds_within(5 * GDS_SECOND)), GDS_OK);
	assert_int_equal(t.received, 1);
	gds_wait_free(w);
	close(fd);
}

static void test_descriptors(void **state)
{
	size_t before = count_descriptors();

	(void)state;
	for (int i = 0; i < 50; i++) {
		struct toy t = toy();
		struct gds_wait *w;
		int rc;

		if (i % 2) {
			t.question = (struct gds_need){.kind = GDS_RESOLVE,
				.id = 1,
				.host = "localhost",
				.port = 1,
				.deadline = gds_within(5 * GDS_SECOND)};
		}
		w = wait_with(&t);
		rc = gds_wait_run(w, i % 2 ? GDS_NEVER : GDS_AT_ONCE);
		assert_int_equal(rc, i % 2 ? GDS_OK : GDS_E_TIMEOUT);
		gds_wait_free(w);
		assert_int_equal(t.freed, 1);
	}
	assert_int_equal(count_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_connect_times_out),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_ready_and_done_at),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_cancel_and_add),
		cmocka_unit_test(test_same_number),
		cmocka_unit_test(test_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
