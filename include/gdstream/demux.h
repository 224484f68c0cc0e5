/* SPDX-License-Identifier: MIT */
/**
 * One UDP socket, many DTLS sessions: by peer address, cookie before state (UDP-03, UDP-13, UDP-19,
 * UDP-22).
 */
#ifndef GDSTREAM_DEMUX_H
#define GDSTREAM_DEMUX_H

#include <gdstream/address.h>
#include <gdstream/api.h>
#include <gdstream/session.h>

GDS_BEGIN_DECLS

struct gds_datagram {
	struct gds_address peer;
	const uint8_t *data;
	size_t n;
};

#define GDS_HELLO_REPLY_MAX 64
/** What a ClientHello is answered with. */
enum gds_hello {
	GDS_HELLO_COOKIE, /* by the cookie exchange, as it should be */
	GDS_HELLO_REPLY,  /* by these bytes; none: not at all */
	GDS_HELLO_ACCEPT, /* by a session, at once */
};

struct gds_demux;
struct gds_demux_ops {
	/** Send a datagram from the shared socket; may queue until the end of the batch. */
	void (*send)(void *ctx, const struct gds_address *to, const uint8_t *data, size_t n);
	/**
	 * A peer proved its address. The slot carrier holds the ClientHello for as long as this
	 * call: whoever serves it
	 * owns and closes the carrier, and steps its machine before returning.
	 * \return a token for wake; NULL when it is not served: the carrier is then closed by the
	 * demux, unless its
	 * machine has already done so.
	 */
	void *(*accepted)(void *ctx, struct gds_carrier *slot, const struct gds_address *peer,
		const struct gds_prestate *);
	/**
	 * The slot of this token has a datagram: step its machine before returning (DESIGN:
	 * principle 13).
	 */
	void (*wake)(void *ctx, void *token);
	/** A newer session of the same address took over (UDP-13): end the old one silently. */
	void (*replaced)(void *ctx, void *token);
	/**
	 * Answer a ClientHello in place of the cookie exchange: a deliberate fault. NULL: none.
	 * \param lives a session of that address stands. \param n in: room, out: bytes of reply.
	 */
	enum gds_hello (*hello)(
		void *ctx, const struct gds_datagram *, bool lives, uint8_t *reply, size_t *n);
};

struct gds_demux_options {
	size_t max_sessions; /* 0 = 4096; beyond it ClientHellos are ignored and counted */
	uint8_t cookie_key[2]
			  /* [0] current, [1] previous: belong to the process, so that all workers
			     agree */
			  [16];
	const struct gds_env *env;
};

struct gds_demux_stats {
	size_t sessions;
	uint64_t cookies_sent, ignored, over_limit;
};

/** \return NULL without memory or randomness. */
struct gds_demux *gds_demux_new(
	const struct gds_demux_options *, const struct gds_demux_ops *, void *ctx);
/** Hand in one datagram. Its owner is stepped (ops->wake) before this returns. */
void gds_demux_input(struct gds_demux *, const struct gds_datagram *, gds_time now);
/**
 * A candidate session of this slot finished its handshake: it replaces the old one of the same
 * address. Harmless otherwise.
 */
void gds_demux_established(struct gds_demux *, struct gds_carrier *slot);
/** New cookie keys: [0] current, [1] the one before, still good. */
void gds_demux_keys(struct gds_demux *, const uint8_t keys[2][16]);
/** From now on no ClientHello is answered: the server drains. */
void gds_demux_drain(struct gds_demux *);
const struct gds_demux_stats *gds_demux_stats(const struct gds_demux *);
/** All slots must have been closed before. Accepts NULL. */
void gds_demux_free(struct gds_demux *);

GDS_END_DECLS

#endif
