# SPDX-License-Identifier: MIT
"""What the tests of gdserver over UDP share: sessions, tunnels, and what to expect of them."""

import contextlib
import os
import re
import socket
import time

import pytest

import harness
import header_model as header
from dtls_client import (ALERT, CLIENT_HELLO, CLOSE_NOTIFY, HELLO_VERIFY, DtlsClient, UdpDestination, client_hello,
                         dtls_context, messages, records)

FAMILIES = pytest.mark.parametrize("family", ["v4", "v6"])
CLIENT_FLIGHT = 5  # Certificate, ClientKeyExchange, CertificateVerify, ChangeCipherSpec, Finished: a datagram each


@pytest.fixture(scope="module")
def server6(certs):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    started = harness.Server(*certs.server_options(), listen="[::1]:0")
    try:
        yield started
        started.assert_clean_end()
    finally:
        started.kill()


@pytest.fixture
def end():
    with UdpDestination() as destination:
        yield destination


@pytest.fixture
def context(certs):
    """context(OPTION...) is a client context with the good certificates."""
    return lambda **options: dtls_context(certs, **options)


@pytest.fixture
def connect(server, context):
    """connect() opens a session to the shared server, or another one; all are closed at the end."""
    opened = []

    def open_one(to=None, **options):
        opened.append(DtlsClient((to or server).udp_address, context(), **options))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture
def tunnel(connect, end):
    """tunnel() is a session whose tunnel to `end` stands."""

    def open_one(to=None, **options):
        session = connect(to, **options)
        open_tunnel(session, end)
        return session

    return open_one


def open_tunnel(session, end):
    session.write(header.destination(end.address), b"first")
    assert end.receive() == b"first"


def expect_echo(session, payload=b"some payload"):
    session.write(payload)
    assert session.read() == payload


def expect_passes(session, end, payload=b"still here"):
    """One datagram each way, and none between."""
    session.write(payload)
    assert end.receive() == payload
    end.reply(payload[::-1])
    assert session.read() == payload[::-1]


def expect_close(session, limit=None):
    """HC-02, HC-04: no application byte, and close_notify as an encrypted alert."""
    assert session.read(limit) == b"", "an application byte before the close"
    assert session.alerts == [(1, CLOSE_NOTIFY)]
    last = records(session.received[-1])[-1]
    assert (last.type, last.epoch) == (ALERT, 1)


def expect_in_log(server, mark, session, text):
    """The line with this text about this session; those of earlier sessions may still be on their way."""
    peer = re.compile(rf"peer=\S+:{session.port}\b")

    def find():
        return next((line for line in server.log_since(mark) if text in line and peer.search(line)), None)

    return harness.wait_for(find, what=f"{text} in the log")


def stranger(address):
    """A UDP socket that knows nothing of DTLS."""
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(address)
    sock.settimeout(harness.LIMIT)
    return sock


def expect_unanswered(sock):
    """The server takes datagrams in order: what it answers first is this ClientHello, and nothing from before it."""
    for sequence in (201, 202):  # which an answer repeats (RFC 6347 section 4.2.1)
        sock.send(client_hello(sequence=sequence))
        answer = sock.recv(65536)
        assert messages(answer) == [HELLO_VERIFY]
        assert records(answer)[0].sequence == sequence, "the answer to something else"


class HeldFlight:
    """A handshake that stops before the client's last flight, until release()."""

    def __init__(self, server, ctx, sock=None):
        self.flight, self.on_hold = [], True
        self.session = DtlsClient(server.udp_address, ctx, handshake=False, sock=sock, on_send=self._hold)
        self.session.start()
        self.accepted = time.monotonic()
        while not self.flight:
            with contextlib.suppress(TimeoutError):
                self.session.handshake(0.05)
        assert records(self.flight[-1])[0].epoch == 1, "the flight is not whole"

    def _hold(self, datagram):
        if self.on_hold and messages(datagram) != [CLIENT_HELLO]:
            self.flight.append(datagram)
            return ()
        return (datagram,)

    def release(self):
        """Send the flight, as it was first, and finish."""
        self.on_hold = False
        self.session.send_raw(*self.flight[:CLIENT_FLIGHT])
        self.session.handshake()
