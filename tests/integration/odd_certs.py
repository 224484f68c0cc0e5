# SPDX-License-Identifier: MIT
"""Certificates that are wrong in one respect each, or odd and yet right. Made by `cryptography`, not by gdcerts."""

import datetime
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID



def _name(unit=None):
    parts = [(NameOID.ORGANIZATION_NAME, "GoDoxy"), (NameOID.COMMON_NAME, "godoxy.agent")]
    if unit:
        parts.insert(1, (NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
DAY = datetime.timedelta(days=1)


def _now():
    return datetime.datetime.now(datetime.timezone.utc)


class Ca:
    """A signer: loaded from what gdcerts wrote, or a fresh one of any name."""

    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    @classmethod
    def load(cls, certificate, key):
        return cls(x509.load_pem_x509_certificate(pathlib.Path(certificate).read_bytes()),
                   serialization.load_pem_private_key(pathlib.Path(key).read_bytes(), None))

    @classmethod
    def fresh(cls, name=None):
        name = name or _name()
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_now() - DAY).not_valid_after(_now() + 3650 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(sign_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256()))
        return cls(certificate, key)

    def issue(self, key=None, *, start=None, end=None, purposes=(CLIENT,), san=("godoxy.agent",)):
        """A leaf. purposes None: no EKU extension; san None: no SAN."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder().subject_name(_name("Client")).issuer_name(self.certificate.subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(start or _now() - DAY).not_valid_after(end or _now() + 365 * DAY)
            .add_extension(_key_usage(), critical=True))
        if purposes is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        if san is not None:
            names = x509.SubjectAlternativeName([x509.DNSName(name) for name in san])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256()), key


def _key_usage(sign_certificates=False):
    return x509.KeyUsage(digital_signature=True, key_cert_sign=sign_certificates, crl_sign=sign_certificates,
                         content_commitment=False, key_encipherment=False, data_encipherment=False,
                         key_agreement=False, encipher_only=False, decipher_only=False)


def save(folder, name, issued):
    """Write NAME.pem and NAME.key. \\return their paths."""
    certificate, key = issued
    paths = (pathlib.Path(folder) / f"{name}.pem", pathlib.Path(folder) / f"{name}.key")
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].touch(mode=0o600)
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
    return paths


def _other_name():
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "some other CA")])


# name -> a function of the good CA that issues the certificate
ODD = {
    "other-ca": lambda ca: Ca.fresh(_other_name()).issue(),
    "same-name-ca": lambda ca: Ca.fresh(ca.certificate.subject).issue(),
    "expired": lambda ca: ca.issue(start=_now() - 30 * DAY, end=_now() - DAY),
    "not-yet-valid": lambda ca: ca.issue(start=_now() + DAY),
    "server-auth-only": lambda ca: ca.issue(purposes=(SERVER,)),
    "rsa": lambda ca: ca.issue(rsa.generate_private_key(65537, 2048)),
    "ed25519": lambda ca: ca.issue(ed25519.Ed25519PrivateKey.generate()),
    "p384": lambda ca: ca.issue(ec.generate_private_key(ec.SECP384R1())),
    "no-eku": lambda ca: ca.issue(purposes=None),
    "no-san": lambda ca: ca.issue(san=None),
    # For the server's side.
    "server-rsa": lambda ca: ca.issue(rsa.generate_private_key(65537, 2048), purposes=(SERVER,)),
    "server-expired": lambda ca: ca.issue(start=_now() - 30 * DAY, end=_now() - DAY, purposes=(SERVER,)),
    "server-no-san": lambda ca: ca.issue(purposes=(SERVER,), san=None),
    "server-other-name": lambda ca: ca.issue(purposes=(SERVER,), san=("elsewhere.example",)),
    "server-client-auth-only": lambda ca: ca.issue(purposes=(CLIENT,)),
}


class Odd:
    """odd["expired"] is the (certificate, key) pair of paths, made on first use."""

    def __init__(self, folder, certs):
        self.folder = folder
        self._ca = Ca.load(certs.ca, certs.ca_key)
        self._made = {}

    def __getitem__(self, name):
        if name not in self._made:
            self._made[name] = save(self.folder, name, ODD[name](self._ca))
        return self._made[name]
