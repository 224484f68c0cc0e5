/* SPDX-License-Identifier: MIT */
/** Between run.c, which drives the faces, and tunnel.c, which knows what tunnels are for. */
#ifndef GDPROBE_RUN_H
#define GDPROBE_RUN_H

#include "gdprobe/probe.h"

/** Begin a check that needs nothing but the target. */
void check_begin(struct check *);
/** The two halves of it: count it as under way, and start (or start over) its attempt. */
void check_open(struct check *);
void check_attempt(struct check *, const struct gds_header *destination);
/** Its result is filled. */
void check_finish(struct check *);
/** The address it talks to, or talked to. \return false while there is none. */
bool check_peer(const struct check *, struct gds_address *peer);
/** One thing of a target's that was counted as open is over. */
void probe_release(struct probe *);
/** Finish with a failure of our own. */
void check_fail(struct check *, int code, enum gds_stage);

/** Open a tunnel through the agent at peer. */
void tunnel_begin(struct check *, const struct gds_address *peer);
/** The tunnel's session stands and its header is sent; session is owned from here on. */
void tunnel_opened(struct check *, struct gds_carrier *session);

#endif
