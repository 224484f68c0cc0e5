# SPDX-License-Identifier: MIT
"""remeasure, against the Go peer: so that its probes stay in step with docs/godoxy-facts.md and with the tools."""

import json
import pathlib
import re
import subprocess
import sys

import pytest

import harness

SCRIPT = pathlib.Path(__file__).parent / "remeasure"
FACTS = pathlib.Path(__file__).parents[2] / "docs/godoxy-facts.md"


@pytest.fixture
def remeasure(certs):
    """remeasure(TARGET, OPTION...) \\return the ended process."""

    def run(target, *options, folder=None):
        argv = [sys.executable, SCRIPT, "--addr", target, "--certs", folder or certs.folder, *options]
        return subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=100, check=False,
                              env=harness.environment())

    return run


def changed(done):
    return {each["row"] for each in json.loads(done.stdout)["results"] if each["state"] == "changed"}


def test_the_stand_in_is_as_documented(go_server, remeasure):
    """The header, TLS, tunnels and DTLS: all that the peer has of sections 1 to 5."""
    done = remeasure(go_server().target, *(f"--only={section}" for section in range(1, 6)))
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"^(\d+) as documented, 0 changed, (\d+) not measured$", done.stdout, re.MULTILINE)
    assert found and int(found[1]) > 200, done.stdout
    assert "section 5 is left out" not in done.stderr, done.stderr


def test_what_the_stand_in_lacks_is_noticed(go_server, remeasure):
    """Of section 7 the peer has /info alone."""
    done = remeasure(go_server().target, "--only", 7, "--json")
    assert done.returncode == 1, done.stderr
    rows = {each["row"] for each in json.loads(done.stdout)["results"]}
    assert changed(done) == {row for row in rows if not re.match("//?info", row)}


def test_a_better_server_is_noticed(start_server, remeasure):
    """gdserver does what the statements ask where GoDoxy does not."""
    done = remeasure(start_server().target, "--only", 2, "--only", 3)
    assert done.returncode == 1, done.stderr
    for row in ("hostlen 0, port of a live service", "timing of the 10 s limit", "destination RST mid-stream"):
        assert re.search(rf"^CHANGED +section \d, {re.escape(row)}", done.stdout, re.MULTILINE), done.stdout
    assert "section 2, valid health" not in done.stdout


def test_unreachable(remeasure):
    host, port = harness.closed_port()
    done = remeasure(f"{host}:{port}")
    assert done.returncode == 2 and "nobody answers" in done.stderr and not done.stdout, done


@pytest.mark.parametrize("target, options", [("127.0.0.1", ()), ("127.0.0.1:0", ()), ("127.0.0.1:1", ("--only", 9)),
                                             ("127.0.0.1:1", ("--only", "x")), ("127.0.0.1:1", ("--facts", "/nope"))])
def test_usage(remeasure, target, options):
    done = remeasure(target, *options)
    assert done.returncode == 3 and done.stderr.startswith("remeasure: ") and not done.stdout, done


def test_no_certificates(remeasure, tmp_path):
    done = remeasure("127.0.0.1:1", folder=tmp_path)
    assert done.returncode == 3 and str(tmp_path) in done.stderr, done


def test_a_row_that_is_no_longer_there(remeasure, tmp_path):
    """Probes and facts are bound by the names of the rows."""
    facts = tmp_path / "facts.md"
    facts.write_text(FACTS.read_text().replace("| valid health |", "| healthy |"))
    done = remeasure("127.0.0.1:1", "--facts", facts)
    assert done.returncode == 3 and '"valid health"' in done.stderr, done
