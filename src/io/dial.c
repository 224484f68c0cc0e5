/* SPDX-License-Identifier: MIT */
#include "io/socket_private.h"

#include <errno.h>
#include <unistd.h>

static int fail(struct gds_dial *dial, struct gds_error *why, int sys)
{
	gds_dial_cancel(dial);
	gds_socket_error(why, sys);
	if (sys == EADDRNOTAVAIL || sys == EAFNOSUPPORT) {
		/*
		 * No address of that family on this machine: there is no way there, which is how a
		 * race takes it.
		 */
		why->code = GDS_E_UNREACHABLE;
	}
	return why->code;
}

/*
 * TCP's simultaneous open lets a socket connect to itself when the port dialled is a free one of
 * the ephemeral range and happens to be chosen for our own end too. Nobody listens there, so that
 * is what is said.
 */
static bool is_self_connected(int fd)
{
	struct sockaddr_storage own, peer;
	struct gds_address a, b;
	socklen_t own_size = sizeof(own), peer_size = sizeof(peer);

	return getsockname(fd, (struct sockaddr *)&own, &own_size) == 0 &&
	       getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 &&
	       gds_address_from_sockaddr(&a, (struct sockaddr *)&own) == GDS_OK &&
	       gds_address_from_sockaddr(&b, (struct sockaddr *)&peer) == GDS_OK &&
	       gds_address_equal(&a, &b);
}

static int connected(struct gds_dial *dial, struct gds_error *why)
{
	if (dial->transport == GDS_TCP && is_self_connected(dial->fd)) {
		return fail(dial, why, ECONNREFUSED);
	}
	return GDS_OK;
}

int gds_dial_start(struct gds_dial *dial, enum gds_transport transport,
	const struct gds_address *to, struct gds_error *why)
{
	struct sockaddr_storage address;
	socklen_t n = gds_address_to_sockaddr(to, &address);
	int type = transport == GDS_UDP ? SOCK_DGRAM : SOCK_STREAM;

	*why = (struct gds_error){0};
	dial->transport = transport;
	dial->fd = socket(address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (dial->fd < 0) {
		return fail(dial, why, errno);
	}
	if (connect(dial->fd, (struct sockaddr *)&address, n) == 0) {
		return connected(dial, why);
	}
	/* EINTR: the connect goes on by itself (POSIX connect). */
	return errno == EINPROGRESS || errno == EINTR ? GDS_AGAIN : fail(dial, why, errno);
}

int gds_dial_check(struct gds_dial *dial, struct gds_error *why)
{
	struct sockaddr_storage peer;
	socklen_t n = sizeof(peer), size = sizeof(int);
	int sys = 0;

	*why = (struct gds_error){0};
	if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &sys, &size) != 0) {
		sys = errno;
	}
	if (sys != 0) {
		return fail(dial, why, sys);
	}
	/* No error is no success yet: a spurious wake-up must not hand out half a connection. */
	if (getpeername(dial->fd, (struct sockaddr *)&peer, &n) != 0) {
		return errno == ENOTCONN ? GDS_AGAIN : fail(dial, why, errno);
	}
	return connected(dial, why);
}

struct gds_carrier *gds_dial_take(struct gds_dial *dial, const struct gds_env *env)
{
	struct gds_carrier *c = dial->transport == GDS_UDP ? gds_datagram_socket_new(dial->fd, env)
							   : gds_stream_socket_new(dial->fd, env);

	if (!c) {
		gds_dial_cancel(dial);
	}
	dial->fd = -1;
	return c;
}

void gds_dial_cancel(struct gds_dial *dial)
{
	if (dial->fd >= 0) {
		close(dial->fd);
	}
	dial->fd = -1;
}
