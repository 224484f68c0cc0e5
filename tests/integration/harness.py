# SPDX-License-Identifier: MIT
"""What integration and interop tests stand on: programs, a server, destinations, and waiting for events."""

import contextlib
import functools
import json
import os
import pathlib
import re
import select
import socket
import subprocess
import threading
import time

BINDIR = pathlib.Path(os.environ.get("GDS_BINDIR", pathlib.Path(__file__).parents[2] / "build"))
# Memory figures of an instrumented program say nothing about the real one.
SANITIZED = os.environ.get("GDS_SANITIZED", "0") == "1"
SANITIZER_REPORT = re.compile(r"(Address|Leak|Thread|Memory)Sanitizer|runtime error:")
LIMIT = 10.0  # [s] for anything that should happen at once


class Result:
    """How a program ended: rc, stdout, stderr."""

    def __init__(self, rc, stdout, stderr):
        self.rc, self.stdout, self.stderr = rc, stdout, stderr

    def __repr__(self):
        return f"rc={self.rc}\n--- stdout\n{self.stdout}--- stderr\n{self.stderr}"


def environment(**extra):
    """The environment of every program under test. None removes a variable."""
    env = dict(os.environ, GNUTLS_SYSTEM_PRIORITY_FILE="/dev/null", LC_ALL="C.UTF-8")
    for name in ("GDSTREAM_IDENTITY", "SSLKEYLOGFILE", "AGENT_CA_CERT", "AGENT_SSL_CERT", "JOURNAL_STREAM"):
        env.pop(name, None)
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=99")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1:exitcode=99")
    for name, value in extra.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = str(value)
    return env


def program(name):
    """The path of a built program; a test that needs one that is not there cannot pass."""
    path = BINDIR / name
    assert path.exists(), f"{path} is missing: build first, or set GDS_BINDIR"
    return str(path)


def assert_no_report(stderr):
    """No sanitizer had anything to say."""
    assert not SANITIZER_REPORT.search(stderr), stderr


@functools.cache
def _validator():
    import jsonschema  # pylint: disable=import-outside-toplevel  # not every user of this module has it
    schema = json.loads((pathlib.Path(__file__).parents[2] / "docs/gdprobe.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def assert_schema(stdout):
    """Each line is what the published schema of gdprobe's JSON says."""
    for line in stdout.splitlines():
        _validator().validate(json.loads(line))


def run(name, *args, timeout=60, stdin=None, env=None, cwd=None):
    """Run a built program to its end. \\return a Result, decoded. Fails on a sanitizer's report or a hang."""
    done = subprocess.run([program(name), *map(str, args)], input=stdin, capture_output=True, text=True,
                          errors="backslashreplace", timeout=timeout, env=env or environment(), cwd=cwd,
                          stdin=subprocess.DEVNULL if stdin is None else None, check=False)
    assert_no_report(done.stderr)
    if name == "gdprobe" and "--json" in args:
        assert_schema(done.stdout)
    return Result(done.returncode, done.stdout, done.stderr)


def wait_for(predicate, limit=LIMIT, what="the event"):
    """Poll until predicate() is true, and return its value. The limit is a guard, not a pace."""
    end = time.monotonic() + limit
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not happen within {limit} s"
        time.sleep(0.005)


def count_fds(pid):
    """Open descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def open_files(pid):
    """What the descriptors of a process are, as /proc has it: "socket:[4711]"."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        # It may be closed by now.
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def _status(pid, field):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise KeyError(field)


def rss(pid):
    """Resident memory of a process [bytes]."""
    return _status(pid, "VmRSS") * 1024


def wakeups(pid):
    """How often the threads of a process went to sleep and were woken."""
    return sum(_status(f"{pid}/task/{tid}", "voluntary_ctxt_switches") for tid in os.listdir(f"/proc/{pid}/task"))


def cpu_time(pid):
    """CPU seconds a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def parse_address(text):
    """ "127.0.0.1:80" or "[::1]:80" as an (ip, port) pair."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class Process:
    """A program that runs beside the test: its stderr is collected line by line, and it is always ended."""

    def __init__(self, argv, env=None, pass_fds=()):
        self.argv = argv
        self.lines = []
        self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, text=True, errors="backslashreplace",
                                      env=env or environment(), pass_fds=pass_fds)
        self.pid = self.popen.pid
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self):
        for line in self.popen.stderr:
            self.lines.append(line.rstrip("\n"))

    @property
    def stderr(self):
        return "\n".join(self.lines)

    def alive(self):
        return self.popen.poll() is None

    def wait(self, limit=LIMIT):
        """\\return the exit code, with all of stderr read."""
        try:
            code = self.popen.wait(limit)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.argv[0]} did not end within {limit} s\n{self.stderr}") from None
        self._reader.join(LIMIT)
        return code

    def kill(self):
        if self.alive():
            self.popen.kill()
        self.popen.wait()
        self._reader.join(LIMIT)


