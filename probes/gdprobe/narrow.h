/* SPDX-License-Identifier: MIT */
/** From a symptom and what the variants showed to the few causes that fit all of it. Pure. */
#ifndef GDPROBE_NARROW_H
#define GDPROBE_NARROW_H

#include <stdbool.h>
#include <stddef.h>

/** What was tried beside the face that shows the symptom. */
enum observation {
	SEE_TCP,       /* a TCP connect, of whatever face */
	SEE_TLS,       /* a TLS handshake in which both sides accepted each other */
	SEE_UDP,       /* the face UDP, when the symptom is TCP's */
	SEE_UDP_PORT,  /* DTLS from another source port */
	SEE_UDP_MTU,   /* DTLS in small datagrams */
	SEE_UDP_SUITE, /* a ClientHello of other suites */
	SEE_UDP_EMS,   /* a ClientHello without Extended Master Secret */
	SEE_PLAIN,     /* plain HTTP on the port: who answers it is not TLS */
	SEE_TLS12,     /* TLS 1.2 alone */
	SEE_ALPN,      /* no ALPN offered */
	SEE_BARE,      /* without a client certificate */
	SEE_PACE,      /* connect fast, handshake slow: PASSED when so */
	OBSERVATIONS
};

/** What came of it; bits, for a prediction allows several. 0: not tried, or not known. */
enum seen {
	SEEN_SILENT = 1 << 0,	/* not a byte */
	SEEN_CLOSED = 1 << 1,	/* refused, reset, ICMP, or ended without a byte */
	SEEN_ANSWERED = 1 << 2, /* bytes came, and it failed */
	SEEN_PASSED = 1 << 3,
};

#define NARROW_CAUSES 2

struct narrowed {
	const char *causes[NARROW_CAUSES]; /* ids of the catalogue, the most likely first */
	size_t n;
	bool likely; /* nothing proves the first */
	char ruled_out[200];
};

/**
 * \param symptom id of the cause that the face alone shows.
 * \return false when nothing but the symptom itself can be said about it.
 */
bool narrow(const char *symptom, const unsigned seen[OBSERVATIONS], struct narrowed *out);

#endif
