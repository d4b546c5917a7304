# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a reply frame against the query frame it answers: everything below DNS, and the DNS header and question.

Nothing here shares code with the program or with the compiler.
"""

import struct
from dataclasses import dataclass
from typing import Final

from tests.datapath import packets
from tests.datapath.packets import ones_sum, pseudo_header

EDNS_SIZE: Final = 1232
_TAGS: Final = (packets.VLAN, packets.SERVICE_VLAN)


class WrongReply(AssertionError):
    """A reply breaks a rule."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A frame taken apart."""

    destination_mac: bytes
    source_mac: bytes
    tags: bytes
    ether_type: int
    ipv6: bool
    ip: bytes  # header
    source: bytes
    destination: bytes
    udp: bytes  # header
    source_port: int
    destination_port: int
    message: bytes
    rest: bytes  # what follows the IP packet


def open_frame(frame: bytes) -> Opened:
    """Take a frame apart by its length fields."""
    at = 12
    while int.from_bytes(frame[at : at + 2]) in _TAGS:
        at += 4
    tags, ether_type = frame[12:at], int.from_bytes(frame[at : at + 2])
    at += 2
    if ether_type == packets.IPV6:
        ip = frame[at : at + 40]
        end = at + 40 + int.from_bytes(ip[4:6])
        source, destination = ip[8:24], ip[24:40]
    else:
        ip = frame[at : at + 20]
        end = at + int.from_bytes(ip[2:4])
        source, destination = ip[12:16], ip[16:20]
    if end > len(frame):
        raise WrongReply("the IP packet is longer than the frame")
    at += len(ip)
    udp = frame[at : at + 8]
    source_port, destination_port = struct.unpack(">HH", udp[:4])
    return Opened(
        destination_mac=frame[:6],
        source_mac=frame[6:12],
        tags=tags,
        ether_type=ether_type,
        ipv6=ether_type == packets.IPV6,
        ip=ip,
        source=source,
        destination=destination,
        udp=udp,
        source_port=source_port,
        destination_port=destination_port,
        message=frame[at + 8 : end],
        rest=frame[end:],
    )


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise WrongReply(what)


def check_frame(query: bytes, reply: bytes) -> bytes:
    """Return the DNS message of a reply after checking all that surrounds it. Raises WrongReply."""
    asked, said = open_frame(query), open_frame(reply)
    _require(said.destination_mac == asked.source_mac, "not sent to the asker's MAC")
    _require(said.source_mac == asked.destination_mac, "not sent from our MAC")
    _require(said.tags == asked.tags, "VLAN tags changed")
    _require(said.ether_type == asked.ether_type, "another address family")
    _require((said.source, said.destination) == (asked.destination, asked.source), "addresses not exactly swapped")
    _require(
        (said.source_port, said.destination_port) == (asked.destination_port, asked.source_port),
        "ports not exactly swapped",
    )
    length = 8 + len(said.message)
    _require(said.udp[4:6] == length.to_bytes(2), "UDP length is not that of the packet")
    _require(said.rest == b"", f"{len(said.rest)} octets behind the IP packet")
    if said.ipv6:
        _require(said.ip[:4] == b"\x60\0\0\0", "version, traffic class or flow label")
        _require(said.ip[6:8] == bytes([packets.UDP, 64]), "next header or hop limit")
    else:
        _require(said.ip[:2] == b"\x45\0", "version, IHL or DSCP and ECN")
        _require(said.ip[4:10] == b"\0\0\x40\0\x40\x11", "identification, flags, TTL or protocol")
        _require(ones_sum(said.ip) == 0xFFFF, "IPv4 header checksum")
    _require(said.udp[6:8] != b"\0\0", "no UDP checksum")
    covered = pseudo_header(said.source, said.destination, length) + said.udp + said.message
    _require(ones_sum(covered) == 0xFFFF, "UDP checksum")
    return said.message


def check_header(query: bytes, reply: bytes) -> None:
    """Check the header, the question and OPT of a DNS reply against the query. Raises WrongReply."""
    _require(reply[:2] == query[:2], "ID not echoed")
    asked, said = int.from_bytes(query[2:4]), int.from_bytes(reply[2:4])
    _require(bool(said & packets.QR), "QR not set")
    _require(said & 0x7800 == asked & 0x7800, "opcode changed")
    _require(said & 0x0110 == asked & 0x0110, "RD or CD not copied")
    _require(not said & 0x00E0, "RA, Z or AD set")
    questions = int.from_bytes(reply[4:6])
    _require(questions in (0, 1), f"{questions} questions")
    if questions:
        end = question_end(query)
        _require(reply[12:end] == query[12:end], "question not echoed octet for octet")
    else:
        _require(len(reply) == 12, "a bare header is 12 octets")


def question_end(query: bytes) -> int:
    """Return the offset behind the question of a well-formed query."""
    at = 12
    while query[at]:
        at += 1 + query[at]
    return at + 5
