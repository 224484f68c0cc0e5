# SPDX-License-Identifier: MIT
"""Running gdprobe, and peers to run it against."""

import contextlib
import json
import socket
import struct
import threading

import harness
from harness import run

FACES = ("https", "tcp", "udp")


def probe(*args, **keywords):
    return run("gdprobe", *args, **keywords)


def judged(*args, rc=None, **keywords):
    """Run with --json. \\return the object, and check that the exit code is the one in it."""
    result = probe("--json", *args, **keywords)
    assert result.stdout.count("\n") == 1, result
    root = json.loads(result.stdout)
    assert root["exit"] == result.rc, result
    if rc is not None:
        assert result.rc == rc, result
    return root


def causes(root):
    """The cause of each face, None where it is well."""
    return {name: face["cause"] and face["cause"]["id"] for name, face in root["faces"].items()}


def client(certs):
    return ("--ca", certs.ca, "--cert", certs.client, "--key", certs.client_key)


class Peer:
    """A TCP listener with a behaviour, and on demand a UDP socket on the same port number."""

    def __init__(self, behave, answer=None):
        self.stopped = threading.Event()
        self.listener, self.udp = harness.listening_pair()
        self.port = self.listener.getsockname()[1]
        self.target = f"127.0.0.1:{self.port}"
        self._start(self._serve, behave)
        if answer:
            self._start(self._answer, answer)

    @staticmethod
    def _start(target, *args):
        threading.Thread(target=target, args=args, daemon=True).start()

    def _serve(self, behave):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self._start(self._behave, behave, connection)

    def _behave(self, behave, connection):
        with contextlib.suppress(OSError), connection:
            behave(connection, self.stopped)

    def _answer(self, answer):
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.udp.recvfrom(65536)
                if peer is None:
                    return
                self.udp.sendto(answer(data), peer)

    def close_udp(self):
        self.udp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for each in (self.listener, self.udp):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def say(text, read_first=False):
    def behave(connection, stopped):
        if read_first:
            connection.recv(4096)
        connection.sendall(text)
        stopped.wait(harness.LIMIT)
    return behave


def silent(_connection, stopped):
    stopped.wait(harness.LIMIT)


def hang_up(connection, _stopped):
    # Everything read, so that the end is a FIN and not a reset.
    connection.recv(4096)


def reset(connection, _stopped):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def copy(source, sink):
    """Bytes until the end, and the end."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def pump(a, b):
    """Copy both ways until both sides have ended."""
    thread = threading.Thread(target=copy, args=(a, b), daemon=True)
    thread.start()
    copy(b, a)
    thread.join(harness.LIMIT)


def relay_udp(front, upstream, seen, drop=lambda data: False):
    """Relay datagrams for every client address; drop(data) says which of the client's are lost."""
    routes = {}

    def back(route, peer):
        with contextlib.suppress(OSError):
            while True:
                front.sendto(route.recv(65536), peer)

    with contextlib.suppress(OSError):
        while True:
            data, peer = front.recvfrom(65536)
            if peer is None:
                return
            seen.add(peer)
            if peer not in routes:
                routes[peer] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                routes[peer].connect(upstream)
                threading.Thread(target=back, args=(routes[peer], peer), daemon=True).start()
            if not drop(data):
                routes[peer].send(data)
