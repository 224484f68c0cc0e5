# SPDX-License-Identifier: MIT
"""The faults that no check of gdprobe sees: each shows on the wire, to a client that knows where to look.

A test has the name of its fault; test_every_fault_has_a_test compares them with the catalogue.
"""

import contextlib
import re
import socket
import struct
import time

import pytest

import harness
import header_model as header
from dtls_client import (ALERT, DATA, FATAL, SERVER_HELLO, DtlsClient, UdpDestination, dtls_context, messages, record)
from test_faults_probed import FAULTS, VISIBLE
from tls_client import HTTP, Alert, TlsClient, context
from udp_sessions import HeldFlight, open_tunnel

# How long nothing comes where something would come at once [s].
SILENCE = 0.3
CERTIFICATE, CERTIFICATE_REQUEST = 11, 13


class Lab:
    """One server with a fault, and clients of it."""

    def __init__(self, server, certs):
        self.server, self.certs, self.opened = server, certs, []

    def tls(self, *, identity=None, version=None, alpn=None, **options):
        ctx = context(self.certs, identity=identity, version=version, **({"alpn": alpn} if alpn else {}))
        self.opened.append(TlsClient(self.server.address, ctx, **options))
        return self.opened[-1]

    def dtls(self, **options):
        self.opened.append(DtlsClient(self.server.udp_address, dtls_context(self.certs), **options))
        return self.opened[-1]

    def tunnel(self, destination):
        """A TCP tunnel that stands: (session, the destination's end)."""
        session = self.tls()
        session.write(header.destination(destination.address) + b"payload")
        end = destination.accept()
        assert end.recv(100) == b"payload"
        return session, end

    def get(self, path):
        session = self.tls(alpn=(HTTP,))
        session.write(b"GET /godoxy/agent" + path + b" HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n")
        return session.read_to_end()


@pytest.fixture
def lab(start_server, certs, request):
    """The fault is in the name of the test; lab(OPTION...) adds options and arguments to it."""
    labs = []
    fault = fault_of(request.node.originalname)

    def start(*options, argument=None):
        name = fault if argument is None else f"{fault}={argument}"
        labs.append(Lab(start_server("--fault", name, *options), certs))
        return labs[-1]

    yield start
    for each in labs:
        for session in each.opened:
            with contextlib.suppress(OSError):
                session.close()


@pytest.fixture
def end():
    with UdpDestination() as destination:
        yield destination


def fault_of(test):
    """test_tls_1_2_only is about tls-1.2-only."""
    return re.sub(r"(?<=\d)-(?=\d)", ".", test.removeprefix("test_").replace("_", "-"))


def test_every_fault_has_a_test():
    tested = {fault_of(name) for name, value in globals().items() if name.startswith("test_") and callable(value)}
    tested &= set(FAULTS)
    assert tested | set(VISIBLE) == set(FAULTS)
    assert not tested & set(VISIBLE)


def expect_silence(session):
    with pytest.raises(TimeoutError):
        session.read(limit=SILENCE)


def expect_dial(session, wire, destination):
    session.write(wire + b"payload")
    assert destination.accept().recv(100) == b"payload"


# --- Header -----------------------------------------------------------------------------------------------


def test_accept_bad_checksum(lab, destination):
    expect_dial(lab().tls(), header.destination(destination.address, checksum=b"\1\2\3\4"), destination)


def test_accept_bad_version(lab, destination):
    expect_dial(lab().tls(), header.destination(destination.address, version=b"0.2.0"), destination)


def test_accept_port_length(lab, destination):
    expect_dial(lab().tls(), header.destination(destination.address, port_length=6), destination)


def test_health_dials(lab, destination):
    expect_dial(lab().tls(), header.destination(destination.address, flags=header.HEALTH), destination)


def test_early_payload_lost(lab, destination):
    session = lab().tls()
    session.write(header.destination(destination.address) + b"lost")
    end = destination.accept()
    session.write(b"kept")
    assert end.recv(100) == b"kept"


def test_empty_host_dials(lab, destination):
    expect_dial(lab().tls(), header.encode(b"", str(destination.address[1]).encode()), destination)


def outcome(lab, wire):
    """What the server's log says a header came to."""
    session = lab.tls()
    session.write(wire)
    assert session.read() == b""
    line = harness.wait_for(lambda: next((line for line in lab.server.lines if "stage=" in line), None), what="a line")
    return re.search(r"stage=(\S+)", line).group(1)


