# SPDX-License-Identifier: MIT
"""gdserver as a process: start, stop, strangers on its port, and what it costs over time."""

import resource
import socket
import ssl
import stat
import time

import pytest

import harness
import header_model as header
from tls_client import Alert, Reset, TlsClient, Truncated, context

SHORT = ("--handshake-limit", "500ms", "--header-limit", "500ms")


def check_health(server, certs, **options):
    with TlsClient(server.address, context(certs, **options)) as session:
        session.write(header.health())
        assert session.read() == b""


def ends_without_tls(sock, limit=harness.LIMIT):
    """Read a plain socket to its end. \\return what came."""
    sock.settimeout(limit)
    data = b""
    try:
        while piece := sock.recv(4096):
            data += piece
    except ConnectionResetError:
        pass
    return data


# --- Start and stop -------------------------------------------------------------------------------


def test_ready_file(certs, tmp_path):
    """--ready-file gets the same line as --ready-fd."""
    path = tmp_path / "ready"
    server = harness.Process([harness.program("gdserver"), "--listen", "127.0.0.1:0", "--ready-file", str(path),
                              *map(str, certs.server_options())])
    try:
        harness.wait_for(lambda: path.exists() or not server.alive(), what="the ready file")
        assert '"tcp":"127.0.0.1:' in path.read_text()
        assert path.read_text().count("\n") == 1
        server.popen.terminate()
        assert server.wait() == 0
    finally:
        server.kill()


def test_agent_env(certs, start_server):
    """The identity as GoDoxy's agent gets it (CERT-03)."""
    server = start_server(identity=("--agent-env", certs.env))
    check_health(server, certs)


def test_ephemeral(start_server, tmp_path, certs):
    """Fresh certificates in DIR, which are not those of another set-up."""
    folder = tmp_path / "fresh"
    server = start_server(identity=("--ephemeral", folder))
    fresh = type(certs)(folder)
    assert stat.S_IMODE(fresh.zip.stat().st_mode) == 0o600
    check_health(server, fresh)
    # Neither side knows the other set-up's CA.
    with pytest.raises(ssl.SSLCertVerificationError):
        check_health(server, certs)
    strangers = type(certs)(certs.folder)
    strangers.ca = fresh.ca
    with pytest.raises(Alert) as refused:
        check_health(server, strangers)
    assert refused.value.number == 48


@pytest.mark.parametrize("workers", [1, 3])
def test_mux_01_second_server_is_refused(start_server, certs, workers):
    """SO_REUSEPORT must not hide that the address is in use."""
    first = start_server("--workers", workers)
    for extra in ((), ("--workers", "2")):
        second = harness.run("gdserver", "--listen", first.target, *certs.server_options(), *extra, timeout=20)
        assert second.rc == 3, second
        assert str(first.port) in second.stderr and "in use" in second.stderr
        assert len(second.stderr.strip().splitlines()) == 1
    check_health(first, certs)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_half_of_the_address_is_in_use(certs, kind):
    """One number for TCP and UDP (MUX-01): half is not enough."""
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        result = harness.run("gdserver", "--listen", f"127.0.0.1:{taken.getsockname()[1]}",
                             *certs.server_options(), timeout=20)
    assert result.rc == 3 and "in use" in result.stderr, result


def test_tcp_11_stop_says_goodbye(start_server, certs, destination):
    """SIGTERM: close_notify to tunnels and to sessions without a header, exit 0."""
    server = start_server()
    with TlsClient(server.address, context(certs)) as tunnel, TlsClient(server.address, context(certs)) as early, \
            TlsClient(server.address, context(certs, version="1.2")) as early_12:
        tunnel.write(header.destination(destination.address))
        end = destination.accept()
        # The header of the others is incomplete; their sessions stand once a byte was accepted.
        for each in (early, early_12):
            each.write(header.health()[:100])
        server.popen.terminate()
        assert end.recv(1) == b"", "the destination was not told"
        end.close()
        for each in (tunnel, early, early_12):
            assert each.read() == b""
            each.close()
        assert server.wait() == 0


