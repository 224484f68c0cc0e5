# SPDX-License-Identifier: MIT
"""gdprobe under monitoring: metrics in a file, the exporter, the plugin, and what is shipped for each."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import threading
import time
import urllib.parse

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


# --- The exporter -------------------------------------------------------------------------------------------


class Exporter(harness.Process):
    """A running exporter: its first line on stderr says where."""

    def __init__(self, identities, *options):
        super().__init__([harness.program("gdprobe"), "--exporter", "127.0.0.1:0", "--identity-dir", str(identities),
                          *map(str, options)])
        harness.wait_for(lambda: self.lines or not self.alive(), what="the exporter's first line")
        assert self.lines and "http://" in self.lines[0], self.stderr
        self.address = harness.parse_address(self.lines[0].partition("http://")[2].rstrip("/"))

    def get(self, path, timeout=None, method="GET", headers=()):
        """\\return (status, body, content type)."""
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        try:
            sent = dict(headers)
            if timeout is not None:
                sent["X-Prometheus-Scrape-Timeout-Seconds"] = str(timeout)
            connection.request(method, path, headers=sent)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers["Content-Type"]
        finally:
            connection.close()

    def probe(self, target, timeout=10, **more):
        query = urllib.parse.urlencode({"target": target, **more})
        status, body, kind = self.get(f"/probe?{query}", timeout)
        assert status == 200, (status, body)
        assert kind.startswith("text/plain; version=0.0.4"), kind
        return samples(body)

    def stop(self):
        self.popen.terminate()
        code = self.wait()
        harness.assert_no_report(self.stderr)
        return code


@pytest.fixture(scope="module")
def identities(certs, shared_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("identities")
    shutil.copy(certs.zip, folder / f"{shared_server.target}.zip")
    return folder


@pytest.fixture
def exporter(identities):
    running = []

    def start(*options):
        running.append(Exporter(identities, *options))
        return running[-1]

    try:
        yield start
        for each in running:
            if each.alive():
                assert each.stop() == 0, each.stderr
    finally:
        for each in running:
            each.kill()


def known(identities, certs, target):
    """Make target one with an identity."""
    path = identities / f"{target}.zip"
    if not path.exists():
        shutil.copy(certs.zip, path)
    return target


def test_probe(server, exporter):
    found = exporter().probe(server.target)
    assert value(found, "probe_success") == value(found, "probe_godoxy_completed") == 1
    assert labels_of(found, "probe_godoxy_face_success", "face") == {"https", "tcp", "udp"}
    assert labels_of(found, "probe_godoxy_stream_duration_seconds", "stage") >= {"connect", "handshake", "header"}
    assert labels_of(found, "probe_godoxy_stream_duration_seconds", "transport") == {"tls", "dtls"}
    assert not labels_of(found, "probe_godoxy_cause", "cause")
    assert value(found, "probe_timeout_seconds") == 5  # the module's own, less than the scraper's 9.5


@pytest.mark.parametrize("module, faces", [("all", {"https", "tcp", "udp"}), ("tcp", {"tcp"}), ("udp", {"udp"}),
                                           ("http", {"https"})])
def test_modules(server, exporter, module, faces):
    found = exporter().probe(server.target, module=module)
    assert value(found, "probe_success") == 1
    assert labels_of(found, "probe_godoxy_face_success", "face") == faces


def test_failed_probe(exporter, identities, certs):
    """Status 200, not healthy, with the cause; and within the scraper's time less half a second."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        target = known(identities, certs, "127.0.0.1:%d" % mute.getsockname()[1])
        start = time.monotonic()
        found = exporter().probe(target, timeout=1.5, module="tcp")
        assert time.monotonic() - start < 1.4
    assert value(found, "probe_success") == 0 and value(found, "probe_godoxy_completed") == 1
    assert value(found, "probe_timeout_seconds") == 1
    assert labels_of(found, "probe_godoxy_cause", "cause")


def test_unreadable_identity(exporter, identities):
    """Not the agent's fault: not completed."""
    (identities / "127.0.0.1:9.zip").write_bytes(b"no zip")
    found = exporter().probe("127.0.0.1:9")
    assert value(found, "probe_success") == value(found, "probe_godoxy_completed") == 0


def test_debug(server, exporter):
    status, body, kind = exporter().get(f"/probe?target={server.target}&debug=true")
    assert status == 200 and kind == "text/plain; charset=utf-8"
    assert f"{server.target}  HEALTHY" in body and "handshake" in body and "probe_success 1" in body


