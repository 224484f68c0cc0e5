# SPDX-License-Identifier: MIT
"""gdserver over TCP, statement by statement (gdstream-protocol(7)): the id is in the name or the docstring."""

import hashlib
import os
import re
import socket
import sys
import threading
import time

import pytest

import harness
import header_model as header
from tls_client import HTTP, STREAM, Alert, Reset, TlsClient, Truncated, context

BOTH = pytest.mark.parametrize("version", ["1.2", "1.3"])
GONE = "does-not-exist.invalid"  # RFC 6761: never resolves


@pytest.fixture
def connect(server, certs):
    """connect(version) opens a stream session to the shared server; all are closed at the end."""
    opened = []

    def open_one(version="1.3", to=None, **options):
        opened.append(TlsClient((to or server).address, context(certs, version=version, **options)))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def expect_clean_close(session):
    """HC-02, HC-04: no byte, close_notify, then FIN."""
    assert session.read() == b"", "an application byte before the close"
    session.expect_fin()


def errors_in(lines):
    return [line for line in lines if re.search(r"\blevel=(err|error|crit)", line)]


# --- Health checks --------------------------------------------------------------------------------


@BOTH
def test_hc_01_health_check_closes_at_once(connect, version):
    """HC-01, HC-02, HC-04."""
    session = connect(version)
    start = time.monotonic()
    session.write(header.health())
    expect_clean_close(session)
    assert time.monotonic() - start < 1.0


@BOTH
def test_hc_01_health_check_contacts_no_destination(connect, destination, version):
    session = connect(version)
    session.write(header.destination(destination.address, flags=header.HEALTH))
    expect_clean_close(session)
    assert destination.untouched()


def test_hc_03_health_checks_log_no_error(server, connect):
    mark = server.mark()
    for version in ("1.2", "1.3"):
        session = connect(version)
        session.write(header.health())
        expect_clean_close(session)
        session.shut()
        session.close()
    # A refused header is logged after the checks were: once it shows, all before it has been written.
    session = connect()
    session.write(header.encode(version=b"9.9.9", flags=header.HEALTH))
    expect_clean_close(session)
    harness.wait_for(lambda: "HDR-02" in "\n".join(server.log_since(mark)), what="the refusal in the log")
    before = [line for line in server.log_since(mark) if "HDR-02" not in line]
    assert not errors_in(before), before


# --- Refused headers: HDR-05 holds for each, close and no contact -----------------------------------

REFUSED = {
    "hdr_02_version": lambda ip, port: header.encode(ip, port, version=b"0.2.0"),
    "hdr_02_version_of_health": lambda ip, port: header.encode(ip, port, 1, version=b"0.1.1"),
    "hdr_02_version_longer": lambda ip, port: header.encode(ip, port, version=b"0.1.0.1"),
    "hdr_03_checksum": lambda ip, port: header.encode(ip, port, checksum=b"\0\0\0\0"),
    "hdr_03_checksum_little_endian": lambda ip, port: header.encode(
        ip, port, checksum=header.encode(ip, port)[:-5:-1]),
    "hdr_03_checksum_of_health": lambda ip, port: header.encode(flags=1, checksum=b"\1\2\3\4"),
    "hdr_04_port_length_6": lambda ip, port: header.encode(ip, port, port_length=6),
    "hdr_04_port_length_255_of_health": lambda ip, port: header.encode(ip, port, 1, port_length=255),
    "hdr_10_host_empty": lambda ip, port: header.encode(b"", port),
    "hdr_10_host_length_0": lambda ip, port: header.encode(ip, port, host_length=0),
    "hdr_11_nul_in_host": lambda ip, port: header.encode(b"127.0\0.0.1", port),
    "hdr_11_host_length_over_the_text": lambda ip, port: header.encode(ip, port, host_length=255),
    "hdr_12_port_empty": lambda ip, port: header.encode(ip, b""),
    "hdr_12_port_zero": lambda ip, port: header.encode(ip, b"0"),
    "hdr_12_port_65536": lambda ip, port: header.encode(ip, b"65536"),
    "hdr_12_port_99999": lambda ip, port: header.encode(ip, b"99999"),
    "hdr_12_port_negative": lambda ip, port: header.encode(ip, b"-1"),
    "hdr_12_port_name": lambda ip, port: header.encode(ip, b"http"),
    "hdr_12_port_with_space": lambda ip, port: header.encode(ip, b" 80"),
    "hdr_12_port_with_sign": lambda ip, port: header.encode(ip, b"+80"),
    "hdr_13_brackets": lambda ip, port: header.encode(b"[::1]", port),
    "hdr_14_two_parts": lambda ip, port: header.encode(b"127.1", port),
    "hdr_14_octal": lambda ip, port: header.encode(b"0177.0.0.1", port),
    "hdr_14_one_number": lambda ip, port: header.encode(b"2130706433", port),
    "hdr_14_hexadecimal": lambda ip, port: header.encode(b"0x7f000001", port),
}


