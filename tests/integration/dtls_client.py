# SPDX-License-Identifier: MIT
"""A DTLS 1.2 client on pyOpenSSL whose every datagram passes through Python: held back, dropped, doubled or forged."""

import collections
import contextlib
import os
import pathlib
import select
import socket
import time

from OpenSSL import SSL
from OpenSSL._util import lib  # for SSL_get_extms_support, which pyOpenSSL does not wrap

from harness import LIMIT
from tls_client import Alert

SUITE = "ECDHE-ECDSA-AES128-GCM-SHA256"
DTLS_10, DTLS_12 = 0xFEFF, 0xFEFD
CCS, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO, HELLO_VERIFY = 1, 2, 3
CLOSE_NOTIFY = 0
FATAL = 2

RECORD_HEADER = 13
# [bytes] of a datagram of the handshake; OpenSSL cannot ask a memory BIO.
MTU = 1400
_READ_ALERT = 0x4004  # SSL_CB_READ_ALERT (openssl/ssl.h)
_NO_EXTENDED_MASTER_SECRET = 1  # SSL_OP_NO_EXTENDED_MASTER_SECRET


# --- The wire -------------------------------------------------------------------------------------

Record = collections.namedtuple("Record", "type version epoch sequence payload raw")


def records(datagram):
    """The records of a datagram, in order; what is no record ends it."""
    found = []
    while len(datagram) >= RECORD_HEADER:
        size = RECORD_HEADER + int.from_bytes(datagram[11:13], "big")
        raw, datagram = datagram[:size], datagram[size:]
        found.append(Record(raw[0], int.from_bytes(raw[1:3], "big"), int.from_bytes(raw[3:5], "big"),
                            int.from_bytes(raw[5:11], "big"), raw[RECORD_HEADER:], raw))
    return found


def record(kind, payload, *, epoch=0, sequence=0, version=DTLS_12):
    """A record in plain text, or one that claims another epoch."""
    return (bytes([kind]) + version.to_bytes(2, "big") + epoch.to_bytes(2, "big") + sequence.to_bytes(6, "big")
            + len(payload).to_bytes(2, "big") + payload)


def messages(datagram):
    """The types of the handshake messages in plain text, one a record."""
    return [each.payload[0] for each in records(datagram) if each.type == HANDSHAKE and each.epoch == 0]


def plain_alerts(datagram):
    """(level, number) of each alert in plain text."""
    return [tuple(each.payload) for each in records(datagram) if each.type == ALERT and each.epoch == 0]


def _vector(prefix, data):
    return len(data).to_bytes(prefix, "big") + data


def client_hello(*, cookie=b"", random=None, suites=(0xC02B,), extensions=None, session_id=b"", sequence=0,
                 message_sequence=0):
    """A ClientHello written by hand, in one record; without extensions it is the smallest there is."""
    body = DTLS_12.to_bytes(2, "big") + (random or os.urandom(32)) + _vector(1, session_id) + _vector(1, cookie)
    body += _vector(2, b"".join(suite.to_bytes(2, "big") for suite in suites)) + b"\1\0"
    if extensions is not None:
        body += _vector(2, extensions)
    size = len(body).to_bytes(3, "big")
    message = bytes([CLIENT_HELLO]) + size + message_sequence.to_bytes(2, "big") + bytes(3) + size + body
    return record(HANDSHAKE, message, sequence=sequence, version=DTLS_10)


def cookie_of(hello_verify):
    """The cookie in a HelloVerifyRequest (RFC 6347 section 4.2.1)."""
    body = records(hello_verify)[0].payload[12:]
    return body[3:3 + body[2]]


# --- The client -----------------------------------------------------------------------------------


