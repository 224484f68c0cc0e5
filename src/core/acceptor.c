/* SPDX-License-Identifier: MIT */
#include <gdstream/acceptor.h>

#include <string.h>

void gds_acceptor_init(struct gds_acceptor *a, enum gds_transport transport, gds_time start)
{
	memset(a, 0, sizeof(*a));
	a->transport = transport;
	a->deadline = gds_later(start, GDS_HEADER_LIMIT);
	a->verdict = GDS_NEED_MORE;
}

static enum gds_verdict refuse(struct gds_acceptor *a, int code, const char *statement)
{
	a->why = (struct gds_error){
		.code = code,
		.stage = GDS_STAGE_HEADER,
		.origin = GDS_PEER,
		.statement = statement,
	};
	a->verdict = GDS_REFUSE;
	return a->verdict;
}

static enum gds_verdict judge(struct gds_acceptor *a)
{
	gds_header_decode(&a->header, a->wire);
	if (gds_header_check(a->wire, &a->why) != GDS_OK) {
		a->verdict = GDS_REFUSE;
	} else {
		a->verdict = gds_header_is_health(&a->header) ? GDS_HEALTH : GDS_DIAL;
	}
	return a->verdict;
}

/*
 * A record that holds more than the header lacks. Its first bytes tell a header with payload behind
 * it (UDP-05) from payload whose header was lost or came late (UDP-21).
 */
static enum gds_verdict refuse_record(struct gds_acceptor *a, const uint8_t *data)
{
	static const uint8_t version[] = "0.1.0";
	uint8_t first[sizeof(version)];
	size_t kept = a->have < sizeof(first) ? a->have : sizeof(first);

	memcpy(first, a->wire, kept);
	memcpy(first + kept, data,
		sizeof(first) - kept); /* it is longer: the two make > 275 bytes */
	return refuse(a, GDS_E_HEADER_RECORD,
		memcmp(first, version, sizeof(first)) == 0 ? "UDP-05" : "UDP-21");
}

enum gds_verdict gds_acceptor_feed(
	struct gds_acceptor *a, const uint8_t *data, size_t n, gds_time now, size_t *used)
{
	size_t lacking = GDS_HEADER_SIZE - a->have;

	*used = 0;
	if (gds_acceptor_tick(a, now) != GDS_NEED_MORE) {
		return a->verdict;
	}
	if (n > lacking && a->transport == GDS_UDP) {
		return refuse_record(a, data);
	}
	if (n == 0) {
		return a->verdict;
	}
	*used = n < lacking ? n : lacking;
	memcpy(a->wire + a->have, data, *used);
	a->have += *used;
	return a->have == GDS_HEADER_SIZE ? judge(a) : a->verdict;
}

enum gds_verdict gds_acceptor_end(struct gds_acceptor *a)
{
	if (a->verdict == GDS_NEED_MORE) {
		refuse(a, GDS_E_HEADER_CUT, "HDR-01");
	}
	return a->verdict;
}

enum gds_verdict gds_acceptor_tick(struct gds_acceptor *a, gds_time now)
{
	/* At the deadline itself too: a timer set to it must not come back in vain. */
	if (a->verdict == GDS_NEED_MORE && now >= a->deadline) {
		refuse(a, GDS_E_HEADER_LATE, a->transport == GDS_UDP ? "UDP-08" : "TCP-03");
	}
	return a->verdict;
}
