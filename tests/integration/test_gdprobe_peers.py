# SPDX-License-Identifier: MIT
"""gdprobe where nobody is, or somebody who is no agent."""

import contextlib
import json
import socket
import ssl
import subprocess
import threading
import time

import pytest

import harness
from probing import FACES, Peer, causes, client, copy, hang_up, judged, probe, pump, relay_udp, reset, say, silent


def test_nobody_listens(certs):
    host, port = harness.closed_port()
    root = judged(*client(certs), f"{host}:{port}", rc=2)
    assert causes(root) == {"https": "tcp-refused", "tcp": "tcp-refused", "udp": "udp-closed"}
    assert root["duration_ns"] < 1e9


def test_udp_closed_alone(server, certs):
    def relay(connection, _stopped):
        with socket.create_connection(server.address) as upstream:
            pump(connection, upstream)

    with Peer(relay) as peer:
        peer.close_udp()
        root = judged(*client(certs), peer.target, rc=2)
        assert causes(root) == {"https": None, "tcp": None, "udp": "udp-closed"}
        optional = probe(*client(certs), "--optional", "udp", peer.target)
        assert optional.rc == 1 and "WARNING" in optional.stdout, optional


@pytest.mark.parametrize("name, behave, cause", [
    ("http", say(b"HTTP/1.0 400 Bad Request\r\n\r\n", read_first=True), "not-tls-http"),
    ("ssh", say(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), "not-tls-ssh"),
    ("smtp", say(b"220 mail.example ESMTP\r\n"), "not-tls-smtp"),
    ("noise", say(bytes(range(200, 256)) * 9, read_first=True), "not-tls-other"),
    ("silent", silent, "peer-silent"),
    ("hangs up", hang_up, "closed-by-peer"),
])
def test_no_agent(certs, name, behave, cause):
    with Peer(behave) as peer:
        peer.close_udp()
        start = time.monotonic()
        root = judged(*client(certs), "--timeout", "1", peer.target, rc=2)
        assert time.monotonic() - start < 2
    assert causes(root)["tcp"] == causes(root)["https"] == cause, name


def test_reset(certs):
    with Peer(reset) as peer:
        root = judged(*client(certs), "--tcp", peer.target, rc=2)
    assert causes(root) == {"tcp": "tcp-reset"}


def test_foreign_https(certs, odd, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-subj", "/CN=www.example.com",
                    "-addext", "subjectAltName=DNS:www.example.com"], check=True, capture_output=True)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    def serve(connection, _stopped):
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as session:
            session.recv(100)

    with Peer(serve) as peer:
        peer.close_udp()
        root = judged(*client(certs), peer.target, rc=2)
    # Its UDP would be wrong advice: the port is.
    assert causes(root) == dict.fromkeys(FACES, "foreign-server")


def _http(status, body, more=b""):
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, more, len(body), body)


INFO = b'{"version":"v9","name":"%s","runtime":"docker"}'


