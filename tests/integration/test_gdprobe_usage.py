# SPDX-License-Identifier: MIT
"""gdprobe's output and options."""

import shutil

import pytest

import harness
from probing import client, probe


# --- Forms of output ----------------------------------------------------------------------------------------


def test_nagios(server, certs):
    line = probe(*client(certs), "--nagios", "-w", "5,30:", "-c", "9,7:", server.target)
    assert line.rc == 0, line
    assert line.stdout.count("\n") == 1 and line.stdout.count("|") == 1
    text, data = line.stdout.split("|")
    assert text.startswith("GODOXY OK - ") and len(text) <= 80
    values = dict(item.split("=") for item in data.split())
    assert set(values) == {"'time'", "'https'", "'tcp'", "'udp'", "'cert_days'"}
    assert values["'time'"].endswith("s;5;9;0")
    warning = probe(*client(certs), "--nagios", "-w", "@0:60", server.target)
    assert warning.rc == 1 and warning.stdout.startswith("GODOXY WARNING - "), warning
    critical = probe(*client(certs), "--nagios", "-c", ",~:30", server.target)
    assert critical.rc == 2 and critical.stdout.startswith("GODOXY CRITICAL - "), critical


def test_verbose(server, certs):
    result = probe(*client(certs), "-v", server.target)
    assert "handshake" in result.stdout and f"address {server.target}" in result.stdout, result


def test_not_healthy_says_what_to_do(certs):
    host, port = harness.closed_port()
    result = probe(*client(certs), f"{host}:{port}")
    assert "NOT HEALTHY" in result.stdout and result.stdout.count("    Next: ") == 2, result
    assert "tcp-refused" not in result.stdout  # ids are for programs


def test_explain_and_list(tmp_path):
    listed = probe("--list-causes")
    assert listed.rc == 0
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert "udp-filtered" in names and len(names) == len(set(names))
    for name in names:
        explained = probe("--explain", name, cwd=tmp_path)
        assert explained.rc == 0 and "Next: " in explained.stdout, explained
    unknown = probe("--explain", "no-such-cause")
    assert unknown.rc == 3 and "--list-causes" in unknown.stderr


def test_no_colour_in_a_pipe(server, certs):
    assert "\033" not in probe(*client(certs), server.target).stdout


# --- Bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args, hint", [
    ((), "no target"),
    (("--no-such-option", "x"), "--no-such-option"),
    (("127.0.0.1:0",), "port"),
    (("127.0.0.1:70000",), "port"),
    (("127.0.0.1:http",), "port"),
    (("[::1",), "[::1"),
    ((":8890",), ""),
    (("a" * 256,), ""),
    (("agent.zip",), "agent.zip"),
    (("./nowhere/",), "nowhere"),
    (("--timeout", "0", "x"), "timeout"),
    (("--timeout", "soon", "x"), "timeout"),
    (("--tls", "1.1", "x"), "1.2 or 1.3"),
    (("--optional", "all", "x"), "tcp, udp or http"),
    (("--json", "--nagios", "x"), "--json"),
    (("-w", "5", "x"), "--nagios"),
    (("--nagios", "-w", "ten", "x"), "ten"),
    (("--echo", "x"), "--through"),
    (("--through", "host", "x"), "port"),
    (("--through", "h:1", "--loopback", "x"), "--loopback"),
    (("--through", "h:1", "--http", "x"), "--tcp"),
    (("--cert", "c", "--key", "k", "x"), "--ca"),
    (("--ca", "c", "--cert", "c", "x"), "--key"),
    (("-i", "a", "--agent-env", "b", "x"), "one"),
    (("-i", "/nowhere", "x"), "/nowhere"),
])
def test_usage(args, hint, tmp_path):
    result = probe(*args, cwd=tmp_path)
    assert result.rc == 3 and result.stdout == "", result
    assert result.stderr.startswith("gdprobe: ") and result.stderr.count("\n") == 1, result
    assert hint in result.stderr, result


def test_unreadable_identities(certs, tmp_path):
    (tmp_path / "empty.zip").write_bytes(b"")
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "no-semicolon.env").write_text("AGENT_CA_CERT=abcd\nAGENT_SSL_CERT=abcd\n")
    cases = (
        ("-i", tmp_path / "empty.zip"),
        ("-i", tmp_path),
        ("-i", certs.ca),
        ("--ca", tmp_path / "broken.pem"),
        ("--ca", certs.ca, "--cert", certs.client_key, "--key", certs.client),
        ("--ca", certs.ca, "--cert", certs.client, "--key", certs.server_key),
        ("--agent-env", tmp_path / "no-semicolon.env"),
        ("--agent-env", tmp_path / "missing.env"),
    )
    for case in cases:
        result = probe(*case, "127.0.0.1:1")
        assert result.rc == 3 and result.stdout == "", (case, result)
        assert result.stderr.startswith("gdprobe: ") and result.stderr.count("\n") == 1, (case, result)
        assert "BEGIN" not in result.stderr


def test_zip_without_address(certs, tmp_path):
    shutil.copy(certs.zip, tmp_path / "client.zip")
    result = probe(tmp_path / "client.zip")
    assert result.rc == 3 and "-i " in result.stderr, result
