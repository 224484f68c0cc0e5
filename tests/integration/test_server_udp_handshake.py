# SPDX-License-Identifier: MIT
"""gdserver over UDP up to the Finished, statement by statement: handshakes, cookies, restarts."""

import os
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import harness
import header_model as header
from dtls_client import (ALERT, CCS, CLIENT_HELLO, CLOSE_NOTIFY, DATA, DTLS_10, FATAL, HANDSHAKE, HELLO_VERIFY,
                         SERVER_HELLO, SUITE, DtlsClient, client_hello, cookie_of, messages, plain_alerts, record,
                         records)
from tls_client import Alert
from udp_sessions import (CLIENT_FLIGHT, FAMILIES, HeldFlight, connect, context, end, expect_close,  # noqa: F401
                          expect_in_log, expect_passes, expect_unanswered, open_tunnel, server6, stranger, tunnel)

# --- The handshake --------------------------------------------------------------------------------


@FAMILIES
def test_udp_01_session_parameters(connect, request, family):
    """UDP-01: DTLS 1.2, the one suite, Extended Master Secret; by default OpenSSL asks for X25519."""
    session = connect(request.getfixturevalue("server6") if family == "v6" else None)
    assert (session.version, session.cipher, session.group) == ("DTLSv1.2", SUITE, "x25519")
    assert session.extended_master_secret
    session.write(header.health())
    expect_close(session)


def test_udp_01_same_port_number(server):
    assert server.ready["tcp"] == server.ready["udp"]


def test_udp_01_suite_is_picked_out_of_many(server, context):
    with DtlsClient(server.udp_address, context(suites="ALL")) as session:
        assert session.cipher == SUITE


def test_udp_01_p256(server, context):
    with DtlsClient(server.udp_address, context(group=ec.SECP256R1())) as session:
        assert session.group == "secp256r1"
        session.write(header.health())
        expect_close(session)


def test_udp_01_p384(server, context):
    """An OpenSSL that offers P-384 alone refuses the server's P-256 certificate: the answer in plain text counts."""
    session = DtlsClient(server.udp_address, context(group=ec.SECP384R1()), handshake=False)
    with pytest.raises(Exception, match="wrong curve"):
        session.handshake()
    keys = [each.payload[12:] for datagram in session.received for each in records(datagram)
            if each.type == HANDSHAKE and each.payload[0] == 12]
    assert keys and keys[0][:3] == b"\3\0\x18", "no ServerKeyExchange on named_curve 24"
    session.close()


# UDP-14 wants an alert; which one is handshake_failure's or insufficient_security's business, but 70 is clear.
WRONG_HELLO = {
    "aes_256": ({"suites": "ECDHE-ECDSA-AES256-GCM-SHA384"}, {40, 71}),
    "rsa_suite": ({"suites": "ECDHE-RSA-AES128-GCM-SHA256"}, {40, 71}),
    "cbc": ({"suites": "ECDHE-ECDSA-AES128-SHA256"}, {40, 71}),
    "dtls_1_0": ({"suites": "ALL", "version": DTLS_10}, {70}),
    "p521": ({"group": ec.SECP521R1()}, {40, 71}),
}


@pytest.mark.parametrize("name", WRONG_HELLO)
def test_udp_14_refused_hello(server, context, name):
    """UDP-01, UDP-14: refused by a fatal alert in plain text, in a datagram of its own, behind the cookie (UDP-03)."""
    options, alerts = WRONG_HELLO[name]
    session = DtlsClient(server.udp_address, context(**options), handshake=False)
    with pytest.raises(Alert) as refused:
        session.handshake()
    assert refused.value.number in alerts
    assert session.hello_verify_seen
    assert not any(SERVER_HELLO in messages(datagram) for datagram in session.received)
    assert plain_alerts(session.received[-1]) == [(FATAL, refused.value.number)]
    assert len(session.received[-1]) == 15
    session.close()


def test_udp_01_without_extended_master_secret(server, context):
    """UDP-01: GoDoxy refuses it with alert 71; no session comes of it."""
    mark = server.mark()
    with DtlsClient(server.udp_address, context(ems=False)) as session:
        assert not session.extended_master_secret
        session.write(header.health())
        with pytest.raises(Alert) as refused:
            session.read()
    assert refused.value.number == 71
    expect_in_log(server, mark, session, "UDP-01")


def rejection(server, ctx):
    with pytest.raises(Alert) as refused:
        DtlsClient(server.udp_address, ctx)
    return refused.value.number


