/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "io/resolver.h"

#include "support.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/*
 * The look-up itself is replaced: a name "hang..." blocks until released, "none..." is unknown,
 * "many..." has 20 addresses, "twice..." the same one twice, any other one address whose last byte
 * is the name's length.
 */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int inside; /* look-ups that hang */
static atomic_int look_ups;

static struct addrinfo *one(uint8_t last, struct addrinfo *next)
{
	struct addrinfo *a = calloc(1, sizeof(*a));
	struct sockaddr_in *in = calloc(1, sizeof(*in));

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(0x0a000000u + last);
	a->ai_family = AF_INET;
	a->ai_addr = (struct sockaddr *)in;
	a->ai_addrlen = sizeof(*in);
	a->ai_next = next;
	return a;
}

int getaddrinfo(
	const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	(void)service;
	(void)hints;
	atomic_fetch_add(&look_ups, 1);
	if (strncmp(host, "hang", 4) == 0) {
		pthread_mutex_lock(&gate_lock);
		inside++;
		pthread_cond_broadcast(&gate);
		while (!gate_open) {
			pthread_cond_wait(&gate, &gate_lock);
		}
		inside--;
		pthread_cond_broadcast(&gate);
		pthread_mutex_unlock(&gate_lock);
	}
	if (strncmp(host, "none", 4) == 0) {
		return EAI_NONAME;
	}
	*out = NULL;
	if (strncmp(host, "many", 4) == 0) {
		for (uint8_t i = 20; i > 0; i--) {
			*out = one(i, *out);
		}
	} else {
		*out = one((uint8_t)strlen(host), NULL);
		if (strncmp(host, "twice", 5) == 0) {
			*out = one((uint8_t)strlen(host), *out);
		}
	}
	return 0;
}

void freeaddrinfo(struct addrinfo *a)
{
	while (a) {
		struct addrinfo *next = a->ai_next;

		free(a->ai_addr);
		free(a);
		a = next;
	}
}

static void set_gate(bool open)
{
	pthread_mutex_lock(&gate_lock);
	gate_open = open;
	pthread_cond_broadcast(&gate);
	pthread_mutex_unlock(&gate_lock);
}

static void wait_inside(int n)
{
	pthread_mutex_lock(&gate_lock);
	while (inside != n) {
		pthread_cond_wait(&gate, &gate_lock);
	}
	pthread_mutex_unlock(&gate_lock);
}

struct got {
	int calls;
	unsigned ticket;
	struct gds_error why;
	struct gds_address list[32];
	size_t n;
};

static void on_answer(void *ctx, unsigned ticket, const struct gds_error *why,
	const struct gds_address *list, size_t n)
{
	struct got *got = ctx;

	got->calls++;
	got->ticket = ticket;
	got->why = *why;
	got->n = n;
	if (n > 0) {
		memcpy(got->list, list, n * sizeof(*list));
	}
}

static gds_time now(void)
{
	return gds_now(gds_env_system());
}

static void run_until(struct gds_resolver *r, const int *calls, int n)
{
	while (*calls < n) {
		assert_true(wait_for(gds_resolver_fd(r), POLLIN));
		gds_resolver_run(r, now());
	}
}

/* What is answered before ask returns, without a look-up. */
static void test_inline(void **state)
{
	static const struct {
		const char *host;
		int code;
		int family;
		const char *statement;
	} cases[] = {
		{"127.0.0.1", GDS_OK, 4, NULL},
		{"::1", GDS_OK, 6, NULL},
		{"2001:db8::1", GDS_OK, 6, NULL},
		{"127.1", GDS_E_RESOLVE, 0, "HDR-14"},
		{"0177.0.0.1", GDS_E_RESOLVE, 0, "HDR-14"},
		{"2130706433", GDS_E_RESOLVE, 0, "HDR-14"},
		{"0x7f.1", GDS_E_RESOLVE, 0, "HDR-14"},
		{"0x7f000001", GDS_E_RESOLVE, 0, "HDR-14"},
		{"127.0.0.1.", GDS_E_RESOLVE, 0, "HDR-14"},
		{"256.0.0.1", GDS_E_RESOLVE, 0, "HDR-14"},
		{"", GDS_E_RESOLVE, 0, NULL},
	};
	struct gds_resolver *r = gds_resolver_new(gds_env_system(), 2);

	(void)state;
	atomic_store(&look_ups, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct got got = {0};

		assert_int_equal(
			gds_resolver_ask(r, cases[i].host, 443, GDS_NEVER, on_answer, &got), 0);
		assert_int_equal(got.calls, 1);
		assert_int_equal(got.why.code, cases[i].code);
		if (cases[i].family) {
			assert_int_equal(got.n, 1);
			assert_int_equal(got.list[0].family, cases[i].family);
			assert_int_equal(got.list[0].port, 443);
		} else {
			assert_int_equal(got.n, 0);
			assert_int_equal(got.why.lib, EAI_NONAME);
		}
		if (cases[i].statement) {
			assert_string_equal(got.why.statement, cases[i].statement);
		}
	}
	assert_int_equal(atomic_load(&look_ups), 0);
	assert_true(gds_resolver_deadline(r) == GDS_NEVER);
	gds_resolver_free(r);
}

