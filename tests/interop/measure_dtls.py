# SPDX-License-Identifier: MIT
"""Section 5 of docs/godoxy-facts.md: DTLS, the header over it, and the life of a UDP tunnel. Needs pyOpenSSL."""

import contextlib
import socket
import time

import dtls_client as dtls
import header_model as header
from dtls_client import DtlsClient, dtls_context
from measuring import QUIET, probe, seconds
from OpenSSL._util import lib  # for SSL_CTX_set1_curves_list, which pyOpenSSL does not wrap
from tls_client import Alert

GONE = b"does-not-exist.invalid"  # RFC 6761: never resolves
HEALTHY = "close"
CERTIFICATE = 11  # RFC 5246 section 7.4: the first message of a client's second flight
MOST = 8155  # payload bytes of a record that the agent's buffer takes


def end_of(session, limit=QUIET):
    """How a session goes on: open, close (close_notify), alert N, or bytes."""
    try:
        data = session.read(limit)
    except TimeoutError:
        return "open"
    except Alert as alert:
        return f"alert {alert.number}"
    return f"{len(data)} bytes" if data else "close"


def heard(sock):
    try:
        return f"{len(sock.recv(65536))} bytes"
    except TimeoutError:
        return "nothing"


def connect(lab, **options):
    return DtlsClient(lab.address, dtls_context(lab.certs), **options)


def judged(lab, identity=None, **offer):
    """How a health check ends: "close" is an agent that was content."""
    try:
        with DtlsClient(lab.address, dtls_context(lab.certs, identity, **offer), limit=3 * QUIET) as session:
            session.write(header.health())
            return end_of(session)
    except Alert as alert:
        return f"alert {alert.number}"
    except TimeoutError:
        return "no answer"


@contextlib.contextmanager
def tunnel(lab):
    """(session, destination) with the header sent."""
    with lab.datagrams() as destination, connect(lab) as session:
        session.write(header.destination(destination.getsockname()[:2]))
        yield session, destination


def greeted(session, destination):
    """Send a first payload. \\return the agent's address, as the destination sees it."""
    session.write(b"hello")
    return destination.recvfrom(100)[1]


# --- Handshake ------------------------------------------------------------------------------------

for _suite in ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA256",
               "ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0", "ECDHE-RSA-AES128-GCM-SHA256",
               "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256"):
    probe(5, "only suite", "alert 71", what=_suite)(lambda lab, suite=_suite: judged(lab, suites=suite))
probe(5, "only suite", HEALTHY, what=dtls.SUITE)(judged)


def _group(lab, offered):
    """Offer these. P-256 is always among what can be accepted, for it is the certificate's."""
    ctx = dtls_context(lab.certs)
    assert lib.SSL_CTX_set1_curves_list(ctx._context, offered.encode()) == 1  # pylint: disable=protected-access
    try:
        with DtlsClient(lab.address, ctx, limit=3 * QUIET) as session:
            return session.group
    except Alert as alert:
        return f"alert {alert.number}"


for _offered, _expected in (("X25519:P-256", "x25519"), ("P-256", "secp256r1"), ("P-384:P-256", "secp384r1"),
                            ("P-521", "alert 71"), ("X448", "alert 71")):
    probe(5, "groups", _expected, what=_offered)(lambda lab, offered=_offered: _group(lab, offered))
probe(5, "EMS", "alert 71", what="without")(lambda lab: judged(lab, ems=False))
probe(5, "EMS", "alert 70", what="DTLS 1.0")(
    lambda lab: judged(lab, version=dtls.DTLS_10, suites="ECDHE-ECDSA-AES128-SHA"))


@probe(5, "cookie", "20 bytes")
def _cookie(lab):
    with connect(lab, handshake=False) as session:
        session.start()
        return f"{len(dtls.cookie_of(session.receive_raw()))} bytes"


@probe(5, "refused ClientHello", "in plain text: (2, 71)")
def _plain_alert(lab):
    context = dtls_context(lab.certs, suites="ECDHE-ECDSA-AES256-GCM-SHA384")
    with DtlsClient(lab.address, context, handshake=False) as session:
        with contextlib.suppress(Alert):
            session.handshake(3 * QUIET)
        alerts = [str(each) for datagram in session.received for each in dtls.plain_alerts(datagram)]
        return f"in plain text: {', '.join(alerts)}"


@probe(5, "half-finished handshake", "again at 1 s, 3 s")
def _half_finished(lab):
    with connect(lab, handshake=False) as session:
        session.start()
        session.inject(session.receive_raw())
        with contextlib.suppress(TimeoutError):
            session.handshake(0)
        at = []
        with contextlib.suppress(TimeoutError):
            while not at or time.monotonic() < at[0] + 4.5:
                if dtls.SERVER_HELLO in dtls.messages(session.receive_raw(2.5 * QUIET)):
                    at.append(time.monotonic())
        return f"again at {', '.join(seconds(each - at[0]) for each in at[1:])}"


