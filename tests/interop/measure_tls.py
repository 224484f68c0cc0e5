# SPDX-License-Identifier: MIT
"""Section 4 of docs/godoxy-facts.md: the TLS handshake, ALPN, and plain text."""

import socket
import ssl

import header_model as header
from measuring import QUIET, end_of, probe
from tls_client import HTTP, STREAM, Alert, Reset, TlsClient, Truncated, context

BOTH = ("1.2", "1.3")
HEALTHY = "close"


def handshake(lab, version, tune=None, name="godoxy.agent", **options):
    """A session, or how its handshake ended, as text. tune(context) changes what is offered."""
    ctx = context(lab.certs, version=version, **options)
    ctx.check_hostname = False
    if tune:
        tune(ctx)
    session = TlsClient(lab.address, ctx, handshake=False)
    if name != "godoxy.agent":
        session.tls = ctx.wrap_bio(session._in, session._out, server_hostname=name)  # pylint: disable=protected-access
    try:
        session.handshake()
        return session
    except Alert as alert:
        end = f"alert {alert.number}"
    except (Truncated, Reset) as ended:
        end = type(ended).__name__
    except ssl.SSLError as error:
        end = str(error.reason)
    session.close()
    return end


def judged(lab, version, **options):
    """How a health check ends: "close" is an agent that was content."""
    session = handshake(lab, version, **options)
    if isinstance(session, str):
        return session
    with session:
        session.write(header.health())
        return end_of(session)


def chosen(lab, version, alpn):
    session = handshake(lab, version, alpn=alpn)
    if isinstance(session, str):
        return session
    with session:
        return session.tls.selected_alpn_protocol() or "none"


# --- Certificates of the client -------------------------------------------------------------------

for _version, _alert in (("1.2", 40), ("1.3", 116)):
    probe(4, "no client cert", f"alert {_alert}", what=f"TLS {_version}")(
        lambda lab, version=_version: judged(lab, version, identity=False))

# name -> (row, alert or "close")
IDENTITIES = {
    "other-ca": ("cert of another CA, forced", "alert 48"),
    "same-name-ca": ("cert of another CA, forced", "alert 48"),
    "expired": ("expired or not yet valid", "alert 45"),
    "not-yet-valid": ("expired or not yet valid", "alert 45"),
    "server-auth-only": ("EKU serverAuth only", "alert 42"),
    "no-eku": ("no EKU extension", HEALTHY),
    "no-san": ("no SAN; RSA-2048", HEALTHY),
    "rsa": ("no SAN; RSA-2048", HEALTHY),
    "ed25519": ("no SAN; RSA-2048", HEALTHY),
    "p384": ("no SAN; RSA-2048", HEALTHY),
}
for _name, (_row, _expected) in IDENTITIES.items():
    probe(4, _row, _expected, what=_name, needs=["odd"], versions=BOTH)(
        lambda lab, version, name=_name: judged(lab, version, identity=lab.odd(name)))


# --- Versions, ciphers, groups --------------------------------------------------------------------


def _cipher(lab, version):
    session = handshake(lab, version)
    if isinstance(session, str):
        return session
    with session:
        return session.tls.cipher()[0]


probe(4, "good", "TLS_AES_128_GCM_SHA256", what="TLS 1.3")(lambda lab: _cipher(lab, "1.3"))
probe(4, "good", "ECDHE-ECDSA-AES128-GCM-SHA256", what="TLS 1.2")(lambda lab: _cipher(lab, "1.2"))

for _version in ("1.0", "1.1"):
    probe(4, "TLS 1.1 / 1.0", "alert 70", what=f"TLS {_version}")(lambda lab, version=_version: judged(lab, version))

