/* SPDX-License-Identifier: MIT */
/** Inside server/ only: the server, its workers, their connections. */
#ifndef GDS_SERVER_SERVER_PRIVATE_H
#define GDS_SERVER_SERVER_PRIVATE_H

#include "io/resolver.h"
#include "io/socket.h"
#include "net/driver.h"
#include "net/loop.h"
#include "server/faults.h"
#include "server/http.h"
#include "server/server.h"

#include <gdstream/demux.h>

#include <pthread.h>
#include <stdatomic.h>

#define GDS_WORKERS_MAX 64

enum gds_counter {
	COUNT_TCP_ACCEPTED,
	COUNT_UDP_ACCEPTED,
	COUNT_HEALTH,
	COUNT_TUNNELS,
	COUNT_HTTP,
	COUNT_REFUSED,
	COUNT_UNREACHED,
	COUNT_HANDSHAKES_FAILED,
	COUNT_OPEN,
	COUNT_WAKEUPS,
	COUNTERS
};

/**
 * One thread: it shares nothing with the others but the server's constants (DESIGN: principle 7).
 */
struct gds_worker {
	struct gds_server *server;
	pthread_t thread;
	bool started; /* the thread has to be joined */
	int tcp, udp; /* owned */
	struct gds_loop *loop;
	struct gds_resolver *resolver;
	struct gds_driver *driver;
	struct gds_batch *batch;
	struct gds_demux *demux;
	struct gds_http *http;
	struct gds_scratch *scratch;
	struct gds_watch *tcp_watch, *udp_watch;
	struct gds_timer *resume; /* accepting was paused for want of descriptors */
	struct gds_timer *drain, *keys;
	bool accepting, stopping;
	struct gds_pass *leaked; /* of a fault: destinations that stay open */
	gds_time complain_again; /* mono: that there are no descriptors */
	size_t tcp_open, open;
	gds_time log_second; /* mono: since when log_lines counts */
	unsigned log_lines, log_suppressed;
	_Atomic uint64_t counters[COUNTERS]; /* written by the worker, read by gds_server_stats */
};

struct gds_server {
	struct gds_server_options o;
	struct gds_server_ops ops;
	struct gds_address address;
	struct gds_faults faults;
	struct gds_http_options http;
	char *info;	      /* the body of /info */
	pthread_mutex_t lock; /* of the log and the cookie keys */
	uint8_t cookie_keys[2][16];
	size_t n;
	struct gds_worker *workers;
};

/** One connection or session: what its machine's hooks are called with. */
struct gds_connection {
	struct gds_worker *worker;
	enum gds_transport transport;
	struct gds_binding *binding; /* NULL while it is being bound */
	bool ended;		     /* while it was being bound */
	gds_time established;	     /* mono: when its session stood; 0: not yet */
	/* Of faults. */
	bool answer; /* a health check that is answered */
	bool reset;  /* it is to end by a reset */
	bool dialling, tunnelled;
	bool return_dead;    /* nothing goes back to the client any more */
	gds_time sink_until; /* mono: its destination swallows all until then; 0: a real one */
};

/* worker.c */
int gds_worker_init(struct gds_worker *, struct gds_server *, int tcp, int udp);
void *gds_worker_run(void *worker);
/** Posted to the worker's loop: stop accepting, say goodbye. */
void gds_worker_drain(void *worker);
void gds_worker_deinit(struct gds_worker *);
/** The hook of a connection whose session stands. */
void gds_worker_established(void *connection, struct gds_carrier *below);

static inline void gds_count(struct gds_worker *w, enum gds_counter c, uint64_t by)
{
	atomic_fetch_add_explicit(&w->counters[c], by, memory_order_relaxed);
}

/* server.c */
void gds_server_log(struct gds_server *, enum gds_log_level, const struct gds_log_line *);
/** The cookie keys of now; rotate: make a new one first. */
void gds_server_cookie_keys(struct gds_server *, bool rotate, uint8_t keys[2][16]);

/* report.c: the outcome of a connection as counter and log line. */
void gds_connection_ended(void *connection, const struct gds_serve_report *);

#endif
