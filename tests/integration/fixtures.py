# SPDX-License-Identifier: MIT
"""The fixtures of the integration and interop tests."""

import pathlib

import pytest

import harness
import odd_certs


class Certs:
    """The files of `gdcerts new`."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.ca, self.ca_key = self.folder / "ca.pem", self.folder / "ca.key"
        self.server, self.server_key = self.folder / "server.pem", self.folder / "server.key"
        self.client, self.client_key = self.folder / "client.pem", self.folder / "client.key"
        self.env, self.zip = self.folder / "agent.env", self.folder / "client.zip"

    def server_options(self):
        return ("--ca", self.ca, "--cert", self.server, "--key", self.server_key)


@pytest.fixture(scope="session")
def bindir():
    return harness.BINDIR


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    """Fresh certificates as GoDoxy makes them."""
    folder = tmp_path_factory.mktemp("certs") / "new"
    result = harness.run("gdcerts", "new", folder)
    assert result.rc == 0, result
    return Certs(folder)


@pytest.fixture(scope="session")
def odd(tmp_path_factory, certs):
    """Odd certificates by name, see odd_certs.ODD."""
    return odd_certs.Odd(tmp_path_factory.mktemp("odd"), certs)


@pytest.fixture(scope="module")
def shared_server(certs):
    """One server for all tests of a module: none of them may hurt it."""
    server = harness.Server(*certs.server_options())
    try:
        yield server
        server.assert_clean_end()
    finally:
        server.kill()


@pytest.fixture
def server(shared_server):
    assert shared_server.alive(), f"an earlier test ended the server\n{shared_server.stderr}"
    return shared_server


@pytest.fixture
def start_server(certs):
    """start_server(OPTION...) for a server of one's own; all are stopped and judged at the end."""
    started = []

    def start(*options, identity=None, **keywords):
        identity = certs.server_options() if identity is None else identity
        started.append(harness.Server(*identity, *options, **keywords))
        return started[-1]

    try:
        yield start
        for each in started:
            if each.alive():
                each.assert_clean_end()
            harness.assert_no_report(each.stderr)
    finally:
        for each in started:
            each.kill()


@pytest.fixture
def echo():
    destination = harness.Echo()
    yield destination
    destination.close()


@pytest.fixture
def destination():
    with harness.Destination() as listener:
        yield listener
