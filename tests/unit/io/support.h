/* SPDX-License-Identifier: MIT */
/**
 * What the tests over real sockets share: loopback addresses, waiting with a limit, counting
 * descriptors.
 */
#ifndef TESTS_IO_SUPPORT_H
#define TESTS_IO_SUPPORT_H

#include "io/socket.h"

#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#define LIMIT_MS 5000

static inline struct gds_address loopback(int family, uint16_t port)
{
	struct gds_address a = {.family = (uint8_t)family, .port = port};

	if (family == 4) {
		a.ip[0] = 127;
		a.ip[3] = 1;
	} else {
		a.ip[15] = 1;
	}
	return a;
}

static inline struct gds_address own_address(int fd)
{
	struct sockaddr_storage s;
	socklen_t n = sizeof(s);
	struct gds_address a = {0};

	if (getsockname(fd, (struct sockaddr *)&s, &n) == 0) {
		(void)gds_address_from_sockaddr(&a, (struct sockaddr *)&s);
	}
	return a;
}

static inline int connect_to(int fd, const struct gds_address *to)
{
	struct sockaddr_storage s;
	socklen_t n = gds_address_to_sockaddr(to, &s);

	return connect(fd, (struct sockaddr *)&s, n);
}

/**
 * A socket of this type bound to a free loopback port. A stream socket does not listen yet: until
 * then its port is taken, and refuses.
 * \return -1: no such family here.
 */
static inline int bare_socket(int family, int type, struct gds_address *out)
{
	struct sockaddr_storage s;
	socklen_t n;
	int fd = socket(family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0);

	*out = loopback(family, 0);
	n = gds_address_to_sockaddr(out, &s);
	if (fd < 0 || bind(fd, (struct sockaddr *)&s, n) != 0) {
		if (fd >= 0) {
			close(fd);
		}
		return -1;
	}
	*out = own_address(fd);
	return fd;
}

/** The same, and listening when it is a stream. */
static inline int bound_socket(int family, int type, struct gds_address *out)
{
	int fd = bare_socket(family, type, out);

	if (fd >= 0 && type == SOCK_STREAM) {
		listen(fd, 16);
	}
	return fd;
}

/**
 * A UDP port that is ours and refuses: connected to itself, its socket is not the one that others
 * look for.
 */
static inline int refusing_udp(int family, struct gds_address *out)
{
	int fd = bare_socket(family, SOCK_DGRAM, out);

	if (fd >= 0) {
		connect_to(fd, out);
	}
	return fd;
}

/** \return true when the event came within the limit. */
static inline bool wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, LIMIT_MS) == 1;
}

static inline size_t count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (d && readdir(d)) {
		n++;
	}
	closedir(d);
	return n;
}

#endif
