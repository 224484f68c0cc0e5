# SPDX-License-Identifier: MIT
"""Sections 1 to 3 of docs/godoxy-facts.md: the header over TLS, and the life of a TCP tunnel."""

import contextlib
import os
import socket
import time

import harness
import header_model as header
from measuring import end_of, heard, probe, seconds

BOTH = ("1.2", "1.3")
CLOSE, OPEN = "close, not dialled", "open, dialled"
GONE = b"does-not-exist.invalid"  # RFC 6761: never resolves
HEADER_LIMIT = 13.0  # [s] for what is measured to take 10


def ask(lab, version, make):
    """Send make(host, port) of a destination of ours, and say how it went on."""
    with lab.destination() as destination, lab.tls(version) as session:
        session.write(make(destination.address[0].encode(), str(destination.address[1]).encode()))
        end = end_of(session)
        return f"{end}, {'not ' if destination.untouched() else ''}dialled"


# (section, row, what, expected, make, needs)
HEADERS = [
    (1, "flags", "0x02", OPEN, lambda h, p: header.encode(h, p, 0x02), ()),
    (1, "flags", "0x80", OPEN, lambda h, p: header.encode(h, p, 0x80), ()),
    (1, "flags", "0x03", CLOSE, lambda h, p: header.encode(h, p, 0x03), ()),
    (1, "flags", "0xff", CLOSE, lambda h, p: header.encode(h, p, 0xFF), ()),
    (1, "padding", "tunnel", OPEN, lambda h, p: header.encode(h, p, padding=b"x"), ()),
    (1, "padding", "health", CLOSE, lambda h, p: header.encode(flags=1, padding=b"x"), ()),
    (1, "health with host/port set", "", CLOSE, lambda h, p: header.encode(h, p, 1), ()),
    (2, "valid health", "", CLOSE, lambda h, p: header.health(), ()),
    (2, "bad CRC", "", CLOSE, lambda h, p: header.encode(h, p, checksum=b"\1\2\3\4"), ()),
    (2, "bad CRC", "health", CLOSE, lambda h, p: header.encode(flags=1, checksum=b"\1\2\3\4"), ()),
    (2, "bad version", "0.2.0", CLOSE, lambda h, p: header.encode(h, p, version=b"0.2.0"), ()),
    (2, "bad version", "health 0.1.1", CLOSE, lambda h, p: header.encode(flags=1, version=b"0.1.1"), ()),
    (2, "portlen 6", "6", CLOSE, lambda h, p: header.encode(h, p, port_length=6), ()),
    (2, "portlen 6", "255, health", CLOSE, lambda h, p: header.encode(flags=1, port_length=255), ()),
    (2, "hostlen 0 + portlen 0", "", CLOSE, lambda h, p: header.encode(), ()),
    (2, "hostlen 0, port of a live service", "", OPEN, lambda h, p: header.encode(b"", p), ("loopback", "ipv4")),
    (2, "host set, portlen 0", "portlen 0", CLOSE, lambda h, p: header.encode(h, b""), ()),
    (2, "host set, portlen 0", "port 0", CLOSE, lambda h, p: header.encode(h, b"0"), ()),
    (2, "hostlen 255 with NUL", "hostlen 255", CLOSE, lambda h, p: header.encode(h, p, host_length=255), ()),
    (2, "hostlen 255 with NUL", "NUL inside", CLOSE, lambda h, p: header.encode(b"127.0\0.0.1", p), ()),
    (2, 'host "[::1]" (brackets)', "", CLOSE, lambda h, p: header.encode(b"[::1]", p), ()),
    (2, 'host "::ffff:127.0.0.1"', "", OPEN, lambda h, p: header.encode(b"::ffff:" + h, p), ("ipv4",)),
    (2, 'host "127.0.0.1 "', "", CLOSE, lambda h, p: header.encode(h + b" ", p), ()),
    (2, 'host "[::1" or', "[::1", CLOSE, lambda h, p: header.encode(b"[::1", p), ()),
    (2, 'host "[::1" or', "::1]", CLOSE, lambda h, p: header.encode(b"::1]", p), ()),
    (2, "unresolvable name", "", CLOSE, lambda h, p: header.encode(GONE, p), ()),
    (2, "health + surplus bytes in the SAME", "", CLOSE, lambda h, p: header.health() + bytes(1000), ()),
    (2, "HTTP GET text padded to 275", "", CLOSE, lambda h, p: b"GET / HTTP/1.1\r\n".ljust(275), ()),
    *[(2, 'host "127.1"', host, CLOSE, lambda h, p, host=host: header.encode(host.encode(), p), ())
      for host in ("127.1", "0177.0.0.1", "2130706433", "0", "127.0.0.01", "127.0.0.1.", "1.2.3.4.5", "256.0.0.1")],
    *[(2, 'host "0x7f000001"', host, CLOSE, lambda h, p, host=host: header.encode(host.encode(), p), ())
      for host in ("0x7f000001", "0x7f.1")],
    *[(2, 'port "zzzzz"', port, CLOSE, lambda h, p, port=port: header.encode(h, port.encode()), ())
      for port in ("zzzzz", "99999", "-1")],
]
for _section, _row, _what, _expected, _make, _needs in HEADERS:
    probe(_section, _row, _expected, what=_what, needs=_needs, versions=BOTH)(
        lambda lab, version, make=_make: ask(lab, version, make))


