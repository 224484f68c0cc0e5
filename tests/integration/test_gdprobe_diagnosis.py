# SPDX-License-Identifier: MIT
"""gdprobe's differential diagnosis: variants with one thing changed, and the causes that are left."""

import contextlib
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

import harness
from namespaces import namespace  # noqa: F401 (a fixture)
from probing import FACES, Peer, causes, client, judged, probe, pump, relay_udp, say, silent


def likely(root):
    """The ids of the causes that are left, the most likely first."""
    return [cause["id"] for cause in root["causes"]]


def variants(root):
    return {variant["name"]: variant["outcome"] for variant in root["variants"]}


def ruled_out(root):
    return set((root["ruled_out"] or "").split(", "))


def relay_tcp(server):
    def relay(connection, _stopped):
        with socket.create_connection(server.address) as upstream:
            pump(connection, upstream)
    return relay


def udp_relay(peer, server, drop, seen=None):
    threading.Thread(target=relay_udp, args=(peer.udp, server.udp_address, set() if seen is None else seen, drop),
                     daemon=True).start()


# --- UDP ------------------------------------------------------------------------------------------------


def test_udp_silence_is_named(server, certs):
    """TCP is well and UDP is swallowed: told in 5 s whatever the time-out, with what was ruled out."""
    with Peer(relay_tcp(server)) as peer:
        start = time.monotonic()
        root = judged(*client(certs), "--timeout", "30", peer.target, rc=2)
        assert time.monotonic() - start < 5
    assert causes(root) == {"https": None, "tcp": None, "udp": "udp-filtered"}
    assert likely(root) == ["udp-filtered"] and root["likely"]
    assert ruled_out(root) >= {"agent down", "certificate", "ciphers", "5-tuple lock-out"}
    assert variants(root) == dict.fromkeys(
        ("udp-other-port", "udp-small-datagrams", "udp-other-suites", "udp-without-ems"), "silent")
    assert re.fullmatch(r"silent: \d+ hellos, [4-9] source ports, [34](\.\d)? s: no reply, no ICMP",
                        root["faces"]["udp"]["summary"])


def test_udp_silence_counted_on_the_wire(server, certs):
    """As many source ports and hellos as the summary says."""
    datagrams = []

    def listen(sock):
        with contextlib.suppress(OSError):
            while True:
                datagrams.append(sock.recvfrom(4096))

    with Peer(relay_tcp(server)) as peer:
        threading.Thread(target=listen, args=(peer.udp,), daemon=True).start()
        root = judged(*client(certs), peer.target, rc=2)
    hellos, ports = map(int, re.match(r"silent: (\d+) hellos, (\d+) source", root["faces"]["udp"]["summary"]).groups())
    assert ports == len({address for _, address in datagrams if address})
    assert hellos == len([data for data, _ in datagrams if data])


def test_udp_silence_text(server, certs):
    """The agent says docker: its host's firewall decides, and no word of Podman."""
    with Peer(relay_tcp(server)) as peer:
        result = probe(*client(certs), peer.target)
    assert result.rc == 2
    assert re.search(r"^  cause      udp-filtered \(likely\): ", result.stdout, re.M), result
    assert re.search(r"^  ruled out  agent down, certificate, ciphers, 5-tuple lock-out", result.stdout, re.M), result
    assert f"  try        on the agent: sudo ss -ulnp | grep {peer.port}\n" in result.stdout, result
    assert f"             sudo ufw allow {peer.port}/udp " in result.stdout, result
    assert "odman" not in result.stdout, result


def test_unknown_runtime_gets_both(server, certs):
    with Peer(relay_tcp(server)) as peer:
        root = judged(*client(certs), "--udp", "--timeout", "2", peer.target, rc=2)
    assert any(f'"{peer.port}:{peer.port}/udp"' in line for line in root["try"])
    assert any("ufw" in line for line in root["try"])
    assert variants(root)["tcp-connect"] == "passed"


