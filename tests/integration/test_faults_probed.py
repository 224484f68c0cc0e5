# SPDX-License-Identifier: MIT
"""Every fault that gdprobe can see: it never says healthy, and names the right stage and cause."""

import concurrent.futures
import json

import pytest

import harness

# What some of them show first is elsewhere than in the table: (faces that fail, their stages). The default is that a
# face fails at the table's stage.
STAGES = {
    # A race: the reset may be there before the connection was used.
    "resets-at-once": {"connect", "handshake"},
    # Under TLS 1.3 a client learns of its rejection at the close (TLS-05), over UDP in the handshake.
    "other-client-ca": {"close", "handshake", "payload"},
    "clock-ahead": {"close", "handshake", "payload"},
    "clock-behind": {"close", "handshake", "payload"},
    "refuse-clients": {"close", "handshake", "payload"},
    # The tunnel's stages are those of its session, then the payload.
    "refuse-good": {"payload"},
    "skip-dial": {"payload"},
    "dial-other-port": {"payload"},
}


def catalogue():
    listed = harness.run("gdserver", "--list-faults", "--json")
    assert listed.rc == 0, listed
    return json.loads(listed.stdout)["faults"]


FAULTS = {fault["name"]: fault for fault in catalogue()}
VISIBLE = [name for name, fault in FAULTS.items() if fault["shows"] != "conform"]


def probe(certs, name):
    server = harness.Server("--agent-env", certs.env, "--fault", name)
    try:
        return json.loads(harness.run("gdprobe", "--json", "--loopback", "--timeout", "4", "-i", certs.zip,
                                      server.target).stdout)
    finally:
        try:
            server.assert_clean_end()
        finally:
            server.kill()


@pytest.fixture(scope="module")
def verdicts(certs):
    """What gdprobe says of each fault, and of none: all side by side, for many wait for a time limit."""
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        jobs = {name: pool.submit(probe, certs, name) for name in VISIBLE}
        yield jobs


def failed_faces(verdict):
    return {name: face for name, face in verdict["faces"].items() if face["state"] == "failed"}


def failing_stage(face):
    """The innermost: what fails in a handshake fails the handshake too."""
    return [stage for stage, report in face["stages"].items() if report["outcome"] == "failed"][-1]


def causes(verdict):
    """All that are named, the faces' and the certificates'."""
    named = [verdict["certificates"]["cause"], verdict["cause"]]
    named += [face["cause"] for face in verdict["faces"].values()]
    return {cause["id"] if isinstance(cause, dict) else cause for cause in named if cause}


@pytest.mark.parametrize("name", VISIBLE)
def test_probe_names_the_fault(verdicts, name):
    fault, verdict = FAULTS[name], verdicts[name].result()
    assert verdict["result"] != "healthy" and verdict["exit"] in (1, 2)
    # One cause, whatever the number of faces that show it: at most two may be named.
    assert fault["cause"] in causes(verdict) and len(causes(verdict)) <= 2, causes(verdict)
    stages = {failing_stage(face) for face in failed_faces(verdict).values()}
    assert stages <= STAGES.get(name, {fault["stage"]}), stages
    # A certificate that expires soon is a warning, and all faces work.
    assert stages or name == "cert-expiring"


def test_faults_of_tunnels_need_a_tunnel(certs):
    """The table's "through" is right: a plain check sees none of them."""
    def plain(name):
        server = harness.Server("--agent-env", certs.env, "--fault", name)
        try:
            return name, harness.run("gdprobe", "-i", certs.zip, server.target).rc
        finally:
            server.kill()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = dict(pool.map(plain, [name for name in VISIBLE if FAULTS[name]["shows"] == "through"]))
    assert set(results.values()) == {0}, results
