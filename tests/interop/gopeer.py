# SPDX-License-Identifier: MIT
"""The Go peer (peer/) as a server, an echo destination and a client, beside what harness.py gives."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import harness

SOURCE = pathlib.Path(__file__).parent / "peer"
GO_WANTED = (1, 24)


class Unavailable(Exception):
    """Why there is no peer on this machine."""


def _go():
    """\\return the path of a go that is new enough. Raises Unavailable."""
    wanted = f"the interop tests need Go {GO_WANTED[0]}.{GO_WANTED[1]} or newer on PATH"
    go = shutil.which("go")
    if not go:
        raise Unavailable(wanted)
    # "local": a go that is too old must not fetch a newer one by itself.
    version = subprocess.run([go, "env", "GOVERSION"], env=dict(os.environ, GOTOOLCHAIN="local"),
                             capture_output=True, text=True, timeout=60, check=False).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)", version)
    if not found or tuple(map(int, found.groups())) < GO_WANTED:
        raise Unavailable(f"{wanted}, and {go} is {version or 'broken'}")
    return go


def build(folder):
    """Build the peer into a folder, unless GDS_PEER names a built one. \\return its path. Raises Unavailable."""
    built = os.environ.get("GDS_PEER")
    if built and os.access(built, os.X_OK):
        return built
    binary = pathlib.Path(folder) / "gdpeer"
    done = subprocess.run([_go(), "build", "-buildvcs=false", "-trimpath", "-o", binary, "."], cwd=SOURCE,
                          capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"the Go peer does not build\n{done.stderr}"
    return str(binary)


def identity_options(ca, identity):
    """identity: a (certificate, key) pair of paths."""
    return ["--ca", str(ca), "--cert", str(identity[0]), "--key", str(identity[1])]


class Listening(harness.Process):
    """A command of the peer that listens, on ports of the kernel's choice."""

    def __init__(self, argv, ready_file, env=None):
        super().__init__([*argv, "--ready-file", str(ready_file)], env=env)
        try:
            harness.wait_for(lambda: ready_file.exists() or not self.alive(), what="the peer's start")
            assert ready_file.exists(), f"the peer did not start\n{self.wait()}\n{self.stderr}"
        except AssertionError:
            self.kill()
            raise
        self.ready = json.loads(ready_file.read_text())
        self.target = self.ready.get("tcp") or self.ready["udp"]
        self.address = harness.parse_address(self.target)

    def errors(self):
        """What the real agent would log as ERR."""
        return [line for line in self.lines if re.search(r"\blevel=error\b", line)]

    def health_checks(self, transport):
        return len([line for line in self.lines
                    if 'msg="health check received"' in line and f"proto={transport}" in line])


class Client:
    """The peer as a client of one server."""

    def __init__(self, binary, certs):
        self.binary, self.certs = binary, certs

    def __call__(self, command, target, *options, ca=None, identity=None):
        """\\return the peer's JSON line, as a dict."""
        identity = identity or (self.certs.client, self.certs.client_key)
        done = subprocess.run(
            [self.binary, "client", command, "--addr", target, *map(str, options),
             *identity_options(ca or self.certs.ca, identity)],
            capture_output=True, text=True, timeout=100, check=False, env=harness.environment())
        assert done.returncode in (0, 1), f"rc={done.returncode}\n{done.stderr}"
        result = json.loads(done.stdout)
        assert result["ok"] == (done.returncode == 0), done
        return result
