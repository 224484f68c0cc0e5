/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent.h"
#include "support.h"

#include <gdstream/header.h>

#include <errno.h>
#include <string.h>

#define SOON gds_within(5 * GDS_SECOND)
#define BOTH (GDS_FACE_TCP | GDS_FACE_UDP)

/* A client whose open runs beside the listener. */
struct opener {
	pthread_t thread;
	struct gds_client_options o;
	struct gds_client *client;
	struct gds_health health;
	bool check; /* a health check instead */
	int rc;
};

static void *open_it(void *ctx)
{
	struct opener *p = ctx;

	p->rc = p->check ? gds_client_health(&p->health, &p->o)
			 : gds_client_open(&p->client, &p->o, NULL);
	return NULL;
}

static void begin(struct opener *p, const struct gds_listener *l, enum gds_transport transport,
	const char *host, uint16_t port)
{
	*p = (struct opener){.check = !host};
	p->o = (struct gds_client_options){
		.transport = transport,
		.agent = "127.0.0.1",
		.agent_port = gds_listener_address(l)->port,
		.trust = agent_trust(GDS_CLIENT),
		.host = host,
		.port = port,
		.timeout = 5 * GDS_SECOND,
	};
	assert_int_equal(pthread_create(&p->thread, NULL, open_it, p), 0);
}

static void await(struct opener *p)
{
	pthread_join(p->thread, NULL);
}

static struct gds_listener *listener(const struct gds_listener_options *with)
{
	struct gds_listener_options o = with ? *with : (struct gds_listener_options){.faces = BOTH};
	struct gds_listener *l = NULL;
	struct gds_complaint complaint = {0};

	o.trust = agent_trust(GDS_SERVER);
	assert_int_equal(gds_listener_new(&l, &o, &complaint), GDS_OK);
	return l;
}

/* A client's read, while the listener goes on. */
static ssize_t read_beside(struct gds_listener *l, struct gds_client *c, void *buffer, size_t size)
{
	gds_time end = SOON;
	ssize_t n = GDS_AGAIN;

	while (n == GDS_AGAIN && gds_now(gds_env_system()) < end) {
		struct gds_interest want;

		gds_listener_step(l, gds_now(gds_env_system()));
		n = gds_client_read(c, buffer, size, GDS_AT_ONCE);
		if (n == GDS_AGAIN) {
			struct pollfd fds[2] = {{.fd = gds_client_fd(c), .events = POLLIN}};

			gds_listener_interest(l, &want);
			fds[1] = (struct pollfd){.fd = want.fd, .events = want.events};
			poll(fds, 2, want.ready ? 0 : 100);
		}
	}
	return n;
}

static struct gds_incoming *request(
	struct gds_listener *l, struct opener *p, enum gds_transport transport, uint16_t port)
{
	struct gds_incoming *in = NULL;

	begin(p, l, transport, "127.0.0.1", port);
	assert_int_equal(gds_listener_accept(l, &in, SOON), GDS_OK);
	await(p);
	assert_int_equal(p->rc, GDS_OK);
	assert_int_equal(gds_incoming_verdict(in), GDS_DIAL);
	return in;
}