@BOTH
@pytest.mark.parametrize("name", REFUSED)
def test_refused_header(server, connect, destination, name, version):
    """HDR-05: close_notify and FIN, no byte, no contact; the log names the statement."""
    ip, port = destination.address[0].encode(), str(destination.address[1]).encode()
    mark = server.mark()
    session = connect(version)
    session.write(REFUSED[name](ip, port))
    expect_clean_close(session)
    assert destination.untouched()
    statement = name[:6].upper().replace("_", "-")
    harness.wait_for(lambda: statement in "\n".join(server.log_since(mark)), what=f"{statement} in the log")


def test_order_of_reasons(server, connect):
    """Where several rules are broken, the first of checksum, version, port length is the reason."""
    for wrong, statement in (
            ({"checksum": b"\0\0\0\0", "version": b"9", "port_length": 9}, "HDR-03"),
            ({"version": b"9", "port_length": 9}, "HDR-02"),
            ({"port_length": 9}, "HDR-04")):
        mark = server.mark()
        session = connect()
        session.write(header.encode(**wrong))
        expect_clean_close(session)
        harness.wait_for(lambda: statement in "\n".join(server.log_since(mark)), what=statement)  # noqa: B023


# --- Accepted headers -----------------------------------------------------------------------------


def expect_echo(session, payload=b"some payload"):
    session.write(payload)
    assert session.read_exactly(len(payload)) == payload


@BOTH
def test_hdr_07_lengths_rule(connect, echo, version):
    """HDR-07, HDR-08: text behind the length is padding, whatever it holds."""
    ip, port = echo.address
    session = connect(version)
    # The length says how much of host and port counts; all padding is 0xff.
    session.write(header.encode(ip.encode(), str(port).encode(), padding=b"\xff"))
    expect_echo(session)


def test_hdr_07_text_behind_the_length(connect, echo):
    ip, port = echo.address
    session = connect()
    session.write(header.encode(ip.encode() + b".example", str(port).encode(), host_length=len(ip)))
    expect_echo(session)


@pytest.mark.parametrize("flags", [0x03, 0x81, 0xff])
def test_hdr_09_health_with_unknown_flags(connect, destination, flags):
    session = connect()
    session.write(header.destination(destination.address, flags=flags))
    expect_clean_close(session)
    assert destination.untouched()


@pytest.mark.parametrize("flags", [0x02, 0x80, 0xfe])
def test_hdr_09_tunnel_with_unknown_flags(connect, echo, flags):
    session = connect()
    session.write(header.destination(echo.address, flags=flags))
    expect_echo(session)


def test_hdr_13_ipv6_without_brackets(connect):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    echo6 = harness.Echo("::1")
    try:
        for host in (b"::1", b"0:0:0:0:0:0:0:1", b"::1%lo"):
            session = connect()
            session.write(header.encode(host, str(echo6.address[1]).encode()))
            expect_echo(session)
    finally:
        echo6.close()


def test_hdr_01_name_as_host(connect, echo):
    session = connect()
    session.write(header.encode(b"localhost", str(echo.address[1]).encode()))
    expect_echo(session)


# --- TLS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_tls_01_old_versions_refused(server, certs, version):
    """TLS-01: alert 70."""
    with pytest.raises(Alert) as refused:
        TlsClient(server.address, context(certs, version=version))
    assert refused.value.number == 70


@BOTH
def test_tls_01_versions_accepted(connect, version):
    session = connect(version)
    assert session.tls.version() == "TLSv" + version
    session.write(header.health())
    expect_clean_close(session)


