/* SPDX-License-Identifier: MIT */
#include "stream/backlog.h"

#include <string.h>

#define PREFIX 2  /* [bytes] of a datagram's length */
#define STEP 4096 /* [bytes] the memory grows by at least */

/* Room for n more bytes behind end, moving what waits to the front before growing. */
static int make_room(struct gds_backlog *b, const struct gds_env *env, size_t n)
{
	size_t waiting = gds_backlog_length(b);
	if (n > GDS_BACKLOG_MAX - waiting) {
		return GDS_E_LIMIT;
	}
	if (b->start > 0) {
		memmove(b->bytes, b->bytes + b->start, waiting);
		b->start = 0;
		b->end = waiting;
	}
	if (waiting + n <= b->room) {
		return GDS_OK;
	}
	size_t room = b->room ? b->room : STEP;
	while (room < waiting + n) {
		room *= 2;
	}
	uint8_t *bytes = env->realloc(env->ctx, b->bytes, room);
	if (!bytes) {
		return GDS_E_NOMEM;
	}
	b->bytes = bytes;
	b->room = room;
	return GDS_OK;
}

int gds_backlog_put(struct gds_backlog *b, const struct gds_env *env, const void *data, size_t n)
{
	if (n == 0) {
		return GDS_OK;
	}
	int rc = make_room(b, env, n);
	if (rc == GDS_OK) {
		memcpy(b->bytes + b->end, data, n);
		b->end += n;
	}
	return rc;
}

int gds_backlog_put_datagram(
	struct gds_backlog *b, const struct gds_env *env, const void *data, size_t n)
{
	if (n > UINT16_MAX) {
		return GDS_E_LIMIT;
	}
	int rc = make_room(b, env, PREFIX + n);
	if (rc == GDS_OK) {
		b->bytes[b->end++] = (uint8_t)(n >> 8);
		b->bytes[b->end++] = (uint8_t)n;
		memcpy(b->bytes + b->end, data, n);
		b->end += n;
	}
	return rc;
}

const uint8_t *gds_backlog_datagram(const struct gds_backlog *b, size_t *n)
{
	size_t waiting = gds_backlog_length(b);
	if (waiting < PREFIX) {
		return NULL;
	}
	const uint8_t *p = b->bytes + b->start;
	*n = (size_t)(p[0] << 8 | p[1]);
	return *n <= waiting - PREFIX ? p + PREFIX : NULL;
}

void gds_backlog_drop(struct gds_backlog *b, const struct gds_env *env, size_t n)
{
	if (n >= gds_backlog_length(b)) {
		gds_backlog_clear(b, env);
	} else {
		b->start += n;
	}
}

int gds_backlog_write(struct gds_backlog *b, const struct gds_env *env, struct gds_carrier *to)
{
	while (gds_backlog_length(b) > 0) {
		ssize_t n = gds_carrier_write(to, b->bytes + b->start, gds_backlog_length(b));
		if (n < 0) {
			return (int)n;
		}
		gds_backlog_drop(b, env, (size_t)n);
	}
	return GDS_OK;
}

void gds_backlog_clear(struct gds_backlog *b, const struct gds_env *env)
{
	gds_free(env, b->bytes);
	*b = (struct gds_backlog){0};
}