def test_udp_02_no_client_certificate(server, context):
    for _ in range(5):
        assert rejection(server, context(identity=False)) == 41


def test_udp_02_optional_client_cert_is_not_for_udp(start_server, context):
    """UDP-02, TLS-12."""
    assert rejection(start_server("--optional-client-cert"), context(identity=False)) == 41


@pytest.mark.parametrize("name", ["other-ca", "same-name-ca", "expired", "not-yet-valid", "server-auth-only"])
def test_udp_02_client_certificate_refused(server, context, odd, name):
    """Five times each: an alert that gets lost in some runs would be found here."""
    for _ in range(5):
        assert rejection(server, context(identity=odd[name])) == 42


@pytest.mark.parametrize("name", ["no-eku", "no-san", "rsa", "ed25519", "p384"])
def test_udp_02_odd_but_accepted(server, context, odd, name):
    """GoDoxy accepts these client certificates, so does gdserver."""
    with DtlsClient(server.udp_address, context(identity=odd[name])) as session:
        session.write(header.health())
        expect_close(session)


# --- Before the cookie ----------------------------------------------------------------------------


@FAMILIES
def test_udp_03_cookie_always_asked(server, request, family):
    """UDP-03, UDP-19: each time, and the answer to the smallest ClientHello there is is smaller still."""
    server = request.getfixturevalue("server6") if family == "v6" else server
    with stranger(server.udp_address) as sock:
        for _ in range(3):
            hello = client_hello()
            sock.send(hello)
            answer = sock.recv(65536)
            assert messages(answer) == [HELLO_VERIFY]
            assert len(answer) <= len(hello)


def test_udp_03_cookie_is_for_one_address(server, context):
    """Neither made up nor carried elsewhere does a cookie open anything."""
    with stranger(server.udp_address) as one, stranger(server.udp_address) as two:
        one.send(client_hello())
        cookie = cookie_of(one.recv(65536))
        for wrong in (cookie, bytes(len(cookie)), cookie[:-1], b"\1", cookie + b"\0", bytes(255)):
            two.send(client_hello(cookie=wrong, sequence=1, message_sequence=1))
            assert messages(two.recv(65536)) == [HELLO_VERIFY], wrong
    # And what cookie_of reads is what a handshake goes on with.
    session = DtlsClient(server.udp_address, context())
    hello = next(datagram for datagram in session.sent[1:] if messages(datagram) == [CLIENT_HELLO])
    assert cookie_of(session.received[0]) in hello
    session.close()


def test_udp_03_no_state_before_the_cookie(start_server, context):
    """With room for one session, a hundred strangers without a cookie do not keep a client out."""
    server = start_server("--max-sessions", "1")
    socks = [stranger(server.udp_address) for _ in range(100)]
    for sock in socks:
        sock.send(client_hello())
        assert messages(sock.recv(65536)) == [HELLO_VERIFY]
    with DtlsClient(server.udp_address, context()) as session:
        session.write(header.health())
        expect_close(session)
    for sock in socks:
        sock.close()


def test_udp_03_any_worker_knows_the_cookie(start_server, context):
    server = start_server("--workers", "3")
    for _ in range(12):
        with DtlsClient(server.udp_address, context()) as session:
            session.write(header.health())
            expect_close(session)


def unanswered():
    """Datagrams that are no ClientHello, by name."""
    hello = client_hello()
    changed = {
        "of_another_length": hello[:24] + b"\xff" + hello[25:],
        "in_two_pieces": hello[:22] + (20).to_bytes(3, "big") + hello[25:],
        "of_another_epoch": hello[:3] + b"\0\1" + hello[5:],
        "of_another_content": b"\x17" + hello[1:],
        "of_another_message": hello[:13] + b"\2" + hello[14:],
        "of_tls": b"\x16\3\3" + hello[3:],
        "with_odd_suites": client_hello(suites=())[:-4] + b"\0\1\xc0\1\0",
        "with_broken_extensions": client_hello(extensions=b"\0\x17\0\x09"),
    }
    return {
        "empty": b"", "one_byte": b"\x16", "text": b"GET / HTTP/1.1\r\n\r\n", "zeroes": bytes(1400),
        "random": os.urandom(1400), "largest": b"\x16" * 65507,
        "header": header.health(), "header_record": record(DATA, header.health()),
        "late_record": record(DATA, os.urandom(299), epoch=1, sequence=7),
        "late_alert": record(ALERT, os.urandom(26), epoch=1, sequence=8),
        "plain_alert": record(ALERT, bytes([FATAL, 40])), "ccs": record(CCS, b"\1"),
        "finished": record(HANDSHAKE, os.urandom(48), epoch=1),
        **{f"hello_cut_to_{n}": hello[:n] for n in (12, 13, 25, 38, 59, len(hello) - 1)},
        **{f"hello_{name}": datagram for name, datagram in changed.items()},
    }


