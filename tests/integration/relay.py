# SPDX-License-Identifier: MIT
"""Bad networks: tests/tools/gdrelay with a seed, and a relay whose every datagram the test sees."""

import contextlib
import json
import signal
import socket
import subprocess
import threading

import harness


class Relay:
    """A running gdrelay before a target, "IP:PORT"."""

    def __init__(self, target, folder, *options, seed=0):
        ready = folder / f"relay-{seed}-{id(self)}"
        self.popen = subprocess.Popen(
            [harness.program("tests/tools/gdrelay"), "--to", target, "--seed", str(seed), "--ready-file", ready,
             *map(str, options)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=harness.environment())
        try:
            harness.wait_for(lambda: ready.exists() or self.popen.poll() is not None, what="gdrelay's ready file")
            self.target = json.loads(ready.read_text())["address"]
        except BaseException:
            self.popen.kill()
            raise

    def stop(self):
        """\\return what it did, as gdrelay reports it."""
        self.popen.send_signal(signal.SIGTERM)
        stdout, stderr = self.popen.communicate(timeout=harness.LIMIT)
        harness.assert_no_report(stderr)
        assert self.popen.returncode == 0, stderr
        return json.loads(stdout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.communicate()


class Watched:
    """A relay for one server that calls on_pass(n) before the n-th datagram, or read of a stream, is passed on."""

    def __init__(self, server, on_pass):
        self.server, self.on_pass = server, on_pass
        self.passed = 0
        self.lock = threading.Lock()
        self.sockets = []
        while True:
            self.tcp = socket.create_server(("127.0.0.1", 0))
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.udp.bind(self.tcp.getsockname())
                break
            except OSError:
                self.tcp.close()
                self.udp.close()
        self.target = f"127.0.0.1:{self.tcp.getsockname()[1]}"
        for run in (self._accept, self._datagrams):
            threading.Thread(target=run, daemon=True).start()

    def _pass(self):
        with self.lock:
            self.passed += 1
            self.on_pass(self.passed)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.tcp.accept()
                upstream = socket.create_connection(self.server.address)
                for each in (client, upstream):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.sockets.append(each)
                for pair in ((client, upstream), (upstream, client)):
                    threading.Thread(target=self._stream, args=pair, daemon=True).start()

    def _stream(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._pass()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _datagrams(self):
        routes = {}
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.udp.recvfrom(65536)
                if peer is None:  # shut down by close
                    return
                if peer not in routes:
                    routes[peer] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    routes[peer].connect(self.server.udp_address)
                    self.sockets.append(routes[peer])
                    threading.Thread(target=self._answers, args=(routes[peer], peer), daemon=True).start()
                self._pass()
                routes[peer].send(data)

    def _answers(self, route, peer):
        with contextlib.suppress(OSError):
            while data := route.recv(65536):
                self._pass()
                self.udp.sendto(data, peer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in (self.tcp, self.udp, *self.sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
