# SPDX-License-Identifier: MIT
"""What TLS offers and gdserver does not take: renegotiation and early data; certificates and clocks that differ."""

import datetime
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

import harness
import header_model as header
import odd_certs
from fixtures import Certs
from tls_client import HTTP, STREAM, Alert, TlsClient, context

BOTH = pytest.mark.parametrize("version", ["1.2", "1.3"])
INFO = b"GET /godoxy/agent/info HTTP/1.1\r\nHost: x\r\n\r\n"

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


# --- TLS-06: no renegotiation ---------------------------------------------------------------------


def openssl_client(server, certs, alpn):
    """A TLS 1.2 session on pyOpenSSL, which can ask for a renegotiation."""
    ctx = SSL.Context(SSL.TLS_METHOD)
    ctx.set_max_proto_version(SSL.TLS1_2_VERSION)
    ctx.load_verify_locations(str(certs.ca))
    ctx.set_verify(SSL.VERIFY_PEER, lambda _connection, _cert, _error, _depth, good: good)
    ctx.use_certificate_file(str(certs.client))
    ctx.use_privatekey_file(str(certs.client_key))
    ctx.set_alpn_protos([alpn.encode()])
    # OpenSSL asks for nothing that the server's first hello did not allow, unless told to.
    ctx.set_options(SSL.OP_LEGACY_SERVER_CONNECT)
    session = SSL.Connection(ctx, socket.create_connection(server.address, timeout=harness.LIMIT))
    session.setblocking(True)
    session.set_connect_state()
    session.do_handshake()
    return session


def expect_refusal(session):
    """The second handshake is refused with an alert that says so: unexpected_message, or no_renegotiation."""
    assert session.renegotiate()
    with pytest.raises(SSL.Error) as refused:
        session.do_handshake()
    assert re.search("alert unexpected message|no renegotiation", str(refused.value)), refused.value


def test_tls_06_renegotiation_in_a_tunnel(server, certs, destination):
    """TLS-06: refused with an alert, and what is said behind it does not reach the destination."""
    session = openssl_client(server, certs, STREAM)
    session.sendall(header.destination(destination.address) + b"before")
    end = destination.accept()
    assert end.recv(100) == b"before"
    expect_refusal(session)
    try:
        assert end.recv(100) == b""
    except ConnectionResetError:
        pass
    session.close()


@pytest.mark.parametrize("said", [b"", header.health()[:100]], ids=["at once", "in the header"])
def test_tls_06_renegotiation_before_the_tunnel(server, certs, said):
    mark = server.mark()
    session = openssl_client(server, certs, STREAM)
    session.sendall(said)
    expect_refusal(session)
    session.close()
    harness.wait_for(lambda: "TLS-06" in "\n".join(server.log_since(mark)), what="the statement in the log")


def test_tls_06_renegotiation_on_the_http_side(server, certs):
    session = openssl_client(server, certs, HTTP)
    session.sendall(INFO)
    answer = b""
    while b"}" not in answer:
        answer += session.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 ")
    expect_refusal(session)
    session.close()


# --- TLS-06: no early data ------------------------------------------------------------------------


@BOTH
def test_tls_06_nothing_to_resume(server, certs, version):
    """TLS-06: no ticket, so there is no key that early data could be sent under, and a session id is not remembered."""
    ctx = context(certs, version=version, alpn=(HTTP,))
    kept = None
    for _ in range(2):
        with TlsClient(server.address, ctx, handshake=False) as session:
            if kept:
                session.tls.session = kept
            session.handshake()
            session.write(INFO)
            assert session.read().startswith(b"HTTP/1.1 200 ")
            assert not session.tls.session_reused
            kept = session.tls.session
            assert kept is None or not kept.has_ticket