@pytest.mark.parametrize("name", unanswered())
def test_udp_19_no_answer_to_what_is_no_client_hello(server, name):
    with stranger(server.udp_address) as sock:
        sock.send(unanswered()[name])
        expect_unanswered(sock)


def test_udp_19_no_answer_to_records_of_a_session_that_was(connect):
    session = connect()
    session.write(header.health())
    expect_close(session)
    goodbye = session.received[-1]
    session.send_raw(session.encrypt(b"too late"), session.sent[-1], client_hello(sequence=201))
    answer = session.receive_raw()
    while answer == goodbye:  # it may have come twice, for the case that one is lost
        answer = session.receive_raw()
    assert messages(answer) == [HELLO_VERIFY]
    assert records(answer)[0].sequence == 201


# --- A bad network --------------------------------------------------------------------------------


class Nth:
    """A filter of datagrams that does something to the nth of them, once."""

    def __init__(self, n, act=lambda _datagram: ()):
        self.n, self.act = n, act
        self.seen = 0

    def __call__(self, datagram):
        self.seen += 1
        return self.act(datagram) if self.seen == self.n + 1 else (datagram,)


def backwards(datagrams):
    """A filter that turns the client's last flight round: each waits for those behind it."""
    held = []

    def hold(datagram):
        if messages(datagram) == [CLIENT_HELLO] or datagrams[0] == 0:
            return (datagram,)
        held.append(datagram)
        datagrams[0] -= 1
        return held[::-1] if datagrams[0] == 0 else ()

    return hold


@pytest.mark.timeout(60)
def test_udp_01_handshake_over_a_bad_network(server, context):
    """UDP-01, UDP-19: with each datagram lost in turn, all doubled, or in another order, the handshake completes."""
    with DtlsClient(server.udp_address, context()) as clean:
        there, back = len(clean.sent), len(clean.received)
    assert there >= 7 and back >= 8

    def lossy(**filters):
        start = time.monotonic()
        with DtlsClient(server.udp_address, context(), **filters) as session:
            session.write(header.health())
            expect_close(session)
        # OpenSSL repeats a flight after 1 s, and then after 2 s more: the first repetition has to do.
        assert time.monotonic() - start < 2.5

    def fragmented(datagram):
        # The ClientHello has to come in one piece (UDP-03), the rest need not.
        if HELLO_VERIFY in messages(datagram):
            small.tls.set_ciphertext_mtu(256)
        return (datagram,)

    small = DtlsClient(server.udp_address, context(), handshake=False, on_receive=fragmented)

    def in_fragments():
        small.handshake()
        assert len(small.sent) > there + 2
        small.write(header.health())
        expect_close(small)
        small.close()

    calls = [lambda n=n: lossy(on_send=Nth(n)) for n in range(there)]
    calls += [lambda n=n: lossy(on_receive=Nth(n)) for n in range(back)]
    calls += [lambda n=n: lossy(on_send=Nth(n, lambda d: (d[:-1],))) for n in range(there)]
    calls += [lambda: lossy(on_send=lambda d: (d, d), on_receive=lambda d: (d, d)),
              lambda: lossy(on_send=lambda d: (d, d, d)), lambda: lossy(on_send=backwards([CLIENT_FLIGHT])),
              in_fragments]
    harness.in_parallel(*calls)


INTRUDERS = {
    "empty": lambda: b"",
    "fatal_alert": lambda: record(ALERT, bytes([FATAL, 40]), sequence=50),
    "close_notify": lambda: record(ALERT, bytes([1, CLOSE_NOTIFY]), sequence=51),
    "alert_behind_junk": lambda: record(DATA, b"x", sequence=52) + record(ALERT, bytes([FATAL, 0]), sequence=53),
    "plain_data": lambda: record(DATA, header.health(), sequence=54),
    "early_data": lambda: record(DATA, os.urandom(299), epoch=1, sequence=55),
    "early_alert": lambda: record(ALERT, os.urandom(26), epoch=1, sequence=56),
    "garbage": lambda: os.urandom(200),
    "cut_record": lambda: record(HANDSHAKE, bytes(100), sequence=57)[:-1],
    "unknown_type": lambda: record(99, b"x", sequence=58),
    "other_version": lambda: record(ALERT, bytes([FATAL, 40]), sequence=59, version=0x0303),
}


