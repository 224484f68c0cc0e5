/* SPDX-License-Identifier: MIT */
#include "io/socket_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

/* Free TCP ports whose UDP twin is taken, until a person has to choose. */
#define PORTS_TRIED 16
#define BACKLOG 4096
/*
 * A burst of clients, or of 16 KiB datagrams, while a worker is busy with a handshake [bytes]. The
 * kernel caps it.
 */
#define UDP_BUFFER (4 * 1024 * 1024)

/* A member of the pair: bound, and for TCP listening. */
struct member {
	int type;
	const char *name;
};

static const struct member tcp_member = {SOCK_STREAM, "TCP"}, udp_member = {SOCK_DGRAM, "UDP"};

static void set(int fd, int level, int option, int value)
{
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* \return the descriptor, or -1 with errno. */
static int open_bound(const struct gds_address *address, int type, bool shared)
{
	struct sockaddr_storage to;
	socklen_t n = gds_address_to_sockaddr(address, &to);
	int fd = socket(to.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0) {
		return -1;
	}
	if (type == SOCK_STREAM) {
		/*
		 * Connections of the past in TIME_WAIT do not count; a listening socket still does.
		 */
		set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	} else {
		gds_socket_allow_fragments(fd, to.ss_family);
		set(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER);
		set(fd, SOL_SOCKET, SO_SNDBUF, UDP_BUFFER);
	}
	if (to.ss_family == AF_INET6) {
		/* "::" means both families, whatever this machine's default is. */
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	}
	if (shared) {
		set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	}
	if (bind(fd, (struct sockaddr *)&to, n) != 0 ||
		(type == SOCK_STREAM && shared && listen(fd, BACKLOG) != 0)) {
		int sys = errno;

		close(fd);
		errno = sys;
		return -1;
	}
	return fd;
}

/*
 * The first of a group is bound alone, so that a port in use is seen even when its user would share
 * it (SO_REUSEPORT of another gdserver). Linux looks at the option of both sockets when the next
 * one is bound: set afterwards, it opens the group without a moment in which the port is free.
 */
static int open_first(const struct gds_address *address, int type)
{
	int fd = open_bound(address, type, false);

	if (fd < 0) {
		return -1;
	}
	set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (type == SOCK_STREAM && listen(fd, BACKLOG) != 0) {
		int sys = errno;

		close(fd);
		errno = sys;
		return -1;
	}
	return fd;
}

static int read_port(int fd, uint16_t *port)
{
	struct sockaddr_storage own;
	struct gds_address address;
	socklen_t n = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &n) != 0 ||
		gds_address_from_sockaddr(&address, (struct sockaddr *)&own) != GDS_OK) {
		return -1;
	}
	*port = address.port;
	return 0;
}

static int complain(
	const struct gds_address *address, const struct member *m, struct gds_complaint *complaint)
{
	char text[GDS_ADDRESS_TEXT];
	int sys = errno, code = gds_status_from_errno(sys);
	const char *todo = strerror(sys);

	switch (code) {
	case GDS_E_IN_USE:
		todo = "the address is in use: stop what uses it, or choose another port";
		break;
	case GDS_E_PERMISSION:
		todo = "not permitted: ports below 1024 need root or CAP_NET_BIND_SERVICE";
		break;
	case GDS_E_DESCRIPTORS:
		todo = "no file descriptor is left: raise the limit (ulimit -n)";
		break;
	default:
		code = GDS_E_IO;
		if (sys == EADDRNOTAVAIL) {
			todo = "no interface of this machine has that address";
		}
		break;
	}
	return gds_complain(complaint, code, "cannot listen on %s (%s): %s",
		gds_address_format(address, text), m->name, todo);
}

static void close_all(size_t n, int *fds)
{
	for (size_t i = 0; i < n; i++) {
		if (fds[i] >= 0) {
			close(fds[i]);
		}
		fds[i] = -1;
	}
}

/* The first of both groups, on one number. \return GDS_OK or the complaint's code. */
static int open_pair(struct gds_address *bound, int *tcp, int *udp, struct gds_complaint *complaint)
{
	const uint16_t wanted = bound->port;
	int rc;

	for (int i = 0;; i++) {
		bound->port = wanted;
		*tcp = open_first(bound, SOCK_STREAM);
		if (*tcp < 0 || read_port(*tcp, &bound->port) != 0) {
			rc = complain(bound, &tcp_member, complaint);
			break;
		}
		*udp = open_first(bound, SOCK_DGRAM);
		if (*udp >= 0) {
			return GDS_OK;
		}
		rc = complain(bound, &udp_member, complaint);
		if (wanted != 0 || rc != GDS_E_IN_USE || i + 1 == PORTS_TRIED) {
			break;
		}
		close_all(1, tcp);
	}
	close_all(1, tcp);
	return rc;
}

int gds_listen_pair(const struct gds_address *address, size_t n, int *tcp, int *udp,
	struct gds_address *bound, struct gds_complaint *complaint)
{
	int rc;

	*bound = *address;
	for (size_t i = 0; i < n; i++) {
		tcp[i] = udp[i] = -1;
	}
	rc = open_pair(bound, &tcp[0], &udp[0], complaint);
	for (size_t i = 1; i < n && rc == GDS_OK; i++) {
		tcp[i] = open_bound(bound, SOCK_STREAM, true);
		if (tcp[i] < 0) {
			rc = complain(bound, &tcp_member, complaint);
			break;
		}
		udp[i] = open_bound(bound, SOCK_DGRAM, true);
		if (udp[i] < 0) {
			rc = complain(bound, &udp_member, complaint);
		}
	}
	if (rc != GDS_OK) {
		close_all(n, tcp);
		close_all(n, udp);
	}
	return rc;
}

int gds_listen_one(const struct gds_address *address, enum gds_transport transport, int *fd,
	struct gds_address *bound, struct gds_complaint *complaint)
{
	const struct member *m = transport == GDS_UDP ? &udp_member : &tcp_member;
	int rc;

	*bound = *address;
	*fd = open_bound(address, m->type, false);
	if (*fd >= 0 && read_port(*fd, &bound->port) == 0 &&
		(transport == GDS_UDP || listen(*fd, BACKLOG) == 0)) {
		return GDS_OK;
	}
	rc = complain(bound, m, complaint);
	close_all(1, fd);
	return rc;
}