class EarlyData:
    """`openssl s_server` that hands out a session with which a client may send early data, to whoever it likes."""

    def __init__(self, certs, folder):
        self.path = folder / "session.pem"
        identity = ("-CAfile", certs.ca, "-cert", certs.client, "-key", certs.client_key)
        listener = subprocess.Popen(
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", certs.server, "-key", certs.server_key,
             "-CAfile", certs.ca, "-Verify", "1", "-tls1_3", "-max_early_data", "16384", "-early_data",
             "-alpn", f"{STREAM},{HTTP}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            target = None
            while target is None:
                line = listener.stdout.readline()
                assert line, "openssl s_server did not start"
                found = re.match(r"ACCEPT (127\.0\.0\.1:\d+)", line)
                target = found and found[1]
            self.client = ["openssl", "s_client", *map(str, identity), "-tls1_3", "-servername", "godoxy.agent"]
            client = subprocess.Popen([*self.client, "-alpn", STREAM, "-connect", target, "-sess_out", self.path],
                                      stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                # Written when the ticket has come, which is after the handshake.
                harness.wait_for(lambda: self.path.exists() and b"-----END" in self.path.read_bytes(),
                                 what="the ticket")
            finally:
                client.kill()
                client.communicate()
        finally:
            listener.kill()
            listener.communicate()
        shown = subprocess.run(["openssl", "sess_id", "-in", self.path, "-noout", "-text"], capture_output=True,
                               text=True, check=True).stdout
        assert "Max Early Data: 16384" in shown, shown

    def send(self, server, data, alpn, folder):
        """\\return what s_client tells about a session to server that began with this."""
        (folder / "early").write_bytes(data)
        done = subprocess.run([*self.client, "-alpn", alpn, "-connect", server.target, "-sess_in", str(self.path),
                               "-early_data", str(folder / "early")], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=3 * harness.LIMIT, check=False)
        return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


@needs_openssl
@pytest.mark.timeout(60)
def test_tls_06_early_data_goes_nowhere(start_server, certs, destination, tmp_path):
    """TLS-06: sent all the same, under another server's ticket: neither a header nor a request is taken from it."""
    server = start_server("--header-limit", "1s")
    early = EarlyData(certs, tmp_path)
    told = early.send(server, header.destination(destination.address) + b"payload", STREAM, tmp_path)
    assert "Early data was rejected" in told or "alert" in told, told
    assert destination.untouched()
    with TlsClient(server.address, context(certs)) as session:
        session.write(header.health())
        assert session.read() == b""


# --- Certificates on the wire ---------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("alpn", [STREAM, HTTP])
def test_cert_01_what_is_presented(server, certs, version, alpn):
    """CERT-01, CERT-02: the leaf of server.pem, P-256, for godoxy.agent, to be a server only, until 3026."""
    with TlsClient(server.address, context(certs, version=version, alpn=(alpn,))) as session:
        leaf = x509.load_der_x509_certificate(session.tls.getpeercert(binary_form=True))
    assert leaf == x509.load_pem_x509_certificate(certs.server.read_bytes())
    assert isinstance(leaf.public_key().curve, ec.SECP256R1)
    assert leaf.not_valid_after_utc.year >= 3026
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName("godoxy.agent")]
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]


# --- Clocks ---------------------------------------------------------------------------------------


def _faketime():
    """The library that faketime preloads, or None."""
    if not shutil.which("faketime"):
        return None
    done = subprocess.run(["faketime", "-m", "-f", "+0", "sh", "-c", 'echo "$LD_PRELOAD"'], capture_output=True,
                          text=True, check=False)
    return done.stdout.strip() or None


FAKETIME = _faketime()
needs_faketime = pytest.mark.skipif(not FAKETIME or harness.SANITIZED,
                                    reason="needs faketime, and no sanitizer that wants to be loaded first")


def clock(offset):
    """The environment of a program whose wall clock is off, "-30m" say; deadlines run as ever."""
    return harness.environment(LD_PRELOAD=FAKETIME, FAKETIME=offset, DONT_FAKE_MONOTONIC=1,
                               FAKETIME_DONT_FAKE_MONOTONIC=1)


def ago(**span):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def aged(tmp_path_factory):
    """aged(NAME): sets of one CA, which is a day old; their leaves begin today, an hour ago, or almost a day ago."""
    folder = tmp_path_factory.mktemp("aged")
    ca = odd_certs.Ca.fresh()
    certificate, key = odd_certs.save(folder, "ca", ((ca.certificate,), ca.key))
    assert certificate.name == "ca.pem" and key.name == "ca.key"
    for name, options in (("today", ()), ("hour", ("--not-before", ago(hours=1))),
                          ("day", ("--not-before", ago(hours=20)))):
        result = harness.run("gdcerts", "new", "--from", folder, *options, folder / name)
        assert result.rc == 0, result
    return lambda name: Certs(folder / name)


