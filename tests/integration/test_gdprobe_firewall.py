# SPDX-License-Identifier: MIT
"""gdprobe through firewalls, in a network namespace."""

import json
import os
import shutil
import subprocess
import time

import pytest

import harness
from probing import causes, client


class Namespace:
    """A network namespace of its own, with a server in it and room for firewall rules."""

    def __init__(self, certs):
        self.name = f"gdprobe-{os.getpid()}"
        self.certs = certs
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.do("ip", "link", "set", "lo", "up")
        self.server = subprocess.Popen(
            ["ip", "netns", "exec", self.name, harness.program("gdserver"), "--listen", "127.0.0.1:8890",
             "--ready-fd", "1", *map(str, certs.server_options())],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=harness.environment())
        assert self.server.stdout.readline()
        self.do("nft", "add", "table", "inet", "t")
        self.do("nft", "add", "chain", "inet", "t", "in", "{ type filter hook input priority 0; }")

    def do(self, *argv):
        return subprocess.run(["ip", "netns", "exec", self.name, *map(str, argv)], check=True)

    def rule(self, *words):
        self.do("nft", "flush", "chain", "inet", "t", "in")
        self.do("nft", "add", "rule", "inet", "t", "in", *words)

    def probe(self, *args):
        start = time.monotonic()
        done = subprocess.run(["ip", "netns", "exec", self.name, harness.program("gdprobe"), "--json",
                               *map(str, client(self.certs)), *args, "127.0.0.1:8890"],
                              capture_output=True, text=True, env=harness.environment(), check=False, timeout=60)
        root = json.loads(done.stdout)
        assert root["exit"] == done.returncode
        return root, time.monotonic() - start

    def close(self):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()
        subprocess.run(["ip", "netns", "delete", self.name], check=False)


def _namespaces_work():
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"):
        return False
    name = f"gdprobe-try-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return False
    works = subprocess.run(["ip", "netns", "exec", name, "nft", "add", "table", "inet", "t"],
                           capture_output=True, check=False).returncode == 0
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return works


@pytest.fixture(scope="module")
def namespace(certs):
    if not _namespaces_work():
        pytest.skip("needs root, ip netns and nft")
    made = Namespace(certs)
    yield made
    made.close()


def test_firewall_drops_udp(namespace):
    namespace.rule("udp", "dport", "8890", "drop")
    root, seconds = namespace.probe()
    assert causes(root) == {"https": None, "tcp": None, "udp": "udp-filtered"}
    assert root["exit"] == 2 and root["duration_ns"] <= 5e9
    assert seconds < 5.5  # starting the programs included


def test_firewall_rejects_udp(namespace):
    namespace.rule("udp", "dport", "8890", "reject")
    root, seconds = namespace.probe()
    assert causes(root) == {"https": None, "tcp": None, "udp": "udp-closed"}
    assert seconds < 3


def test_firewall_prohibits_udp(namespace):
    namespace.rule("udp", "dport", "8890", "reject", "with", "icmpx", "type", "admin-prohibited")
    assert causes(namespace.probe()[0])["udp"] == "udp-unreachable"


def test_firewall_drops_tcp(namespace):
    namespace.rule("tcp", "dport", "8890", "drop")
    root, _ = namespace.probe("--timeout", "1")
    assert causes(root) == {"https": "tcp-filtered", "tcp": "tcp-filtered", "udp": None}
