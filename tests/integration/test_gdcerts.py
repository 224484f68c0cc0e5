# SPDX-License-Identifier: MIT
"""gdcerts new: what it makes, judged by `cryptography`, openssl and zipfile."""

import base64
import datetime
import shutil
import subprocess
import zipfile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

import harness
from certs_cli import FILES, certificate, inspect, new, one_sentence, problems

pytestmark = pytest.mark.offline


def test_writes_all_files_with_their_modes(certs):
    found = {path.name: path.stat().st_mode & 0o777 for path in certs.folder.iterdir()}
    assert found == FILES


def extensions(cert):
    return {extension.oid: extension.critical for extension in cert.extensions}


def name_of(cert):
    return [(attribute.oid, attribute.value) for attribute in cert.subject]


def test_ca_is_as_godoxy_makes_it(certs):
    """CERT-01, docs/godoxy-facts.md section 8."""
    ca = certificate(certs.ca)
    assert name_of(ca) == [(NameOID.ORGANIZATION_NAME, "GoDoxy"), (NameOID.COMMON_NAME, "godoxy.agent")]
    assert ca.issuer == ca.subject
    ca.verify_directly_issued_by(ca)
    assert isinstance(ca.public_key(), ec.EllipticCurvePublicKey)
    assert ca.public_key().curve.name == "secp256r1"
    assert ca.signature_hash_algorithm.name == "sha256"
    assert extensions(ca) == {ExtensionOID.KEY_USAGE: True, ExtensionOID.BASIC_CONSTRAINTS: True,
                              ExtensionOID.SUBJECT_KEY_IDENTIFIER: False}
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage == x509.KeyUsage(False, False, False, False, False, True, True, False, False)


@pytest.mark.parametrize("role, unit, purpose", [
    ("server", "Server", ExtendedKeyUsageOID.SERVER_AUTH),
    ("client", "Client", ExtendedKeyUsageOID.CLIENT_AUTH),
])
def test_leaf_is_as_godoxy_makes_it(certs, role, unit, purpose):
    """CERT-01: neither key identifier, one purpose, one name."""
    leaf = certificate(certs.folder / f"{role}.pem")
    assert name_of(leaf) == [(NameOID.ORGANIZATION_NAME, "GoDoxy"), (NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
                             (NameOID.COMMON_NAME, "godoxy.agent")]
    leaf.verify_directly_issued_by(certificate(certs.ca))
    assert leaf.public_key().curve.name == "secp256r1"
    assert extensions(leaf) == {ExtensionOID.KEY_USAGE: True, ExtensionOID.EXTENDED_KEY_USAGE: False,
                                ExtensionOID.SUBJECT_ALTERNATIVE_NAME: False}
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage == x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [purpose]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName("godoxy.agent")]


def test_serials_are_128_random_bits(tmp_path):
    serials = []
    for i in range(8):
        assert new(tmp_path / str(i)).rc == 0
        serials += [certificate(tmp_path / str(i) / f"{role}.pem").serial_number
                    for role in ("ca", "server", "client")]
    assert len(set(serials)) == len(serials)
    assert all(0 < serial < 1 << 128 for serial in serials)
    # 24 numbers that all stay below 2^120 would be a one in 2^192 accident.
    assert max(serials) >= 1 << 120


def test_valid_for_a_thousand_years(certs):
    """CERT-02: the same calendar date, as Go's AddDate(1000, 0, 0) has it."""
    now = datetime.datetime.now(datetime.timezone.utc)
    for path in (certs.ca, certs.server, certs.client):
        cert = certificate(path)
        start, end = cert.not_valid_before_utc, cert.not_valid_after_utc
        assert abs(now - start) < datetime.timedelta(minutes=10)
        # On 29 February the date may not exist there: the day after then.
        assert end in (start + datetime.timedelta(days=365242), start + datetime.timedelta(days=365243))


@pytest.mark.parametrize("start, end", [
    ("2026-11-25", "3026-11-25"),
    ("2028-02-29", "3028-02-29"),
    ("2000-02-29", "3000-03-01"),  # 3000 is no leap year
    ("2000-12-31T23:59:59Z", "3000-12-31T23:59:59"),
])
def test_a_thousand_years_later_as_go_counts(tmp_path, start, end):
    assert new("--not-before", start, tmp_path / "d").rc == 0
    expected = datetime.datetime.fromisoformat(end).replace(tzinfo=datetime.timezone.utc)
    assert certificate(tmp_path / "d" / "client.pem").not_valid_after_utc == expected