static void test_options(void **state)
{
	struct gds_listener *l = (struct gds_listener *)&l;
	struct gds_complaint complaint;
	struct gds_listener_options o = {.faces = BOTH};
	struct gds_incoming *in;
	struct gds_interest want;

	(void)state;
	assert_int_equal(gds_listener_new(&l, NULL, &complaint), GDS_E_INVALID);
	assert_null(l);
	assert_int_equal(gds_listener_new(&l, &o, &complaint), GDS_E_INVALID);
	o.trust = agent_trust(GDS_CLIENT);
	assert_int_equal(gds_listener_new(&l, &o, NULL), GDS_E_INVALID);
	o.trust = agent_trust(GDS_SERVER);
	assert_int_equal(gds_listener_new(NULL, &o, NULL), GDS_E_INVALID);
	o.faces = 4;
	assert_int_equal(gds_listener_new(&l, &o, NULL), GDS_E_INVALID);
	o.faces = 0;
	assert_int_equal(gds_listener_new(&l, &o, NULL), GDS_OK);
	assert_int_equal(gds_listener_address(l)->family, 0);
	assert_int_equal(gds_listener_accept(l, &in, GDS_AT_ONCE), GDS_AGAIN);
	assert_null(in);
	assert_int_equal(gds_listener_accept(l, &in, gds_within(1)), GDS_E_TIMEOUT);
	assert_int_equal(gds_listener_accept(l, NULL, GDS_AT_ONCE), GDS_E_INVALID);
	assert_int_equal(gds_listener_adopt_fd(l, -1), GDS_E_INVALID);
	assert_int_equal(gds_listener_adopt_session(l, NULL), GDS_E_INVALID);
	assert_int_equal(gds_listener_close(l, GDS_AT_ONCE), GDS_OK);
	assert_int_equal(gds_listener_close(l, GDS_AT_ONCE), GDS_OK);
	assert_int_equal(gds_listener_accept(l, &in, GDS_NEVER), GDS_E_CANCELLED);
	assert_int_equal(gds_listener_adopt_fd(l, 0), GDS_E_INVALID);
	gds_listener_free(l);
	gds_listener_free(NULL);
	assert_int_equal(gds_listener_close(NULL, GDS_AT_ONCE), GDS_E_INVALID);
	assert_int_equal(gds_listener_accept(NULL, &in, GDS_AT_ONCE), GDS_E_INVALID);
	assert_int_equal(gds_listener_adopt_fd(NULL, 0), GDS_E_INVALID);
	assert_int_equal(gds_listener_address(NULL)->family, 0);
	gds_listener_interest(NULL, &want);
	assert_int_equal(want.fd, -1);
	gds_listener_step(NULL, 0);
}

static void test_in_use(void **state)
{
	struct gds_listener *first = listener(NULL), *l;
	struct gds_complaint complaint;

	(void)state;
	for (unsigned faces = 1; faces <= BOTH; faces++) {
		struct gds_listener_options o = {.faces = faces,
			.trust = agent_trust(GDS_SERVER),
			.address = *gds_listener_address(first)};

		assert_int_equal(gds_listener_new(&l, &o, &complaint), GDS_E_IN_USE);
		assert_non_null(strstr(complaint.text, "in use"));
	}
	gds_listener_free(first);
}

static void test_incoming_null(void **state)
{
	char byte;

	(void)state;
	assert_int_equal(gds_incoming_verdict(NULL), GDS_NEED_MORE);
	assert_null(gds_incoming_request(NULL));
	assert_null(gds_incoming_report(NULL));
	assert_int_equal(gds_incoming_tunnel(NULL), GDS_E_INVALID);
	assert_int_equal(gds_incoming_refuse(NULL), GDS_E_INVALID);
	assert_int_equal(gds_incoming_serve(NULL), GDS_E_INVALID);
	assert_int_equal(gds_incoming_take(NULL, NULL), GDS_E_INVALID);
	assert_int_equal(gds_incoming_read(NULL, &byte, 1, GDS_AT_ONCE), GDS_E_INVALID);
	assert_int_equal(gds_incoming_write(NULL, &byte, 1, GDS_AT_ONCE), GDS_E_INVALID);
	assert_int_equal(gds_incoming_shut(NULL), GDS_E_INVALID);
	gds_incoming_free(NULL);
}

