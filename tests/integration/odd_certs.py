# SPDX-License-Identifier: MIT
"""Certificates that are wrong in one respect each, or odd and yet right. Made by `cryptography`, not by gdcerts."""

import base64
import collections
import dataclasses
import datetime
import ipaddress
import pathlib
import typing

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

AGENT = "godoxy.agent"
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
ANY, CODE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ExtendedKeyUsageOID.CODE_SIGNING
SECOND, DAY = datetime.timedelta(seconds=1), datetime.timedelta(days=1)
UNKNOWN_EXTENSION = ObjectIdentifier("1.3.6.1.4.1.99999.1")


def _name(unit=None):
    parts = [(NameOID.ORGANIZATION_NAME, "GoDoxy"), (NameOID.COMMON_NAME, AGENT)]
    if unit:
        parts.insert(1, (NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


def _now():
    return datetime.datetime.now(datetime.timezone.utc)


def _usage(*names):
    """A key usage of these fields only."""
    fields = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
              "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{field: field in names for field in fields})


LEAF_USAGE = _usage("digital_signature")
CA_USAGE = _usage("digital_signature", "key_cert_sign", "crl_sign")

# What a certificate is used with: the chain in DER, leaf first, and the key.
Issued = collections.namedtuple("Issued", "chain key")


def _der(certificate):
    return certificate if isinstance(certificate, bytes) else certificate.public_bytes(serialization.Encoding.DER)


class Ca:
    """A signer: loaded from what gdcerts wrote, or a fresh one of any name."""

    def __init__(self, certificate, key, above=()):
        self.certificate, self.key = certificate, key
        self.above = above  # the intermediates that a leaf's chain needs, this one first

    @classmethod
    def load(cls, certificate, key):
        return cls(x509.load_pem_x509_certificate(pathlib.Path(certificate).read_bytes()),
                   serialization.load_pem_private_key(pathlib.Path(key).read_bytes(), None))

    @classmethod
    def fresh(cls, name=None, *, signer=None, is_ca=True, path_length=0, usage=CA_USAGE, start=None, end=None):
        """Signed by itself, or an intermediate of a signer. is_ca None: no basicConstraints extension."""
        name = name or _name()
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder().subject_name(name).public_key(key.public_key())
            .issuer_name(signer.certificate.subject if signer else name).serial_number(x509.random_serial_number())
            .not_valid_before(start or _now() - DAY).not_valid_after(end or _now() + 3650 * DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False))
        if is_ca is not None:
            constraints = x509.BasicConstraints(ca=is_ca, path_length=path_length if is_ca else None)
            builder = builder.add_extension(constraints, critical=True)
        if usage is not None:
            builder = builder.add_extension(usage, critical=True)
        certificate = builder.sign(signer.key if signer else key, hashes.SHA256())
        return cls(certificate, key, (certificate, *signer.above) if signer else ())

    def issue(self, key=None, *, start=None, end=None, purposes=(CLIENT,), san=(AGENT,), subject=None, serial=None,
              usage=LEAF_USAGE, extensions=()):
        """A leaf. purposes None: no EKU extension; san None: no SAN. extensions: (extension, critical) pairs."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = _name("Client") if subject is None else subject
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.certificate.subject)
            .public_key(key.public_key()).serial_number(serial or x509.random_serial_number())
            .not_valid_before(start or _now() - DAY).not_valid_after(end or _now() + 365 * DAY))
        if usage is not None:
            builder = builder.add_extension(usage, critical=True)
        if purposes is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        if san is not None:
            names = [x509.DNSName(name) if isinstance(name, str) else name for name in san]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not list(subject))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return Issued((builder.sign(self.key, hashes.SHA256()), *self.above), key)


def save(folder, name, issued):
    """Write NAME.pem, a chain if it is one, and NAME.key. \\return their paths."""
    chain, key = issued
    paths = (pathlib.Path(folder) / f"{name}.pem", pathlib.Path(folder) / f"{name}.key")
    chain = chain if isinstance(chain, tuple) else (chain,)
    paths[0].write_text("".join(_pem("CERTIFICATE", _der(certificate)) for certificate in chain))
    paths[1].touch(mode=0o600)
    if not isinstance(key, bytes):
        key = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
    paths[1].write_bytes(key)
    return paths


def _pem(label, der):
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"


# --- What `cryptography` refuses to make: its own certificates taken apart, changed and signed again. -----


def _length(n):
    if n < 128:
        return bytes([n])
    digits = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(digits)]) + digits


def _tlv(tag, content):
    return bytes([tag]) + _length(len(content)) + content


def _parts(der):
    """The elements inside a constructed element."""
    def split(data):
        first = data[1]
        width = first & 0x7F if first & 0x80 else 0
        size = int.from_bytes(data[2:2 + width], "big") if width else first
        return 2 + width, size
    start, size = split(der)
    rest, found = der[start:start + size], []
    while rest:
        start, size = split(rest)
        found.append(rest[:start + size])
        rest = rest[start + size:]
    return found


SEQUENCE, INTEGER, BIT_STRING, OCTET_STRING, UTC_TIME, CONTEXT_1 = 0x30, 2, 3, 4, 0x17, 0xA1
ECDSA_SHA1 = bytes.fromhex("300906072a8648ce3d0401")  # AlgorithmIdentifier of ecdsa-with-SHA1


def _again(ca, issued, *, version=None, serial=None, dates=None, sha1=False):
    """The leaf signed again, with this version (1: no extensions either), serial (DER content) or with SHA-1."""
    # version [0], serial, algorithm, issuer, dates, subject, key, extensions [3]
    fields = _parts(_parts(_der(issued.chain[0]))[0])
    if serial is not None:
        fields[1] = _tlv(INTEGER, serial)
    if sha1:
        fields[2] = ECDSA_SHA1
    if dates is not None:
        fields[4] = _tlv(SEQUENCE, b"".join(_tlv(UTC_TIME, f"{date:%y%m%d%H%M%SZ}".encode()) for date in dates))
    algorithm = fields[2]
    if version == 1:
        fields = fields[1:-1]
    body = _tlv(SEQUENCE, b"".join(fields))
    signature = ca.key.sign(body, ec.ECDSA(hashes.SHA1() if sha1 else hashes.SHA256()))
    return Issued((_tlv(SEQUENCE, body + algorithm + _tlv(BIT_STRING, b"\0" + signature)), *issued.chain[1:]),
                  issued.key)


def _broken_signature(issued):
    der = bytearray(_der(issued.chain[0]))
    der[-1] ^= 1
    return Issued((bytes(der), *issued.chain[1:]), issued.key)


def _of_another_key(issued):
    """The key file names the certificate's public key beside another private one: it signs, and wrongly."""
    private = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big")
    public = issued.key.public_key().public_bytes(serialization.Encoding.X962,
                                                  serialization.PublicFormat.UncompressedPoint)
    p256 = bytes.fromhex("a00a06082a8648ce3d030107")  # [0] the curve's name
    key = _tlv(SEQUENCE, _tlv(INTEGER, b"\1") + _tlv(OCTET_STRING, private) + p256
               + _tlv(CONTEXT_1, _tlv(BIT_STRING, b"\0" + public)))
    return Issued(issued.chain, _pem("EC PRIVATE KEY", key).encode())


def _by_a_leaf(ca, own):
    signer = ca.issue(purposes=(own,))
    return Ca(signer.chain[0], signer.key, signer.chain).issue(purposes=(own,))


def _signed_by_itself(own):
    """A leaf whose issuer it is, named as every GoDoxy CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    itself = Ca.fresh()
    return Ca(itself.certificate, key).issue(key, purposes=(own,), subject=_name())


def _leaf_alone(issued):
    return Issued(issued.chain[:1], issued.key)


def _unsorted(issued):
    return Issued((issued.chain[0], *reversed(issued.chain[1:])), issued.key)


def _with(other, issued):
    return Issued((*issued.chain, other.certificate), issued.key)


# --- Trust anchors ----------------------------------------------------------------------------------------


def _year(year):
    return datetime.datetime(year, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)


def _other_name():
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "some other CA")])


# The CA that both sides trust: name -> a function that makes it. "good" is gdcerts' own.
WORLDS = {
    "expired-ca": lambda: Ca.fresh(start=_now() - 30 * DAY, end=_now() - DAY),
    "future-ca": lambda: Ca.fresh(start=_now() + DAY),
    "no-ca": lambda: Ca.fresh(is_ca=False),
    "silent-ca": lambda: Ca.fresh(is_ca=None),
    "no-cert-sign-ca": lambda: Ca.fresh(usage=LEAF_USAGE),
    "deep-ca": lambda: Ca.fresh(path_length=None),
}


# --- The catalogue ----------------------------------------------------------------------------------------


class Verdict(typing.NamedTuple):
    """What becomes of a certificate over one transport. No cause: it gets in."""

    cause: str = None  # as gdprobe names it
    alert: int = None  # that the other side is sent
    local: bool = False  # gdprobe does not even load it as its own, and says so

    @property
    def gets_in(self):
        return self.cause is None and self.alert is None


TRANSPORTS = ("1.2", "1.3", "dtls")
IN = dict.fromkeys(TRANSPORTS, Verdict())


def _out(cause, tls, dtls=42, **local):
    return {"1.2": Verdict(cause, tls, **local), "1.3": Verdict(cause, tls, **local),
            "dtls": Verdict(cause, dtls, **local)}


# No alert number: OpenSSL, which presents it, finds that it cannot, and so never hears what gdprobe thinks.
NOT_OVER_UDP = {**IN, "dtls": Verdict("dtls-suite")}
RSA = {**IN, "dtls": Verdict("server-cert-rsa-udp")}


@dataclasses.dataclass(frozen=True)
class Case:
    """An odd certificate: how it is made, and what happens to whoever presents it.

    make(ca, own): own is the purpose of the role. Alerts as GoDoxy's agent sends them (docs/godoxy-facts.md
    sections 4 and 5) where a client presents it, gdprobe's where a server does.
    """

    make: typing.Callable
    client: dict = dataclasses.field(default_factory=lambda: IN)  # presented to gdserver
    server: dict = dataclasses.field(default_factory=lambda: IN)  # presented to gdprobe
    world: str = "good"  # whose CA both sides trust
    go: str = ""  # where Go decides otherwise: why


def _both(make, kind, tls=42, **options):
    """A flaw that either role has."""
    return Case(make, _out(f"client-cert-{kind}", tls), _out(f"server-cert-{kind}", tls), **options)


def _unusable(make, **options):
    """A flaw of either role that has no cause of its own."""
    return Case(make, _out("client-cert-rejected", 42), _out("server-cert-other", 42), **options)


def _odd_world(world, kind, tls, make=lambda ca, own: ca.issue(purposes=(own,))):
    """Both sides trust a CA that is not to be trusted: gdprobe says so of the server before it presents anything."""
    verdicts = _out(f"server-cert-{kind}", tls)
    return Case(make, verdicts, verdicts, world=world)


def _no_signatures(make):
    """RFC 8446 section 4.4.2.2 asks for digitalSignature. GnuTLS insists, so does OpenSSL for its own certificate
    before TLS 1.3; Go does not look."""
    return Case(make, _out("client-cert-rejected", 80, 80),
                {"1.2": Verdict("tls-suite"), "1.3": Verdict("server-cert-other", 80), "dtls": Verdict("dtls-suite")},
                go="does not look at the key usage of a leaf")


def _leaf(**options):
    """A leaf of the CA, for its role."""
    return lambda ca, own: ca.issue(purposes=(own,), **options)


def _between(start, end, ca=lambda ca: ca):
    """A leaf from start to end, counted from now [days]."""
    return lambda good, own: ca(good).issue(start=_now() + start * DAY, end=_now() + end * DAY, purposes=(own,))


def _keyed(generate, *arguments):
    """A leaf with such a key."""
    return lambda ca, own: ca.issue(generate(*arguments), purposes=(own,))


def _below(**options):
    """A leaf of an intermediate of the CA."""
    return lambda ca, own: Ca.fresh(_other_name(), signer=ca, **options).issue(purposes=(own,))


def _two_below(ca, own):
    upper = Ca.fresh(_other_name(), signer=ca, path_length=None)
    return Ca.fresh(_name("2"), signer=upper).issue(purposes=(own,))


CASES = {
    # Who signed it.
    "other-ca": _both(lambda ca, own: Ca.fresh(_other_name()).issue(purposes=(own,)), "other-ca", 48),
    "same-name-ca": _both(lambda ca, own: Ca.fresh(ca.certificate.subject).issue(purposes=(own,)), "other-ca", 48),
    "signed-by-itself": _both(lambda ca, own: _signed_by_itself(own), "other-ca", 48),
    "by-a-leaf": _both(_by_a_leaf, "other-ca", 48),
    "below-pathlen": _unusable(_below()),
    "broken-signature": _both(lambda ca, own: _broken_signature(ca.issue(purposes=(own,))), "other-ca", 48),
    "sha1": Case(lambda ca, own: _again(ca, ca.issue(purposes=(own,)), sha1=True),
                 _out("client-cert-rejected", 42), _out("server-cert-signature", 42)),
    # gdprobe compares a key with its certificate when it loads them.
    "of-another-key": Case(lambda ca, own: _of_another_key(ca.issue(purposes=(own,))),
                           _out(None, 51, 51, local=True), _out("server-cert-other", 51, 51)),
    "ca-itself": _no_signatures(lambda ca, own: Issued((ca.certificate,), ca.key)),
    "chain-with-the-ca": Case(lambda ca, own: _with(ca, ca.issue(purposes=(own,)))),
    "chain-with-a-stranger": Case(lambda ca, own: _with(Ca.fresh(_other_name()), ca.issue(purposes=(own,)))),
    "chain-with-an-expired-stranger": Case(lambda ca, own: _with(WORLDS["expired-ca"](), ca.issue(purposes=(own,)))),
    # When.
    "expired": _both(_between(-30, -1), "expired", 45),
    "expired-a-second-ago": _both(_between(-1, -1 / 86400), "expired", 45),
    "expires-in-an-hour": Case(_between(-1, 1 / 24)),
    "not-yet-valid": _both(_between(1, 365), "not-yet-valid", 45),
    "not-yet-by-a-minute": _both(_between(1 / 1440, 365), "not-yet-valid", 45),
    "never-valid": _both(lambda ca, own: _again(ca, ca.issue(purposes=(own,)), dates=(_now() + DAY, _now() - DAY)),
                         "expired", 45),
    # Dates before the chain, as Go looks; gdprobe says first whose server it is.
    "expired-and-of-another-ca": Case(_between(-30, -1, lambda ca: Ca.fresh(ca.certificate.subject)),
                                      _out("client-cert-expired", 45), _out("server-cert-other-ca", 45)),
    "year-3026": Case(_leaf(end=_year(3026))),
    "year-9999": Case(_leaf(end=_year(9999))),
    "since-1960": Case(_leaf(start=_year(1960), end=_year(3026))),
    "expired-in-1960": _both(_leaf(start=_year(1959), end=_year(1960)), "expired", 45),
    # What for.
    "server-auth-only": Case(lambda ca, own: ca.issue(purposes=(SERVER,)), client=_out("client-cert-purpose", 42)),
    "client-auth-only": Case(lambda ca, own: ca.issue(purposes=(CLIENT,)), server=_out("server-cert-purpose", 42)),
    "both-purposes": Case(lambda ca, own: ca.issue(purposes=(SERVER, CLIENT))),
    "no-eku": Case(lambda ca, own: ca.issue(purposes=None)),
    "any-eku": Case(lambda ca, own: ca.issue(purposes=(ANY,))),
    "code-signing": _both(lambda ca, own: ca.issue(purposes=(CODE,)), "purpose"),
    "no-key-usage": Case(_leaf(usage=None)),
    "key-agreement-only": _no_signatures(_leaf(usage=_usage("key_agreement"))),
    "key-encipherment-only": _no_signatures(_leaf(usage=_usage("key_encipherment"))),
    "leaf-that-is-a-ca": Case(_leaf(usage=CA_USAGE,
                                    extensions=((x509.BasicConstraints(ca=True, path_length=None), True),))),
    # For whom: nobody asks a client.
    "no-san": Case(_leaf(san=None), server=_out("server-cert-no-san", 42)),
    "other-name": Case(_leaf(san=("elsewhere.example",)), server=_out("server-cert-name", 42)),
    "ip-san": Case(_leaf(san=(x509.IPAddress(ipaddress.ip_address("127.0.0.1")),)),
                   server=_out("server-cert-name", 42)),
    "email-san": Case(_leaf(san=(x509.RFC822Name("root@godoxy.agent"),)), server=_out("server-cert-no-san", 42)),
    "wildcard": Case(_leaf(san=("*.agent",))),
    "star": Case(_leaf(san=("*",)), server=_out("server-cert-name", 42)),
    "upper-case": Case(_leaf(san=("GODOXY.AGENT",))),
    "trailing-dot": Case(_leaf(san=("godoxy.agent.",)), server=_out("server-cert-name", 42)),
    "nul-in-name": Case(_leaf(san=("godoxy.agent\0.elsewhere.example",)), server=_out("server-cert-name", 42)),
    "many-names": Case(_leaf(san=(*(f"name-{i}.example" for i in range(40)), AGENT))),
    "empty-subject": Case(_leaf(subject=x509.Name([]))),
    # Keys.
    "rsa": Case(_keyed(rsa.generate_private_key, 65537, 2048), server=RSA),
    "rsa-1024": Case(_keyed(rsa.generate_private_key, 65537, 1024), server=RSA),
    "p384": Case(_keyed(ec.generate_private_key, ec.SECP384R1())),
    "p521": Case(_keyed(ec.generate_private_key, ec.SECP521R1()), server=NOT_OVER_UDP),
    # TLS 1.3 has no signatures on that curve: OpenSSL sends no certificate there (alert 116).
    "secp256k1": Case(_keyed(ec.generate_private_key, ec.SECP256K1()),
                      {**_out(None, 42, local=True), "1.3": Verdict(None, 116, local=True)},
                      {"1.2": Verdict("tls-suite"), "1.3": Verdict("tls-version"), "dtls": Verdict("dtls-suite")}),
    "ed25519": Case(_keyed(ed25519.Ed25519PrivateKey.generate), server=NOT_OVER_UDP),
    # Form.
    "version-1": Case(lambda ca, own: _again(ca, ca.issue(), version=1), server=_out("server-cert-no-san", 42)),
    "serial-negative": _unusable(lambda ca, own: _again(ca, ca.issue(purposes=(own,)), serial=b"\xff")),
    "serial-zero": Case(lambda ca, own: _again(ca, ca.issue(purposes=(own,)), serial=b"\0")),
    "serial-20-bytes": Case(_leaf(serial=2 ** 159 - 1)),
    "huge": Case(_leaf(san=(*(f"name-{i}.{'x' * 50}.example" for i in range(300)), AGENT))),  # over 20 KB
    "critical-unknown": _unusable(_leaf(extensions=((x509.UnrecognizedExtension(UNKNOWN_EXTENSION, b"\5\0"), True),))),
    "unknown": Case(_leaf(extensions=((x509.UnrecognizedExtension(UNKNOWN_EXTENSION, b"\5\0"), False),))),
    # The CA of both sides is odd.
    "of-expired-ca": _odd_world("expired-ca", "expired", 45),
    "of-expired-ca-behind-a-stranger": _odd_world(
        "expired-ca", "expired", 45, lambda ca, own: _with(Ca.fresh(_other_name()), ca.issue(purposes=(own,)))),
    "of-future-ca": _odd_world("future-ca", "not-yet-valid", 45),
    "of-no-ca": _odd_world("no-ca", "other-ca", 48),
    "of-silent-ca": _odd_world("silent-ca", "other-ca", 48),
    "of-no-cert-sign-ca": _odd_world("no-cert-sign-ca", "other-ca", 48),
    "of-deep-ca": Case(_leaf(), world="deep-ca"),
    "by-intermediate": Case(_below(), world="deep-ca"),
    "by-two-intermediates": Case(_two_below, world="deep-ca"),
    "chain-unsorted": Case(lambda ca, own: _unsorted(_two_below(ca, own)), world="deep-ca"),
    "by-hidden-intermediate": _both(lambda ca, own: _leaf_alone(_below()(ca, own)), "other-ca", 48, world="deep-ca"),
    "by-expired-intermediate": _both(lambda ca, own: _below(start=_now() - 30 * DAY, end=_now() - DAY)(ca, own),
                                     "expired", 45, world="deep-ca"),
}


class World:
    """A CA that both sides trust, and those who present nothing odd."""

    def __init__(self, folder, name, ca):
        self.signer = ca
        self.ca, self.ca_key = save(folder, f"world-{name}", Issued((ca.certificate,), ca.key))
        self.server, self.server_key = save(folder, f"world-{name}-server", ca.issue(purposes=(SERVER,)))
        self.client, self.client_key = save(folder, f"world-{name}-client", ca.issue())

    def server_options(self):
        return ("--ca", self.ca, "--cert", self.server, "--key", self.server_key)


class Odd:
    """odd["expired"] is the (certificate, key) pair of paths of a client, odd["server-expired"] that of a server."""

    def __init__(self, folder, certs):
        self.folder = folder
        self.certs = certs
        self._worlds = {}
        self._made = {}

    def world(self, name):
        """The world of that name, made on first use."""
        if name not in self._worlds:
            ca = Ca.load(self.certs.ca, self.certs.ca_key) if name == "good" else WORLDS[name]()
            self._worlds[name] = World(self.folder, name, ca)
        return self._worlds[name]

    def of(self, name, purpose):
        """The pair for a role, made on first use."""
        if (name, purpose) not in self._made:
            role = "server" if purpose == SERVER else "client"
            issued = CASES[name].make(self.world(CASES[name].world).signer, purpose)
            self._made[name, purpose] = save(self.folder, f"{role}-{name}", issued)
        return self._made[name, purpose]

    def __getitem__(self, name):
        if name in CASES:
            return self.of(name, CLIENT)
        return self.of(name.removeprefix("server-"), SERVER)