def test_silence_of_one_source_port(server, certs):
    """The first source port is never answered, every other at once: one tuple is locked out."""
    first = []

    def drop(_data, peer):
        first[:] = first or [peer]
        return peer == first[0]

    with Peer(relay_tcp(server)) as peer:
        routes = {}

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    data, address = peer.udp.recvfrom(65536)
                    if address is None or drop(data, address):
                        continue
                    if address not in routes:
                        routes[address] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                        routes[address].connect(server.udp_address)
                        threading.Thread(target=back, args=(routes[address], address), daemon=True).start()
                    routes[address].send(data)

        def back(route, address):
            with contextlib.suppress(OSError):
                while True:
                    peer.udp.sendto(route.recv(65536), address)

        threading.Thread(target=serve, daemon=True).start()
        root = judged(*client(certs), peer.target, rc=1)
    assert causes(root) == dict.fromkeys(FACES)
    assert likely(root) == ["tuple-lock-out"] and root["cause"]["id"] == "tuple-lock-out"


@pytest.mark.parametrize("size", [400])
def test_large_datagrams_lost(server, certs, size):
    """What is larger than a limit is lost on its way to the agent: a small handshake gets through."""
    with Peer(relay_tcp(server)) as peer:
        udp_relay(peer, server, lambda data: len(data) > size)
        root = judged(*client(certs), peer.target, rc=2)
    assert likely(root) == ["mtu-black-hole"] and not root["likely"]
    assert causes(root)["udp"] == "mtu-black-hole"
    assert variants(root)["udp-small-datagrams"] == "passed"


def test_second_flight_lost(server, certs):
    """Whatever its size: then loss and a hole cannot be told apart, and both are named."""
    with Peer(relay_tcp(server)) as peer:
        udp_relay(peer, server, lambda data: data[:1] == b"\x16" and data[13:14] != b"\x01")
        root = judged(*client(certs), peer.target, rc=2)
    assert likely(root) == ["udp-silent-mid", "mtu-black-hole"] and root["likely"]


# --- TCP ------------------------------------------------------------------------------------------------


def test_patient_web_server(certs):
    """It waits for a whole request: silent to TLS, and talkative in plain HTTP."""
    def behave(connection, stopped):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(4096)
            if not more:
                return
            data += more
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
        stopped.wait(harness.LIMIT)

    with Peer(behave) as peer:
        root = judged(*client(certs), "--tcp", "--timeout", "3", peer.target, rc=2)
    assert likely(root) == ["not-tls-http"] and causes(root)["tcp"] == "not-tls-http"


def test_silent_peer(certs):
    with Peer(silent) as peer:
        root = judged(*client(certs), "--tcp", "--timeout", "2", peer.target, rc=2)
    assert likely(root) == ["peer-silent", "overload"]
    assert {"plain-http", "tls-1.2-only", "tls-without-alpn"} == set(variants(root))
    assert set(variants(root).values()) == {"silent"}


def test_clear_causes_need_no_variant(server, certs, odd):
    cert, key = odd["expired"]
    root = judged("--ca", certs.ca, "--cert", cert, "--key", key, server.target, rc=2)
    assert root["variants"] == [] and likely(root) == ["client-cert-expired"]
    with Peer(say(b"SSH-2.0-x\r\n")) as peer:
        root = judged(*client(certs), "--tcp", peer.target, rc=2)
    assert root["variants"] == [] and likely(root) == ["not-tls-ssh"]


# --- Modes ----------------------------------------------------------------------------------------------


def test_never(server, certs):
    with Peer(relay_tcp(server)) as peer:
        root = judged(*client(certs), "--diagnose=never", "--timeout", "2", peer.target, rc=2)
    assert root["variants"] == [] and root["ruled_out"] is None and likely(root) == ["udp-filtered"]


def test_always_on_a_healthy_agent(server, certs):
    """A full diagnosis, with every option that adds to it, in three seconds."""
    start = time.monotonic()
    root = judged(*client(certs), "--diagnose", "always", "--loopback", server.target, rc=0)
    assert time.monotonic() - start < 3
    assert root["causes"] == []
    assert variants(root) == {"udp-other-port": "passed", "udp-small-datagrams": "passed",
                              "udp-other-suites": "answered", "udp-without-ems": "answered",
                              "tls-1.2-only": "passed", "plain-http": "closed", "tls-without-certificate": "passed"} | {
                                  "tls-without-alpn": variants(root)["tls-without-alpn"]}


