# SPDX-License-Identifier: MIT
"""Programs in a bad environment: lossy networks, stepped clocks, no descriptors, a firewall of one's own."""

import concurrent.futures
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import time

import pytest

import harness
from namespaces import Namespace, made_for
from relay import Relay, Watched

HOUR = 3600
DAY = 24 * HOUR
FACES = ("https", "tcp", "udp")


def client(certs):
    return ("--ca", certs.ca, "--cert", certs.client, "--key", certs.client_key)


def judged(*args, env=None, wrapper=()):
    """gdprobe --json: (its object, or None when it could not judge; exit code; stderr; seconds)."""
    start = time.monotonic()
    done = subprocess.run([*map(str, wrapper), harness.program("gdprobe"), "--json", *map(str, args)],
                          capture_output=True, text=True, timeout=60, env=env or harness.environment(), check=False,
                          stdin=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    harness.assert_no_report(done.stderr)
    root = json.loads(done.stdout) if done.stdout else None
    assert root is None or root["exit"] == done.returncode, done
    return root, done.returncode, done.stderr, seconds


def causes(root):
    return {name: face["cause"] and face["cause"]["id"] for name, face in root["faces"].items()}


def assert_well(root):
    assert root and not any(causes(root).values()), root


# --- Networks ---------------------------------------------------------------------------------------


def test_udp_20_percent_loss(server, certs, tmp_path):
    """99 of 100 within gdprobe's own 5 s, at 20 % loss each way: each has a relay and a seed of its own."""
    def one(seed):
        with Relay(server.target, tmp_path, "--udp-loss", "0.2", seed=seed) as relay:
            root, code, _, seconds = judged("--udp", *client(certs), relay.target)
            stats = relay.stop()
        return seed, code, seconds, causes(root)["udp"], stats

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        results = list(pool.map(one, range(100)))
    failed = [result for result in results if result[1] != 0]
    spans = sorted(result[2] for result in results)
    sent = sum(sum(stats["datagrams"]) for *_, stats in results)
    lost = sum(sum(stats["lost"]) for *_, stats in results)
    print(f"{100 - len(failed)} of 100 healthy; median {spans[50]:.2f} s, longest {spans[-1]:.2f} s; "
          f"{lost} of {sent} datagrams lost")
    assert len(failed) <= 1, failed
    assert 0.17 < lost / sent < 0.23


@pytest.mark.parametrize("options", [
    pytest.param(("--udp-reorder", "0.5", "--udp-held", "30ms"), id="reorder"),
    pytest.param(("--udp-duplicate", "1", "--udp-held", "1ms"), id="duplicate at once"),
    pytest.param(("--udp-duplicate", "1", "--udp-held", "150ms"), id="duplicate late"),
    pytest.param(("--udp-delay", "100ms"), id="delay"),
    pytest.param(("--udp-delay", "100ms", "--udp-jitter", "50ms"), id="jitter"),
    pytest.param(("--udp-duplicate", "0.5", "--udp-reorder", "0.5", "--udp-delay", "20ms", "--udp-jitter", "40ms"),
                 id="all of them"),
])
def test_udp_disorder_is_harmless(server, certs, tmp_path, options):
    mark = server.mark()
    # Where payload may overtake the header, a tunnel may be refused (UDP-21): only the health check is safe.
    tunnel = () if "--udp-jitter" in options or "--udp-reorder" in options else ("--loopback",)

    def one(seed):
        with Relay(server.target, tmp_path, *options, seed=seed) as relay:
            return judged("--udp", *tunnel, *client(certs), relay.target)[0]

    for root in harness.in_parallel(*[lambda seed=seed: one(seed) for seed in range(12)]):
        assert_well(root)
    assert not [line for line in server.log_since(mark) if "level=error" in line], server.stderr


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("options", [
    pytest.param(("--tcp-split", "1", "--tcp-gap", "50us"), id="single bytes"),
    pytest.param(("--tcp-split", "700", "--tcp-delay", "60ms"), id="delay"),
])
def test_tcp_split_and_delay_are_harmless(server, certs, tmp_path, version, options):
    """TCP-01, TLS-10: every boundary is one between two reads, in server and probe alike."""
    with Relay(server.target, tmp_path, *options) as relay:
        root, *_ = judged("--tcp", "--http", "--tls", version, *client(certs), relay.target)
        assert_well(root)
        stats = relay.stop()
    if "1" in options:
        assert stats["pieces"] == stats["bytes"] and min(stats["bytes"]) > 1500, stats


def test_tcp_echo_in_small_pieces(server, certs, tmp_path):
    with Relay(server.target, tmp_path, "--tcp-split", "3") as relay:
        root, *_ = judged("--tcp", "--loopback", *client(certs), relay.target)
        assert_well(root)
        assert root["faces"]["tcp-tunnel"]["state"] == "ok"


@pytest.mark.parametrize("args, words", [
    ((), "target"),
    (("--udp-loss", "0.2"), "target"),
    (("--to", "127.0.0.1"), "port"),
    (("--to", "127.0.0.1:0"), "target"),
    (("--to", "localhost:1"), "IP"),
    (("--to", "127.0.0.1:1", "--udp-loss", "1.1"), "chance"),
    (("--to", "127.0.0.1:1", "--udp-loss", ""), "chance"),
    (("--to", "127.0.0.1:1", "--udp-loss", "20%"), "chance"),
    (("--to", "127.0.0.1:1", "--tcp-split", "0"), "tcp-split"),
    (("--to", "127.0.0.1:1", "--seed", "-1"), "seed"),
    (("--to", "127.0.0.1:1", "more"), "options"),
])
def test_relay_usage(args, words):
    """A relay without a target is no relay."""
    result = harness.run("tests/tools/gdrelay", *args, timeout=10)
    assert result.rc == 3 and result.stdout == "", result
    assert result.stderr.count("\n") == 1 and words in result.stderr, result


# --- Clocks -----------------------------------------------------------------------------------------


def _libfaketime():
    for path in sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime*.so.1"), reverse=True):
        if "MT" in path.name:
            return str(path)
    return None


FAKETIME = _libfaketime()
needs_faketime = pytest.mark.skipif(
    not FAKETIME or harness.SANITIZED,
    reason="needs libfaketime (Debian: faketime), and a program without sanitizers to preload it into")


class Clock:
    """The wall clock of a program, read anew at each look. Its monotonic clock goes on as it was."""

    def __init__(self, path):
        self.path = path
        self.step(0)

    def step(self, seconds):
        new = self.path.with_suffix(".new")
        new.write_text(f"{seconds:+d}")
        new.rename(self.path)

    def environment(self):
        return harness.environment(LD_PRELOAD=FAKETIME, FAKETIME_TIMESTAMP_FILE=self.path, FAKETIME_NO_CACHE="1",
                                   FAKETIME_DONT_FAKE_MONOTONIC="1", FAKETIME_DONT_RESET="1")


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path / "clock")