class Server(Process):
    """A running gdserver. Ports are the kernel's choice; the ready line says which."""

    def __init__(self, *options, listen="127.0.0.1:0", env=None):
        ready, theirs = os.pipe()
        try:
            super().__init__([program("gdserver"), "--listen", listen, "--ready-fd", str(theirs),
                              *map(str, options)], env=env, pass_fds=(theirs,))
        finally:
            os.close(theirs)
        with os.fdopen(ready) as pipe:
            self.ready = self._read_ready(pipe)
        self.host, self.port = parse_address(self.ready["tcp"])
        self.address = (self.host, self.port)
        self.udp_address = parse_address(self.ready["udp"])
        self.target = self.ready["tcp"]

    def _read_ready(self, pipe):
        # The pipe closes without a line when the server cannot start: no need to wait for the limit then.
        readable, _, _ = select.select([pipe], [], [], 3 * LIMIT)
        line = pipe.readline() if readable else ""
        if not line:
            self.kill()
            raise AssertionError(f"gdserver did not start\n{self.stderr}")
        return json.loads(line)

    def log_since(self, mark):
        return self.lines[mark:]

    def mark(self):
        """For log_since: where the log is now."""
        return len(self.lines)

    def stop(self, limit=LIMIT):
        """SIGTERM, and the exit code."""
        if self.alive():
            self.popen.terminate()
        return self.wait(limit)

    def assert_clean_end(self):
        """Still running until now, ends with 0 on SIGTERM, and no sanitizer complains."""
        assert self.alive(), f"gdserver ended by itself with {self.popen.returncode}\n{self.stderr}"
        code = self.stop()
        assert_no_report(self.stderr)
        assert code == 0, f"gdserver ended with {code}\n{self.stderr}"


class Destination:
    """A TCP listener whose connections the test plays itself."""

    def __init__(self, host="127.0.0.1", backlog=64):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, 0), family=family, backlog=backlog)
        self.address = self.listener.getsockname()[:2]
        self.connections = []

    def accept(self, limit=LIMIT):
        """The next connection, as a socket with a time limit."""
        self.listener.settimeout(limit)
        connection, _ = self.listener.accept()
        connection.settimeout(LIMIT)
        self.connections.append(connection)
        return connection

    def untouched(self):
        """Nobody has connected: nothing is waiting to be accepted either."""
        return not self.connections and not select.select([self.listener], [], [], 0)[0]

    def close(self):
        for connection in self.connections:
            connection.close()
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Echo:
    """A TCP and UDP echo on one port number, in threads: half-close and boundaries are kept."""

    def __init__(self, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.tcp, self.udp = self._pair(host, family)
        self.address = self.tcp.getsockname()[:2]
        self.connections = 0
        self.datagrams = 0
        for target in (self._serve_tcp, self._serve_udp):
            threading.Thread(target=target, daemon=True).start()

    @staticmethod
    def _pair(host, family):
        for _ in range(16):
            tcp = socket.create_server((host, 0), family=family, backlog=128)
            udp = socket.socket(family, socket.SOCK_DGRAM)
            try:
                udp.bind((host, tcp.getsockname()[1]))
                return tcp, udp
            except OSError:
                tcp.close()
                udp.close()
        raise AssertionError("no port that is free for TCP and UDP")

    def _serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.tcp.accept()
                self.connections += 1
                threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    @staticmethod
    def _echo(connection):
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(65536):
                connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

    def _serve_udp(self):
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.udp.recvfrom(65536)
                if peer is None:  # shut down by close
                    return
                self.datagrams += 1
                self.udp.sendto(data, peer)

    def close(self):
        # shutdown wakes the threads that a close alone would leave blocked.
        for each in (self.tcp, self.udp):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def listening_pair():
    """A TCP listener and a UDP socket on one port number of 127.0.0.1, as an agent has them."""
    while True:
        listener = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(listener.getsockname())
            return listener, udp
        except OSError:
            listener.close()
            udp.close()


def closed_port(host="127.0.0.1"):
    """An address that refuses: bound once, then given back."""
    with Destination(host) as destination:
        return destination.address


def in_parallel(*calls):
    """Run calls in threads, and return their results in order; the first exception is raised."""
    results, errors = [None] * len(calls), []

    def work(i, call):
        try:
            results[i] = call()
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i, call)) for i, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