def test_monitoring_asks_twice_at_most(server, certs):
    """Counted on the wire: two source ports of the face's own, and two variants."""
    ports = set()

    def listen(sock):
        with contextlib.suppress(OSError):
            while True:
                ports.add(sock.recvfrom(4096)[1])

    with Peer(relay_tcp(server)) as peer:
        threading.Thread(target=listen, args=(peer.udp,), daemon=True).start()
        result = probe("--nagios", *client(certs), "--timeout", "3", peer.target)
    assert result.rc == 2 and "udp-filtered" in result.stdout, result
    assert len(ports - {None}) <= 4


def test_unknown_mode():
    result = probe("--diagnose", "perhaps", "x")
    assert result.rc == 3 and "auto, always or never" in result.stderr, result


# --- Our certificate ------------------------------------------------------------------------------------


def test_certificate_that_breaks_the_agent(certs):
    """A peer that stumbles over any certificate, and asks for one when there is none: it is the certificate."""
    ask = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ask.maximum_version = ssl.TLSVersion.TLSv1_2
    ask.load_cert_chain(certs.server, certs.server_key)
    ask.set_alpn_protocols(["godoxy-agent-stream/1", "http/1.1"])
    ask.verify_mode = ssl.CERT_REQUIRED
    ask.load_verify_locations(certs.ca)

    def behave(connection, _stopped):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = ask.wrap_bio(incoming, outgoing, server_side=True)
        while data := connection.recv(65536):
            incoming.write(data)
            try:
                session.do_handshake()
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
            except ssl.SSLError:
                connection.sendall(outgoing.read())  # alert 40: none was sent
                return
            else:
                connection.sendall(bytes.fromhex("15030300020232"))  # decode_error, in the clear: as Go
                return

    with Peer(behave) as peer:
        peer.close_udp()
        root = judged(*client(certs), "--tcp", "--tls", "1.2", peer.target, rc=2)
    assert variants(root)["tls-without-certificate"] == "passed"
    assert likely(root) == ["client-cert-rejected"] and causes(root)["tcp"] == "client-cert-rejected"


# --- Clocks ---------------------------------------------------------------------------------------------


def test_clock_of_the_agent(certs, odd):
    """OpenSSL as an agent two hours ahead: our certificate, good for one more, is expired to it."""
    cert, key = odd["expires-in-an-hour"]
    host, port = harness.closed_port()
    ahead = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"{host}:{port}", "-cert", certs.server, "-key", certs.server_key,
         "-CAfile", certs.ca, "-Verify", "1", "-verify_return_error", "-alpn", "godoxy-agent-stream/1", "-quiet",
         "-attime", str(int(time.time()) + 7200)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    try:
        harness.wait_for(lambda: listens(host, port))
        root = judged("--ca", certs.ca, "--cert", cert, "--key", key, "--tcp", f"{host}:{port}", rc=2)
    finally:
        ahead.kill()
        ahead.wait()
        ahead.stdin.close()
    assert causes(root) == {"tcp": "clocks-apart"}
    assert re.search(r"clock is at least 2\d hours behind this one, or 3[56]\d\d s ahead",
                     root["faces"]["tcp"]["evidence"])


def listens(host, port):
    with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False


def test_clock_here(start_server, certs, odd):
    cert, key = odd["server-expired"]
    server = start_server(identity=("--ca", certs.ca, "--cert", cert, "--key", key))
    root = judged(*client(certs), "--tcp", server.target, rc=2)
    assert root["faces"]["tcp"]["evidence"].startswith("server certificate expired; ended ")


# --- Legs of a tunnel -----------------------------------------------------------------------------------


def legs(root, face):
    return [leg["state"] for leg in root["faces"][face]["legs"].values()]


def test_loopback_legs(server, certs):
    """All three are seen, and together they are no longer than the face."""
    root = judged(*client(certs), "--loopback", server.target, rc=0)
    for face in ("tcp-tunnel", "udp-tunnel"):
        assert legs(root, face) == ["ok"] * 3
        assert list(root["faces"][face]["legs"]) == ["probe_agent", "agent_destination", "return"]
        spans = [leg["duration_ns"] for leg in root["faces"][face]["legs"].values()]
        assert all(span >= 0 for span in spans) and sum(spans) < root["faces"][face]["duration_ns"]
    assert root["faces"]["tcp"]["legs"] is None