@pytest.fixture(scope="module")
def short_certs(tmp_path_factory):
    """Valid from three days ago for six: a clock wrong by a week finds them out of date."""
    folder = tmp_path_factory.mktemp("short")
    clock = Clock(folder / "clock")
    clock.step(-3 * DAY)
    result = harness.run("gdcerts", "new", "--days", "6", folder / "new", env=clock.environment())
    assert result.rc == 0, result
    return folder / "new"


def server_of(folder):
    return ("--ca", folder / "ca.pem", "--cert", folder / "server.pem", "--key", folder / "server.key")


@needs_faketime
def test_the_clock_can_be_stepped(clock):
    """The tests below would prove nothing if this did not work."""
    for seconds in (0, HOUR, -HOUR):
        clock.step(seconds)
        shown = subprocess.run(["date", "+%s"], capture_output=True, text=True, env=clock.environment(), check=True)
        assert abs(int(shown.stdout) - time.time() - seconds) < 5


@needs_faketime
@pytest.mark.parametrize("whose", ["probe", "server"])
@pytest.mark.parametrize("face", ["--udp", "--tcp"])
def test_clock_steps_during_a_handshake(start_server, short_certs, clock, whose, face):
    """An hour forth or back, before each datagram (or read) of a handshake: no timer, and no verdict, hangs on it."""
    server = start_server(identity=server_of(short_certs), env=clock.environment() if whose == "server" else None)
    env = clock.environment() if whose == "probe" else None
    steps = (1, 2, 3, 5, 8, 11) if face == "--udp" else (1, 2, 3, 4)

    for step in steps:
        for seconds in (HOUR, -HOUR):
            clock.step(0)

            def on_pass(n, step=step, seconds=seconds):
                if n == step:
                    clock.step(seconds)

            with Watched(server, on_pass) as relay:
                root, *_, span = judged(face, "-i", short_certs / "client.zip", relay.target, env=env)
                assert relay.passed >= step
            assert_well(root)
            assert span < 4, (step, seconds)


@needs_faketime
def test_clock_steps_under_an_idle_server(start_server, short_certs, clock):
    """Its limits (10 s for a header) count on another clock: a session that waits is not ended by a step."""
    server = start_server(identity=server_of(short_certs), env=clock.environment())
    with socket.create_connection(server.address) as idle:
        idle.setblocking(False)
        for seconds in (24 * HOUR, -24 * HOUR, 0):
            clock.step(seconds)
            assert_well(judged("-i", short_certs / "client.zip", server.target)[0])
            with pytest.raises(BlockingIOError):
                idle.recv(1)


@needs_faketime
@pytest.mark.parametrize("seconds", [7 * DAY, -7 * DAY])
def test_wrong_clock_of_the_agent(start_server, short_certs, clock, seconds):
    """Our certificate is in date by our clock, and the agent says it is not: its clock is the cause."""
    clock.step(seconds)
    server = start_server(identity=server_of(short_certs), env=clock.environment())
    root, code, *_ = judged("-i", short_certs / "client.zip", server.target)
    assert code == 2
    assert causes(root) == dict.fromkeys(FACES, "clocks-apart"), root


