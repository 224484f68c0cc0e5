# SPDX-License-Identifier: MIT
"""gdprobe over many targets: lists, folders of zips, the summary, progress, and a budget for each."""

import contextlib
import json
import os
import pathlib
import pty
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import pytest

import harness
from harness import run


# Datagrams of a wildcard socket leave from 127.0.0.1, whatever address was asked.
FACES = ("--tcp", "--http")


def client(certs):
    return (*FACES, "--ca", str(certs.ca), "--cert", str(certs.client), "--key", str(certs.client_key))


def addresses(server, count, first=1):
    """The same agent under many addresses: all of 127/8 is this machine."""
    return [f"127.0.{i // 200}.{i % 200 + 1}:{server.port}" for i in range(first, first + count)]


@pytest.fixture(scope="module")
def everywhere(certs):
    server = harness.Server(*certs.server_options(), listen="0.0.0.0:0")
    try:
        yield server
        server.assert_clean_end()
    finally:
        server.kill()


@contextlib.contextmanager
def mute():
    """Something that accepts and says nothing, over UDP neither."""
    with socket.create_server(("127.0.0.1", 0)) as listener, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(listener.getsockname())
        yield "127.0.0.1:%d" % listener.getsockname()[1]


def results(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


# --- Lists --------------------------------------------------------------------------------------------------


def test_list(everywhere, certs, tmp_path):
    """Comments, blank lines, blanks around a name, CRLF, and a last line without its end."""
    targets = addresses(everywhere, 4)
    path = tmp_path / "targets.txt"
    path.write_bytes(("# agents\n\n%s\n  %s\t# the nas\r\n\t\n%s\r\n%s" % tuple(targets)).encode())
    result = run("gdprobe", "--json", *client(certs), "-f", path)
    assert result.rc == 0 and result.stderr == "", result
    assert [root["target"] for root in results(result)] == targets


def test_list_from_stdin_and_arguments(everywhere, certs):
    targets = addresses(everywhere, 3)
    result = run("gdprobe", "--json", *client(certs), "-f", "-", targets[0], stdin="\n".join(targets[1:]))
    assert result.rc == 0, result
    assert [root["target"] for root in results(result)] == targets


JUNK = [
    b"http://nas.lan/",
    b"127.0.0.1:99999",
    b"[::1",
    b"no-such-folder/x.zip",
    b"\xff\xfe\x00\x01",
    b"x" * 300,
    b"y" * 20000,
    b"10.0.1",
    b"two words",
    b"\x1b[2Jhost name",
]


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_junk_line(everywhere, certs, tmp_path, junk):
    """Named by its number; the others are checked, and the exit code says that not all were."""
    targets = addresses(everywhere, 2)
    path = tmp_path / "targets.txt"
    path.write_bytes(b"\n".join([targets[0].encode(), junk, targets[1].encode(), b""]))
    result = run("gdprobe", "--json", *client(certs), "-f", path)
    assert result.rc == 3, result
    assert [root["target"] for root in results(result)] == targets
    assert result.stderr.count("\n") == 1 and "targets.txt, line 2 is left out: " in result.stderr, result
    assert "\x1b" not in result.stderr


def test_duplicates(everywhere, certs, tmp_path):
    """Said, and checked once."""
    target, other = addresses(everywhere, 2)
    path = tmp_path / "targets.txt"
    path.write_text(f"{target}\n{other}\n{target}  # again\n")
    result = run("gdprobe", "--json", *client(certs), "-f", path)
    assert result.rc == 0, result
    assert [root["target"] for root in results(result)] == [target, other]
    assert result.stderr.count("\n") == 1 and "line 3" in result.stderr and "twice" in result.stderr, result


@pytest.mark.parametrize("content, hint", [(None, "cannot be read"), ("", "names no target"),
                                           ("# nobody\n", "names no target")])
def test_empty_list(certs, tmp_path, content, hint):
    path = tmp_path / "targets.txt"
    if content is not None:
        path.write_text(content)
    result = run("gdprobe", *client(certs), "-f", path)
    assert result.rc == 3 and result.stdout == "", result
    assert hint in result.stderr and result.stderr.count("\n") == 1, result


def test_list_is_a_folder(certs, tmp_path):
    result = run("gdprobe", *client(certs), "-f", tmp_path)
    assert result.rc == 3 and "cannot be read" in result.stderr, result


# --- Folders ------------------------------------------------------------------------------------------------


def test_folder_of_zips(everywhere, certs, tmp_path):
    """Each with its own identity: one of them is not the agent's."""
    targets = addresses(everywhere, 3)
    folder = tmp_path / "certs"
    folder.mkdir()
    for target in targets:
        shutil.copy(certs.zip, folder / f"{target}.zip")
    (folder / f"{targets[1]}.zip").write_bytes(b"no zip")
    result = run("gdprobe", "--json", *FACES, folder)
    assert result.rc == 3, result
    assert [root["exit"] for root in sorted(results(result), key=lambda root: root["target"])] == [0, 3, 0]
    assert result.stderr.count("\n") == 1 and targets[1] in result.stderr, result


def test_empty_folder(tmp_path):
    result = run("gdprobe", tmp_path)
    assert result.rc == 3 and "no agent's zip" in result.stderr, result


# --- What is printed ----------------------------------------------------------------------------------------


def test_summary(everywhere, certs):
    """A line a healthy target, all about the others, and the sum."""
    targets = addresses(everywhere, 3)
    closed = "127.0.0.1:%d" % harness.closed_port()[1]
    result = run("gdprobe", *client(certs), *targets, closed)
    assert result.rc == 2, result
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == [*targets, closed]
    assert all("  HEALTHY  " in line for line in lines[:3])
    assert re.fullmatch(r"4 targets: 3 healthy, 0 with a warning, 1 not healthy, 0 not judged; [0-9.]+ m?s", lines[-1])
    assert "Next: " in result.stdout
    verbose = run("gdprobe", "-v", *client(certs), *targets)
    assert verbose.stdout.count("handshake") >= 6, verbose


def test_one_target_has_no_summary(everywhere, certs):
    result = run("gdprobe", *client(certs), everywhere.target.replace("0.0.0.0", "127.0.0.1"))
    assert result.rc == 0 and "targets:" not in result.stdout, result


def test_no_progress_in_a_pipe(everywhere, certs):
    result = run("gdprobe", *client(certs), *addresses(everywhere, 20))
    assert result.rc == 0 and result.stderr == "" and "\033" not in result.stdout, result


def test_progress_on_a_terminal(everywhere, certs):
    """On stderr, and wiped before the end; what stdout gets is the same."""
    master, slave = pty.openpty()
    done = subprocess.run([harness.program("gdprobe"), *client(certs), *addresses(everywhere, 20)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave, check=False,
                          env=harness.environment(TERM="xterm"), timeout=60)
    os.close(slave)
    seen = os.read(master, 65536).decode()
    os.close(master)
    assert done.returncode == 0
    assert re.search(r"\r\033\[K\d+ of 20 checked", seen)
    assert seen.endswith("\r\033[K")
    assert done.stdout.count(b"HEALTHY") == 20 and b"\033" not in done.stdout


# --- Side by side -------------------------------------------------------------------------------------------


def test_budget_is_each_targets_own(everywhere, certs):
    """One at a time, and the first ones use up all they have: the last is still healthy."""
    target, = addresses(everywhere, 1)
    with mute() as first, mute() as second, mute() as third:
        result = run("gdprobe", "--json", *client(certs), "--timeout", "600ms", "--parallel", "1",
                     first, second, third, target)
    roots = results(result)
    assert [root["exit"] for root in roots] == [2, 2, 2, 0], result
    assert all(0.4e9 < root["duration_ns"] < 0.9e9 for root in roots[:3])


def test_side_by_side(certs):
    """Eight that are silent for a second take a second and not eight."""
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(mute()) for _ in range(8)]
        one_by_one = run("gdprobe", *client(certs), "--tcp", "--timeout", "300ms", "--parallel", "1", *silent)
        at_once = run("gdprobe", *client(certs), "--tcp", "--timeout", "300ms", "--parallel", "8", *silent)
    def seconds(result):
        value, unit = re.search(r"not judged; ([0-9.]+) (m?s)$", result.stdout).groups()
        return float(value) / (1000 if unit == "ms" else 1)
    assert one_by_one.rc == at_once.rc == 2
    assert seconds(at_once) < seconds(one_by_one) / 2


def test_many_targets(everywhere, certs, tmp_path):
    """A hundred, in the order of the list, in bounded memory and with bounded descriptors."""
    targets = addresses(everywhere, 100)
    path = tmp_path / "targets.txt"
    path.write_text("\n".join(targets))
    script = ("import os, resource, subprocess, sys; "
              "code = subprocess.call(sys.argv[1:]); "
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); "
              "sys.exit(code)")
    done = subprocess.run(["sh", "-c", 'ulimit -n 128; exec "$@"', "sh", sys.executable, "-c", script,
                           harness.program("gdprobe"), "--json", *client(certs), "--timeout", "30", "-f", str(path)],
                          capture_output=True, text=True, env=harness.environment(), check=False, timeout=120)
    assert done.returncode == 0, done
    assert [root["target"] for root in results(done)] == targets
    if not harness.SANITIZED:
        assert int(done.stderr) < 32 * 1024  # [KiB]


