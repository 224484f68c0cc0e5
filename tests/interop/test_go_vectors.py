# SPDX-License-Identifier: MIT
"""
The golden headers of tests/data/header_vectors.json, each sent over TLS to gdserver and to the Go peer. On the wire a
health check, a refusal and an unreachable destination look the same, so a listener of our own and the server's log
tell them apart. The headers alone, without a wire, are tests/unit/core/test_vectors.c's business.
"""

import contextlib
import json
import pathlib
import random
import socket
import subprocess
import zlib

import pytest

import harness
from tls_client import TlsClient, context

VECTORS = {vector["name"]: vector for vector in json.loads(
    (pathlib.Path(__file__).parents[1] / "data" / "header_vectors.json").read_text())["vectors"]}

# Names that only the real DNS could answer for are replaced by what leads to our listener in the same way.
# "longest-host" stays: it is longer than a name may be, so no look-up leaves this machine.
HOSTS = {b"example.com": b"localhost", b"EXAMPLE.Com": b"LOCALHOST", b"a": b"localhost", b"fe80::1%lo": b"::1%lo"}
UNREACHABLE = {"longest-host"}
IPV6 = {"ipv6", "ipv6-written-out", "ipv6-scope"}


class Recorder:
    """Listens on 127.0.0.1 and ::1, one port of four digits: as many as the vectors' 8080 has."""

    def __init__(self):
        self.listeners = []
        for port in random.sample(range(1024, 10000), 64):
            with contextlib.suppress(OSError):
                self.listeners.append(socket.create_server(("127.0.0.1", port)))
                if pathlib.Path("/proc/net/if_inet6").exists():
                    self.listeners.append(socket.create_server(("::1", port), family=socket.AF_INET6))
                self.port = b"%d" % port
                return
            self.close()
        raise AssertionError("no free port of four digits")

    def close(self):
        for listener in self.listeners:
            listener.close()
        self.listeners = []

    def accept(self):
        """Whoever has connected, within the limit."""
        for listener in self.listeners:
            listener.setblocking(False)

        def try_all():
            for listener in self.listeners:
                with contextlib.suppress(BlockingIOError):
                    return listener.accept()[0]
            return None

        connection = harness.wait_for(try_all, what="a contact of the destination")
        connection.settimeout(harness.LIMIT)
        return connection

    def untouched(self):
        for listener in self.listeners:
            listener.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                listener.accept()[0].close()
                return False
        return True


@pytest.fixture
def recorder():
    listener = Recorder()
    yield listener
    listener.close()


def aimed(vector, port):
    """The vector's bytes, but where they name port 8080, or would be dialled, they name the recorder. The checksum
    moves with the bytes, so that one that was right stays right and one that was wrong stays as wrong."""
    original = bytes.fromhex(vector["hex"]).ljust(275, b"\0")
    wire = bytearray(original)
    host = bytes.fromhex(vector["host_hex"])
    if new := HOSTS.get(host):
        wire[8] = len(new)
        wire[9:264] = new.ljust(255, b"\0")
    if wire[265:269] == b"8080":
        wire[265:269] = port
    elif vector["verdict"] == "dial":
        wire[264], wire[265:269] = 4, port
    moved = zlib.crc32(original[:271]) ^ zlib.crc32(wire[:271])
    wire[271:] = (int.from_bytes(wire[271:], "big") ^ moved).to_bytes(4, "big")
    return bytes(wire[:len(vector["hex"]) // 2])


class Reference:
    """gdserver and how its log tells outcomes apart."""

    name = "gdserver"

    def __init__(self, server):
        self.process, self.address = server, server.address

    @staticmethod
    def verdict(vector):
        return vector["verdict"]

    @staticmethod
    def words(vector, verdict):
        """What the log says of an outcome without a tunnel."""
        return {"health": "health check", "refuse": vector["statement"], "dial": "not reached"}[verdict]


class Peer:
    """The Go peer, which judges as GoDoxy does."""

    name = "gdpeer"

    def __init__(self, server):
        self.process, self.address = server, server.address

    @staticmethod
    def verdict(vector):
        return vector["godoxy"]

    @staticmethod
    def words(_, verdict):
        return {"health": "health check received", "refuse": "invalid header", "dial": "failed to redirect"}[verdict]


@pytest.fixture(params=[Reference, Peer], ids=lambda kind: kind.name)
def judge(request, peer):  # noqa: ARG001 - all tests here need the peer's build, so that the counts agree
    if request.param is Reference:
        return Reference(request.getfixturevalue("server"))
    return Peer(request.getfixturevalue("go_server")())


def expect_closed(session):
    """HC-02, HC-04, HDR-05: no byte, close_notify, FIN."""
    assert session.read() == b""
    session.expect_fin()


def expect_tunnel(session, recorder):
    with recorder.accept() as connection:
        session.write(b"there")
        assert connection.recv(5, socket.MSG_WAITALL) == b"there"
        connection.sendall(b"back")
        assert session.read_exactly(4) == b"back"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("name", VECTORS)
def test_vector(judge, certs, recorder, name, version):
    vector = VECTORS[name]
    if name in IPV6 and len(recorder.listeners) < 2:
        pytest.skip("this machine has no IPv6")
    verdict, wire = judge.verdict(vector), aimed(vector, recorder.port)
    mark = len(judge.process.lines)
    with TlsClient(judge.address, context(certs, version=version)) as session:
        session.write(wire)
        if verdict == "more":
            assert session.silent(0.2)
            session.write(aimed(VECTORS["ipv4"], recorder.port)[len(wire):])
            expect_tunnel(session, recorder)
            return
        if verdict == "dial" == vector["verdict"] and name not in UNREACHABLE:
            expect_tunnel(session, recorder)
            return
        if verdict == "dial" != vector["verdict"] and not dial_fails(judge, session, recorder):
            return
        expect_closed(session)
        words = judge.words(vector, verdict)
        harness.wait_for(lambda: words in "\n".join(judge.process.lines[mark:]), what=f"{words!r} in the log")
        assert name in UNREACHABLE or recorder.untouched()


def dial_fails(judge, session, recorder):
    """Where GoDoxy dials what a statement refuses, the dial may come to nothing or to our listener ("" is localhost).
    \\return False when it came to a tunnel, which was tried."""
    harness.wait_for(lambda: "failed to redirect" in judge.process.stderr or not recorder.untouched(),
                     limit=2 * harness.LIMIT, what="the end of the dial")
    return "failed to redirect" in judge.process.stderr


def test_unchanged_bytes(judge, certs):
    """The vectors as they are in the file: health checks and refusals contact nobody, so nothing has to be aimed."""
    for name, vector in VECTORS.items():
        verdict = judge.verdict(vector)
        if verdict not in ("health", "refuse"):
            continue
        mark = len(judge.process.lines)
        with TlsClient(judge.address, context(certs)) as session:
            session.write(bytes.fromhex(vector["hex"]))
            expect_closed(session)
        words = judge.words(vector, verdict)
        harness.wait_for(lambda: words in "\n".join(judge.process.lines[mark:]),  # noqa: B023
                         what=f"{name}: {words!r} in the log")


def test_the_file_is_the_peers(peer):
    """What stands in tests/data is what the peer's encoder writes today."""
    written = subprocess.run([peer, "header", "vectors"], capture_output=True, text=True, timeout=60,
                                     check=True).stdout
    assert json.loads(written)["vectors"] == list(VECTORS.values())