@pytest.mark.parametrize("query, status, hint", [
    ("", 400, "target is missing"),
    ("?target=", 400, "target is missing"),
    ("?target=127.0.0.1:1", 404, "no identity"),
    ("?target=unknown.lan", 404, "unknown.lan:8890.zip"),
    ("?target=..%2F..%2Fetc%2Fpasswd:1", 400, "no target"),
    ("?target=127.0.0.1:99999", 400, "port"),
    ("?target=http://x/", 400, ""),
    ("?target=a%00b:1", 400, "NUL"),
    ("?target=%ff%fe:1", 404, "??:1.zip"),
    ("?target=" + "a" * 300, 400, ""),
    ("?target=@&module=quic", 400, "module"),
    ("?target=%0d%0aX-Evil:1", 400, "no target"),
])
def test_bad_queries(exporter, query, status, hint):
    got, body, kind = exporter().get(f"/probe{query}")
    assert got == status and hint in body and kind.startswith("text/plain"), (got, body)
    assert body.count("\n") == 1


@pytest.mark.parametrize("timeout", ["soon", "-1", "0", "nan", "0.5", "1e3"])
def test_bad_budget(server, exporter, timeout):
    status, body, _ = exporter().get(f"/probe?target={server.target}", timeout)
    assert status == 400, body


def test_other_requests(exporter):
    each = exporter()
    assert each.get("/")[0] == 200 and "/probe" in each.get("/")[1]
    assert each.get("/nothing")[0] == 404
    assert each.get("/probe", method="POST")[0] == 405
    assert each.get("/probe", method="DELETE")[0] == 405
    assert each.get("/", method="HEAD") == (200, "", "text/html; charset=utf-8")


