/* SPDX-License-Identifier: MIT */
#include <gdstream/catalogue.h>

#include <string.h>

/*
 * What gdserver does wrong when it is told to: gdserver(1) lists the same, and
 * tests/check-faults-page compares the two. Shows: by default in a plain check; through a tunnel
 * (--loopback); or only to a suite of its own. Each says in full "this server ...".
 */
const struct gds_fault gds_faults[] = {
	/* Header and health check */
	{"accept-bad-checksum", "HDR-03", GDS_SHOWS_CONFORM, GDS_STAGE_HEADER, NULL,
		"accepts a header whose checksum is wrong", NULL, 0},
	{"accept-bad-version", "HDR-02", GDS_SHOWS_CONFORM, GDS_STAGE_HEADER, NULL,
		"accepts a header of another version", NULL, 0},
	{"accept-port-length", "HDR-04", GDS_SHOWS_CONFORM, GDS_STAGE_HEADER, NULL,
		"accepts a header whose port length is above 5", NULL, 0},
	{"refuse-good", "HDR-01", GDS_SHOWS_THROUGH, GDS_STAGE_TUNNEL, "loopback-unreached",
		"refuses headers that are right", NULL, 0},
	{"health-dials", "HC-01", GDS_SHOWS_CONFORM, GDS_STAGE_HEADER, NULL,
		"contacts the destination named in a health check", NULL, 0},
	{"health-answers", "HC-02", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE, "unexpected-bytes",
		"answers a health check with bytes", NULL, 0},
	{"ignore-flag", "HDR-09", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE, "close-late",
		"takes a health check for a tunnel and keeps it open", NULL, 0},
	{"skip-dial", "TCP-04", GDS_SHOWS_THROUGH, GDS_STAGE_TUNNEL, "loopback-unreached",
		"opens a tunnel without dialling its destination", NULL, 0},
	{"dial-other-port", "TCP-04", GDS_SHOWS_THROUGH, GDS_STAGE_TUNNEL, "loopback-unreached",
		"dials a port that many above the one asked for", "N", 1},
	{"early-payload-lost", "TCP-02", GDS_SHOWS_CONFORM, GDS_STAGE_PAYLOAD, NULL,
		"loses payload that came in the record of the header", NULL, 0},
	{"header-forwarded", "TCP-02", GDS_SHOWS_THROUGH, GDS_STAGE_PAYLOAD, "tunnel-corrupt",
		"sends the header on to the destination", NULL, 0},
	{"payload-adds-byte", "TCP-06", GDS_SHOWS_THROUGH, GDS_STAGE_PAYLOAD, "tunnel-corrupt",
		"adds a byte to what a TCP tunnel carries, after that many", "N", 1000},
	{"payload-drops-byte", "TCP-06", GDS_SHOWS_THROUGH, GDS_STAGE_PAYLOAD, "tunnel-corrupt",
		"drops a byte of what a TCP tunnel carries, after that many", "N", 1000},
	{"payload-flips-bit", "TCP-06", GDS_SHOWS_THROUGH, GDS_STAGE_PAYLOAD, "tunnel-corrupt",
		"flips a bit of what a TCP tunnel carries, after that many bytes", "N", 1000},
	{"close-late", "HC-04", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE, "close-late",
		"closes a health check over TCP that many milliseconds late", "MS", 7000},
	{"close-never", "HC-04", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE, "close-late",
		"never closes a health check over TCP", NULL, 0},
	{"close-reset", "HC-04", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE, "closed-by-reset",
		"ends TCP sessions by a reset", NULL, 0},
	{"no-close-notify", "TLS-09", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE, "no-close-notify",
		"ends TCP sessions without close_notify", NULL, 0},

	/* TLS: the client's certificate */
	{"no-client-cert", "TLS-02", GDS_SHOWS_CONFORM, GDS_STAGE_VERIFY, NULL,
		"requires no certificate of a TCP client", NULL, 0},
	{"cert-not-asked", "TLS-02", GDS_SHOWS_CONFORM, GDS_STAGE_VERIFY, NULL,
		"asks no TCP client for a certificate", NULL, 0},
	{"any-client-ca", "TLS-03", GDS_SHOWS_CONFORM, GDS_STAGE_VERIFY, NULL,
		"accepts client certificates of any CA", NULL, 0},
	{"expired-client", "TLS-03", GDS_SHOWS_CONFORM, GDS_STAGE_VERIFY, NULL,
		"accepts client certificates that have expired", NULL, 0},
	{"any-client-purpose", "TLS-03", GDS_SHOWS_CONFORM, GDS_STAGE_VERIFY, NULL,
		"accepts client certificates that are not meant for clients", NULL, 0},
	{"other-client-ca", "TLS-03", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE, "client-cert-other-ca",
		"refuses all clients, for it knows another CA", NULL, 0},
	{"clock-ahead", "TLS-03", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE, "clocks-apart",
		"refuses all clients as expired, for its clock is ahead", NULL, 0},
	{"clock-behind", "TLS-03", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE, "clocks-apart",
		"refuses all clients as not yet valid, for its clock is behind", NULL, 0},
	{"refuse-clients", "TLS-03", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE, "client-cert-rejected",
		"refuses all client certificates without telling why", NULL, 0},

	/* TLS: the server's certificate */
	{"cert-wrong-san", "CERT-01", GDS_SHOWS_DEFAULT, GDS_STAGE_VERIFY, "server-cert-name",
		"has a certificate for another name", NULL, 0},
	{"cert-no-san", "CERT-01", GDS_SHOWS_DEFAULT, GDS_STAGE_VERIFY, "server-cert-name",
		"has a certificate with no name but another common name", NULL, 0},
	{"cert-cn-only", "CERT-01", GDS_SHOWS_DEFAULT, GDS_STAGE_VERIFY, "server-cert-no-san",
		"has a certificate with godoxy.agent as common name only", NULL, 0},
	{"cert-client-purpose", "CERT-01", GDS_SHOWS_DEFAULT, GDS_STAGE_VERIFY,
		"server-cert-purpose", "has a certificate that is meant for clients", NULL, 0},
	{"cert-expired", "CERT-01", GDS_SHOWS_DEFAULT, GDS_STAGE_VERIFY, "server-cert-expired",
		"has a certificate that has expired", NULL, 0},
	{"cert-not-yet-valid", "CERT-06", GDS_SHOWS_DEFAULT, GDS_STAGE_VERIFY,
		"server-cert-not-yet-valid", "has a certificate that is not valid yet", NULL, 0},
	{"cert-expiring", "CERT-02", GDS_SHOWS_DEFAULT, GDS_STAGE_VERIFY, "cert-expiring",
		"has a certificate that expires in that many days", "DAYS", 10},
	{"cert-rsa", "CERT-05", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "server-cert-rsa-udp",
		"has an RSA certificate", NULL, 0},
	{"cert-other-ca", "CERT-01", GDS_SHOWS_DEFAULT, GDS_STAGE_VERIFY, "server-cert-other-ca",
		"has a certificate of another CA", NULL, 0},
	{"cert-foreign", "CERT-01", GDS_SHOWS_DEFAULT, GDS_STAGE_VERIFY, "foreign-server",
		"has a certificate of another CA for another name", NULL, 0},

	/* TLS: versions, suites, ALPN */
	{"tls-1.1-only", "TLS-01", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "tls-version",
		"speaks TLS 1.1 only", NULL, 0},
	{"tls-1.2-only", "TLS-01", GDS_SHOWS_CONFORM, GDS_STAGE_HANDSHAKE, NULL,
		"speaks TLS 1.2 only", NULL, 0},
	{"tls-1.3-only", "TLS-01", GDS_SHOWS_CONFORM, GDS_STAGE_HANDSHAKE, NULL,
		"speaks TLS 1.3 only", NULL, 0},
	{"tls-other-suite", "TLS-01", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "tls-suite",
		"speaks TLS 1.2 with CBC suites only", NULL, 0},
	{"tls-other-group", "TLS-01", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "tls-suite",
		"speaks TLS with the group FFDHE2048 only", NULL, 0},
	{"no-alpn", "MUX-01", GDS_SHOWS_DEFAULT, GDS_STAGE_ALPN, "alpn-missing",
		"selects no ALPN protocol", NULL, 0},
	{"alpn-http-only", "MUX-01", GDS_SHOWS_DEFAULT, GDS_STAGE_ALPN, "alpn-refused",
		"knows the ALPN protocol http/1.1 only", NULL, 0},
	{"alpn-stream-only", "MUX-01", GDS_SHOWS_DEFAULT, GDS_STAGE_ALPN, "alpn-refused",
		"knows the stream's ALPN protocol only", NULL, 0},
	{"alpn-other", "MUX-01", GDS_SHOWS_DEFAULT, GDS_STAGE_ALPN, "alpn-refused",
		"knows none of the ALPN protocols that it should", NULL, 0},
	{"alpn-always-http", "MUX-01", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE, "close-late",
		"speaks HTTP on sessions that selected the stream protocol too", NULL, 0},

	/* Before and during the handshake, TCP */
	{"stalls", "TLS-07", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "peer-silent",
		"accepts TCP connections and never says a word", NULL, 0},
	{"closes-at-once", "TLS-09", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "closed-by-peer",
		"accepts TCP connections and closes them", NULL, 0},
	{"resets-at-once", "TLS-09", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "tcp-reset",
		"accepts TCP connections and resets them", NULL, 0},
	{"speaks-http", "TLS-08", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "not-tls-http",
		"speaks plain HTTP", NULL, 0},
	{"speaks-ssh", "TLS-08", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "not-tls-ssh",
		"greets as an SSH server", NULL, 0},
	{"speaks-smtp", "TLS-08", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "not-tls-smtp",
		"greets as a mail server", NULL, 0},
	{"slow-handshake", "TLS-07", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "overload",
		"sends what follows its ServerHello that many milliseconds late", "MS", 7000},
	{"stop-after-hello", "TLS-07", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "overload",
		"falls silent after its ServerHello", NULL, 0},
	{"corrupt-handshake", "TLS-01", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "handshake-failed",
		"damages what follows its ServerHello", NULL, 0},

	/* DTLS */
	{"dtls-closed", "UDP-01", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "udp-closed",
		"does not listen on its UDP port", NULL, 0},
	{"dtls-silent", "UDP-01", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "udp-filtered",
		"never answers over UDP", NULL, 0},
	{"dtls-garbage", "UDP-01", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "udp-not-dtls",
		"answers over UDP with something else", NULL, 0},
	{"dtls-alert", "UDP-14", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "dtls-suite",
		"answers every ClientHello over UDP with that plaintext alert and is silent then",
		"ALERT", 71},
	{"dtls-no-cookie", "UDP-03", GDS_SHOWS_CONFORM, GDS_STAGE_HANDSHAKE, NULL,
		"keeps state for UDP clients that have proved no address", NULL, 0},
	{"dtls-silent-after-cookie", "UDP-01", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE,
		"udp-silent-mid", "falls silent over UDP after the cookie", NULL, 0},
	{"dtls-no-ems", "UDP-01", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "dtls-no-ems",
		"does without Extended Master Secret over UDP", NULL, 0},
	{"dtls-other-suite", "UDP-01", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "dtls-suite",
		"speaks DTLS with AES-256-GCM only", NULL, 0},
	{"dtls-other-group", "UDP-01", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "dtls-suite",
		"speaks DTLS with the group P-521 only", NULL, 0},
	{"dtls-1.0-only", "UDP-01", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "tls-version",
		"speaks DTLS 1.0 only", NULL, 0},
	{"dtls-drops-message", "UDP-01", GDS_SHOWS_DEFAULT, GDS_STAGE_HANDSHAKE, "udp-silent-mid",
		"never gets its handshake message of that number through", "N", 2},
	{"dtls-loses-flight", "UDP-01", GDS_SHOWS_CONFORM, GDS_STAGE_HANDSHAKE, NULL,
		"loses the first copy of its handshake message of that number", "N", 2},
	{"dtls-no-close-notify", "HC-04", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE, "close-late",
		"ends UDP sessions without close_notify", NULL, 0},
	{"dtls-forgets", "UDP-06", GDS_SHOWS_DEFAULT, GDS_STAGE_CLOSE, "close-late",
		"forgets a UDP session that many milliseconds after its handshake", "MS", 0},
	{"dtls-locks-tuple", "UDP-13", GDS_SHOWS_CONFORM, GDS_STAGE_HANDSHAKE, NULL,
		"ignores a new ClientHello from the address of a live session", NULL, 0},

	/* Datagrams */
	{"udp-payload-limit", "UDP-09", GDS_SHOWS_CONFORM, GDS_STAGE_PAYLOAD, NULL,
		"drops datagrams to the destination above that many bytes", "N", 8155},
	{"udp-splits", "UDP-06", GDS_SHOWS_THROUGH, GDS_STAGE_PAYLOAD, "tunnel-corrupt",
		"splits datagrams in two", NULL, 0},
	{"udp-merges", "UDP-06", GDS_SHOWS_THROUGH, GDS_STAGE_PAYLOAD, "tunnel-corrupt",
		"merges two datagrams into one", NULL, 0},
	{"udp-duplicates", "UDP-06", GDS_SHOWS_CONFORM, GDS_STAGE_PAYLOAD, NULL,
		"delivers datagrams twice", NULL, 0},
	{"udp-reorders", "UDP-06", GDS_SHOWS_CONFORM, GDS_STAGE_PAYLOAD, NULL,
		"delivers each second datagram before the first", NULL, 0},
	{"udp-corrupts", "UDP-06", GDS_SHOWS_THROUGH, GDS_STAGE_PAYLOAD, "tunnel-corrupt",
		"flips a bit of every datagram", NULL, 0},
	{"udp-drops", "UDP-06", GDS_SHOWS_THROUGH, GDS_STAGE_PAYLOAD, "udp-tunnel-silent",
		"drops every Nth datagram to the client", "N", 1},
	{"long-datagram-kills", "UDP-10", GDS_SHOWS_CONFORM, GDS_STAGE_PAYLOAD, NULL,
		"carries nothing back after a datagram that was too long", NULL, 0},
	{"icmp-kills", "UDP-11", GDS_SHOWS_CONFORM, GDS_STAGE_PAYLOAD, NULL,
		"carries nothing back after an ICMP refusal of the destination", NULL, 0},

	/* HTTPS */
	{"info-404", "API-01", GDS_SHOWS_DEFAULT, GDS_STAGE_PAYLOAD, "http-old-agent",
		"has no /info, but /name, /version and /runtime as text", NULL, 0},
	{"info-500", "API-01", GDS_SHOWS_DEFAULT, GDS_STAGE_PAYLOAD, "http-status",
		"answers /info with that status", "STATUS", 500},
	{"info-text", "API-01", GDS_SHOWS_DEFAULT, GDS_STAGE_PAYLOAD, "http-not-json",
		"answers /info with text", NULL, 0},
	{"info-wrong-json", "API-01", GDS_SHOWS_DEFAULT, GDS_STAGE_PAYLOAD, "http-not-json",
		"answers /info with JSON that lacks the version", NULL, 0},
	{"info-slow", "API-01", GDS_SHOWS_DEFAULT, GDS_STAGE_PAYLOAD, "http-timeout",
		"answers HTTPS requests that many milliseconds late", "MS", 7000},
	{"http-garbage", "API-01", GDS_SHOWS_DEFAULT, GDS_STAGE_PAYLOAD, "http-failed",
		"answers HTTPS requests with something else", NULL, 0},
	{"http-truncated", "API-01", GDS_SHOWS_DEFAULT, GDS_STAGE_PAYLOAD, "http-failed",
		"cuts its HTTPS answers off", NULL, 0},
	{"other-paths-502", "API-07", GDS_SHOWS_CONFORM, GDS_STAGE_PAYLOAD, NULL,
		"answers other paths with 502, as an agent without its Docker socket", NULL, 0},
	{"health-udp-blind", "API-03", GDS_SHOWS_CONFORM, GDS_STAGE_PAYLOAD, NULL,
		"calls every UDP service healthy", NULL, 0},
	{"health-any-scheme", "API-04", GDS_SHOWS_CONFORM, GDS_STAGE_PAYLOAD, NULL,
		"answers a health query of an unknown scheme with 200", NULL, 0},

	/* Resources and life cycle */
	{"one-at-a-time", "TCP-05", GDS_SHOWS_CONFORM, GDS_STAGE_CONNECT, NULL,
		"serves one TCP connection at a time", NULL, 0},
	{"leaks-destination", "TCP-05", GDS_SHOWS_CONFORM, GDS_STAGE_TUNNEL, NULL,
		"never closes destination connections", NULL, 0},
	{"empty-host-dials", "HDR-10", GDS_SHOWS_CONFORM, GDS_STAGE_HEADER, NULL,
		"takes an empty host for localhost", NULL, 0},
	{"nul-host-resolves", "HDR-11", GDS_SHOWS_CONFORM, GDS_STAGE_HEADER, NULL,
		"looks up hosts with an embedded NUL", NULL, 0},
	{"odd-port-dials", "HDR-12", GDS_SHOWS_CONFORM, GDS_STAGE_HEADER, NULL,
		"dials port 0, and the ports of service names", NULL, 0},
	{"handshake-endless", "TLS-07", GDS_SHOWS_CONFORM, GDS_STAGE_HANDSHAKE, NULL,
		"sets TCP handshakes no limit", NULL, 0},
	{"header-hangs-on-http", "MUX-05", GDS_SHOWS_CONFORM, GDS_STAGE_HEADER, NULL,
		"leaves a stream header on the HTTPS side hanging", NULL, 0},
	{"keeps-client-end", "TCP-07", GDS_SHOWS_CONFORM, GDS_STAGE_TUNNEL, NULL,
		"tells destinations nothing of a client's half-close", NULL, 0},
	{"keeps-destination-end", "TCP-08", GDS_SHOWS_CONFORM, GDS_STAGE_TUNNEL, NULL,
		"tells clients nothing of a destination's FIN", NULL, 0},
	{"ignores-resets", "TCP-09", GDS_SHOWS_CONFORM, GDS_STAGE_TUNNEL, NULL,
		"ends nothing when either side was reset", NULL, 0},
	{"dial-not-cancelled", "TCP-10", GDS_SHOWS_CONFORM, GDS_STAGE_TUNNEL, NULL,
		"goes on dialling when the client is gone", NULL, 0},
	{"udp-never-idle", "UDP-12", GDS_SHOWS_CONFORM, GDS_STAGE_TUNNEL, NULL,
		"never reaps idle UDP sessions", NULL, 0},
	{"udp-silent-shutdown", "UDP-16", GDS_SHOWS_CONFORM, GDS_STAGE_CLOSE, NULL,
		"tells UDP sessions nothing at its shutdown", NULL, 0},
	{"fragile-handshake", "UDP-22", GDS_SHOWS_CONFORM, GDS_STAGE_HANDSHAKE, NULL,
		"ends a DTLS handshake for early data or a forged plaintext alert", NULL, 0},
};

