# SPDX-License-Identifier: MIT
"""A client on the real client's stacks (crypto/tls, pion/dtls) against gdserver."""

import re

import pytest

import harness

MANY = ("--count", 100, "--parallel", 25)
VERSIONS = pytest.mark.parametrize("version", ["1.2", "1.3"])
MIB = 1 << 20


def all_passed(result, count=1):
    assert result["ok"] and result["count"] == count, result
    assert result["failed"] == 0, result


def health_checks(server, transport):
    return len([line for line in server.lines if 'msg="health check"' in line and f"transport={transport}" in line])


def complaints(server):
    """HC-03: what the server had to say above INF."""
    return [line for line in server.lines if re.search(r"\blevel=(warn|err|crit)", line)]


# --- Health checks --------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("reading", [False, True], ids=["as_the_real_one", "reading"])
def test_tcp_health(start_server, go_client, loopback, version, reading):
    """HC-01 to HC-04, TLS-01, TLS-10: 100 checks, 25 at once. The real client never reads the answer (TLS-05)."""
    server = start_server(listen=loopback)
    result = go_client("tcp-health", server.target, *MANY, "--tls-max", version, *["--read"] * reading)
    all_passed(result, 100)
    # The client that does not read is through before the server is.
    harness.wait_for(lambda: health_checks(server, "tcp") == 100, what="100 health checks in the log")
    server.stop()
    assert not complaints(server), server.stderr
    assert health_checks(server, "tcp") == 100


@pytest.mark.parametrize("reading", [False, True], ids=["as_the_real_one", "reading"])
def test_udp_health(start_server, go_client, loopback, reading):
    """UDP-01 to UDP-04, HC-04. How many headers arrive is not asked: when the client does not read, pion now and
    then sends its close_notify first."""
    server = start_server(listen=loopback)
    all_passed(go_client("udp-health", server.target, *MANY, *["--read"] * reading), 100)
    server.stop()
    errors = [line for line in complaints(server) if "level=warn" not in line or reading]
    assert not errors, server.stderr


def test_two_workers(start_server, go_client):
    """Datagrams of one client reach the one worker that holds its session."""
    server = start_server("--workers", 2)
    for command in ("tcp-health", "udp-health"):
        all_passed(go_client(command, server.target, *MANY, "--read"), 100)


@VERSIONS
def test_init(start_server, go_client, loopback, version):
    """API-01, API-08: what a GoDoxy server does when it adds an agent."""
    server = start_server("--name", "nas", listen=loopback)
    result = go_client("init", server.target, "--count", 20, "--tls-max", version)
    all_passed(result, 20)
    facts = result["init"]
    assert facts["supports_tcp_stream"] and facts["supports_udp_stream"], facts
    assert facts["name"] == "nas" and facts["runtime"] in ("docker", "podman") and facts["version"], facts


# --- Tunnels --------------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("size", [1, 2, 16384, 16385, 65537, MIB, 16 * MIB])
def test_tcp_echo(server, go_client, go_echo, version, size):
    """TCP-02, TCP-06: both ways at once, two rounds a session."""
    all_passed(go_client("tcp-echo", server.target, "--dest", go_echo.target, "--size", size, "--rounds", 2,
                         "--timeout", "30s", "--tls-max", version))


@VERSIONS
def test_tcp_echo_in_parallel(server, go_client, go_echo, version):
    all_passed(go_client("tcp-echo", server.target, "--dest", go_echo.target, "--size", 100_000, *MANY,
                         "--timeout", "30s", "--tls-max", version), 100)


@pytest.mark.parametrize("size", [1, 13, 275, 276, 1163, 1200, 1472, 8154, 8155])
def test_udp_echo(server, go_client, go_echo, size):
    """UDP-06: boundaries are kept; a payload of the header's size is a payload. 8155 is all that GoDoxy takes."""
    all_passed(go_client("udp-echo", server.target, "--dest", go_echo.target, "--size", size, "--rounds", 20))


def test_udp_echo_in_parallel(server, go_client, go_echo):
    all_passed(go_client("udp-echo", server.target, "--dest", go_echo.target, "--size", 1200, "--rounds", 4,
                         *MANY), 100)