@pytest.mark.parametrize("size", [20_000, 10_000_000])
def test_huge_url(server, exporter, size):
    """Answered with 4xx, or cut off; and the next one is served."""
    each = exporter()
    with socket.create_connection(each.address, timeout=30) as connection:
        answer = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /probe?target=")
            for _ in range(size // 10_000):
                connection.sendall(b"a" * 10_000)
            connection.sendall(b" HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(65536):
                answer += data
    assert re.match(rb"HTTP/1\.[01] 4\d\d ", answer), answer[:100]
    assert value(each.probe(server.target, module="http"), "probe_success") == 1
    if not harness.SANITIZED:
        assert harness.rss(each.pid) < 32 << 20


def test_own_metrics(server, exporter):
    each = exporter()
    each.probe(server.target)
    each.get("/probe?target=x:1")
    found = samples(each.get("/metrics")[1])
    assert value(found, "gdprobe_exporter_scrapes_total", result="healthy") == 1
    assert value(found, "gdprobe_exporter_scrapes_total", result="rejected") == 1
    assert value(found, "gdprobe_exporter_scrapes_running") == 0


def test_many_scrapes(server, exporter, identities, certs):
    """Fifty at once, healthy and not: each answer is that target's own."""
    each = exporter()
    closed = known(identities, certs, "127.0.0.1:%d" % harness.closed_port()[1])
    answers = harness.in_parallel(*[
        (lambda target=target: each.probe(target, timeout=20)) for target in [server.target, closed] * 25])
    for i, found in enumerate(answers):
        assert value(found, "probe_success") == (i % 2 == 0), found
        assert value(found, "probe_godoxy_completed") == 1
    fds = harness.count_fds(each.pid)
    assert fds < 40


def test_more_than_can_wait(exporter, identities, certs):
    """One at a time, and no time for the others: they are told so, and not that the agent is ill."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        target = known(identities, certs, "127.0.0.1:%d" % mute.getsockname()[1])
        each = exporter("--parallel", "1")
        answers = harness.in_parallel(*[
            (lambda: each.get(f"/probe?target={target}&module=tcp", timeout=1.5)) for _ in range(5)])
    assert sorted(status for status, _, _ in answers) == [200, 503, 503, 503, 503], answers


def test_sigterm_ends_it(exporter, identities, certs):
    """Also while it probes: who waits is answered."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        target = known(identities, certs, "127.0.0.1:%d" % mute.getsockname()[1])
        each = exporter("--parallel", "1")
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(each.get(f"/probe?target={target}")))
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        harness.wait_for(lambda: "scrapes_waiting 2" in each.get("/metrics")[1])
        start = time.monotonic()
        assert each.stop() == 0, each.stderr
        assert time.monotonic() - start < 3
        for thread in threads:
            thread.join()
    assert [status for status, _, _ in answers] == [503] * 3, answers


@pytest.mark.parametrize("options, hint", [
    (("--exporter", "127.0.0.1:0"), "--identity-dir"),
    (("--exporter", "127.0.0.1", "--identity-dir", "."), "port"),
    (("--exporter", "localhost:1", "--identity-dir", "."), "IP address"),
    (("--exporter", "127.0.0.1:0", "--identity-dir", ".", "x"), "targets"),
    (("--exporter", "127.0.0.1:0", "--identity-dir", ".", "--json"), "--json"),
    (("--exporter", "127.0.0.1:0", "--identity-dir", ".", "-i", "x"), "--identity-dir"),
    (("--exporter", "192.0.2.1:1", "--identity-dir", "."), "192.0.2.1"),
])
def test_wrong_exporter(options, hint):
    result = run("gdprobe", *options)
    assert result.rc == 3 and hint in result.stderr and result.stderr.count("\n") == 1, result


def test_port_is_taken(exporter):
    host, port = exporter().address
    result = run("gdprobe", "--exporter", f"{host}:{port}", "--identity-dir", ".")
    assert result.rc == 3 and str(port) in result.stderr, result


def test_identity_dir(server, identities):
    """Without the exporter it is where the zips of targets are."""
    assert run("gdprobe", "--http", "--identity-dir", identities, server.target).rc == 0


# --- The plugin ---------------------------------------------------------------------------------------------

LABEL = r"'[^'=]+'|[^'=\s]+"
NUMBER = r"-?\d+(?:\.\d+)?"
RANGE = rf"@?(?:(?:~|{NUMBER})?:)?(?:{NUMBER})?"
PERFDATA = re.compile(rf"({LABEL})=({NUMBER}|U)(s|us|ms|%|B|KB|MB|TB|c|)(?:;({RANGE}))?(?:;({RANGE}))?"
                      rf"(?:;({NUMBER})?)?(?:;({NUMBER})?)?")


def parsed(result):
    """The guidelines' grammar, written down anew: (status word, text, performance data, long text)."""
    assert result.stderr == "", result
    first, *long = result.stdout.splitlines()
    text, bar, rest = first.partition("|")
    assert len(text) <= 80 and text.isprintable() and "|" not in rest and not any("|" in line for line in long), result
    word = re.match(r"GODOXY (OK|WARNING|CRITICAL|UNKNOWN) - \S", text)
    assert word and ("OK", "WARNING", "CRITICAL", "UNKNOWN")[result.rc] == word[1], result
    data = {}
    rest = rest.strip()
    while rest:
        match = PERFDATA.match(rest)
        assert match and (match.end() == len(rest) or rest[match.end()] == " "), rest
        label = match[1].strip("'")
        assert label not in data
        data[label] = float(match[2])
        rest = rest[match.end():].strip()
    return word[1], text, data, long


def check(*args, **keywords):
    return run("check_godoxy_stream", *args, **keywords)


def test_plugin(server, certs):
    host, port = server.address
    result = check("-H", host, "-p", port, "-i", certs.zip, "-t", "10", "-w", "1,30:", "-c", "3,7:")
    word, text, data, long = parsed(result)
    assert word == "OK" and server.target in text
    assert {"time", "https", "tcp", "udp", "cert_days", "tcp_handshake", "udp_handshake", "tcp_close",
            "https_payload"} <= set(data)
    assert 0 < data["tcp_handshake"] <= data["tcp"] <= data["time"] < 1
    assert "'time'=%.6fs;1;3;0" % data["time"] in result.stdout
    assert [line.split(":")[0] for line in long] == ["[OK] HTTPS", "[OK] TCP", "[OK] UDP", "[OK] certs"]


@pytest.mark.parametrize("warning, critical, rc", [
    ("0.000001", "10", 1), ("0", "0.000001", 2), ("@0:10", "10", 1), ("10", "~:0", 2), (",2000000:", "10", 1),
    ("10:", "0:10", 1)])
def test_plugin_thresholds(server, certs, warning, critical, rc):
    host, port = server.address
    result = check("-H", host, "-p", port, "-i", certs.zip, "--tcp", "-w", warning, "-c", critical)
    assert result.rc == rc, result
    assert "threshold" in parsed(result)[1]


def test_plugin_says_what_fails(server, certs):
    """Refused is critical and not unknown; an optional face is a warning."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        result = check("-H", "127.0.0.1", "-p", mute.getsockname()[1], "-i", certs.zip, "-t", "0.5")
    assert result.rc == 2 and any(line.startswith("[CRITICAL] TCP") for line in parsed(result)[3]), result
    result = check("-H", "127.0.0.1", "-p", harness.closed_port()[1], "-i", certs.zip, "--tcp")
    assert result.rc == 2 and "tcp-refused" in parsed(result)[1]
    result = check("-H", "127.0.0.1", "-p", harness.closed_port()[1], "-i", certs.zip, "--tcp", "--optional", "tcp")
    assert result.rc == 1 and parsed(result)[3][0].startswith("[WARNING] TCP: ")
    result = check("-H", "no-such-host.invalid", "-i", certs.zip, "-t", "5")
    assert result.rc == 2, result


@pytest.mark.parametrize("args, hint", [
    ((), "-H HOST is missing"),
    (("-H", "h", "-w", "ten"), "ten"),
    (("-H", "h", "-w", "3:1"), "3:1"),
    (("-H", "h", "-c", ""), "threshold"),
    (("-H", "h", "-p", "0"), "port"),
    (("-H", "h", "-p", "x"), "port"),
    (("-H", "h", "-t", "0"), "timeout"),
    (("-H", "h", "-t", "86401"), "day"),
    (("-H", "h", "x"), "-H"),
    (("-H", "h", "--no-such"), "--no-such"),
    (("-H", "h"), "no certificate"),
    (("-H", "h" * 300), "too long"),
    (("-H", "http://h/", "-i", "x"), ""),
    (("-H", "h", "-i", "/nowhere.zip"), "/nowhere.zip"),
])
def test_plugin_usage(args, hint, tmp_path):
    """Unknown, on standard output: nobody sees another one."""
    result = check(*args, cwd=tmp_path)
    assert result.rc == 3 and result.stderr == "" and hint in result.stdout, result


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_plugin_help(option):
    result = check(option)
    assert result.rc == 3 and "check_godoxy_stream" in result.stdout, result


def test_plugin_ipv6(start_server, certs):
    server = start_server(listen="[::1]:0")
    assert parsed(check("-H", "::1", "-p", server.port, "-i", certs.zip))[0] == "OK"


# --- What is shipped ----------------------------------------------------------------------------------------

CONTRIB = pathlib.Path(__file__).parents[2] / "contrib"


def metric_names():
    """All families that this program can write, from its own table."""
    source = (CONTRIB.parent / "src/out/prometheus.c").read_text()
    return set(re.findall(r'\{"(probe_\w+)"', source))


def test_rules():
    promtool = shutil.which(os.environ.get("PROMTOOL", "promtool"))
    if not promtool:
        pytest.skip("promtool is missing (Debian: prometheus)")
    done = subprocess.run([promtool, "check", "rules", CONTRIB / "prometheus/rules.yml"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    done = subprocess.run([promtool, "check", "config", "--syntax-only", CONTRIB / "prometheus/scrape.yml"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done


def test_rules_use_metrics_that_are():
    text = (CONTRIB / "prometheus/rules.yml").read_text()
    used = set(re.findall(r"\bprobe_\w+", text))
    assert len(used) > 5 and used <= metric_names()


def test_dashboard():
    """JSON of Grafana's form: panels do not overlap, and ask for metrics that are."""
    root = json.loads((CONTRIB / "grafana/godoxy-agents.json").read_text())
    places, names = set(), set()
    for panel in root["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places and at["x"] + at["w"] <= 24, panel["title"]
        places |= cells
        for target in panel["targets"]:
            names |= set(re.findall(r"\bprobe_\w+", target["expr"]))
    assert len(names) > 5 and names <= metric_names()
    assert len({panel["id"] for panel in root["panels"]}) == len(root["panels"])


def test_icinga_command():
    """Each option it passes is the plugin's."""
    text = (CONTRIB / "icinga2/godoxy.conf").read_text()
    options = re.findall(r'^\t\t"(-[^"]*)" = ', text, re.MULTILINE)
    help_text = check("--help").stdout
    for option in options:
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", help_text), option
    assert len(options) > 10 and text.count("{") == text.count("}")