/* HC-01: reported as what it is, and closed already. */
static void test_health(void **state)
{
	struct gds_listener *l = listener(NULL);

	(void)state;
	for (int transport = GDS_TCP; transport <= GDS_UDP; transport++) {
		struct opener p;
		struct gds_incoming *in;

		begin(&p, l, (enum gds_transport)transport, NULL, 0);
		assert_int_equal(gds_listener_accept(l, &in, SOON), GDS_OK);
		assert_int_equal(gds_incoming_verdict(in), GDS_HEALTH);
		assert_true(gds_header_is_health(&gds_incoming_request(in)->header));
		assert_int_equal((int)gds_incoming_request(in)->transport, transport);
		assert_int_equal(gds_incoming_tunnel(in), GDS_E_INVALID);
		assert_int_equal(gds_incoming_serve(in), GDS_E_INVALID);
		assert_int_equal(gds_incoming_report(in)->kind, GDS_SERVED_HEALTH);
		gds_incoming_free(in);
		while (gds_listener_accept(l, &in, gds_within(20 * GDS_MILLISECOND)) == GDS_OK) {
			gds_incoming_free(in);
		}
		await(&p);
		assert_int_equal(p.rc, GDS_OK);
	}
	assert_int_equal(gds_listener_close(l, SOON), GDS_OK);
	gds_listener_free(l);
}

/* Served here, over the blocking calls, and by the descriptor alone. */
static void test_serve(void **state)
{
	struct gds_listener *l = listener(NULL);
	char buffer[64];

	(void)state;
	for (int i = 0; i < 4; i++) {
		enum gds_transport transport = i & 1 ? GDS_UDP : GDS_TCP;
		bool take = i & 2;
		struct opener p;
		struct gds_incoming *in = request(l, &p, transport, 7);
		struct gds_carrier *c = NULL;
		size_t length;

		assert_string_equal(
			gds_header_host(&gds_incoming_request(in)->header, &length), "127.0.0.1");
		assert_int_equal(length, 9);
		assert_string_equal(gds_header_port(&gds_incoming_request(in)->header, NULL), "7");
		assert_true(gds_address_is_loopback(&gds_incoming_request(in)->peer));
		assert_true(gds_incoming_request(in)->facts->peer.client_auth);
		assert_int_equal(
			gds_incoming_read(in, buffer, sizeof(buffer), GDS_AT_ONCE), GDS_E_INVALID);
		assert_int_equal(gds_incoming_take(in, &c), GDS_E_INVALID);
		assert_int_equal(gds_incoming_serve(in), GDS_OK);
		assert_int_equal(gds_incoming_serve(in), GDS_E_INVALID);
		assert_int_equal(gds_incoming_tunnel(in), GDS_E_INVALID);
		assert_int_equal(gds_incoming_refuse(in), GDS_E_INVALID);
		assert_int_equal(
			gds_incoming_read(in, buffer, sizeof(buffer), GDS_AT_ONCE), GDS_AGAIN);
		assert_int_equal(gds_client_write(p.client, "ping", 4, SOON), 4);
		assert_int_equal(gds_incoming_read(in, buffer, sizeof(buffer), SOON), 4);
		assert_memory_equal(buffer, "ping", 4);
		if (take) {
			assert_int_equal(gds_incoming_take(in, &c), GDS_OK);
			assert_int_equal(gds_incoming_take(in, &c), GDS_E_INVALID);
			assert_int_equal(gds_incoming_write(in, "x", 1, SOON), GDS_E_INVALID);
			assert_int_equal(write(gds_carrier_fd(c), "pong", 4), 4);
		} else {
			assert_int_equal(gds_incoming_write(in, "pong", 4, SOON), 4);
		}
		assert_int_equal(read_beside(l, p.client, buffer, sizeof(buffer)), 4);
		assert_memory_equal(buffer, "pong", 4);
		assert_null(gds_incoming_report(in));
		gds_incoming_free(in);
		gds_carrier_close(c, GDS_CLOSE_CLEAN);
		/* Its end is the client's: close_notify, not a cut (TLS-09, HC-04). */
		assert_int_equal(read_beside(l, p.client, buffer, sizeof(buffer)), GDS_EOF);
		gds_client_free(p.client);
	}
	assert_int_equal(gds_listener_close(l, SOON), GDS_OK);
	gds_listener_free(l);
}

