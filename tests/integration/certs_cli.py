# SPDX-License-Identifier: MIT
"""Running gdcerts, and reading what it wrote."""

import json
import pathlib

from cryptography import x509

import harness

FILES = {"ca.pem": 0o644, "ca.key": 0o600, "server.pem": 0o644, "server.key": 0o600, "client.pem": 0o644,
         "client.key": 0o600, "agent.env": 0o600, "client.zip": 0o600}


def new(*args):
    return harness.run("gdcerts", "new", *args)


def inspect(*args, stdin=None):
    """\\return the exit code and one object a file; nothing but JSON on stdout, nothing on stderr."""
    result = harness.run("gdcerts", "inspect", "--json", *args, stdin=stdin)
    assert result.stderr == "", result
    return result.rc, [json.loads(line) for line in result.stdout.splitlines()]


def problems(report):
    return {problem["id"] for problem in report["problems"]}


def certificate(path):
    return x509.load_pem_x509_certificate(pathlib.Path(path).read_bytes())


def one_sentence(result, *words):
    """Exit code 3, nothing on stdout, one line on stderr that has these words in it."""
    assert result.rc == 3, result
    assert result.stdout == "", result
    assert result.stderr.startswith("gdcerts") and result.stderr.count("\n") == 1, result
    for word in words:
        assert word in result.stderr, result
