# SPDX-License-Identifier: MIT
"""The examples of the installed library against the Go peer, both ways."""

import pytest

from test_library import agent_folder, example_server, installed  # noqa: F401


def test_client_tcp(installed, go_server, go_echo, certs):  # noqa: F811
    server = go_server()
    result = installed.run("client_tcp", certs.folder, *server.address, *go_echo.address, stdin="hello\n")
    # GoDoxy never passes a half-close on (TCP-07): what comes back is right, the end does not come.
    assert result.stdout == "hello\n", result
    assert "supports_tcp_stream 1 (healthy)" in result.stderr
    assert "supports_udp_stream 1 (healthy)" in result.stderr


def test_client_udp(installed, go_server, go_echo, certs):  # noqa: F811
    server = go_server()
    result = installed.run("client_udp", certs.folder, *server.address, *go_echo.address, "one", "two")
    assert (result.rc, result.stdout) == (0, "one\ntwo\n"), result


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_foreign_loop(installed, go_server, certs, transport):  # noqa: F811
    server = go_server()
    result = installed.run("foreign_loop", certs.folder, transport, *server.address)
    assert (result.rc, result.stdout) == (0, "healthy\n"), result


@pytest.mark.parametrize("form, transport", [("own", "tcp"), ("own", "udp"), ("accepted", "tcp"), ("secured", "tcp")])
def test_server(example_server, go_client, form, transport):  # noqa: F811
    """Go's crypto/tls and pion as clients of a listener, in its three forms."""
    server = example_server(form, "echo")
    result = go_client(f"{transport}-health", server.target, "--read")
    assert result["ok"] and result["failed"] == 0, result
    assert f"health {transport}" in server.stop()