def rejection(server, ctx):
    """The alert by which a session is refused: in the handshake (1.2) or by reading after it (1.3, TLS-05)."""
    with pytest.raises(Alert) as refused, TlsClient(server.address, ctx) as session:
        session.write(header.health())
        session.read()
    return refused.value.number


@pytest.mark.parametrize("version, alert", [("1.2", 40), ("1.3", 116)])
def test_tls_02_no_client_certificate(server, certs, version, alert):
    assert rejection(server, context(certs, identity=False, version=version)) == alert


@BOTH
@pytest.mark.parametrize("name, alert", [
    ("other-ca", 48), ("same-name-ca", 48), ("expired", 45), ("not-yet-valid", 45), ("server-auth-only", 42)])
def test_tls_03_client_certificate_refused(server, certs, odd, version, name, alert):
    """Twenty times each: an alert that gets lost in some runs would be found here."""
    for _ in range(20):
        assert rejection(server, context(certs, identity=odd[name], version=version)) == alert


@BOTH
def test_tls_03_refused_on_the_http_side_too(server, certs, odd, version):
    ctx = context(certs, identity=odd["expired"], version=version, alpn=(HTTP,))
    with pytest.raises(Alert) as refused, TlsClient(server.address, ctx) as session:
        session.write(b"GET /godoxy/agent/info HTTP/1.1\r\nHost: x\r\n\r\n")
        session.read()
    assert refused.value.number == 45


@BOTH
@pytest.mark.parametrize("name", ["no-eku", "no-san", "rsa", "ed25519", "p384"])
def test_tls_03_odd_but_accepted(server, certs, odd, version, name):
    """GoDoxy accepts these client certificates, so does gdserver."""
    with TlsClient(server.address, context(certs, identity=odd[name], version=version)) as session:
        session.write(header.health())
        expect_clean_close(session)


# --- ALPN -----------------------------------------------------------------------------------------

INFO = b"GET /godoxy/agent/info HTTP/1.1\r\nHost: godoxy.agent\r\nConnection: close\r\n\r\n"


@BOTH
@pytest.mark.parametrize("alpn, selected", [
    ((HTTP,), HTTP), ((), None), ((HTTP, STREAM), HTTP), ((STREAM, HTTP), HTTP)])
def test_mux_01_http_side(server, certs, version, alpn, selected):
    """MUX-01, MUX-03: http/1.1, or no ALPN, is the API; with both offered it is http/1.1, as with GoDoxy."""
    with TlsClient(server.address, context(certs, version=version, alpn=alpn)) as session:
        assert session.tls.selected_alpn_protocol() == selected
        session.write(INFO)
        answer = session.read_to_end()
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert b'"runtime"' in answer and b'"version"' in answer and b'"name"' in answer


@BOTH
@pytest.mark.parametrize("alpn", [(STREAM,), ("foo/1", STREAM)])
def test_mux_01_stream_side(connect, version, alpn):
    session = connect(version, alpn=alpn)
    assert session.tls.selected_alpn_protocol() == STREAM
    session.write(header.health())
    expect_clean_close(session)


def test_mux_01_one_port_number(server):
    assert server.ready["tcp"] == server.ready["udp"]


@BOTH
@pytest.mark.parametrize("alpn", [("foo/1",), ("h2",), ("GODOXY-AGENT-STREAM/1",)])
def test_mux_02_unknown_protocols(server, certs, version, alpn):
    """MUX-02: alert 120."""
    with pytest.raises(Alert) as refused, \
            TlsClient(server.address, context(certs, version=version, alpn=alpn)) as session:
        session.read()
    assert refused.value.number == 120


# --- The tunnel -----------------------------------------------------------------------------------


@pytest.fixture
def tunnel(connect, destination):
    """tunnel(version) gives the two ends: our TLS session, and the destination's socket."""

    def open_one(version="1.3"):
        session = connect(version)
        session.write(header.destination(destination.address))
        return session, destination.accept()

    return open_one


@BOTH
@pytest.mark.parametrize("cuts", [range(1, 275), (100,), (274,), (8, 9, 264, 270)],
                         ids=["bytewise", "100", "274", "fields"])
def test_tcp_01_any_split(connect, echo, version, cuts):
    session = connect(version)
    wire, at = header.destination(echo.address), 0
    for cut in [*cuts, len(wire)]:
        session.write(wire[at:cut])
        at = cut
    expect_echo(session)


