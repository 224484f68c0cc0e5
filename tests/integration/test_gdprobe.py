# SPDX-License-Identifier: MIT
"""gdprobe against gdserver, against peers that are no agents, and through firewalls in a network namespace."""

import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

import harness
from harness import run

FACES = ("https", "tcp", "udp")
LEVEL_ERROR = re.compile(r"\blevel=(error|err)\b", re.IGNORECASE)


def probe(*args, **keywords):
    return run("gdprobe", *args, **keywords)


def judged(*args, rc=None, **keywords):
    """Run with --json. \\return the object, and check that the exit code is the one in it."""
    result = probe("--json", *args, **keywords)
    assert result.stdout.count("\n") == 1, result
    root = json.loads(result.stdout)
    assert root["exit"] == result.rc, result
    if rc is not None:
        assert result.rc == rc, result
    return root


def causes(root):
    """The cause of each face, None where it is well."""
    return {name: face["cause"] and face["cause"]["id"] for name, face in root["faces"].items()}


def client(certs):
    return ("--ca", certs.ca, "--cert", certs.client, "--key", certs.client_key)


class Peer:
    """A TCP listener with a behaviour, and on demand a UDP socket on the same port number."""

    def __init__(self, behave, answer=None):
        self.stopped = threading.Event()
        self.listener, self.udp = self._pair()
        self.port = self.listener.getsockname()[1]
        self.target = f"127.0.0.1:{self.port}"
        self._start(self._serve, behave)
        if answer:
            self._start(self._answer, answer)

    @staticmethod
    def _pair():
        while True:
            listener = socket.create_server(("127.0.0.1", 0))
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                udp.bind(listener.getsockname())
                return listener, udp
            except OSError:
                listener.close()
                udp.close()

    @staticmethod
    def _start(target, *args):
        threading.Thread(target=target, args=args, daemon=True).start()

    def _serve(self, behave):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self._start(self._behave, behave, connection)

    def _behave(self, behave, connection):
        with contextlib.suppress(OSError), connection:
            behave(connection, self.stopped)

    def _answer(self, answer):
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.udp.recvfrom(65536)
                if peer is None:
                    return
                self.udp.sendto(answer(data), peer)

    def close_udp(self):
        self.udp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for each in (self.listener, self.udp):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def say(text, read_first=False):
    def behave(connection, stopped):
        if read_first:
            connection.recv(4096)
        connection.sendall(text)
        stopped.wait(harness.LIMIT)
    return behave


def silent(_connection, stopped):
    stopped.wait(harness.LIMIT)


def hang_up(connection, _stopped):
    # Everything read, so that the end is a FIN and not a reset.
    connection.recv(4096)


def reset(connection, _stopped):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# --- The healthy agent ----------------------------------------------------------------------------------


def test_healthy_text(server, certs):
    result = probe(*client(certs), server.target)
    assert result.rc == 0, result
    lines = result.stdout.splitlines()
    span = r"[0-9.]+ m?s"
    assert re.fullmatch(rf'{re.escape(server.target)}  HEALTHY  agent "\S+" \S+ docker, {span}', lines[0])
    assert re.fullmatch(rf"  HTTPS ok  {span} +TLS 1.3, /info", lines[1])
    assert re.fullmatch(rf"  TCP   ok  {span} +header accepted, clean close", lines[2])
    assert re.fullmatch(rf"  UDP   ok  {span} +DTLS 1.2, clean close", lines[3])
    assert re.fullmatch(r"  certs ok  ECDSA P-256, to 3\d{3}; clocks agree \([012] s\)", lines[4])
    assert lines[5:] == ["Not tested: a destination (--loopback, --through)."]
    assert result.stderr == ""


