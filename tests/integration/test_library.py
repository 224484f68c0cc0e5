# SPDX-License-Identifier: MIT
"""The installed library: what it exports and needs, its examples against our programs, misuse, what is left behind."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

import harness
import header_model as header
from tls_client import Alert, Reset, TlsClient, Truncated, context

SOURCE = pathlib.Path(__file__).parents[2]
PROGRAMS = pathlib.Path(__file__).parent / "library_programs"
EXAMPLES = ("client_tcp", "client_udp", "foreign_loop", "server")


def make_variable(name):
    """A variable of the build's Makefile."""
    found = re.search(rf"^{name} = (.*)$", (harness.BINDIR / "Makefile").read_text(), re.MULTILINE)
    return found.group(1).strip() if found else ""


def call(*argv, **keywords):
    done = subprocess.run([str(each) for each in argv], capture_output=True, text=True, check=False, **keywords)
    assert done.returncode == 0, f"{argv}\n{done.stdout}{done.stderr}"
    return done.stdout


class Installed:
    """`make install` of the library into a folder of its own, and a compiler that finds it by pkg-config alone."""

    def __init__(self, folder):
        self.folder = folder
        self.prefix = pathlib.Path(make_variable("prefix"))
        # Flags of the make that runs these tests are not for this one.
        env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        call("make", "-C", harness.BINDIR, f"DESTDIR={folder / 'root'}", "install-libLTLIBRARIES",
             "install-pkgconfigDATA", "install-gdstreamincludeHEADERS", env=env)
        self.root = pathlib.Path(f"{folder / 'root'}{self.prefix}")
        self.pc = next(self.root.rglob("gdstream.pc"))
        self.lib = self.pc.parents[1]
        self.include = self.root / "include" / "gdstream"
        self.sanitizer = shlex.split(make_variable("SANITIZER_CFLAGS"))
        self.built = {}

    def pkg_config(self, *options, names=("gdstream",)):
        env = dict(os.environ)
        env["PKG_CONFIG_PATH"] = os.pathsep.join(filter(None, (str(self.pc.parent), env.get("PKG_CONFIG_PATH"))))
        return shlex.split(call("pkg-config", f"--define-variable=prefix={self.root}", *options, *names, env=env))

    def compile(self, source, libraries=None, name=None):
        program = self.folder / (name or source.stem)
        if libraries is None:
            libraries = self.pkg_config("--cflags", "--libs")
        call(*shlex.split(make_variable("CC")), "-g", "-Wall", "-Wextra", "-Werror", *self.sanitizer, source, "-o",
             program, *libraries)
        return program

    def program(self, name):
        """An example, or one of library_programs/, built once."""
        if name not in self.built:
            folder = SOURCE / "examples" if name in EXAMPLES else PROGRAMS
            self.built[name] = self.compile(folder / f"{name}.c")
        return str(self.built[name])

    def environment(self):
        return harness.environment(LD_LIBRARY_PATH=str(self.lib))

    def run(self, name, *args, stdin="", timeout=60):
        done = subprocess.run([self.program(name), *map(str, args)], input=stdin, capture_output=True, text=True,
                              timeout=timeout, env=self.environment(), check=False)
        harness.assert_no_report(done.stderr)
        return harness.Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    for tool in ("make", "pkg-config", "nm", "readelf"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    if not (harness.BINDIR / ".libs" / "libgdstream.so").exists():
        pytest.skip("built without the shared library")
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def agent_folder(certs, tmp_path_factory):
    """ca.pem, cert.pem and key.pem of a server."""
    folder = tmp_path_factory.mktemp("agent")
    for source, name in ((certs.ca, "ca.pem"), (certs.server, "cert.pem"), (certs.server_key, "key.pem")):
        shutil.copy(source, folder / name)
    return folder


class ExampleServer:
    """examples/server.c, until its standard input is closed."""

    def __init__(self, installed, folder, form, does):
        self.popen = subprocess.Popen([installed.program("server"), str(folder), form, does], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                      env=installed.environment())
        first = self.popen.stdout.readline()
        assert first.startswith("port "), first + self.popen.stderr.read()
        self.port = int(first.split()[1])
        self.address, self.target = ("127.0.0.1", self.port), f"127.0.0.1:{self.port}"

    def stop(self):
        """\\return the lines it printed."""
        stdout, stderr = self.popen.communicate(timeout=harness.LIMIT)
        harness.assert_no_report(stderr)
        assert self.popen.returncode == 0, stderr
        return stdout.splitlines()

    def kill(self):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.communicate()


@pytest.fixture
def example_server(installed, agent_folder):
    started = []

    def start(form, does):
        started.append(ExampleServer(installed, agent_folder, form, does))
        return started[-1]

    yield start
    for each in started:
        each.kill()


# --- What is installed ------------------------------------------------------------------------------


def test_exports(installed):
    """Only gds_*, only with a version, only what a public header declares, and all of that."""
    listed = call("nm", "-D", "--defined-only", installed.lib / "libgdstream.so").split("\n")
    names = {line.split()[-1] for line in listed if line}
    bare = {name.partition("@")[0] for name in names} - {"GDSTREAM_0.1"}
    assert bare and all(name.startswith("gds_") for name in bare), bare
    assert {name.partition("@")[2].lstrip("@") for name in names if "@" in name} == {"GDSTREAM_0.1"}
    text = "\n".join(path.read_text() for path in installed.include.glob("*.h"))
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    assert bare <= set(re.findall(r"\bgds_\w+", code))
    # Declarations at the start of a line: "int gds_x(", "struct gds_x *gds_y(", "extern const ... gds_z[".
    declared = set(re.findall(r"^(?!typedef|static|\s)[^;{}()]*?\b(gds_\w+)(?:\(|\[[^\]]*\];)", code, re.MULTILINE))
    inline = set(re.findall(r"^static inline [^;{}()]*?\b(gds_\w+)\(", code, re.MULTILINE))
    assert declared - inline - bare == set()


def test_needs(installed):
    """libev, libmicrohttpd, libcurl and jansson belong to the programs."""
    needed = re.findall(r"NEEDED.*\[(.*)\]", call("readelf", "-d", installed.lib / "libgdstream.so"))
    assert any(name.startswith("libgnutls") for name in needed)
    assert not [name for name in needed if re.match(r"lib(ev|microhttpd|curl|jansson)", name)]


@pytest.mark.parametrize("language, standard", [("c", "c11"), ("c++", "c++17")])
def test_headers_stand_alone(installed, tmp_path, language, standard):
    compiler = shlex.split(make_variable("CC")) if language == "c" else ["c++"]
    if not shutil.which(compiler[0]):
        pytest.skip(f"needs {compiler[0]}")
    flags = installed.pkg_config("--cflags")
    headers = sorted(installed.include.glob("*.h"))
    assert len(headers) > 20
    for each in headers:
        unit = tmp_path / f"unit.{language.replace('+', 'p')}"
        unit.write_text(f"#include <gdstream/{each.name}>\n#include <gdstream/{each.name}>\nint unit;\n")
        call(*compiler, f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", unit, *flags)


def test_only_one_header_includes_tls(installed):
    including = [path.name for path in installed.include.glob("*.h") if "#include <gnutls/" in path.read_text()]
    assert including == ["gnutls.h"]


def test_static_link(installed, server, certs):
    """libgdstream.a with what the .pc file says it needs beyond itself."""
    needed = installed.pkg_config("--print-requires", "--print-requires-private")
    names = [name for name in needed if re.match(r"[a-z]", name)]
    libraries = [each for each in installed.pkg_config("--cflags", "--libs") if each != "-lgdstream"]
    libraries += ["-l:libgdstream.a", *installed.pkg_config("--libs", names=names), "-lpthread"]
    program = installed.compile(SOURCE / "examples" / "foreign_loop.c", libraries, "foreign_loop_static")
    assert "libgdstream" not in call("readelf", "-d", program)
    done = subprocess.run([program, certs.folder, "tcp", server.host, str(server.port)], capture_output=True,
                          text=True, env=harness.environment(), timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "healthy\n"), done


# --- The examples -----------------------------------------------------------------------------------


def test_client_tcp(installed, server, certs, echo):
    text = "one\ntwo\n" * 500
    result = installed.run("client_tcp", certs.folder, "localhost", server.port, *echo.address, stdin=text)
    assert result.rc == 0, result
    assert result.stdout == text
    assert "supports_tcp_stream 1 (healthy)" in result.stderr
    assert "supports_udp_stream 1 (healthy)" in result.stderr


def test_client_tcp_nobody_there(installed, certs):
    result = installed.run("client_tcp", certs.folder, *harness.closed_port(), "127.0.0.1", 9)
    assert result.rc == 1, result
    assert "supports_tcp_stream 0 (" in result.stderr


def test_client_udp(installed, server, certs, echo):
    result = installed.run("client_udp", certs.folder, *server.address, *echo.address, "one", "two words", "three")
    assert (result.rc, result.stdout) == (0, "one\ntwo words\nthree\n"), result


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_foreign_loop(installed, server, certs, transport):
    result = installed.run("foreign_loop", certs.folder, transport, *server.address)
    assert (result.rc, result.stdout) == (0, "healthy\n"), result
    refused = installed.run("foreign_loop", certs.folder, transport, *harness.closed_port())
    assert (refused.rc, refused.stdout) == (1, "refused\n"), refused


def probe(certs, target, *options):
    result = harness.run("gdprobe", "--json", "--ca", certs.ca, "--cert", certs.client, "--key", certs.client_key,
                         *options, target)
    return json.loads(result.stdout)


def test_server_under_gdprobe(example_server, certs):
    """Our own probe finds nothing wrong with the two faces that a listener has."""
    server = example_server("own", "echo")
    faces = probe(certs, server.target)["faces"]
    assert {name: face["state"] for name, face in faces.items() if name in ("tcp", "udp")} == {
        "tcp": "ok", "udp": "ok"}


@pytest.mark.parametrize("form", ["own", "accepted", "secured"])
def test_server_forms(installed, example_server, certs, form):
    """HC-01, HC-04 as gdprobe sees them, and a stream that is served in the process, in all three forms."""
    server = example_server(form, "echo")
    transports = ("tcp", "udp") if form == "own" else ("tcp",)
    for transport in transports:
        assert installed.run("foreign_loop", certs.folder, transport, *server.address).stdout == "healthy\n"
    with TlsClient(server.address, context(certs)) as session:
        session.write(header.encode(b"some.where", b"80") + b"early ")
        session.write(b"and late")
        assert session.read_exactly(14) == b"early and late"
    if form == "own":
        result = installed.run("client_udp", certs.folder, *server.address, "some.where", 80, "one", "two")
        assert (result.rc, result.stdout) == (0, "one\ntwo\n"), result
    lines = server.stop()
    assert [line for line in lines if line.startswith("health ")] == [f"health {each}" for each in transports]
    assert "request tcp some.where 80" in lines
    assert ("request udp some.where 80" in lines) == (form == "own")


@pytest.mark.parametrize("form", ["own", "accepted", "secured"])
def test_server_tunnels(example_server, certs, destination, form):
    server = example_server(form, "tunnel")
    host, port = destination.address
    with TlsClient(server.address, context(certs)) as session:
        session.write(header.encode(host.encode(), str(port).encode()) + b"to")
        there = destination.accept()
        assert there.recv(2) == b"to"
        there.sendall(b"fro")
        there.close()
        assert session.read_exactly(3) == b"fro"
        assert session.read() == b""
    assert f"request tcp {host} {port}" in server.stop()


def test_server_refuses(example_server, certs, destination):
    server = example_server("own", "refuse")
    host, port = destination.address
    with TlsClient(server.address, context(certs)) as session:
        session.write(header.encode(host.encode(), str(port).encode()))
        assert session.read() == b""
    assert destination.untouched()
    server.stop()


@pytest.mark.parametrize("form", ["own", "accepted", "secured"])
def test_server_refusal_codes(example_server, certs, form):
    """HDR-02 to HDR-04, HDR-10 to HDR-14: a stable code each, and a clean close without a word."""
    rows = {
        "checksum": header.encode(b"some.where", b"80", checksum=b"\1\2\3\4"),
        "version": header.encode(b"some.where", b"80", version=b"0.1.1"),
        "port-length": header.encode(b"some.where", b"80", port_length=6),
        "host-empty": header.encode(b"", b"80"),
        "host-nul": header.encode(b"some\0where", b"80"),
        "host-form": header.encode(b"127.1", b"80"),
        "port": header.encode(b"some.where", b"0"),
    }
    server = example_server(form, "echo")
    for wire in rows.values():
        with TlsClient(server.address, context(certs)) as session:
            session.write(wire)
            assert session.read() == b""
    lines = server.stop()
    assert [line.split()[-1] for line in lines if line.startswith("refused tcp header ")] == list(rows)


@pytest.mark.parametrize("form", ["own", "accepted", "secured"])
def test_server_judges_certificates(example_server, certs, form):
    """TLS-03: also when the program ran the handshake, its trust decides who may come. Here a server's certificate."""
    server = example_server(form, "echo")
    with pytest.raises((Alert, Truncated, Reset)):
        with TlsClient(server.address, context(certs, identity=(certs.server, certs.server_key))) as session:
            session.write(header.health())
            session.read()
    lines = server.stop()
    assert lines == (["unsecured verify"] if form == "secured" else ["refused tcp verify verify"])


# --- Misuse, and what is left behind ----------------------------------------------------------------


def test_misuse(installed, server, certs, echo):
    result = installed.run("misuse", certs.folder, *server.address, *echo.address)
    assert (result.rc, result.stdout) == (0, ""), result


def test_nothing_is_left_behind(installed, server, certs, echo):
    """200 opens of both transports: no descriptor, and no memory worth the name."""
    result = installed.run("opens", certs.folder, *server.address, *echo.address, 200, timeout=100)
    assert result.rc == 0, result
    descriptors, heap = map(int, result.stdout.split())
    assert descriptors == 0
    if not harness.SANITIZED:  # there LeakSanitizer counts
        assert heap < 32 * 1024, f"{heap} bytes after 200 opens"


# --- The manual page --------------------------------------------------------------------------------


def test_manual_example(installed, server, certs, echo, tmp_path):
    """The program in gdstream(3) compiles as it stands, and does what the page says."""
    page = (SOURCE / "man" / "gdstream.3").read_text()
    program = re.search(r"^\.Bd -literal.*\n(#include <gdstream(?:.*\n)+?)\.Ed$", page, re.MULTILINE).group(1)
    source = tmp_path / "manual.c"
    source.write_text(re.sub(r"\\&", "", program).replace("\\e", "\\"))
    built = installed.compile(source)
    done = subprocess.run([built, certs.folder, server.host, str(server.port), echo.address[0], str(echo.address[1])],
                          capture_output=True, text=True, timeout=60, env=installed.environment(), check=False)
    assert (done.returncode, done.stdout) == (0, "healthy\nhello\n"), done


def test_manual_lists_every_call(installed):
    """gdstream(3) names each function of the simple interface, and each status."""
    page = (SOURCE / "man" / "gdstream.3").read_text()
    for name in ("client.h", "listener.h", "wait.h", "gnutls.h"):
        code = re.sub(r"/\*.*?\*/", "", (installed.include / name).read_text(), flags=re.DOTALL)
        for function in re.findall(r"\b(gds_\w+(?<!_fn))\(", code):
            assert re.search(rf"\b{function}\b", page), f"{function} is not in gdstream(3)"
    statuses = re.findall(r"\b(GDS_(?:E_\w+|AGAIN|EOF|OK)) = ", (installed.include / "error.h").read_text())
    assert len(statuses) > 30
    for status in statuses:
        assert f"Dv {status}" in page, f"{status} is not in gdstream(3)"
