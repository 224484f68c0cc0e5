# SPDX-License-Identifier: MIT
"""gdprobe against an agent on the real agent's stacks (crypto/tls, pion/dtls): does it see what is the matter?"""

import pytest

import harness

FACES = ("https", "tcp", "udp")
RUNS = 5  # a verdict that depends on a race would differ within these


def states(result):
    """Face -> state."""
    return {name: face["state"] for name, face in result["faces"].items()}


def cause(result, face):
    """The id of a face's cause, None when it is well."""
    found = result["faces"][face]["cause"]
    return found and found["id"]


def is_healthy(result, faces=FACES):
    assert result["exit"] == 0 and result["result"] == "healthy", result
    assert states(result) == dict.fromkeys(faces, "ok"), result
    assert result["cause"] is None, result
    assert all(face["cause"] is None for face in result["faces"].values()), result


def is_not_healthy(result, causes):
    """causes: face -> the cause that it must name, None for a face that is well. No other face was checked."""
    assert result["exit"] == 2 and result["result"] == "not healthy", result
    assert {face: cause(result, face) for face in result["faces"]} == causes, result
    assert states(result) == {face: "failed" if why else "ok" for face, why in causes.items()}, result
    assert result["cause"]["id"] in causes.values(), result
    assert result["cause"]["sentence"] and result["cause"]["next"], result


# --- Healthy --------------------------------------------------------------------------------------


def test_healthy(go_server, probe, loopback):
    """API-08 with all three faces, over IPv4 and IPv6; and every field that --json promises."""
    agent = go_server("--listen", loopback, "--name", "nas", "--version", "v0.30.4", "--runtime", "podman")
    result = probe(agent.target)
    is_healthy(result)
    assert result["schema"] == "gdprobe/1" and result["tool"] == "gdprobe" and result["version"]
    assert result["argv"][1] == "--json" and result["argv"][-1] == agent.target
    assert result["target"] == agent.target
    assert result["agent"] == {"name": "nas", "version": "v0.30.4", "runtime": "podman"}
    assert 0 < result["duration_ns"] < 5e9
    assert result["complaint"] is None
    assert "--through" in result["not_tested"]
    for face in result["faces"].values():
        assert face["address"] == agent.target and not face["optional"], face
        assert 0 < face["duration_ns"] <= result["duration_ns"], face
        assert face["summary"], face
        assert all(stage["outcome"] == "passed" for stage in face["stages"].values()), face
    assert set(result["faces"]["tcp"]["stages"]) >= {"connect", "handshake", "verify", "alpn", "header", "close"}
    assert set(result["faces"]["udp"]["stages"]) >= {"handshake", "verify", "header", "close"}
    certificates = result["certificates"]
    assert "P-256" in certificates["key"] or "SECP256R1" in certificates["key"], certificates
    assert certificates["days_left"] > 365_000 and certificates["cause"] is None, certificates
    assert abs(certificates["clock_skew_s"]) <= 2, certificates


@pytest.mark.parametrize("options, summary", [
    (("--tls-max", "1.2"), "TLS 1.2"), (("--tls-min", "1.3"), "TLS 1.3"), ((), "TLS 1.3")])
def test_healthy_with_either_version(go_server, probe, options, summary):
    """TLS-01."""
    result = probe(go_server(*options).target)
    is_healthy(result)
    assert summary in result["faces"]["https"]["summary"], result
    assert "DTLS 1.2" in result["faces"]["udp"]["summary"], result


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_healthy_with_the_version_asked_for(go_server, probe, version):
    result = probe(go_server().target, "--tls", version)
    is_healthy(result)
    assert f"TLS {version}" in result["faces"]["https"]["summary"], result


@pytest.mark.parametrize("face", FACES)
def test_healthy_on_one_face(go_server, probe, face):
    """--tcp, --udp, --http select."""
    result = probe(go_server().target, "--" + face.removesuffix("s"))
    is_healthy(result, [face])
    assert result["not_tested"], result


def test_three_sessions_and_no_error(go_server, probe):
    """HC-03: the agent logs the two health checks and nothing else."""
    agent = go_server()
    for _ in range(10):
        is_healthy(probe(agent.target))
    harness.wait_for(lambda: len(agent.lines) >= 20, what="20 health checks in the log")
    assert (agent.health_checks("tcp"), agent.health_checks("udp")) == (10, 10), agent.stderr
    assert len(agent.lines) == 20, agent.stderr