static void test_names(void **state)
{
	struct gds_resolver *r = gds_resolver_new(gds_env_system(), 2);
	struct got got = {0};
	unsigned ticket;

	(void)state;
	ticket = gds_resolver_ask(r, "agent.example", 8890, GDS_NEVER, on_answer, &got);
	assert_true(ticket > 0);
	assert_int_equal(got.calls, 0);
	run_until(r, &got.calls, 1);
	assert_int_equal(got.ticket, ticket);
	assert_int_equal(got.why.code, GDS_OK);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.list[0].ip[3], strlen("agent.example"));
	assert_int_equal(got.list[0].port, 8890);

	assert_true(gds_resolver_ask(r, "none.example", 1, GDS_NEVER, on_answer, &got) > 0);
	run_until(r, &got.calls, 2);
	assert_int_equal(got.why.code, GDS_E_RESOLVE);
	assert_int_equal(got.why.lib, EAI_NONAME);
	assert_int_equal(got.n, 0);

	assert_true(gds_resolver_ask(r, "many.example", 1, GDS_NEVER, on_answer, &got) > 0);
	run_until(r, &got.calls, 3);
	assert_int_equal(got.n, 16);
	for (size_t i = 0; i < got.n; i++) {
		assert_int_equal(got.list[i].ip[3], i + 1); /* the order is kept */
	}
	assert_true(gds_resolver_ask(r, "twice.example", 1, GDS_NEVER, on_answer, &got) > 0);
	run_until(r, &got.calls, 4);
	assert_int_equal(got.n, 1);
	gds_resolver_free(r);
}

/*
 * The deadline counts from the enqueue, whether a thread has taken the request (the first) or not
 * (the second).
 */
static void test_deadline(void **state)
{
	struct gds_resolver *r = gds_resolver_new(gds_env_system(), 1);
	struct got first = {0}, second = {0};
	gds_time start = now();

	(void)state;
	set_gate(false);
	gds_resolver_ask(r, "hang.example", 1, start + 30 * GDS_SECOND, on_answer, &first);
	gds_resolver_ask(r, "next.example", 1, start + 20 * GDS_SECOND, on_answer, &second);
	wait_inside(1);
	assert_true(gds_resolver_deadline(r) == start + 20 * GDS_SECOND);
	gds_resolver_run(r, start + 20 * GDS_SECOND - 1);
	assert_int_equal(second.calls, 0);
	gds_resolver_run(r, start + 20 * GDS_SECOND);
	assert_int_equal(second.calls, 1);
	assert_int_equal(second.why.code, GDS_E_TIMEOUT);
	assert_int_equal(first.calls, 0);
	gds_resolver_run(r, start + 30 * GDS_SECOND);
	assert_int_equal(first.calls, 1);
	assert_int_equal(first.why.code, GDS_E_TIMEOUT);
	assert_true(gds_resolver_deadline(r) == GDS_NEVER);
	/* The late result is dropped, and the thread works again. */
	set_gate(true);
	gds_resolver_ask(r, "third.example", 1, GDS_NEVER, on_answer, &second);
	run_until(r, &second.calls, 2);
	assert_int_equal(second.why.code, GDS_OK);
	assert_int_equal(first.calls, 1);
	gds_resolver_free(r);
}

static void test_queue_is_bounded(void **state)
{
	struct gds_resolver *r = gds_resolver_new(gds_env_system(), 2);
	static struct got got;
	unsigned ticket, last = 0;
	int asked = 0;

	(void)state;
	memset(&got, 0, sizeof(got));
	set_gate(false);
	gds_resolver_ask(r, "hang1", 1, GDS_NEVER, on_answer, &got);
	gds_resolver_ask(r, "hang2", 1, GDS_NEVER, on_answer, &got);
	wait_inside(2);
	while ((ticket = gds_resolver_ask(r, "name", 1, GDS_NEVER, on_answer, &got))) {
		last = ticket;
		asked++;
	}
	assert_int_equal(asked, GDS_RESOLVER_QUEUE);
	assert_int_equal(got.calls, 1);
	assert_int_equal(got.why.code, GDS_E_LIMIT);
	/* A cancelled one leaves its place to another. */
	gds_resolver_cancel(r, last);
	assert_true(gds_resolver_ask(r, "name", 1, GDS_NEVER, on_answer, &got) > 0);
	assert_int_equal(gds_resolver_ask(r, "name", 1, GDS_NEVER, on_answer, &got), 0);
	assert_int_equal(got.calls, 2);
	set_gate(true);
	run_until(r, &got.calls, 2 + 2 + GDS_RESOLVER_QUEUE);
	gds_resolver_free(r);
}