@BOTH
@pytest.mark.parametrize("first", [275, 276, 300, 1275], ids=lambda n: f"first_record_{n}")
def test_tcp_02_payload_behind_the_header(connect, echo, version, first):
    """In the header's record, in part or whole: none lost, none repeated."""
    payload = os.urandom(1000)
    wire = header.destination(echo.address) + payload
    session = connect(version)
    session.write(wire[:first])
    session.write(wire[first:])
    session.shut()
    assert session.read_to_end() == payload


@pytest.mark.timeout(60)
def test_tcp_03_and_04_limits_of_10_s(connect, silent):
    """TCP-03: absolute, not per read. TCP-04: a destination that never answers. All wait side by side."""

    def header_never_complete(sent, dribble):
        session = connect()
        session.limit = 20
        session.write(header.health()[:sent])
        while dribble and time.monotonic() < session.handshake_done + 9.5:
            session.write(b"\0")
            time.sleep(0.25)
        expect_clean_close(session)
        return time.monotonic() - session.handshake_done

    def silent_destination():
        session = connect()
        session.write(header.destination(silent))
        session.limit = 20
        expect_clean_close(session)
        return time.monotonic() - session.handshake_done

    sessions = [lambda: header_never_complete(0, False), lambda: header_never_complete(100, False),
                lambda: header_never_complete(1, True), silent_destination]
    for took in harness.in_parallel(*sessions):
        assert 9.7 < took < 11.5


@BOTH
def test_tcp_04_refused_and_unresolvable(connect, version):
    for address in (harness.closed_port(), (GONE, 80)):
        session = connect(version)
        session.write(header.destination(address))
        expect_clean_close(session)