def test_nul_host_resolves(lab):
    assert outcome(lab(), header.encode(b"no\0such", b"80")) == "resolve"


def test_odd_port_dials(lab):
    assert outcome(lab(), header.encode(b"127.0.0.1", b"0")) == "connect"


# --- TLS --------------------------------------------------------------------------------------------------


def requests(lab, **options):
    """The handshake messages of a TLS 1.2 server that come before its ServerHelloDone."""
    seen = []
    ctx = context(lab.certs, version="1.2", **options)
    ctx._msg_callback = lambda _c, way, _v, _t, kind, _d: seen.append(int(kind)) if way == "read" else None
    lab.opened.append(TlsClient(lab.server.address, ctx))
    return seen


def test_no_client_cert(lab, destination):
    server = lab()
    assert CERTIFICATE_REQUEST in requests(server)
    expect_dial(server.tls(identity=False), header.destination(destination.address), destination)


def test_cert_not_asked(lab, destination):
    server = lab()
    seen = requests(server)
    assert CERTIFICATE in seen and CERTIFICATE_REQUEST not in seen
    expect_dial(server.tls(identity=False), header.destination(destination.address), destination)


def test_any_client_ca(lab, destination, odd):
    expect_dial(lab().tls(identity=odd["other-ca"]), header.destination(destination.address), destination)


def test_expired_client(lab, destination, odd):
    expect_dial(lab().tls(identity=odd["expired"]), header.destination(destination.address), destination)


def test_any_client_purpose(lab, destination, odd):
    expect_dial(lab().tls(identity=odd["server-auth-only"]), header.destination(destination.address), destination)


def expect_version(lab, refused):
    with pytest.raises(Alert) as alert:
        lab.tls(version=refused)
    assert alert.value.number in (40, 70)
    session = lab.tls()
    session.write(header.health())
    assert session.read() == b""


def test_tls_1_2_only(lab):
    expect_version(lab(), "1.3")


def test_tls_1_3_only(lab):
    expect_version(lab(), "1.2")


def test_handshake_endless(lab):
    """Long after the limit that is set, a connection without a word still stands."""
    with socket.create_connection(lab("--handshake-limit", "100ms").server.address, timeout=0.6) as sock:
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_header_hangs_on_http(lab):
    """Past the 10 s that a first request is given."""
    session = lab().tls(alpn=(HTTP,))
    session.write(header.health())
    with pytest.raises(TimeoutError):
        session.read(limit=11)


# --- The life of a TCP tunnel -----------------------------------------------------------------------------


def expect_nothing(end):
    end.settimeout(SILENCE)
    with pytest.raises(TimeoutError):
        end.recv(1)
    end.settimeout(harness.LIMIT)


def test_keeps_client_end(lab, destination):
    session, end = lab().tunnel(destination)
    session.shut()
    expect_nothing(end)
    end.sendall(b"answer")
    assert session.read() == b"answer"


def test_keeps_destination_end(lab, destination):
    session, end = lab().tunnel(destination)
    end.shutdown(socket.SHUT_WR)
    expect_silence(session)
    session.write(b"more")
    assert end.recv(100) == b"more"
    session.shut()
    assert session.read() == b""


def test_ignores_resets(lab, destination):
    server = lab()
    session, end = server.tunnel(destination)
    session.reset()
    expect_nothing(end)
    session, end = server.tunnel(destination)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
    expect_silence(session)


def test_dial_not_cancelled(lab):
    # A listener whose queue is full drops each SYN: the dial hangs.
    with harness.Destination(backlog=0) as full, socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.setblocking(False)
            each.connect_ex(full.address)
        session = lab("--dial-limit", "1s").tls()
        session.write(header.destination(full.address))
        session.shut()
        expect_silence(session)
        assert session.read() == b""


def test_leaks_destination(lab, destination):
    """Each tunnel that has ended leaves a descriptor behind."""
    server, counts = lab(), []
    for n in range(1, 5):
        session, end = server.tunnel(destination)
        session.shut()
        end.close()
        session.close()
        harness.wait_for(lambda n=n: server.server.stderr.count("tunnel ended") == n, what="its end")
        # The session's own descriptor is closed with the line or right behind it.
        counts.append(min(harness.count_fds(server.server.pid) for _ in range(20)))
    assert counts == [counts[0] + n for n in range(4)]


