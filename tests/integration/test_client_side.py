# SPDX-License-Identifier: MIT
"""What a client owes the protocol: gdprobe against agents that follow a script."""

import json
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

import harness
import header_model as header
from scripted_agent import HTTP, STREAM, ScriptedAgent

BOTH = pytest.mark.parametrize("version", ["1.2", "1.3"])
INFO = b'{"version":"v1","name":"scripted","runtime":"docker"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(INFO), INFO)


def judge(certs, agent, *options):
    """\\return what gdprobe --json has to say about it."""
    result = harness.run("gdprobe", "--json", "--diagnose=never", "--ca", certs.ca, "--cert", certs.client,
                         "--key", certs.client_key, *options, agent.target)
    root = json.loads(result.stdout)
    assert root["exit"] == result.rc, result
    return root


def cause_of(root, face):
    cause = root["faces"][face]["cause"]
    return cause and cause["id"]


def good(session, _stopped):
    """An agent in order, on each face."""
    session.handshake()
    if session.protocol == HTTP:
        session.read_request()
        session.send(ANSWER)
        session.read_to_end()
    else:
        session.read_header()
        session.close_notify()
        if not session.wire.datagrams:
            session.wire.end()
            session.read_to_end()


# --- ALPN -----------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("selected", [None, HTTP, b"godoxy-agent-stream/2", b"godoxy-agent-stream/", STREAM + b"1"])
def test_mux_04_no_header_before_the_protocol(certs, version, selected):
    """MUX-04, MUX-03: nothing but the stream protocol was offered; unless it was selected not one byte is sent."""

    def script(session, _stopped):
        session.handshake()
        session.read_to_end()

    with ScriptedAgent(certs, script, select=lambda offered: selected, version=version) as agent:
        root = judge(certs, agent, "--tcp")
        agent.wait()
    assert root["exit"] == 2 and cause_of(root, "tcp") in ("alpn-missing", "alpn-refused"), root
    assert root["faces"]["tcp"]["stages"]["alpn"]["outcome"] == "failed"
    assert agent.offered == [[STREAM]]
    session, = agent.sessions
    assert session.established and session.received == b""
    assert session.ended_by == "close_notify"  # TLS-09


@BOTH
def test_mux_03_the_two_protocols_are_never_offered_together(certs, version):
    """MUX-03: with both offered an agent would select http/1.1."""
    with ScriptedAgent(certs, good, version=version) as agent:
        root = judge(certs, agent)
        agent.wait()
    assert root["exit"] == 0, root
    assert sorted(agent.offered) == [[STREAM], [HTTP]]


# --- Health is a clean close ----------------------------------------------------------------------------


def after_header(ending):
    """A script that plays fair until the header is there."""

    def script(session, stopped):
        session.handshake()
        session.read_header()
        ending(session, stopped)

    return script


def bytes_then_close(session, _stopped):
    session.send(b"x")
    session.close_notify()


def bytes_then_silence(session, stopped):
    session.send(b"hello")
    stopped.wait(harness.LIMIT)


def header_echoed(session, _stopped):
    session.send(session.received)
    session.close_notify()


def fin_alone(session, _stopped):
    session.wire.end()
    session.read_to_end()


def reset(session, _stopped):
    session.wire.reset()


def alert(session, _stopped):
    session.alert()
    session.wire.end()


def hang(_session, stopped):
    stopped.wait(harness.LIMIT)


def late(session, stopped):
    # Later than the client's 400 ms; it hangs up before that.
    stopped.wait(0.8)
    session.close_notify()


NOT_HEALTHY = {
    "bytes_then_close": (bytes_then_close, "unexpected-bytes"),
    "bytes_then_silence": (bytes_then_silence, "unexpected-bytes"),
    "header_echoed": (header_echoed, "unexpected-bytes"),
    "fin_alone": (fin_alone, "no-close-notify"),
    "reset": (reset, "closed-by-reset"),
    "alert": (alert, "alert-other"),
    "hang": (hang, "close-late"),
    "late": (late, "close-late"),
}


@BOTH
@pytest.mark.parametrize("name", NOT_HEALTHY)
def test_hc_05_tcp_never_by_the_write_alone(certs, version, name):
    """HC-05: the agent has the whole header, and health is still not said unless the close is clean and in time."""
    ending, cause = NOT_HEALTHY[name]
    with ScriptedAgent(certs, after_header(ending), version=version) as agent:
        start = time.monotonic()
        root = judge(certs, agent, "--tcp", "--timeout", "400ms")
        took = time.monotonic() - start
        agent.wait()
    session, = agent.sessions
    assert session.received == header.health()
    assert root["exit"] == 2 and cause_of(root, "tcp") == cause, root
    assert root["faces"]["tcp"]["stages"]["header"]["outcome"] == "passed"
    assert root["duration_ns"] < 1e9 and took < 2