def test_healthy_json(server, certs):
    root = judged(*client(certs), server.target, rc=0)
    assert root["schema"] == "gdprobe/1" and root["tool"] == "gdprobe"
    assert root["argv"][-1] == server.target
    assert causes(root) == dict.fromkeys(FACES)
    assert root["agent"]["runtime"] == "docker"
    assert root["certificates"]["days_left"] > 300_000  # CERT-02
    for name, stages in (("tcp", ("resolve", "connect", "handshake", "verify", "alpn", "header", "close")),
                         ("udp", ("resolve", "connect", "handshake", "verify", "header", "close")),
                         ("https", ("resolve", "connect", "handshake", "verify", "alpn", "payload"))):
        face = root["faces"][name]
        assert tuple(sorted(face["stages"])) == tuple(sorted(stages))
        assert all(stage["outcome"] == "passed" for stage in face["stages"].values())
        assert 0 < sum(stage["duration_ns"] for stage in face["stages"].values()) <= face["duration_ns"] * 1.01


def test_healthy_causes_no_error(start_server, certs):
    """Three sessions, none of which the agent has to complain about (HC-03)."""
    server = start_server()
    for _ in range(10):
        assert probe(*client(certs), server.target).rc == 0
    assert server.stop() == 0
    assert not [line for line in server.lines if LEVEL_ERROR.search(line)], server.stderr


def test_opens_three_sessions(certs, server):
    """Counted on the wire: two TCP connections and the datagrams of one UDP port."""
    tcp, udp = [], set()

    def relay(connection, _stopped):
        tcp.append(connection)
        with socket.create_connection(server.address) as upstream:
            pump(connection, upstream)

    with Peer(relay) as peer:
        threading.Thread(target=relay_udp, args=(peer.udp, server.udp_address, udp), daemon=True).start()
        assert causes(judged(*client(certs), peer.target, rc=0)) == dict.fromkeys(FACES)
    assert len(tcp) == 2
    assert len(udp) == 1


def copy(source, sink):
    """Bytes until the end, and the end."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def pump(a, b):
    """Copy both ways until both sides have ended."""
    thread = threading.Thread(target=copy, args=(a, b), daemon=True)
    thread.start()
    copy(b, a)
    thread.join(harness.LIMIT)


def relay_udp(front, upstream, seen, drop=lambda data: False):
    """Relay datagrams for every client address; drop(data) says which of the client's are lost."""
    routes = {}

    def back(route, peer):
        with contextlib.suppress(OSError):
            while True:
                front.sendto(route.recv(65536), peer)

    with contextlib.suppress(OSError):
        while True:
            data, peer = front.recvfrom(65536)
            if peer is None:
                return
            seen.add(peer)
            if peer not in routes:
                routes[peer] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                routes[peer].connect(upstream)
                threading.Thread(target=back, args=(routes[peer], peer), daemon=True).start()
            if not drop(data):
                routes[peer].send(data)


@pytest.mark.parametrize("face", ["tcp", "udp", "http"])
def test_one_face(server, certs, face):
    root = judged(*client(certs), f"--{face}", server.target, rc=0)
    assert list(root["faces"]) == ["https" if face == "http" else face]
    assert root["not_tested"].count(",") >= 2


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tls_version(server, certs, version):
    result = probe(*client(certs), "--tls", version, server.target)
    assert result.rc == 0 and f"TLS {version}, /info" in result.stdout, result


def test_ipv6(start_server, certs):
    server = start_server(listen="[::1]:0")
    assert server.target.startswith("[::1]:")
    assert judged(*client(certs), "--loopback", server.target, rc=0)["faces"]["udp-tunnel"]["state"] == "ok"


def test_by_name(server, certs):
    """Whatever else localhost resolves to, one of its addresses is 127.0.0.1: the race finds it (RFC 8305)."""
    root = judged(*client(certs), f"localhost:{server.port}", rc=0)
    assert {face["address"] for face in root["faces"].values()} == {server.target}


# --- Who we are -------------------------------------------------------------------------------------------


def test_zip_names_its_address(server, certs, tmp_path):
    zipped = tmp_path / f"{server.target}.zip"
    shutil.copy(certs.zip, zipped)
    root = judged(zipped, rc=0)
    assert root["target"] == server.target and root["identity"] == str(zipped)


