# SPDX-License-Identifier: MIT
"""gdserver over UDP from the header on, statement by statement: the id is in the name or the docstring."""

import os
import re
import time

import pytest

import harness
import header_model as header
from dtls_client import (ALERT, CCS, CLIENT_HELLO, CLOSE_NOTIFY, DATA, FATAL, HANDSHAKE, DtlsClient, UdpDestination,
                         messages, record, records)
from test_server_tcp import GONE, REFUSED, errors_in
from udp_sessions import (FAMILIES, HeldFlight, connect, context, end, expect_close, expect_echo,  # noqa: F401
                          expect_in_log, expect_passes, expect_unanswered, open_tunnel, server6, stranger, tunnel)

HOSTS = {"v4": "127.0.0.1", "v6": "::1"}
LARGEST = 16347  # [bytes] UDP-09: of a payload that GnuTLS can send


# --- Health checks --------------------------------------------------------------------------------


@FAMILIES
def test_hc_01_health_check_closes_at_once(connect, request, family):
    """HC-01, HC-02, HC-04."""
    session = connect(request.getfixturevalue("server6") if family == "v6" else None)
    start = time.monotonic()
    session.write(header.health())
    expect_close(session)
    assert time.monotonic() - start < 1.0


def test_hc_01_health_check_contacts_no_destination(connect, end):
    """Not even when payload stands right behind the header."""
    session = connect()
    check = session.encrypt(header.destination(end.address, flags=header.HEALTH))
    session.send_raw(check + session.encrypt(b"payload"))
    expect_close(session)
    assert end.untouched()


def test_hc_03_health_checks_log_no_error(server, connect):
    mark = server.mark()
    for _ in range(3):
        session = connect()
        session.write(header.health())
        expect_close(session)
        session.close()
    # A refused header is logged after the checks were: once it shows, all before it has been written.
    session = connect()
    session.write(header.encode(version=b"9.9.9", flags=header.HEALTH))
    expect_close(session)
    expect_in_log(server, mark, session, "HDR-02")
    before = [line for line in server.log_since(mark) if "HDR-02" not in line]
    assert sum("health check" in line for line in before) >= 3
    assert not errors_in(before), before


# --- Headers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REFUSED)
def test_refused_header(server, connect, end, name):
    """HDR-05: close_notify, no byte, no contact though payload follows; the log names the statement."""
    ip, port = end.address[0].encode(), str(end.address[1]).encode()
    mark = server.mark()
    session = connect()
    session.send_raw(session.encrypt(REFUSED[name](ip, port)) + session.encrypt(b"payload"))
    expect_close(session)
    expect_in_log(server, mark, session, name[:6].upper().replace("_", "-"))
    assert end.untouched()


def test_hdr_07_lengths_rule(connect, echo):
    """HDR-07, HDR-08: what stands behind the length is padding, whatever it holds."""
    ip, port = echo.address[0].encode(), str(echo.address[1]).encode()
    for wire in (header.encode(ip, port, padding=b"\xff"),
                 header.encode(ip + b".example", port, host_length=len(ip))):
        session = connect()
        session.write(wire)
        expect_echo(session)


@pytest.mark.parametrize("flags", [0x03, 0x81, 0xff])
def test_hdr_09_health_with_unknown_flags(connect, end, flags):
    session = connect()
    session.write(header.destination(end.address, flags=flags))
    expect_close(session)
    assert end.untouched()


@pytest.mark.parametrize("flags", [0x02, 0x80, 0xfe])
def test_hdr_09_tunnel_with_unknown_flags(connect, echo, flags):
    session = connect()
    session.write(header.destination(echo.address, flags=flags))
    expect_echo(session)


@pytest.mark.parametrize("host", ["::1", "0:0:0:0:0:0:0:1", "::1%lo"])
def test_hdr_13_ipv6_without_brackets(server6, connect, host):
    with UdpDestination("::1") as end:
        session = connect(server6)
        session.write(header.encode(host.encode(), str(end.address[1]).encode()), b"payload")
        assert end.receive() == b"payload"
        expect_passes(session, end)


def test_hdr_01_name_as_host(connect, echo):
    session = connect()
    session.write(header.encode(b"localhost", str(echo.address[1]).encode()))
    expect_echo(session)


def test_hdr_05_name_that_does_not_resolve(connect):
    session = connect()
    session.write(header.destination((GONE, 80)))
    expect_close(session)


