# SPDX-License-Identifier: MIT
"""gdprobe against gdserver: what it says of a healthy one, as whom it comes, and through it to destinations."""

import json
import re
import shutil
import socket
import threading

import pytest

import harness
from harness import run
from probing import FACES, Peer, causes, client, judged, probe, pump, relay_udp

LEVEL_ERROR = re.compile(r"\blevel=(error|err)\b", re.IGNORECASE)


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
