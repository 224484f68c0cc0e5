/* SPDX-License-Identifier: MIT */
#include "io/socket_private.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <unistd.h>

/* Datagrams that one call drops before it lets others have their turn; poll brings us back. */
#define DROPS_A_CALL 64
/* Entries of the error queue that one call reads. */
#define ERRORS_A_CALL 32

/* What one look at the error queue found. */
struct network_error {
	bool found;
	int sys;
	uint8_t origin, type, code;
};

static bool read_error(int fd, struct network_error *out)
{
	char space[512]; /* for sock_extended_err and the offender's address */
	char none[1];
	struct iovec iov = {none, sizeof(none)};
	struct msghdr message = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space)};

	if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
		return false;
	}
	for (struct cmsghdr *m = CMSG_FIRSTHDR(&message); m; m = CMSG_NXTHDR(&message, m)) {
		struct sock_extended_err e;

		if ((m->cmsg_level == IPPROTO_IP && m->cmsg_type == IP_RECVERR) ||
			(m->cmsg_level == IPPROTO_IPV6 && m->cmsg_type == IPV6_RECVERR)) {
			memcpy(&e, CMSG_DATA(m), sizeof(e));
			*out = (struct network_error){
				true, (int)e.ee_errno, e.ee_origin, e.ee_type, e.ee_code};
		}
	}
	return true;
}

/*
 * Empty the queue: what is left there keeps POLLERR set, and the loop would spin. \return the first
 * ICMP error.
 */
static struct network_error take_errors(int fd)
{
	struct network_error first = {0}, next = {0};

	for (int i = 0; i < ERRORS_A_CALL && read_error(fd, &next); i++) {
		bool icmp = next.found &&
			    (next.origin == SO_EE_ORIGIN_ICMP || next.origin == SO_EE_ORIGIN_ICMP6);

		if (icmp && !first.found) {
			first = next;
		}
	}
	return first;
}

static bool is_port_unreachable(const struct network_error *icmp)
{
	return icmp->origin == SO_EE_ORIGIN_ICMP
		       ? icmp->type == ICMP_DEST_UNREACH && icmp->code == ICMP_PORT_UNREACH
		       : icmp->type == ICMP6_DST_UNREACH && icmp->code == ICMP6_DST_UNREACH_NOPORT;
}

/*
 * A call failed: with a local reason, or with what the network said about an earlier datagram.
 * \return the status.
 */
static int failed(struct gds_socket *s, int sys, bool *from_network)
{
	struct gds_error *why = &s->carrier.why;
	struct network_error icmp = take_errors(s->fd);

	*from_network = icmp.found;
	gds_socket_error(why, icmp.found ? icmp.sys : sys);
	if (icmp.found && why->sys != EMSGSIZE) {
		/*
		 * By type and code: an ICMPv6 "administratively prohibited" has errno EACCES, as if
		 * it were ours.
		 */
		why->code = is_port_unreachable(&icmp) ? GDS_E_REFUSED : GDS_E_UNREACHABLE;
		why->origin = GDS_PATH;
		why->icmp_type = icmp.type;
		why->icmp_code = icmp.code;
	}
	return why->code;
}

static ssize_t datagram_read(struct gds_carrier *c, void *buffer, size_t size)
{
	struct gds_socket *s = gds_socket_of(c);

	for (int i = 0; i < DROPS_A_CALL; i++) {
		ssize_t n = recv(s->fd, buffer, size, MSG_DONTWAIT | MSG_TRUNC);

		if (n > 0 && (size_t)n <= size) {
			return n;
		}
		if (n >= 0) {
			c->dropped++; /* UDP-18, UDP-10 */
			continue;
		}
		if (errno == EAGAIN) {
			return GDS_AGAIN;
		}
		if (errno != EINTR) {
			bool from_network;
			int code = failed(s, errno, &from_network);

			/* "Packet too big": the kernel fragments from now on, nothing to tell. */
			if (code != GDS_E_LIMIT) {
				return code;
			}
		}
	}
	return GDS_AGAIN;
}

static ssize_t datagram_write(struct gds_carrier *c, const void *data, size_t size)
{
	struct gds_socket *s = gds_socket_of(c);
	bool from_network = true;
	int code = GDS_E_LIMIT;

	if (size == 0) {
		c->dropped++; /* UDP-18 */
		return 0;
	}
	/* A second try when what failed was not this datagram but news of a path MTU. */
	for (int i = 0; i < 2 && code == GDS_E_LIMIT && from_network; i++) {
		ssize_t n;

		do {
			n = send(s->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		} while (n < 0 && errno == EINTR);
		s->blocked = n < 0 && errno == EAGAIN;
		if (n >= 0) {
			return n;
		}
		if (s->blocked) {
			return GDS_AGAIN;
		}
		if (errno == ENOBUFS) {
			/*
			 * Only told because of IP_RECVERR: the device's queue dropped it. Lost, as
			 * UDP may.
			 */
			c->dropped++;
			return (ssize_t)size;
		}
		code = failed(s, errno, &from_network);
	}
	return code;
}

/* Datagrams have no end to announce. */
static int datagram_shut(struct gds_carrier *c)
{
	(void)c;
	return GDS_OK;
}

static int datagram_flush(struct gds_carrier *c)
{
	(void)c;
	return GDS_OK;
}

static void datagram_close(struct gds_carrier *c, enum gds_close how)
{
	struct gds_socket *s = gds_socket_of(c);

	(void)how;
	close(s->fd);
	gds_free(c->env, s);
}

const struct gds_carrier_ops gds_datagram_socket_ops = {
	.read = datagram_read,
	.write = datagram_write,
	.shut = datagram_shut,
	.flush = datagram_flush,
	.interest = gds_socket_interest,
	.close = datagram_close,
};

struct gds_carrier *gds_datagram_socket_new(int fd, const struct gds_env *env)
{
	struct gds_carrier *c = gds_socket_new(fd, &gds_datagram_socket_ops, true, env);
	int family = AF_INET, on = 1;
	socklen_t n = sizeof(family);

	if (c) {
		(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &n);
		gds_socket_allow_fragments(fd, family);
		(void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
		if (family == AF_INET6) {
			(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
		}
	}
	return c;
}