# --- From the handshake to the header -------------------------------------------------------------


@pytest.mark.parametrize("cuts", [(100,), (274,), (8, 9, 264, 270), (1, 2, 3, 137)], ids=lambda cuts: f"at_{cuts[0]}")
@pytest.mark.parametrize("together", [False, True], ids=["datagrams", "records"])
def test_udp_04_header_split(connect, echo, cuts, together):
    """Over records, in one datagram or in one each."""
    session = connect()
    wire = header.destination(echo.address)
    pieces = [session.encrypt(wire[a:b]) for a, b in zip((0, *cuts), (*cuts, len(wire)))]
    session.send_raw(*([b"".join(pieces)] if together else pieces))
    expect_echo(session)


def test_udp_04_header_bytewise(connect, echo):
    """275 records: in datagrams of eleven, so that no socket's buffer is too small for them."""
    session = connect()
    pieces = [session.encrypt(bytes([byte])) for byte in header.destination(echo.address)]
    session.send_raw(*(b"".join(pieces[i:i + 11]) for i in range(0, len(pieces), 11)))
    expect_echo(session)


@pytest.mark.parametrize("extra", [1, 25, 1000])
def test_udp_05_header_and_payload_in_one_record(server, connect, end, extra):
    """Refused, as GoDoxy does."""
    mark = server.mark()
    session = connect()
    session.write(header.destination(end.address) + bytes(extra))
    expect_close(session)
    expect_in_log(server, mark, session, "UDP-05")
    assert end.untouched()


def test_udp_05_rest_of_the_header_and_payload_in_one_record(server, connect, end):
    mark = server.mark()
    session = connect()
    wire = header.destination(end.address)
    session.write(wire[:200], wire[200:] + b"payload")
    expect_close(session)
    expect_in_log(server, mark, session, "UDP-05")
    assert end.untouched()


def test_udp_05_header_and_payload_records_in_one_datagram(connect, end):
    """UDP-05, UDP-06: records are what counts."""
    session = connect()
    session.send_raw(b"".join(session.encrypt(each) for each in (header.destination(end.address), b"one", b"two")))
    assert [end.receive(), end.receive()] == [b"one", b"two"]
    expect_passes(session, end)


def test_udp_20_second_header_is_payload(tunnel, end):
    """UDP-20: at any time, even one that would be refused or a health check."""
    session = tunnel()
    for wire in (header.destination(end.address), header.health(), header.encode(version=b"9")):
        session.write(wire)
        assert end.receive() == wire
    expect_passes(session, end)


@pytest.mark.parametrize("size", [13, 274, 275, 276, 1200])
def test_udp_21_payload_before_the_header(server, connect, end, size):
    """UDP-21: refused as soon as it shows, never taken for a header."""
    mark = server.mark()
    session = connect()
    session.write(b"x" * size)
    if size < header.SIZE:
        session.write(header.destination(end.address))
    expect_close(session)
    # 275 bytes look like a header until its checksum is counted.
    expect_in_log(server, mark, session, "HDR-03" if size == header.SIZE else "UDP-21")
    session.write(header.destination(end.address), b"too late")
    assert end.untouched()


# --- Datagrams ------------------------------------------------------------------------------------

SIZES = (1, 2, 275, 276, 1163, 1200, 1472, 8155, 8156, 16000, LARGEST)


@FAMILIES
def test_udp_06_boundaries_both_ways(server, connect, request, family):
    """UDP-06, UDP-09: each record is one datagram, of any size; responses carry no header."""
    session = connect(request.getfixturevalue("server6") if family == "v6" else server)
    with UdpDestination(HOSTS[family]) as end:
        session.write(header.destination(end.address))
        for size in SIZES:
            there, back = os.urandom(size), os.urandom(size)
            session.write(there)
            assert end.receive() == there
            end.reply(back)
            assert session.read() == back


def test_udp_06_many_at_once(tunnel, end):
    """In order, none merged and none cut, when they come faster than they are read."""
    session = tunnel()
    up = [os.urandom(1 + i * 37 % 1300) for i in range(40)]
    session.write(*up)
    assert [end.receive() for _ in up] == up
    end.reply(*up[::-1])
    assert [session.read() for _ in up] == up[::-1]


