/* SPDX-License-Identifier: MIT */
/*
 * A server: it answers health checks, and each request that asks for a destination is served here
 * (an echo), passed on to the destination, or turned away.
 *
 * usage: server IDENTITY own|accepted|secured echo|tunnel|refuse
 * IDENTITY is a folder with ca.pem, cert.pem and key.pem of a server. "own": the library listens,
 * TCP and UDP. "accepted": this program listens and hands over descriptors. "secured": this program
 * runs the handshake too, as one does that has other ALPN protocols on the same port. It prints its
 * port, then one line for each connection, and ends with standard input.
 */
#include <gdstream/gdstream.h>
#include <gdstream/gnutls.h>

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The one request that is served at a time in this example's echo, and what is left of its last
 * read. */
#define SERVED_MAX 16

struct server {
	const char *form, *does, *folder;
	struct gds_trust *trust;
	gnutls_certificate_credentials_t credentials; /* "secured" */
	struct gds_listener *listener;
	int socket; /* -1: the library's own */
	struct gds_carrier *served[SERVED_MAX];
};

/* --- Connections of our own --- */

static int listen_here(unsigned *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&at, n) != 0 || listen(fd, 16) != 0 ||
		getsockname(fd, (struct sockaddr *)&at, &n) != 0) {
		close(fd);
		return -1;
	}
	*port = ntohs(at.sin_port);
	return fd;
}

/* A handshake as a program does it that multiplexes ALPN itself. It blocks here, which a real one
 * would not do. */
static gnutls_session_t secure(struct server *s, int fd)
{
	static char name[] = GDS_ALPN;
	gnutls_datum_t alpn = {(unsigned char *)name, sizeof(name) - 1};
	gnutls_session_t tls = NULL;
	int rc;

	gnutls_init(&tls, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
	gnutls_set_default_priority(tls);
	gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, s->credentials);
	gnutls_certificate_server_set_request(tls, GNUTLS_CERT_REQUIRE);
	gnutls_alpn_set_protocols(tls, &alpn, 1, GNUTLS_ALPN_MANDATORY);
	gnutls_handshake_set_timeout(tls, 5000);
	gnutls_transport_set_int(tls, fd);
	do {
		rc = gnutls_handshake(tls);
	} while (rc < 0 && !gnutls_error_is_fatal(rc));
	if (rc < 0) {
		gnutls_deinit(tls);
		return NULL;
	}
	return tls;
}

static void adopt(struct server *s, int fd)
{
	struct gds_carrier *carrier = NULL;
	gnutls_session_t tls;
	int rc;

	if (strcmp(s->form, "accepted") == 0) {
		if (gds_listener_adopt_fd(s->listener, fd) != GDS_OK) {
			close(fd);
		}
		return;
	}
	tls = secure(s, fd);
	/* Who may come is judged by the trust, as in the library's own handshake. */
	rc = tls ? gds_carrier_adopt_gnutls(&carrier, tls, fd, s->trust, NULL) : GDS_E_TLS;
	if (rc != GDS_OK) {
		printf("unsecured %s\n", gds_errname(rc));
		if (tls) {
			gnutls_deinit(tls);
		}
		close(fd);
	} else if (gds_listener_adopt_session(s->listener, carrier) != GDS_OK) {
		gds_carrier_close(carrier, GDS_CLOSE_RESET);
	}
}

static int load_credentials(struct server *s)
{
	char ca[512], cert[512], key[512];

	snprintf(ca, sizeof(ca), "%s/ca.pem", s->folder);
	snprintf(cert, sizeof(cert), "%s/cert.pem", s->folder);
	snprintf(key, sizeof(key), "%s/key.pem", s->folder);
	gnutls_certificate_allocate_credentials(&s->credentials);
	return gnutls_certificate_set_x509_trust_file(s->credentials, ca, GNUTLS_X509_FMT_PEM) <
		       0 ||
	       gnutls_certificate_set_x509_key_file(
		       s->credentials, cert, key, GNUTLS_X509_FMT_PEM) < 0;
}

/* --- Requests --- */

static void begin_echo(struct server *s, struct gds_incoming *in)
{
	for (int i = 0; i < SERVED_MAX; i++) {
		if (!s->served[i] && gds_incoming_serve(in) == GDS_OK) {
			gds_incoming_take(in, &s->served[i]);
			return;
		}
	}
	/* Freed undecided, it is refused. */
}

