# SPDX-License-Identifier: MIT
"""OpenSSL's and GnuTLS's own command lines as peers: stacks and programs that are not ours, on both sides."""

import array
import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import termios
import threading

import pytest

import harness
import header_model as header
from dtls_client import SUITE, UdpDestination

ALPN = "godoxy-agent-stream/1"
TRANSPORTS = pytest.mark.parametrize("transport", ["1.2", "1.3", "dtls"])


def tool(name):
    """The path of a command line that a machine may lack."""
    path = shutil.which(name)
    if not path:
        pytest.skip(f"{name} is not installed")
    return path


class Talker:
    """A program that the test talks to: stdin and stdout are bytes, stderr joins stdout."""

    def __init__(self, argv):
        self.output = b""
        self.popen = subprocess.Popen(list(map(str, argv)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, env=harness.environment(), bufsize=0)
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self):
        while data := os.read(self.popen.stdout.fileno(), 65536):
            self.output += data

    def say(self, data):
        """Write, and wait until the program has read it: the next bytes come by themselves then."""
        self.popen.stdin.write(data)
        left = array.array("i", [1])

        def taken():
            fcntl.ioctl(self.popen.stdin.fileno(), termios.FIONREAD, left)
            return left[0] == 0 or self.popen.poll() is not None

        harness.wait_for(taken, what="the program's read")

    def expect(self, pattern):
        """\\return the match, once it is in the output."""
        return harness.wait_for(lambda: re.search(pattern, self.output), what=f"{pattern!r} in {self.popen.args[0]}")

    def wait(self):
        """\\return the exit code, with all output read."""
        code = self.popen.wait(harness.LIMIT)
        self._reader.join(harness.LIMIT)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self._reader.join(harness.LIMIT)
        self.popen.stdin.close()
        self.popen.stdout.close()


# --- As clients of gdserver -----------------------------------------------------------------------------


def openssl_client(certs, address, transport, identity):
    version = {"1.2": "-tls1_2", "1.3": "-tls1_3", "dtls": "-dtls1_2"}[transport]
    alpn = () if transport == "dtls" else ("-alpn", ALPN)
    return [tool("openssl"), "s_client", "-connect", "%s:%d" % address, version, "-quiet", "-CAfile", certs.ca,
            "-verify_return_error", "-verify_hostname", "godoxy.agent", "-servername", "godoxy.agent", *alpn,
            "-cert", identity[0], "-key", identity[1]]


def gnutls_client(certs, address, transport, identity):
    version = {"1.2": "TLS1.2", "1.3": "TLS1.3", "dtls": "DTLS1.2"}[transport]
    kind = ("--udp", "--mtu", "1400") if transport == "dtls" else ("--alpn", ALPN)
    return [tool("gnutls-cli"), *kind, "--priority", f"NORMAL:-VERS-ALL:+VERS-{version}", "--x509cafile", certs.ca,
            "--sni-hostname", "godoxy.agent", "--verify-hostname", "godoxy.agent",
            "--x509certfile", identity[0], "--x509keyfile", identity[1], "--port", address[1], address[0]]


CLIENTS = pytest.mark.parametrize("client", [openssl_client, gnutls_client])


def connect(client, certs, server, transport, identity=None):
    """The command line, connected: past its handshake when it says so itself."""
    address = server.udp_address if transport == "dtls" else server.address
    own = (certs.client, certs.client_key) if identity is None else identity
    talker = Talker(client(certs, address, transport, own))
    if client is gnutls_client and identity is None:
        talker.expect(rb"Simple Client Mode")
    return talker


def logged(server, mark, message, transport):
    wanted = f"transport={'udp' if transport == 'dtls' else 'tcp'}"
    return [line for line in server.log_since(mark) if f'msg="{message}"' in line and wanted in line]


@TRANSPORTS
@CLIENTS
def test_client_checks_the_health(server, certs, client, transport):
    """HC-01, HC-02, HC-04: not a byte comes back, and the announced end of the session ends the program."""
    mark = server.mark()
    with connect(client, certs, server, transport) as talker:
        before = len(talker.output)
        talker.say(header.health())
        code = talker.wait()
        said = talker.output[before:]
    harness.wait_for(lambda: logged(server, mark, "health check", transport), what="the health check in the log")
    if client is openssl_client:
        assert code == 0 and not re.search(rb"(?i)error|alert", said), talker.output
    else:
        assert code == 0 and b"Peer has closed the GnuTLS connection" in said, talker.output


@TRANSPORTS
@CLIENTS
def test_client_uses_a_tunnel(server, certs, echo, client, transport):
    """TCP-02, UDP-04, UDP-06."""
    with connect(client, certs, server, transport) as talker:
        talker.say(header.destination(echo.address))
        talker.say(b"through the tunnel\n")
        talker.expect(rb"through the tunnel\n")
    assert echo.datagrams + echo.connections == 1