def test_udp_06_several_records_in_one_datagram(tunnel, end):
    session = tunnel()
    payloads = [os.urandom(size) for size in (1, 500, 2, 900, 275)]
    session.send_raw(b"".join(session.encrypt(each) for each in payloads))
    assert [end.receive() for _ in payloads] == payloads
    expect_passes(session, end)


def test_udp_06_sessions_do_not_mix(tunnel, end):
    """Each has a destination socket of its own."""
    sessions, peers = [], []
    for _ in range(5):
        sessions.append(tunnel())
        peers.append(end.peer)
    assert len(set(peers)) == len(peers)
    for i, peer in enumerate(peers):
        end.sock.sendto(b"for %d" % i, peer)
    assert [session.read() for session in sessions] == [b"for %d" % i for i in range(len(peers))]


def test_udp_06_a_stranger_cannot_answer(tunnel, end):
    """Only the destination of the header may."""
    session = tunnel()
    with UdpDestination() as other:
        other.sock.sendto(b"forged", end.peer)
    expect_passes(session, end)


def test_udp_09_largest_payload_is_accepted(tunnel, end):
    """UDP-09: 16384 bytes, what a record can hold, though GnuTLS cannot send so many back."""
    session = tunnel()
    largest = os.urandom(16384)
    session.write(largest)
    assert end.receive() == largest
    expect_passes(session, end)


def ended_line(server, mark, session):
    return expect_in_log(server, mark, session, "tunnel ended")


def test_udp_10_over_long_datagrams_are_dropped_alone(server, tunnel, end):
    """UDP-10: dropped and counted; the return direction lives on, in order."""
    mark = server.mark()
    session = tunnel()
    for size in (LARGEST + 1, 16384, 16385, 17000, 65507):
        end.reply(bytes(size), b"behind %d" % size)
        assert session.read() == b"behind %d" % size
    expect_passes(session, end)
    session.shut()
    assert re.search(r"\bdropped_out=5\b", ended_line(server, mark, session))


def test_udp_18_empty_datagrams_are_dropped(server, tunnel, end):
    mark = server.mark()
    session = tunnel()
    end.reply(b"", b"behind it")
    assert session.read() == b"behind it"
    session.send_raw(b"")
    expect_passes(session, end)
    session.shut()
    assert re.search(r"\bdropped_out=1\b", ended_line(server, mark, session))


@pytest.mark.parametrize("before", [1, 4])
def test_udp_11_destination_that_comes_up_later(server, connect, before):
    """UDP-11: a refusal is an event: once the destination is there, it is reached, and its answers come back."""
    with UdpDestination() as gone:
        address = gone.address
    mark = server.mark()
    session = connect()
    session.write(header.destination(address), *[b"into the void"] * before)
    # Answered in order on one socket: by now the server has seen all of these.
    with stranger(server.udp_address) as sock:
        expect_unanswered(sock)
    with UdpDestination(port=address[1]) as end:
        session.write(b"anybody there?")
        while end.receive() != b"anybody there?":
            pass
        end.reply(b"yes")
        assert session.read() == b"yes"
        expect_passes(session, end)
        session.shut()
    assert re.search(r"\brefused=[1-9]", ended_line(server, mark, session))


def test_udp_11_each_datagram_has_its_own_try(server, connect):
    """UDP-11: the news that one was refused does not cost the next one, however close behind."""
    with UdpDestination() as gone:
        address = gone.address
    mark = server.mark()
    session = connect()
    session.send_raw(session.encrypt(header.destination(address)) + session.encrypt(b"early"))
    session.send_raw(b"".join(session.encrypt(b"%d" % i) for i in range(8)))
    session.shut()
    line = ended_line(server, mark, session)
    assert re.search(r"\bdatagrams_in=9\b", line) and "dropped_in" not in line, line


def test_udp_11_destination_that_goes_and_comes_back(tunnel, end):
    session = tunnel()
    end.close()
    session.write(b"one", b"two", b"three")
    with UdpDestination(port=end.address[1]) as again:
        session.write(b"anybody there?")
        while again.receive() != b"anybody there?":
            pass
        expect_passes(session, again)


# --- The end of a session -------------------------------------------------------------------------


