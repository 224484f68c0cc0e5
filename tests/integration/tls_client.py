# SPDX-License-Identifier: MIT
"""A TLS client on Python's ssl that shows what happened on the wire: alerts, close_notify, FIN and RST apart."""

import contextlib
import socket
import ssl
import struct
import time

from harness import LIMIT

STREAM = "godoxy-agent-stream/1"
HTTP = "http/1.1"
VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1,
            "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

# OpenSSL's names of the alerts a peer may send (openssl/sslerr.h: 1000 + number).
ALERTS = {
    "SSLV3_ALERT_UNEXPECTED_MESSAGE": 10, "SSLV3_ALERT_HANDSHAKE_FAILURE": 40,
    "SSLV3_ALERT_NO_CERTIFICATE": 41, "SSLV3_ALERT_BAD_CERTIFICATE": 42,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": 43, "SSLV3_ALERT_CERTIFICATE_REVOKED": 44,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": 45, "SSLV3_ALERT_CERTIFICATE_UNKNOWN": 46,
    "SSLV3_ALERT_ILLEGAL_PARAMETER": 47, "TLSV1_ALERT_UNKNOWN_CA": 48, "TLSV1_ALERT_ACCESS_DENIED": 49,
    "TLSV1_ALERT_DECODE_ERROR": 50, "TLSV1_ALERT_DECRYPT_ERROR": 51, "TLSV1_ALERT_PROTOCOL_VERSION": 70,
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": 71, "TLSV1_ALERT_INTERNAL_ERROR": 80,
    "TLSV13_ALERT_MISSING_EXTENSION": 109, "TLSV13_ALERT_CERTIFICATE_REQUIRED": 116,
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": 120,
}


class Alert(Exception):
    """The peer sent this fatal alert."""

    def __init__(self, number):
        super().__init__(f"alert {number}")
        self.number = number


class Truncated(Exception):
    """FIN without close_notify (TLS-09)."""


class Reset(Exception):
    """RST."""


def context(certs, identity=None, version=None, alpn=(STREAM,)):
    """A client context: identity is a (certificate, key) pair of paths, None for the good one, False for none."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.load_verify_locations(certs.ca)
    if identity is not False:
        ctx.load_cert_chain(*(identity or (certs.client, certs.client_key)))
    if version:
        if version < "1.2":
            # OpenSSL 3 offers the old versions at security level 0 only.
            ctx.set_ciphers("ALL:@SECLEVEL=0")
        ctx.minimum_version = ctx.maximum_version = VERSIONS[version]
    if alpn:
        ctx.set_alpn_protocols(list(alpn))
    return ctx


class TlsClient:
    """One connection. Reading and writing give up after a limit; nothing is hidden behind ssl.SSLSocket."""

    def __init__(self, address, ctx, limit=LIMIT, handshake=True, source=None):
        self.limit = limit
        self.sock = socket.create_connection(address, timeout=limit, source_address=source)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = ctx.wrap_bio(self._in, self._out, server_hostname="godoxy.agent")
        self._raw = b""
        self._fin = False
        self.handshake_done = None
        try:
            if handshake:
                self.handshake()
        except BaseException:
            self.sock.close()
            raise

    def _flush(self):
        if data := self._out.read():
            # The peer's reset is reported by the next read, after what it said before.
            with contextlib.suppress(ConnectionError):
                self.sock.sendall(data)

    def _fill(self, end):
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came from the peer")
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            raise Reset from None
        if data:
            self._raw = (self._raw + data)[-64:]
            self._in.write(data)
        elif self._fin:
            raise Truncated
        else:
            self._fin = True
            self._in.write_eof()

    def _drive(self, call, limit=None):
        end = time.monotonic() + (limit or self.limit)
        while True:
            try:
                result = call()
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                self._fill(end)
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
                if isinstance(error, ssl.SSLZeroReturnError):
                    return b""
                raise Truncated from None
            except ssl.SSLError as error:
                raise self._explain(error) from error

    def _explain(self, error):
        if error.reason in ALERTS:
            return Alert(ALERTS[error.reason])
        # An alert that OpenSSL has no name for, still in plain text: type 21, version, length 2, fatal, number.
        if self._raw[-7:-6] == b"\x15" and self._raw[-4:-1] == b"\0\x02\x02":
            return Alert(self._raw[-1])
        if error.reason == "UNEXPECTED_EOF_WHILE_READING":
            return Truncated()
        return error

    def handshake(self):
        """To the end. Under TLS 1.3 the server has not judged our certificate yet (TLS-05)."""
        self._drive(self.tls.do_handshake)
        self.handshake_done = time.monotonic()

    def write(self, data):
        """All of it, in records of at most 16 KiB."""
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view[:16384]):]
            self._flush()

    def read(self, size=65536, limit=None):
        """Some bytes; b"" is close_notify. Raises Alert, Truncated, Reset, TimeoutError."""
        return self._drive(lambda: self.tls.read(size), limit)

    def read_exactly(self, size):
        data = bytearray()
        while len(data) < size:
            piece = self.read(min(65536, size - len(data)))
            assert piece, f"close_notify after {len(data)} of {size} bytes"
            data += piece
        return bytes(data)

    def read_to_end(self, limit=None):
        """Everything up to close_notify."""
        data = bytearray()
        while piece := self.read(limit=limit):
            data += piece
        return bytes(data)

    def shut(self):
        """Send close_notify; reading goes on."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self._flush()

    def expect_fin(self, limit=None):
        """After close_notify: nothing but FIN. A second event on the wire would show here."""
        if self._fin:
            return
        self.sock.settimeout(limit or self.limit)
        try:
            data = self.sock.recv(1)
        except ConnectionError:
            raise Reset from None
        assert data == b"", "bytes after close_notify"
        self._fin = True

    def silent(self, seconds):
        """Nothing at all comes for this long, the connection stays open."""
        try:
            data = self.read(limit=seconds)
        except TimeoutError:
            return True
        raise AssertionError(f"expected silence, got {data!r}")

    def reset(self):
        """RST: what is queued is thrown away."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