static void test_cancel(void **state)
{
	struct gds_resolver *r = gds_resolver_new(gds_env_system(), 1);
	struct got hung = {0}, waiting = {0}, last = {0};
	unsigned a, b;

	(void)state;
	set_gate(false);
	a = gds_resolver_ask(r, "hang", 1, GDS_NEVER, on_answer, &hung);
	b = gds_resolver_ask(r, "waiting", 1, GDS_NEVER, on_answer, &waiting);
	assert_true(a != b);
	wait_inside(1);
	gds_resolver_cancel(r, a);
	gds_resolver_cancel(r, b);
	gds_resolver_cancel(r, b); /* harmless */
	gds_resolver_cancel(r, 12345);
	gds_resolver_ask(r, "last", 1, GDS_NEVER, on_answer, &last);
	set_gate(true);
	run_until(r, &last.calls, 1);
	assert_int_equal(hung.calls, 0);
	assert_int_equal(waiting.calls, 0);
	gds_resolver_free(r);
}

/* Threads that hang when the resolver goes keep nothing of it and touch no descriptor. */
static void test_free_while_hanging(void **state)
{
	size_t before = count_descriptors();
	struct gds_resolver *r = gds_resolver_new(gds_env_system(), 4);
	struct got got = {0};

	(void)state;
	set_gate(false);
	for (int i = 0; i < 6; i++) {
		gds_resolver_ask(r, "hang", 1, GDS_NEVER, on_answer, &got);
	}
	wait_inside(4);
	gds_resolver_free(r);
	assert_int_equal(count_descriptors(), before);
	set_gate(true);
	wait_inside(0);
	assert_int_equal(got.calls, 0);
	gds_resolver_free(NULL);
}

/* Asked and cancelled from within an answer. */
struct chain {
	struct gds_resolver *resolver;
	int calls;
	unsigned victim;
};

static void on_chain(void *ctx, unsigned ticket, const struct gds_error *why,
	const struct gds_address *list, size_t n)
{
	struct chain *c = ctx;

	(void)ticket;
	(void)list;
	(void)n;
	assert_int_equal(why->code, GDS_OK);
	if (++c->calls == 1) {
		gds_resolver_cancel(c->resolver, c->victim);
		gds_resolver_ask(c->resolver, "again", 1, GDS_NEVER, on_chain, c);
		gds_resolver_ask(c->resolver, "127.0.0.1", 1, GDS_NEVER, on_chain, c);
	}
}

static void test_reentrant(void **state)
{
	struct chain c = {.resolver = gds_resolver_new(gds_env_system(), 1)};
	struct got victim = {0};

	(void)state;
	set_gate(false);
	gds_resolver_ask(c.resolver, "hang", 1, GDS_NEVER, on_chain, &c);
	c.victim = gds_resolver_ask(c.resolver, "victim", 1, GDS_NEVER, on_answer, &victim);
	set_gate(true);
	/*
	 * The single thread takes them in order; the first answer may be seen together with the
	 * second.
	 */
	while (c.calls < 3) {
		assert_true(wait_for(gds_resolver_fd(c.resolver), POLLIN));
		gds_resolver_run(c.resolver, now());
	}
	assert_int_equal(victim.calls, 0);
	gds_resolver_free(c.resolver);
}

/* Many asks and cancels while eight threads work: each is answered once or was cancelled. */
static void test_many(void **state)
{
	enum { N = 2000 };
	static struct got got[N];
	static bool cancelled[N];
	struct gds_resolver *r = gds_resolver_new(gds_env_system(), 8);
	int wanted = 0, calls = 0;

	(void)state;
	set_gate(true);
	memset(got, 0, sizeof(got));
	for (int i = 0; i < N; i++) {
		unsigned ticket = gds_resolver_ask(r, "name", 1, GDS_NEVER, on_answer, &got[i]);

		if (ticket && i % 3 == 0) {
			gds_resolver_cancel(r, ticket);
			cancelled[i] = true;
		} else {
			wanted++;
		}
		if (i % 100 == 99) {
			gds_resolver_run(r, now());
		}
	}
	do {
		calls = 0;
		for (int i = 0; i < N; i++) {
			assert_int_equal(cancelled[i] ? got[i].calls : 0, 0);
			assert_in_range(got[i].calls, 0, 1);
			calls += got[i].calls;
		}
		if (calls < wanted) {
			assert_true(wait_for(gds_resolver_fd(r), POLLIN));
			gds_resolver_run(r, now());
		}
	} while (calls < wanted);
	gds_resolver_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inline),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_queue_is_bounded),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_free_while_hanging),
		cmocka_unit_test(test_reentrant),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
