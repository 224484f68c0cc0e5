# SPDX-License-Identifier: MIT
"""gdcerts header: what it makes against header_model, what it says about any 275 bytes, and about what are none."""

import json
import os
import pathlib
import subprocess

import pytest

import harness
import header_model as model

VECTORS = {vector["name"]: vector for vector in json.loads(
    (pathlib.Path(__file__).parents[1] / "data" / "header_vectors.json").read_text())["vectors"]}
pytestmark = pytest.mark.offline
WHOLE = [name for name, vector in VECTORS.items() if vector["verdict"] != "more"]
GOOD = model.encode(b"127.0.0.1", b"8080")


def header(*args, stdin=None):
    """Bytes in, bytes out: a header is no text."""
    done = subprocess.run([harness.program("gdcerts"), "header", *map(str, args)], input=stdin or b"",
                          capture_output=True, timeout=60, check=False, env=harness.environment())
    result = harness.Result(done.returncode, done.stdout, done.stderr.decode())
    harness.assert_no_report(result.stderr)
    return result


def decode_json(*args, **keywords):
    result = header("decode", "--json", *args, **keywords)
    assert result.stderr == "" and result.stdout.count(b"\n") == 1, result
    found = json.loads(result.stdout)
    assert result.rc == (1 if found["verdict"] == "refuse" else 0)
    return found


def one_sentence(result, *words):
    assert (result.rc, result.stdout) == (3, b""), result
    assert result.stderr.startswith("gdcerts") and result.stderr.count("\n") == 1, result
    for word in words:
        assert word in result.stderr, result


# --- encode ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, expected", [
    (("--host", "127.0.0.1", "--port", "8080"), GOOD),
    (("--host", "::1", "--port", "1"), model.encode(b"::1", b"1")),
    (("--health",), model.health()),
    (("--health", "--host", "a", "--port", "2"), model.encode(b"a", b"2", 1)),
    (("--flags", "0xff"), model.encode(flags=255)),
    (("--flags", "128", "--host", "a", "--port", "2"), model.encode(b"a", b"2", 128)),
    (("--host", "h" * 255, "--port", "65535"), model.encode(b"h" * 255, b"65535")),
    (("--host", "\u00fc", "--port", "65535"), model.encode("\u00fc".encode(), b"65535")),
])
def test_encode(options, expected):
    """HDR-01: the bytes, in all forms."""
    result = header("encode", *options, "--binary")
    assert (result.rc, result.stdout, result.stderr) == (0, expected, "")
    result = header("encode", *options, "--hex")
    assert (result.rc, result.stdout) == (0, expected.hex().encode() + b"\n")
    result = header("encode", *options, "--json")
    found = json.loads(result.stdout)
    assert (result.rc, found["hex"], found["verdict"]) == (0, expected.hex(), model.judge(expected)[0])
    assert header("encode", *options).stdout == header("decode", stdin=expected).stdout


@pytest.mark.parametrize("host, port, statement", [("", "80", "HDR-10"), ("h", "http", "HDR-12"),
                                                   ("[::1]", "80", "HDR-13"), ("127.1", "80", "HDR-14")])
def test_encode_what_servers_refuse(host, port, statement):
    """Made all the same, for it may be wanted; but said, and where only bytes are on stdout on stderr."""
    expected = model.encode(host.encode(), port.encode())
    result = header("encode", "--host", host, "--port", port, "--binary")
    assert (result.rc, result.stdout) == (1, expected)
    assert statement in result.stderr and result.stderr.count("\n") == 1
    result = header("encode", "--host", host, "--port", port)
    assert result.rc == 1 and statement.encode() in result.stdout.splitlines()[-1] and result.stderr == ""


@pytest.mark.parametrize("args, words", [
    (("--host", "h" * 256, "--port", "1"), "longer than 255 bytes"),
    (("--host", "h", "--port", "123456"), "longer than 5 characters"),
])
def test_encode_refuses(args, words):
    """HDR-06: before there is a header."""
    one_sentence(header("encode", *args), words)


@pytest.mark.parametrize("args, words", [
    ((), "encode or decode is missing"),
    (("frob",), "no command \"frob\""),
    (("encode",), "--host and --port are both needed"),
    (("encode", "--host", "h"), "--host and --port are both needed"),
    (("encode", "--port", "1"), "--host and --port are both needed"),
    (("encode", "--host", "h", "--flags", "2"), "--host and --port are both needed"),
    (("encode", "--health", "--flags", "1"), "exclude each other"),
    (("encode", "--health", "--hex", "--binary"), "exclude each other"),
    (("encode", "--flags", "256"), "256"),
    (("encode", "--flags", "0x100"), "no byte"),
    (("encode", "--flags", "0x"), "no byte"),
    (("encode", "--flags", "-1"), "-1"),
    (("encode", "h", "1"), "--host"),
    (("encode", "--frob"), "frob"),
    (("decode", "--hex"), "hex"),
])
def test_usage(args, words):
    one_sentence(header(*args), words)


