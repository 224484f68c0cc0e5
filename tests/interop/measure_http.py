# SPDX-License-Identifier: MIT
"""Section 7 of docs/godoxy-facts.md: the HTTPS API, as far as it needs no Docker."""

import base64
import json

import harness
from measuring import probe
from tls_client import HTTP, Reset, Truncated

BASE = "/godoxy/agent"
GONE = "does-not-exist.invalid"  # RFC 6761: never resolves


def request(lab, path, method="GET", headers=()):
    """\\return (status, headers in lower case, body)."""
    lines = [f"{method} {path} HTTP/1.1", "Host: agent", "Connection: close", *headers]
    with lab.tls(alpn=(HTTP,)) as session:
        session.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        data = bytearray()
        try:
            while piece := session.read():
                data += piece
        except (Truncated, Reset):
            pass
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    status, *rest = head.decode().split("\r\n")
    fields = dict((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in rest))
    if fields.get("transfer-encoding") == "chunked":
        size, _, body = body.partition(b"\r\n")
        body = body[:int(size, 16)]
    return int(status.split()[1]), fields, body.decode(errors="replace")


def answer(lab, path, **options):
    """Status and text, in a line."""
    status, _, body = request(lab, path, **options)
    return f"{status} {body.strip()}".strip()


# --- /info and what is not there ------------------------------------------------------------------

for _method in ("GET", "POST"):
    @probe(7, "/info (GET/HEAD/POST", "200 application/json name runtime version", what=_method)
    def _info(lab, method=_method):
        status, fields, body = request(lab, f"{BASE}/info?x=1", method)
        return f"{status} {fields.get('content-type')} {' '.join(sorted(json.loads(body)))}"


@probe(7, "/info (GET/HEAD/POST", "200 application/json, no body", what="HEAD")
def _head(lab):
    status, fields, body = request(lab, f"{BASE}/info", "HEAD")
    return f"{status} {fields.get('content-type')}, {'a' if body else 'no'} body"


@probe(7, "//info", f"307 {BASE}/info")
def _double_slash(lab):
    status, fields, _ = request(lab, f"{BASE}//info")
    return f"{status} {fields.get('location')}"


# --- /health --------------------------------------------------------------------------------------


def health(lab, query):
    """Status, and healthy and detail or the text."""
    status, fields, body = request(lab, f"{BASE}/health?{query}")
    if not fields.get("content-type", "").startswith("application/json"):
        return f"{status} {body.strip()}"
    found = json.loads(body)
    return f"{status} {'healthy' if found['healthy'] else 'not healthy'} {found['detail']}".strip()


for _row, _query, _expected in (
        ("/health without scheme", "", "400 missing scheme"),
        ("/health without scheme", "scheme=", "400 missing scheme"),
        ("unknown scheme", "scheme=ftp&host=127.0.0.1&port=1", "200 not healthy"),
        *(("http/https/h2c/tcp/udp without host", f"scheme={scheme}", "400 missing host")
          for scheme in ("http", "https", "h2c", "tcp", "udp")),
        ("fileserver without path", "scheme=fileserver", "400 missing path"),
        ("tcp without port", "scheme=tcp&host=127.0.0.1", "200 not healthy no port specified"),
        ("host with port AND port=", "scheme=tcp&host=127.0.0.1:1&port=1",
         "400 port and host with port cannot both be provided"),
        ("host with port AND port=", "scheme=tcp&host=::1&port=80",
         "400 port and host with port cannot both be provided"),
        ("tcp unresolvable", "scheme=tcp6&host=127.0.0.1&port=1",
         "502 dial tcp6: address 127.0.0.1: no suitable address found"),
        ("fileserver existing path", "scheme=fileserver&path=/", "200 healthy"),
        ("fileserver missing path", "scheme=fileserver&path=/nope",
         "200 not healthy stat /nope: no such file or directory")):
    probe(7, _row, _expected, what=_query)(lambda lab, query=_query: health(lab, query))


for _scheme in ("tcp", "udp"):
    @probe(7, f"{_scheme} unresolvable", "502 no such host", what=_scheme)
    def _unresolvable(lab, scheme=_scheme):
        said = health(lab, f"scheme={scheme}&host={GONE}&port=80")
        return "502 no such host" if said.startswith("502 ") and said.endswith("no such host") else said


