# SPDX-License-Identifier: MIT
"""gdcerts inspect: what it says about good, odd and bad files."""

import base64
import io
import os
import pathlib
import shutil
import subprocess
import tempfile
import warnings
import zipfile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

import harness
import odd_certs
from certs_cli import FILES, certificate, inspect, one_sentence, problems

pytestmark = pytest.mark.offline


# --- inspect: good and odd certificates -----------------------------------------------------------


def test_good_files_are_ok(certs):
    files = [certs.folder / name for name in FILES] + [certs.folder]
    rc, reports = inspect(*files)
    assert rc == 0
    assert [report["file"] for report in reports] == [str(path) for path in files]
    assert all(report["ok"] and report["problems"] == [] for report in reports)
    assert [report["kind"] for report in reports] == ["pem"] * 6 + ["env", "zip", "directory"]
    assert all((report["schema"], report["tool"]) == ("gdcerts/1", "gdcerts") for report in reports)
    assert reports[0]["argv"][1:3] == ["inspect", "--json"]


def test_facts_are_those_of_cryptography(certs):
    _, (report,) = inspect(certs.env)
    assert [cert["role"] for cert in report["certificates"]] == ["CA", "server"]
    for shown, path in zip(report["certificates"], (certs.ca, certs.server)):
        cert = certificate(path)
        assert shown["serial"] == f"{cert.serial_number:032x}"
        assert shown["not_before_s"] == cert.not_valid_before_utc.timestamp()
        assert shown["not_after_s"] == cert.not_valid_after_utc.timestamp()
        assert shown["sha256"] == cert.fingerprint(odd_certs.hashes.SHA256()).hex()
        assert shown["subject"] == cert.subject.rfc4514_string()
        assert shown["issuer"] == cert.issuer.rfc4514_string()
        assert shown["key"] == "ECDSA P-256" and shown["has_private_key"]
    assert report["certificates"][0]["usages"] == ["keyCertSign"]
    assert report["certificates"][1]["usages"] == ["digitalSignature", "serverAuth"]
    assert report["certificates"][1]["names"] == ["godoxy.agent"]


@pytest.mark.parametrize("name, expected", [
    ("other-ca", {"other-ca"}),
    ("same-name-ca", {"other-ca"}),
    ("expired", {"expired"}),
    ("not-yet-valid", {"not-yet-valid"}),
    ("server-auth-only", set()),  # a good server's, then
    ("rsa", set()),  # the client's key may be RSA
    ("ed25519", set()),
    ("p384", set()),
    ("no-eku", set()),
    ("no-san", set()),
    ("server-rsa", {"rsa-udp"}),
    ("server-expired", {"expired"}),
    ("server-no-san", {"no-san"}),
    ("server-other-name", {"name"}),
])
def test_odd_certificates(certs, odd, name, expected):
    rc, (report,) = inspect("--ca", certs.ca, odd[name][0])
    assert problems(report) == expected
    assert rc == (1 if expected else 0)


def pack(path, entries, method=zipfile.ZIP_STORED):
    """A zip of (name, bytes) pairs, mode 0600."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicates are on purpose
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, data in entries:
                archive.writestr(name, data)
    path.chmod(0o600)
    return path


def entries_of(certs, cert=None, key=None, ca=None):
    return [("ca.pem", (ca or certs.ca).read_bytes()), ("cert.pem", (cert or certs.client).read_bytes()),
            ("key.pem", (key or certs.client_key).read_bytes())]


@pytest.mark.parametrize("name, expected", [
    ("expired", {"expired"}), ("not-yet-valid", {"not-yet-valid"}), ("other-ca", {"other-ca"}),
    ("same-name-ca", {"other-ca"}), ("server-auth-only", {"purpose"}), ("rsa", set()), ("no-eku", set()),
    ("no-san", set()),
])
def test_odd_client_in_a_zip(tmp_path, certs, odd, name, expected):
    cert, key = odd[name]
    rc, (report,) = inspect(pack(tmp_path / "a.zip", entries_of(certs, cert, key)))
    assert problems(report) == expected
    assert rc == (1 if expected else 0)


def test_leaf_in_the_place_of_the_ca(tmp_path, certs):
    rc, (report,) = inspect(pack(tmp_path / "a.zip", entries_of(certs, ca=certs.server)))
    assert rc == 1 and {"not-a-ca", "other-ca"} <= problems(report)


def test_names_are_shown_escaped(tmp_path):
    """A certificate is a stranger's text: no control character reaches a terminal."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "evil\x1b[31m\nagent \u00e9")])
    ca = odd_certs.Ca.fresh(name)
    path, _ = odd_certs.save(tmp_path, "evil", (ca.certificate, ca.key))
    result = harness.run("gdcerts", "inspect", path)
    assert "\x1b" not in result.stdout and "evil\\x1b[31m" in result.stdout
    _, (report,) = inspect(path)
    assert "\x1b" not in report["certificates"][0]["subject"]