# --- decode ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WHOLE)
def test_vector(tmp_path, name):
    """HDR-01 to HDR-14, HC-01: verdict and statement of each of the Go peer's headers."""
    vector = VECTORS[name]
    wire = bytes.fromhex(vector["hex"])
    (tmp_path / "wire").write_bytes(wire)
    found = decode_json(tmp_path / "wire")
    assert found["verdict"] == vector["verdict"] and found["hex"] == vector["hex"]
    assert found["statement"] == (vector["statement"] if vector["verdict"] == "refuse" else None)
    assert found["header"]["flags"] == vector["flags"]
    host = bytes.fromhex(vector["host_hex"])
    if all(byte < 0x80 for byte in host):
        assert found["header"]["host"].encode() == host
    dump = header("decode", tmp_path / "wire").stdout.decode("ascii")
    assert all(line.isprintable() for line in dump.splitlines())
    # Every byte that is not NUL is in the dump, at its place.
    shown = bytearray(275)
    for line in dump.splitlines()[:-1]:
        offset, text = int(line[:4]), bytes.fromhex(line[6:29].strip() if "bytes of NUL" not in line else "")
        shown[offset:offset + len(text)] = text
    assert bytes(shown) == wire
    assert (vector["statement"] if vector["verdict"] == "refuse" else "") in dump.splitlines()[-1]


SPACED = " ".join(f"{byte:02x}" for byte in GOOD)


@pytest.mark.parametrize("text", [
    GOOD.hex(), GOOD.hex().upper(), GOOD.hex() + "\n", SPACED, SPACED.replace(" ", "\r\n"), "\n\t " + SPACED + " \n",
    "\n".join(GOOD.hex()[i:i + 60] for i in range(0, 550, 60)), " ".join(GOOD.hex()),
], ids=["plain", "upper", "newline", "spaces", "crlf", "blanks", "xxd", "digits"])
def test_hexadecimal(tmp_path, text):
    (tmp_path / "hex").write_text(text)
    for found in (decode_json(tmp_path / "hex"), decode_json(text), decode_json(*text.split()),
                  decode_json(stdin=text.encode()), decode_json("-", stdin=text.encode())):
        assert (found["hex"], found["verdict"]) == (GOOD.hex(), "dial")


def test_binary_on_standard_input():
    assert decode_json(stdin=GOOD)["verdict"] == "dial"
    assert decode_json("-", stdin=GOOD)["verdict"] == "dial"


def test_junk_of_the_right_size_is_a_header():
    """HDR-03: whatever they are, 275 bytes are judged; as text too, when they come as bytes."""
    for junk in (os.urandom(271) + bytes(4), b"30" * 137 + b"\n", b"\n" * 275):
        assert decode_json(stdin=junk)["statement"] == "HDR-03"


@pytest.mark.parametrize("data, words", [
    (b"", "is empty"),
    (GOOD[:274], "274 bytes"),
    (GOOD + b"\n", "276 bytes"),
    (b"\0", "1 byte:"),
    (GOOD * 20, "more than 4096 bytes"),
    (GOOD.hex()[:-1].encode(), "odd number of hexadecimal digits, 549"),
    (GOOD.hex()[:-2].encode(), "548 hexadecimal digits, which is 274 bytes"),
    (GOOD.hex().encode() + b"00", "552 hexadecimal digits, which is 276 bytes"),
    (b"\n \n", "0 hexadecimal digits"),
    (b"0x" + GOOD.hex().encode(), "not hexadecimal, from byte 2 on"),
    (SPACED.replace(" ", ":").encode(), "not hexadecimal, from byte 3 on"),
    (b"GET / HTTP/1.1\r\n\r\n", "not hexadecimal, from byte 1 on"),
])
def test_no_header(tmp_path, data, words):
    """One clear sentence, which says what a header is."""
    path = tmp_path / "data"
    path.write_bytes(data)
    one_sentence(header("decode", path), words, str(path), "275 bytes", "550 hexadecimal digits")
    one_sentence(header("decode", stdin=data), words, "standard input")
    one_sentence(header("decode", "--json", "-", stdin=data), words)


@pytest.mark.parametrize("args, words", [
    (("",), "is empty"),
    (("abc",), "odd number"),
    (("abcd",), "which is 2 bytes"),
    (("ab", "xy"), "from byte 4 on"),
    ((GOOD.hex()[:-1] + "g",), "from byte 550 on"),
    (("30" * 137 + "3",), "odd number of hexadecimal digits, 275"),
    (("00" * 3000,), "more than 4096 bytes"),
    (("nowhere.bin",), "neither hexadecimal nor a file that can be read: No such file"),
    (("/",), "Is a directory"),
    (("/proc/self/mem",), "cannot be read"),
])
def test_no_header_in_arguments(args, words):
    one_sentence(header("decode", *args), words)


def test_pipe_without_a_writer(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    one_sentence(header("decode", tmp_path / "fifo"), "is empty")


def test_full_disk():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([harness.program("gdcerts"), "header", "encode", "--health"], stdout=full,
                              stderr=subprocess.PIPE, timeout=60, check=False, env=harness.environment())
    assert done.returncode == 3 and b"cannot be written" in done.stderr