def test_folder_of_zips(server, certs, tmp_path):
    host, port = harness.closed_port()
    for target in (server.target, f"{host}:{port}"):
        shutil.copy(certs.zip, tmp_path / f"{target}.zip")
    (tmp_path / "README").write_text("not a zip")
    result = probe("--json", tmp_path)
    roots = {root["target"]: root for root in map(json.loads, result.stdout.splitlines())}
    assert roots[server.target]["exit"] == 0
    assert roots[f"{host}:{port}"]["exit"] == 2
    assert result.rc == 2  # the worst of them


def test_environment_and_working_directory(server, certs, tmp_path):
    named = harness.environment(GDSTREAM_IDENTITY=certs.zip)
    assert probe(server.target, env=named, cwd=tmp_path).rc == 0
    without = probe(server.target, cwd=tmp_path)
    assert without.rc == 3 and f"certs/{server.target}.zip" in without.stderr, without
    (tmp_path / "certs").mkdir()
    shutil.copy(certs.zip, tmp_path / "certs" / f"{server.target}.zip")
    assert probe(server.target, cwd=tmp_path).rc == 0


def test_agent_env(server, certs):
    """AGENT_SSL_CERT is a server certificate: a client's is signed in memory. Read once, also for two targets."""
    root = judged("--agent-env", certs.env, server.target, rc=0)
    assert causes(root) == dict.fromkeys(FACES) and root["certificates"]["cause"] is None
    piped = probe("--agent-env", "-", server.target, server.target, stdin=certs.env.read_text())
    assert piped.rc == 0 and piped.stdout.count("HEALTHY") == 2, piped


# --- Certificates that the agent rejects ----------------------------------------------------------------

REJECTED = {
    "other-ca": "client-cert-other-ca",
    "same-name-ca": "client-cert-other-ca",
    "expired": "client-cert-expired",
    "not-yet-valid": "client-cert-not-yet-valid",
    "server-auth-only": "client-cert-purpose",
}


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("name", list(REJECTED))
def test_rejected_certificate(server, certs, odd, name, version):
    """TLS-05: under 1.3 the rejection comes after the handshake, and is never taken for health. Ten of ten."""
    cert, key = odd[name]
    for _ in range(10):
        root = judged("--ca", certs.ca, "--cert", cert, "--key", key, "--tls", version, server.target, rc=2)
        assert causes(root) == dict.fromkeys(FACES, REJECTED[name])


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_missing_certificate(server, certs, version):
    root = judged("--ca", certs.ca, "--tls", version, server.target, rc=2)
    assert causes(root) == dict.fromkeys(FACES, "client-cert-missing")


@pytest.mark.parametrize("name", ["expired", "server-auth-only", "same-name-ca"])
def test_rejected_over_udp_alone(server, certs, odd, name):
    cert, key = odd[name]
    root = judged("--udp", "--ca", certs.ca, "--cert", cert, "--key", key, server.target, rc=2)
    assert causes(root) == {"udp": REJECTED[name]}


@pytest.mark.parametrize("name", ["rsa", "ed25519", "p384", "no-eku", "no-san"])
def test_odd_but_right_certificate(server, certs, odd, name):
    cert, key = odd[name]
    assert judged("--ca", certs.ca, "--cert", cert, "--key", key, server.target)["exit"] == 0


@pytest.mark.parametrize("faces", [(), ("--udp",)])
def test_rsa_server(start_server, certs, odd, faces):
    """CERT-05: TCP works, UDP never can; with --udp alone a TLS handshake beside it tells."""
    cert, key = odd["server-rsa"]
    server = start_server(identity=("--ca", certs.ca, "--cert", cert, "--key", key))
    found = causes(judged(*client(certs), *faces, server.target, rc=2))
    assert found.pop("udp") == "server-cert-rsa-udp"
    assert not any(found.values())