def test_ipv6_destination_and_listener(start_server, go_client, listening, loopback):
    """HDR-13, and a tunnel from either family to IPv6."""
    server, echo = start_server(listen=loopback), listening("echo", "--listen", loopback)
    for command in ("tcp-echo", "udp-echo"):
        all_passed(go_client(command, server.target, "--dest", echo.target))


def test_tcp_tunnel_refused(server, go_client, go_echo):
    """TCP-04: the real client learns of it by the close alone."""
    go_echo.kill()
    result = go_client("tcp-echo", server.target, "--dest", go_echo.target)
    assert not result["ok"] and "EOF" in result["error"], result


# --- Certificates ---------------------------------------------------------------------------------

# What crypto/tls calls the alerts of TLS-02 and TLS-03, and pion those of UDP-02. A certificate of a CA that the
# server did not name is not sent at all: then it is as if there were none.
REFUSED = {
    "other-ca": ({"1.2": "handshake failure", "1.3": "certificate required"}, "NoCertificate"),
    "same-name-ca": ({"1.2": "unknown certificate authority", "1.3": "unknown certificate authority"},
                     "BadCertificate"),
    "expired": ({"1.2": "expired certificate", "1.3": "expired certificate"}, "BadCertificate"),
    "not-yet-valid": ({"1.2": "expired certificate", "1.3": "expired certificate"}, "BadCertificate"),
    "server-auth-only": ({"1.2": "bad certificate", "1.3": "bad certificate"}, "BadCertificate"),
}


@VERSIONS
@pytest.mark.parametrize("name", REFUSED)
def test_client_certificate_refused_over_tcp(server, go_client, odd, version, name):
    """TLS-02, TLS-03: refused in each of 20 runs, and for that reason."""
    mark = server.mark()
    result = go_client("tcp-health", server.target, "--read", "--count", 20, "--parallel", 5,
                       "--tls-max", version, identity=odd[name])
    assert result["failed"] == 20, result
    assert REFUSED[name][0][version] in result["error"], result
    assert not [line for line in server.log_since(mark) if "health check" in line]


@pytest.mark.parametrize("name", REFUSED)
def test_client_certificate_refused_over_udp(server, go_client, odd, name):
    """UDP-02: by alert, not by silence."""
    result = go_client("udp-health", server.target, "--count", 10, "--parallel", 5, identity=odd[name])
    assert result["failed"] == 10, result
    assert REFUSED[name][1] in result["error"], result


def test_client_certificate_refused_by_init(server, go_client, odd):
    result = go_client("init", server.target, identity=odd["expired"])
    assert not result["ok"] and "expired certificate" in result["error"], result


@pytest.mark.parametrize("name", ["no-eku", "no-san", "rsa", "ed25519", "p384"])
def test_odd_client_certificates_accepted(server, go_client, odd, name):
    """docs/godoxy-facts.md, sections 4 and 5: GoDoxy accepts these over TCP and UDP."""
    for command in ("tcp-health", "udp-health"):
        all_passed(go_client(command, server.target, "--read", identity=odd[name]))


@pytest.mark.parametrize("command", ["tcp-health", "udp-health", "init"])
def test_server_of_another_ca_refused(server, go_client, other_certs, command):
    """TLS-04: the client's own verification."""
    result = go_client(command, server.target, ca=other_certs.ca)
    assert not result["ok"], result
    assert "x509: " in result["error"] or "BadCertificate" in result["error"], result


def test_rsa_server_certificate(start_server, go_client, certs, odd):
    """CERT-05: TCP works, UDP is refused by an alert (UDP-14): 71 from the real agent, 40 from GnuTLS."""
    certificate, key = odd["server-rsa"]
    server = start_server(identity=("--ca", certs.ca, "--cert", certificate, "--key", key))
    all_passed(go_client("tcp-health", server.target, "--read"))
    result = go_client("udp-health", server.target)
    assert not result["ok"] and re.search("InsufficientSecurity|HandshakeFailure", result["error"]), result
    facts = go_client("init", server.target)["init"]
    assert facts["supports_tcp_stream"] and not facts["supports_udp_stream"], facts
