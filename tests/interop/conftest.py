# SPDX-License-Identifier: MIT
"""The fixtures of the integration tests, and the Go peer's."""

import itertools
import json
import os

import pytest

import gopeer
import harness
from fixtures import Certs
from fixtures import bindir, certs, destination, echo, odd, server, shared_server, start_server  # noqa: F401


@pytest.fixture(scope="session")
def peer(tmp_path_factory):
    """The peer's binary. Without it nothing here can run: skipped, or under GDS_CI=1 a failure."""
    try:
        return gopeer.build(os.environ.get("GDS_BUILDDIR") or tmp_path_factory.mktemp("peer"))
    except gopeer.Unavailable as why:
        if os.environ.get("GDS_CI") == "1":
            pytest.fail(str(why), pytrace=False)
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def other_certs(tmp_path_factory):
    """The certificates of another agent: same names, another CA."""
    folder = tmp_path_factory.mktemp("certs") / "other"
    result = harness.run("gdcerts", "new", folder)
    assert result.rc == 0, result
    return Certs(folder)


@pytest.fixture
def go_client(peer, certs):
    """go_client(COMMAND, TARGET, OPTION...) runs the peer as a client."""
    return gopeer.Client(peer, certs)


@pytest.fixture
def listening(peer, tmp_path):
    """listening(COMMAND, OPTION...) starts the peer; all are ended with the test."""
    started, numbers = [], itertools.count()

    def start(command, *options, env=None):
        started.append(gopeer.Listening([peer, command, *map(str, options)],
                                        tmp_path / f"ready-{next(numbers)}", env=env))
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def go_server(listening, certs):
    """go_server(OPTION..., identity=, ca=) starts the peer as an agent."""

    def start(*options, identity=None, ca=None, **keywords):
        identity = identity or (certs.server, certs.server_key)
        return listening("server", *gopeer.identity_options(ca or certs.ca, identity), *options, **keywords)

    return start


@pytest.fixture
def go_echo(listening):
    """The peer as an echo destination for TCP and UDP."""
    return listening("echo")


@pytest.fixture
def probe(certs):
    """probe(TARGET, OPTION..., identity=, ca=) runs gdprobe --json; identity False: no client certificate."""

    def run(target, *options, identity=None, ca=None):
        identity = (certs.client, certs.client_key) if identity is None else identity
        arguments = gopeer.identity_options(ca or certs.ca, identity) if identity else ["--ca", ca or certs.ca]
        result = harness.run("gdprobe", "--json", *arguments, *options, target)
        assert result.stdout.count("\n") == 1, result
        found = json.loads(result.stdout)
        assert found["exit"] == result.rc, result
        return found

    return run


@pytest.fixture(params=["127.0.0.1", "::1"])
def loopback(request):
    """Both loopback addresses, as ADDR:0 to listen on."""
    if ":" not in request.param:
        return f"{request.param}:0"
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    return f"[{request.param}]:0"