@needs_faketime
@pytest.mark.parametrize("seconds, cause", [(7 * DAY, "expired"), (-7 * DAY, "not-yet-valid")])
def test_wrong_clock_of_the_probe(start_server, short_certs, clock, seconds, cause):
    server = start_server(identity=server_of(short_certs))
    clock.step(seconds)
    root, code, *_ = judged("-i", short_certs / "client.zip", server.target, env=clock.environment())
    assert code == 2
    assert causes(root) == dict.fromkeys(FACES, f"server-cert-{cause}"), root


@needs_faketime
@pytest.mark.parametrize("seconds", [2 * DAY, -2 * DAY])
def test_clocks_apart_is_a_warning(start_server, certs, clock, seconds):
    """As long as the certificates are in date by both."""
    ahead, behind = (clock.environment(), None) if seconds > 0 else (None, clock.environment())
    clock.step(abs(seconds))  # never before the certificates, which begin today
    server = start_server(env=ahead)
    env = behind
    root, code, *_ = judged(*client(certs), server.target, env=env)
    assert code == 1, root
    assert root["certificates"]["cause"]["id"] == "clocks-apart", root["certificates"]


# --- Descriptors ------------------------------------------------------------------------------------


def limited(descriptors):
    return ("sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh")


def test_probe_without_descriptors(server, certs):
    """EMFILE at every place in turn: said as such, never a hang, a crash or another's fault."""
    seen = set()
    for descriptors in range(4, 40):
        root, code, stderr, seconds = judged(*client(certs), server.target, wrapper=limited(descriptors))
        assert seconds < 6
        if root is None:
            assert code == 3 and stderr.count("\n") == 1, (descriptors, stderr)
            seen.add("unjudged")
            continue
        found = set(causes(root).values())
        assert found <= {None, "descriptors"}, (descriptors, root)
        seen |= found
        if code == 0:
            break
    assert seen == {"unjudged", "descriptors", None}


def test_server_without_descriptors(start_server, certs):
    """EMFILE on accept: no busy loop, no end; those that wait are served when there is room again."""
    server = start_server()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (40, 40))
    crowd = [socket.create_connection(server.address) for _ in range(60)]
    harness.wait_for(lambda: harness.count_fds(server.pid) >= 39, what="exhaustion")
    before, start = harness.cpu_time(server.pid), time.monotonic()
    root, *_ = judged("--udp", *client(certs), server.target)
    assert_well(root)  # a health check over UDP needs no descriptor
    root, code, *_ = judged("--tcp", "--timeout", "1", *client(certs), server.target)
    assert code == 2 and causes(root)["tcp"] in ("peer-silent", "closed-by-peer", "tcp-reset"), root
    assert harness.cpu_time(server.pid) - before < 0.2 * (time.monotonic() - start) + 0.1
    for each in crowd:
        each.close()
    harness.wait_for(lambda: judged(*client(certs), server.target)[1] == 0, what="service again")


# --- Interrupted calls -------------------------------------------------------------------------------


def test_interrupted_calls(server, certs):
    """EINTR: whoever is stopped and continued while it waits goes on waiting (signal(7))."""
    argv = [harness.program("gdprobe"), "--json", "--loopback", *map(str, client(certs)), server.target]
    probes = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                               text=True, env=harness.environment()) for _ in range(6)]
    rounds = 0
    while any(each.poll() is None for each in probes):
        rounds += 1
        for pid in (server.pid, *(each.pid for each in probes if each.returncode is None)):
            os.kill(pid, signal.SIGSTOP)
            os.kill(pid, signal.SIGCONT)
    assert rounds > 20
    for each in probes:
        assert_well(json.loads(each.communicate()[0]))


# --- A firewall of our own --------------------------------------------------------------------------


class Firewalled(Namespace):
    """Its output is filtered."""

    hook = "output"

    def probe(self, *rule):
        self.rule(*rule)
        return judged(*client(self.certs), "--timeout", "2", "127.0.0.1:8890",
                      wrapper=("ip", "netns", "exec", self.name))


@pytest.fixture(scope="module")
def firewalled(certs):
    yield from made_for(Firewalled, certs)


def test_local_firewall_udp(firewalled):
    """A drop on the way out is EPERM for whoever sends a datagram (docs/godoxy-facts.md)."""
    root, *_, seconds = firewalled.probe("udp", "dport", "8890", "drop")
    assert causes(root) == {"https": None, "tcp": None, "udp": "local-firewall"}, root
    assert seconds < 2


def test_local_firewall_of_the_server(firewalled):
    """The server's answers are refused: it lives on, and the probe sees silence."""
    root, *_ = firewalled.probe("udp", "sport", "8890", "drop")
    assert causes(root)["udp"] == "udp-filtered", root
    assert firewalled.server.poll() is None
    root, *_ = firewalled.probe()
    assert_well(root)