@pytest.mark.parametrize("name, cause", [
    ("server-expired", "server-cert-expired"),
    ("server-no-san", "server-cert-no-san"),
    ("server-other-name", "server-cert-name"),
    ("server-client-auth-only", "server-cert-purpose"),
])
def test_server_certificate(start_server, certs, odd, name, cause):
    """TLS-04, on all faces alike."""
    cert, key = odd[name]
    server = start_server(identity=("--ca", certs.ca, "--cert", cert, "--key", key))
    assert causes(judged(*client(certs), server.target, rc=2)) == dict.fromkeys(FACES, cause)


def test_server_of_another_ca(server, tmp_path):
    """The identity is another agent's: its CA did not sign this one."""
    assert run("gdcerts", "new", tmp_path / "other").rc == 0
    root = judged("-i", tmp_path / "other" / "client.zip", server.target, rc=2)
    assert causes(root) == dict.fromkeys(FACES, "server-cert-other-ca")
    assert root["certificates"]["flawed"]


# --- Nobody there, or somebody else -----------------------------------------------------------------------


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
    assert causes(root)["tcp"] in ("tcp-reset", "closed-by-peer", "tcp-refused")


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
    """UDP-20: the header's datagram is lost, a new session finds the agent healthy."""
    dropped = []

    def drop(data):
        if data[0] == 23 and not dropped:
            dropped.append(data)
            return True
        return False

    seen = set()
    with Peer(silent) as peer:
        threading.Thread(target=relay_udp, args=(peer.udp, server.udp_address, seen, drop), daemon=True).start()
        result = probe(*client(certs), "--udp", peer.target)
    assert dropped and len(seen) == 2
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


# --- Destinations -----------------------------------------------------------------------------------------


def test_loopback(server, certs):
    root = judged(*client(certs), "--loopback", server.target, rc=0)
    assert causes(root) == dict.fromkeys((*FACES, "tcp-tunnel", "udp-tunnel"))
    assert root["not_tested"] is None


def test_through_echo(server, certs, echo):
    root = judged(*client(certs), "--through", "%s:%d" % echo.address, "--echo", server.target, rc=0)
    assert causes(root) == dict.fromkeys((*FACES, "tcp-tunnel", "udp-tunnel"))
    assert echo.connections == 1 and echo.datagrams >= 3


def test_through_without_echo(server, certs, destination):
    """Open is what is not closed; UDP cannot be judged, and that is said."""
    root = judged(*client(certs), "--through", "%s:%d" % destination.address, server.target, rc=0)
    assert root["faces"]["tcp-tunnel"]["state"] == "ok"
    assert "udp-tunnel" not in root["faces"]
    assert "UDP" in root["not_tested"]


def test_through_refused(server, certs):
    root = judged(*client(certs), "--through", "%s:%d" % harness.closed_port(), server.target, rc=2)
    assert causes(root) == {**dict.fromkeys(FACES), "tcp-tunnel": "tunnel-refused"}


def test_through_no_echo_service(server, certs, destination):
    root = judged(*client(certs), "--tcp", "--timeout", "1", "--through", "%s:%d" % destination.address, "--echo",
                  server.target, rc=2)
    assert causes(root) == {"tcp": None, "tcp-tunnel": "tunnel-silent"}


def test_through_corrupt(server, certs):
    def upper(connection, _stopped):
        while data := connection.recv(65536):
            connection.sendall(bytes(byte ^ 1 for byte in data))

    with Peer(upper) as peer:
        root = judged(*client(certs), "--tcp", "--through", peer.target, "--echo", server.target, rc=2)
    assert causes(root) == {"tcp": None, "tcp-tunnel": "tunnel-corrupt"}


def test_tunnel_needs_its_face(certs):
    host, port = harness.closed_port()
    root = judged(*client(certs), "--loopback", f"{host}:{port}", rc=2)
    assert root["faces"]["tcp-tunnel"]["state"] == root["faces"]["udp-tunnel"]["state"] == "skipped"


# --- Forms of output ----------------------------------------------------------------------------------------


