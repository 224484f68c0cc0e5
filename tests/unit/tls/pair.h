/* SPDX-License-Identifier: MIT */
/**
 * Two carriers joined in memory, streams or datagrams, with a script for what goes wrong on the
 * way.
 */
#ifndef TESTS_TLS_PAIR_H
#define TESTS_TLS_PAIR_H

#include <gdstream/carrier.h>

#define PAIR_QUEUE 512 /* datagrams on the way, each direction */

struct pair_end;
struct pair {
	struct pair_end *end[2]; /* NULL once closed */
	unsigned references;
	gds_time now; /* the pair's clock when fake_clock */
	struct gds_env env;
	bool fake_clock;
	size_t fail_after; /* allocations until one fails; 0 = never */
	size_t allocations;
	int64_t wall_shift; /* [ns] added to the wall clock */
};

struct pair_end {
	struct gds_carrier carrier;
	struct pair *pair;
	int side;
	bool datagram;
	/* stream input, or datagrams one after the other */
	uint8_t *in;
	size_t start, end, size;
	size_t lengths[PAIR_QUEUE];
	size_t first, count;
	bool fin; /* the peer has closed */
	/* the script of this end's output */
	size_t read_max, write_max; /* [bytes] of one call; 0 = no limit */
	size_t room;		    /* [bytes] that write takes before AGAIN; SIZE_MAX = no limit */
	uint64_t lose;		    /* bit i: the i-th datagram written is lost */
	unsigned written;	    /* datagrams, or writes */
	int read_error, write_error; /* status to give once; 0 = none */
	uint8_t icmp_type, icmp_code;
	bool closed;
	enum gds_close how;
	unsigned reads;
	bool always_again_once; /* every second write says AGAIN */
	unsigned toggle;
	uint8_t last[2048]; /* the last thing written */
	size_t last_length;
};

/** A new pair; its ends are freed when both are closed. */
struct pair *pair_new(bool datagram);
/** Put bytes, or a datagram, into the input of an end, as if the other had sent it. */
void pair_inject(struct pair *, int side, const void *data, size_t n);
/** Close what is still open and free. */
void pair_free(struct pair *);
bool pair_has_input(const struct pair *, int side);

#endif