def judge(server, certs, *options, env=None):
    """(exit code, {face: cause}) of gdprobe."""
    options = options or ("--ca", certs.ca, "--cert", certs.client, "--key", certs.client_key)
    result = harness.run("gdprobe", "--json", *options, server.target, env=env)
    faces = json.loads(result.stdout)["faces"]
    return {name: face["cause"] and face["cause"]["id"] for name, face in faces.items()}


HEALTHY = dict.fromkeys(("https", "tcp", "udp"))


@needs_faketime
@pytest.mark.parametrize("behind, certificate, accepted", [
    ("-30m", "today", False), ("-30m", "hour", True), ("-2h", "hour", False), ("-2h", "day", True)])
def test_cert_06_server_whose_clock_is_behind(start_server, aged, behind, certificate, accepted):
    """CERT-06: a client certificate is good there when it is back-dated by more than that, and only then."""
    server = start_server(identity=aged("day").server_options(), env=clock(behind))
    expected = HEALTHY if accepted else dict.fromkeys(HEALTHY, "clocks-apart")
    assert judge(server, aged(certificate)) == expected


@needs_faketime
@BOTH
def test_cert_06_refused_as_not_yet_valid(start_server, aged, version):
    """CERT-06, TLS-03: alert 45 says which it is."""
    server = start_server(identity=aged("day").server_options(), env=clock("-30m"))
    good, today = aged("hour"), aged("today")
    with TlsClient(server.address, context(good, version=version)) as session:
        session.write(header.health())
        assert session.read() == b""
    with pytest.raises(Alert) as refused, TlsClient(server.address, context(today, version=version)) as session:
        session.write(header.health())
        session.read()
    assert refused.value.number == 45


@needs_faketime
@pytest.mark.parametrize("behind, accepted", [("-50m", True), ("-2h", False)])
def test_cert_06_client_certificate_signed_in_memory(start_server, aged, behind, accepted):
    """CERT-06: gdprobe --agent-env back-dates what it signs by an hour."""
    env = aged("day").env
    server = start_server(identity=("--agent-env", env), env=clock(behind))
    expected = HEALTHY if accepted else dict.fromkeys(HEALTHY, "clocks-apart")
    assert judge(server, None, "--agent-env", env) == expected


@needs_faketime
@pytest.mark.parametrize("years", [20, 100, 230])
def test_cert_02_both_in_the_future(start_server, certs, years):
    """CERT-02: beyond 2038 and 2106 the dates, and the days that are left, are what they are."""
    env = clock(f"+{years}y")
    server = start_server(env=env)
    result = harness.run("gdprobe", "--json", "-i", certs.zip, server.target, env=env)
    root = json.loads(result.stdout)
    assert result.rc == 0, result
    expected = (1000 - years) * 365.2425
    assert abs(root["certificates"]["days_left"] - expected) < 365


@pytest.mark.parametrize("form", ["agent.env", "systemd", "export"])
def test_cert_03_agent_env_forms(start_server, certs, tmp_path, form):
    """CERT-03: as gdcerts writes it, as systemd's EnvironmentFile and as a shell's exports: the same agent."""
    text = certs.env.read_text()
    values = dict(line.split("=", 1) for line in text.splitlines())
    text = {"agent.env": text,
            "systemd": "".join(f"{name}={value.strip(chr(34))}\n" for name, value in values.items()),
            "export": "".join(f"export {name}={value}\n" for name, value in values.items())}[form]
    path = pathlib.Path(tmp_path / "agent.env")
    path.write_text(text)
    os.chmod(path, 0o600)
    assert judge(start_server(identity=("--agent-env", path)), certs) == HEALTHY


def test_cert_04_zip_speaks_to_the_agent(server, certs):
    """CERT-04: ca.pem, cert.pem and key.pem of the zip are all that a client needs."""
    assert judge(server, None, "-i", certs.zip) == HEALTHY


def test_cert_05_rsa_server(start_server, tmp_path):
    """CERT-05: `gdcerts new --rsa`, over sockets: TCP and HTTPS work, UDP cannot, and that has a name of its own."""
    assert harness.run("gdcerts", "new", "--rsa", tmp_path / "rsa").rc == 0
    rsa = Certs(tmp_path / "rsa")
    server = start_server(identity=rsa.server_options())
    assert judge(server, rsa) == {"https": None, "tcp": None, "udp": "server-cert-rsa-udp"}