def half_open(server, address):
    """How many of the server's own sockets wait for an answer from there (SYN_SENT)."""
    there = "%08X:%04X" % (int.from_bytes(socket.inet_aton(address[0]), sys.byteorder), address[1])
    with open(f"/proc/{server.pid}/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table]
    waiting = {f"socket:[{row[9]}]" for row in rows[1:] if row[2] == there and row[3] == "02"}
    return len(waiting & set(harness.open_files(server.pid)))


def gone_by_close_notify(session):
    session.shut()
    session.close()


@pytest.fixture
def silent():
    """An address that never answers: a listener whose queue is full drops each SYN."""
    with harness.Destination(backlog=0) as full, socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.setblocking(False)
            each.connect_ex(full.address)
        yield full.address


@BOTH
@pytest.mark.parametrize("payload", [b"", b"first words"], ids=["header", "header and payload"])
@pytest.mark.parametrize("leave", [gone_by_close_notify, TlsClient.close, TlsClient.reset],
                         ids=["close_notify", "fin", "rst"])
def test_tcp_10_client_gone_during_the_dial(server, connect, silent, version, payload, leave):
    """TCP-10: the socket that was to reach the destination is closed at once, not after the dial's 10 s."""
    session = connect(version)
    session.write(header.destination(silent) + payload)
    harness.wait_for(lambda: half_open(server, silent) == 1, what="the dial")
    if payload and leave is gone_by_close_notify:
        # TCP-07: it has only closed its direction, and may wait for the answer. So it goes later, with a reset.
        session.shut()
        session.reset()
    else:
        leave(session)
    harness.wait_for(lambda: half_open(server, silent) == 0, limit=2.0, what="the end of the dial")


@BOTH
def test_tcp_10_client_that_waits_keeps_the_dial(server, connect, silent, version):
    """TCP-10, TCP-07: a half-close behind payload is not a client gone."""
    session = connect(version)
    session.write(header.destination(silent) + b"all there is")
    session.shut()
    harness.wait_for(lambda: half_open(server, silent) == 1, what="the dial")
    assert session.silent(1.0)
    assert half_open(server, silent) == 1


@BOTH
def test_tcp_05_one_connection_a_session(tunnel, destination, version):
    first, first_end = tunnel(version)
    second, second_end = tunnel(version)
    assert first_end.getpeername() != second_end.getpeername()
    first.write(b"first")
    second.write(b"second")
    assert first_end.recv(100) == b"first"
    assert second_end.recv(100) == b"second"
    first.shut()
    assert first_end.recv(1) == b""
    first_end.close()
    expect_clean_close(first)
    # The other session has not noticed.
    second_end.sendall(b"still here")
    assert second.read_exactly(10) == b"still here"
    assert len(destination.connections) == 2


@BOTH
def test_tcp_06_bytes_unchanged_both_ways_at_once(tunnel, version):
    size = 16 << 20
    up, down = os.urandom(size), os.urandom(size)
    session, end = tunnel(version)
    received = hashlib.sha256()

    def play_destination():
        sender = threading.Thread(target=end.sendall, args=(down,))
        sender.start()
        left = size
        while left:
            data = end.recv(min(left, 1 << 20))
            assert data, "FIN before all bytes"
            received.update(data)
            left -= len(data)
        sender.join()

    def play_client():
        # One thread for both directions, as OpenSSL wants it: write a piece, read what is there.
        got, sent = bytearray(), 0
        while sent < size or len(got) < size:
            if sent < size:
                session.write(up[sent:sent + 65536])
                sent += 65536
            while len(got) < sent - (4 << 20) or (sent >= size and len(got) < size):
                got += session.read()
        return got

    _, got = harness.in_parallel(play_destination, play_client)
    assert received.digest() == hashlib.sha256(up).digest()
    assert hashlib.sha256(got).digest() == hashlib.sha256(down).digest()


@BOTH
def test_tcp_07_half_close_of_the_client(tunnel, version):
    session, end = tunnel(version)
    session.write(b"request")
    session.shut()
    assert end.recv(100) == b"request"
    assert end.recv(1) == b"", "close_notify did not become FIN"
    # The other direction lives on.
    end.sendall(b"response")
    assert session.read_exactly(8) == b"response"
    end.close()
    expect_clean_close(session)


@BOTH
def test_tcp_07_half_close_right_behind_the_header(connect, destination, version):
    """The close_notify may arrive while the destination is still being dialled."""
    session = connect(version)
    session.write(header.destination(destination.address) + b"all there is")
    session.shut()
    end = destination.accept()
    assert end.recv(100) == b"all there is"
    assert end.recv(1) == b""
    end.sendall(b"answer")
    end.close()
    assert session.read_to_end() == b"answer"


@BOTH
def test_tcp_08_half_close_of_the_destination(tunnel, version):
    session, end = tunnel(version)
    end.sendall(b"greeting")
    end.shutdown(socket.SHUT_WR)
    assert session.read_to_end() == b"greeting"
    # close_notify came, but no FIN: what we still say is delivered.
    session.write(b"last words")
    assert end.recv(100) == b"last words"
    session.shut()
    assert end.recv(1) == b""
    session.expect_fin()


@BOTH
def test_tcp_09_reset_of_the_client(tunnel, version):
    session, end = tunnel(version)
    session.write(b"x")
    assert end.recv(1) == b"x"
    start = time.monotonic()
    session.reset()
    try:
        assert end.recv(1) == b""
    except ConnectionResetError:
        pass
    assert time.monotonic() - start < 1.0


@BOTH
def test_tcp_09_reset_of_the_destination(tunnel, version):
    session, end = tunnel(version)
    end.sendall(b"x")
    assert session.read_exactly(1) == b"x"
    start = time.monotonic()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    end.close()
    try:
        assert session.read() == b"", "a byte that nobody sent"
        session.expect_fin()
    except (Reset, Truncated, Alert):
        pass
    assert time.monotonic() - start < 1.0


def test_tcp_12_slow_reader(server, tunnel, connect, echo):
    """A destination that does not read stops its own sender, costs little memory, and hurts no one else."""
    session, end = tunnel()
    before = harness.rss(server.pid)
    piece = os.urandom(16384)
    sent = 0
    session.sock.settimeout(1.0)
    with pytest.raises(TimeoutError):
        while sent < 256 << 20:
            session.tls.write(piece)
            session.sock.settimeout(1.0)
            session.sock.sendall(session._out.read())
            sent += len(piece)
    # The kernel's buffers are large; the server's own are not: 64 KiB a direction and one shared read buffer.
    assert harness.SANITIZED or harness.rss(server.pid) - before < 1 << 20
    other = connect()
    other.write(header.destination(echo.address))
    expect_echo(other, os.urandom(100000))
    # Once the destination reads, everything arrives.
    got = 0
    end.settimeout(2.0)
    while got < sent:
        piece = end.recv(1 << 20)
        assert piece, f"FIN after {got} of {sent} bytes"
        got += len(piece)
