# SPDX-License-Identifier: MIT
"""An agent on pyOpenSSL whose sessions follow a script: what no good agent does, and what a client makes of it."""

import contextlib
import queue
import select
import socket
import struct
import threading

from OpenSSL import SSL

import harness
import header_model as header
from dtls_client import MTU, records
from harness import LIMIT

STREAM, HTTP = b"godoxy-agent-stream/1", b"http/1.1"
VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
# An application record of 32 bytes that no key ever made: whoever reads it answers with alert 20.
FORGED = bytes.fromhex("1703030020") + bytes(range(32))


class TcpWire:
    """Bytes to and from one connection. After end() or reset() nothing more is said."""

    datagrams = False

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(LIMIT)

    def send(self, data):
        # A client that has hung up is told nothing; the script sees it by reading.
        with contextlib.suppress(ConnectionError):
            self.sock.sendall(data)

    def receive(self):
        """Some bytes; b"" is the end, by FIN or by RST."""
        with contextlib.suppress(ConnectionError):
            return self.sock.recv(65536)
        return b""

    def end(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def gone(self, seconds):
        """\\return whether the client has hung up, after at most this long."""
        if not select.select([self.sock], [], [], seconds)[0]:
            return False
        return self.receive() == b""

    def close(self):
        self.sock.close()


class UdpWire:
    """Datagrams to and from one address of a socket that all sessions share."""

    datagrams = True

    def __init__(self, sock, peer):
        self.sock, self.peer = sock, peer
        self.arrived = queue.Queue()

    def send(self, data):
        for each in records(data):
            self.sock.sendto(each.raw, self.peer)

    def receive(self):
        try:
            return self.arrived.get(timeout=LIMIT)
        except queue.Empty:
            raise TimeoutError("nothing came from the client") from None

    def close(self):
        pass


class Session:
    """What a script has in its hands, and what is known of the client afterwards."""

    def __init__(self, ctx, wire):
        self.wire = wire
        self.tls = SSL.Connection(ctx, None)
        self.tls.set_accept_state()
        if wire.datagrams:
            self.tls.set_ciphertext_mtu(MTU)
        self.established = False
        self.received = b""  # application bytes
        self.ended_by = None  # "close_notify" or "end"; None when the script did not read so far
        self.finished = threading.Event()  # the script is through

    def _flush(self):
        with contextlib.suppress(SSL.WantReadError):
            while True:
                self.wire.send(self.tls.bio_read(65536))

    def _drive(self, call):
        """\\return what the call does, or None at the end of the connection."""
        while True:
            try:
                result = call()
                self._flush()
                return result
            except SSL.WantReadError:
                self._flush()
            data = self.wire.receive()
            if not data:
                self.ended_by = "end"
                return None
            self.tls.bio_write(data)

    def handshake(self):
        self._drive(self.tls.do_handshake)
        assert self.ended_by is None, "the client gave up during the handshake"
        self.established = True

    @property
    def protocol(self):
        """What ALPN selected."""
        return self.tls.get_alpn_proto_negotiated()

    @property
    def client_certificate(self):
        return self.tls.get_peer_certificate().to_cryptography()

    def _read(self):
        """\\return whether more may come."""
        try:
            data = self._drive(lambda: self.tls.recv(65536))
        except SSL.ZeroReturnError:
            self.ended_by = "close_notify"
            return False
        if data:
            self.received += data
        return bool(data)

    def read_header(self):
        while len(self.received) < header.SIZE and self._read():
            pass

    def read_request(self):
        while b"\r\n\r\n" not in self.received and self._read():
            pass

    def read_to_end(self):
        while self._read():
            pass

    def send(self, data):
        self.tls.sendall(data)
        self._flush()

    def close_notify(self):
        self.tls.shutdown()
        self._flush()

    def alert(self):
        """A fatal one, encrypted: bad_record_mac. Over TCP only; DTLS drops what is forged."""
        self.tls.bio_write(FORGED)
        with contextlib.suppress(SSL.Error):
            self.tls.recv(1)
        self._flush()


class ScriptedAgent:
    """script(session, stopped) is run in a thread for every session, TLS and DTLS on one port number.

    select(offered) answers ALPN: bytes, offered or not, or None to say nothing.
    """

    def __init__(self, certs, script, *, select=None, version=None):
        self.sessions, self.errors, self.offered = [], [], []
        self.stopped = threading.Event()
        self._script = script
        self._select = select or (lambda offered: offered[0])
        self._tls = self._context(SSL.TLS_METHOD, certs)
        if version:
            self._tls.set_min_proto_version(VERSIONS[version])
            self._tls.set_max_proto_version(VERSIONS[version])
        self._tls.set_alpn_select_callback(self._choose)
        self._dtls = self._context(SSL.DTLS_METHOD, certs)
        self._dtls.set_options(SSL.OP_NO_QUERY_MTU)
        self._listener, self._udp = harness.listening_pair()
        self.target = "127.0.0.1:%d" % self._listener.getsockname()[1]
        for serve in (self._serve_tcp, self._serve_udp):
            threading.Thread(target=serve, daemon=True).start()

    @staticmethod
    def _context(method, certs):
        ctx = SSL.Context(method)
        ctx.use_certificate_file(str(certs.server))
        ctx.use_privatekey_file(str(certs.server_key))
        ctx.load_verify_locations(str(certs.ca))
        ctx.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda _c, _x, _e, _d, good: good)
        ctx.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        return ctx

    def _choose(self, _connection, offered):
        self.offered.append(list(offered))
        chosen = self._select(offered)
        return SSL.NO_OVERLAPPING_PROTOCOLS if chosen is None else chosen

    def _begin(self, ctx, wire):
        session = Session(ctx, wire)
        self.sessions.append(session)
        threading.Thread(target=self._play, args=(session,), daemon=True).start()

    def _play(self, session):
        try:
            self._script(session, self.stopped)
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(error)
        finally:
            session.wire.close()
            session.finished.set()

    def _serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                self._begin(self._tls, TcpWire(self._listener.accept()[0]))

    def _serve_udp(self):
        wires = {}
        with contextlib.suppress(OSError):
            while True:
                datagram, peer = self._udp.recvfrom(65536)
                if peer is None:  # shut down by close
                    return
                if peer not in wires:
                    wires[peer] = UdpWire(self._udp, peer)
                    self._begin(self._dtls, wires[peer])
                wires[peer].arrived.put(datagram)

    def wait(self):
        """Until the scripts of all sessions so far are through; what one of them raised is raised here."""
        self.stopped.set()
        for session in self.sessions:
            assert session.finished.wait(LIMIT), "a script goes on"
        if self.errors:
            raise self.errors[0]

    def close(self):
        self.stopped.set()
        for each in (self._listener, self._udp):
            # shutdown wakes the threads that a close alone would leave blocked.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
