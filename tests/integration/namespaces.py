# SPDX-License-Identifier: MIT
"""Network namespaces with firewalls, for the tests that need one."""

import json
import os
import shutil
import subprocess
import time

import pytest

import harness
from probing import client


class Namespace:
    """A network namespace of its own, with a server in it and a chain for firewall rules."""

    hook = "input"

    def __init__(self, certs):
        self.name = f"gdprobe-{self.hook}-{os.getpid()}"
        self.certs = certs
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.do("ip", "link", "set", "lo", "up")
        self.server = subprocess.Popen(
            ["ip", "netns", "exec", self.name, harness.program("gdserver"), "--listen", "127.0.0.1:8890",
             "--ready-fd", "1", *map(str, certs.server_options())],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=harness.environment())
        assert self.server.stdout.readline()
        self.do("nft", "add", "table", "inet", "t")
        self.do("nft", "add", "chain", "inet", "t", "c", f"{{ type filter hook {self.hook} priority 0; }}")

    def do(self, *argv):
        return subprocess.run(["ip", "netns", "exec", self.name, *map(str, argv)], check=True)

    def rule(self, *words):
        """This rule alone; none at all without words."""
        self.do("nft", "flush", "chain", "inet", "t", "c")
        if words:
            self.do("nft", "add", "rule", "inet", "t", "c", *words)

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


def namespaces_work():
    """Whether this user can make one, and nftables works in it."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"):
        return False
    name = f"gdprobe-try-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return False
    works = subprocess.run(["ip", "netns", "exec", name, "nft", "add", "table", "inet", "t"],
                           capture_output=True, check=False).returncode == 0
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return works


def made_for(kind, certs):
    """The body of a fixture: a namespace of that kind."""
    if not namespaces_work():
        pytest.skip("needs root, ip netns and nft")
    made = kind(certs)
    yield made
    made.close()


@pytest.fixture(scope="module")
def namespace(certs):
    yield from made_for(Namespace, certs)
