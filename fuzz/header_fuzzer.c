/* SPDX-License-Identifier: MIT */
/* The acceptor must come to the same verdict as gds_header_check, however the bytes are cut. */
#include <gdstream/acceptor.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool truth)
{
	if (!truth) {
		abort();
	}
}

static enum gds_verdict feed_in_pieces(
	struct gds_acceptor *acceptor, const uint8_t *data, size_t n, size_t step)
{
	enum gds_verdict verdict = GDS_NEED_MORE;
	size_t at = 0;

	while (verdict == GDS_NEED_MORE && at < n) {
		size_t piece = n - at < step ? n - at : step;
		size_t used = 0;

		verdict = gds_acceptor_feed(acceptor, data + at, piece, 0, &used);
		require(used <= piece);
		at += used;
		require(verdict != GDS_NEED_MORE || used == piece);
	}
	return verdict;
}

/* The first byte is the size of the pieces, the rest the stream. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct gds_acceptor acceptor;
	enum gds_verdict verdict;

	if (n == 0) {
		return 0;
	}
	gds_acceptor_init(&acceptor, GDS_TCP, 0);
	verdict = feed_in_pieces(&acceptor, data + 1, n - 1, data[0] ? data[0] : 1);
	if (n - 1 < GDS_HEADER_SIZE) {
		require(verdict == GDS_NEED_MORE);
		require(gds_acceptor_end(&acceptor) == GDS_REFUSE);
		return 0;
	}

	uint8_t wire[GDS_HEADER_SIZE];
	struct gds_header header;
	struct gds_error why;

	memcpy(wire, data + 1, sizeof(wire));
	gds_header_decode(&header, wire);
	if (gds_header_check(wire, &why) != GDS_OK) {
		require(verdict == GDS_REFUSE && acceptor.why.code == why.code && why.statement);
	} else if (gds_header_is_health(&header)) {
		require(verdict == GDS_HEALTH);
	} else {
		require(verdict == GDS_DIAL);
	}
	return 0;
}
