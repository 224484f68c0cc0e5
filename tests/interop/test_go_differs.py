# SPDX-License-Identifier: MIT
"""What GoDoxy does otherwise, the Go peer does too: one test or more for each row of gdstream-protocol(7) that
GoDoxy's server differs in and that the peer has. Each asserts what docs/godoxy-facts.md measured, and not what the
statement asks: the tools are tried against it, and a peer that became better would no longer be GoDoxy's stand-in.
"""

import contextlib
import pathlib
import select
import socket
import struct
import time

import pytest

import gopeer
import harness
import header_model as header
from dtls_client import ALERT, CLIENT_HELLO, DATA, FATAL, DtlsClient, dtls_context, messages, record
from tls_client import HTTP, Alert, TlsClient, context

pytestmark = pytest.mark.differs
BOTH = pytest.mark.parametrize("version", ["1.2", "1.3"])
SOON = 1.0  # [s] a well-built server does it within milliseconds: what has not happened by now does not happen
LONG = 12.0  # [s] longer than each limit that a well-built server has but the idle limit of UDP
CERTIFICATE = 11  # RFC 5246 section 7.4: the first handshake message of a client's second flight
DTLS_MOST = 8155  # payload bytes of the longest record that fits the 8192-byte buffer


# --- Tools ----------------------------------------------------------------------------------------


@pytest.fixture
def agent(go_server):
    return go_server()


@pytest.fixture
def connect(agent, certs):
    """connect(version) opens a TLS stream session to the agent."""
    with contextlib.ExitStack() as stack:
        yield lambda version="1.3", **options: stack.enter_context(
            TlsClient(agent.address, context(certs, version=version, **options)))


@pytest.fixture
def tunnel(connect, destination):
    """tunnel(version) \\return the client's end, and the destination's."""

    def open_one(version="1.3"):
        session = connect(version)
        session.write(header.destination(destination.address))
        return session, destination.accept()

    return open_one


@pytest.fixture
def connect_dtls(agent, certs):
    """connect_dtls(wire) opens a DTLS session and sends a header."""
    with contextlib.ExitStack() as stack:

        def open_one(wire):
            session = stack.enter_context(DtlsClient(agent.address, dtls_context(certs)))
            session.write(wire)
            return session

        yield open_one


