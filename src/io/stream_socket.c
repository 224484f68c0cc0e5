/* SPDX-License-Identifier: MIT */
#include "io/socket_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

/*
 * Seconds without a byte until the kernel asks whether the peer is still there, as Go's net package
 * has it.
 */
#define KEEPALIVE 15

/*
 * The reads of a handshake. Without an immediate ACK a peer that has Nagle's algorithm on holds
 * back the second half of its flight for 40 ms (GNUTLS trap 35); a busy tunnel does not need a
 * system call more for each read.
 */
#define QUICK_READS 16

/*
 * What a close still reads, so that unread bytes do not turn the FIN into a reset (GNUTLS trap 36).
 */
#define DRAIN_BUFFER 16384
#define DRAIN_TURNS 16

static ssize_t stream_read(struct gds_carrier *c, void *buffer, size_t size)
{
	struct gds_socket *s = gds_socket_of(c);
	ssize_t n;

	do {
		n = recv(s->fd, buffer, size, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		int sys = errno;

		return sys == EAGAIN ? GDS_AGAIN : gds_socket_error(&c->why, sys);
	}
	if (n > 0 && s->reads < QUICK_READS) {
		int on = 1;

		s->reads++;
		(void)setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
	}
	return n == 0 && size > 0 ? GDS_EOF : n;
}

static ssize_t stream_write(struct gds_carrier *c, const void *data, size_t size)
{
	struct gds_socket *s = gds_socket_of(c);
	ssize_t n;

	do {
		n = send(s->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n >= 0) {
		s->blocked = (size_t)n < size;
		return n > 0 || size == 0 ? n : GDS_AGAIN;
	}
	int sys = errno;

	s->blocked = sys == EAGAIN;
	return s->blocked ? GDS_AGAIN : gds_socket_error(&c->why, sys);
}

static int stream_shut(struct gds_carrier *c)
{
	struct gds_socket *s = gds_socket_of(c);

	s->blocked = false;
	if (shutdown(s->fd, SHUT_WR) == 0) {
		return GDS_OK;
	}
	/* ENOTCONN: the peer's reset was already reported, or will be by the next read. */
	return gds_socket_error(&c->why, errno == ENOTCONN ? ECONNRESET : errno);
}

/* The kernel has taken all that was accepted. */
static int stream_flush(struct gds_carrier *c)
{
	(void)c;
	return GDS_OK;
}

static void drain(int fd)
{
	char bytes[DRAIN_BUFFER];

	for (int i = 0; i < DRAIN_TURNS; i++) {
		if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0) {
			return;
		}
	}
}

static void stream_close(struct gds_carrier *c, enum gds_close how)
{
	struct gds_socket *s = gds_socket_of(c);
	struct linger reset = {.l_onoff = 1, .l_linger = 0};

	switch (how) {
	case GDS_CLOSE_RESET:
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		break;
	case GDS_CLOSE_CLEAN:
		(void)shutdown(s->fd, SHUT_WR);
		drain(s->fd);
		break;
	case GDS_CLOSE_SILENT:
		drain(s->fd);
		break;
	}
	close(s->fd);
	gds_free(c->env, s);
}

const struct gds_carrier_ops gds_stream_socket_ops = {
	.read = stream_read,
	.write = stream_write,
	.shut = stream_shut,
	.flush = stream_flush,
	.interest = gds_socket_interest,
	.close = stream_close,
};

struct gds_carrier *gds_stream_socket_new(int fd, const struct gds_env *env)
{
	struct gds_carrier *c = gds_socket_new(fd, &gds_stream_socket_ops, false, env);
	int on = 1, seconds = KEEPALIVE;

	if (c) {
		/* An AF_UNIX socket knows none of these, and needs none. */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
		(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
	}
	return c;
}