def test_the_zip_is_the_target(go_server, certs, tmp_path):
    """CERT-04: GoDoxy's certs/HOST:PORT.zip says where, and who we are."""
    agent = go_server()
    (tmp_path / f"{agent.target}.zip").write_bytes(certs.zip.read_bytes())
    for target in (tmp_path / f"{agent.target}.zip", tmp_path):
        result = harness.run("gdprobe", target)
        assert result.rc == 0 and "HEALTHY" in result.stdout and agent.target in result.stdout, result


def test_the_agents_own_environment_file(go_server, certs):
    """--agent-env on the agent's host: AGENT_SSL_CERT is a server certificate, so a client's is signed for an hour."""
    agent = go_server()
    result = harness.run("gdprobe", "--agent-env", certs.env, agent.target)
    assert result.rc == 0, result


@pytest.mark.parametrize("name", ["no-eku", "no-san", "rsa", "ed25519", "p384"])
def test_healthy_with_odd_client_certificates(go_server, probe, odd, name):
    """docs/godoxy-facts.md, sections 4 and 5: an agent accepts these."""
    is_healthy(probe(go_server().target, identity=odd[name]))


def test_healthy_with_a_server_certificate_without_eku(go_server, probe, odd):
    """docs/godoxy-facts.md, section 6: the real client accepts it."""
    is_healthy(probe(go_server(identity=odd["no-eku"]).target))


# --- Tunnels --------------------------------------------------------------------------------------


def test_echo_through_both_tunnels(go_server, go_echo, probe):
    result = probe(go_server().target, "--through", go_echo.target, "--echo")
    is_healthy(result, [*FACES, "tcp-tunnel", "udp-tunnel"])
    for face in ("tcp-tunnel", "udp-tunnel"):
        assert "unchanged" in result["faces"][face]["summary"], result
        assert result["faces"][face]["stages"]["payload"]["outcome"] == "passed", result


def test_loopback_through_both_tunnels(go_server, probe):
    """--loopback: the probe is its own destination."""
    agent = go_server()
    is_healthy(probe(agent.target, "--loopback"), [*FACES, "tcp-tunnel", "udp-tunnel"])
    assert not agent.errors(), agent.stderr


def test_echo_through_tunnels_to_ipv6(go_server, listening, probe, loopback):
    """HDR-13."""
    result = probe(go_server().target, "--through", listening("echo", "--listen", loopback).target, "--echo")
    is_healthy(result, [*FACES, "tcp-tunnel", "udp-tunnel"])


def test_through_without_echo(go_server, go_echo, probe):
    """Over UDP nothing can be said of a destination that is not asked to answer."""
    is_healthy(probe(go_server().target, "--through", go_echo.target), [*FACES, "tcp-tunnel"])


def test_through_to_nobody(go_server, probe):
    """The wire says only "closed": the faces are well, the tunnel is not."""
    host, port = harness.closed_port()
    result = probe(go_server().target, "--tcp", "--through", f"{host}:{port}")
    is_not_healthy(result, {"tcp": None, "tcp-tunnel": "tunnel-refused"})


# --- Client certificates that the agent refuses ---------------------------------------------------

# certificate -> cause
REFUSED = {
    "other-ca": "client-cert-other-ca",
    "same-name-ca": "client-cert-other-ca",
    "expired": "client-cert-expired",
    "not-yet-valid": "client-cert-not-yet-valid",
    "server-auth-only": "client-cert-purpose",
    "none": "client-cert-missing",
}
ONE_FACE = {"tcp_1.2": ("tcp", "--tcp", "--tls", "1.2"), "tcp_1.3": ("tcp", "--tcp", "--tls", "1.3"),
            "udp": ("udp", "--udp"),
            "https_1.2": ("https", "--http", "--tls", "1.2"), "https_1.3": ("https", "--http", "--tls", "1.3")}


def refused_identity(odd, name):
    return False if name == "none" else odd[name]