def _ipv6(lab, version, host):
    with harness.Destination("::1") as destination, lab.tls(version) as session:
        session.write(header.encode(host.encode(), str(destination.address[1]).encode()))
        end = end_of(session)
        return f"{end}, {'not ' if destination.untouched() else ''}dialled"


for _host in ("::1", "0:0:0:0:0:0:0:1", "::1%lo"):
    probe(2, 'host "::1"', OPEN, what=_host, needs=["loopback", "ipv6"], versions=BOTH)(
        lambda lab, version, host=_host: _ipv6(lab, version, host))


@probe(2, "destination refused", "close", versions=BOTH)
def _refused(lab, version):
    with lab.tls(version) as session:
        session.write(header.destination(harness.closed_port(lab.here)))
        return end_of(session)


@probe(2, "header + payload in one record", "the destination hears 4 bytes", versions=BOTH)
def _in_one_record(lab, version):
    return _split(lab, version, lambda wire: [wire + b"ping"])


@probe(2, "header split 100 / 175+payload", "the destination hears 4 bytes", versions=BOTH)
def _in_two_records(lab, version):
    return _split(lab, version, lambda wire: [wire[:100], wire[100:] + b"ping"])


@probe(2, "header as 275 one-byte records", "the destination hears 4 bytes", versions=BOTH)
def _in_single_bytes(lab, version):
    return _split(lab, version, lambda wire: [*(wire[at:at + 1] for at in range(len(wire))), b"ping"])


def _split(lab, version, cut):
    with lab.destination() as destination, lab.tls(version) as session:
        for record in cut(header.destination(destination.address)):
            session.write(record)
        return f"the destination hears {heard(destination.accept())}"


@probe(2, "100 bytes then close_notify", "close", versions=BOTH)
def _cut_short(lab, version):
    with lab.tls(version) as session:
        session.write(header.health()[:100])
        session.shut()
        return end_of(session)


@probe(2, "0 bytes then close_notify", "close", versions=BOTH)
def _cut_at_once(lab, version):
    with lab.tls(version) as session:
        session.shut()
        return end_of(session)


@probe(2, "100 bytes then silence", "close after 10 s", what="100 bytes", versions=BOTH)
def _silence(lab, version, sent=100):
    with lab.tls(version) as session:
        session.write(header.health()[:sent])
        end = end_of(session, HEADER_LIMIT)
        return f"{end} after {seconds(time.monotonic() - session.handshake_done)}"


