/* SPDX-License-Identifier: MIT */
/**
 * A carrier in memory with a clock of its own: what it read from, what was written to it, and how
 * it ended.
 */
#ifndef GDS_TESTS_STREAM_MEMORY_H
#define GDS_TESTS_STREAM_MEMORY_H

#include <gdstream/carrier.h>

#define MEMORY_MAX (1 << 20)

struct memory {
	struct gds_carrier carrier;
	struct memory *peer;	/* what is written goes into its input; NULL: into out */
	uint8_t in[MEMORY_MAX]; /* what read gives; datagrams led by 2 bytes of length */
	size_t in_start, in_end;
	int in_end_status; /* after the last byte: GDS_AGAIN, GDS_EOF, an error */
	uint8_t out[MEMORY_MAX];
	size_t out_length, out_room; /* write takes no more than room */
	int out_status;		     /* instead of taking: GDS_OK takes */
	unsigned out_failures;	     /* after so many of them writes succeed again; 0: never */
	size_t limit;		     /* datagrams longer than this: GDS_E_LIMIT */
	unsigned shuts, closes;
	enum gds_close how;
};

/** An env whose clock is test_clock, and which counts what is allocated in test_allocated. */
const struct gds_env *test_env(void);
extern gds_time test_clock;
extern int test_allocated; /* blocks that were not freed yet */
extern int test_fail_in;   /* the n-th allocation from now fails; 0 = none */

/**
 * Ready to read nothing and to take everything. Never freed by close, so that tests can look at it.
 */
struct memory *memory_new(bool datagram);
void memory_free(struct memory *);
/** Join two, so that each reads what the other wrote, and its end. */
void memory_join(struct memory *, struct memory *);
void memory_give(struct memory *, const void *data, size_t n);
void memory_give_datagram(struct memory *, const void *data, size_t n);

#endif