@pytest.mark.parametrize("face", ONE_FACE)
@pytest.mark.parametrize("name", REFUSED)
def test_client_certificate_refused(go_server, probe, odd, name, face):
    """TLS-05, UDP-02: each face alone, so that no other one helps it to its cause."""
    agent = go_server()
    face, *options = ONE_FACE[face]
    for _ in range(RUNS):
        result = probe(agent.target, *options, identity=refused_identity(odd, name))
        is_not_healthy(result, {face: REFUSED[name]})


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("name", REFUSED)
def test_client_certificate_refused_on_all_faces(go_server, probe, odd, name, version):
    agent = go_server("--tls-max", version)
    result = probe(agent.target, identity=refused_identity(odd, name))
    is_not_healthy(result, dict.fromkeys(FACES, REFUSED[name]))
    assert not agent.health_checks("tcp") and not agent.health_checks("udp"), agent.stderr


def test_another_agents_identity(go_server, probe, other_certs):
    """A whole zip of another agent: we are the first to notice, by the agent's certificate."""
    result = probe(go_server().target, ca=other_certs.ca, identity=(other_certs.client, other_certs.client_key))
    is_not_healthy(result, dict.fromkeys(FACES, "server-cert-other-ca"))


# --- Server certificates that we refuse -----------------------------------------------------------


@pytest.mark.parametrize("name, expected", [
    ("server-expired", "server-cert-expired"),
    ("server-no-san", "server-cert-no-san"),
    ("server-other-name", "server-cert-name"),
    ("server-client-auth-only", "server-cert-purpose"),
    ("not-yet-valid", None),
    ("same-name-ca", "server-cert-other-ca"),
    ("other-ca", "server-cert-other-ca"),
])
def test_server_certificate_refused(go_server, probe, odd, name, expected):
    """TLS-04. "not-yet-valid" is a client's certificate by its purpose too: either may be named."""
    result = probe(go_server(identity=odd[name]).target)
    if expected is None:
        expected = result["cause"]["id"]
        assert expected in ("server-cert-not-yet-valid", "server-cert-purpose"), result
    is_not_healthy(result, dict.fromkeys(FACES, expected))


def test_rsa_server_certificate(go_server, probe, odd):
    """CERT-05: TCP works, UDP cannot, and the probe says why, whichever faces were asked for."""
    agent = go_server(identity=odd["server-rsa"])
    is_not_healthy(probe(agent.target), {"https": None, "tcp": None, "udp": "server-cert-rsa-udp"})
    is_not_healthy(probe(agent.target, "--udp"), {"udp": "server-cert-rsa-udp"})
    is_healthy(probe(agent.target, "--tcp"), ["tcp"])


def test_rsa_server_certificate_with_udp_optional(go_server, probe, odd):
    """--optional udp: a warning, exit 1."""
    result = probe(go_server(identity=odd["server-rsa"]).target, "--optional", "udp")
    assert (result["exit"], result["result"]) == (1, "warning"), result
    assert cause(result, "udp") == "server-cert-rsa-udp" and result["faces"]["udp"]["optional"], result


# --- Faces that are not there ---------------------------------------------------------------------


def test_nothing_on_the_udp_port(go_server, probe):
    """By ICMP, and at once: long before any time limit."""
    result = probe(go_server("--no-udp").target)
    is_not_healthy(result, {"https": None, "tcp": None, "udp": "udp-closed"})
    assert result["duration_ns"] < 1e9, result


def test_nothing_on_the_tcp_port(go_server, probe):
    result = probe(go_server("--no-tcp").target)
    is_not_healthy(result, {"https": "tcp-refused", "tcp": "tcp-refused", "udp": None})


def test_nobody_there(peer, probe):  # noqa: ARG001 - skipped with the others, so that the counts agree
    host, port = harness.closed_port()
    result = probe(f"{host}:{port}")
    is_not_healthy(result, {"https": "tcp-refused", "tcp": "tcp-refused", "udp": "udp-closed"})


def test_old_tls_version_only(go_server, probe):
    """TLS-01 seen from the client. crypto/tls speaks 1.1 when it is told to."""
    agent = go_server("--tls-min", "1.0", "--tls-max", "1.1", env=harness.environment(GODEBUG="tls10server=1"))
    is_not_healthy(probe(agent.target), {"https": "tls-version", "tcp": "tls-version", "udp": None})