def test_one_at_a_time(lab):
    server = lab()
    first = server.tls()
    second = server.tls(handshake=False)
    with pytest.raises(TimeoutError):
        second._drive(second.tls.do_handshake, SILENCE)
    first.close()
    second.handshake()
    second.write(header.health())
    assert second.read() == b""


# --- DTLS -------------------------------------------------------------------------------------------------


def test_dtls_no_cookie(lab):
    session = lab().dtls()
    assert not session.hello_verify_seen
    session.write(header.health())
    assert session.read() == b""


def test_dtls_loses_flight(lab):
    """The first flight comes without its Certificate, message 2, the second one with it."""
    session = lab().dtls()
    flights = "".join(f"{kind}," for datagram in session.received for kind in messages(datagram))
    first = flights.index(f"{SERVER_HELLO},")
    assert f"{SERVER_HELLO},12," in flights[first:]
    assert f"{SERVER_HELLO},{CERTIFICATE}," in flights[first:]
    session.write(header.health())
    assert session.read() == b""


def test_dtls_locks_tuple(lab, end):
    server = lab()
    session = server.dtls()
    open_tunnel(session, end)
    again = server.dtls(handshake=False, sock=session.sock)
    again.start()
    with pytest.raises(TimeoutError):
        again.receive_raw(SILENCE)


def test_fragile_handshake(lab, certs):
    for datagram in (record(ALERT, bytes([FATAL, 40])), record(DATA, b"early")):
        held = HeldFlight(lab().server, dtls_context(certs))
        held.session.send_raw(datagram)
        held.session.limit = 2 * SILENCE
        with pytest.raises(TimeoutError):
            held.release()
        held.session.vanish()


# --- Datagrams --------------------------------------------------------------------------------------------


def test_udp_payload_limit(lab, end):
    session = lab(argument=100).dtls()
    open_tunnel(session, end)
    session.write(b"x" * 101, b"y" * 100)
    assert end.receive() == b"y" * 100
    end.reply(b"z" * 101)
    assert session.read() == b"z" * 101


def test_udp_duplicates(lab, end):
    session = lab().dtls()
    session.write(header.destination(end.address), b"one")
    assert [end.receive(), end.receive()] == [b"one", b"one"]


def test_udp_reorders(lab, end):
    session = lab().dtls()
    session.write(header.destination(end.address), b"one", b"two")
    assert [end.receive(), end.receive()] == [b"two", b"one"]


def test_long_datagram_kills(lab, end):
    session = lab().dtls()
    open_tunnel(session, end)
    end.reply(b"x" * 20000, b"y")
    expect_silence(session)
    session.write(b"still here")
    assert end.receive() == b"still here"


def test_icmp_kills(lab):
    session = lab().dtls()
    address = harness.closed_port()
    session.write(header.destination(address), b"refused")
    time.sleep(SILENCE)
    with UdpDestination(port=address[1]) as late:
        session.write(b"taken")
        assert late.receive() == b"taken"
        late.reply(b"an answer")
        expect_silence(session)


def test_udp_never_idle(lab, end):
    session = lab("--udp-idle", "100ms").dtls()
    open_tunnel(session, end)
    with pytest.raises(TimeoutError):
        session.read(limit=0.6)
    session.write(b"still here")
    assert end.receive() == b"still here"


def test_udp_silent_shutdown(lab, end):
    server = lab()
    session = server.dtls()
    open_tunnel(session, end)
    assert server.server.stop() == 0
    expect_silence(session)


# --- HTTPS ------------------------------------------------------------------------------------------------


def test_other_paths_502(lab):
    server = lab()
    answer = server.get(b"/version")
    assert answer.startswith(b"HTTP/1.1 502 ") and answer.endswith(b"\r\n\r\n")
    assert server.get(b"/info").startswith(b"HTTP/1.1 200 ")


def test_health_udp_blind(lab):
    server = lab()
    assert b'{"healthy":true,' in server.get(b"/health?scheme=udp&host=127.0.0.1&port=1")
    assert server.get(b"/health?scheme=ftp").startswith(b"HTTP/1.1 404 ")


def test_health_any_scheme(lab):
    server = lab()
    answer = server.get(b"/health?scheme=ftp&host=127.0.0.1")
    assert answer.startswith(b"HTTP/1.1 200 ") and b'{"healthy":false,' in answer
    assert server.get(b"/health?scheme=tcp").startswith(b"HTTP/1.1 404 ")
