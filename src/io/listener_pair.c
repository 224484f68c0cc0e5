/* SPDX-License-Identifier: MIT */
/* A destination inside of the process: a kernel pair, so that its two ends may live in different
 * threads and loops. */
#include "io/listener_private.h"
#include "io/socket_private.h"

#include <errno.h>
#include <unistd.h>

/* Boundaries of datagrams and an end: AF_UNIX with SOCK_SEQPACKET. No datagram here is empty
 * (UDP-18), so nothing is the end. */
static ssize_t packet_read(struct gds_carrier *c, void *buffer, size_t size)
{
	struct gds_socket *s = gds_socket_of(c);

	for (;;) {
		ssize_t n = recv(s->fd, buffer, size, MSG_DONTWAIT | MSG_TRUNC);

		if (n == 0) {
			return GDS_EOF;
		}
		if (n > 0 && (size_t)n <= size) {
			return n;
		}
		if (n > 0) {
			c->dropped++; /* whole or not at all (UDP-06) */
		} else if (errno == EAGAIN) {
			return GDS_AGAIN;
		} else if (errno == ECONNRESET) {
			return GDS_EOF; /* the other end was closed with something unread */
		} else if (errno != EINTR) {
			return gds_socket_error(&c->why, errno);
		}
	}
}

static ssize_t packet_write(struct gds_carrier *c, const void *data, size_t size)
{
	struct gds_socket *s = gds_socket_of(c);
	ssize_t n;

	if (size == 0) {
		c->dropped++; /* UDP-18 */
		return 0;
	}
	if (size > GDS_DATAGRAM_IN_MAX) {
		return GDS_E_LIMIT;
	}
	do {
		n = send(s->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	s->blocked = n < 0 && (errno == EAGAIN || errno == ENOBUFS);
	if (n >= 0) {
		return n;
	}
	return s->blocked ? GDS_AGAIN : gds_socket_error(&c->why, errno);
}

static int packet_nothing(struct gds_carrier *c)
{
	(void)c;
	return GDS_OK;
}

static void packet_close(struct gds_carrier *c, enum gds_close how)
{
	struct gds_socket *s = gds_socket_of(c);

	(void)how;
	close(s->fd);
	gds_free(c->env, s);
}

static const struct gds_carrier_ops packet_ops = {
	.read = packet_read,
	.write = packet_write,
	.shut = packet_nothing,
	.flush = packet_nothing,
	.interest = gds_socket_interest,
	.close = packet_close,
};

int gds_pair_new(
	struct gds_carrier *ends[2], enum gds_transport transport, const struct gds_env *env)
{
	int type = transport == GDS_UDP ? SOCK_SEQPACKET : SOCK_STREAM;
	int fds[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
		return gds_status_from_errno(errno);
	}
	for (int i = 0; i < 2; i++) {
		ends[i] = transport == GDS_UDP ? gds_socket_new(fds[i], &packet_ops, true, env)
					       : gds_stream_socket_new(fds[i], env);
	}
	if (ends[0] && ends[1]) {
		return GDS_OK;
	}
	for (int i = 0; i < 2; i++) {
		if (ends[i]) {
			gds_carrier_close(ends[i], GDS_CLOSE_SILENT);
		} else {
			close(fds[i]);
		}
	}
	return GDS_E_NOMEM;
}
