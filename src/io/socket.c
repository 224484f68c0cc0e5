/* SPDX-License-Identifier: MIT */
#include "io/socket_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

socklen_t gds_address_to_sockaddr(const struct gds_address *address, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (address->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons(address->port);
		memcpy(&in->sin_addr, address->ip, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(address->port);
	in6->sin6_scope_id = address->scope;
	memcpy(&in6->sin6_addr, address->ip, 16);
	return sizeof(*in6);
}

int gds_address_from_sockaddr(struct gds_address *out, const struct sockaddr *from)
{
	*out = (struct gds_address){0};
	if (from->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, from, sizeof(in));
		out->family = 4;
		out->port = ntohs(in.sin_port);
		memcpy(out->ip, &in.sin_addr, 4);
		return GDS_OK;
	}
	if (from->sa_family != AF_INET6) {
		return GDS_E_INVALID;
	}
	struct sockaddr_in6 in6;

	memcpy(&in6, from, sizeof(in6));
	out->port = ntohs(in6.sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
		/*
		 * A dual-stack socket shows IPv4 peers so: to the rest of the program they are
		 * IPv4.
		 */
		out->family = 4;
		memcpy(out->ip, in6.sin6_addr.s6_addr + 12, 4);
		return GDS_OK;
	}
	out->family = 6;
	out->scope = in6.sin6_scope_id;
	memcpy(out->ip, &in6.sin6_addr, 16);
	return GDS_OK;
}

struct gds_carrier *gds_socket_new(
	int fd, const struct gds_carrier_ops *ops, bool datagram, const struct gds_env *env)
{
	struct gds_socket *s = gds_alloc(env, sizeof(*s));

	if (!s) {
		return NULL;
	}
	s->carrier = (struct gds_carrier){.ops = ops, .env = env, .datagram = datagram};
	s->fd = fd;
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return &s->carrier;
}

void gds_socket_interest(struct gds_carrier *c, struct gds_interest *out)
{
	const struct gds_socket *s = gds_socket_of(c);

	*out = (struct gds_interest){
		.fd = s->fd,
		.events = s->blocked ? POLLIN | POLLOUT : POLLIN,
		.deadline = GDS_NEVER,
	};
}

int gds_socket_error(struct gds_error *why, int sys)
{
	*why = (struct gds_error){.code = gds_status_from_errno(sys), .sys = sys};
	switch (why->code) {
	case GDS_E_REFUSED:
	case GDS_E_RESET:
		why->origin = GDS_PEER;
		break;
	case GDS_E_UNREACHABLE:
	case GDS_E_TIMEOUT:
		why->origin = GDS_PATH;
		break;
	default:
		why->origin = GDS_LOCAL;
		break;
	}
	return why->code;
}

void gds_socket_allow_fragments(int fd, int family)
{
	int never = IP_PMTUDISC_DONT, never6 = IPV6_PMTUDISC_DONT;

	/*
	 * GNUTLS trap 26: deliberately. A DTLS record is one datagram of up to 16 KiB (UDP-09), so
	 * it has to be cut somewhere; with path MTU discovery the kernel would refuse it (EMSGSIZE)
	 * as soon as it has learnt the MTU.
	 */
	(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &never, sizeof(never));
	if (family == AF_INET6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &never6, sizeof(never6));
	}
}

int gds_carrier_fd(const struct gds_carrier *c)
{
	for (; c; c = c->below) {
		/* All kinds of socket carrier wait alike. */
		if (c->ops->interest == gds_socket_interest) {
			return ((const struct gds_socket *)c)->fd;
		}
	}
	return -1;
}