def test_stop_waits_no_longer_than_the_drain(start_server, certs, destination):
    """A destination that does not end holds the stop up for --drain only."""
    server = start_server("--drain", "300ms")
    with TlsClient(server.address, context(certs)) as tunnel:
        tunnel.write(header.destination(destination.address))
        destination.accept()
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < 5


# --- Strangers ------------------------------------------------------------------------------------

CLIENT_HELLO_CUT = bytes.fromhex("16030100c8010000c40303") + bytes(40)
STRANGERS = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "stream_header": header.health(),
    "noise": bytes(range(256)) * 16,
    "one_byte": b"\x16",
    "half_a_hello": CLIENT_HELLO_CUT,
    "nothing": b"",
}


@pytest.mark.parametrize("name", STRANGERS)
def test_tls_07_strangers_are_let_go(start_server, certs, name):
    """TLS-07, TLS-08: whoever does not finish a handshake is closed, in time, and no one else notices."""
    server = start_server(*SHORT)
    with socket.create_connection(server.address) as stranger:
        stranger.sendall(STRANGERS[name])
        start = time.monotonic()
        answer = ends_without_tls(stranger)
        assert time.monotonic() - start < 3
        if name == "http":
            assert answer.startswith(b"HTTP/1.0 400 "), answer
        else:
            # At most an alert: nothing that a stranger could take for an answer.
            assert answer == b"" or answer[:1] == b"\x15", answer
    with socket.create_connection(server.address) as stranger:
        stranger.sendall(STRANGERS[name])
        stranger.shutdown(socket.SHUT_WR)
        ends_without_tls(stranger)
    check_health(server, certs)


def test_stop_after_any_byte_of_the_handshake(start_server, certs):
    """A client that is gone after n bytes of what it says, for many n: no harm, no descriptor."""
    server = start_server()
    said = _client_bytes(server, certs)
    check_health(server, certs)
    before = settled_fds(server)
    for n in range(0, len(said), 7):
        with socket.create_connection(server.address) as stranger:
            stranger.sendall(said[:n])
    check_health(server, certs)
    harness.wait_for(lambda: harness.count_fds(server.pid) == before, what="the end of all connections")


def _client_bytes(server, certs):
    """What a client says in a whole handshake and health check."""
    session = TlsClient(server.address, context(certs), handshake=False)
    said, send = [], session.sock.sendall

    class Recorder:  # the socket, with a memory
        def sendall(self, data):
            said.append(data)
            send(data)

        def __getattr__(self, name):
            return getattr(sock, name)

    sock, session.sock = session.sock, Recorder()
    session.handshake()
    session.write(header.health())
    assert session.read() == b""
    sock.close()
    return b"".join(said)


