# SPDX-License-Identifier: MIT
"""gdcerts renew: new certificates of the same CA, and nothing lost when it cannot be done."""

import os
import pathlib
import resource
import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import harness
from fixtures import Certs

RENEWED = {"server.pem", "server.key", "client.pem", "client.key", "agent.env", "client.zip"}
OLD = {f"{name}.old" for name in RENEWED}
CA = {"ca.pem", "ca.key"}


def contents(folder):
    return {path.name: (path.read_bytes() if path.is_file() else None, path.stat().st_mode)
            for path in pathlib.Path(folder).iterdir()}


def certificate(path):
    return x509.load_pem_x509_certificate(pathlib.Path(path).read_bytes())


def gdcerts(*args, **keywords):
    return harness.run("gdcerts", *args, **keywords)


def refused(folder, *words, options=()):
    """Exit code 3, one sentence, and not a byte changed."""
    before = contents(folder) if os.path.isdir(folder) else None
    result = gdcerts("renew", *options, folder)
    assert (result.rc, result.stdout) == (3, ""), result
    assert result.stderr.startswith("gdcerts: ") and result.stderr.count("\n") == 1, result
    for word in words:
        assert word in result.stderr, result
    assert before is None or contents(folder) == before


@pytest.fixture
def folder(tmp_path, certs):
    """A copy of a set that may be spoilt."""
    return pathlib.Path(shutil.copytree(certs.folder, tmp_path / "set"))


def test_renews_all_but_the_ca(folder):
    """CERT-01, CERT-04: same CA, same names, new keys; zip and environment hold the new ones; the old ones are kept."""
    before = contents(folder)
    result = gdcerts("renew", folder)
    assert result.rc == 0 and result.stderr == "", result
    after = contents(folder)
    assert set(after) == CA | RENEWED | OLD
    for name in RENEWED:
        assert after[name][0] != before[name][0] and after[f"{name}.old"] == before[name]
        assert after[name][1] == before[name][1]
    for name in CA:
        assert after[name] == before[name]
    for role in ("server", "client"):
        old, new = certificate(folder / f"{role}.pem.old"), certificate(folder / f"{role}.pem")
        assert old.subject == new.subject and old.issuer == new.issuer
        assert [e.value for e in old.extensions] == [e.value for e in new.extensions]
        assert old.serial_number != new.serial_number
        assert old.public_key() != new.public_key()
        new.verify_directly_issued_by(certificate(folder / "ca.pem"))
        key = serialization.load_pem_private_key((folder / f"{role}.key").read_bytes(), None)
        assert key.public_key() == new.public_key()
    assert gdcerts("inspect", "--ca", folder / "ca.pem", *(folder / name for name in RENEWED)).rc == 0


def test_old_and_new_understand_each_other(folder, start_server):
    """One side after the other can be given its new certificates."""
    old = Certs(shutil.copytree(folder, folder.parent / "old"))
    assert gdcerts("renew", folder).rc == 0
    new = Certs(folder)
    for server, client in ((old, new), (new, old), (new, new)):
        process = start_server(identity=server.server_options())
        result = gdprobe(process.target, client)
        assert result.rc == 0, result


def gdprobe(target, certs):
    return harness.run("gdprobe", "--tcp", "--udp", "--ca", certs.ca, "--cert", certs.client, "--key", certs.client_key,
                       target)


def test_second_renewal_needs_force(folder):
    assert gdcerts("renew", folder).rc == 0
    refused(folder, "server.pem.old is already there", "--force")
    first = contents(folder)
    assert gdcerts("renew", "--force", folder).rc == 0
    for name in RENEWED:
        assert contents(folder)[f"{name}.old"] == first[name]


def test_expired_is_why_one_renews(tmp_path, certs):
    folder = tmp_path / "set"
    assert gdcerts("new", "--from", certs.folder, "--not-before", "2020-01-01", "--days", "2", folder).rc == 0
    assert gdcerts("renew", "--days", "30", folder).rc == 0
    new = certificate(folder / "server.pem")
    assert (new.not_valid_after_utc - new.not_valid_before_utc).days == 30
    assert gdcerts("inspect", folder / "client.zip", folder / "agent.env").rc == 0


def test_rsa_becomes_ecdsa(tmp_path):
    """CERT-05: the RSA era ends with a renewal."""
    assert gdcerts("new", "--rsa", tmp_path / "set").rc == 0
    assert gdcerts("renew", tmp_path / "set").rc == 0
    assert certificate(tmp_path / "set" / "server.pem").public_key().key_size == 256