@pytest.mark.parametrize("role", ["ca", "server", "client"])
def test_keys_are_sec1_and_belong_to_their_certificates(certs, role):
    pem = (certs.folder / f"{role}.key").read_bytes()
    assert pem.startswith(b"-----BEGIN EC PRIVATE KEY-----\n")  # CERT-03
    key = serialization.load_pem_private_key(pem, None)
    assert key.public_key() == certificate(certs.folder / f"{role}.pem").public_key()


@pytest.mark.parametrize("role, purpose, good", [
    ("server", "sslserver", True), ("client", "sslclient", True),
    ("server", "sslclient", False), ("client", "sslserver", False),
])
def test_openssl_agrees(certs, role, purpose, good):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    # Not -x509_strict: it wants key identifiers, which GoDoxy's leaves do not have.
    done = subprocess.run(["openssl", "verify", "-purpose", purpose, "-CAfile", certs.ca,
                           certs.folder / f"{role}.pem"], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == good, done


def test_zip_is_as_godoxy_keeps_it(certs):
    """CERT-04: three stored entries."""
    with zipfile.ZipFile(certs.zip) as archive:
        assert archive.testzip() is None
        entries = archive.infolist()
        assert [entry.filename for entry in entries] == ["ca.pem", "cert.pem", "key.pem"]
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
        assert archive.read("ca.pem") == certs.ca.read_bytes()
        assert archive.read("cert.pem") == certs.client.read_bytes()
        assert archive.read("key.pem") == certs.client_key.read_bytes()


def test_env_is_as_the_agent_reads_it(certs):
    """CERT-03: base64 of the certificate, ';', base64 of the key."""
    values = dict(line.split("=", 1) for line in certs.env.read_text().splitlines())
    assert sorted(values) == ["AGENT_CA_CERT", "AGENT_SSL_CERT"]
    for name, cert, key in (("AGENT_CA_CERT", certs.ca, certs.ca_key),
                            ("AGENT_SSL_CERT", certs.server, certs.server_key)):
        parts = values[name].strip('"').split(";")
        decoded = [base64.b64decode(part, validate=True) for part in parts]
        assert decoded == [cert.read_bytes(), key.read_bytes()]


def test_does_not_replace_unless_forced(tmp_path):
    folder = tmp_path / "d"
    assert new(folder).rc == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    one_sentence(new(folder), str(folder / "ca.pem"), "already there", "--force")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert new("--force", folder).rc == 0
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(after) == sorted(before) and all(after[name] != before[name] for name in before)


def test_one_file_in_the_way_is_enough(tmp_path):
    (tmp_path / "client.zip").write_text("mine")
    one_sentence(new(tmp_path), "client.zip", "already there")
    assert [path.name for path in tmp_path.iterdir()] == ["client.zip"]


def test_from_signs_with_an_older_ca(tmp_path, certs):
    assert new("--from", certs.folder, tmp_path / "d").rc == 0
    assert (tmp_path / "d" / "ca.pem").read_bytes() == certs.ca.read_bytes()
    for role in ("server", "client"):
        leaf = certificate(tmp_path / "d" / f"{role}.pem")
        leaf.verify_directly_issued_by(certificate(certs.ca))
        assert leaf.serial_number != certificate(certs.folder / f"{role}.pem").serial_number


def test_rsa_is_of_the_server_only(tmp_path):
    """CERT-05"""
    assert new("--rsa", tmp_path / "d").rc == 0
    key = certificate(tmp_path / "d" / "server.pem").public_key()
    assert isinstance(key, rsa.RSAPublicKey) and key.key_size == 2048
    assert isinstance(certificate(tmp_path / "d" / "client.pem").public_key(), ec.EllipticCurvePublicKey)
    files = [tmp_path / "d" / name for name in ("server.pem", "agent.env", "client.zip")]
    rc, (pem, env, archive) = inspect(*files)
    assert rc == 1
    assert problems(pem) == problems(env) == {"rsa-udp"} and problems(archive) == set()
    assert pem["problems"][0]["statement"] == "CERT-05" and "UDP" in pem["problems"][0]["text"]


@pytest.mark.parametrize("options, start, end", [
    (("--not-before", "2020-01-01", "--days", "30"), "2020-01-01", "2020-01-31"),
    (("--not-before", "2020-01-01T12:30:15Z", "--not-after", "2020-01-02"),
     "2020-01-01T12:30:15", "2020-01-02"),
    (("--not-before", "3000-02-28", "--not-after", "3026-12-31"), "3000-02-28", "3026-12-31"),
    (("--not-before", "1999-12-31", "--not-after", "9999-12-31T23:59:59Z"),
     "1999-12-31", "9999-12-31T23:59:59"),
])
def test_odd_dates(tmp_path, options, start, end):
    """Of the leaves; the CA stays as it is."""
    assert new(*options, tmp_path / "d").rc == 0
    for role in ("server", "client"):
        cert = certificate(tmp_path / "d" / f"{role}.pem")
        assert cert.not_valid_before_utc.replace(tzinfo=None) == datetime.datetime.fromisoformat(start)
        assert cert.not_valid_after_utc.replace(tzinfo=None) == datetime.datetime.fromisoformat(end)
    assert certificate(tmp_path / "d" / "ca.pem").not_valid_after_utc.year > 3000


@pytest.mark.parametrize("args, words", [
    (("new",), ("DIR is missing", "--help")),
    (("new", "a", "b"), ("one DIR",)),
    (("new", "--days", "0", "d"), ("0",)),
    (("new", "--days", "30x", "d"), ("30x",)),
    (("new", "--not-before", "yesterday", "d"), ("yesterday", "YYYY-MM-DD")),
    (("new", "--not-before", "2026-02-30", "d"), ("2026-02-30",)),
    (("new", "--not-after", "10000-01-01", "d"), ("10000-01-01", "9999")),
    (("new", "--not-before", "2026-01-01", "--days", "2932896", "d"), ("9999",)),
    (("new", "--not-before", "9500-01-01", "d"), ("9999",)),
    (("new", "--not-after", "2020-01-01", "d"), ("--not-before",)),
    (("new", "--not-after", "2030-01-01", "--days", "1", "d"), ("exclude each other",)),
    (("new", "--from", "nowhere", "d"), ("nowhere does not exist",)),
    (("new", "nowhere/d"), ("nowhere/d",)),
    (("inspect",), ("FILE is missing",)),
    (("inspect", "nowhere"), ("nowhere does not exist",)),
    (("inspect", "--ca", "nowhere", "nowhere"), ("nowhere does not exist",)),
    (("inspect", "--wrong", "x"), ("wrong",)),
    (("make",), ("make", "new", "inspect")),
    ((), ("command is missing",)),
    (("--wrong",), ("wrong",)),
])
def test_usage(tmp_path, args, words):
    one_sentence(harness.run("gdcerts", *args, cwd=tmp_path), *words)
    assert list(tmp_path.iterdir()) == []


def test_directory_that_is_none(tmp_path):
    (tmp_path / "file").write_text("x")
    one_sentence(new(tmp_path / "file"), str(tmp_path / "file"))
    one_sentence(new("--force", tmp_path / "file"), str(tmp_path / "file"))


@pytest.mark.parametrize("args, words", [
    (("--help",), ("new", "inspect")),
    (("new", "--help"), ("--force", "--from", "--rsa", "--not-before", "--not-after", "--days")),
    (("inspect", "--help"), ("--ca", "--json")),
    (("--version",), ("gdcerts",)),
])
def test_help_and_version(args, words):
    result = harness.run("gdcerts", *args)
    assert (result.rc, result.stderr) == (0, "")
    assert all(word in result.stdout for word in words), result


def test_secrets_are_never_printed(tmp_path):
    result = new(tmp_path / "d")
    shown = result.stdout + result.stderr
    files = sorted((tmp_path / "d").iterdir())
    for options in ((), ("--json",)):
        result = harness.run("gdcerts", "inspect", *options, *files)
        assert result.rc == 0
        shown += result.stdout + result.stderr
    for name in ("ca.key", "server.key", "client.key"):
        for line in (tmp_path / "d" / name).read_text().splitlines()[1:-1]:
            assert line not in shown
    for value in (tmp_path / "d" / "agent.env").read_text().split('"')[1::2]:
        assert value not in shown and value[:200] not in shown