def dtls_context(certs, identity=None, *, suites=SUITE, version=DTLS_12, group=None, ems=True):
    """A client context: identity is a (certificate, key) pair of paths, None for the good one, False for none."""
    ctx = SSL.Context(SSL.DTLS_METHOD)
    ctx.load_verify_locations(str(certs.ca))
    ctx.set_verify(SSL.VERIFY_PEER, lambda _conn, _cert, _error, _depth, good: good)
    if identity is not False:
        certificate, key = identity or (certs.client, certs.client_key)
        ctx.use_certificate_file(str(certificate))
        ctx.use_privatekey_file(str(key))
    ctx.set_min_proto_version(version)
    ctx.set_max_proto_version(version)
    # OpenSSL 3 offers DTLS 1.0 at security level 0 only.
    ctx.set_cipher_list((suites if version == DTLS_12 else suites + ":@SECLEVEL=0").encode())
    ctx.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
    if group is not None:
        ctx.set_tmp_ecdh(group)
    if not ems:
        ctx.set_options(_NO_EXTENDED_MASTER_SECRET)
    return ctx


class DtlsClient:
    """One session on a socket of its own, or on that of another client (sock). Every wait ends after a limit.

    on_send and on_receive are given each datagram, and return those that take its place: (), or several.
    A flight leaves as one record a datagram.
    """

    def __init__(self, address, ctx, *, limit=LIMIT, handshake=True, sock=None, on_send=None, on_receive=None):
        self.limit = limit
        self.on_send = on_send or (lambda datagram: (datagram,))
        self.on_receive = on_receive or (lambda datagram: (datagram,))
        self.sent, self.received = [], []  # raw datagrams, as they crossed the wire
        self.alerts = []  # (level, number), close_notify too
        self.close_notify = False
        self.handshake_done = None
        self._inbox = collections.deque()
        self.sock = sock or socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
        if sock is None:
            self.sock.connect(address)
        self.port = self.sock.getsockname()[1]
        self.sock.setblocking(False)
        self.tls = SSL.Connection(ctx, None)
        self.tls.set_info_callback(self._note)
        self.tls.set_connect_state()
        self.tls.set_ciphertext_mtu(MTU)
        try:
            if handshake:
                self.handshake()
        except BaseException:
            if sock is None:
                self.sock.close()
            raise

    def _note(self, _connection, where, value):
        if where == _READ_ALERT:
            self.alerts.append((value >> 8, value & 0xFF))
            self.close_notify |= value & 0xFF == CLOSE_NOTIFY

    # What was seen.

    @property
    def fatal(self):
        """The number of the fatal alert that came, or None."""
        return next((number for level, number in self.alerts if level == FATAL), None)

    @property
    def hello_verify_seen(self):
        return any(HELLO_VERIFY in messages(datagram) for datagram in self.received)

    @property
    def cipher(self):
        return self.tls.get_cipher_name()

    @property
    def version(self):
        return self.tls.get_protocol_version_name()

    @property
    def group(self):
        return self.tls.get_group_name()

    @property
    def extended_master_secret(self):
        return lib.SSL_get_extms_support(self.tls._ssl) == 1  # pylint: disable=protected-access

    # Datagrams.

    def send_raw(self, *datagrams):
        """Put datagrams on the wire, past on_send."""
        for datagram in datagrams:
            self.sent.append(datagram)
            # An ICMP error of an earlier datagram says nothing about this one: send it again.
            with contextlib.suppress(ConnectionError):
                self.sock.send(datagram)
                continue
            self.sock.send(datagram)

    def _output(self):
        data = b""
        with contextlib.suppress(SSL.WantReadError):
            while True:
                data += self.tls.bio_read(65536)
        return [each.raw for each in records(data)]

    def flush(self):
        """What OpenSSL has to say, through on_send."""
        for datagram in self._output():
            self.send_raw(*self.on_send(datagram))

    def inject(self, datagram):
        """Have OpenSSL read this datagram as if it had come."""
        self._inbox.append(datagram)

    def receive_raw(self, limit=None):
        """The next datagram as it came, which OpenSSL does not see. Raises TimeoutError."""
        end = time.monotonic() + (self.limit if limit is None else limit)
        while True:
            left = end - time.monotonic()
            if not select.select([self.sock], [], [], max(left, 0))[0]:
                raise TimeoutError("nothing came from the peer")
            with contextlib.suppress(ConnectionError, BlockingIOError):
                datagram = self.sock.recv(65536)
                self.received.append(datagram)
                return datagram

    def _wait(self, end):
        """Feed OpenSSL one datagram, or tell it the time."""
        if not self._inbox:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("nothing came from the peer")
            timer = self.tls.DTLSv1_get_timeout()
            timer = left if timer is None else timer
            try:
                self._inbox.extend(self.on_receive(self.receive_raw(min(left, timer))))
            except TimeoutError:
                if timer < left:
                    self.tls.DTLSv1_handle_timeout()
                    self.flush()
        if self._inbox:
            self.tls.bio_write(self._inbox.popleft())

    def _drive(self, call, limit=None):
        end = time.monotonic() + (self.limit if limit is None else limit)
        while True:
            try:
                result = call()
                self.flush()
                return result
            except SSL.WantReadError:
                self.flush()
                self._wait(end)
            except SSL.ZeroReturnError:
                return b""
            except SSL.Error as error:
                self.flush()
                if self.fatal is not None:
                    raise Alert(self.fatal) from error
                raise

    # The session.

    def handshake(self, limit=None):
        """To the end, or as far as the limit lets it: it can be called again."""
        self._drive(self.tls.do_handshake, limit)
        self.handshake_done = time.monotonic()

    def start(self):
        """Send the first ClientHello and go on until nothing more can be done without an answer."""
        with contextlib.suppress(SSL.WantReadError):
            self.tls.do_handshake()
        self.flush()

    def encrypt(self, data):
        """The record of this payload, not sent."""
        self.tls.send(data)
        made = self._output()
        assert len(made) == 1
        return made[0]

    def write(self, *payloads):
        """Each as one record in a datagram of its own."""
        for payload in payloads:
            self.send_raw(self.encrypt(payload))

    def read(self, limit=None):
        """The payload of the next record; b"" is close_notify. Raises Alert, TimeoutError."""
        return self._drive(lambda: self.tls.recv(20000), limit)

    def shut(self):
        """Send close_notify; reading goes on."""
        with contextlib.suppress(SSL.WantReadError, SSL.Error):
            self.tls.shutdown()
        self.flush()

    def close(self):
        """Say goodbye when there is a session, and close the socket."""
        if self.sock.fileno() >= 0:
            if self.handshake_done:
                with contextlib.suppress(OSError):
                    self.shut()
            self.sock.close()

    def vanish(self):
        """Close the socket and say nothing."""
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# --- Its other end --------------------------------------------------------------------------------


class UdpDestination:
    """A UDP socket as destination, which the test plays itself."""

    def __init__(self, host="127.0.0.1", port=0):
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, port))
        self.sock.settimeout(LIMIT)
        self.address = self.sock.getsockname()[:2]
        self.peer = None  # who sent the last datagram

    def receive(self):
        data, self.peer = self.sock.recvfrom(65536)
        return data

    def reply(self, *datagrams):
        for data in datagrams:
            self.sock.sendto(data, self.peer)

    def sockets(self):
        """How many sockets are connected to it: each is the destination socket of one session."""
        table = pathlib.Path("/proc/net/udp6" if self.sock.family == socket.AF_INET6 else "/proc/net/udp")
        remote = f":{self.address[1]:04X}"
        return sum(line.split()[2].endswith(remote) for line in table.read_text().splitlines()[1:])

    def untouched(self):
        """Nothing has come up to now: a datagram of our own, sent last, is the first."""
        marker = os.urandom(16)
        with socket.socket(self.sock.family, socket.SOCK_DGRAM) as own:
            own.sendto(marker, self.address)
            return self.receive() == marker

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