ACCEPTED = ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305", "AES128-SHA", "AES256-SHA")
REFUSED = ("ECDHE-ECDSA-AES128-CCM", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256")
for _suite, _row, _expected in (
        *((f"ECDHE-ECDSA-{suite}", "ciphers accepted", HEALTHY) for suite in ACCEPTED),
        *((suite, "ciphers refused", "alert 40") for suite in REFUSED)):
    probe(4, _row, _expected, what=f"TLS 1.2 {_suite}")(
        lambda lab, suite=_suite: judged(lab, "1.2", tune=lambda ctx: ctx.set_ciphers(suite)))

for _group in ("prime256v1", "secp384r1", "secp521r1", "X25519", "X448"):
    # In TLS 1.2 OpenSSL's own client turns down a P-256 certificate when it offers another group alone.
    probe(4, "groups", "alert 40" if _group == "X448" else HEALTHY, what=_group)(
        lambda lab, group=_group: judged(lab, "1.3", tune=lambda ctx: ctx.set_ecdh_curve(group)))


@probe(4, "session tickets", "a ticket for 604800 s", what="TLS 1.3")
def _ticket(lab):
    with lab.tls("1.3") as session:
        session.write(header.health())
        end_of(session)
        found = session.tls.session
        return f"{'a' if found.has_ticket else 'no'} ticket for {found.ticket_lifetime_hint} s"


@probe(4, "resumption", "resumed", versions=BOTH)
def _resumption(lab, version):
    ctx = context(lab.certs, version=version)
    with TlsClient(lab.address, ctx) as first:
        first.write(header.health())
        end_of(first)
        ticket = first.tls.session
    with TlsClient(lab.address, ctx, handshake=False) as second:
        # pylint: disable=protected-access
        second.tls = ctx.wrap_bio(second._in, second._out, server_hostname="godoxy.agent", session=ticket)
        second.handshake()
        return "resumed" if second.tls.session_reused else "a full handshake"


# --- Names and protocols --------------------------------------------------------------------------

probe(4, "no SNI; wrong SNI", HEALTHY, what="none", versions=BOTH)(
    lambda lab, version: judged(lab, version, name=None))
probe(4, "no SNI; wrong SNI", HEALTHY, what="wrong", versions=BOTH)(
    lambda lab, version: judged(lab, version, name="other.example"))


@probe(4, "no ALPN offered", "none; a stream header: open", versions=BOTH)
def _no_alpn(lab, version):
    with lab.tls(version, alpn=()) as session:
        session.write(header.health())
        return f"{session.tls.selected_alpn_protocol() or 'none'}; a stream header: {end_of(session)}"


for _alpn in ("foo/1", "h2", STREAM.upper()):
    probe(4, "only unknown ALPN", "alert 120", what=_alpn, versions=BOTH)(
        lambda lab, version, alpn=_alpn: chosen(lab, version, [alpn]))
for _alpn in ((STREAM, HTTP), (HTTP, STREAM)):
    probe(4, "stream + http/1.1, either order", HTTP, what=f"{_alpn[0]} first", versions=BOTH)(
        lambda lab, version, alpn=_alpn: chosen(lab, version, alpn))
probe(4, "foo + stream", STREAM, versions=BOTH)(lambda lab, version: chosen(lab, version, ["foo/1", STREAM]))


# --- Plain text -----------------------------------------------------------------------------------


def plain(lab, text):
    with socket.create_connection(lab.address, timeout=QUIET) as sock:
        sock.sendall(text)
        data = b""
        try:
            while piece := sock.recv(4096):
                data += piece
        except TimeoutError:
            return f"{data!r}, then open"
        except ConnectionError:
            return f"{data!r}, then RST"
        status, _, rest = data.decode(errors="replace").partition("\r\n")
        return f"{status}: {rest.strip().rpartition(chr(10))[2]}, then FIN" if data else "FIN"


probe(4, "plaintext HTTP to the port",
      "HTTP/1.0 400 Bad Request: Client sent an HTTP request to an HTTPS server., then FIN")(
    lambda lab: plain(lab, b"GET / HTTP/1.1\r\nHost: agent\r\n\r\n"))
probe(4, "plaintext garbage", "FIN", what="garbage")(lambda lab: plain(lab, b"\0\1garbage, garbage\r\n\r\n"))
probe(4, "plaintext garbage", "FIN", what="a stream header")(lambda lab: plain(lab, header.health()))