def test_chain_of_several_certificates(tmp_path, certs):
    both = tmp_path / "both.pem"
    both.write_bytes(certs.client.read_bytes() + certs.ca.read_bytes())
    rc, (report,) = inspect(both)
    assert rc == 0
    assert [cert["role"] for cert in report["certificates"]] == ["client", "CA"]


def test_key_open_to_others(tmp_path, certs):
    shutil.copy(certs.client_key, tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o644)
    rc, (report,) = inspect(tmp_path / "key.pem")
    assert rc == 1 and problems(report) == {"mode"} and "0644" in report["problems"][0]["text"]


def test_zip_made_by_others(tmp_path, certs):
    """Deflated, and with another entry: as good as GoDoxy's."""
    entries = [("README.txt", b"hello"), *entries_of(certs)]
    rc, (report,) = inspect(pack(tmp_path / "a.zip", entries, zipfile.ZIP_DEFLATED))
    assert (rc, report["ok"]) == (0, True)


# --- inspect: bad files ---------------------------------------------------------------------------


def _lying_bomb(certs):
    """The directory says 200 bytes; what inflates is 100 MiB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries_of(certs)[:2]:
            archive.writestr(name, data)
        archive.writestr("key.pem", b"A" * (100 << 20))
    return buffer.getvalue().replace((100 << 20).to_bytes(4, "little"), (200).to_bytes(4, "little"))


def _zipped(entries, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name, data in entries:
                archive.writestr(name, data)
    return buffer.getvalue()


def _flip(data, needle):
    at = data.index(needle) + len(needle) + 10
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def _encrypted_zip(certs):
    """Bit 0 of the flags, in the local header and in the directory, says "encrypted"."""
    data = bytearray(_zipped(entries_of(certs)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(signature, at + 1)) >= 0:
            data[at + offset] |= 1
    return bytes(data)


BAD_ZIPS = {
    "empty": (lambda c: b"", "is empty"),
    "none": (lambda c: b"hello, this is text\n" * 20, "no zip file"),
    "pem": (lambda c: c.client.read_bytes(), "no zip file"),
    "cut": (lambda c: c.zip.read_bytes()[:900], "no zip file"),
    "no-entries": (lambda c: _zipped([]), "has no ca.pem"),
    "no-key": (lambda c: _zipped(entries_of(c)[:2]), "has no key.pem"),
    "bomb": (lambda c: _zipped([*entries_of(c)[:2], ("key.pem", b"\0" * (100 << 20))], zipfile.ZIP_DEFLATED),
             "104857600 bytes"),
    "bomb-beside": (lambda c: _zipped([*entries_of(c), ("x", b"\0" * (100 << 20))], zipfile.ZIP_DEFLATED),
                    "104857600 bytes"),
    "lying-bomb": (_lying_bomb, "key.pem"),
    "path-up": (lambda c: _zipped([*entries_of(c), ("../ca.pem", b"x")]), "has a path for a name"),
    "path-only-up": (lambda c: _zipped([("../ca.pem", b"x"), *entries_of(c)[1:]]), "has a path for a name"),
    "path-root": (lambda c: _zipped([*entries_of(c), ("/etc/ca.pem", b"x")]), "has a path for a name"),
    "path-folder": (lambda c: _zipped([(f"certs/{n}", d) for n, d in entries_of(c)]),
                    "has a path for a name"),
    "dots": (lambda c: _zipped([*entries_of(c), ("..", b"x")]), "has a path for a name"),
    "many": (lambda c: _zipped([*entries_of(c), *((f"n{i}", b"x") for i in range(14))]), "has 17 entries"),
    "double": (lambda c: _zipped([*entries_of(c), ("key.pem", b"x")]), "two entries of the same name"),
    "damaged": (lambda c: _flip(_zipped(entries_of(c)), b"-----BEGIN EC PRIVATE KEY-----"), "is damaged"),
    "encrypted": (_encrypted_zip, "is encrypted"),
    "too-large": (lambda c: _zipped([*entries_of(c), ("x", os.urandom(60000)),
                                     *((f"y{i}", os.urandom(65536)) for i in range(12)),
                                     ]) + b"\0" * (1 << 19), "larger than 1024 KiB"),
    "swapped": (lambda c: _zipped(entries_of(c, c.client_key, c.client)), "swapped"),
    "mismatched": (lambda c: _zipped(entries_of(c, key=c.server_key)), "do not belong together"),
}


@pytest.mark.parametrize("name", BAD_ZIPS)
def test_bad_zips(tmp_path, certs, name):
    make, words = BAD_ZIPS[name]
    path = tmp_path / "agent.zip"
    path.write_bytes(make(certs))
    path.chmod(0o600)
    rc, (report,) = inspect(path)
    assert rc == 1 and problems(report) == {"unusable"}, report
    text = report["problems"][0]["text"]
    assert words in text and str(path) in text and "\n" not in text


def _encrypt(certs, form):
    key = serialization.load_pem_private_key(certs.client_key.read_bytes(), None)
    return key.private_bytes(serialization.Encoding.PEM, form,
                             serialization.BestAvailableEncryption(b"secret passphrase"))


def _key_pem(key, form=serialization.PrivateFormat.PKCS8):
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


BAD_PEMS = {
    "empty": (lambda c: b"", "is empty"),
    "blank": (lambda c: b"\n \t\r\n", "is empty"),
    "text": (lambda c: b"hello\n", "holds no certificate"),
    "encrypted-pkcs8": (lambda c: _encrypt(c, serialization.PrivateFormat.PKCS8), "is encrypted"),
    "encrypted-sec1": (lambda c: _encrypt(c, serialization.PrivateFormat.TraditionalOpenSSL), "is encrypted"),
    "mismatched": (lambda c: c.client.read_bytes() + c.server_key.read_bytes(), "do not belong together"),
    "cut": (lambda c: c.client.read_bytes()[:300], "cut off"),
    "cut-key": (lambda c: c.client_key.read_bytes()[:100], "cut off"),
    "begin-only": (lambda c: b"-----BEGIN CERTIFICATE", "holds no certificate"),
    "garbage": (lambda c: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "cannot be parsed"),
    "garbage-key": (lambda c: b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                    "cannot be parsed"),
    "der": (lambda c: certificate(c.client).public_bytes(serialization.Encoding.DER), "is DER"),
    "nul": (lambda c: b"x\0" + c.client.read_bytes(), "NUL bytes"),
    "large": (lambda c: c.client.read_bytes() * 200, "larger than 64 KiB"),
    "request": (lambda c: b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
                "holds no certificate"),
}


@pytest.mark.parametrize("name", BAD_PEMS)
def test_bad_pems(tmp_path, certs, name):
    make, words = BAD_PEMS[name]
    path = tmp_path / "some.pem"
    path.write_bytes(make(certs))
    path.chmod(0o600)
    rc, (report,) = inspect(path)
    assert rc == 1 and problems(report) == {"unusable"}, report
    text = report["problems"][0]["text"]
    assert words in text and str(path) in text and "\n" not in text


@pytest.mark.parametrize("make", [
    lambda: _key_pem(ec.generate_private_key(ec.SECP384R1())),
    lambda: _key_pem(rsa.generate_private_key(65537, 3072), serialization.PrivateFormat.TraditionalOpenSSL),
    lambda: _key_pem(odd_certs.ed25519.Ed25519PrivateKey.generate()),
    lambda: b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
            + _key_pem(ec.generate_private_key(ec.SECP256R1()),
                       serialization.PrivateFormat.TraditionalOpenSSL),
], ids=["ECDSA P-384", "RSA-3072", "Ed25519", "ECDSA P-256"])
def test_keys_of_all_forms(tmp_path, make, request):
    path = tmp_path / "key.pem"
    path.write_bytes(make())
    path.chmod(0o600)
    rc, (report,) = inspect(path)
    assert (rc, report["keys"]) == (0, [request.node.callspec.id])


def _values(certs):
    return dict(line.split("=", 1) for line in certs.env.read_text().replace('"', "").splitlines())


def _env(certs, **changes):
    values = {**_values(certs), **changes}
    return "".join(f'{name}="{value}"\n' for name, value in values.items() if value is not None)


GOOD_ENVS = {
    "plain": lambda v: "".join(f"{n}={x}\n" for n, x in v.items()),
    "export": lambda v: "# comment\n\n" + "".join(f"export {n}='{x}'\n" for n, x in v.items()),
    "no-newline": lambda v: "\n".join(f"{n}={x}" for n, x in v.items()),
    "crlf": lambda v: "".join(f"{n}={x}\r\n" for n, x in v.items()),
    "script": lambda v: "".join(f'\t{n}="{x}" \\\n' for n, x in v.items()) + "\tbash -c ...\n",
    "compose": lambda v: "services:\n  agent:\n    environment:\n"
                         + "".join(f'      {n}: "{x}"\n' for n, x in v.items()),
    "compose-list": lambda v: "    environment:\n" + "".join(f"      - {n}={x}\n" for n, x in v.items()),
    "proc-environ": lambda v: "PATH=/bin\0" + "".join(f"{n}={x}\0" for n, x in v.items()) + "HOME=/\0",
    "last-wins": lambda v: "AGENT_CA_CERT=x\n" + "".join(f"{n}={x}\n" for n, x in v.items()),
}


@pytest.mark.parametrize("name", GOOD_ENVS)
def test_env_forms(tmp_path, certs, name):
    """All forms in which GoDoxy hands the values out (CERT-03)."""
    path = tmp_path / "some.env"
    path.write_text(GOOD_ENVS[name](_values(certs)))
    path.chmod(0o600)
    rc, (report,) = inspect(path)
    assert (rc, report["kind"], report["ok"]) == (0, "env", True), report


def test_env_on_standard_input(certs):
    rc, (report,) = inspect("-", stdin=certs.env.read_text())
    assert (rc, report["ok"]) == (0, True)
    rc, (report,) = inspect("-", stdin="")
    assert rc == 1 and "AGENT_CA_CERT" in report["problems"][0]["text"]


BAD_ENVS = {
    "no-ca": (lambda c: _env(c, AGENT_CA_CERT=None), "does not set AGENT_CA_CERT"),
    "no-ssl": (lambda c: _env(c, AGENT_SSL_CERT=None), "does not set AGENT_SSL_CERT"),
    "longer-name": (lambda c: _env(c, AGENT_SSL_CERT=None) + "AGENT_SSL_CERTS=x;y\n",
                    "does not set AGENT_SSL_CERT"),
    "no-semicolon": (lambda c: _env(c, AGENT_SSL_CERT=_values(c)["AGENT_SSL_CERT"].replace(";", "")),
                     "has no ';'"),
    "semicolons": (lambda c: _env(c, AGENT_SSL_CERT=_values(c)["AGENT_SSL_CERT"] + ";eA=="),
                   "more than one ';'"),
    "empty": (lambda c: _env(c, AGENT_SSL_CERT=""), "has no ';'"),
    "no-key": (lambda c: _env(c, AGENT_SSL_CERT=_values(c)["AGENT_SSL_CERT"].split(";")[0] + ";"),
               "has an empty private key"),
    "no-cert": (lambda c: _env(c, AGENT_SSL_CERT=";" + _values(c)["AGENT_SSL_CERT"].split(";")[1]),
                "has an empty certificate"),
    "not-base64": (lambda c: _env(c, AGENT_SSL_CERT="!!!!;????"), "is not base64"),
    "cut": (lambda c: _env(c, AGENT_SSL_CERT=_values(c)["AGENT_SSL_CERT"][:-9]), "AGENT_SSL_CERT"),
    "base64-of-text": (lambda c: _env(c, AGENT_SSL_CERT="aGVsbG8=;aGVsbG8="), "holds no certificate"),
    "swapped": (lambda c: _env(c, AGENT_SSL_CERT=";".join(_values(c)["AGENT_SSL_CERT"].split(";")[::-1])),
                "swapped"),
    "mismatched": (lambda c: _env(c, AGENT_SSL_CERT=_values(c)["AGENT_SSL_CERT"].split(";")[0] + ";"
                                  + _values(c)["AGENT_CA_CERT"].split(";")[1]), "do not belong together"),
    "large": (lambda c: _env(c) + "#" * (1 << 18), "larger than 256 KiB"),
}


@pytest.mark.parametrize("name", BAD_ENVS)
def test_bad_envs(tmp_path, certs, name):
    make, words = BAD_ENVS[name]
    path = tmp_path / "agent.env"
    path.write_text(make(certs))
    path.chmod(0o600)
    rc, (report,) = inspect(path)
    assert rc == 1 and problems(report) == {"unusable"}, report
    text = report["problems"][0]["text"]
    assert words in text and str(path) in text and "\n" not in text


def test_client_certificate_given_to_the_agent(tmp_path, certs):
    pair = (certs.client, certs.client_key)
    value = ";".join(base64.b64encode(path.read_bytes()).decode() for path in pair)
    path = tmp_path / "agent.env"
    path.write_text(_env(certs, AGENT_SSL_CERT=value))
    path.chmod(0o600)
    rc, (report,) = inspect(path)
    assert rc == 1 and problems(report) == {"purpose"}


def test_directories(tmp_path, certs):
    rc, (report,) = inspect(tmp_path)
    assert rc == 3 and "has no cert.pem" in report["problems"][0]["text"]
    for name, path in (("ca.pem", certs.ca), ("cert.pem", certs.client_key), ("key.pem", certs.client)):
        shutil.copy(path, tmp_path / name)
    rc, (report,) = inspect(tmp_path)
    assert rc == 1 and "swapped" in report["problems"][0]["text"]


def test_a_fifo_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    one_sentence(harness.run("gdcerts", "inspect", tmp_path / "fifo", timeout=10), "not a regular file")


def test_worst_file_decides_and_all_are_shown(tmp_path, certs):
    (tmp_path / "bad.pem").write_text("x")
    rc, reports = inspect(tmp_path / "bad.pem", certs.ca, tmp_path / "nowhere", certs.zip)
    assert rc == 3
    assert [report["ok"] for report in reports] == [False, True, False, True]
    assert problems(reports[2]) == {"unreadable"} and reports[2]["kind"] is None


@pytest.fixture
def outsider():
    """run(FILE...) as a user who may not read them: nobody when we are root, else ourselves."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gdcerts-"))
    folder.chmod(0o755)
    keywords = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    binary = shutil.copy(harness.program("gdcerts"), folder / "gdcerts")

    def run(*files):
        done = subprocess.run([binary, "inspect", *files], capture_output=True, text=True, check=False,
                              cwd="/", env=harness.environment(), timeout=60, **keywords)
        return harness.Result(done.returncode, done.stdout, done.stderr)

    try:
        yield folder, run
    finally:
        if (folder / "closed").exists():
            (folder / "closed").chmod(0o755)
        shutil.rmtree(folder)


def test_unreadable_says_owner_and_mode(outsider, certs):
    folder, run = outsider
    path = folder / "10.0.0.12:8890.zip"
    shutil.copy(certs.zip, path)
    path.chmod(0o000)
    owner = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    one_sentence(run(path), str(path), f"belongs to {owner}", "mode 0000")


def test_closed_directory(outsider, certs):
    folder, run = outsider
    (folder / "closed").mkdir()
    shutil.copy(certs.zip, folder / "closed" / "a.zip")
    (folder / "closed").chmod(0o000)
    one_sentence(run(folder / "closed" / "a.zip"), "a.zip", "directory on its path")