const size_t gds_faults_count = sizeof(gds_faults) / sizeof(gds_faults[0]);

/* The differences of the server's side in gds_requirements, one fault each, in the same order. */
static const char *const godoxy_030[] = {"empty-host-dials", "nul-host-resolves", "odd-port-dials",
	"handshake-endless", "header-hangs-on-http", "keeps-client-end", "keeps-destination-end",
	"ignores-resets", "dial-not-cancelled", "udp-payload-limit=8155", "long-datagram-kills",
	"icmp-kills", "udp-never-idle", "dtls-locks-tuple", "udp-silent-shutdown",
	"fragile-handshake", "health-udp-blind", "health-any-scheme", "other-paths-502", NULL};

const struct gds_fault_profile gds_fault_profiles[] = {
	{"godoxy-0.30",
		"behaves where it matters as an agent of GoDoxy 0.30 does, also where that is "
		"wrong",
		godoxy_030},
};

const size_t gds_fault_profiles_count = sizeof(gds_fault_profiles) / sizeof(gds_fault_profiles[0]);

const struct gds_fault *gds_fault_find(const char *name)
{
	size_t n = strcspn(name, "=");
	for (size_t i = 0; i < gds_faults_count; i++) {
		if (strlen(gds_faults[i].name) == n && memcmp(gds_faults[i].name, name, n) == 0) {
			return &gds_faults[i];
		}
	}
	return NULL;
}

const struct gds_fault_profile *gds_fault_profile_find(const char *name)
{
	for (size_t i = 0; i < gds_fault_profiles_count; i++) {
		if (strcmp(gds_fault_profiles[i].name, name) == 0) {
			return &gds_fault_profiles[i];
		}
	}
	return NULL;
}
