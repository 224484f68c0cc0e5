# SPDX-License-Identifier: MIT
"""The request header (HDR-01) written a second time, from the table in gdstream-protocol(7), on zlib's CRC-32."""

import ipaddress
import re
import zlib

SIZE = 275
HEALTH = 0x01


def encode(host=b"", port=b"", flags=0, *, version=b"0.1.0", host_length=None, port_length=None,
           padding=b"\0", checksum=None):
    """A header. The keyword arguments make it wrong; the checksum is right for the bytes unless given."""
    host_length = len(host) if host_length is None else host_length
    port_length = len(port) if port_length is None else port_length
    body = version.ljust(8, b"\0") + bytes([host_length]) + host.ljust(255, padding)
    body += bytes([port_length]) + port.ljust(5, padding) + bytes([flags])
    if checksum is None:
        checksum = zlib.crc32(body).to_bytes(4, "big")
    assert len(body) + len(checksum) == SIZE
    return body + checksum


def health():
    """The header of a plain health check."""
    return encode(flags=HEALTH)


def destination(address, **wrong):
    """The header for an (ip, port) pair."""
    return encode(address[0].encode(), str(address[1]).encode(), **wrong)


# --- What a server makes of it -------------------------------------------------------------------------


def _is_dotted_quad(host):
    try:
        return bool(ipaddress.IPv4Address(host.decode("ascii")))
    except ValueError:
        return False


def judge(wire):
    """(verdict, statement) for 275 bytes: the first broken rule of gdstream-protocol(7), in the order given there."""
    assert len(wire) == SIZE
    host, port = wire[9:9 + wire[8]], wire[265:265 + wire[264]]
    if wire[271:] != zlib.crc32(wire[:271]).to_bytes(4, "big"):
        return "refuse", "HDR-03"
    if wire[:8] != b"0.1.0\0\0\0":
        return "refuse", "HDR-02"
    if wire[264] > 5:
        return "refuse", "HDR-04"
    if wire[270] & HEALTH:
        return "health", None
    if not host:
        return "refuse", "HDR-10"
    if b"\0" in host:
        return "refuse", "HDR-11"
    if host.startswith(b"[") or host.endswith(b"]"):
        return "refuse", "HDR-13"
    numbers = all(re.fullmatch(rb"[0-9]*|0[xX][0-9a-fA-F]+", part) for part in host.split(b"."))
    if numbers and host.strip(b".") and not _is_dotted_quad(host):
        return "refuse", "HDR-14"
    if not re.fullmatch(rb"[0-9]+", port) or not 1 <= int(port) <= 65535:
        return "refuse", "HDR-12"
    return "dial", None