def test_nagios(server, certs):
    line = probe(*client(certs), "--nagios", "-w", "5,30:", "-c", "9,7:", server.target)
    assert line.rc == 0, line
    assert line.stdout.count("\n") == 1 and line.stdout.count("|") == 1
    text, data = line.stdout.split("|")
    assert text.startswith("GODOXY OK - ") and len(text) <= 80
    values = dict(item.split("=") for item in data.split())
    assert set(values) == {"'time'", "'https'", "'tcp'", "'udp'", "'cert_days'"}
    assert values["'time'"].endswith("s;5;9;0")
    warning = probe(*client(certs), "--nagios", "-w", "@0:60", server.target)
    assert warning.rc == 1 and warning.stdout.startswith("GODOXY WARNING - "), warning
    critical = probe(*client(certs), "--nagios", "-c", ",~:30", server.target)
    assert critical.rc == 2 and critical.stdout.startswith("GODOXY CRITICAL - "), critical


def test_verbose(server, certs):
    result = probe(*client(certs), "-v", server.target)
    assert "handshake" in result.stdout and f"address {server.target}" in result.stdout, result


def test_not_healthy_says_what_to_do(certs):
    host, port = harness.closed_port()
    result = probe(*client(certs), f"{host}:{port}")
    assert "NOT HEALTHY" in result.stdout and result.stdout.count("    Next: ") == 2, result
    assert "tcp-refused" not in result.stdout  # ids are for programs


def test_explain_and_list(tmp_path):
    listed = probe("--list-causes")
    assert listed.rc == 0
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert "udp-filtered" in names and len(names) == len(set(names))
    for name in names:
        explained = probe("--explain", name, cwd=tmp_path)
        assert explained.rc == 0 and "Next: " in explained.stdout, explained
    unknown = probe("--explain", "no-such-cause")
    assert unknown.rc == 3 and "--list-causes" in unknown.stderr


def test_no_colour_in_a_pipe(server, certs):
    assert "\033" not in probe(*client(certs), server.target).stdout


# --- Bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args, hint", [
    ((), "no target"),
    (("--no-such-option", "x"), "--no-such-option"),
    (("127.0.0.1:0",), "port"),
    (("127.0.0.1:70000",), "port"),
    (("127.0.0.1:http",), "port"),
    (("[::1",), "[::1"),
    ((":8890",), ""),
    (("a" * 256,), ""),
    (("agent.zip",), "agent.zip"),
    (("./nowhere/",), "nowhere"),
    (("--timeout", "0", "x"), "timeout"),
    (("--timeout", "soon", "x"), "timeout"),
    (("--tls", "1.1", "x"), "1.2 or 1.3"),
    (("--optional", "all", "x"), "tcp, udp or http"),
    (("--json", "--nagios", "x"), "--json"),
    (("-w", "5", "x"), "--nagios"),
    (("--nagios", "-w", "ten", "x"), "ten"),
    (("--echo", "x"), "--through"),
    (("--through", "host", "x"), "port"),
    (("--through", "h:1", "--loopback", "x"), "--loopback"),
    (("--through", "h:1", "--http", "x"), "--tcp"),
    (("--cert", "c", "--key", "k", "x"), "--ca"),
    (("--ca", "c", "--cert", "c", "x"), "--key"),
    (("-i", "a", "--agent-env", "b", "x"), "one"),
    (("-i", "/nowhere", "x"), "/nowhere"),
])
def test_usage(args, hint, tmp_path):
    result = probe(*args, cwd=tmp_path)
    assert result.rc == 3 and result.stdout == "", result
    assert result.stderr.startswith("gdprobe: ") and result.stderr.count("\n") == 1, result
    assert hint in result.stderr, result


