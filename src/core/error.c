/* SPDX-License-Identifier: MIT */
#include <gdstream/error.h>

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/* One row a status: the stable name, and the sentence. */
static const struct {
	int status;
	const char *name, *sentence;
} statuses[] = {
	{GDS_OK, "ok", "all is well"},
	{GDS_AGAIN, "again", "nothing there yet"},
	{GDS_EOF, "eof", "the peer ended in order"},
	{GDS_E_INVALID, "invalid", "an argument that no caller may pass"},
	{GDS_E_NOMEM, "nomem", "out of memory"},
	{GDS_E_LIMIT, "limit", "larger than the limit allows"},
	{GDS_E_TIMEOUT, "timeout", "the time limit was reached"},
	{GDS_E_CANCELLED, "cancelled", "cancelled"},
	{GDS_E_FILE, "file", "the file cannot be read or written"},
	{GDS_E_FORMAT, "format", "not in the form it should have"},

	{GDS_E_CHECKSUM, "checksum", "the header's checksum is wrong"},
	{GDS_E_VERSION, "version", "the header's version is not 0.1.0"},
	{GDS_E_PORT_LENGTH, "port-length", "the port is longer than 5 characters"},
	{GDS_E_HOST_LENGTH, "host-length", "the host is longer than 255 bytes"},
	{GDS_E_HOST_EMPTY, "host-empty", "the host is empty"},
	{GDS_E_HOST_NUL, "host-nul", "the host holds a NUL byte"},
	{GDS_E_PORT, "port", "the port is not a number from 1 to 65535"},
	{GDS_E_HOST_FORM, "host-form",
		"the host is in brackets, or a number that is not a dotted quad"},
	{GDS_E_HEADER_CUT, "header-cut", "the stream ended inside the header"},
	{GDS_E_HEADER_LATE, "header-late", "the header was not complete in time"},
	{GDS_E_HEADER_RECORD, "header-record",
		"a record holds more than the header, or payload came before it"},

	{GDS_E_RESOLVE, "resolve", "the name has no address"},
	{GDS_E_REFUSED, "refused", "the connection was refused"},
	{GDS_E_RESET, "reset", "the connection was reset"},
	{GDS_E_UNREACHABLE, "unreachable", "there is no way to the host"},
	{GDS_E_PERMISSION, "permission", "this machine does not permit it"},
	{GDS_E_IN_USE, "in-use", "the address is in use"},
	{GDS_E_DESCRIPTORS, "descriptors", "no file descriptor is left"},
	{GDS_E_IO, "io", "the system reported an input or output error"},

	{GDS_E_TLS, "tls", "the TLS library reported an error"},
	{GDS_E_ALERT, "alert", "the peer sent a fatal alert"},
	{GDS_E_VERIFY, "verify", "the peer's certificate is not acceptable"},
	{GDS_E_NO_CERTIFICATE, "no-certificate", "the peer sent no certificate"},
	{GDS_E_ALPN, "alpn", "the stream protocol was not selected"},
	{GDS_E_TRUNCATED, "truncated", "the connection ended without close_notify"},
	{GDS_E_EMS, "ems", "the peer does not use Extended Master Secret"},
	{GDS_E_NOT_TLS, "not-tls", "what answers does not speak TLS"},
};

/* RFC 8446 section 6, RFC 5246 section 7.2 and what extensions have added (IANA's registry). */
static const struct {
	int number;
	const char *name;
} alerts[] = {
	{0, "close_notify"},
	{10, "unexpected_message"},
	{20, "bad_record_mac"},
	{21, "decryption_failed"},
	{22, "record_overflow"},
	{30, "decompression_failure"},
	{40, "handshake_failure"},
	{41, "no_certificate"},
	{42, "bad_certificate"},
	{43, "unsupported_certificate"},
	{44, "certificate_revoked"},
	{45, "certificate_expired"},
	{46, "certificate_unknown"},
	{47, "illegal_parameter"},
	{48, "unknown_ca"},
	{49, "access_denied"},
	{50, "decode_error"},
	{51, "decrypt_error"},
	{60, "export_restriction"},
	{70, "protocol_version"},
	{71, "insufficient_security"},
	{80, "internal_error"},
	{86, "inappropriate_fallback"},
	{90, "user_canceled"},
	{100, "no_renegotiation"},
	{109, "missing_extension"},
	{110, "unsupported_extension"},
	{111, "certificate_unobtainable"},
	{112, "unrecognized_name"},
	{113, "bad_certificate_status_response"},
	{114, "bad_certificate_hash_value"},
	{115, "unknown_psk_identity"},
	{116, "certificate_required"},
	{120, "no_application_protocol"},
	{121, "ech_required"},
};