probe(5, "no client cert, or other CA", "alert 41", what="none")(lambda lab: judged(lab, identity=False))
IDENTITIES = {
    **dict.fromkeys(("other-ca", "same-name-ca", "expired", "not-yet-valid", "server-auth-only"),
                    ("other CA forced", "alert 42")),
    **dict.fromkeys(("no-eku", "no-san", "rsa", "ed25519", "p384"), ("no EKU, no SAN", HEALTHY)),
}
for _name, (_row, _expected) in IDENTITIES.items():
    probe(5, _row, _expected, what=_name, needs=["odd"])(lambda lab, name=_name: judged(lab, lab.odd(name)))

for _what, _early, _expected in (
        ("an empty datagram", b"", "no answer"),
        ("application data", dtls.record(dtls.DATA, b"early", sequence=9), "alert 10"),
        ("an alert", dtls.record(dtls.ALERT, bytes([dtls.FATAL, 40]), sequence=9), "no answer")):
    @probe(5, "before the client's second flight", _expected, what=_what)
    def _interrupted(lab, early=_early):
        def interrupt(sent):
            return (early, sent) if CERTIFICATE in dtls.messages(sent) and early not in session.sent else (sent,)

        with connect(lab, handshake=False, on_send=interrupt) as session:
            try:
                session.handshake(3 * QUIET)
                session.write(header.health())
                return end_of(session)
            except Alert as alert:
                return f"alert {alert.number}"
            except TimeoutError:
                return "no answer"


# --- Header ---------------------------------------------------------------------------------------


def ask(lab, make):
    """Send make(host, port) of a destination of ours as one record, then a payload that it may hear."""
    with lab.datagrams() as destination, connect(lab) as session:
        host, port = destination.getsockname()[:2]
        session.write(make(host.encode(), str(port).encode()))
        end = end_of(session)
        if end != "open":
            return end
        session.write(b"ping")
        return f"open; destination: {heard(destination)}"


TUNNEL = "open; destination: 4 bytes"
for _row, _what, _expected, _make in (
        ("health", "", HEALTHY, lambda h, p: header.health()),
        ("bad CRC / version / portlen 6", "CRC", HEALTHY, lambda h, p: header.encode(h, p, checksum=b"\1\2\3\4")),
        ("bad CRC / version / portlen 6", "version", HEALTHY, lambda h, p: header.encode(h, p, version=b"0.2.0")),
        ("bad CRC / version / portlen 6", "portlen", HEALTHY, lambda h, p: header.encode(h, p, port_length=6)),
        ("hostlen 0 portlen 0", "both 0", "open; destination: nothing", lambda h, p: header.encode()),
        ("hostlen 0 portlen 0", "port 0", "open; destination: nothing", lambda h, p: header.encode(h, b"0")),
        ("unresolvable", "", "close", lambda h, p: header.encode(GONE, p)),
        ("flags 0x02/0x80", "0x02", TUNNEL, lambda h, p: header.encode(h, p, 0x02)),
        ("flags 0x02/0x80", "0x80", TUNNEL, lambda h, p: header.encode(h, p, 0x80)),
        ("flags 0x02/0x80", "0x03", HEALTHY, lambda h, p: header.encode(h, p, 0x03)),
        ("header + payload in ONE record", "", "close", lambda h, p: header.encode(h, p) + b"x")):
    probe(5, _row, _expected, what=_what)(lambda lab, make=_make: ask(lab, make))


def _silence(lab, sent):
    with connect(lab, handshake=False) as session:
        start = time.monotonic()
        session.handshake()
        if sent:
            session.write(header.health()[:sent])
        return f"{end_of(session, 13)} after {seconds(time.monotonic() - start)}"


for _sent in (0, 100):
    probe(5, "silence / 100 bytes", "close after 10 s", what=f"{_sent} bytes")(
        lambda lab, sent=_sent: _silence(lab, sent))


for _what, _together in (("two datagrams", False), ("one datagram", True)):
    @probe(5, "header in 2 records", TUNNEL, what=_what)
    def _two_records(lab, together=_together):
        with lab.datagrams() as destination, connect(lab) as session:
            wire = header.destination(destination.getsockname()[:2])
            pieces = [session.encrypt(wire[:100]), session.encrypt(wire[100:])]
            session.send_raw(*([b"".join(pieces)] if together else pieces))
            end = end_of(session)
            session.write(b"ping")
            return f"{end}; destination: {heard(destination)}"


@probe(5, "header record + payload record", "destination: 5 bytes, 3 bytes")
def _one_datagram(lab):
    with lab.datagrams() as destination, connect(lab) as session:
        wire = header.destination(destination.getsockname()[:2])
        session.send_raw(b"".join(session.encrypt(each) for each in (wire, b"first", b"2nd")))
        return f"destination: {heard(destination)}, {heard(destination)}"


for _size, _expected in ((275, "close"), (300, "close"), (13, "open; then the header: close")):
    @probe(5, "header lost, payload arrives first", _expected, what=f"{_size} bytes")
    def _payload_first(lab, size=_size):
        with lab.datagrams() as destination, connect(lab) as session:
            session.write(b"p" * size)
            end = end_of(session)
            if end != "open":
                return end
            session.write(header.destination(destination.getsockname()[:2]))
            return f"{end}; then the header: {end_of(session)}"