@pytest.mark.parametrize("answer, cause", [
    (_http(b"200 OK", INFO % b"x"), None),
    (_http(b"404 Not Found", b'{"message":"page not found"}'), "http-old-agent"),  # API-08
    (_http(b"503 Service Unavailable", b""), "http-status"),
    (_http(b"302 Found", b"", b"Location: https://elsewhere.example/\r\n"), "http-status"),
    (_http(b"200 OK", b"<html>"), "http-not-json"),
    (_http(b"200 OK", b'{"version":1,"name":"x","runtime":"docker"}'), "http-not-json"),
    (_http(b"200 OK", b"[" * 70000), "http-failed"),  # beyond the bound of a body
    (_http(b"200 OK", INFO % b"x")[:-1], "http-timeout"),  # cut, and silent
    (b"", "http-timeout"),
    (b"what?\r\n\r\n", "http-failed"),
    (None, "http-failed"),  # goodbye at once
])
def test_info(certs, answer, cause):
    """What an agent's port may answer to /info, over a session that is in order."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.server, certs.server_key)
    context.set_alpn_protocols(["http/1.1"])

    def serve(connection, stopped):
        session = context.wrap_socket(connection, server_side=True)
        assert session.recv(4096).startswith(b"GET /godoxy/agent/info HTTP/1.1\r\n")
        if answer is not None:
            session.sendall(answer)
            stopped.wait(harness.LIMIT)
        session.unwrap()

    with Peer(serve) as peer:
        root = judged(*client(certs), "--http", "--timeout", "1", peer.target, rc=2 if cause else 0)
    assert causes(root) == {"https": cause}


def test_name_of_the_agent_is_harmless(certs):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.server, certs.server_key)

    def serve(connection, stopped):
        session = context.wrap_socket(connection, server_side=True)
        session.recv(4096)
        session.sendall(_http(b"200 OK", INFO % b"\\u001b[2J|\\n\\u009b", b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"))
        stopped.wait(harness.LIMIT)

    with Peer(serve) as peer:
        text = probe(*client(certs), "--http", peer.target)
        nagios = probe(*client(certs), "--http", "--nagios", peer.target)
        root = judged(*client(certs), "--http", peer.target)
    assert "\033" not in text.stdout and "\x9b" not in text.stdout, text
    assert nagios.stdout.count("|") == 1 and nagios.stdout.count("\n") == 1, nagios
    # Its clock is that of 1970.
    assert text.rc == nagios.rc == 1 and root["certificates"]["cause"]["id"] == "clocks-apart"


def test_udp_silence(certs):
    """Bound, and never answering: as a firewall that drops. Told within the time of the whole run."""
    with Peer(silent) as peer:
        start = time.monotonic()
        root = judged(*client(certs), "--udp", "--timeout", "1500ms", peer.target, rc=2)
        assert time.monotonic() - start < 2.5
    assert causes(root) == {"udp": "udp-filtered"}
    assert root["duration_ns"] <= 1.5e9


def test_udp_noise(certs):
    with Peer(silent, answer=lambda data: b"this is not DTLS") as peer:
        root = judged(*client(certs), "--udp", "--timeout", "1", peer.target, rc=2)
    assert causes(root) == {"udp": "udp-not-dtls"}


def test_lost_header_is_not_ill(server, certs):
    """UDP-20: the header's datagram is lost, however often it travels; a new session finds the agent healthy."""
    dropped = []

    def drop(data):
        if data[0] == 23 and data in (dropped[:1] or [data]):
            dropped.append(data)
            return True
        return False

    seen = set()
    with Peer(silent) as peer:
        threading.Thread(target=relay_udp, args=(peer.udp, server.udp_address, seen, drop), daemon=True).start()
        result = probe(*client(certs), "--udp", peer.target)
    # A slow machine may take a third one.
    assert dropped and len(seen) >= 2
    assert result.rc == 0 and "after a retry" in result.stdout, result


def test_unresolvable(certs):
    assert causes(judged(*client(certs), "nowhere.invalid", rc=2))["tcp"] in ("resolve-failed", "resolve-timeout")


@pytest.mark.parametrize("ending", ["close", "hang"])
def test_stops_after_any_byte(server, certs, ending):
    """A peer that says the first n bytes of an agent's answer and no more is never healthy, nor hangs the probe."""
    limit = [0]

    def cut(connection, stopped):
        with socket.create_connection(server.address) as upstream:
            threading.Thread(target=copy, args=(connection, upstream), daemon=True).start()
            left = limit[0]
            while left > 0 and (data := upstream.recv(left)):
                connection.sendall(data)
                left -= len(data)
            if ending == "hang":
                stopped.wait(harness.LIMIT)
            # A close alone sends no FIN while the other thread is reading.
            connection.shutdown(socket.SHUT_RDWR)

    with Peer(cut) as peer:
        # The whole answer of a TLS 1.3 handshake with close_notify has about 1000 bytes.
        for limit[0] in (0, 1, 4, 5, 6, 90, 127, 128, 133, 400, 700):
            root = judged(*client(certs), "--tcp", "--timeout", "400ms" if ending == "hang" else "5", peer.target, rc=2)
            assert causes(root)["tcp"], (limit, root)


@pytest.mark.parametrize("limit", range(6, 24))
def test_no_descriptors_left(server, certs, limit):
    """Told as this machine's lack, never as the agent's fault, and without waiting for the timeout."""
    done = subprocess.run(["sh", "-c", 'ulimit -n "$1"; shift; exec "$@"', "sh", str(limit),
                           harness.program("gdprobe"), "--json", *map(str, client(certs)), server.target],
                          capture_output=True, text=True, env=harness.environment(), check=False, timeout=60)
    harness.assert_no_report(done.stderr)
    if not done.stdout:
        assert done.returncode == 3 and done.stderr.count("\n") == 1, done
        return
    root = json.loads(done.stdout)
    assert set(causes(root).values()) <= {None, "descriptors"}, root
    assert done.returncode == (3 if any(causes(root).values()) else 0)
    assert root["duration_ns"] < 2e9


def test_hundred_targets(server, certs):
    """More than fit into the window, all in one time budget."""
    result = probe("--json", "--timeout", "20", *client(certs), *[server.target] * 100)
    assert result.rc == 0, result
    assert result.stdout.count('"result":"healthy"') == 100