@TRANSPORTS
@CLIENTS
def test_client_that_must_not_get_in(server, certs, odd, client, transport):
    """TLS-03, UDP-02: the program ends by itself, with an error, and nobody was dialled."""
    with harness.Destination() as tcp, UdpDestination() as udp:
        target = udp if transport == "dtls" else tcp
        with connect(client, certs, server, transport, odd["expired"]) as talker:
            # Under TLS 1.3 it may think that it is in (TLS-05); or it has ended by now.
            with contextlib.suppress(BrokenPipeError):
                talker.popen.stdin.write(header.destination(target.address))
            assert talker.wait() != 0, talker.output
            assert re.search(rb"(?i)alert.*expired|expired.*alert|alert.*bad.certificate|bad.certificate.*alert"
                             rb"|certificate.(is bad|has expired)", talker.output), talker.output
        assert tcp.untouched() and udp.untouched()


# --- As servers that gdprobe meets ------------------------------------------------------------------------


def probe(certs, target, *options):
    result = harness.run("gdprobe", "--json", "--ca", certs.ca, "--cert", certs.client, "--key", certs.client_key,
                         *options, target)
    root = json.loads(result.stdout)
    return {name: face["cause"] and face["cause"]["id"] for name, face in root["faces"].items()}


def openssl_server(certs, transport, identity):
    """On a port of the kernel's choice. \\return a Talker and its target."""
    version = {"1.2": "-tls1_2", "1.3": "-tls1_3", "dtls": "-dtls1_2"}[transport]
    alpn = ("-cipher", SUITE) if transport == "dtls" else ("-alpn", ALPN)
    talker = Talker([tool("openssl"), "s_server", "-accept", "127.0.0.1:0", version, "-cert", identity[0],
                     "-key", identity[1], "-CAfile", certs.ca, "-Verify", "1", "-verify_return_error", *alpn])
    return talker, "127.0.0.1:%d" % int(talker.expect(rb"ACCEPT 127\.0\.0\.1:(\d+)").group(1))


def gnutls_server(certs, transport):
    """An echo: whatever comes goes back. \\return a Talker and its target."""
    version = {"1.2": "TLS1.2", "1.3": "TLS1.3", "dtls": "DTLS1.2"}[transport]
    kind = ("--udp",) if transport == "dtls" else ("--alpn", ALPN)
    port = harness.closed_port()[1]
    talker = Talker([tool("gnutls-serv"), *kind, "--echo", "--priority", f"NORMAL:-VERS-ALL:+VERS-{version}",
                     "--port", port, "--x509cafile", certs.ca, "--x509certfile", certs.server,
                     "--x509keyfile", certs.server_key, "--require-client-cert", "--verify-client-cert"])
    talker.expect(rb"listening on IPv4[^\n]*done")
    return talker, f"127.0.0.1:{port}"


def options_for(transport):
    return ("--udp",) if transport == "dtls" else ("--tcp", "--tls", transport)


@pytest.mark.parametrize("transport, cause",
                         [("1.2", "no-close-notify"), ("1.3", "no-close-notify"), ("dtls", "udp-closed")])
def test_openssl_server_that_just_stops(certs, transport, cause):
    """HC-04, TLS-09: s_server got the header, and at our word drops the connection without announcing it."""
    talker, target = openssl_server(certs, transport, (certs.server, certs.server_key))
    with talker:
        def stop():
            talker.expect(rb"0\.1\.0\0{3}")
            talker.say(b"Q\n")

        _, found = harness.in_parallel(stop, lambda: probe(certs, target, *options_for(transport)))
    assert list(found.values()) == [cause]


@TRANSPORTS
def test_openssl_server_that_does_not_close(certs, transport):
    """HC-05: a handshake and silence are not health."""
    talker, target = openssl_server(certs, transport, (certs.server, certs.server_key))
    with talker:
        found = probe(certs, target, *options_for(transport), "--timeout", "1")
    assert list(found.values()) == ["close-late"]


@TRANSPORTS
def test_openssl_server_with_an_expired_certificate(certs, odd, transport):
    """TLS-04: refused before the header, with an alert that s_server shows."""
    talker, target = openssl_server(certs, transport, odd["server-expired"])
    with talker:
        found = probe(certs, target, *options_for(transport))
        talker.expect(rb"(?i)alert (certificate expired|bad certificate)")
        assert b"0.1.0" not in talker.output
    assert list(found.values()) == ["server-cert-expired"]


@pytest.mark.parametrize("transport, cause",
                         [("1.2", "close-late"), ("1.3", "close-late"), ("dtls", "unexpected-bytes")])
def test_gnutls_server_is_an_echo(certs, transport, cause):
    """HC-02, HC-05: a server that keeps the header until a line ends, or answers it with bytes, is no agent."""
    talker, target = gnutls_server(certs, transport)
    with talker:
        found = probe(certs, target, *options_for(transport), "--timeout", "1")
    assert list(found.values()) == [cause]