@probe(2, "100 bytes then silence", "close after 10 s", what="0 bytes", versions=BOTH)
def _all_silence(lab, version):
    return _silence(lab, version, 0)


@probe(2, "1 byte every 0.25 s", "close after 10 s", versions=BOTH)
def _dribble(lab, version):
    with lab.tls(version) as session:
        end = "open"
        while end == "open" and time.monotonic() < session.handshake_done + HEADER_LIMIT:
            session.write(b"0")
            end = end_of(session, 0.25)
        # A byte that arrives after the close turns it into a reset.
        end = "close" if end in ("close_notify, no FIN", "RST") else end
        return f"{end} after {seconds(time.monotonic() - session.handshake_done)}"


@probe(2, "destination never answers SYN", "close after 10 s", needs=["loopback"], versions=BOTH)
def _black_hole(lab, version):
    # A listener whose queue is full drops each SYN.
    with harness.Destination(lab.here, backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(2):
            waiting = stack.enter_context(socket.socket(full.listener.family))
            waiting.setblocking(False)
            waiting.connect_ex(full.address)
        session = stack.enter_context(lab.tls(version))
        session.write(header.destination(full.address))
        end = end_of(session, HEADER_LIMIT)
        return f"{end} after {seconds(time.monotonic() - session.handshake_done)}"


@probe(2, "timing of the 10 s limit", "nothing", what="a bare TCP connection for 13 s")
def _bare(lab):
    with socket.create_connection(lab.address) as sock:
        return heard(sock, HEADER_LIMIT)


# --- 3: the tunnel --------------------------------------------------------------------------------


@probe(3, "client close_notify", "destination: nothing; its reply: 5 bytes; after its end: close", versions=BOTH)
def _client_half_closes(lab, version):
    with lab.tunnel(version) as (session, end):
        session.shut()
        first = heard(end)
        end.sendall(b"reply")
        reply = end_of(session)
        end.close()
        return f"destination: {first}; its reply: {reply}; after its end: {end_of(session)}"


@probe(3, "client TCP RST", "nothing; a later write succeeds", versions=BOTH)
def _client_resets(lab, version):
    with lab.tunnel(version) as (session, end):
        session.reset()
        first = heard(end)
        try:
            end.sendall(b"reply")
        except ConnectionError:
            return f"{first}; a later write fails"
        return f"{first}; a later write succeeds"


@probe(3, "destination FIN", "open; more: 4 bytes; close", what="half-closed", versions=BOTH)
def _destination_half_closes(lab, version):
    with lab.tunnel(version) as (session, end):
        end.shutdown(socket.SHUT_WR)
        first = end_of(session)
        session.write(b"more")
        more = heard(end)
        session.shut()
        return f"{first}; more: {more}; {end_of(session)}"


@probe(3, "destination fully closed, client then sends", "open; 1st write: open; 2nd write: close", versions=BOTH)
def _destination_closes(lab, version):
    with lab.tunnel(version) as (session, end):
        end.close()
        first = end_of(session)
        session.write(b"1")
        second = end_of(session)
        session.write(b"2")
        return f"{first}; 1st write: {second}; 2nd write: {end_of(session)}"


@probe(3, "destination RST mid-stream", "open; a write: close", versions=BOTH)
def _destination_resets(lab, version):
    with lab.tunnel(version) as (session, end):
        _reset(end)
        first = end_of(session)
        session.write(b"1")
        return f"{first}; a write: {end_of(session)}"


def _reset(sock):
    """RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


@probe(3, "64 MiB echo through the tunnel", "equal", what="4 MiB of it", versions=BOTH)
def _echo(lab, version):
    data, echo = os.urandom(4 << 20), harness.Echo(lab.here)
    try:
        with lab.tls(version) as session:
            session.write(header.destination(echo.address))
            got = bytearray()
            for at in range(0, len(data), 65536):
                session.write(data[at:at + 65536])
                got += session.read_exactly(min(65536, len(data) - at))
            return "equal" if bytes(got) == data else "different"
    finally:
        echo.close()
