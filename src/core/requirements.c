/* SPDX-License-Identifier: MIT */
#include <gdstream/catalogue.h>

#include <string.h>

/*
 * The protocol, statement by statement: gdstream-protocol(7) is the same table for reading, and
 * tests/check-protocol-page compares the two. "differs" is what GoDoxy 0.30.4 does otherwise
 * (docs/godoxy-facts.md).
 */
const struct gds_requirement gds_requirements[] = {
	{"HDR-01", GDS_MUST, 'B',
		"The header is 275 bytes: version 8, host length 1, host 255, port length 1, port "
		"5, flags 1, checksum 4, in this order",
		NULL},
	{"HDR-02", GDS_MUST, 'S', "A wrong version, with a right checksum, is refused", NULL},
	{"HDR-03", GDS_MUST, 'S', "A wrong checksum is refused, health flag or not", NULL},
	{"HDR-04", GDS_MUST, 'S', "A port length above 5 is refused", NULL},
	{"HDR-05", GDS_MUST, 'S', "A refused header leads to close, with no destination contact",
		NULL},
	{"HDR-06", GDS_MUST, 'C',
		"A client refuses locally to encode a host over 255 bytes or a port over 5", NULL},
	{"HDR-07", GDS_MUST, 'S', "Host and port are the first length bytes of their fields", NULL},
	{"HDR-08", GDS_MAY, 'S',
		"Non-zero padding with a right checksum is accepted (a client SHOULD send NUL)",
		NULL},
	{"HDR-09", GDS_MAY, 'S', "Unknown flag bits are ignored (0x03 and 0xff are health checks)",
		NULL},
	{"HDR-10", GDS_SHOULD, 'S', "An empty host without the health flag is refused",
		"dials localhost"},
	{"HDR-11", GDS_SHOULD, 'S', "A host with an embedded NUL is refused without a look-up",
		"looks it up"},
	{"HDR-12", GDS_SHOULD, 'S',
		"An empty, zero, above-65535 or non-numeric port is refused without a dial",
		"dials port 0; resolves service names"},
	{"HDR-13", GDS_MUST, 'B', "An IPv6 literal travels without brackets; a scope id is allowed",
		NULL},
	{"HDR-14", GDS_SHOULD, 'S',
		"inet_aton forms (127.1, 0177.0.0.1, 2130706433) are not addresses", NULL},

	{"TLS-01", GDS_MUST, 'S', "TLS 1.2 and 1.3 are accepted, 1.1 and 1.0 refused (alert 70)",
		NULL},
	{"TLS-02", GDS_MUST, 'S',
		"The server requires a client certificate: without one no stream (SHOULD: alert "
		"116 in 1.3, 40 in 1.2)",
		NULL},
	{"TLS-03", GDS_MUST, 'S',
		"A client certificate of another CA, expired, not yet valid, or with EKU without "
		"clientAuth is refused (SHOULD: alerts 48, 45, 45, 42)",
		NULL},
	{"TLS-04", GDS_MUST, 'C',
		"The client verifies the server: its CA, SAN godoxy.agent (a CN alone is not "
		"enough), dates, serverAuth",
		NULL},
	{"TLS-05", GDS_MUST, 'C',
		"In TLS 1.3 a client learns of its rejection only by reading after its handshake: "
		"a client that judges MUST read",
		"its TCP health check never reads"},
	{"TLS-06", GDS_SHOULD, 'S', "No 0-RTT, no renegotiation", NULL},
	{"TLS-07", GDS_SHOULD, 'S', "The TLS handshake has a time limit",
		"a bare TCP connection stays open for ever"},
	{"TLS-08", GDS_SHOULD, 'S',
		"Plain text on the port is refused in a way a person can recognise", NULL},
	{"TLS-09", GDS_MUST, 'B', "The close of a session is announced with close_notify", NULL},
	{"TLS-10", GDS_MUST, 'S',
		"A ClientHello over several segments (post-quantum share, 1532 bytes) and a "
		"KeyUpdate work",
		NULL},
	{"TLS-11", GDS_MAY, 'S',
		"Session resumption (GoDoxy's server offers tickets; its identity check is not "
		"repeated on resumption)",
		NULL},
	{"TLS-12", GDS_MAY, 'S',
		"AGENT_SKIP_CLIENT_CERT_CHECK lifts the requirement for TCP and HTTPS, not for UDP",
		NULL},

	{"MUX-01", GDS_MUST, 'S',
		"ALPN godoxy-agent-stream/1 selects the stream; http/1.1, or no ALPN, the HTTPS "
		"API; on one TCP port",
		NULL},
	{"MUX-02", GDS_MUST, 'S', "Only unknown protocols lead to alert 120", NULL},
	{"MUX-03", GDS_MUST, 'C',
		"A stream client offers only godoxy-agent-stream/1 (with both offered GoDoxy "
		"always selects http/1.1)",
		NULL},
	{"MUX-04", GDS_MUST, 'C',
		"A client checks that godoxy-agent-stream/1 was selected before it sends a header",
		"sends its header whatever was selected, nothing selected included"},
	{"MUX-05", GDS_SHOULD, 'S',
		"A stream header sent on the HTTP side is answered or closed, not left hanging",
		"stays silent"},

	{"HC-01", GDS_MUST, 'S',
		"Flag bit 0: validate, then close at once; no destination contact even if host and "
		"port are set",
		NULL},
	{"HC-02", GDS_MUST, 'S', "No application byte is sent back", NULL},
	{"HC-03", GDS_MUST, 'S', "No error is logged for a health check", NULL},
	{"HC-04", GDS_MUST, 'S',
		"TCP: close_notify, then FIN; UDP: an encrypted close_notify alert", NULL},
	{"HC-05", GDS_SHOULD, 'C',
		"A checker judges healthy by a clean close with no alert, in time, and never by "
		"the write alone",
		"judges by handshake and write alone, over TCP and UDP"},

	{"TCP-01", GDS_MUST, 'S', "The header may arrive in any split, down to one byte a record",
		NULL},
	{"TCP-02", GDS_MUST, 'S',
		"Bytes after the header, in the same record or not, reach the destination: none "
		"lost, none repeated",
		NULL},
	{"TCP-03", GDS_MUST, 'S',
		"The header must be complete within 10 s of the handshake, absolute, not per read; "
		"then close",
		NULL},
	{"TCP-04", GDS_MUST, 'S',
		"The destination is dialled with a 10 s limit; refused, unresolvable or timed out "
		"leads to close_notify and FIN",
		NULL},
	{"TCP-05", GDS_MUST, 'S',
		"One dedicated destination connection a session, never reused, closed with the "
		"session",
		NULL},
	{"TCP-06", GDS_MUST, 'S', "Bytes pass unchanged both ways at once, at any size", NULL},
	{"TCP-07", GDS_SHOULD, 'S',
		"A half-close of the client (close_notify) reaches the destination as FIN; the "
		"other direction stays open",
		"never passes it on"},
	{"TCP-08", GDS_SHOULD, 'S',
		"A FIN of the destination reaches the client as close_notify; the other direction "
		"stays open",
		"never passes it on; both sockets leak"},
	{"TCP-09", GDS_SHOULD, 'S', "A reset of either side ends the other within a second",
		"notices a reset only at a later write; the other side is told nothing"},
	{"TCP-10", GDS_SHOULD, 'S', "A client gone during the dial cancels it",
		"dials on to the end"},
	{"TCP-11", GDS_SHOULD, 'S', "Graceful shutdown announces close_notify to every session",
		NULL},
	{"TCP-12", GDS_MUST, 'S',
		"A slow reader slows its own sender only: backpressure, at most 64 KiB of user "
		"memory a direction beyond a shared read buffer",
		NULL},

	{"UDP-01", GDS_MUST, 'B',
		"DTLS 1.2 on the same port number; ECDHE-ECDSA-AES128-GCM-SHA256; P-256, P-384 or "
		"X25519; Extended Master Secret required",
		NULL},
	{"UDP-02", GDS_MUST, 'S',
		"Client certificates as for TLS (SHOULD: alert 42 rejected, 41 none sent)", NULL},
	{"UDP-03", GDS_SHOULD, 'S', "A cookie (HelloVerifyRequest) before any state is kept", NULL},
	{"UDP-04", GDS_MUST, 'S',
		"The first application bytes are the header; it may be split over records and "
		"datagrams",
		NULL},
	{"UDP-05", GDS_MUST, 'C',
		"The header is sent in records of its own: never with payload in one record "
		"(GoDoxy, and gdserver like it, refuses that)",
		NULL},
	{"UDP-06", GDS_MUST, 'S',
		"After the header each record is one datagram, both ways; responses carry no "
		"header; boundaries are kept",
		NULL},
	{"UDP-07", GDS_MUST, 'S', "A destination silent for over 10 s does not end the session",
		NULL},
	{"UDP-08", GDS_MUST, 'S',
		"Header not complete within 10 s of the session's acceptance, handshake included, "
		"leads to close_notify",
		NULL},
	{"UDP-09", GDS_SHOULD, 'B',
		"Payloads up to 16347 bytes can be sent (GnuTLS's limit), up to 16384 are accepted "
		"from the peer",
		"drops payloads above 8155 bytes silently, from client to destination and in its "
		"client"},
	{"UDP-10", GDS_SHOULD, 'S',
		"An over-long datagram is dropped alone and counted; the session and its return "
		"direction live on",
		"a datagram of 65507 bytes ends the return direction"},
	{"UDP-11", GDS_SHOULD, 'S',
		"An ICMP refusal of the destination is an event, not the end of the return "
		"direction",
		"the return direction is dead for good"},
	{"UDP-12", GDS_SHOULD, 'S',
		"An idle or vanished client is reaped (limit configurable, default 5 min)",
		"never ends its session"},
	{"UDP-13", GDS_SHOULD, 'S',
		"A new ClientHello from the 5-tuple of a live session starts a new session after "
		"its cookie (RFC 6347 4.2.8)",
		"ignores it"},
	{"UDP-14", GDS_SHOULD, 'B',
		"A refused ClientHello is answered with an alert; a client reports that alert "
		"instead of timing out",
		NULL},
	{"UDP-15", GDS_MUST, 'S',
		"close_notify of the client frees the destination socket at once and is answered",
		NULL},
	{"UDP-16", GDS_SHOULD, 'S', "Shutdown announces close_notify to every session",
		"ends in silence"},
	{"UDP-17", GDS_MUST, 'S',
		"On an established session replayed, forged and garbage datagrams change nothing",
		NULL},
	{"UDP-18", GDS_MAY, 'B',
		"Empty datagrams are a known gap (GnuTLS cannot send them): dropped and counted",
		NULL},
	{"UDP-19", GDS_SHOULD, 'S',
		"No amplification: before the cookie no answer larger than the question, none to "
		"what is not a ClientHello",
		NULL},
	{"UDP-20", GDS_MUST, 'C',
		"The header is sent once and never repeated on a session (a second copy is "
		"payload); if lost, a client retries on a new session",
		NULL},
	{"UDP-21", GDS_SHOULD, 'S',
		"Payload that arrives before the header is refused (close_notify), never taken for "
		"a header",
		NULL},
	{"UDP-22", GDS_SHOULD, 'S',
		"During a handshake an empty datagram, early application data or a forged "
		"plaintext alert does not end it",
		"each of them ends it"},

	{"API-01", GDS_MUST, 'S',
		"/info: 200, JSON {\"version\",\"name\",\"runtime\"}; runtime is docker or podman",
		NULL},
	{"API-02", GDS_MUST, 'S',
		"GET /health?scheme&host&port&path&timeout(ms, default 5000): 200, JSON "
		"{\"healthy\",\"detail\",\"latency\"(ns)}; schemes http https h2c tcp tcp4 tcp6 "
		"udp udp4 udp6 fileserver; missing parameter or double port: 400, text; failed "
		"look-up for tcp or udp: 502",
		NULL},
	{"API-03", GDS_SHOULD, 'S', "Health of udp sends a datagram and says what it could learn",
		"always says healthy"},
	{"API-04", GDS_SHOULD, 'S', "An unknown scheme is a client error",
		"answers 200, healthy false"},
	{"API-05", GDS_MUST, 'S',
		"/proxy/http/... forwards to X-Proxy-Scheme://X-Proxy-Host, X-Proxy-Config a "
		"base64 JSON object; bad or missing: 400; unreachable: 502",
		NULL},
	{"API-06", GDS_MAY, 'S', "/system_info", NULL},
	{"API-07", GDS_SHOULD, 'S', "Any other path: 404", "hands it to the Docker socket"},
	{"API-08", GDS_MUST, 'C',
		"A GoDoxy server adding an agent fetches /info (older agents: /name, /version, "
		"/runtime as text), then does a TCP and a UDP health check, in one 5 s budget; "
		"what passes becomes supports_tcp_stream, supports_udp_stream",
		NULL},

	{"CERT-01", GDS_MUST, 'X',
		"CA: ECDSA P-256, O=GoDoxy CN=godoxy.agent, CA:TRUE pathlen 0; leaves: P-256, SAN "
		"DNS:godoxy.agent, digitalSignature, EKU serverAuth or clientAuth",
		NULL},
	{"CERT-02", GDS_MUST, 'B', "Validity 1000 years (year 3026): 64-bit dates everywhere",
		NULL},
	{"CERT-03", GDS_MUST, 'X',
		"AGENT_CA_CERT, AGENT_SSL_CERT = base64(cert PEM);base64(key PEM), key as SEC1 EC "
		"PRIVATE KEY",
		NULL},
	{"CERT-04", GDS_MUST, 'X',
		"The GoDoxy side keeps certs/HOST:PORT.zip with ca.pem, cert.pem, key.pem, stored "
		"(file mode 0600)",
		NULL},
	{"CERT-05", GDS_MUST, 'X',
		"An RSA server certificate works for TCP and can never work for UDP: a diagnosis "
		"of its own",
		NULL},
	{"CERT-06", GDS_SHOULD, 'X', "NotBefore is back-dated against clock skew",
		"NotBefore is the moment of creation"},
};

const size_t gds_requirements_count = sizeof(gds_requirements) / sizeof(gds_requirements[0]);

const struct gds_requirement *gds_requirement_find(const char *id)
{
	for (size_t i = 0; i < gds_requirements_count; i++) {
		if (strcmp(gds_requirements[i].id, id) == 0) {
			return &gds_requirements[i];
		}
	}
	return NULL;
}
