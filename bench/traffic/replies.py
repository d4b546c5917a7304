# SPDX-License-Identifier: GPL-3.0-or-later
"""Look into a reply frame with an independent decoder."""

from __future__ import annotations

from dataclasses import dataclass

import dns.message

from bench.traffic.packets import checksum


@dataclass(frozen=True)
class Reply:
    """A decoded message, and whether IPv4 and UDP checksums are right."""

    message: dns.message.Message
    sums_right: bool


def decode(frame: bytes) -> Reply:
    """Decode an Ethernet frame with IPv4, UDP and DNS in it; a malformed message raises dnspython's errors."""
    ip, udp = frame[14:34], frame[34:]
    pseudo = ip[12:20] + b"\0\x11" + udp[4:6]
    right = checksum(ip) == 0 and checksum(pseudo + udp) == 0 and udp[6:8] != b"\0\0"
    return Reply(dns.message.from_wire(udp[8:]), right)
