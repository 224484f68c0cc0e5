# SPDX-License-Identifier: MIT
"""gdserver's HTTPS side: /info, what is not there, and what is no HTTP at all."""

import json
import re
import time

import pytest

import harness
import header_model as header
from tls_client import HTTP, TlsClient, context

BOTH = pytest.mark.parametrize("version", ["1.2", "1.3"])
ALPN = pytest.mark.parametrize("alpn", [(HTTP,), ()], ids=["http", "none"])
INFO = "/godoxy/agent/info"


@pytest.fixture
def connect(server, certs):
    """connect(version, alpn) opens a session to the HTTPS side; all are closed at the end."""
    opened = []

    def open_one(version="1.3", alpn=(HTTP,), to=None):
        opened.append(TlsClient((to or server).address, context(certs, version=version, alpn=alpn)))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def request(path, method="GET", body=b"", more=""):
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: godoxy.agent\r\n{length}{more}\r\n".encode() + body


def read_response(session, method="GET"):
    """One response, leaving the session open: (status, headers in lower case, body)."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        data += session.read() or pytest.fail(f"closed after {bytes(data)!r}")
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    length = 0 if method == "HEAD" else int(headers["content-length"])
    while len(body) < length:
        body += session.read() or pytest.fail("closed in the body")
    assert len(body) == length
    return int(re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", first)[1]), headers, body


# --- What is there --------------------------------------------------------------------------------


@BOTH
@ALPN
def test_api_01_info(connect, version, alpn):
    """API-01: three texts, and the runtime is one of two."""
    session = connect(version, alpn)
    session.write(request(INFO))
    status, headers, body = read_response(session)
    assert status == 200 and headers["content-type"].startswith("application/json")
    info = json.loads(body)
    assert set(info) == {"version", "name", "runtime"}
    assert info["name"] == "gdserver" and info["version"]
    assert info["runtime"] in ("docker", "podman")


@pytest.mark.parametrize("name", ["nas", 'a "quoted" \\ name', "größe", "<script>"])
def test_api_01_name_of_the_agent(start_server, connect, name):
    """Whatever the agent is called, /info is JSON."""
    session = connect(to=start_server("--name", name))
    session.write(request(INFO))
    assert json.loads(read_response(session)[2])["name"] == name


def test_api_01_several_requests_in_one_session(connect):
    session = connect()
    for path, expected in ((INFO, 200), ("/nowhere", 404), (INFO + "?x=1", 200), (INFO, 200)):
        session.write(request(path))
        assert read_response(session)[0] == expected, path


@BOTH
def test_api_01_request_in_any_split(connect, version):
    session = connect(version)
    for byte in request(INFO):
        session.write(bytes([byte]))
    assert read_response(session)[0] == 200


@BOTH
def test_api_01_connection_close(connect, version):
    """The end is close_notify, and FIN after our own (TLS-09)."""
    session = connect(version)
    session.write(request(INFO, more="Connection: close\r\n"))
    assert b'"runtime"' in session.read_to_end()
    session.shut()
    session.expect_fin()


def test_mux_05_over_is_over(connect):
    """HTTP knows no half-close: with the answer given the connection ends, whatever the client does or does not say."""
    session = connect()
    session.write(request(INFO, more="Connection: close\r\n"))
    assert b'"runtime"' in session.read_to_end()
    session.expect_fin(limit=6)


# --- What is not ----------------------------------------------------------------------------------

# The Docker API behind a real agent's port is what must not be reached.
OTHER_PATHS = ["/", "/info", "/containers/json", "/v1.41/containers/json", "/_ping", "/version", "/godoxy/agent",
               "/godoxy/agent/", "/godoxy/agent/info/", "/godoxy/agent/infox", "/godoxy/agent/inf",
               "/GODOXY/agent/info", "/godoxy/agent/info%00", "//godoxy/agent/info",
               "/godoxy/agent/../agent/info", "/" + "x" * 4000]


@BOTH
@ALPN
def test_api_07_other_paths(connect, version, alpn):
    """API-07: 404 for each, in one session, which is none the worse for it."""
    session = connect(version, alpn)
    for path in OTHER_PATHS:
        session.write(request(path))
        status, _, body = read_response(session)
        assert status == 404 and b"runtime" not in body, path
    session.write(request(INFO))
    assert read_response(session)[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_api_07_other_methods(connect, method):
    session = connect()
    session.write(request("/containers/create", method, b"" if method == "HEAD" else b'{"Image":"x"}' * 1000))
    assert read_response(session, method)[0] == 404


# --- What is no request ---------------------------------------------------------------------------


@pytest.mark.timeout(60)
def test_mux_05_stream_header_on_the_http_side(connect, destination):
    """MUX-05: answered or closed (TLS-09) within the limit of 10 s; nobody is dialled."""

    def say(version, alpn, said):
        session = connect(version, alpn)
        session.limit = 20
        session.write(said)
        answer = session.read()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer
        return time.monotonic() - session.handshake_done

    to_echo = header.destination(destination.address)
    said = (header.health(), to_echo, to_echo + b"GET / HTTP/1.1\r\n\r\n", to_echo[:100], b"")
    took = harness.in_parallel(*[lambda v=v, a=a, s=s: say(v, a, s)
                                 for v in ("1.2", "1.3") for a in ((HTTP,), ()) for s in said])
    assert max(took) < 11.5, took
    assert destination.untouched()


def test_mux_05_nonsense_is_answered_or_closed(connect):
    """At once, where it is certain that no request will come of it; and the server lives on."""
    for said in (b"\r\n" * 20000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01" * 10000 + b"\r\n\r\n",
                 request("/", more="X: " + "y" * 40000 + "\r\n"), b"x" * 70000):
        session = connect()
        session.write(said)
        session.shut()
        answer = session.read_to_end()
        assert answer == b"" or answer.startswith(b"HTTP/1."), answer[:100]
        assert not answer.startswith(b"HTTP/1.1 200"), said[:100]
    session = connect()
    session.write(request(INFO))
    assert read_response(session)[0] == 200