static void decide(struct server *s, struct gds_incoming *in)
{
	const struct gds_request *request = gds_incoming_request(in);
	const char *transport = request->transport == GDS_UDP ? "udp" : "tcp";

	switch (gds_incoming_verdict(in)) {
	case GDS_HEALTH:
		printf("health %s\n", transport);
		break;
	case GDS_DIAL:
		printf("request %s %s %s\n", transport, gds_header_host(&request->header, NULL),
			gds_header_port(&request->header, NULL));
		if (strcmp(s->does, "echo") == 0) {
			begin_echo(s, in);
		} else if (strcmp(s->does, "tunnel") == 0) {
			gds_incoming_tunnel(in);
		}
		break;
	default:
		printf("refused %s %s %s\n", transport, gds_stage_name(request->why.stage),
			gds_errname(request->why.code));
		break;
	}
	fflush(stdout);
	gds_incoming_free(in);
}

/* \return 0 when it has ended. An echo that cannot write drops what it read: a real one would keep
 * it. */
static int echo(struct gds_carrier *c)
{
	static char buffer[GDS_DATAGRAM_IN_MAX];
	ssize_t n = gds_carrier_read(c, buffer, sizeof(buffer));

	if (n > 0) {
		struct pollfd p = {.fd = gds_carrier_fd(c), .events = POLLOUT};

		for (ssize_t done = 0, w; done<n; done += w> 0 ? w : 0) {
			w = gds_carrier_write(c, buffer + done, (size_t)(n - done));
			if (w == GDS_AGAIN && poll(&p, 1, 0) == 0) {
				return 1;
			}
			if (w < 0 && w != GDS_AGAIN) {
				return 0;
			}
		}
	}
	return n > 0 || n == GDS_AGAIN;
}

static void serve(struct server *s)
{
	for (int i = 0; i < SERVED_MAX; i++) {
		if (s->served[i] && !echo(s->served[i])) {
			gds_carrier_close(s->served[i], GDS_CLOSE_CLEAN);
			s->served[i] = NULL;
		}
	}
}

/* --- The loop --- */

static void run(struct server *s)
{
	for (;;) {
		struct pollfd fds[3 + SERVED_MAX] = {{.fd = STDIN_FILENO, .events = POLLIN},
			{.fd = s->socket, .events = POLLIN}};
		struct gds_incoming *in;
		struct gds_interest want;
		gds_time now = gds_now(gds_env_system());

		gds_listener_interest(s->listener, &want);
		fds[2] = (struct pollfd){.fd = want.fd, .events = want.events};
		for (int i = 0; i < SERVED_MAX; i++) {
			fds[3 + i].fd = s->served[i] ? gds_carrier_fd(s->served[i]) : -1;
			fds[3 + i].events = POLLIN;
		}
		int ms = want.ready || want.deadline <= now ? 0
			 : want.deadline == GDS_NEVER
				 ? -1
				 : (int)((want.deadline - now) / GDS_MILLISECOND) + 1;

		poll(fds, 3 + SERVED_MAX, ms);
		if (fds[0].revents) {
			return;
		}
		if (fds[1].revents) {
			int fd = accept(s->socket, NULL, NULL);

			if (fd >= 0) {
				adopt(s, fd);
			}
		}
		serve(s);
		gds_listener_step(s->listener, gds_now(gds_env_system()));
		while (gds_listener_accept(s->listener, &in, GDS_AT_ONCE) == GDS_OK) {
			decide(s, in);
		}
	}
}

int main(int argc, char **argv)
{
	struct server s = {.socket = -1};
	struct gds_listener_options options = {.faces = GDS_FACE_TCP | GDS_FACE_UDP};
	struct gds_identity *identity = NULL;
	struct gds_complaint complaint = {.text = "cannot load the credentials"};
	unsigned port = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: server IDENTITY own|accepted|secured echo|tunnel|refuse\n");
		return 2;
	}
	s.folder = argv[1];
	s.form = argv[2];
	s.does = argv[3];
	if (strcmp(s.form, "own") != 0) {
		options.faces = 0;
		s.socket = listen_here(&port);
	}
	if (gds_identity_from_path(&identity, s.folder, &complaint) != GDS_OK ||
		gds_trust_new(&s.trust, identity, GDS_SERVER, &complaint) != GDS_OK ||
		load_credentials(&s) != 0) {
		fprintf(stderr, "server: %s\n", complaint.text);
		return 1;
	}
	options.trust = s.trust;
	if (gds_listener_new(&s.listener, &options, &complaint) != GDS_OK) {
		fprintf(stderr, "server: %s\n", complaint.text);
		return 1;
	}
	if (s.socket < 0) {
		port = gds_listener_address(s.listener)->port;
	}
	printf("port %u\n", port);
	fflush(stdout);
	run(&s);
	for (int i = 0; i < SERVED_MAX; i++) {
		gds_carrier_close(s.served[i], GDS_CLOSE_CLEAN);
	}
	gds_listener_close(s.listener, gds_within(GDS_SECOND));
	gds_listener_free(s.listener);
	gds_trust_unref(s.trust);
	gds_identity_free(identity);
	gnutls_certificate_free_credentials(s.credentials);
	if (s.socket >= 0) {
		close(s.socket);
	}
	return 0;
}