/* A session that breaks off is not an orderly end (TLS-09). */
static void test_broken_off(void **state)
{
	struct gds_listener *l = listener(NULL);
	struct opener p;
	struct gds_incoming *in = request(l, &p, GDS_TCP, 7);
	char byte;
	ssize_t n;

	(void)state;
	assert_int_equal(gds_incoming_serve(in), GDS_OK);
	shutdown(gds_client_fd(p.client), SHUT_RDWR); /* FIN without close_notify */
	n = gds_incoming_read(in, &byte, 1, SOON);
	assert_int_equal(n, GDS_E_TRUNCATED);
	assert_int_equal(gds_incoming_report(in)->why.code, GDS_E_TRUNCATED);
	gds_incoming_free(in);
	gds_client_free(p.client);
	gds_listener_free(l);
}

static void test_tunnel(void **state)
{
	struct gds_listener *l = listener(NULL);
	struct gds_address to;
	int listening = bound_socket(4, SOCK_STREAM, &to), fd;
	struct opener p;
	struct gds_incoming *in = request(l, &p, GDS_TCP, to.port);
	char buffer[16];

	(void)state;
	assert_int_equal(gds_incoming_tunnel(in), GDS_OK);
	assert_int_equal(gds_incoming_tunnel(in), GDS_E_INVALID);
	gds_incoming_free(in); /* the tunnel goes on without it */
	assert_int_equal(gds_client_write(p.client, "ping", 4, SOON), 4);
	for (gds_time end = SOON; gds_now(gds_env_system()) < end;) {
		struct pollfd f = {.fd = listening, .events = POLLIN};

		gds_listener_step(l, gds_now(gds_env_system()));
		if (poll(&f, 1, 10) == 1) {
			break;
		}
	}
	fd = accept(listening, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "pong", 4), 4);
	assert_int_equal(read_beside(l, p.client, buffer, sizeof(buffer)), 4);
	assert_int_equal(read(fd, buffer, sizeof(buffer)), 4);
	assert_memory_equal(buffer, "ping", 4);
	close(fd);
	close(listening);
	gds_client_free(p.client);
	assert_int_equal(gds_listener_close(l, SOON), GDS_OK);
	gds_listener_free(l);
}

/* TCP-04: nobody there, and turned away, look alike to the client; the report tells them apart. */
static void test_unreached(void **state)
{
	struct gds_address to;
	int refusing = bare_socket(4, SOCK_STREAM, &to);
	struct gds_listener *l = listener(NULL);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct opener p;
		struct gds_incoming *in = request(l, &p, GDS_TCP, to.port);
		char byte;

		assert_int_equal(i ? gds_incoming_refuse(in) : gds_incoming_tunnel(in), GDS_OK);
		assert_int_equal(read_beside(l, p.client, &byte, 1), GDS_EOF);
		assert_int_equal(gds_incoming_report(in)->kind, GDS_SERVED_UNREACHED);
		assert_int_equal(
			gds_incoming_report(in)->why.code, i ? GDS_E_PERMISSION : GDS_E_REFUSED);
		gds_incoming_free(in);
		gds_client_free(p.client);
	}
	close(refusing);
	gds_listener_free(l);
}

/* Who does not decide in time finds nothing to decide on (TCP-04, TCP-10). */
static void test_too_late(void **state)
{
	struct gds_listener_options o = {.faces = BOTH, .dial_limit = 30 * GDS_MILLISECOND};
	struct gds_listener *l = listener(&o);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct opener p;
		struct gds_incoming *in = request(l, &p, i ? GDS_UDP : GDS_TCP, 7);
		char byte;

		assert_int_equal(read_beside(l, p.client, &byte, 1), GDS_EOF);
		assert_int_equal(gds_incoming_report(in)->why.code, GDS_E_TIMEOUT);
		assert_int_equal(gds_incoming_tunnel(in), GDS_E_CANCELLED);
		assert_int_equal(gds_incoming_serve(in), GDS_E_CANCELLED);
		gds_incoming_free(in);
		gds_client_free(p.client);
	}
	gds_listener_free(l);
}

