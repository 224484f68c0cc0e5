# SPDX-License-Identifier: MIT
"""An agent for health checks, on pyOpenSSL, that presents any certificate over TLS and DTLS on one port number."""

import contextlib
import dataclasses
import socket
import threading

from OpenSSL import SSL

import harness
import header_model as header
from dtls_client import FATAL, MTU, records
from harness import LIMIT

STREAM = b"godoxy-agent-stream/1"
_READ_ALERT = 0x4004  # SSL_CB_READ_ALERT (openssl/ssl.h)
# Odd keys and signatures are what this server is for: the client judges, not OpenSSL.
_ALL = b"ALL:@SECLEVEL=0"


@dataclasses.dataclass
class Seen:
    """What one session came to."""

    established: bool = False
    alert: int = None  # the client's fatal one
    application: int = 0  # bytes
    healthy: bool = False
    error: str = ""  # OpenSSL's
    ended: bool = False


def _context(method, identity):
    ctx = SSL.Context(method)
    ctx.set_cipher_list(_ALL)
    ctx.use_certificate_chain_file(str(identity[0]))
    ctx.use_privatekey_file(str(identity[1]))
    ctx.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    ctx.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return ctx


class _Session:
    """One connection over a memory BIO; step() is called whenever bytes came."""

    def __init__(self, ctx):
        self.seen = Seen()
        self.tls = SSL.Connection(ctx, None)
        self.tls.set_accept_state()
        self.tls.set_info_callback(self._note)
        self.done = False
        self._got = b""

    def _note(self, _connection, where, value):
        if where == _READ_ALERT and value >> 8 == FATAL:
            self.seen.alert = value & 0xFF

    def output(self):
        data = b""
        with contextlib.suppress(SSL.WantReadError):
            while True:
                data += self.tls.bio_read(65536)
        return data

    def step(self):
        """As far as it goes. Afterwards output() is to be sent; done: then the end."""
        try:
            if not self.seen.established:
                self.tls.do_handshake()
                self.seen.established = True
            while len(self._got) < header.SIZE:
                self._got += self.tls.recv(65536)
                self.seen.application = len(self._got)
            self.seen.healthy = self._got == header.health()
            self.done = True
            self.tls.shutdown()
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self.seen.error = str(error)
            self.done = True


class OddServer:
    """tcp and udp are lists of Seen, one a session."""

    def __init__(self, identity):
        self.tcp, self.udp = [], []
        self._tls = _context(SSL.TLS_METHOD, identity)
        self._tls.set_min_proto_version(SSL.TLS1_2_VERSION)
        self._tls.set_alpn_select_callback(
            lambda _connection, offered: STREAM if STREAM in offered else SSL.NO_OVERLAPPING_PROTOCOLS)
        self._dtls = _context(SSL.DTLS_METHOD, identity)
        self._dtls.set_options(SSL.OP_NO_QUERY_MTU)
        self._listener, self._socket = harness.listening_pair()
        self.address = self._listener.getsockname()
        self.target = "%s:%d" % self.address
        self._threads = []
        for serve in (self._serve_tcp, self._serve_udp):
            self._start(serve)

    def _start(self, target, *args):
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._start(self._tcp, connection)

    def _tcp(self, connection):
        session = _Session(self._tls)
        self.tcp.append(session.seen)
        with contextlib.suppress(OSError), connection:
            connection.settimeout(LIMIT)
            while not session.done and (data := connection.recv(65536)):
                session.tls.bio_write(data)
                session.step()
                # A client that has refused us may be gone, and what it said is what counts.
                with contextlib.suppress(ConnectionError):
                    connection.sendall(session.output())
            with contextlib.suppress(ConnectionError):
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
        session.seen.ended = True

    def _serve_udp(self):
        sessions = {}
        with contextlib.suppress(OSError):
            while True:
                datagram, peer = self._socket.recvfrom(65536)
                if peer is None:  # shut down by close
                    return
                if peer not in sessions:
                    sessions[peer] = _Session(self._dtls)
                    sessions[peer].tls.set_ciphertext_mtu(MTU)
                    self.udp.append(sessions[peer].seen)
                session = sessions[peer]
                session.tls.bio_write(datagram)
                if not session.done:
                    session.step()
                session.seen.ended = session.done
                for each in records(session.output()):
                    self._socket.sendto(each.raw, peer)

    def close(self):
        for each in (self._listener, self._socket):
            # shutdown wakes the threads that a close alone would leave blocked.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(LIMIT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