@probe(7, "tcp/tcp4 open", "200 healthy", needs=["ipv4"])
def _tcp_open(lab):
    with lab.destination() as destination:
        host, port = destination.address
        said = {health(lab, f"scheme={scheme}&host={host}&port={port}") for scheme in ("tcp", "tcp4")}
        return " / ".join(sorted(said))


@probe(7, "tcp refused", "200 not healthy dial tcp: connect: connection refused", needs=["ipv4"])
def _tcp_refused(lab):
    host, port = harness.closed_port(lab.here)
    return health(lab, f"scheme=tcp&host={host}&port={port}").replace(f" {host}:{port}", "")


@probe(7, "http refused", "200 not healthy dial tcp4: connect: connection refused", needs=["ipv4"])
def _http_refused(lab):
    host, port = harness.closed_port(lab.here)
    return health(lab, f"scheme=http&host={host}:{port}").replace(f" {host}:{port}", "")


@probe(7, "http/https/h2c with port=", "200 not healthy dial tcp4 127.77.0.7:80: connect: connection refused",
       needs=["loopback"])
def _http_port(lab):
    return health(lab, "scheme=http&host=127.77.0.7&port=1")


@probe(7, "host=[::1]:1", "200 not healthy, refused")
def _bracketed(lab):
    said = health(lab, "scheme=tcp&host=[::1]:1")
    return said.replace(" dial tcp [::1]:1: connect: connection refused", ", refused")


@probe(7, "udp, any resolvable", "200 healthy, no datagram", needs=["ipv4"])
def _udp(lab):
    with lab.datagrams() as destination:
        host, port = destination.getsockname()[:2]
        said = health(lab, f"scheme=udp&host={host}&port={port}")
        try:
            destination.recv(100)
        except TimeoutError:
            return f"{said}, no datagram"
        return f"{said}, a datagram"


@probe(7, "400/502 errors", "text/plain; charset=utf-8, nosniff, newline")
def _errors(lab):
    _, fields, body = request(lab, f"{BASE}/health")
    last = "newline" if body.endswith("\n") else body
    return f"{fields.get('content-type')}, {fields.get('x-content-type-options')}, {last}"


@probe(7, "/system_info GET", "200 application/json; charset=utf-8: "
                              "cpu_average disks disks_io memory network sensors timestamp")
def _system_info(lab):
    status, fields, body = request(lab, f"{BASE}/system_info")
    return f"{status} {fields.get('content-type')}: {' '.join(sorted(json.loads(body)))}"


# --- /proxy/http/ ---------------------------------------------------------------------------------

EMPTY = base64.b64encode(b"{}").decode()


def proxied(lab, *headers):
    return answer(lab, f"{BASE}/proxy/http/x", headers=headers)


probe(7, "scheme without config", "400 failed to parse agent proxy config: jsontext: unexpected EOF")(
    lambda lab: proxied(lab, "X-Proxy-Scheme: http", "X-Proxy-Host: 127.0.0.1:1"))
probe(7, "scheme ftp", "400 failed to parse agent proxy config: invalid proxy scheme")(
    lambda lab: proxied(lab, "X-Proxy-Scheme: ftp", "X-Proxy-Host: 127.0.0.1:1", f"X-Proxy-Config: {EMPTY}"))
probe(7, "no host (modern)", "400 failed to parse agent proxy config: missing proxy host")(
    lambda lab: proxied(lab, "X-Proxy-Scheme: http", f"X-Proxy-Config: {EMPTY}"))
probe(7, "no headers at all", "502 Origin server is not reachable.")(proxied)
probe(7, "target refused", "502 Origin server is not reachable.")(
    lambda lab: proxied(lab, "X-Proxy-Scheme: http", "X-Proxy-Host: 127.0.0.1:1", f"X-Proxy-Config: {EMPTY}"))


for _path, _headers in (("", ()), ("x", ("Accept: text/html",))):
    @probe(7, "target unreachable, asked for by a browser", "502 text/html; charset=utf-8", what=f"/{_path}")
    def _page(lab, path=_path, headers=_headers):
        status, fields, body = request(lab, f"{BASE}/proxy/http/{path}", headers=headers)
        said = "" if "Origin server is not reachable." in body else f": {body}"
        return f"{status} {fields.get('content-type')}{said}"
