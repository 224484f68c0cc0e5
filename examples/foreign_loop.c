/* SPDX-License-Identifier: MIT */
/*
 * A health check driven by an event loop that the library knows nothing of: here plain epoll. A
 * machine never blocks and owns no thread; it asks for look-ups and connections, and says which
 * descriptors and which point in time it waits for.
 *
 * Only IP literals are dialled, so that the one question to answer is GDS_CONNECT.
 * gdstream/resolver.h answers GDS_RESOLVE, and gdstream/wait.h does all of this for many machines
 * behind one descriptor.
 *
 * usage: foreign_loop IDENTITY tcp|udp ADDRESS PORT
 */
#include <gdstream/gdstream.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* The foreign loop: an epoll set that is made anew for each wait. Good enough for a few
 * descriptors. */
struct loop {
	struct gds_dial dial; /* the connect under way */
	unsigned question;    /* which GDS_CONNECT that answers */
	gds_time dial_deadline;
};

static void answer(struct gds_machine *machine, unsigned id, const struct gds_error *why,
	struct gds_carrier *carrier)
{
	struct gds_answer a = {.id = id, .carrier = carrier};

	if (why) {
		a.why = *why;
	} else if (!carrier) {
		a.why.code = GDS_E_NOMEM;
	}
	machine->ops->answer(machine, &a);
}

/* The dial has come to something. */
static void dialled(
	struct loop *loop, struct gds_machine *machine, int rc, const struct gds_error *why)
{
	if (rc == GDS_OK) {
		answer(machine, loop->question, NULL, gds_dial_take(&loop->dial, gds_env_system()));
	} else if (rc != GDS_AGAIN) {
		answer(machine, loop->question, why, NULL);
	}
	loop->question = rc == GDS_AGAIN ? loop->question : 0;
}

static void meet(struct loop *loop, struct gds_machine *machine, const struct gds_need *need)
{
	struct gds_error why = {.code = GDS_E_INVALID};

	if (need->kind == GDS_CONNECT && !loop->question) {
		loop->question = need->id;
		loop->dial_deadline = need->deadline;
		dialled(loop, machine,
			gds_dial_start(&loop->dial, need->transport, &need->address, &why), &why);
	} else if (need->kind == GDS_CANCEL) {
		if (need->id == loop->question) {
			gds_dial_cancel(&loop->dial);
			loop->question = 0;
		}
	} else {
		answer(machine, need->id, &why, NULL);
	}
}

/* Step until it only waits. \return 0 when it is done. */
static int step(struct loop *loop, struct gds_machine *machine)
{
	for (;;) {
		struct gds_need need;
		struct gds_error why;

		if (loop->question) {
			dialled(loop, machine, gds_dial_check(&loop->dial, &why), &why);
		}
		machine->ops->step(machine, gds_now(gds_env_system()), &need);
		if (need.kind == GDS_DONE || need.kind == GDS_WAIT) {
			return need.kind == GDS_WAIT;
		}
		meet(loop, machine, &need);
	}
}

static void watch(int set, int fd, short events)
{
	struct epoll_event e = {.events = (uint32_t)events};

	if (fd >= 0 && events) {
		epoll_ctl(set, EPOLL_CTL_ADD, fd, &e);
	}
}

static void sleep_until_due(const struct loop *loop, struct gds_machine *machine)
{
	struct gds_interest want[GDS_MACHINE_INTERESTS];
	struct epoll_event due;
	gds_time now = gds_now(gds_env_system()), at = GDS_NEVER;
	int set = epoll_create1(EPOLL_CLOEXEC);
	size_t n = machine->ops->interest(machine, want);

	for (size_t i = 0; i < n; i++) {
		watch(set, want[i].fd, want[i].events);
		at = want[i].ready ? now : want[i].deadline < at ? want[i].deadline : at;
	}
	if (loop->question) {
		watch(set, loop->dial.fd, POLLOUT);
	}
	/* Rounded up, lest the last millisecond be spent spinning. */
	int ms = at == GDS_NEVER ? -1 : at <= now ? 0 : (int)((at - now) / GDS_MILLISECOND) + 1;

	epoll_wait(set, &due, 1, ms);
	close(set);
}

static struct gds_trust *load(const char *path)
{
	struct gds_identity *identity = NULL;
	struct gds_trust *trust = NULL;
	struct gds_complaint complaint;

	if (gds_identity_from_path(&identity, path, &complaint) != GDS_OK ||
		gds_trust_new(&trust, identity, GDS_CLIENT, &complaint) != GDS_OK) {
		fprintf(stderr, "foreign_loop: %s\n", complaint.text);
	}
	gds_identity_free(identity);
	return trust;
}

int main(int argc, char **argv)
{
	struct gds_attempt_options options = {.plan = GDS_PLAN_HEALTH};
	struct loop loop = {.dial.fd = -1};

	if (argc != 5 ||
		gds_address_parse(&options.address, argv[3], (uint16_t)atoi(argv[4])) != GDS_OK) {
		fprintf(stderr, "usage: foreign_loop IDENTITY tcp|udp ADDRESS PORT\n");
		return 2;
	}
	options.transport = strcmp(argv[2], "udp") == 0 ? GDS_UDP : GDS_TCP;
	options.deadline = gds_within(5 * GDS_SECOND);
	options.trust = load(argv[1]);
	if (!options.trust) {
		return 2;
	}
	struct gds_machine *machine = gds_attempt_new(&options, gds_env_system());

	while (machine && step(&loop, machine)) {
		sleep_until_due(&loop, machine);
	}
	int code = machine ? gds_attempt_report(machine)->why.code : GDS_E_NOMEM;

	printf("%s\n", code == GDS_OK ? "healthy" : gds_errname(code));
	if (machine) {
		machine->ops->free(machine);
	}
	gds_trust_unref(options.trust);
	return code == GDS_OK ? 0 : 1;
}