def test_udp_15_close_notify_is_answered(start_server, tunnel, end):
    """UDP-15: and frees the destination's socket at once, while other sessions live."""
    server = start_server()
    other = tunnel(server)
    session = tunnel(server)
    assert end.sockets() == 2
    session.shut()
    expect_close(session, limit=1)
    harness.wait_for(lambda: end.sockets() == 1, limit=1, what="the destination socket's end")
    expect_passes(other, end)


def test_udp_15_close_notify_before_the_header(connect):
    session = connect()
    session.write(header.health()[:100])
    session.shut()
    expect_close(session)


def test_udp_15_same_port_again(server, tunnel, end, context):
    """After the goodbye the same 5-tuple serves a new session at once."""
    first = tunnel()
    first.shut()
    expect_close(first)
    second = DtlsClient(server.udp_address, context(), sock=first.sock)
    open_tunnel(second, end)
    expect_passes(second, end)
    second.shut()


def test_udp_16_shutdown_announces_close_notify(start_server, connect, tunnel, context):
    """UDP-16: to each session that stands, whatever it is doing; the process ends with 0."""
    server = start_server()
    sessions = [tunnel(server), tunnel(server), connect(server), connect(server)]
    sessions[3].write(header.health()[:100])
    half = HeldFlight(server, context())
    server.popen.terminate()
    for session in sessions:
        expect_close(session)
    assert server.wait() == 0
    assert not any(each.type == DATA for datagram in half.session.received for each in records(datagram))


def test_udp_12_idle_session_is_reaped(start_server, tunnel, end):
    """UDP-12: close_notify, and its socket is freed; so is a vanished client's, though its destination talks on."""
    server = start_server("--udp-idle", "600ms")
    mark = server.mark()
    busy, idle, vanished = tunnel(server), tunnel(server), tunnel(server)
    vanished_peer = end.peer
    vanished.vanish()
    assert end.sockets() == 3
    start = time.monotonic()

    def both_are_gone():
        end.sock.sendto(b"tick", vanished_peer)
        busy.write(b"tick")
        assert end.receive() == b"tick"
        return end.sockets() == 1

    harness.wait_for(both_are_gone, limit=3, what="the end of both idle sessions")
    assert time.monotonic() - start > 0.4
    expect_close(idle)
    for session in (idle, vanished):
        expect_in_log(server, mark, session, "idle=yes")
    # The busy one has heard nothing of its destination for longer than the limit.
    while time.monotonic() < start + 1.0:
        busy.write(b"tick")
        assert end.receive() == b"tick"
    busy.write(b"still here")
    assert end.receive() == b"still here"


# --- Limits ---------------------------------------------------------------------------------------


@pytest.mark.timeout(60)
def test_udp_07_and_08_limits_of_10_s(server, connect, context):
    """UDP-07: a destination that is silent for longer. UDP-08: handshake included. All wait side by side."""

    def silent_destination():
        with UdpDestination() as end:
            session = connect()
            open_tunnel(session, end)
            with pytest.raises(TimeoutError):
                session.read(11)
            expect_passes(session, end)
        return None

    def no_header(sent, dribble):
        session = connect()
        accepted = session.handshake_done
        if sent:
            session.write(header.health()[:sent])
        while dribble and time.monotonic() < accepted + 9.5:
            session.write(b"\0")
            with pytest.raises(TimeoutError):
                session.read(0.25)
        expect_close(session, limit=13)
        return time.monotonic() - accepted

    def slow_handshake():
        held = HeldFlight(server, context())
        with pytest.raises(TimeoutError):
            held.session.handshake(3)
        held.release()
        expect_close(held.session, limit=13)
        return time.monotonic() - held.accepted

    calls = [silent_destination, lambda: no_header(0, False), lambda: no_header(100, False),
             lambda: no_header(1, True), slow_handshake]
    for took in harness.in_parallel(*calls)[1:]:
        assert 9.7 < took < 11.5


def test_udp_07_no_short_limit_counts_for_a_tunnel(start_server, tunnel, end):
    """UDP-07: neither that of the handshake, nor the header's, nor the dial's."""
    session = tunnel(start_server("--header-limit", "300ms", "--handshake-limit", "300ms", "--dial-limit", "300ms"))
    with pytest.raises(TimeoutError):
        session.read(0.8)
    expect_passes(session, end)


