/* SPDX-License-Identifier: MIT */
#include <gdstream/catalogue.h>

#include <string.h>

/*
 * What can be wrong, for someone who is tired and did not write any of this: a sentence that says
 * what it is, and the next step with the file, the setting or the command. No cause blames what was
 * not seen.
 */

/*
 * Where things are: in the container of GoDoxy's compose file, or, without Docker, where its
 * install-agent.sh puts them.
 */
#define AGENT_LOG "docker logs godoxy-agent, or /var/log/godoxy/godoxy-agent.log"
#define AGENT_ENV "the agent's docker-compose.yml or /etc/godoxy-agent.env"
#define UPDATE "docker compose pull && docker compose up -d, or install-agent.sh update"
#define AGENT_PORT "the agent's own port (8890 unless AGENT_PORT says otherwise)"
/* Puts a new CA and a new server certificate on the agent, and a new zip on GoDoxy's side. */
#define RENEW                                                                                      \
	"add the agent again in GoDoxy's UI, copy the new AGENT_CA_CERT and AGENT_SSL_CERT "       \
	"into " AGENT_ENV ", and restart the agent"

const struct gds_cause gds_causes[] = {
	{"healthy", GDS_FINE, "The agent is healthy", "Nothing to do"},

	/* resolve */
	{"resolve-failed", GDS_CRITICAL, "The agent's host name has no address",
		"Check the name for a typing error and with: getent ahosts NAME; or give the IP "
		"address instead"},
	{"resolve-timeout", GDS_CRITICAL, "The name servers did not answer in time",
		"Check the name servers in /etc/resolv.conf of this machine, or give the IP "
		"address instead of the name"},

	/* connect, TCP */
	{"tcp-refused", GDS_CRITICAL, "Nothing listens on the agent's TCP port",
		"Start the agent, look at its log (" AGENT_LOG
		"), and compare the port with AGENT_PORT in " AGENT_ENV ": 8890 unless set"},
	{"tcp-filtered", GDS_CRITICAL,
		"The agent's TCP port does not answer: the host is down, or a firewall drops "
		"packets",
		"Check that the host is up, then open the agent's port (8890 unless AGENT_PORT "
		"says otherwise) for TCP and for UDP in the firewall of the agent's host and on "
		"the way"},
	{"tcp-unreachable", GDS_CRITICAL, "There is no way to the agent's host",
		"Check that the host is up and the address right, then routing, VPN and firewalls: "
		"ip route get ADDRESS"},
	{"tcp-reset", GDS_CRITICAL,
		"The connection was reset before TLS was set up: a firewall or another program on "
		"the port does that",
		"Look what listens on the agent's host (ss -ltnp), and at firewalls and proxies "
		"between here and there"},
	{"local-firewall", GDS_CRITICAL, "This machine itself forbids the connection",
		"Look at the output rules of this machine (nft list ruleset; iptables -S OUTPUT), "
		"and, in a container, at its network policy"},

	/* connect, UDP */
	{"udp-filtered", GDS_CRITICAL,
		"UDP to the agent is lost without a trace: a firewall drops it, or the agent does "
		"not serve UDP",
		"Open the UDP port in the firewall of the agent's host, the same number as TCP "
		"(8890 unless AGENT_PORT says otherwise), and with Podman publish it as "
		"PORT:PORT/udp; the agent's log says \"UDP stream server started\" when it serves "
		"UDP"},
	{"udp-closed", GDS_CRITICAL, "Nothing listens on the agent's UDP port",
		"Check that the agent's log (" AGENT_LOG
		") says \"UDP stream server started\" (if it does not, update the agent), and that "
		"its container uses the host's network or publishes PORT:PORT/udp; a firewall that "
		"rejects UDP looks the same"},
	{"udp-unreachable", GDS_CRITICAL,
		"A router or firewall on the way says that UDP cannot pass",
		"Open the UDP port, the same number as TCP, in the firewall of the agent's host "
		"and on the way there"},
	{"udp-silent-mid", GDS_CRITICAL,
		"The agent answered over UDP and then fell silent: packets are lost, or large ones "
		"do not pass",
		"Try again; if it stays so, look for lossy links and for a path with a small MTU "
		"(VPN, PPPoE, overlay network): ping -M do -s 1372 ADDRESS must pass"},
	{"tuple-lock-out", GDS_WARNING,
		"The agent answers over UDP, but not to one source port: it holds an old session "
		"of "
		"that port, as after a client that vanished",
		"Restart the client that keeps the port, or the agent (docker restart "
		"godoxy-agent); GoDoxy's agents forget a session only when its client says "
		"goodbye"},
	{"mtu-black-hole", GDS_CRITICAL,
		"Large packets do not pass between here and the agent, small ones do",
		"Find the path's MTU (ping -M do -s 1372 ADDRESS, then smaller), and lower the MTU "
		"of the interface, VPN or overlay network on the way, or let ICMP \"packet too "
		"big\" pass its firewalls"},
	{"overload", GDS_CRITICAL,
		"The agent's host accepts connections at once, but the agent is too slow with the "
		"handshake: it is overloaded or hangs",
		"Look at the load of the agent's host (uptime; docker stats godoxy-agent); if it "
		"is idle, restart the agent: docker restart godoxy-agent"},
	{"udp-not-dtls", GDS_CRITICAL, "What answers on the UDP port does not speak DTLS",
		"Look what listens there on the agent's host (ss -lunp), and compare the port with "
		"AGENT_PORT in " AGENT_ENV},

	/* not an agent */
	{"not-tls-http", GDS_CRITICAL, "A plain HTTP server answers on the port, not an agent",
		"Give " AGENT_PORT ", not that of a web server or of the Docker API"},
	{"not-tls-ssh", GDS_CRITICAL, "An SSH server answers on the port, not an agent",
		"Give " AGENT_PORT},
	{"not-tls-smtp", GDS_CRITICAL, "A mail server answers on the port, not an agent",
		"Give " AGENT_PORT},
	{"not-tls-other", GDS_CRITICAL,
		"What answers on the port does not speak TLS, so it is no agent",
		"Look what listens there on the agent's host (ss -ltnp), and compare the port with "
		"AGENT_PORT in " AGENT_ENV},
	{"closed-by-peer", GDS_CRITICAL,
		"Something accepts the connection and closes it without a word",
		"Look for a port forwarding (Docker, SSH, a load balancer) whose target is not "
		"running, and at the agent's log: " AGENT_LOG},
	{"peer-silent", GDS_CRITICAL,
		"Something accepts the connection and never answers the TLS greeting",
		"Restart the agent if it hangs (docker restart godoxy-agent), and check that the "
		"port is the agent's and no proxy waits in between"},
	{"foreign-server", GDS_CRITICAL,
		"A TLS server of another kind answers on the port: its certificate is not for an "
		"agent",
		"Give " AGENT_PORT
		", and take any HTTPS proxy out of the way: the agent must be reached directly"},

	/* the agent's certificate, as we see it */
	{"server-cert-other-ca", GDS_CRITICAL,
		"An agent answers, but its certificate is of another CA: the identity used here "
		"belongs to another agent, or the agent's certificates were made anew",
		"Use this agent's own zip (certs/HOST:PORT.zip of GoDoxy; gdcerts inspect FILE "
		"shows its CA); if that is lost, " RENEW},
	{"server-cert-expired", GDS_CRITICAL, "The agent's certificate has expired",
		"Check the clock of this machine first (timedatectl); if it is right, " RENEW},
	{"server-cert-not-yet-valid", GDS_CRITICAL,
		"The agent's certificate is not valid yet: the clock here is behind, or that of "
		"the machine that made the certificate was ahead",
		"Set the clocks by NTP (timedatectl set-ntp true) on this machine and on GoDoxy's; "
		"if they are right, " RENEW},
	{"server-cert-purpose", GDS_CRITICAL,
		"The agent's certificate is not meant for a server (no serverAuth)",
		"Check AGENT_SSL_CERT in " AGENT_ENV
		": it must be the server certificate, not the client's from the zip; gdcerts "
		"inspect FILE shows which it is"},
	{"server-cert-name", GDS_CRITICAL,
		"The agent's certificate is not made out to godoxy.agent",
		"Let GoDoxy make the certificates, not another CA tool: " RENEW},
	{"server-cert-no-san", GDS_CRITICAL,
		"The agent's certificate has godoxy.agent as common name only, and GoDoxy does not "
		"accept that",
		"Make a certificate with the subject alternative name DNS:godoxy.agent, or let "
		"GoDoxy do it: " RENEW},
	{"server-cert-signature", GDS_CRITICAL,
		"The signature of the agent's certificate is wrong or too weak",
		"Compare what the agent has with gdcerts inspect FILE; if the file is "
		"damaged, " RENEW},
	{"server-cert-revoked", GDS_CRITICAL, "The agent's certificate was revoked",
		"If it was revoked by mistake, take it off the list; otherwise " RENEW},
	{"server-cert-other", GDS_CRITICAL, "The agent's certificate cannot be accepted",
		"See what is wrong with it: gdcerts inspect FILE on the agent's AGENT_SSL_CERT"},
	{"server-cert-rsa-udp", GDS_CRITICAL,
		"The agent's certificate is an RSA one from the first agents: TCP works, UDP never "
		"can",
		"To make UDP work, " RENEW},

	/* our certificate, as the agent sees it */
	{"client-cert-missing", GDS_CRITICAL,
		"The agent requires a client certificate, and none was sent",
		"Give the agent's zip with -i certs/HOST:PORT.zip (from GoDoxy's machine), or "
		"--cert and --key"},
	{"client-cert-other-ca", GDS_CRITICAL,
		"The agent does not accept the client certificate: it is of another CA",
		"Use this agent's own zip (certs/HOST:PORT.zip of GoDoxy), and check that the "
		"agent's AGENT_CA_CERT is the CA in it: gdcerts inspect FILE shows both; if they "
		"differ, " RENEW},
	{"client-cert-expired", GDS_CRITICAL,
		"The agent says that the client certificate has expired",
		"Check the clock of the agent's host (timedatectl) and the dates with gdcerts "
		"inspect FILE; if the clock is right, " RENEW},
	{"client-cert-not-yet-valid", GDS_CRITICAL,
		"The client certificate is not valid yet by the agent's clock",
		"Set the clock of the agent's host by NTP (timedatectl set-ntp true); gdcerts "
		"inspect FILE shows the date from which the certificate is valid"},
	{"client-cert-purpose", GDS_CRITICAL,
		"The certificate sent is not meant for a client (no clientAuth): most likely it is "
		"the agent's own server certificate",
		"Use cert.pem and key.pem of the agent's zip, not AGENT_SSL_CERT; on the agent's "
		"own host use --agent-env FILE, which signs a client certificate for the check"},
	{"client-cert-revoked", GDS_CRITICAL,
		"The agent says that the client certificate was revoked",
		"If it was revoked by mistake, take it off the list; otherwise " RENEW},
	{"client-cert-rejected", GDS_CRITICAL,
		"The agent rejected the client certificate without telling why",
		"Check with gdcerts inspect FILE that it is this agent's, in date, and for a "
		"client; the reason stands in the agent's log: " AGENT_LOG},
	{"cert-expiring", GDS_WARNING, "A certificate expires soon", "Before it does, " RENEW},
	{"clocks-apart", GDS_WARNING,
		"The clocks of this machine and of the agent's host differ, so that certificates "
		"may seem expired or not yet valid",
		"Set both by NTP: timedatectl set-ntp true"},

	/* negotiation */
	{"tls-version", GDS_CRITICAL,
		"No common TLS version: the agent's side offers neither TLS 1.2 nor 1.3",
		"Update the agent, and take any old proxy out of the way: the agent must be "
		"reached directly"},
	{"tls-suite", GDS_CRITICAL, "No common TLS cipher suite or group with the agent",
		"Check that nothing in between ends the TLS connection, and that no crypto policy "
		"of this machine takes the modern suites away (/etc/gnutls/config)"},
	{"dtls-suite", GDS_CRITICAL,
		"No common DTLS suite or group with the agent: it needs "
		"ECDHE-ECDSA-AES128-GCM-SHA256 and P-256, P-384 or X25519",
		"Check the key type of the agent's certificate (gdcerts inspect FILE: an RSA one "
		"can never do UDP), and that no crypto policy of this machine takes the suite away "
		"(/etc/gnutls/config)"},
	{"dtls-no-ems", GDS_CRITICAL,
		"The peer's DTLS does not use Extended Master Secret, which agents require",
		"Update the agent; if it is new, what answers on the UDP port is another program: "
		"ss -lunp on its host shows which"},
	{"alpn-missing", GDS_CRITICAL,
		"The peer did not select the stream protocol: the agent is too old for streams, or "
		"an HTTP proxy stands in between",
		"Update the agent (" UPDATE
		"), and reach it directly, not through a proxy that ends TLS"},
	{"alpn-refused", GDS_CRITICAL,
		"The peer refused the stream protocol (alert 120): the agent is too old for "
		"streams, or it is no agent",
		"Update the agent: " UPDATE},

	/* header and close */
	{"header-refused", GDS_CRITICAL, "The agent refused the stream header",
		"Compare the versions of the agent and of GoDoxy, and update the older one; the "
		"agent's log (" AGENT_LOG ") says what it did not accept"},
	{"no-close-notify", GDS_CRITICAL,
		"The agent ended the session without announcing it (no close_notify): it crashed, "
		"or something in between cut the connection",
		"Look at the agent's log (" AGENT_LOG
		") and for proxies or firewalls that cut connections"},
	{"closed-by-reset", GDS_CRITICAL,
		"The session was reset instead of being closed: the agent crashed, or something in "
		"between cut the connection",
		"Look at the agent's log (" AGENT_LOG
		") and for proxies or firewalls that cut connections"},
	{"unexpected-bytes", GDS_CRITICAL,
		"The peer answered a health check with bytes, which an agent never does",
		"Check that the port is the agent's and nothing in between answers for it: ss "
		"-ltnp on the agent's host"},
	{"close-late", GDS_CRITICAL, "The agent did not close the health check in time",
		"Look at the load of the agent's host; if it is idle, restart the agent: docker "
		"restart godoxy-agent"},
	{"handshake-timeout", GDS_CRITICAL, "The handshake with the agent did not finish in time",
		"Look at the load of the agent's host and for lost packets on the way (ping), then "
		"try with a longer --timeout"},
	{"handshake-failed", GDS_CRITICAL, "The handshake with the agent failed",
		"The reason stands in the agent's log: " AGENT_LOG},
	{"alert-other", GDS_CRITICAL, "The peer ended the session with an alert",
		"The reason stands in the agent's log: " AGENT_LOG},

	/* through a tunnel */
	{"tunnel-refused", GDS_CRITICAL,
		"The tunnel was closed at once: the agent cannot reach the destination",
		"From the agent's host, check that the destination's name resolves and its port "
		"answers (nc -vz HOST PORT); the agent's log says which failed"},
	{"tunnel-silent", GDS_CRITICAL, "The tunnel opened, but nothing came back through it",
		"Check that the destination is an echo service and reached from the agent's host, "
		"not from here"},
	{"tunnel-corrupt", GDS_CRITICAL, "What came back through the tunnel is not what was sent",
		"Check that the destination is an echo service (--loopback brings its own); if it "
		"is, something changes bytes on the way: report it with the output of --json"},
	{"udp-tunnel-silent", GDS_CRITICAL,
		"The UDP tunnel opened, but no datagram came back through it",
		"Check that the destination is a UDP echo service and that UDP passes between the "
		"agent's host and it; try a smaller payload: GoDoxy's agent drops those above 8155 "
		"bytes"},
	{"loopback-unreached", GDS_CRITICAL,
		"The agent cannot connect back to this machine, where the probe is the destination",
		"Open this machine's firewall for the agent's host, or name a destination that the "
		"agent reaches: --through HOST:PORT"},

	/* HTTPS */
	{"http-status", GDS_CRITICAL, "The agent answered /info with an error status",
		"Look at the agent's log: " AGENT_LOG},
	{"http-not-json", GDS_CRITICAL, "What /info answered is not an agent's",
		"Check that the port is the agent's and no HTTP proxy answers for it"},
	{"http-old-agent", GDS_CRITICAL,
		"The agent is too old for streams: it has no /info, so that TCP and UDP routes "
		"through it cannot work",
		"Update the agent: " UPDATE},
	{"http-timeout", GDS_CRITICAL, "The agent did not answer /info in time",
		"Look at the load of the agent's host; if it is idle, restart the agent: docker "
		"restart godoxy-agent"},
	{"http-failed", GDS_CRITICAL, "The HTTPS request to the agent failed",
		"Look at the agent's log (" AGENT_LOG
		"), and check that no proxy stands in between"},

	/* thresholds */
	{"slow", GDS_WARNING, "The agent answers, but more slowly than the limit given",
		"Look at the load of the agent's host and at the way there (ping), or raise the "
		"limit"},

	/* this machine */
	{"out-of-memory", GDS_UNKNOWN, "This machine has no memory left for the check",
		"Free memory or raise the limit of the process (ulimit -v, the container's memory "
		"limit), and try again"},
	{"descriptors", GDS_UNKNOWN, "This process has no file descriptor left for the check",
		"Raise the limit (ulimit -n 4096), and try again"},
	{"io-error", GDS_UNKNOWN, "This machine's network reported an error",
		"The evidence names the system's error: check the interfaces and addresses of this "
		"machine (ip address; ip route)"},
	{"cancelled", GDS_UNKNOWN, "The check was cancelled before it could judge", "Run it again"},
	{"unknown", GDS_UNKNOWN, "The check failed in a way this version does not know",
		"Run it again with -v --json, and report the output: it holds no key and no "
		"payload"},
};

const size_t gds_causes_count = sizeof(gds_causes) / sizeof(gds_causes[0]);

const struct gds_cause *gds_cause_find(const char *id)
{
	const struct gds_cause *unknown = NULL;

	for (size_t i = 0; i < gds_causes_count; i++) {
		if (id && strcmp(gds_causes[i].id, id) == 0) {
			return &gds_causes[i];
		}
		if (strcmp(gds_causes[i].id, "unknown") == 0) {
			unknown = &gds_causes[i];
		}
	}
	return unknown;
}
