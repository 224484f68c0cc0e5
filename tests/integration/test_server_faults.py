# SPDX-License-Identifier: MIT
"""The deliberate misbehaviour of gdserver: each fault breaks its statement, says so, and breaks nothing else."""

import json
import pathlib
import socket
import subprocess

import pytest

import harness
import header_model as header
from tls_client import HTTP, TlsClient, Truncated, context


@pytest.fixture
def open_session(start_server, certs):
    """open_session(FAULT...) for a session with a server that has these faults."""
    sessions = []

    def start(*faults, identity=None, alpn=None):
        options = [option for fault in faults for option in ("--fault", fault)]
        server = start_server(*options)
        for fault in faults:
            harness.wait_for(lambda: f"FAULT {fault}" in server.stderr, what="the announcement")
        ctx = context(certs, identity=identity, **({"alpn": alpn} if alpn else {}))
        sessions.append(TlsClient(server.address, ctx))
        return sessions[-1]

    yield start
    for session in sessions:
        session.sock.close()


def broken(kind, address):
    return {
        "checksum": lambda: header.destination(address, checksum=b"\1\2\3\4"),
        "version": lambda: header.destination(address, version=b"0.2.0"),
        "health": lambda: header.destination(address, flags=header.HEALTH),
        "good": lambda: header.destination(address),
    }[kind]()


@pytest.mark.parametrize("fault, kind, dialled", [
    ("accept-bad-checksum", "checksum", True),
    ("accept-bad-checksum", "version", False),
    ("accept-bad-version", "version", True),
    ("accept-bad-version", "checksum", False),
    ("health-dials", "health", True),
    ("refuse-good", "good", False),
    ("refuse-good", "health", False),
])
def test_who_is_dialled(open_session, destination, fault, kind, dialled):
    session = open_session(fault)
    session.write(broken(kind, destination.address) + b"payload")
    if dialled:
        assert destination.accept().recv(100) == b"payload"
    else:
        assert session.read() == b""
        assert destination.untouched()


def test_skip_dial(open_session, destination):
    """The tunnel seems to be open, and nobody is there."""
    session = open_session("skip-dial")
    session.write(header.destination(destination.address) + b"payload")
    with pytest.raises(TimeoutError):
        session.read(limit=0.3)
    assert destination.untouched()


def test_health_answers(open_session):
    session = open_session("health-answers")
    session.write(header.health())
    assert session.read() != b""
    assert session.read() == b""


@pytest.mark.parametrize("kind", ["health", "checksum", "tunnel"])
def test_no_close_notify(open_session, destination, kind):
    session = open_session("no-close-notify")
    if kind == "tunnel":
        session.write(header.destination(destination.address) + b"payload")
        end = destination.accept()
        assert end.recv(100) == b"payload"
        session.shut()
        assert end.recv(1) == b""
        end.close()
    else:
        session.write(broken(kind, destination.address))
    with pytest.raises(Truncated):
        session.read()


def test_no_client_cert(open_session, destination):
    session = open_session("no-client-cert", identity=False)
    session.write(header.destination(destination.address) + b"payload")
    assert destination.accept().recv(100) == b"payload"


def test_faults_combine(open_session, destination):
    session = open_session("accept-bad-checksum", "no-close-notify")
    session.write(broken("checksum", destination.address) + b"payload")
    assert destination.accept().recv(100) == b"payload"


def test_the_last_choice_counts(start_server):
    """Nobody can both hang and greet."""
    server = start_server("--fault", "stalls", "--fault", "speaks-ssh", "--fault", "speaks-smtp")
    with socket.create_connection(server.address, timeout=harness.LIMIT) as sock:
        assert sock.recv(100).startswith(b"220 ")


def test_agent_version(start_server, certs):
    """What GoDoxy judges an agent's age by."""
    server = start_server("--agent-version", "v0.18.0")
    with TlsClient(server.address, context(certs, alpn=(HTTP,))) as session:
        session.write(b"GET /godoxy/agent/info HTTP/1.1\r\nHost: agent\r\n\r\n")
        assert b'"version":"v0.18.0"' in session.read()


