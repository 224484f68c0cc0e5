# SPDX-License-Identifier: MIT
"""The catalogue of odd certificates (odd_certs.CASES) over TLS 1.2, TLS 1.3 and DTLS, in both roles.

TLS-03, TLS-04, TLS-05, UDP-02: what must not get in does not, and gdprobe names the cause. What does get in is used:
a tunnel with an echo behind it, or a health check.
"""

import json

import pytest

import harness
import odd_certs
from dtls_client import UdpDestination
from odd_certs import CASES, CLIENT, SERVER, TRANSPORTS
from odd_client import present
from odd_server import OddServer

OPENSSL_GAVE_UP = "no shared cipher", "unsupported protocol"  # found no use for its own certificate


def test_the_catalogue():
    """Nothing is left out by mistake: each case has a verdict for each transport in each role."""
    assert len(CASES) >= 30
    for name, case in CASES.items():
        for verdicts in (case.client, case.server):
            assert tuple(verdicts) == TRANSPORTS, name


@pytest.fixture(scope="module")
def servers(odd):
    """servers(WORLD) is a gdserver there, one for all tests."""
    started = {}

    def get(world):
        if world not in started:
            started[world] = harness.Server(*odd.world(world).server_options())
        return started[world]

    try:
        yield get
        for each in started.values():
            each.assert_clean_end()
    finally:
        for each in started.values():
            each.kill()


@pytest.fixture(scope="module")
def echoes():
    destination = harness.Echo()
    yield destination
    destination.close()


@pytest.fixture
def forbidden():
    """A destination that nobody reaches: TCP and UDP."""
    with harness.Destination() as tcp, UdpDestination() as udp:
        yield tcp, udp


def probe(world, identity, target, *options):
    """gdprobe's JSON and exit code: the faces alone, for the peers here count what comes to them."""
    result = harness.run("gdprobe", "--json", "--diagnose=never", "--ca", world.ca, "--cert", identity[0],
                         "--key", identity[1], *options, target)
    assert result.stdout.count("\n") == 1, result
    root = json.loads(result.stdout)
    assert root["exit"] == result.rc, result
    return root


def probe_both(world, identity, target, *options):
    """One run a TLS version."""
    return harness.in_parallel(*(lambda version=version: probe(world, identity, target, "--tls", version, *options)
                                 for version in ("1.2", "1.3")))


def causes(root):
    return {name: face["cause"] and face["cause"]["id"] for name, face in root["faces"].items()}


def assert_causes(root, verdicts, version, faces):
    expected = {face: verdicts["dtls" if face == "udp" else version].cause for face in faces}
    assert causes(root) == expected, root
    assert root["exit"] == 2 if any(expected.values()) else root["exit"] in (0, 1), root


# --- As a client ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_client_at_the_server(odd, servers, echoes, forbidden, name):
    """TLS-03, UDP-02: gdserver lets it in, or sends that alert and dials nothing."""
    case = CASES[name]
    world, server = odd.world(case.world), servers(case.world)
    for transport in TRANSPORTS:
        expected = case.client[transport]
        address = server.udp_address if transport == "dtls" else server.address
        target = echoes.address if expected.gets_in else forbidden[transport == "dtls"].address
        outcome = present(world, odd.of(name, CLIENT), transport, address, target)
        assert outcome == (expected.gets_in or expected.alert), transport
    assert forbidden[0].untouched() and forbidden[1].untouched()


@pytest.mark.parametrize("name", CASES)
def test_client_named_by_the_probe(odd, servers, name):
    """TLS-05: gdprobe presents it, and names the cause on each face."""
    case = CASES[name]
    roots = probe_both(odd.world(case.world), odd.of(name, CLIENT), servers(case.world).target)
    for version, root in zip(("1.2", "1.3"), roots):
        if case.client[version].local:
            assert root["exit"] == 3 and "client-" + name in root["complaint"], root
        else:
            assert_causes(root, case.client, version, ("https", "tcp", "udp"))


# --- As a server ------------------------------------------------------------------------------------------


def alerts(sessions):
    """The alert that ended each refused session; sessions that OpenSSL gave up by itself count as None."""
    sessions = list(sessions)
    for each in sessions:
        assert each.alert or each.healthy or any(text in each.error for text in OPENSSL_GAVE_UP), each
    return {each.alert for each in sessions if not each.healthy}


@pytest.mark.parametrize("name", CASES)
def test_server_judged_by_the_probe(odd, name):
    """TLS-04: gdprobe checks the health of a server that presents it, or refuses it before the first byte."""
    case = CASES[name]
    world = odd.world(case.world)
    with OddServer(odd.of(name, SERVER)) as server:
        roots = probe_both(world, (world.client, world.client_key), server.target, "--tcp", "--udp")
        # A session over UDP that gdprobe gave up for a lost datagram never ends; its next one does.
        harness.wait_for(lambda: all(each.ended for each in server.tcp)
                         and sum(each.ended for each in server.udp) >= 2, what="the end of all sessions")
    for version, root in zip(("1.2", "1.3"), roots):
        assert_causes(root, case.server, version, ("tcp", "udp"))
    for sessions, transports in ((server.tcp, ("1.2", "1.3")), (server.udp, ("dtls",))):
        verdicts = [case.server[transport] for transport in transports]
        healthy = [each for each in sessions if each.healthy]
        assert len(healthy) == 2 * sum(each.gets_in for each in verdicts) / len(verdicts)
        assert all(each.application == 0 for each in sessions if not each.healthy), sessions
        if not any(each.gets_in for each in verdicts):
            assert alerts(each for each in sessions if each.ended) == {each.alert for each in verdicts}, sessions


@pytest.mark.parametrize("name", ["ed25519", "p521"])
def test_server_over_udp_that_openssl_cannot_be(odd, certs, start_server, name):
    """UDP-01: OpenSSL does not use these keys over DTLS; gdserver does, and gdprobe takes them."""
    certificate, key = odd.of(name, SERVER)
    server = start_server(identity=("--ca", certs.ca, "--cert", certificate, "--key", key))
    root = probe(odd.world("good"), (certs.client, certs.client_key), server.target, "--tcp", "--udp")
    assert causes(root) == {"tcp": None, "udp": None}, root


# --- The whole of it --------------------------------------------------------------------------------------


def test_every_cause_of_a_certificate_is_met():
    """The catalogue of causes has none about certificates that no odd one leads to, but for those said here."""
    listed = {line.split()[0] for line in harness.run("gdprobe", "--list-causes").stdout.splitlines()}
    met = {verdict.cause for case in CASES.values() for verdicts in (case.client, case.server)
           for verdict in verdicts.values()}
    # No certificate at all (test_gdprobe.py), and no revocation list, which no GoDoxy has.
    elsewhere = {"client-cert-missing", "client-cert-revoked", "server-cert-revoked"}
    assert {name for name in listed if name.startswith(("client-cert-", "server-cert-"))} == (
        {name for name in met if name and name.startswith(("client-cert-", "server-cert-"))} | elsewhere)
    assert not met - listed - {None}
    assert odd_certs.IN["dtls"].gets_in
