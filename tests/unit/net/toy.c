/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "toy.h"

#include "../io/support.h"

#include <netdb.h>
#include <string.h>

/*
 * The look-up is replaced: the real one opens files in its thread, and descriptors are counted
 * here.
 */
static struct sockaddr_in found_address = {.sin_family = AF_INET};
static struct addrinfo found = {.ai_family = AF_INET, .ai_addr = (struct sockaddr *)&found_address};

int getaddrinfo(
	const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	(void)service;
	(void)hints;
	*out = &found;
	return strcmp(host, "agent.example") == 0 ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *a)
{
	(void)a;
}

struct gds_loop *loop;
struct gds_resolver *resolver;
struct gds_driver *driver;
const struct gds_env *env;
int dones, handoffs;

static struct toy *toy_of(struct gds_machine *m)
{
	return (struct toy *)m;
}

static bool all_answered(const struct toy *t)
{
	for (size_t i = 0; i <= SCRIPT_MAX; i++) {
		if (t->unanswered[i]) {
			return false;
		}
	}
	return t->asked == t->needs;
}

static void act(struct toy *t, gds_time now, struct gds_need *need)
{
	char bytes[4096];
	ssize_t n;

	if (t->ready_left > 0) {
		t->ready_left--;
	}
	while (t->drain && (n = recv(t->interest[0].fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		t->received += (size_t)n;
	}
	if (t->on_step) {
		t->on_step(t);
	}
	if (t->asked < t->needs) {
		*need = t->script[t->asked++];
		need->id = (unsigned)t->asked;
		if (need->kind == GDS_CANCEL) {
			need->id = t->script[t->asked - 1].id;
			t->unanswered[need->id] = false;
		} else {
			t->unanswered[need->id] = true;
		}
		return;
	}
	if (t->end || now >= t->done_at || (t->wait_for_answers && all_answered(t))) {
		need->kind = GDS_DONE;
	}
}

static void toy_step(struct gds_machine *m, gds_time now, struct gds_need *need)
{
	struct toy *t = toy_of(m);

	assert_false(t->inside); /* the driver never steps one within its own step */
	t->inside = true;
	t->steps++;
	act(t, now, need);
	t->inside = false;
}

static size_t toy_interest(
	struct gds_machine *m, struct gds_interest out[static GDS_MACHINE_INTERESTS])
{
	struct toy *t = toy_of(m);

	memcpy(out, t->interest, sizeof(t->interest));
	out[t->interests] = (struct gds_interest){.fd = -1, .deadline = t->done_at};
	out[t->interests].ready = t->ready_left > 0;
	return t->interests + 1;
}

static void toy_answer(struct gds_machine *m, const struct gds_answer *a)
{
	struct toy *t = toy_of(m);

	assert_false(t->inside);
	assert_true(a->id > 0 && t->unanswered[a->id]);
	t->unanswered[a->id] = false;
	t->answers++;
	t->why = a->why;
	t->n = a->n;
	for (size_t i = 0; i < a->n && i < 16; i++) {
		t->list[i] = a->list[i];
	}
	if (a->carrier) {
		gds_carrier_close(t->carrier, GDS_CLOSE_SILENT);
		t->carrier = a->carrier;
	}
}

static void toy_cancel(struct gds_machine *m, enum gds_close how)
{
	assert_false(toy_of(m)->inside);
	toy_of(m)->cancels++;
	toy_of(m)->how = how;
	toy_of(m)->end = how != GDS_CLOSE_CLEAN || toy_of(m)->silent_end;
}

static void toy_free(struct gds_machine *m)
{
	gds_carrier_close(toy_of(m)->carrier, GDS_CLOSE_SILENT);
	toy_of(m)->carrier = NULL;
	toy_of(m)->freed = true;
}

static const struct gds_machine_ops toy_ops = {
	.step = toy_step,
	.interest = toy_interest,
	.answer = toy_answer,
	.cancel = toy_cancel,
	.free = toy_free,
};

struct toy toy(void)
{
	return (struct toy){.machine.ops = &toy_ops, .done_at = GDS_NEVER};
}

static void on_done(void *ctx, struct gds_machine *m)
{
	struct toy *t = toy_of(m);

	assert_ptr_equal(ctx, t);
	assert_false(t->freed); /* freed after this returns */
	dones++;
	if (t->order) {
		t->order[(*t->orders)++] = t->name;
	}
	if (t->victim) {
		struct gds_binding *victim = t->victim;

		t->victim = NULL;
		gds_driver_cancel(victim, GDS_CLOSE_SILENT);
	}
	if (gds_driver_count(driver) == 0) {
		gds_loop_stop(loop);
	}
}

struct gds_binding *bind_toy(struct toy *t)
{
	t->binding = gds_driver_bind(driver, &t->machine, on_done, t);
	assert_non_null(t->binding);
	return t->binding;
}

static struct gds_carrier *hand_off(
	void *ctx, struct gds_machine *m, const struct gds_need *need, struct gds_error *why)
{
	int *given = ctx, fds[2];

	(void)m;
	(void)need;
	if (*given == 0) {
		why->code = GDS_E_PERMISSION;
		return NULL;
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	close(fds[1]);
	return gds_stream_socket_new(fds[0], env);
}

const struct gds_driver_ops toy_driver_ops = {.handoff = hand_off};

int set_up(void **state)
{
	(void)state;
	env = gds_env_system();
	dones = 0;
	found_address.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1, RFC 5737 */
	loop = gds_loop_new(env);
	resolver = gds_resolver_new(env, 2);
	driver = gds_driver_new(loop, resolver, &toy_driver_ops, &handoffs, env);
	return driver ? 0 : -1;
}

int tear_down(void **state)
{
	(void)state;
	gds_driver_free(driver);
	gds_resolver_free(resolver);
	gds_loop_free(loop);
	return 0;
}
