# SPDX-License-Identifier: MIT
"""The deliberate misbehaviour of gdserver: each fault breaks its statement, says so, and breaks nothing else."""

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


def test_the_rest_is_as_ever(open_session):
    """/info does not know of a fault."""
    session = open_session("refuse-good", "health-answers", alpn=(HTTP,))
    session.write(b"GET /godoxy/agent/info HTTP/1.1\r\nHost: agent\r\n\r\n")
    assert b'"runtime":"docker"' in session.read()


def test_list():
    """Every fault of the catalogue has its statement, and the server knows all of them."""
    listed = harness.run("gdserver", "--list-faults")
    assert listed.rc == 0
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert len(names) == len(set(names)) >= 8
    for name in names:
        # It gets as far as the certificates that are not given.
        assert "no certificates" in harness.run("gdserver", "--fault", name).stderr


def test_unknown_name(certs):
    result = harness.run("gdserver", *map(str, certs.server_options()), "--fault", "nonsense")
    assert result.rc == 3
    assert "nonsense" in result.stderr and result.stderr.count("\n") == 1
