# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the program that an interface runs, whosever it is: a frame is built, the program runs on it, nothing is sent."""

from __future__ import annotations

import ipaddress
import os
import struct
from dataclasses import dataclass
from typing import Final

from appliance.datapath import links
from appliance.datapath.syscall import open_program as open_by_id
from appliance.datapath.syscall import test_run
from appliance.errors import DatapathError

_CLIENT4: Final = "192.0.2.53"
_CLIENT6: Final = "2001:db8::53"
"""Addresses for documentation (RFC 5737, RFC 3849): no client has them, and no answer leaves."""
_CLIENT_MAC: Final = b"\x02\x00\x00\x00\x00\x53"
_CLIENT_PORT: Final = 53053
_UDP: Final = 17
_HOPS: Final = 64
_ETHERNET: Final = 14
_ABORTED, _DROP, _PASS, _TX = range(4)

ANSWERED: Final = "answered"
PASSED: Final = "passed up"
LOST: Final = "dropped"


@dataclass(frozen=True, slots=True)
class Probe:
    """What a program did with one query; `reply` is the message, if it answered."""

    outcome: str
    reply: bytes = b""


class Program:
    """The program on one interface, from construction to close(). Raises DatapathError where none can be asked."""

    def __init__(self, interface: str, addresses: tuple[str, ...], port: int) -> None:
        self._link = links.read(interface)
        self.attached = self._link.program != 0
        self._port = port
        self._fd = open_by_id(self._link.program) if self.attached else -1
        found = [ipaddress.ip_address(one) for one in addresses or self._link.addresses]
        self.addresses = [str(one) for one in (_first(found, 4), _first(found, 6)) if one is not None]

    def ask(self, query: bytes, address: str) -> Probe:
        """Return what the program does with a query to an address. Raises DatapathError."""
        frame = _frame(query, self._link.mac, address, self._port)
        run = test_run(self._fd, frame, ifindex=self._link.index)
        if run.action == _PASS:
            return Probe(PASSED)
        if run.action != _TX:
            return Probe(LOST)
        head = _ETHERNET + (28 if ":" not in address else 48)
        return Probe(ANSWERED, run.packet[head:])

    def close(self) -> None:
        """Release the program."""
        if self._fd >= 0:
            os.close(self._fd)


def _first(
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address], version: int
) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    return next((one for one in addresses if one.version == version), None)


def _frame(query: bytes, mac: bytes, address: str, port: int) -> bytes:
    """Return an Ethernet frame with a query in UDP, its checksums right."""
    target = ipaddress.ip_address(address)
    source = ipaddress.ip_address(_CLIENT4 if target.version == 4 else _CLIENT6)
    length = 8 + len(query)
    udp = struct.pack("!HHHH", _CLIENT_PORT, port, length, 0) + query
    pseudo = source.packed + target.packed + struct.pack("!IBBBB", length, 0, 0, 0, _UDP)
    udp = udp[:6] + struct.pack("!H", _checksum(pseudo + udp) or 0xFFFF) + udp[8:]
    if target.version == 6:
        head = struct.pack("!IHBB", 6 << 28, length, _UDP, _HOPS) + source.packed + target.packed
        return mac + _CLIENT_MAC + b"\x86\xdd" + head + udp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, _HOPS, _UDP, 0) + source.packed + target.packed
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return mac + _CLIENT_MAC + b"\x08\x00" + head + udp


def _checksum(octets: bytes) -> int:
    octets += b"\0" * (len(octets) % 2)
    total = int(sum(struct.unpack(f"!{len(octets) // 2}H", octets)))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def open_program(interface: str, addresses: tuple[str, ...], port: int) -> Program | str:
    """Return the program on an interface, or why it cannot be asked."""
    try:
        program = Program(interface, addresses, port)
    except (DatapathError, OSError) as error:
        return f"interface {interface}: {error}; the NIC path is asked by root only"
    return program if program.attached else f"interface {interface} runs no XDP program"