static const struct {
	int sys, status;
} systems[] = {
	{0, GDS_OK},
	{EAGAIN, GDS_AGAIN},
	{EINPROGRESS, GDS_AGAIN},
	{EINTR, GDS_AGAIN},
	{ENOMEM, GDS_E_NOMEM},
	{ENOBUFS, GDS_E_NOMEM},
	{EMSGSIZE, GDS_E_LIMIT},
	{ETIMEDOUT, GDS_E_TIMEOUT},
	{ECANCELED, GDS_E_CANCELLED},
	{ECONNREFUSED, GDS_E_REFUSED},
	{ECONNRESET, GDS_E_RESET},
	{ECONNABORTED, GDS_E_RESET},
	{EPIPE, GDS_E_RESET},
	{EHOSTUNREACH, GDS_E_UNREACHABLE},
	{ENETUNREACH, GDS_E_UNREACHABLE},
	{EHOSTDOWN, GDS_E_UNREACHABLE},
	{ENETDOWN, GDS_E_UNREACHABLE},
	{EPERM, GDS_E_PERMISSION},
	{EACCES, GDS_E_PERMISSION},
	{EADDRINUSE, GDS_E_IN_USE},
	{EMFILE, GDS_E_DESCRIPTORS},
	{ENFILE, GDS_E_DESCRIPTORS},
};

static const char *const stage_names[GDS_STAGES] = {
	[GDS_STAGE_RESOLVE] = "resolve",
	[GDS_STAGE_CONNECT] = "connect",
	[GDS_STAGE_HANDSHAKE] = "handshake",
	[GDS_STAGE_VERIFY] = "verify",
	[GDS_STAGE_ALPN] = "alpn",
	[GDS_STAGE_HEADER] = "header",
	[GDS_STAGE_CLOSE] = "close",
	[GDS_STAGE_TUNNEL] = "tunnel",
	[GDS_STAGE_PAYLOAD] = "payload",
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

const char *gds_strerror(int status)
{
	for (size_t i = 0; i < COUNT(statuses); i++) {
		if (statuses[i].status == status) {
			return statuses[i].sentence;
		}
	}
	return "unknown error";
}

const char *gds_errname(int status)
{
	for (size_t i = 0; i < COUNT(statuses); i++) {
		if (statuses[i].status == status) {
			return statuses[i].name;
		}
	}
	return "unknown";
}

const char *gds_stage_name(enum gds_stage stage)
{
	return (unsigned)stage < GDS_STAGES ? stage_names[stage] : "unknown";
}

int gds_status_from_errno(int sys)
{
	for (size_t i = 0; i < COUNT(systems); i++) {
		if (systems[i].sys == sys) {
			return systems[i].status;
		}
	}
	return GDS_E_IO;
}

const char *gds_alert_name(int alert)
{
	for (size_t i = 0; i < COUNT(alerts); i++) {
		if (alerts[i].number == alert) {
			return alerts[i].name;
		}
	}
	return "unknown";
}

int gds_complain(struct gds_complaint *complaint, int code, const char *format, ...)
{
	va_list arguments;

	if (complaint) {
		complaint->code = code;
		va_start(arguments, format);
		/* A sentence that does not fit is cut: it is for reading only. */
		(void)vsnprintf(complaint->text, sizeof(complaint->text), format, arguments);
		va_end(arguments);
	}
	return code;
}
