# SPDX-License-Identifier: MIT
"""What Go does with the catalogue of odd certificates (odd_certs.CASES): the yardstick where the protocol is silent.

docs/godoxy-facts.md sections 4 and 5.
"""

import pytest

import gopeer
import harness
from odd_certs import CASES, CLIENT, SERVER, TRANSPORTS
from odd_client import present
from odd_server import OddServer

# Go's alerts where gdserver sends another one, which the protocol leaves open: TLS 1.2, TLS 1.3, DTLS.
GO_ALERTS = {
    "sha1": (48, 48, 42),  # to Go the signer of such a signature is unknown
    "serial-negative": (50, 50, 42),  # not parsed
    "secp256k1": (50, 116, 42),
    "of-another-key": (51, 51, 42),
}


@pytest.fixture(scope="module")
def agents(peer, odd, tmp_path_factory):
    """agents(WORLD) is the peer as an agent there, one for all tests."""
    folder, started = tmp_path_factory.mktemp("agents"), {}

    def get(world):
        if world not in started:
            argv = [peer, "server", *map(str, odd.world(world).server_options())]
            started[world] = gopeer.Listening(argv, folder / world)
        return started[world]

    yield get
    for each in started.values():
        each.kill()


@pytest.fixture(scope="module")
def echoes():
    destination = harness.Echo()
    yield destination
    destination.close()


@pytest.mark.parametrize("name", CASES)
def test_client_at_the_agent(odd, agents, echoes, name):
    """TLS-03, UDP-02: gdserver lets in whom Go lets in, but for what the catalogue says, and mostly says the same."""
    case = CASES[name]
    agent = agents(case.world)
    for number, transport in enumerate(TRANSPORTS):
        expected = case.client[transport]
        outcome = present(odd.world(case.world), odd.of(name, CLIENT), transport,
                          harness.parse_address(agent.ready["udp" if transport == "dtls" else "tcp"]), echoes.address)
        if case.go or expected.gets_in:
            assert outcome is True, transport
        else:
            assert outcome == (GO_ALERTS[name][number] if name in GO_ALERTS else expected.alert), transport


@pytest.mark.parametrize("name", [name for name in CASES if not CASES[name].go])
def test_server_judged_by_the_client(odd, peer, name):
    """TLS-04: gdprobe finds a server well where Go does."""
    case = CASES[name]
    world = odd.world(case.world)
    client = gopeer.Client(peer, world)
    with OddServer(odd.of(name, SERVER)) as server:
        outcomes = {version: client("tcp-health", server.target, "--read", "--tls-max", version)["ok"]
                    for version in ("1.2", "1.3")}
        outcomes["dtls"] = client("udp-health", server.target, "--timeout", "3s")["ok"]
    assert outcomes == {transport: case.server[transport].gets_in for transport in TRANSPORTS}
