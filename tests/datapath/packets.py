# SPDX-License-Identifier: GPL-3.0-or-later
"""Build query frames octet by octet, each field right or wrong at will; compared with scapy in test_packets.py."""

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

SERVER_MAC: Final = bytes.fromhex("020000000053")
CLIENT_MAC: Final = bytes.fromhex("020000000007")
SERVER4: Final = ipaddress.IPv4Address("192.0.2.53").packed
SERVER6: Final = ipaddress.IPv6Address("2001:db8::53").packed
CLIENT4: Final = ipaddress.IPv4Address("198.51.100.7").packed
CLIENT6: Final = ipaddress.IPv6Address("2001:db8:1::7").packed

IPV4: Final = 0x0800
IPV6: Final = 0x86DD
VLAN: Final = 0x8100
SERVICE_VLAN: Final = 0x88A8
VLANS: Final = (
    ((VLAN, 42),),
    ((SERVICE_VLAN, 7),),
    ((VLAN, 42), (VLAN, 42)),
    ((VLAN, 42), (SERVICE_VLAN, 7)),
    ((SERVICE_VLAN, 7), (VLAN, 42)),
    ((SERVICE_VLAN, 7), (VLAN, 4095)),
)
"""Tags, outermost first, that a device of the server takes (`Lab.know_vlans`)."""
UDP: Final = 17
TCP: Final = 6
DONT_FRAGMENT: Final = 0x4000

RD: Final = 0x0100
CD: Final = 0x0010
AD: Final = 0x0020
QR: Final = 0x8000
DO: Final = 0x8000


def ones_sum(octets: bytes) -> int:
    """Return the ones' complement sum of big-endian 16-bit words (RFC 1071), 0xFFFF for any whole header."""
    total: int = sum(struct.unpack(f">{(len(octets) + 1) // 2}H", octets + bytes(len(octets) & 1)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksum(octets: bytes) -> int:
    """Return the Internet checksum of octets whose checksum field is zero."""
    return ones_sum(octets) ^ 0xFFFF


def pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """Return what UDP's checksum covers besides UDP (RFC 768, RFC 8200 §8.1); the family is that of the addresses."""
    tail = struct.pack(">II", length, UDP) if len(source) == 16 else struct.pack(">HH", UDP, length)
    return source + destination + tail


def name(text: str) -> bytes:
    """Return the wire form of an ASCII name without escapes, its case kept."""
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def option(code: int, data: bytes = b"", length: int | None = None) -> bytes:
    """Return an EDNS option; a given length may lie."""
    return struct.pack(">HH", code, len(data) if length is None else length) + data


@dataclass(frozen=True, slots=True)
class Opt:
    """An OPT record (RFC 6891 §6.1.2), each field free."""

    size: int = 1232
    flags: int = 0
    version: int = 0
    extended: int = 0
    options: bytes = b""
    owner: bytes = b"\0"
    rdlength: int | None = None

    def octets(self) -> bytes:
        """Return the record."""
        length = len(self.options) if self.rdlength is None else self.rdlength
        ttl = self.extended << 24 | self.version << 16 | self.flags
        return self.owner + struct.pack(">HHIH", 41, self.size, ttl, length) + self.options


def message(
    qname: bytes | str,
    qtype: int = 1,
    *,
    ident: int = 0x1D5A,
    flags: int = 0,
    qclass: int = 1,
    opt: Opt | None = None,
    counts: Sequence[int] | None = None,
    tail: bytes = b"",
) -> bytes:
    """Return a query; `counts` overrides the four record counts, `tail` follows the last record."""
    wire = name(qname) if isinstance(qname, str) else qname
    fields = (1, 0, 0, int(opt is not None)) if counts is None else counts
    header = struct.pack(">6H", ident, flags, *fields)
    return header + wire + struct.pack(">HH", qtype, qclass) + (opt.octets() if opt else b"") + tail


@dataclass(frozen=True, slots=True)
class Frame:
    """One Ethernet frame with a DNS message. A field of None takes its right value, any other is written as it is."""

    message: bytes
    ipv6: bool = False
    tags: tuple[tuple[int, int], ...] = ()  # (TPID, TCI), outermost first
    source: bytes | None = None
    destination: bytes | None = None
    source_mac: bytes = CLIENT_MAC
    destination_mac: bytes = SERVER_MAC
    source_port: int = 40000
    destination_port: int = 53
    ttl: int = 64
    traffic_class: int = 0
    ident: int = 0x1234
    fragment: int = 0
    protocol: int = UDP
    ether_type: int | None = None
    version_ihl: int | None = None
    options: bytes = b""  # of IPv4: a multiple of four octets
    flow_label: int = 0
    ip_length: int | None = None
    ip_checksum: int | None = None
    udp_length: int | None = None
    udp_checksum: int | None = None
    padding: bytes = b""

    def octets(self) -> bytes:
        """Return the frame."""
        source = self.source or (CLIENT6 if self.ipv6 else CLIENT4)
        destination = self.destination or (SERVER6 if self.ipv6 else SERVER4)
        udp = self._udp(source, destination)
        ip = self._ipv6(source, destination, len(udp)) if self.ipv6 else self._ipv4(source, destination, len(udp))
        tags = b"".join(struct.pack(">HH", tpid, tci) for tpid, tci in self.tags)
        inner = self.ether_type if self.ether_type is not None else IPV6 if self.ipv6 else IPV4
        return self.destination_mac + self.source_mac + tags + inner.to_bytes(2) + ip + udp + self.padding

    def _udp(self, source: bytes, destination: bytes) -> bytes:
        length = 8 + len(self.message)
        head = struct.pack(
            ">HHH", self.source_port, self.destination_port, length if self.udp_length is None else self.udp_length
        )
        check = self.udp_checksum
        if check is None:
            covered = pseudo_header(source, destination, length) + head + b"\0\0" + self.message
            check = checksum(covered) or 0xFFFF
        return head + check.to_bytes(2) + self.message

    def _ipv4(self, source: bytes, destination: bytes, payload: int) -> bytes:
        first = 0x45 + len(self.options) // 4 if self.version_ihl is None else self.version_ihl
        length = 20 + len(self.options) + payload if self.ip_length is None else self.ip_length
        head = struct.pack(
            ">BBHHHBB", first, self.traffic_class, length, self.ident, self.fragment, self.ttl, self.protocol
        )
        rest = source + destination + self.options
        check = checksum(head + b"\0\0" + rest) if self.ip_checksum is None else self.ip_checksum
        return head + check.to_bytes(2) + rest

    def _ipv6(self, source: bytes, destination: bytes, payload: int) -> bytes:
        version = 6 if self.version_ihl is None else self.version_ihl >> 4
        first = version << 28 | self.traffic_class << 20 | self.flow_label
        length = payload if self.ip_length is None else self.ip_length
        return struct.pack(">IHBB", first, length, self.protocol, self.ttl) + source + destination

    def but(self, **fields: object) -> "Frame":
        """Return the same frame with other fields."""
        return replace(self, **fields)  # type: ignore[arg-type]

    def padded(self, least: int = 60, octet: int = 0) -> "Frame":
        """Return the frame with as much padding as a card adds to reach the least length."""
        return self.but(padding=bytes([octet]) * max(0, least - len(self.octets())))