@pytest.mark.parametrize("name", INTRUDERS)
def test_udp_22_handshake_is_not_ended_by_strangers(server, context, name):
    """UDP-22: one before and one behind each datagram of the handshake, from the client's own address."""
    make = INTRUDERS[name]
    with DtlsClient(server.udp_address, context(), on_send=lambda d: (make(), d, make())) as session:
        session.write(header.health())
        expect_close(session)


def test_udp_22_alert_is_believed_when_nothing_else_comes(start_server, context):
    """UDP-22, UDP-08: the handshake ends at its limit, and the log tells of the alert."""
    server = start_server("--header-limit", "400ms")
    mark = server.mark()
    held = HeldFlight(server, context())
    held.session.send_raw(record(ALERT, bytes([FATAL, 42]), sequence=50))
    line = expect_in_log(server, mark, held.session, "handshake failed")
    assert "bad_certificate" in line
    held.session.close()


# --- The same 5-tuple -----------------------------------------------------------------------------


def test_udp_13_restarted_client(server, tunnel, end, context):
    """UDP-13: a new session after its Finished; the socket of the old one is freed, and its records count no more."""
    old = tunnel()
    assert end.sockets() == 1
    new = DtlsClient(server.udp_address, context(), sock=old.sock)
    assert new.hello_verify_seen
    harness.wait_for(lambda: end.sockets() == 0, limit=1, what="the old destination socket's end")
    open_tunnel(new, end)
    new.send_raw(old.encrypt(b"from the grave"))
    expect_passes(new, end)
    # And again, from a session without a tunnel too.
    DtlsClient(server.udp_address, context(), sock=old.sock)
    last = DtlsClient(server.udp_address, context(), sock=old.sock)
    open_tunnel(last, end)
    expect_passes(last, end)
    assert end.sockets() == 1
    last.shut()
    expect_close(last)


def test_udp_13_old_session_lives_until_the_new_one_stands(server, tunnel, end, context):
    """UDP-13: a spoofed or half-finished handshake must not end it."""
    old = tunnel()
    old.send_raw(client_hello())
    assert messages(old.receive_raw()) == [HELLO_VERIFY]
    expect_passes(old, end)
    held = HeldFlight(server, context(), sock=old.sock)
    expect_passes(old, end)
    # Between any two datagrams of the new one's flight.
    for datagram in held.flight[:CLIENT_FLIGHT - 1]:
        held.session.send_raw(datagram)
        expect_passes(old, end)
    held.session.send_raw(held.flight[CLIENT_FLIGHT - 1])
    held.on_hold = False
    held.session.handshake()
    open_tunnel(held.session, end)
    expect_passes(held.session, end)


def test_udp_13_old_session_outlives_a_handshake_that_fails(start_server, tunnel, end, context):
    """UDP-13: one that is given up, and one whose certificate is refused."""
    server = start_server("--header-limit", "400ms")
    old = tunnel(server)
    mark = server.mark()
    held = HeldFlight(server, context(), sock=old.sock)
    expect_in_log(server, mark, held.session, "timeout")
    expect_passes(old, end)
    with pytest.raises(Alert) as refused:
        DtlsClient(server.udp_address, context(identity=False), sock=old.sock)
    assert refused.value.number == 41
    expect_passes(old, end)
    assert not held.session.handshake_done


def test_udp_13_goodbye_of_the_old_session_meanwhile(server, tunnel, end, context):
    """UDP-13, UDP-15: it is for the old one alone."""
    old = tunnel()
    held = HeldFlight(server, context(), sock=old.sock)
    old.shut()
    expect_close(old)
    held.release()
    open_tunnel(held.session, end)
    expect_passes(held.session, end)


def test_udp_13_handshake_that_starts_anew(server, context):
    """A client that crashes in the middle and comes again from the same port has its session at once."""
    held = HeldFlight(server, context())
    again = DtlsClient(server.udp_address, context(), sock=held.session.sock, limit=0.9)
    again.write(header.health())
    expect_close(again)
    held.session.close()