def test_udp_08_half_a_handshake_is_forgotten(start_server, context):
    """UDP-08: it holds the only place for as long as the limit, and no longer."""
    server = start_server("--max-sessions", "1", "--header-limit", "400ms")
    mark = server.mark()
    held = HeldFlight(server, context())
    expect_in_log(server, mark, held.session, "timeout")
    with DtlsClient(server.udp_address, context()) as session:
        session.write(header.health())
        expect_close(session)
    held.session.close()


# --- An established session among strangers --------------------------------------------------------


def flipped(datagram, at=-1):
    changed = bytearray(datagram)
    changed[at] ^= 1
    return bytes(changed)


def no_harm(session):
    """What must change nothing on an established session, by name: lists of datagrams."""
    data = session.encrypt(b"never to be seen")
    hello = [datagram for datagram in session.sent if messages(datagram) == [CLIENT_HELLO]]
    last = [datagram for datagram in session.sent if records(datagram) and records(datagram)[0].epoch == 1]
    return {
        "replayed_data": last[-1:] * 3,
        "replayed_header": [datagram for datagram in last if len(datagram) == 37 + header.SIZE],
        "replayed_finished": last[:1] * 2,
        "replayed_flight": [datagram for datagram in session.sent[2:] if messages(datagram)],
        "late_hello_with_cookie": hello[1:] * 2,
        "late_hello_without_cookie": hello[:1] * 2,
        "bad_mac": [flipped(data), flipped(data, 13), flipped(data, 30)],
        "bad_sequence": [flipped(data, 10), flipped(data, 5)],
        "bad_epoch": [flipped(data, 4), data[:3] + b"\0\2" + data[5:]],
        "bad_type": [b"\x15" + data[1:], b"\x16" + data[1:], b"\x14" + data[1:], b"\x63" + data[1:]],
        "cut": [data[:n] for n in (1, 12, 13, 20, 36, len(data) - 1)],
        "plain_data": [record(DATA, b"forged", sequence=99), record(DATA, header.health(), sequence=100)],
        "plain_fatal_alert": [record(ALERT, bytes([FATAL, 40]), sequence=99)],
        "plain_close_notify": [record(ALERT, bytes([1, CLOSE_NOTIFY]), sequence=99)],
        "forged_alert": [record(ALERT, os.urandom(26), epoch=1, sequence=99)],
        "forged_ccs": [record(CCS, b"\1", sequence=99), record(CCS, b"\1", epoch=1, sequence=99)],
        "forged_handshake": [record(HANDSHAKE, os.urandom(60), epoch=1, sequence=99)],
        "far_ahead": [record(DATA, os.urandom(40), epoch=1, sequence=(1 << 48) - 1)],
        "garbage": [os.urandom(n) for n in (1, 13, 50, 1400)] + [bytes(1400), b"\x17" * 65507],
        "empty": [b"", b""],
        "plain_header": [header.health()],
    }


class Nameless:
    """Stands for a session, to know the names of no_harm without one."""

    sent = ()

    @staticmethod
    def encrypt(_data):
        return bytes(100)


@pytest.mark.parametrize("name", no_harm(Nameless))
def test_udp_17_nothing_changes_an_established_session(tunnel, end, name):
    """UDP-17: not one datagram reaches the destination, none is answered, and both directions go on."""
    session = tunnel()
    datagrams = no_harm(session)[name]
    assert datagrams
    session.send_raw(*datagrams)
    seen = len(session.received)
    expect_passes(session, end)
    assert len(session.received) == seen + 1, "an answer"
    assert not session.alerts
    # Once more, now that records of the next numbers have come.
    session.send_raw(*datagrams)
    expect_passes(session, end)


def test_udp_17_from_another_address(server, tunnel, end):
    """A session's own records, sent from elsewhere, are nobody's."""
    session = tunnel()
    stolen = session.encrypt(b"stolen")
    with stranger(server.udp_address) as sock:
        sock.send(stolen)
        sock.send(session.sent[-1])
        expect_unanswered(sock)
    expect_passes(session, end)
    # And the true one still counts: a forged copy has not used up its number.
    session.send_raw(stolen)
    assert end.receive() == b"stolen"


def test_udp_17_reordered_records(tunnel, end):
    """UDP-17: they arrive as they come, each once."""
    session = tunnel()
    made = [session.encrypt(b"%d" % i) for i in range(8)]
    session.send_raw(*made[::-1], *made)
    assert [end.receive() for _ in made] == [b"%d" % i for i in range(8)][::-1]
    expect_passes(session, end)
