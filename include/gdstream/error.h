/* SPDX-License-Identifier: MIT */
/** Statuses, error details and the words for them. */
#ifndef GDSTREAM_ERROR_H
#define GDSTREAM_ERROR_H

#include <gdstream/api.h>

#include <stdint.h>

GDS_BEGIN_DECLS

/** A point in time, or a span of it [ns]; points are on CLOCK_MONOTONIC unless a field says "wall".
 */
typedef int64_t gds_time;

#define GDS_MICROSECOND INT64_C(1000)
#define GDS_MILLISECOND INT64_C(1000000)
#define GDS_SECOND INT64_C(1000000000)
#define GDS_NEVER INT64_MAX

/**
 * What a call came to. Everything but GDS_OK is negative, so that a length and a status share one
 * ssize_t. Bands: -20.. the protocol, -100.. the network, -200.. TLS and certificates.
 */
enum gds_status {
	GDS_OK = 0,
	GDS_AGAIN = -1,	    /* nothing now: wait for the interest, then call again */
	GDS_EOF = -2,	    /* the peer's orderly end: close_notify, FIN */
	GDS_E_INVALID = -3, /* an argument no caller may pass */
	GDS_E_NOMEM = -4,
	GDS_E_LIMIT = -5, /* larger than a named bound: nothing was sent or kept */
	GDS_E_TIMEOUT = -6,
	GDS_E_CANCELLED = -7,
	GDS_E_FILE = -8,   /* a file cannot be read or written: sys says why */
	GDS_E_FORMAT = -9, /* bytes that are not what they should be */

	GDS_E_CHECKSUM = -20,	   /* HDR-03 */
	GDS_E_VERSION = -21,	   /* HDR-02 */
	GDS_E_PORT_LENGTH = -22,   /* HDR-04, HDR-06 */
	GDS_E_HOST_LENGTH = -23,   /* HDR-06 */
	GDS_E_HOST_EMPTY = -24,	   /* HDR-10 */
	GDS_E_HOST_NUL = -25,	   /* HDR-11 */
	GDS_E_PORT = -26,	   /* HDR-12 */
	GDS_E_HOST_FORM = -27,	   /* HDR-13 brackets, HDR-14 inet_aton forms */
	GDS_E_HEADER_CUT = -28,	   /* the stream ended inside the header */
	GDS_E_HEADER_LATE = -29,   /* TCP-03, UDP-08 */
	GDS_E_HEADER_RECORD = -30, /* UDP-05, UDP-21: header and payload in one record */

	GDS_E_RESOLVE = -101, /* no address for the name: lib holds the EAI_ number */
	GDS_E_REFUSED = -102, /* ECONNREFUSED, also by ICMP */
	GDS_E_RESET = -103,
	GDS_E_UNREACHABLE = -104, /* EHOSTUNREACH, ENETUNREACH */
	GDS_E_PERMISSION = -105,  /* EPERM, EACCES: a local firewall or a port below 1024 */
	GDS_E_IN_USE = -106,
	GDS_E_DESCRIPTORS = -107, /* EMFILE, ENFILE */
	GDS_E_IO = -108,	  /* any other errno: in sys */

	GDS_E_TLS = -201,    /* GnuTLS's own error: in lib */
	GDS_E_ALERT = -202,  /* the peer sent a fatal alert: in alert */
	GDS_E_VERIFY = -203, /* we refuse the peer's certificate: gds_verify_flag bits in verify */
	GDS_E_NO_CERTIFICATE = -204, /* the peer sent no certificate where one is required */
	GDS_E_ALPN = -205,	     /* the stream protocol was not selected (MUX-04) */
	GDS_E_TRUNCATED = -206,	     /* FIN without close_notify (TLS-09) */
	GDS_E_EMS = -207,	     /* no Extended Master Secret (UDP-01) */
	GDS_E_NOT_TLS = -208,	     /* what answers speaks something else */
};

/** The stages of a connection, the same names everywhere (DESIGN: stages, not booleans). */
enum gds_stage {
	GDS_STAGE_RESOLVE,
	GDS_STAGE_CONNECT,
	GDS_STAGE_HANDSHAKE,
	GDS_STAGE_VERIFY,
	GDS_STAGE_ALPN,
	GDS_STAGE_HEADER,
	GDS_STAGE_CLOSE,
	GDS_STAGE_TUNNEL,
	GDS_STAGE_PAYLOAD,
	GDS_STAGES
};

/** Who caused an error. */
enum gds_origin { GDS_LOCAL, GDS_PEER, GDS_PATH };

/** Why a peer's certificate is refused; bits, several may be set. */
enum gds_verify_flag {
	GDS_VERIFY_SIGNER = 1 << 0, /* not signed by our CA */
	GDS_VERIFY_EXPIRED = 1 << 1,
	GDS_VERIFY_NOT_YET = 1 << 2,
	GDS_VERIFY_PURPOSE = 1 << 3,   /* EKU lacks the purpose for its role */
	GDS_VERIFY_NAME = 1 << 4,      /* no SAN is godoxy.agent */
	GDS_VERIFY_NO_SAN = 1 << 5,    /* no dNSName at all: a CN alone is not enough (TLS-04) */
	GDS_VERIFY_SIGNATURE = 1 << 6, /* the signature is wrong or too weak */
	GDS_VERIFY_REVOKED = 1 << 7,
	GDS_VERIFY_OTHER = 1 << 8,
};

/** One failure with all its evidence. A zeroed struct says "no failure". */
struct gds_error {
	int code;	 /* gds_status */
	int sys;	 /* errno, 0 when none */
	int lib;	 /* GnuTLS code, or EAI_ number for GDS_E_RESOLVE */
	int alert;	 /* TLS alert number + 1, so that 0 means none (close_notify is number 0) */
	unsigned verify; /* gds_verify_flag bits */
	enum gds_stage stage;
	enum gds_origin origin;
	uint8_t icmp_type, icmp_code;
	const char *statement; /* id of the statement broken ("HDR-03"), or NULL; static */
};

/** A sentence for a person: what, where, what to do. Filled by functions that read a user's input.
 */
struct gds_complaint {
	int code; /* gds_status */
	char text[512];
};

/** \return the sentence for a status, never NULL. */
const char *gds_strerror(int status);
/** \return the stable name of a status ("checksum", "refused"), for JSON and tests; never NULL. */
const char *gds_errname(int status);
/** \return "resolve", "connect", ...; never NULL. */
const char *gds_stage_name(enum gds_stage stage);
/** \return the status for an errno value; GDS_E_IO for those without one of their own. */
int gds_status_from_errno(int sys);
/** \return the RFC 5246/8446 name of an alert number ("certificate_expired"), "unknown" otherwise.
 */
const char *gds_alert_name(int alert);
/** Fill a complaint (NULL: none wanted) from a printf format. \return code, so that it can be
 * returned on. */
int gds_complain(struct gds_complaint *complaint, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

GDS_END_DECLS

#endif
