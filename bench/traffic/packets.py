# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions as Ethernet frames with right IPv4 and UDP checksums."""

from __future__ import annotations

import struct

from appliance.errors import DatapathError
from bench.machine.link import Link

FRAME_MAX = 134
FRAME_MIN = 60
EDNS_SIZE = 1232
OPT = struct.pack("!BHHIH", 0, 41, EDNS_SIZE, 0, 0)
OPT_DO = struct.pack("!BHHIH", 0, 41, EDNS_SIZE, 0x8000, 0)


def wire(name: str) -> bytes:
    """Encode an ASCII name without escapes."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label) + b"\0"


def query(qname: bytes, qtype: int, ident: int, link: Link, do: bool = False) -> bytes:
    """Build a frame with one question, RD clear, and an OPT record of 1,232 octets, DO set if wanted."""
    message = struct.pack("!6H", ident, 0, 1, 0, 0, 1) + qname + struct.pack("!2H", qtype, 1) + (OPT_DO if do else OPT)
    length = 8 + len(message)
    source = link.clients[ident % len(link.clients)]
    port = 20_000 + ident * 40503 % 40_000
    udp = struct.pack("!4H", port, 53, length, 0) + message
    udp = (
        udp[:6]
        + struct.pack("!H", checksum(source + link.server + struct.pack("!2H", 17, length) + udp) or 0xFFFF)
        + message
    )
    ip = struct.pack("!2B3H2BH", 0x45, 0, 20 + length, ident, 0x4000, 64, 17, 0) + source + link.server
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    frame = link.server_mac + link.client_mac + b"\x08\0" + ip + udp
    if not FRAME_MIN <= len(frame) <= FRAME_MAX:
        raise DatapathError(f"a question of {len(frame)} octets does not fit the generator: {FRAME_MIN} to {FRAME_MAX}")
    return frame


def checksum(octets: bytes) -> int:
    """Compute the Internet checksum (RFC 1071): the complement of the sum of 16-bit words."""
    value = int.from_bytes(octets + bytes(len(octets) & 1)) % 0xFFFF
    return (value ^ 0xFFFF) if value or not any(octets) else 0