@pytest.mark.parametrize("value", ["0", "-1", "129", "many", ""])
def test_parallel_is_bounded(value):
    result = run("gdprobe", "--parallel", value, "x")
    assert result.rc == 3 and "--parallel" in result.stderr, result


# --- The user's own words -----------------------------------------------------------------------------------


def test_format(everywhere, certs):
    """As curl's --write-out: no newline of its own, no summary."""
    targets = addresses(everywhere, 2)
    result = run("gdprobe", "--format", r"%{target} %{exit} %{time_tls}\n", *client(certs), *targets)
    assert result.rc == 0, result
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    for line, target in zip(lines, targets):
        assert re.fullmatch(rf"{re.escape(target)} 0 0\.\d{{6}}", line)


@pytest.mark.parametrize("value, hint", [("%{nothing}", "nothing"), ("%", "percent"), ("\\x", "backslash")])
def test_wrong_format(value, hint):
    result = run("gdprobe", "--format", value, "x")
    assert result.rc == 3 and hint in result.stderr and result.stderr.count("\n") == 1, result


def test_variables_of_the_manual_page(everywhere, certs):
    """Each variable that the page names exists."""
    page = (pathlib.Path(__file__).parents[2] / "man/gdprobe.1").read_text()
    section = page.partition(".Ss Variables of --format")[2].partition(".Sh ")[0]
    names = []
    for line in section.splitlines():
        if line.startswith(".It Cm ") and " Ns " not in line:
            names += line.removeprefix(".It Cm ").split(" , ")
    assert "time_tls" in names and len(names) > 10
    form = "".join(f"%{{{name}}};" for name in [*names, "state_tcp", "time_udp_tunnel_payload"])
    assert run("gdprobe", "--format", form, *client(certs), *addresses(everywhere, 1)).rc == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a file of another user")
def test_zip_of_another_user(everywhere, certs):
    """GoDoxy's zips are root's, mode 0600: the sentence names file, owner and the command that helps."""
    target, = addresses(everywhere, 1)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = pathlib.Path(folder) / f"{target}.zip"
        shutil.copy(certs.zip, path)
        path.chmod(0o600)
        try:
            done = subprocess.run([harness.program("gdprobe"), str(path)], capture_output=True, text=True, check=False,
                                  env=harness.environment(), user=65534, group=65534, extra_groups=[], timeout=60)
        except PermissionError:
            pytest.skip("another user cannot reach the built program")
    assert done.returncode == 3 and done.stderr.count("\n") == 1, done
    assert f"{path} is not readable by " in done.stderr and "belongs to root, mode 0600" in done.stderr, done
    assert "sudo install -m 0600 -o " in done.stderr, done