def test_slow_destination(server, certs):
    """The agent is near and the destination slow: its leg has the time."""
    def behave(connection, stopped):
        stopped.wait(0.4)
        while data := connection.recv(65536):
            connection.sendall(data)

    with Peer(behave) as peer:
        root = judged(*client(certs), "--tcp", "--through", peer.target, "--echo", server.target, rc=0)
        text = probe(*client(certs), "--tcp", "--through", peer.target, "--echo", server.target)
    leg = root["faces"]["tcp-tunnel"]["legs"]
    assert leg["agent_destination"]["duration_ns"] > 0.35e9 > 0.2e9 > leg["probe_agent"]["duration_ns"]
    assert re.search(r"^  legs       TCP tunnel: to the agent ok .*, agent to destination and back ok 4\d\d ms$",
                     text.stdout, re.M), text


def test_through_refused_leg(server, certs):
    root = judged(*client(certs), "--tcp", "--through", "%s:%d" % harness.closed_port(), server.target, rc=2)
    assert legs(root, "tcp-tunnel") == ["ok", "failed", "unreached"]


def test_through_silent_legs(server, certs):
    """Swallowed on the way there or on the way back: from here nobody can tell."""
    with Peer(silent) as peer:
        root = judged(*client(certs), "--timeout", "2", "--through", peer.target, "--echo", server.target, rc=2)
    assert legs(root, "tcp-tunnel") == legs(root, "udp-tunnel") == ["ok", "unknown", "unknown"]


def test_legs_without_agent(certs):
    root = judged(*client(certs), "--tcp", "--loopback", "%s:%d" % harness.closed_port(), rc=2)
    assert legs(root, "tcp-tunnel") == ["failed", "unreached", "unreached"]


# --- What GoDoxy would make of it (API-08) --------------------------------------------------------------


def added(root):
    a = root["add_agent"]
    return a["added"], a["supports_tcp_stream"], a["supports_udp_stream"]


def test_add_healthy_agent(server, certs):
    root = judged(*client(certs), "--add-agent", server.target, rc=0)
    assert added(root) == (True, True, True)
    assert not root["add_agent"]["old_agent"] and root["add_agent"]["refuses"] is None
    assert root["add_agent"]["name"] == root["agent"]["name"]
    assert judged(*client(certs), server.target, rc=0)["add_agent"] is None


def test_add_agent_step_by_step(server, certs):
    """One connection after the other, as GoDoxy: never two at a time."""
    log, lock = [], threading.Lock()

    def relay(connection, _stopped):
        with lock:
            log.append("open")
        with socket.create_connection(server.address) as upstream:
            pump(connection, upstream)
        with lock:
            log.append("end")

    def drop(_data):
        with lock:
            log.append("udp")
        return False

    with Peer(relay) as peer:
        udp_relay(peer, server, drop)
        judged(*client(certs), "--add-agent", peer.target, rc=0)
    first = log.index("udp")
    assert log[:first].count("open") == 2 and "open" not in log[first:]


def test_add_agent_without_udp(server, certs):
    with Peer(relay_tcp(server)) as peer:
        start = time.monotonic()
        result = probe(*client(certs), "--add-agent", peer.target)
        assert time.monotonic() - start < 5.5
    assert result.rc == 2
    assert "supports_tcp_stream true, supports_udp_stream" in result.stdout, result
    assert "agent does not support UDP" in result.stdout and "restart GoDoxy" in result.stdout, result


def test_add_agent_rsa(start_server, certs, odd):
    cert, key = odd["server-rsa"]
    server = start_server(identity=("--ca", certs.ca, "--cert", cert, "--key", key))
    root = judged(*client(certs), "--add-agent", server.target, rc=2)
    assert added(root) == (True, True, False) and likely(root) == ["server-cert-rsa-udp"]


def test_add_agent_rejected(server, certs, odd):
    """GET /info fails: GoDoxy refuses the agent, and tries nothing else."""
    cert, key = odd["expired"]
    root = judged("--ca", certs.ca, "--cert", cert, "--key", key, "--add-agent", server.target, rc=2)
    assert added(root) == (False, False, False) and "/info" in root["add_agent"]["refuses"]
    assert root["faces"]["tcp"]["state"] == root["faces"]["udp"]["state"] == "skipped"


