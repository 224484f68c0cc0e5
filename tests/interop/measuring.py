# SPDX-License-Identifier: MIT
"""What remeasure's probes stand on: their table, the facts that they are bound to, and what a probe is given."""

import collections
import contextlib
import ipaddress
import pathlib
import re
import socket
import threading

import harness
import header_model as header
from tls_client import Alert, Reset, TlsClient, Truncated, context

QUIET = 1.0  # [s] of silence that count as "stays open": what an agent does at all it does within milliseconds

Probe = collections.namedtuple("Probe", "section row what expected run needs")
PROBES = []


def probe(section, row, expected, *, what="", needs=(), versions=()):
    """Register a measurement. It is bound to the one row of that section of the facts whose first cell begins with
    row. expected is what it returned when the row was written: a string, or several that are all right (an agent
    depends on its host). With versions it is registered once for each, and called with (lab, version)."""
    expected = (expected,) if isinstance(expected, str) else tuple(expected)

    def register(function):
        for version in versions:
            name = f"{what}, TLS {version}" if what else f"TLS {version}"
            PROBES.append(Probe(section, row, name, expected, lambda lab, version=version: function(lab, version),
                                tuple(needs)))
        if not versions:
            PROBES.append(Probe(section, row, what, expected, function, tuple(needs)))
        return function

    return register


# --- The facts ------------------------------------------------------------------------------------


def read_facts(path):
    """Section number -> list of rows, each a list of cells in plain text."""
    rows, section = collections.defaultdict(list), None
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        if found := re.match(r"## (\d+)\. ", line):
            section = int(found[1])
        elif line.startswith("| ") and section:
            cells = [cell.strip().replace("**", "") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            if not set(cells[0]) <= set("- "):
                rows[section].append(cells)
    return rows


def find_row(facts, section, name):
    """The cells of the row. Raises LookupError when there is none, or more than one."""
    found = [cells for cells in facts.get(section, ()) if cells[0].startswith(name)]
    exact = [cells for cells in found if cells[0] == name]
    found = exact or found
    if len(found) != 1:
        raise LookupError(f'section {section} has {len(found)} rows that begin with "{name}"')
    return found[0]


# --- The agent and we -----------------------------------------------------------------------------


class Identity:
    """The files of a client of this agent: of `gdcerts new`, of the agent's zip, or of GoDoxy itself."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.ca, self.ca_key = folder / "ca.pem", folder / "ca.key"
        names = (("client.pem", "client.key"), ("cert.pem", "key.pem"))
        pairs = [(folder / certificate, folder / key) for certificate, key in names]
        pairs = [pair for pair in pairs if all(each.is_file() for each in pair)]
        if not pairs or not self.ca.is_file():
            raise FileNotFoundError(f"{folder} has no ca.pem with client.pem and client.key, or cert.pem and key.pem")
        self.client, self.client_key = pairs[0]


class Lab:
    """One agent, and all that a probe may need. Probes run side by side."""

    def __init__(self, address, identity, odd):
        self.address, self.certs = address, identity
        self._make_odd, self._odd, self._lock = odd, {}, threading.Lock()
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as towards:
            towards.connect(address)
            self.here = towards.getsockname()[0]  # where the agent finds a destination of ours
        self.is_local = ipaddress.ip_address(self.here.partition("%")[0]).is_loopback

    def odd(self, name):
        """An odd client certificate, as a pair of paths."""
        with self._lock:
            if name not in self._odd:
                self._odd[name] = self._make_odd(name)
            return self._odd[name]

    def tls(self, version=None, identity=None, alpn=("godoxy-agent-stream/1",), **options):
        return TlsClient(self.address, context(self.certs, identity=identity, version=version, alpn=alpn), **options)

    def destination(self):
        return harness.Destination(self.here)

    @contextlib.contextmanager
    def datagrams(self):
        """A UDP destination, played by the probe."""
        family = socket.AF_INET6 if ":" in self.here else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as bound:
            bound.bind((self.here, 0))
            bound.settimeout(QUIET)
            yield bound

    @contextlib.contextmanager
    def tunnel(self, version):
        """(client's end, destination's end), after a byte each way: before that an end may still fail the dial."""
        with self.destination() as destination, self.tls(version) as session:
            session.write(header.destination(destination.address) + b"?")
            end = destination.accept()
            end.sendall(end.recv(1))
            session.read_exactly(1)
            yield session, end


def end_of(session, limit=QUIET):
    """How a TLS session goes on: open, close (close_notify, then FIN), FIN, RST, alert N, or bytes."""
    try:
        data = session.read(limit=limit)
        if data:
            return f"{len(data)} bytes"
        session.expect_fin()
        return "close"
    except TimeoutError:
        return "open"
    except Alert as alert:
        return f"alert {alert.number}"
    except Truncated:
        return "FIN"
    except Reset:
        return "RST"
    except AssertionError:
        return "close_notify, no FIN"


def heard(sock, limit=QUIET):
    """What a socket of the destination's hears next: bytes, FIN, RST, nothing."""
    sock.settimeout(limit)
    try:
        data = sock.recv(65536)
    except TimeoutError:
        return "nothing"
    except ConnectionError:
        return "RST"
    return f"{len(data)} bytes" if data else "FIN"


def seconds(value):
    """For what is measured in whole seconds."""
    return f"{value:.0f} s"
