# SPDX-License-Identifier: MIT
"""A client that presents any certificate, over TLS or DTLS, and says what became of it."""

import contextlib
import ssl

from OpenSSL import SSL

import header_model as header
from dtls_client import SUITE, DtlsClient, dtls_context
from tls_client import Alert, Reset, TlsClient, Truncated, context

PAYLOAD = b"through the tunnel"


def _tls_context(world, identity, version):
    ctx = context(world, identity=False, version=version)
    # Whoever the server is: it is asked what it thinks of us. Odd keys and signatures need level 0.
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    ctx.set_ciphers("ALL:@SECLEVEL=0")
    ctx.load_cert_chain(*identity)
    return ctx


def _dtls_context(world, identity):
    ctx = dtls_context(world, identity=False)
    ctx.set_verify(SSL.VERIFY_NONE)
    ctx.set_cipher_list(f"{SUITE}:@SECLEVEL=0".encode())
    ctx.use_certificate_chain_file(str(identity[0]))
    ctx.use_privatekey_file(str(identity[1]))
    return ctx


def _through_tls(address, ctx, target):
    with TlsClient(address, ctx) as session:
        # Under TLS 1.3 the server may have refused us by now (TLS-05): what it said is read below.
        with contextlib.suppress(ssl.SSLError):
            session.write(header.destination(target) + PAYLOAD)
        return session.read()


def _through_dtls(address, ctx, target):
    with DtlsClient(address, ctx) as session:
        session.write(header.destination(target), PAYLOAD)
        return session.read()


def present(world, identity, transport, address, target):
    """Open a tunnel to the target, an echo. \\return True when it works, or the number of the alert.

    Raises what else happens: silence, a reset, a close, a handshake that OpenSSL itself gives up.
    """
    try:
        if transport == "dtls":
            answer = _through_dtls(address, _dtls_context(world, identity), target)
        else:
            answer = _through_tls(address, _tls_context(world, identity, transport), target)
    except Alert as alert:
        return alert.number
    except (Reset, Truncated) as end:
        raise AssertionError(f"no alert, but {type(end).__name__}") from end
    assert answer == PAYLOAD, answer
    return True