static void test_listener_goes_first(void **state)
{
	struct gds_listener *l = listener(NULL);
	struct opener p, q;
	struct gds_incoming *served = request(l, &p, GDS_TCP, 7);
	struct gds_incoming *undecided = request(l, &q, GDS_UDP, 7);
	char byte;

	(void)state;
	assert_int_equal(gds_incoming_serve(served), GDS_OK);
	gds_listener_free(l);
	assert_int_equal(gds_incoming_read(served, &byte, 1, SOON), GDS_E_CANCELLED);
	assert_int_equal(gds_incoming_write(served, &byte, 1, SOON), GDS_E_CANCELLED);
	assert_int_equal(gds_incoming_shut(served), GDS_E_CANCELLED);
	assert_int_equal(gds_incoming_tunnel(undecided), GDS_E_CANCELLED);
	assert_int_equal(gds_incoming_report(served)->why.code, GDS_E_CANCELLED);
	gds_incoming_free(served);
	gds_incoming_free(undecided);
	gds_client_free(p.client);
	gds_client_free(q.client);
}

/* TCP-11, UDP-16 */
static void test_goodbye(void **state)
{
	struct gds_listener *l = listener(NULL);
	struct opener p, q;
	struct gds_incoming *tcp = request(l, &p, GDS_TCP, 7);
	struct gds_incoming *udp = request(l, &q, GDS_UDP, 7);
	char byte;

	(void)state;
	assert_int_equal(gds_incoming_serve(tcp), GDS_OK);
	assert_int_equal(gds_listener_close(l, gds_within(50 * GDS_MILLISECOND)), GDS_E_TIMEOUT);
	assert_int_equal(gds_client_read(p.client, &byte, 1, SOON), GDS_EOF);
	assert_int_equal(gds_client_read(q.client, &byte, 1, SOON), GDS_EOF);
	gds_incoming_free(tcp);
	gds_incoming_free(udp);
	gds_listener_free(l);
	gds_client_free(p.client);
	gds_client_free(q.client);
}

/* A TCP connection that the test has accepted: to the library's side of it. */
static int accepted(int listening, const struct gds_address *at, int *theirs)
{
	*theirs = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect_to(*theirs, at), 0);
	return accept(listening, NULL, NULL);
}

static void test_adopt(void **state)
{
	struct gds_listener_options o = {.max_open = 1, .header_limit = GDS_SECOND};
	struct gds_listener *l = listener(&o);
	struct gds_address at;
	int listening = bound_socket(4, SOCK_STREAM, &at), theirs[2], ours[2];
	struct gds_incoming *in;
	struct gds_carrier *plain;

	(void)state;
	ours[0] = accepted(listening, &at, &theirs[0]);
	ours[1] = accepted(listening, &at, &theirs[1]);
	plain = gds_stream_socket_new(ours[1], gds_env_system());
	assert_int_equal(gds_listener_adopt_session(l, plain), GDS_E_INVALID);
	assert_int_equal(gds_listener_adopt_fd(l, ours[0]), GDS_OK);
	assert_int_equal(gds_listener_adopt_fd(l, ours[1]), GDS_E_LIMIT);
	gds_carrier_close(plain, GDS_CLOSE_SILENT); /* so it is still the caller's */
	assert_int_equal(write(theirs[0], "GET / HTTP/1.1\r\n\r\n", 18), 18);
	assert_int_equal(gds_listener_accept(l, &in, SOON), GDS_OK);
	assert_int_equal(gds_incoming_verdict(in), GDS_REFUSE);
	assert_int_equal(gds_incoming_request(in)->why.stage, GDS_STAGE_HANDSHAKE);
	assert_int_equal(gds_incoming_request(in)->peer.port, own_address(theirs[0]).port);
	gds_incoming_free(in);
	close(theirs[0]);
	close(theirs[1]);
	close(listening);
	gds_listener_free(l);
}

static int tear_down(void **state)
{
	(void)state;
	agent_free_trusts();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_in_use),
		cmocka_unit_test(test_incoming_null),
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_serve),
		cmocka_unit_test(test_broken_off),
		cmocka_unit_test(test_tunnel),
		cmocka_unit_test(test_unreached),
		cmocka_unit_test(test_too_late),
		cmocka_unit_test(test_listener_goes_first),
		cmocka_unit_test(test_goodbye),
		cmocka_unit_test(test_adopt),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