@pytest.mark.parametrize("name", ["bytes_then_close", "bytes_then_silence", "header_echoed", "hang", "late"])
def test_hc_05_udp_never_by_the_write_alone(certs, name):
    """HC-05: as over TCP; a session that hangs may be followed by another one, which starts anew (UDP-20)."""
    ending, cause = NOT_HEALTHY[name]

    def script(session, stopped):
        session.handshake()
        if session.wire.datagrams:
            session.read_header()
            ending(session, stopped)

    with ScriptedAgent(certs, script) as agent:
        root = judge(certs, agent, "--udp", "--timeout", "400ms")
        agent.stopped.set()
        over_udp = [session for session in agent.sessions if session.wire.datagrams]
    assert root["exit"] == 2 and cause_of(root, "udp") == cause, root
    assert root["duration_ns"] < 1e9
    assert over_udp[0].received == header.health()
    # The last one may not have come as far when the time was over.
    assert {session.received for session in over_udp} <= {header.health(), b""}


@BOTH
@pytest.mark.parametrize("how", ["end", "reset"])
def test_tls_05_gone_before_the_header_was_read(certs, version, how):
    """TLS-05, HC-05: the kernel takes the header all the same. Only by reading does the client learn of the end."""

    def script(session, _stopped):
        session.handshake()
        getattr(session.wire, how)()

    with ScriptedAgent(certs, script, version=version) as agent:
        root = judge(certs, agent, "--tcp", "--timeout", "2")
        agent.wait()
    assert root["exit"] == 2 and cause_of(root, "tcp") in ("no-close-notify", "closed-by-reset"), root


# --- The whole check ------------------------------------------------------------------------------------


@BOTH
def test_api_08_three_sessions_and_what_they_say(certs, version):
    """API-08: /info, a TCP and a UDP health check, and nothing else; and each header once."""
    with ScriptedAgent(certs, good, version=version) as agent:
        root = judge(certs, agent)
        agent.wait()
    assert root["exit"] == 0 and root["agent"]["name"] == "scripted", root
    over_udp = [session for session in agent.sessions if session.wire.datagrams]
    over_tcp = {session.protocol: session for session in agent.sessions if not session.wire.datagrams}
    assert len(agent.sessions) == 3 and len(over_udp) == 1 and set(over_tcp) == {HTTP, STREAM}
    assert over_udp[0].received == over_tcp[STREAM].received == header.health()
    assert over_tcp[HTTP].received.startswith(b"GET /godoxy/agent/info HTTP/1.1\r\n")
    assert over_tcp[HTTP].received.count(b"HTTP/1.1") == 1
    assert over_tcp[STREAM].ended_by == "close_notify"


@BOTH
@pytest.mark.parametrize("goodbye", [True, False])
def test_tls_09_end_of_the_https_session(certs, version, goodbye):
    """TLS-09: close_notify, whether the agent has said it or keeps the connection open."""

    def script(session, _stopped):
        session.handshake()
        session.read_request()
        session.send(ANSWER)
        if goodbye:
            session.close_notify()
        session.read_to_end()

    with ScriptedAgent(certs, script, version=version) as agent:
        root = judge(certs, agent, "--http")
        agent.wait()
    assert root["exit"] == 0, root
    assert [session.ended_by for session in agent.sessions] == ["close_notify"]


def test_api_08_one_budget_of_5_s(certs):
    """API-08: without --timeout, an agent that hangs on all three faces costs 5 s, not 15."""
    with ScriptedAgent(certs, lambda session, stopped: stopped.wait(2 * harness.LIMIT)) as agent:
        start = time.monotonic()
        root = judge(certs, agent)
        took = time.monotonic() - start
    assert root["exit"] == 2 and all(face["cause"] for face in root["faces"].values()), root
    assert root["duration_ns"] < 5.5e9 and 4.5 < took < 7


# --- Certificates on the wire ---------------------------------------------------------------------------


@BOTH
def test_cert_01_client_certificate_on_the_wire(certs, version):
    """CERT-01, CERT-02, CERT-04: the client.zip's certificate is what is presented, on all faces: P-256, 3026."""
    with ScriptedAgent(certs, good, version=version) as agent:
        result = harness.run("gdprobe", "-i", certs.zip, agent.target)
        agent.wait()
    assert result.rc == 0, result
    expected = x509.load_pem_x509_certificate(certs.client.read_bytes())
    assert {session.client_certificate for session in agent.sessions} == {expected}
    assert isinstance(expected.public_key().curve, ec.SECP256R1)
    assert expected.not_valid_after_utc.year > 3000


def test_cert_06_signed_in_memory_and_back_dated(certs):
    """CERT-06: what --agent-env makes of the CA in AGENT_CA_CERT (CERT-03) began an hour ago, and ends in an hour."""
    with ScriptedAgent(certs, good) as agent:
        before = time.time()
        result = harness.run("gdprobe", "--agent-env", certs.env, "--tcp", agent.target)
        after = time.time()
        agent.wait()
    assert result.rc == 0, result
    presented = agent.sessions[0].client_certificate
    presented.verify_directly_issued_by(x509.load_pem_x509_certificate(certs.ca.read_bytes()))
    # Dates of a certificate are whole seconds.
    assert before - 1 <= presented.not_valid_before_utc.timestamp() + 3600 <= after
    assert before - 1 <= presented.not_valid_after_utc.timestamp() - 3600 <= after
