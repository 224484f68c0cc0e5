/* SPDX-License-Identifier: MIT */
/**
 * What bytes or datagrams travel over: a socket, a slot of the demultiplexer, a TLS session, and
 * whatever is stacked between them. All calls are non-blocking.
 */
#ifndef GDSTREAM_CARRIER_H
#define GDSTREAM_CARRIER_H

#include <gdstream/api.h>
#include <gdstream/env.h>

#include <stdbool.h>
#include <sys/types.h>

GDS_BEGIN_DECLS

enum gds_transport { GDS_TCP, GDS_UDP };

/** How to end: say goodbye; reset at once; vanish without a word. */
enum gds_close { GDS_CLOSE_CLEAN, GDS_CLOSE_RESET, GDS_CLOSE_SILENT };

/** What a carrier or machine waits for. */
struct gds_interest {
	int fd;		   /* -1: woken by its owner (a slot of the demultiplexer), not by poll */
	short events;	   /* POLLIN, POLLOUT */
	bool ready;	   /* bytes are already here: do not wait */
	gds_time deadline; /* call again at this time at the latest; GDS_NEVER */
};

struct gds_carrier;

struct gds_carrier_ops {
	/**
	 * Read what is there. On a datagram carrier one call is one datagram; one that does not fit
	 * is dropped and counted, empty ones are skipped (UDP-18). \return > 0 bytes; GDS_AGAIN;
	 * GDS_EOF (FIN or close_notify); an error, details in why.
	 */
	ssize_t (*read)(struct gds_carrier *, void *buffer, size_t size);
	/**
	 * Write. What is accepted is owned by the carrier and will be sent by flush.
	 * \return bytes accepted (datagram: all or none); GDS_AGAIN; GDS_E_LIMIT (datagram too
	 * long: nothing sent, carrier lives on); an error, details in why.
	 */
	ssize_t (*write)(struct gds_carrier *, const void *data, size_t size);
	/** Announce the end of our direction: FIN, close_notify. Reading goes on. GDS_OK,
	 * GDS_AGAIN, error. */
	int (*shut)(struct gds_carrier *);
	/** Push out what write accepted. GDS_OK when nothing is left, GDS_AGAIN, error. */
	int (*flush)(struct gds_carrier *);
	/** Fill what to wait for. Reading is always wanted (the caller masks it), writing when
	 * output is queued. */
	void (*interest)(struct gds_carrier *, struct gds_interest *out);
	/** End and free this carrier and all below it. Never blocks, never fails. */
	void (*close)(struct gds_carrier *, enum gds_close how);
};

struct gds_carrier {
	const struct gds_carrier_ops *ops;
	struct gds_carrier *below; /* owned; NULL at the bottom */
	const struct gds_env *env; /* borrowed, outlives the carrier */
	struct gds_error why;	   /* the last error */
	bool datagram;
	uint64_t dropped; /* datagrams dropped: too long, empty, queue full */
};

static inline ssize_t gds_carrier_read(struct gds_carrier *c, void *buffer, size_t size)
{
	return c->ops->read(c, buffer, size);
}

static inline ssize_t gds_carrier_write(struct gds_carrier *c, const void *data, size_t size)
{
	return c->ops->write(c, data, size);
}

static inline int gds_carrier_shut(struct gds_carrier *c)
{
	return c->ops->shut(c);
}

static inline int gds_carrier_flush(struct gds_carrier *c)
{
	return c->ops->flush(c);
}

static inline void gds_carrier_interest(struct gds_carrier *c, struct gds_interest *out)
{
	c->ops->interest(c, out);
}

/** Accepts NULL. */
static inline void gds_carrier_close(struct gds_carrier *c, enum gds_close how)
{
	if (c) {
		c->ops->close(c, how);
	}
}

GDS_END_DECLS

#endif