def test_the_rest_is_as_ever(open_session):
    """/info does not know of a fault."""
    session = open_session("refuse-good", "health-answers", alpn=(HTTP,))
    session.write(b"GET /godoxy/agent/info HTTP/1.1\r\nHost: agent\r\n\r\n")
    assert b'"runtime":"docker"' in session.read()


def listed():
    result = harness.run("gdserver", "--list-faults", "--json")
    assert result.rc == 0
    return json.loads(result.stdout)


def test_list():
    """Every fault of the catalogue has all that is to be said of it, and the server knows it, bare."""
    faults, known = listed()["faults"], harness.run("gdprobe", "--list-causes").stdout
    names = [fault["name"] for fault in faults]
    assert len(names) == len(set(names)) >= 64
    table = harness.run("gdserver", "--list-faults").stdout.splitlines()
    assert [line.split()[0].partition("=")[0] for line in table[:len(names)]] == names
    for fault in faults:
        # Either gdprobe can see it, and then it has a cause that gdprobe knows; or it cannot.
        assert (fault["cause"] is None) == (fault["shows"] == "conform"), fault
        assert fault["cause"] is None or f"{fault['cause']} " in known + " ", fault
        assert ("default" in fault) == (fault["argument"] is not None), fault
    # They get as far as the certificates that are not given.
    results = harness.in_parallel(*(lambda name=name: harness.run("gdserver", "--fault", name) for name in names))
    assert all("no certificates" in result.stderr for result in results)


@pytest.mark.parametrize("fault, words", [
    ("close-late=soon", "a number from"), ("close-late=", "a number from"), ("udp-drops=0", "a number from 1 to"),
    ("dtls-alert=256", "a number from 1 to 255"), ("skip-dial=1", "takes no argument"), ("close-late=1x", "1x"),
    ("=5", "no fault named"),
])
def test_bad_argument(certs, fault, words):
    result = harness.run("gdserver", *certs.server_options(), "--fault", fault)
    assert result.rc == 3
    assert words in result.stderr and result.stderr.count("\n") == 1


def test_certificates_need_the_key_of_the_ca(certs, start_server, tmp_path):
    """Those that sign say so where there is nothing to sign with; those of another CA have one of their own."""
    result = harness.run("gdserver", *certs.server_options(), "--fault", "cert-expired")
    assert result.rc == 3
    assert "CA's key" in result.stderr and "--agent-env" in result.stderr and result.stderr.count("\n") == 1
    start_server("--fault", "cert-other-ca")
    start_server("--fault", "cert-expired", identity=("--ephemeral", tmp_path / "lab"))


def test_profile_is_the_differences_of_the_server(start_server):
    """As many faults as statements of the server's side that GoDoxy breaks, and each breaks its own."""
    statements = pathlib.Path(__file__).parents[2] / "src/core/requirements.c"
    rows = subprocess.run(["awk", "-f", statements.parents[2] / "tests/lib/statements.awk", statements], text=True,
                          capture_output=True, check=True).stdout.splitlines()
    differs = [row.split("|")[0] for row in rows if row.split("|")[4] and row.split("|")[2] in ("server", "both")]
    everything = listed()
    broken_by = {fault["name"]: fault["statement"] for fault in everything["faults"]}
    profile, = everything["profiles"]
    assert profile["name"] == "godoxy-0.30"
    assert [broken_by[name.partition("=")[0]] for name in profile["faults"]] == differs
    server = start_server("--profile", "godoxy-0.30")
    harness.wait_for(lambda: server.stderr.count("FAULT") == len(differs), what="all announcements")
    assert "PROFILE godoxy-0.30" in server.stderr


def test_profile_is_healthy(certs, start_server):
    """None of it is visible to a check, as with the agent itself."""
    server = start_server("--profile", "godoxy-0.30")
    result = harness.run("gdprobe", "--loopback", "-i", certs.zip, server.target)
    assert result.rc == 0, result


def test_unknown_profile():
    result = harness.run("gdserver", "--profile", "nonsense")
    assert result.rc == 3 and "nonsense" in result.stderr


def test_unknown_name(certs):
    result = harness.run("gdserver", *map(str, certs.server_options()), "--fault", "nonsense")
    assert result.rc == 3
    assert "nonsense" in result.stderr and result.stderr.count("\n") == 1