def test_unreadable_identities(certs, tmp_path):
    (tmp_path / "empty.zip").write_bytes(b"")
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "no-semicolon.env").write_text("AGENT_CA_CERT=abcd\nAGENT_SSL_CERT=abcd\n")
    cases = (
        ("-i", tmp_path / "empty.zip"),
        ("-i", tmp_path),
        ("-i", certs.ca),
        ("--ca", tmp_path / "broken.pem"),
        ("--ca", certs.ca, "--cert", certs.client_key, "--key", certs.client),
        ("--ca", certs.ca, "--cert", certs.client, "--key", certs.server_key),
        ("--agent-env", tmp_path / "no-semicolon.env"),
        ("--agent-env", tmp_path / "missing.env"),
    )
    for case in cases:
        result = probe(*case, "127.0.0.1:1")
        assert result.rc == 3 and result.stdout == "", (case, result)
        assert result.stderr.startswith("gdprobe: ") and result.stderr.count("\n") == 1, (case, result)
        assert "BEGIN" not in result.stderr


def test_zip_without_address(certs, tmp_path):
    shutil.copy(certs.zip, tmp_path / "client.zip")
    result = probe(tmp_path / "client.zip")
    assert result.rc == 3 and "-i " in result.stderr, result


# --- Firewalls, in a network namespace -------------------------------------------------------------------------


class Namespace:
    """A network namespace of its own, with a server in it and room for firewall rules."""

    def __init__(self, certs):
        self.name = f"gdprobe-{os.getpid()}"
        self.certs = certs
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.do("ip", "link", "set", "lo", "up")
        self.server = subprocess.Popen(
            ["ip", "netns", "exec", self.name, harness.program("gdserver"), "--listen", "127.0.0.1:8890",
             "--ready-fd", "1", *map(str, certs.server_options())],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=harness.environment())
        assert self.server.stdout.readline()
        self.do("nft", "add", "table", "inet", "t")
        self.do("nft", "add", "chain", "inet", "t", "in", "{ type filter hook input priority 0; }")

    def do(self, *argv):
        return subprocess.run(["ip", "netns", "exec", self.name, *map(str, argv)], check=True)

    def rule(self, *words):
        self.do("nft", "flush", "chain", "inet", "t", "in")
        self.do("nft", "add", "rule", "inet", "t", "in", *words)

    def probe(self, *args):
        start = time.monotonic()
        done = subprocess.run(["ip", "netns", "exec", self.name, harness.program("gdprobe"), "--json",
                               *map(str, client(self.certs)), *args, "127.0.0.1:8890"],
                              capture_output=True, text=True, env=harness.environment(), check=False, timeout=60)
        root = json.loads(done.stdout)
        assert root["exit"] == done.returncode
        return root, time.monotonic() - start

    def close(self):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()
        subprocess.run(["ip", "netns", "delete", self.name], check=False)


def _namespaces_work():
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"):
        return False
    name = f"gdprobe-try-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return False
    works = subprocess.run(["ip", "netns", "exec", name, "nft", "add", "table", "inet", "t"],
                           capture_output=True, check=False).returncode == 0
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return works


@pytest.fixture(scope="module")
def namespace(certs):
    if not _namespaces_work():
        pytest.skip("needs root, ip netns and nft")
    made = Namespace(certs)
    yield made
    made.close()


def test_firewall_drops_udp(namespace):
    namespace.rule("udp", "dport", "8890", "drop")
    root, seconds = namespace.probe()
    assert causes(root) == {"https": None, "tcp": None, "udp": "udp-filtered"}
    assert root["exit"] == 2 and root["duration_ns"] <= 5e9
    assert seconds < 5.5  # starting the programs included


def test_firewall_rejects_udp(namespace):
    namespace.rule("udp", "dport", "8890", "reject")
    root, seconds = namespace.probe()
    assert causes(root) == {"https": None, "tcp": None, "udp": "udp-closed"}
    assert seconds < 3


def test_firewall_prohibits_udp(namespace):
    namespace.rule("udp", "dport", "8890", "reject", "with", "icmpx", "type", "admin-prohibited")
    assert causes(namespace.probe()[0])["udp"] == "udp-unreachable"


def test_firewall_drops_tcp(namespace):
    namespace.rule("tcp", "dport", "8890", "drop")
    root, _ = namespace.probe("--timeout", "1")
    assert causes(root) == {"https": "tcp-filtered", "tcp": "tcp-filtered", "udp": None}