@pytest.fixture
def udp_destination():
    """A UDP socket that the test plays itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(harness.LIMIT)
        yield bound


def quiet(sock, seconds=SOON):
    """Neither bytes nor FIN nor RST in this time."""
    return not select.select([sock], [], [], seconds)[0]


def expect_clean_close(session):
    assert session.read() == b""
    session.expect_fin()


def expect_log(agent, *words):
    """A line of the log that has all of these words."""

    def there():
        return any(all(word in line for word in words) for line in agent.lines)

    harness.wait_for(there, what=f"a line with {words} in the log")


def reset(sock):
    """RST, at once."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def sockets(agent):
    """How many sockets the agent has."""
    found = 0
    for each in pathlib.Path(f"/proc/{agent.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(each.readlink()).startswith("socket:")
    return found


def dials(port):
    """How many connections to this port of 127.0.0.1 wait for an answer to their SYN (proc(5): state 02)."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(fields[2] == f"0100007F:{port:04X}" and fields[3] == "02" for fields in map(str.split, lines))


# --- Header ---------------------------------------------------------------------------------------


@BOTH
def test_hdr_10_dials_localhost_tcp(connect, destination, version):
    """HDR-10; section 2, "hostlen 0, port of a live service": the tunnel opens."""
    session = connect(version)
    session.write(header.encode(b"", str(destination.address[1]).encode()) + b"ping")
    end = destination.accept()
    assert end.recv(100) == b"ping"
    end.sendall(b"pong")
    assert session.read_exactly(4) == b"pong"


def test_hdr_10_dials_localhost_udp(connect_dtls, udp_destination):
    """HDR-10; section 5, "hostlen 0 portlen 0": not refused over UDP either."""
    session = connect_dtls(header.encode(b"", str(udp_destination.getsockname()[1]).encode()))
    session.write(b"ping")
    assert udp_destination.recv(100) == b"ping"


@BOTH
@pytest.mark.parametrize("host, length", [(b"127.0\0.0.1", None), (b"127.0.0.1", 255)],
                         ids=["inside", "padding_as_host"])
def test_hdr_11_looks_a_nul_up(agent, connect, destination, host, length, version):
    """HDR-11; section 2, "hostlen 255 with NUL-padded short host; NUL inside host": a look-up, which finds nothing."""
    session = connect(version)
    session.write(header.encode(host, str(destination.address[1]).encode(), host_length=length))
    expect_clean_close(session)
    assert destination.untouched()
    expect_log(agent, "lookup", "no such host")
    assert not any("invalid header" in line for line in agent.lines), agent.stderr


@BOTH
@pytest.mark.parametrize("port, dialled", [(b"", 0), (b"0", 0), (b"ftps", 990)])
def test_hdr_12_dials_tcp(agent, connect, port, dialled, version):
    """HDR-12; section 2, "host set, portlen 0; or port "0"" and "port "http"/"https"": dialled. An address of
    127.0.0.0/8 that nobody listens on makes it a refusal."""
    session = connect(version)
    session.write(header.encode(b"127.77.0.12", port))
    expect_clean_close(session)
    expect_log(agent, f"dial tcp 127.77.0.12:{dialled}", "connection refused")


@pytest.mark.parametrize("host, port", [(b"", b""), (b"127.0.0.1", b"0"), (b"127.0.0.1", b"")])
def test_hdr_12_opens_udp(agent, connect_dtls, host, port):
    """HDR-12; section 5, "hostlen 0 portlen 0; port "0"": the session stays open, silent, no log."""
    session = connect_dtls(header.encode(host, port))
    with pytest.raises(TimeoutError):
        session.read(SOON)
    assert not agent.errors(), agent.stderr


# --- TLS and ALPN: what never ends. The waits run side by side ------------------------------------------


@pytest.fixture(scope="module")
def waiting_room(peer, certs, tmp_path_factory):
    """Sessions that wait for what does not come, all from the start of the module on; entering takes LONG once."""
    server = gopeer.Listening(
        [peer, "server", *gopeer.identity_options(certs.ca, (certs.server, certs.server_key))],
        tmp_path_factory.mktemp("waiting") / "ready")
    room = {"server": server}
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill)
        room["bare"] = stack.enter_context(socket.create_connection(server.address))
        for name, version, alpn in (("http 1.2", "1.2", (HTTP,)), ("http 1.3", "1.3", (HTTP,)),
                                    ("none 1.2", "1.2", ()), ("none 1.3", "1.3", ())):
            session = TlsClient(server.address, context(certs, version=version, alpn=alpn))
            room[name] = stack.enter_context(session)
            session.write(header.health())
        room["udp"] = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        room["udp"].bind(("127.0.0.1", 0))
        room["udp"].settimeout(harness.LIMIT)
        vanished = DtlsClient(server.address, dtls_context(certs))
        vanished.write(header.destination(room["udp"].getsockname()))
        vanished.write(b"last words")
        room["udp last words"] = room["udp"].recvfrom(100)
        vanished.vanish()
        room["end"] = time.monotonic() + LONG
        yield room


def wait_out(room, sock):
    """Silence on this socket until the room's time is over."""
    assert quiet(sock, max(0, room["end"] - time.monotonic()))


def test_tls_07_no_limit_of_the_handshake(waiting_room):
    """TLS-07; section 2, "timing of the 10 s limit": a bare TCP connection stays open."""
    wait_out(waiting_room, waiting_room["bare"])


@BOTH
@pytest.mark.parametrize("alpn", ["http", "none"])
def test_mux_05_silent(waiting_room, version, alpn):
    """MUX-05; section 4, "no ALPN offered" and "stream + http/1.1": a stream header gets silence there."""
    session = waiting_room[f"{alpn} {version}"]
    with pytest.raises(TimeoutError):
        session.read(limit=max(0.1, waiting_room["end"] - time.monotonic()))


def test_udp_12_never_reaps(waiting_room):
    """UDP-12; section 5, "client vanishes": the port that its destination knows stays taken, after an ICMP error too.
    That this goes on for ever no test can show."""
    wait_out(waiting_room, waiting_room["udp"])
    data, agents_end = waiting_room["udp last words"]
    assert data == b"last words"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock, pytest.raises(OSError):
        knock.bind(agents_end)
    # The first answer makes the vanished client's machine say so by ICMP.
    for _ in range(2):
        waiting_room["udp"].sendto(b"answer", agents_end)
    assert quiet(waiting_room["udp"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock, pytest.raises(OSError):
        knock.bind(agents_end)


# --- TCP tunnel -----------------------------------------------------------------------------------


@BOTH
def test_tcp_07_no_fin_to_the_destination(tunnel, version):
    """TCP-07; section 3, "client close_notify (or FIN without it) after request"."""
    session, end = tunnel(version)
    session.write(b"request")
    assert end.recv(100) == b"request"
    session.shut()
    assert quiet(end)
    end.sendall(b"reply")
    assert session.read_exactly(5) == b"reply"
    end.close()
    expect_clean_close(session)


@BOTH
def test_tcp_07_both_sockets_are_kept(agent, tunnel, version):
    """TCP-07; section 3, "client fully closed, destination idle"."""
    session, end = tunnel(version)
    open_tunnel = sockets(agent)
    session.shut()
    session.close()
    assert quiet(end)
    assert sockets(agent) == open_tunnel
    end.close()
    harness.wait_for(lambda: sockets(agent) == open_tunnel - 2, what="the end of the tunnel")


@BOTH
@pytest.mark.parametrize("half", [True, False], ids=["half_closed", "closed"])
def test_tcp_08_no_close_notify_to_the_client(agent, tunnel, half, version):
    """TCP-08; section 3, "destination FIN (shutdown or full close) after data"."""
    session, end = tunnel(version)
    open_tunnel = sockets(agent)
    end.sendall(b"data")
    if half:
        end.shutdown(socket.SHUT_WR)
    else:
        end.close()
    assert session.read_exactly(4) == b"data"
    assert session.silent(SOON)
    assert sockets(agent) == open_tunnel, "the tunnel has ended"
    if half:
        session.write(b"more")
        assert end.recv(100) == b"more"
    session.shut()
    expect_clean_close(session)


@BOTH
def test_tcp_09_reset_of_the_client(tunnel, version):
    """TCP-09; section 3, "client TCP RST": the destination sees nothing, its later write succeeds."""
    session, end = tunnel(version)
    session.write(b"request")
    assert end.recv(100) == b"request"
    session.reset()
    assert quiet(end)
    end.sendall(b"reply")


@BOTH
def test_tcp_09_reset_of_the_destination(tunnel, version):
    """TCP-09; section 3, "destination RST mid-stream": nothing, until the client's next write."""
    session, end = tunnel(version)
    end.sendall(b"data")
    assert session.read_exactly(4) == b"data"
    reset(end)
    assert session.silent(SOON)
    session.write(b"more")
    expect_clean_close(session)


@BOTH
def test_tcp_10_dials_on(connect, version):
    """TCP-10; section 2, "destination never answers SYN": a client that goes meanwhile is not noticed."""
    # A listener whose queue is full drops each SYN.
    with harness.Destination(backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.address)
        harness.wait_for(lambda: dials(full.address[1]) == 1, what="a full queue")
        session = connect(version)
        session.write(header.destination(full.address))
        harness.wait_for(lambda: dials(full.address[1]) == 2, what="the dial")
        session.shut()
        session.close()
        end = time.monotonic() + SOON
        while time.monotonic() < end:
            assert dials(full.address[1]) == 2, "the dial was cancelled"
            time.sleep(0.05)


# --- UDP ------------------------------------------------------------------------------------------


def test_udp_09_long_payloads_are_dropped(connect_dtls, udp_destination):
    """UDP-09; section 5, "payload client -> destination": above 8155 nothing arrives, and the session lives on."""
    session = connect_dtls(header.destination(udp_destination.getsockname()))
    session.write(b"a" * DTLS_MOST)
    assert udp_destination.recv(65535) == b"a" * DTLS_MOST
    for size in (DTLS_MOST + 1, 16000):
        session.write(b"b" * size)
        session.write(b"next")
        assert udp_destination.recv(65535) == b"next", size


def test_udp_09_long_answers_pass(connect_dtls, udp_destination):
    """UDP-09; section 5, "payload destination -> client": 1 to 16384."""
    session = connect_dtls(header.destination(udp_destination.getsockname()))
    session.write(b"hello")
    _, agents_end = udp_destination.recvfrom(100)
    for size in (1, DTLS_MOST + 1, 16384):
        udp_destination.sendto(b"c" * size, agents_end)
        assert session.read() == b"c" * size


def test_udp_09_the_client_drops_them_too(start_server, go_client, echo):
    """UDP-09; section 6, "real Go client receive limit": through a server that passes all of it."""
    server = start_server()
    destination = f"{echo.address[0]}:{echo.address[1]}"
    assert go_client("udp-echo", server.target, "--dest", destination, "--size", DTLS_MOST)["ok"]
    result = go_client("udp-echo", server.target, "--dest", destination, "--size", DTLS_MOST + 1, "--timeout", "1s")
    assert not result["ok"] and "timeout" in result["error"], result
    assert echo.datagrams == 2


def test_udp_10_an_over_long_answer_ends_the_return_direction(agent, connect_dtls, udp_destination):
    """UDP-10; section 5, "payload destination -> client": 65507 bytes."""
    session = connect_dtls(header.destination(udp_destination.getsockname()))
    session.write(b"hello")
    _, agents_end = udp_destination.recvfrom(100)
    udp_destination.sendto(b"d" * 65507, agents_end)
    expect_log(agent, "failed to write", "65507", "message too long")
    udp_destination.sendto(b"answer", agents_end)
    with pytest.raises(TimeoutError):
        session.read(SOON)
    session.write(b"one way only")
    assert udp_destination.recv(100) == b"one way only"


def test_udp_11_a_refusal_ends_the_return_direction(agent, connect_dtls):
    """UDP-11; section 5, "destination refuses (ICMP)"."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.77.0.11", 0))
        address = found.getsockname()
    session = connect_dtls(header.destination(address))
    session.write(b"to nobody")
    expect_log(agent, "failed to read from destination", "connection refused")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        late.bind(address)
        late.settimeout(harness.LIMIT)
        session.write(b"hello")
        data, agents_end = late.recvfrom(100)
        assert data == b"hello"
        late.sendto(b"answer", agents_end)
        with pytest.raises(TimeoutError):
            session.read(SOON)
    assert not session.close_notify


def test_udp_13_a_new_client_hello_is_ignored(agent, certs, connect_dtls, udp_destination):
    """UDP-13; section 5, "same 5-tuple, new ClientHello while the old session lives": not a byte comes back."""
    old = connect_dtls(header.destination(udp_destination.getsockname()))
    old.write(b"before")
    assert udp_destination.recv(100) == b"before"
    new = DtlsClient(agent.address, dtls_context(certs), sock=old.sock, handshake=False)
    with pytest.raises(TimeoutError):
        new.handshake(2 * SOON)
    assert len([each for each in new.sent if CLIENT_HELLO in messages(each)]) >= 2, "no second try"
    assert not new.received
    old.write(b"after")
    assert udp_destination.recv(100) == b"after"


def test_udp_16_shutdown_is_silent(agent, connect_dtls, udp_destination):
    """UDP-16; section 5, "SIGTERM"."""
    session = connect_dtls(header.destination(udp_destination.getsockname()))
    session.write(b"hello")
    assert udp_destination.recv(100) == b"hello"
    agent.popen.terminate()
    agent.wait()
    with pytest.raises(TimeoutError):
        session.receive_raw(SOON / 2)
    assert not session.alerts


# What stands in front of the client's second flight -> how its handshake ends.
INTERRUPTIONS = {
    "empty_datagram": (b"", "nothing came from the peer"),
    "early_application_data": (record(DATA, b"early", sequence=9), "alert 10"),
    "forged_plaintext_alert": (record(ALERT, bytes([FATAL, 40]), sequence=9), "nothing came from the peer"),
}


@pytest.mark.parametrize("name", INTERRUPTIONS)
def test_udp_22_the_handshake_ends(agent, certs, name):
    """UDP-22; section 5, "before the client's second flight": the session is gone, and what follows is not answered."""
    datagram, expected = INTERRUPTIONS[name]

    def interrupt(sent):
        if CERTIFICATE in messages(sent) and datagram not in client.sent:
            return datagram, sent
        return (sent,)

    client = DtlsClient(agent.address, dtls_context(certs), handshake=False, on_send=interrupt)
    with client, pytest.raises((Alert, TimeoutError), match=expected):
        client.handshake(2 * SOON)
    assert datagram in client.sent
    # Without the interruption all is well, on the same server.
    with DtlsClient(agent.address, dtls_context(certs)) as client:
        client.write(header.health())
        assert client.read() == b""


# --- HTTPS API ------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("path", ["/godoxy/agent/version", "/godoxy/agent/name", "/", "/godoxy/agent/info/"])
def test_api_07_other_paths_go_to_the_docker_socket(connect, path, version):
    """API-07; section 7, "Routing": where there is no such socket, an empty 502."""
    session = connect(version, alpn=(HTTP,))
    session.write(f"GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n".encode())
    head, _, body = session.read_to_end().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n") and b"\r\nContent-Length: 0" in head, head
    assert body == b""
