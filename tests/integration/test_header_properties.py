# SPDX-License-Identifier: MIT
"""
Header and acceptor of the shared library against header_model, a second writing of the same rules, and against the
Go peer's vectors: whatever the bytes, and however they are cut, both come to the same.
"""

import json
import os
import pathlib
import re
import tempfile

import pytest

import harness
import header_model as model
import library

try:
    import hypothesis
except ImportError:
    if os.environ.get("GDS_CI") == "1":
        raise
    pytest.skip("hypothesis is missing, see tests/requirements.txt", allow_module_level=True)

from hypothesis import configuration, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.offline

# Nothing is left behind in the folder that the tests are run from.
_STORAGE = tempfile.TemporaryDirectory(prefix="gdstream-hypothesis-")
configuration.set_hypothesis_home_dir(_STORAGE.name)
settings.register_profile("gdstream", database=None, deadline=None, max_examples=300, print_blob=True,
                          suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
settings.load_profile("gdstream")

VECTORS = {vector["name"]: vector for vector in json.loads(
    (pathlib.Path(__file__).parents[1] / "data" / "header_vectors.json").read_text())["vectors"]}

# What the library calls the statement that the model names.
NAMES = {"HDR-02": "version", "HDR-03": "checksum", "HDR-04": "port-length", "HDR-10": "host-empty",
         "HDR-11": "host-nul", "HDR-12": "port", "HDR-13": "host-form", "HDR-14": "host-form", None: "ok"}


@pytest.fixture(scope="module")
def lib():
    if harness.SANITIZED and "GDS_LIBRARY" not in os.environ:
        pytest.skip("an instrumented library cannot be loaded into a Python that is not")
    if not os.path.exists(library.path()):
        if os.environ.get("GDS_CI") == "1":
            pytest.fail(f"{library.path()} is missing", pytrace=False)
        pytest.skip(f"{library.path()} is missing: build it, or set GDS_LIBRARY")
    return library.Library(library.path())


# --- Strategies ----------------------------------------------------------------------------------------

NUMBERS = st.one_of(st.integers(0, 300).map(str), st.integers(0, 1 << 33).map(str), st.integers(0, 300).map(hex),
                    st.integers(0, 300).map("0{:o}".format), st.sampled_from(["", "0x", "0X1F", "00", "1a"]))
HOSTS = st.one_of(
    st.sampled_from([b"", b"localhost", b"127.0.0.1", b"::1", b"fe80::1%lo", b"[::1]", b"example.com.", b".", b"..."]),
    st.lists(NUMBERS, min_size=1, max_size=6).map(lambda parts: ".".join(parts).encode()),
    # Near a dotted quad, where one digit decides.
    st.lists(st.sampled_from(["0", "1", "127", "255", "01", "256", "0x1", "0X1f", ""]), min_size=1,
             max_size=5).map(lambda parts: ".".join(parts).encode()),
    st.tuples(*[st.sampled_from(["0", "9", "255", "007", "256"])] * 4).map(lambda parts: ".".join(parts).encode()),
    st.text("abcxyz019.-:[]%", max_size=40).map(str.encode),
    st.binary(max_size=255))
PORTS = st.one_of(st.integers(0, 99999).map(lambda number: b"%d" % number),
                  st.integers(1, 65535).map(lambda number: b"%d" % number),
                  st.sampled_from([b"", b"0", b"00080", b"http", b"+80", b" 80", b"80 ", b"65535", b"65536"]),
                  st.binary(max_size=5))
FLAGS = st.one_of(st.sampled_from([0, 0, 1, 2, 3, 128, 255]), st.integers(0, 255))
TEXT = st.binary(max_size=255).map(lambda text: text.replace(b"\0", b""))


@st.composite
def wires(draw):
    """275 bytes: right more often than not up to the destination, for else nothing beyond the checksum is tried."""
    host, port = draw(HOSTS)[:255], draw(PORTS)
    wrong = {}
    if draw(st.integers(0, 9)) == 0:
        wrong["version"] = draw(st.one_of(st.binary(min_size=8, max_size=8), st.just(b"0.1.0\0\0\1")))
    if draw(st.integers(0, 9)) == 0:
        wrong["port_length"] = draw(st.integers(0, 255))
    if draw(st.integers(0, 4)) == 0:
        wrong["host_length"] = draw(st.integers(0, 255))
    if draw(st.integers(0, 4)) == 0:
        wrong["padding"] = draw(st.binary(min_size=1, max_size=1))
    if draw(st.integers(0, 9)) == 0:
        wrong["checksum"] = draw(st.binary(min_size=4, max_size=4))
    return model.encode(host, port, draw(FLAGS), **wrong)


ANY_BYTES = st.binary(min_size=275, max_size=275)
ANY_HEADER = st.one_of(wires(), wires(), wires(), ANY_BYTES)


@st.composite
def cut(draw, wire):
    """The pieces of what is sent."""
    marks = sorted(draw(st.lists(st.integers(0, len(wire)), max_size=12)))
    return [wire[a:b] for a, b in zip([0, *marks], [*marks, len(wire)])]


# --- Encoder and decoder -------------------------------------------------------------------------------


@given(TEXT, TEXT.map(lambda text: text[:5]), FLAGS)
def test_encoder(lib, host, port, flags):
    """HDR-01: what the library writes is what the model writes, byte by byte."""
    assert lib.encode(host, port, flags) == ("ok", model.encode(host, port, flags))


@given(st.integers(0, 400), st.integers(0, 20), FLAGS)
def test_encoder_refuses(lib, host_length, port_length, flags):
    """HDR-06: a host over 255 bytes or a port over 5 is refused before it is a header."""
    status, wire = lib.encode(b"h" * host_length, b"1" * port_length, flags)
    expected = "host-length" if host_length > 255 else "port-length" if port_length > 5 else "ok"
    assert status == expected and (wire is None) == (expected != "ok")


@given(ANY_HEADER)
def test_decoder(lib, wire):
    """HDR-07, HDR-08: decoded and encoded again the texts are the same, the padding is NUL, the checksum is right."""
    status, again, health = lib.encode_decoded(wire)
    assert health == bool(wire[270] & 1)
    if wire[264] > 5:
        assert (status, again) == ("port-length", None)
        return
    host, port = wire[9:9 + wire[8]], wire[265:265 + wire[264]]
    assert (status, again) == ("ok", model.encode(host, port, wire[270], version=wire[:8]))


def unquoted(text):
    """The bytes behind a text of gds_header_describe."""
    return re.sub(rb'\\(?:x([0-9a-f]{2})|(["\\]))', lambda match: bytes([int(match[1], 16)]) if match[1] else match[2],
                  text.encode())


@given(ANY_HEADER)
def test_describer(lib, wire):
    """HDR-07: the first length bytes of host and port, nothing lost and nothing that a terminal would obey."""
    text, length = lib.text("gds_header_describe", wire)
    assert len(text) == length and text.isprintable()
    quoted = r'"((?:[^"\\]|\\.)*)"'
    found = re.fullmatch(rf"version {quoted} host {quoted} (?:port length (\d+) )?port {quoted} flags 0x(..)"
                         r"(?: \(health check\))? checksum ([0-9a-f]{8}) \((right|wrong: [0-9a-f]{8} is right)\)",
                         text)
    assert found, text
    assert unquoted(found[2]) == wire[9:9 + wire[8]]
    assert unquoted(found[4]) == wire[265:265 + min(wire[264], 5)]
    assert found[3] == (str(wire[264]) if wire[264] > 5 else None)
    assert found[5] == f"{wire[270]:02x}" and found[6] == wire[271:].hex()
    assert (found[7] == "right") == (model.judge(wire)[1] != "HDR-03")


@given(ANY_HEADER, st.integers(1, 400), st.sampled_from(["gds_header_describe", "gds_header_dump"]))
def test_texts_are_cut_like_snprintf(lib, wire, size, function):
    """HDR-01: a text that does not fit is cut, and its whole length is told."""
    whole, length = lib.text(function, wire)
    assert lib.text(function, wire, size) == (whole[:size - 1], length)


# --- Verdicts ------------------------------------------------------------------------------------------


@given(ANY_BYTES)
def test_checksum(lib, wire):
    """HDR-03: CRC-32/IEEE of the bytes 0 to 270, as zlib has it."""
    assert lib.checksum(wire) == model.zlib.crc32(wire[:271])


@settings(max_examples=2000)
@given(ANY_HEADER)
def test_check(lib, wire):
    """HDR-02 to HDR-14, HC-01: the first broken rule, or none."""
    assert lib.check(wire) == NAMES[model.judge(wire)[1]]


@given(wires(), st.integers(0, 275 * 8 - 1))
def test_flipped_bit(lib, wire, bit):
    """HDR-03: no single bit can change unseen."""
    if model.judge(wire)[1] == "HDR-03":
        return
    flipped = bytearray(wire)
    flipped[bit // 8] ^= 1 << bit % 8
    assert lib.check(bytes(flipped)) == "checksum"


@given(st.data(), ANY_HEADER, st.binary(max_size=40), st.sampled_from(["tcp", "udp"]))
def test_acceptor_in_pieces(lib, data, wire, payload, transport):
    """TCP-01, TCP-02, UDP-04: cut anywhere, the verdict comes with the last byte, and payload is left alone."""
    acceptor = lib.acceptor(transport)
    stream = wire + payload if transport == "tcp" else wire
    have = 0
    for piece in data.draw(cut(stream)):
        verdict, used = acceptor.feed(piece)
        if have == 275:
            assert used == 0
        else:
            assert used == min(len(piece), 275 - have)
        have += used
        assert verdict == (model.judge(wire)[0] if have == 275 else "more")
    assert acceptor.end() == acceptor.tick(1 << 62) == model.judge(wire)[0]


@given(st.binary(min_size=276, max_size=400), st.integers(0, 274))
def test_record_with_more_than_a_header(lib, stream, first):
    """UDP-05, UDP-21: a record longer than what the header lacks is refused whatever it holds, and not used."""
    acceptor = lib.acceptor("udp")
    if first:
        assert acceptor.feed(stream[:first]) == ("more", first)
    assert acceptor.feed(stream[first:]) == ("refuse", 0)


@given(wires(), st.integers(0, 274), st.integers(0, 1 << 61), st.integers(-3, 3), st.sampled_from(["tcp", "udp"]))
def test_deadline(lib, wire, have, start, off, transport):
    """TCP-03, UDP-08: ten seconds from the start, whatever came before, to the nanosecond."""
    acceptor = lib.acceptor(transport, start)
    assert acceptor.feed(wire[:have], start) == ("more", have)
    now = start + 10 * library.SECOND + off
    late = off >= 0
    assert acceptor.tick(now) == ("refuse" if late else "more")
    assert acceptor.feed(wire[have:], now) == (("refuse", 0) if late else (model.judge(wire)[0], 275 - have))


@given(wires(), st.integers(0, 274), st.sampled_from(["tcp", "udp"]))
def test_end_inside_the_header(lib, wire, have, transport):
    """HDR-01: less than 275 bytes is no header."""
    acceptor = lib.acceptor(transport)
    acceptor.feed(wire[:have])
    assert acceptor.end() == "refuse"


# --- The Go peer's vectors -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", VECTORS)
def test_vector(lib, name):
    """HDR-01 to HDR-14, HC-01: library, model and Go say the same."""
    vector = VECTORS[name]
    wire = bytes.fromhex(vector["hex"])
    for transport in ("tcp", "udp"):
        assert lib.acceptor(transport).feed(wire) == (vector["verdict"], len(wire))
    if vector["verdict"] == "more":
        return
    statement = vector["statement"] if vector["verdict"] == "refuse" else None
    assert model.judge(wire) == (vector["verdict"], statement)
    assert lib.check(wire) == NAMES[statement]
