# SPDX-License-Identifier: MIT
"""libgdstream through ctypes: header and acceptor, without a line about how its structs are laid out."""

import ctypes
import os

import harness

# Far more than any struct of the library: what is behind its end must stay as it was.
ROOM = 4096
GUARD = b"\xa5"
VERDICTS = ("more", "dial", "health", "refuse")
TRANSPORTS = {"tcp": 0, "udp": 1}
SECOND = 1_000_000_000

_SIGNATURES = {
    "gds_header_init": (ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint8),
    "gds_header_encode": (ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p),
    "gds_header_decode": (None, ctypes.c_void_p, ctypes.c_char_p),
    "gds_header_check": (ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p),
    "gds_header_is_health": (ctypes.c_bool, ctypes.c_void_p),
    "gds_header_checksum": (ctypes.c_uint32, ctypes.c_char_p),
    "gds_header_describe": (ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t),
    "gds_header_dump": (ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t),
    "gds_acceptor_init": (None, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64),
    "gds_acceptor_feed": (ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int64,
                          ctypes.POINTER(ctypes.c_size_t)),
    "gds_acceptor_end": (ctypes.c_int, ctypes.c_void_p),
    "gds_acceptor_tick": (ctypes.c_int, ctypes.c_void_p, ctypes.c_int64),
    "gds_errname": (ctypes.c_char_p, ctypes.c_int),
}


def path():
    """The shared library: GDS_LIBRARY, an installed one, or the build's own."""
    return os.environ.get("GDS_LIBRARY") or str(harness.BINDIR / ".libs" / "libgdstream.so")


class Struct:
    """Memory for a struct of the library, and a guard behind it."""

    def __init__(self):
        self.memory = ctypes.create_string_buffer(GUARD * ROOM, ROOM)

    def assert_guarded(self):
        assert self.memory.raw.endswith(GUARD * (ROOM // 4))


class Library:
    """Calls as Python has them: bytes in and out, names instead of numbers."""

    def __init__(self, name):
        self.calls = ctypes.CDLL(name)
        for function, (result, *arguments) in _SIGNATURES.items():
            call = getattr(self.calls, function)
            call.restype, call.argtypes = result, arguments

    def name_of(self, status):
        return self.calls.gds_errname(status).decode()

    def encode(self, host, port, flags):
        """\\return (name of the status, the 275 bytes or None)."""
        struct, wire = Struct(), ctypes.create_string_buffer(GUARD * 300, 300)
        status = self.calls.gds_header_init(struct.memory, host, port, flags)
        if status == 0:
            status = self.calls.gds_header_encode(struct.memory, wire)
        struct.assert_guarded()
        assert wire.raw[275:] == GUARD * 25
        return self.name_of(status), wire.raw[:275] if status == 0 else None

    def encode_decoded(self, wire):
        """What the encoder makes of what the decoder read: (name of the status, bytes or None, health check or not)."""
        struct, again = Struct(), ctypes.create_string_buffer(275)
        self.calls.gds_header_decode(struct.memory, wire)
        health = self.calls.gds_header_is_health(struct.memory)
        status = self.calls.gds_header_encode(struct.memory, again)
        struct.assert_guarded()
        return self.name_of(status), again.raw if status == 0 else None, health

    def check(self, wire):
        """The name of the first broken rule, or "ok"."""
        return self.name_of(self.calls.gds_header_check(wire, None))

    def checksum(self, wire):
        return self.calls.gds_header_checksum(wire)

    def text(self, function, wire, size=8192):
        """gds_header_describe or gds_header_dump into size bytes: (text, length that it returned)."""
        out = ctypes.create_string_buffer(GUARD * (size + 1), size + 1)
        length = getattr(self.calls, function)(wire, out, size)
        assert out.raw[size:] == GUARD
        return out.raw[:size].partition(b"\0")[0].decode("ascii"), length

    def acceptor(self, transport, start=0):
        return Acceptor(self.calls, transport, start)


class Acceptor:
    def __init__(self, calls, transport, start):
        self.calls, self.struct = calls, Struct()
        calls.gds_acceptor_init(self.struct.memory, TRANSPORTS[transport], start)

    def feed(self, data, now=0):
        """\\return (verdict, bytes that belong to the header)."""
        used = ctypes.c_size_t(1 << 40)
        verdict = self.calls.gds_acceptor_feed(self.struct.memory, data, len(data), now, ctypes.byref(used))
        self.struct.assert_guarded()
        return VERDICTS[verdict], used.value

    def end(self):
        return VERDICTS[self.calls.gds_acceptor_end(self.struct.memory)]

    def tick(self, now):
        return VERDICTS[self.calls.gds_acceptor_tick(self.struct.memory, now)]
