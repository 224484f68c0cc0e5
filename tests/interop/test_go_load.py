# SPDX-License-Identifier: MIT
"""The peer's load mode and its report of CPU time, which `make bench` stands on: against both servers."""

import json
import signal
import subprocess

import pytest

import gopeer
import harness

MODES = {
    "handshakes": (("--count", 20, "--connections", 3), "handshake", 20),
    "handshakes_1.2": (("--count", 5, "--tls-max", "1.2"), "handshake", 5),
    "handshakes_udp": (("--count", 5, "--transport", "udp"), "handshake", 5),
    "echo": (("--count", 100, "--connections", 8), "round trip", 100),
    "bulk": (("--bytes", 3_000_000, "--connections", 2), "MB", 3),
    "bulk_down": (("--bytes", 3_000_000, "--down"), "MB", 3),
    "datagrams": (("--count", 100, "--connections", 4, "--size", 1200), "round trip", 100),
    "headers": (("--count", 1000), "header", 1000),
}


@pytest.fixture(params=["gdserver", "gdpeer"])
def target(request):
    started = request.getfixturevalue("start_server" if request.param == "gdserver" else "go_server")
    return started().target


@pytest.fixture
def load(peer, certs):
    """load(MODE, OPTION...) \\return (exit status, the JSON line)."""

    def run(mode, *options):
        done = subprocess.run([peer, "load", mode, *map(str, options),
                               *gopeer.identity_options(certs.ca, (certs.client, certs.client_key))],
                              capture_output=True, text=True, timeout=100, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    return run


@pytest.mark.parametrize("name", MODES)
def test_units(load, target, name):
    options, unit, units = MODES[name]
    status, result = load(name.partition("_")[0], "--addr", target, *options)
    assert status == 0 and result["ok"] and not result["error"], result
    assert (result["unit"], result["units"], result["lost"]) == (unit, units, 0), result
    assert result["elapsed_ms"] > 0 or unit == "header", result
    used = result["cpu"]["user_us"] + result["cpu"]["sys_us"]
    assert result["cpu_us_per_unit"] == pytest.approx(used / units), result
    if unit in ("handshake", "round trip"):
        assert 0 < result["p50_us"] <= result["p99_us"], result


def test_rate(load, target):
    """100 round trips at 200 a second: the last one is due after 495 ms."""
    status, result = load("echo", "--addr", target, "--count", 100, "--rate", 200, "--connections", 4)
    assert status == 0 and result["elapsed_ms"] >= 494, result


def test_an_echo_destination_of_its_own(load, target, echo):
    host, port = echo.address
    for mode in ("echo", "datagrams"):
        status, _ = load(mode, "--addr", target, "--dest", f"{host}:{port}", "--count", 10)
        assert status == 0
    assert echo.connections == 1 and echo.datagrams == 11


def test_failures_are_told(load, certs):  # noqa: ARG001
    host, port = harness.closed_port()
    status, result = load("handshakes", "--addr", f"{host}:{port}", "--count", 3)
    assert status == 1 and not result["ok"] and "refused" in result["error"], result


@pytest.mark.parametrize("arguments", [("nothing",), ("echo",), ("echo", "--addr", "x:1", "--count", 0),
                                       ("bulk", "--addr", "x:1", "--dest", "y:2"),
                                       ("handshakes", "--addr", "x:1", "--transport", "sctp")])
def test_usage(load, arguments):
    status, complaint = load(*arguments)
    assert status == 2 and complaint.startswith("gdpeer: usage"), complaint


def test_the_server_reports_its_own_cpu_time(peer, certs, load):
    """On SIGUSR1, and at its end."""
    with subprocess.Popen([peer, "server", *gopeer.identity_options(certs.ca, (certs.server, certs.server_key))],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            target = json.loads(server.stdout.readline())["tcp"]
            reports = []
            for _ in range(2):
                assert load("handshakes", "--addr", target, "--count", 50)[0] == 0
                server.send_signal(signal.SIGUSR1)
                reports.append(json.loads(server.stdout.readline())["cpu"])
            server.terminate()
            reports.append(json.loads(server.stdout.readline())["cpu"])
            assert server.wait(harness.LIMIT) == 0
        finally:
            server.kill()
    totals = [each["user_us"] + each["sys_us"] for each in reports]
    assert 0 < totals[0] < totals[1] <= totals[2], reports
