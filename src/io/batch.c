/* SPDX-License-Identifier: MIT */
#include "io/socket_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/*
 * What waits for one sendmmsg [bytes]: 32 of an Ethernet's size, or 8 full DTLS records; any
 * datagram fits.
 */
#define SEND_SPACE (128 * 1024)
#define UDP_MAX 65507

struct gds_batch {
	const struct gds_env *env;
	int fd;
	uint64_t dropped;

	struct mmsghdr in[GDS_BATCH];
	struct iovec in_parts[GDS_BATCH];
	struct sockaddr_storage in_peers[GDS_BATCH];
	int kept[GDS_BATCH]; /* indices of those that are neither empty nor cut */
	uint8_t in_bytes[GDS_BATCH][GDS_BATCH_DATAGRAM];

	struct mmsghdr out[GDS_BATCH];
	struct iovec out_parts[GDS_BATCH];
	struct sockaddr_storage out_peers[GDS_BATCH];
	unsigned queued;
	size_t used; /* [bytes] of out_bytes */
	uint8_t out_bytes[SEND_SPACE];
};

struct gds_batch *gds_batch_new(int udp_fd, const struct gds_env *env)
{
	struct gds_batch *batch = gds_alloc(env, sizeof(*batch));

	if (!batch) {
		return NULL;
	}
	batch->env = env;
	batch->fd = udp_fd;
	for (size_t i = 0; i < GDS_BATCH; i++) {
		batch->in_parts[i] = (struct iovec){batch->in_bytes[i], GDS_BATCH_DATAGRAM};
		batch->in[i].msg_hdr.msg_iov = &batch->in_parts[i];
		batch->in[i].msg_hdr.msg_iovlen = 1;
		batch->in[i].msg_hdr.msg_name = &batch->in_peers[i];
		batch->out[i].msg_hdr.msg_iov = &batch->out_parts[i];
		batch->out[i].msg_hdr.msg_iovlen = 1;
		batch->out[i].msg_hdr.msg_name = &batch->out_peers[i];
	}
	return batch;
}

int gds_batch_receive(struct gds_batch *batch)
{
	int n, kept = 0;

	for (size_t i = 0; i < GDS_BATCH; i++) {
		batch->in[i].msg_hdr.msg_namelen = sizeof(batch->in_peers[i]);
	}
	n = recvmmsg(batch->fd, batch->in, GDS_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : gds_status_from_errno(errno);
	}
	for (int i = 0; i < n; i++) {
		/* UDP-18, UDP-10: neither an empty nor a cut one is what the peer sent. */
		if (batch->in[i].msg_len == 0 || batch->in[i].msg_hdr.msg_flags & MSG_TRUNC) {
			batch->dropped++;
		} else {
			batch->kept[kept++] = i;
		}
	}
	return kept;
}

const uint8_t *gds_batch_get(
	const struct gds_batch *batch, int i, size_t *n, struct gds_address *peer)
{
	int at = batch->kept[i];

	*n = batch->in[at].msg_len;
	(void)gds_address_from_sockaddr(peer, (const struct sockaddr *)&batch->in_peers[at]);
	return batch->in_bytes[at];
}

void gds_batch_send(
	struct gds_batch *batch, const struct gds_address *to, const uint8_t *data, size_t n)
{
	unsigned i;

	if (n > UDP_MAX) {
		batch->dropped++;
		return;
	}
	if (batch->queued == GDS_BATCH || n > SEND_SPACE - batch->used) {
		gds_batch_flush(batch);
	}
	i = batch->queued++;
	/* A dual-stack socket takes an IPv4 address as it is: Linux, udpv6_sendmsg. */
	batch->out[i].msg_hdr.msg_namelen = gds_address_to_sockaddr(to, &batch->out_peers[i]);
	batch->out_parts[i] = (struct iovec){batch->out_bytes + batch->used, n};
	memcpy(batch->out_bytes + batch->used, data, n);
	batch->used += n;
}

void gds_batch_flush(struct gds_batch *batch)
{
	unsigned done = 0;

	while (done < batch->queued) {
		int n = sendmmsg(batch->fd, batch->out + done, batch->queued - done,
			MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			done += (unsigned)n;
		} else if (n < 0 && errno == EAGAIN) {
			/*
			 * The device is slower than we: what waited longer would only come later.
			 */
			batch->dropped += batch->queued - done;
			done = batch->queued;
		} else if (n == 0 || errno != EINTR) {
			/* The first of the rest cannot be sent; the others go to other peers. */
			batch->dropped++;
			done++;
		}
	}
	batch->queued = 0;
	batch->used = 0;
}

uint64_t gds_batch_dropped(const struct gds_batch *batch)
{
	return batch->dropped;
}

void gds_batch_free(struct gds_batch *batch)
{
	if (batch) {
		gds_free(batch->env, batch);
	}
}