@pytest.mark.parametrize("name", sorted(RENEWED - {"server.pem", "client.pem"}))
def test_a_file_that_was_moved_away(folder, name):
    """Whose key is with its owner only can be renewed all the same."""
    (folder / name).unlink()
    assert gdcerts("renew", folder).rc == 0
    assert set(contents(folder)) == (CA | RENEWED | OLD) - {f"{name}.old"}


@pytest.mark.parametrize("name", ["ca.pem", "ca.key", "server.pem", "client.pem"])
def test_what_cannot_be_missing(folder, name):
    (folder / name).unlink()
    refused(folder, name, "does not exist")


def test_no_set(tmp_path, certs):
    refused(tmp_path, "ca.pem does not exist")
    refused(tmp_path / "nowhere", "does not exist")
    refused(certs.env, "gdcerts new --from")
    refused(certs.zip, "no CA key")
    refused(certs.ca, "PEM file")


def test_files_of_two_sets(folder, tmp_path):
    assert gdcerts("new", tmp_path / "other").rc == 0
    for name in ("server.pem", "client.pem"):
        kept = (folder / name).read_bytes()
        shutil.copy(tmp_path / "other" / name, folder / name)
        refused(folder, name, "gdcerts inspect")
        (folder / name).write_bytes(kept)
    shutil.copy(tmp_path / "other" / "ca.key", folder / "ca.key")
    refused(folder, "do not belong together")


def test_roles_swapped(folder):
    shutil.copy(folder / "client.pem", folder / "server.pem")
    refused(folder, "server.pem", "gdcerts inspect")


@pytest.mark.parametrize("args, words", [((), "DIR is missing"), (("a", "b"), "one DIR"),
                                         (("--days", "0", "a"), "--days"), (("--ca-too", "a"), "ca-too")])
def test_usage(args, words):
    result = gdcerts("renew", *args)
    assert result.rc == 3 and words in result.stderr and result.stderr.count("\n") == 1, result


@pytest.mark.parametrize("limit, name", [(300, "ca.pem"), (1000, "agent.env")])
def test_brings_back_what_was_there(folder, limit, name):
    """The disk is full, at once or when half is written: none is renewed, and each is what it was."""
    before = contents(folder)
    # Python ignores SIGXFSZ, and so does the child then: its write fails.
    done = subprocess.run([harness.program("gdcerts"), "renew", folder], capture_output=True, text=True, timeout=60,
                          check=False, env=harness.environment(), restore_signals=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert done.returncode == 3 and name in done.stderr and done.stderr.count("\n") == 1, done
    assert done.stdout == "" and contents(folder) == before


@pytest.mark.parametrize("name", sorted(RENEWED - {"server.pem", "client.pem"}))
def test_a_directory_in_the_way(folder, name):
    """Neither moved away nor written over."""
    (folder / name).unlink()
    (folder / name).mkdir()
    refused(folder, name, "not a regular file")
    (folder / name).rmdir()
    (folder / f"{name}.old").mkdir()
    refused(folder, f"{name}.old", "Is a directory", options=("--force",))


# --- new --from -----------------------------------------------------------------------------------------


def test_from_the_agents_environment(tmp_path, certs):
    """CERT-03: AGENT_CA_CERT holds the CA's key."""
    assert gdcerts("new", "--from", certs.env, tmp_path / "file").rc == 0
    assert gdcerts("new", "--from", "-", tmp_path / "stdin", stdin=certs.env.read_text()).rc == 0
    for folder in (tmp_path / "file", tmp_path / "stdin"):
        assert (folder / "ca.pem").read_bytes() == certs.ca.read_bytes()
        assert (folder / "ca.key").read_bytes() == certs.ca_key.read_bytes()
        certificate(folder / "server.pem").verify_directly_issued_by(certificate(certs.ca))


@pytest.mark.parametrize("source, words", [("client.zip", "no CA key"), ("ca.pem", "PEM file"),
                                           ("nowhere", "does not exist")])
def test_from_what_has_no_key(tmp_path, certs, source, words):
    result = gdcerts("new", "--from", certs.folder / source, tmp_path / "new")
    assert result.rc == 3 and words in result.stderr and not (tmp_path / "new").exists(), result