@pytest.mark.parametrize("runtime, expected", [
    ((b"200 OK", b"podman"), (True, "podman")),
    ((b"404 Not Found", b"404 page not found"), (True, "docker")),  # before agents told their runtime
    ((b"200 OK", b"nerdctl"), (False, "nerdctl")),
    ((b"500 Internal Server Error", b"x"), (False, "x")),
    (None, (False, None)),
])
def test_add_old_agent(certs, runtime, expected):
    """No /info: asked for /name, /version, /runtime, each as plain text."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.server, certs.server_key)
    context.set_alpn_protocols(["http/1.1"])
    asked = []
    answers = {"info": (b"404 Not Found", b""), "name": (b"200 OK", b"old"), "version": (b"200 OK", b"v0.18.0"),
               "runtime": runtime}

    def serve(connection, stopped):
        with context.wrap_socket(connection, server_side=True) as session:
            asked.append(session.recv(4096).split()[1].decode().removeprefix("/godoxy/agent/"))
            if answers[asked[-1]] is None:
                return
            status, body = answers[asked[-1]]
            session.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
            stopped.wait(1)

    with Peer(serve) as peer:
        root = judged(*client(certs), "--add-agent", peer.target, rc=2)
    assert asked == ["info", "name", "version", "runtime"]
    a = root["add_agent"]
    assert a["old_agent"] and (a["added"], a["runtime"]) == expected
    assert (a["name"], a["version"]) == ("old", "v0.18.0")
    assert not a["supports_tcp_stream"] and not a["supports_udp_stream"] and a["refuses"]
    assert causes(root)["https"] == "http-old-agent"


@pytest.mark.parametrize("args, hint", [(("--timeout", "3"), "--timeout"), (("--tcp",), "--tcp")])
def test_add_agent_usage(args, hint):
    result = probe("--add-agent", *args, "x")
    assert result.rc == 3 and hint in result.stderr, result


# --- Firewalls, in a network namespace ------------------------------------------------------------------


def test_firewall_drops_udp(namespace):
    namespace.rule("udp", "dport", "8890", "drop")
    root, seconds = namespace.probe()
    assert likely(root) == ["udp-filtered"] and seconds < 5
    assert ruled_out(root) >= {"agent down", "certificate", "ciphers", "5-tuple lock-out"}


def test_firewall_refuses_now_and_then(namespace):
    """As a host does whose ICMP errors are limited: whoever hears the one, it is the answer."""
    namespace.rule("udp", "dport", "8890", "numgen", "inc", "mod", "8", "<", "7", "drop")
    namespace.do("nft", "add", "rule", "inet", "t", "c", "udp", "dport", "8890", "reject")
    for _ in range(3):
        root, seconds = namespace.probe()
        assert likely(root) == ["udp-closed"] and seconds < 5, root


def test_firewall_drops_large_datagrams(namespace):
    namespace.rule("udp", "dport", "8890", "meta", "length", ">", "440", "drop")
    root, _ = namespace.probe()
    assert likely(root) == ["mtu-black-hole"]


def test_firewall_rejects_udp(namespace):
    namespace.rule("udp", "dport", "8890", "reject")
    root, seconds = namespace.probe()
    assert likely(root) == ["udp-closed"] and "agent down" in ruled_out(root)
    assert seconds < 3


def test_firewall_drops_tcp(namespace):
    namespace.rule("tcp", "dport", "8890", "drop")
    root, _ = namespace.probe("--timeout", "2")
    assert likely(root) == ["tcp-filtered"] and "host down" in ruled_out(root)


@pytest.mark.parametrize("transport, face", [("tcp", "tcp-tunnel"), ("udp", "udp-tunnel")])
def test_missing_dial_back(namespace, transport, face):
    """The way back to the probe is shut: blamed on that leg, and not on the tunnel."""
    others = "{ 1-8889, 8891-65535 }"
    words = ("tcp", "flags", "&", "(syn|ack)", "==", "syn") if transport == "tcp" else ("udp", "sport", others)
    other = "udp" if transport == "tcp" else "tcp"
    namespace.rule(transport, "dport", others, *words, "drop")
    root, _ = namespace.probe("--loopback", "--timeout", "3")
    assert causes(root)[face] == "loopback-unreached"
    assert legs(root, face) == ["ok", "failed", "unreached"]
    assert legs(root, f"{other}-tunnel") == ["ok"] * 3