def limit_descriptors(pid, n):
    """Set the soft limit of a process that runs."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (n, hard))


# --- Costs ----------------------------------------------------------------------------------------


def test_waiting_costs_nothing(start_server, certs, destination):
    """Open handshakes, sessions without a header and idle tunnels: the loop sleeps."""
    server = start_server("--handshake-limit", "60s", "--header-limit", "60s")
    held = [socket.create_connection(server.address) for _ in range(20)]
    for each in held[:10]:
        each.sendall(CLIENT_HELLO_CUT)
    sessions = [TlsClient(server.address, context(certs, version=v)) for v in ("1.2", "1.3") * 5]
    for each in sessions[:5]:
        each.write(header.health()[:10])
    for each in sessions[5:]:
        each.write(header.destination(destination.address))
        destination.accept()
    harness.wait_for(lambda: _is_asleep(server.pid), what="the sleep of the server")
    woken, cpu = harness.wakeups(server.pid), harness.cpu_time(server.pid)
    time.sleep(1.0)  # the measurement itself
    assert harness.wakeups(server.pid) - woken <= 10
    assert harness.cpu_time(server.pid) - cpu <= 0.02
    for each in held + sessions:
        each.close()


def settled_fds(server):
    """Its descriptors once it has nothing left to do."""
    harness.wait_for(lambda: _is_asleep(server.pid), what="the sleep of the server")
    return harness.count_fds(server.pid)


def _is_asleep(pid):
    before = harness.wakeups(pid)
    time.sleep(0.05)
    return harness.wakeups(pid) - before <= 1


@pytest.mark.timeout(180)
def test_no_leak_over_1000_checks(start_server, certs):
    """After 200 checks of warming up, 1000 more leave the descriptors and, within 1 MiB, the memory as they were."""
    server = start_server()
    contexts = [context(certs, version=version) for version in ("1.2", "1.3")]

    def checks(n):
        for i in range(n):
            with TlsClient(server.address, contexts[i % 2]) as session:
                session.write(header.health())
                assert session.read() == b""
                session.shut()

    checks(200)
    fds, memory = settled_fds(server), harness.rss(server.pid)
    checks(1000)
    harness.wait_for(lambda: harness.count_fds(server.pid) == fds, what="the same number of descriptors")
    assert harness.SANITIZED or harness.rss(server.pid) - memory <= 1 << 20


def test_no_descriptors_left(start_server, certs):
    """Accepting pauses without a busy loop, says so, and goes on when descriptors are back."""
    server = start_server("--handshake-limit", "60s")
    check_health(server, certs)
    limit = settled_fds(server) + 10
    limit_descriptors(server.pid, limit)
    held = [socket.create_connection(server.address) for _ in range(40)]
    harness.wait_for(lambda: "Too many open files" in server.stderr, what="the line in the log")
    assert harness.count_fds(server.pid) >= limit - 1
    cpu = harness.cpu_time(server.pid)
    time.sleep(1.0)  # the measurement itself
    assert harness.cpu_time(server.pid) - cpu <= 0.1, "a busy loop over accept"
    assert server.stderr.count("Too many open files") < 20, "a line for every try"
    for each in held:
        each.close()
    check_health(server, certs)


def test_tcp_04_no_descriptor_for_the_destination(start_server, certs, echo):
    """The session that cannot be served ends cleanly, the server lives on."""
    server = start_server()
    check_health(server, certs)
    sessions = [TlsClient(server.address, context(certs)) for _ in range(3)]
    limit = settled_fds(server)
    limit_descriptors(server.pid, limit)
    for each in sessions:
        each.write(header.destination(echo.address))
    # The first gets no descriptor; what it frees may serve the next one.
    assert sessions[0].read() == b""
    for each in sessions:
        each.close()
    limit_descriptors(server.pid, limit + 100)
    check_health(server, certs)


def test_vanished_clients_leave_nothing(start_server, certs, destination):
    """Reset at each stage: before, in and after the header, and in a tunnel."""
    server = start_server()
    check_health(server, certs)
    before = settled_fds(server)
    for said in (b"", header.health()[:100], header.health(), header.destination(destination.address)):
        for version in ("1.2", "1.3"):
            session = TlsClient(server.address, context(certs, version=version))
            session.write(said)
            if said == header.destination(destination.address):
                end = destination.accept()
                session.reset()
                try:
                    assert end.recv(1) == b""
                except ConnectionResetError:
                    pass
            else:
                session.reset()
    harness.wait_for(lambda: harness.count_fds(server.pid) == before, what="the end of all sessions")
    check_health(server, certs)


def test_tls_09_end_without_close_notify(start_server, certs, destination):
    """A FIN without close_notify is a truncation, not an end: the destination must not take it for one."""
    server = start_server()
    with TlsClient(server.address, context(certs)) as session:
        session.write(header.destination(destination.address) + b"half a message")
        end = destination.accept()
        assert end.recv(100) == b"half a message"
        session.sock.shutdown(socket.SHUT_WR)
        try:
            session.read_to_end()
        except (Truncated, Reset):
            pass
    with pytest.raises(ConnectionResetError):
        assert end.recv(1) != b"", "a truncated stream ended with an orderly FIN"
