/* SPDX-License-Identifier: MIT */
/**
 * A client's attempt and a server, real sessions between them, and nothing but memory and a clock
 * of our own below: so that whatever can fail may be made to fail, one thing at a time.
 */
#ifndef GDS_TESTS_STREAM_WORLD_H
#define GDS_TESTS_STREAM_WORLD_H

#include "../tls/pair.h"

#include <gdstream/attempt.h>
#include <gdstream/demux.h>
#include <gdstream/serve.h>

enum { CLIENT, SERVER };

#define WORLD_WIRES 16

/** Memory of one side. */
struct world_heap {
	struct gds_env env;
	struct world *world;
	size_t allocations, fail_at; /* the fail_at-th fails; 0 = none */
	int live;		     /* blocks that were not freed yet */
};

struct world_wire {
	struct pair *pair;
	struct gds_address client; /* UDP: whom the server sees */
};

struct world_served {
	struct world *world;
	struct gds_machine *machine; /* NULL once it is over */
	struct pair *destination;
};

/** What the test chooses; zeroed = a health check over TLS 1.3. */
struct world_plan {
	enum gds_transport transport;
	enum gds_versions versions;
	/** Puts something over the socket of one side; NULL: nothing. */
	struct gds_carrier *(*wrap)(struct gds_carrier *, int side, void *ctx);
	bool tunnel;				/* a health check otherwise */
	void (*wire)(struct pair *, void *ctx); /* may change each wire, once it is made */
	void *ctx;
};

struct world {
	struct world_plan plan;
	gds_time now;
	struct world_heap heap[2];
	struct world_wire wires[WORLD_WIRES];
	size_t n_wires;
	struct world_served served[WORLD_WIRES];
	size_t n_served;
	struct gds_demux *demux;
	struct gds_machine *attempt;
	struct gds_scratch scratch;
	bool begun, over; /* of the attempt */
	struct gds_report report;
	struct gds_carrier *tunnel;
	size_t sent, received; /* [bytes] through the tunnel */
	bool passed;	       /* healthy, or all came back */
	bool busy;	       /* it turned round and round */
	const char *cause;
	struct gds_error served_why; /* of the server's last report */
};

/** Whose turn it is: allocations of GnuTLS belong to that side. */
extern int world_side;

/** Certificates for all worlds of a program: cmocka's group set-up and tear-down. */
int world_open(void **state);
int world_close(void **state);

void world_init(struct world *, const struct world_plan *);
/** To the end, or to the deadline of the attempt. Fills report, passed and cause. */
void world_run(struct world *);
/** Free all. \return blocks of both sides that nobody freed. */
int world_free(struct world *);

#endif
