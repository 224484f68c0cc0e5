# SPDX-License-Identifier: MIT
"""gdprobe under monitoring: metrics in a file, the exporter, the plugin, and what is shipped for each."""

import os
import shutil
import stat
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

import harness
from harness import run


def client(certs):
    return ("--ca", str(certs.ca), "--cert", str(certs.client), "--key", str(certs.client_key))


def samples(text):
    """{(name, labels)} of a text, as prometheus-client reads it; promtool has nothing to say either."""
    assert text.endswith("\n")
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type in ("gauge", "counter"), family
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    helps = [line.split()[2] for line in text.splitlines() if line.startswith("# HELP ")]
    assert len(helps) == len(set(helps)) == text.count("# TYPE ")
    if promtool := shutil.which(os.environ.get("PROMTOOL", "promtool")):
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
    return found


def value(found, name, **labels):
    return found.get((name, frozenset(labels.items())))


def labels_of(found, name, label):
    return {dict(labels)[label] for each, labels in found if each == name}


# --- A file for node_exporter -------------------------------------------------------------------------------


def test_textfile(server, certs, tmp_path):
    path = tmp_path / "godoxy.prom"
    closed = "127.0.0.1:%d" % harness.closed_port()[1]
    result = run("gdprobe", *client(certs), "--textfile", path, server.target, closed)
    assert result.rc == 2 and "HEALTHY" in result.stdout, result
    found = samples(path.read_text())
    assert value(found, "probe_success", target=server.target) == 1
    assert value(found, "probe_success", target=closed) == 0
    assert value(found, "probe_godoxy_completed", target=closed) == 1
    assert value(found, "probe_godoxy_cause", target=closed, cause="tcp-refused") == 1
    assert value(found, "probe_timeout_seconds", target=closed) == 5
    assert value(found, "probe_ip_protocol", target=server.target) == 4
    assert 0 < value(found, "probe_duration_seconds", target=server.target) < 5
    assert value(found, "probe_ssl_earliest_cert_expiry", target=server.target) > 3e10
    assert 0 < value(found, "probe_godoxy_stream_duration_seconds", target=server.target, face="udp",
                     stage="handshake", transport="dtls") < 5
    assert value(found, "probe_tls_version_info", target=server.target, face="tcp", version="TLS 1.3") == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == [path.name]


def test_textfile_is_replaced(server, certs, tmp_path):
    """Whoever has the old file open keeps it whole: a new one takes its name."""
    path = tmp_path / "godoxy.prom"
    path.write_text("old\n")
    with path.open() as old:
        assert run("gdprobe", *client(certs), "--http", "--textfile", path, server.target).rc == 0
        assert old.read() == "old\n"
    assert value(samples(path.read_text()), "probe_success", target=server.target) == 1


@pytest.mark.parametrize("where", ["missing/godoxy.prom", "folder"])
def test_unwritable_textfile(server, certs, tmp_path, where):
    """Said, exit code 3, and nothing is left behind."""
    (tmp_path / "folder").mkdir()
    result = run("gdprobe", *client(certs), "--http", "--textfile", tmp_path / where, server.target)
    assert result.rc == 3 and result.stderr.count("\n") == 1, result
    assert where in result.stderr and "cannot be written" in result.stderr, result
    assert os.listdir(tmp_path) == ["folder"]