@probe(5, "header sent twice", "destination: 275 bytes")
def _twice(lab):
    with tunnel(lab) as (session, destination):
        session.write(header.destination(destination.getsockname()[:2]))
        return f"destination: {heard(destination)}"


# --- Tunnel ---------------------------------------------------------------------------------------

for _size in (1, 1200, MOST, MOST + 1, 16000):
    @probe(5, "payload client -> destination", f"{_size} bytes" if _size <= MOST else "nothing", what=f"{_size} bytes")
    def _up(lab, size=_size):
        with tunnel(lab) as (session, destination):
            session.write(b"u" * size)
            return heard(destination)


for _size in (1, MOST + 1, 16384):
    @probe(5, "payload destination -> client", f"{_size} bytes", what=f"{_size} bytes")
    def _down(lab, size=_size):
        with tunnel(lab) as (session, destination):
            destination.sendto(b"d" * size, greeted(session, destination))
            return end_of(session)


@probe(5, "payload destination -> client", "open; then 6 bytes: open; the other way: 4 bytes", what="65507 bytes")
def _too_long(lab):
    with tunnel(lab) as (session, destination):
        agent = greeted(session, destination)
        destination.sendto(b"d" * 65507, agent)
        first = end_of(session)
        destination.sendto(b"answer", agent)
        second = end_of(session)
        session.write(b"ping")
        return f"{first}; then 6 bytes: {second}; the other way: {heard(destination)}"


@probe(5, "destination refuses (ICMP)", "1st payload: open; 2nd: open; 3rd: close", needs=["loopback"])
def _refused(lab):
    with lab.datagrams() as destination:
        address = destination.getsockname()[:2]
    with connect(lab) as session:
        session.write(header.destination(address))
        said = []
        for which in ("1st payload", "2nd", "3rd"):
            session.write(b"anybody?")
            said.append(f"{which}: {end_of(session)}")
        return "; ".join(said)


@probe(5, "client close_notify", "answered")
def _goodbye(lab):
    with tunnel(lab) as (session, destination):
        greeted(session, destination)
        session.shut()
        with contextlib.suppress(TimeoutError):
            session.receive_raw(QUIET)
            return "answered"
        return "silence"


@probe(5, "client vanishes", "the destination's socket stays", needs=["loopback"])
def _vanishes(lab):
    with lab.datagrams() as destination:
        session = connect(lab)
        session.write(header.destination(destination.getsockname()[:2]))
        agent = greeted(session, destination)
        session.vanish()
        for _ in range(2):
            destination.sendto(b"anybody?", agent)
            heard(destination)
        with socket.socket(destination.family, socket.SOCK_DGRAM) as knock:
            try:
                knock.bind(agent)
            except OSError:
                return "the destination's socket stays"
        return "the destination's socket is gone"


@probe(5, "same 5-tuple, new ClientHello", "no answer; the old session: 5 bytes")
def _again(lab):
    with tunnel(lab) as (session, destination):
        greeted(session, destination)
        new = connect(lab, sock=session.sock, handshake=False)
        try:
            new.handshake(2 * QUIET)
            return "a new session"
        except TimeoutError:
            pass
        session.write(b"still")
        return f"{'an' if new.received else 'no'} answer; the old session: {heard(destination)}"


for _what, _bytes in (("garbage", b"garbage"), ("a plaintext header", header.health())):
    @probe(5, "garbage or plaintext header datagram", "no reply", what=_what)
    def _garbage(lab, sent=_bytes):
        with connect(lab, handshake=False) as session:
            session.send_raw(sent)
            with contextlib.suppress(TimeoutError):
                return f"{len(session.receive_raw(QUIET))} bytes"
            return "no reply"


@probe(5, "replayed record x3", "5 bytes, nothing", what="replayed")
def _replayed(lab):
    with tunnel(lab) as (session, destination):
        session.send_raw(*[session.encrypt(b"hello")] * 4)
        return f"{heard(destination)}, {heard(destination)}"


@probe(5, "replayed record x3", "2 bytes, 1 bytes; forged: nothing, then 4 bytes", what="reordered, forged")
def _reordered(lab):
    with tunnel(lab) as (session, destination):
        first, second, third = session.encrypt(b"1"), session.encrypt(b"22"), session.encrypt(b"333")
        session.send_raw(second, first)
        order = f"{heard(destination)}, {heard(destination)}"
        session.send_raw(third[:-1] + bytes([third[-1] ^ 1]))
        forged = heard(destination)
        session.write(b"next")
        return f"{order}; forged: {forged}, then {heard(destination)}"


@probe(5, "IPv6 destination", TUNNEL, needs=["loopback", "ipv6"])
def _ipv6(lab):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as destination, connect(lab) as session:
        destination.bind(("::1", 0))
        destination.settimeout(QUIET)
        session.write(header.destination(destination.getsockname()[:2]))
        end = end_of(session)
        session.write(b"ping")
        return f"{end}; destination: {heard(destination)}"
