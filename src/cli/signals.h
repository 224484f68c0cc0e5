/* SPDX-License-Identifier: MIT */
/** SIGTERM and SIGINT as events of a loop; SIGPIPE never kills. */
#ifndef GDS_CLI_SIGNALS_H
#define GDS_CLI_SIGNALS_H

#include "net/loop.h"

struct gds_signals;
/** \param number SIGTERM or SIGINT. Called for each one that arrives. */
typedef void gds_signal_fn(void *ctx, int number);

/**
 * From now on both are blocked in this thread and in those it starts, and arrive here: call it
 * before any thread is started.
 * \return NULL without memory or descriptors: then nothing has changed.
 */
struct gds_signals *gds_signals_new(
	struct gds_loop *, gds_signal_fn *, void *ctx, const struct gds_env *);
/** The signals do again what they did before. Before the loop is freed. Accepts NULL. */
void gds_signals_free(struct gds_signals *);
/** A peer that closes early is an error of that one write, not the end of the program. */
void gds_signals_ignore_pipe(void);

#endif
