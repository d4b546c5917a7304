# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for a frame, written down a second time: which must be passed, dropped, refused, and which is a question.

It shares nothing with the program but the names of the verdicts. Rules are applied outside in: Ethernet, IP, UDP, DNS.
"""

import struct
from dataclasses import dataclass
from typing import Final

from tests.datapath import packets
from tests.datapath.packets import ones_sum

REFLECTING: Final = frozenset((7, 13, 17, 19, 37, 69, 123, 1900, 11211))
LONGEST: Final = 524  # octets of a message that the program reads
OPTIONS_MAX: Final = 16
QUESTION: Final = "question"
"""Outcome of `judge` for a well-formed question that the zones decide."""

_TAGS: Final = (b"\x81\x00", b"\x88\xa8")
_META_TYPES: Final = frozenset((0, 41, 249, 250, 251, 252))
_NEXT_HEADERS: Final = {packets.TCP: "pass_tcp", 44: "pass_ip_fragment"} | dict.fromkeys(
    (0, 43, 51, 60, 135, 139, 140), "pass_ipv6_extension"
)
_MAPPED: Final = bytes(10) + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Host:
    """What the program knows of its host."""

    mac: bytes = packets.SERVER_MAC
    ipv4: bytes = packets.SERVER4
    ipv6: bytes = packets.SERVER6
    port: int = 53
    verify: bool = True
    opcode_pass: int = 0
    vlans: frozenset[tuple[tuple[int, int], ...]] = frozenset(packets.VLANS)
    """Protocol and identifier of the tags, outermost first, that a device of the host takes."""


@dataclass(slots=True)
class Judgement:
    """A verdict (or QUESTION), the source port, and the DNS message where there is one."""

    verdict: str
    source_port: int = 0
    message: bytes = b""


def judge(frame: bytes, host: Host) -> Judgement:
    """Say what must become of a frame."""
    at = 12
    tags = []
    while frame[at : at + 2] in _TAGS and at < 20:
        tag = int.from_bytes(frame[at : at + 2]), int.from_bytes(frame[at + 2 : at + 4]) & 0xFFF
        tags += [tag] if tag[1] else []  # VLAN 0 is a priority and no VLAN
        at += 4
    if at + 2 > len(frame):
        return Judgement("pass_not_ip")
    if tags and tuple(tags) not in host.vlans:
        return Judgement("pass_unknown_vlan")
    if frame[:6] != host.mac:
        return Judgement("pass_other_mac")
    if frame[6] & 1:
        return Judgement("drop_source_address")
    ether_type = frame[at : at + 2]
    at += 2
    if ether_type == b"\x08\x00":
        return _ipv4(frame, at, host)
    if ether_type == b"\x86\xdd":
        return _ipv6(frame, at, host)
    return Judgement("pass_not_ip")


def _ipv4(frame: bytes, at: int, host: Host) -> Judgement:
    head = frame[at : at + 20]
    if len(head) < 20:
        return Judgement("pass_ip_length")
    if head[0] != 0x45:
        return Judgement("pass_ip_options")
    if (head[6] << 8 | head[7]) & 0x3FFF:
        return Judgement("pass_ip_fragment")
    if head[9] != packets.UDP:
        return Judgement("pass_tcp" if head[9] == packets.TCP else "pass_not_udp")
    source, destination = head[12:16], head[16:20]
    if len(frame) < at + 28:
        return Judgement("pass_ip_length")
    if frame[at + 22] << 8 | frame[at + 23] != host.port:
        return Judgement("pass_other_port")
    if destination != host.ipv4:
        return Judgement("pass_other_address")
    if source[0] in (0, 127) or source[0] >= 224 or source == host.ipv4:
        return Judgement("drop_source_address")
    payload = (head[2] << 8 | head[3]) - 20
    return _udp(
        frame, at + 20, payload, source + destination, None if ones_sum(head) == 0xFFFF else "drop_ip_checksum", host
    )


def _ipv6(frame: bytes, at: int, host: Host) -> Judgement:
    head = frame[at : at + 40]
    if len(head) < 40:
        return Judgement("pass_ip_length")
    if head[0] >> 4 != 6:
        return Judgement("pass_not_ip")
    if head[6] != packets.UDP:
        return Judgement(_NEXT_HEADERS.get(head[6], "pass_not_udp"))
    source, destination = head[8:24], head[24:40]
    if len(frame) < at + 48:
        return Judgement("pass_ip_length")
    if frame[at + 42] << 8 | frame[at + 43] != host.port:
        return Judgement("pass_other_port")
    if destination != host.ipv6:
        return Judgement("pass_other_address")
    inner = source[:12] in (bytes(12), _MAPPED)  # ::, ::1, IPv4-compatible and IPv4-mapped
    if source[0] == 0xFF or source == host.ipv6 or inner:
        return Judgement("drop_source_address")
    return _udp(frame, at + 40, head[4] << 8 | head[5], source + destination, None, host)


def _udp(frame: bytes, at: int, payload: int, addresses: bytes, ip_fault: str | None, host: Host) -> Judgement:
    source_port, _, length, check = struct.unpack_from(">HHHH", frame, at)
    if length != payload or at + length > len(frame):
        return Judgement("pass_ip_length")
    if length < 20:
        return Judgement("drop_runt")
    if source_port == 0 or source_port in REFLECTING:
        return Judgement("drop_source_port")
    if host.verify and ip_fault:
        return Judgement(ip_fault)
    message = frame[at + 8 : at + length]
    if len(message) > LONGEST:
        return Judgement("pass_query_length")
    if host.verify:
        if check:
            covered = addresses + struct.pack(">HH", packets.UDP, length) + frame[at : at + length]
            if ones_sum(covered) != 0xFFFF:
                return Judgement("drop_udp_checksum")
        elif len(addresses) == 32:
            return Judgement("drop_udp_checksum")
    verdict = judge_message(message, host.opcode_pass)
    if source_port < 1024 and verdict.startswith("answer_"):
        verdict = "drop_service_error"
    return Judgement(verdict, source_port, message)


def judge_message(message: bytes, opcode_pass: int = 0) -> str:
    """Say what must become of a DNS message of at least 12 octets."""
    _, flags, questions, answers, authorities, additionals = struct.unpack_from(">6H", message)
    if flags & 0x8000:
        return "drop_response"
    opcode = flags >> 11 & 15
    if opcode:
        return "pass_opcode" if opcode_pass >> opcode & 1 else "answer_notimp"
    if questions != 1 or answers:
        return "pass_header_counts" if additionals else "answer_formerr"
    if authorities or additionals > 1:
        return "pass_header_counts"
    end = _name_end(message)
    if end is None or end + 4 > len(message):
        return "answer_formerr"
    verdict = _additional(message[end + 4 :]) if additionals else None if end + 4 == len(message) else "answer_formerr"
    if verdict:
        return verdict
    qtype, qclass = struct.unpack_from(">HH", message, end)
    if qclass != 1:
        return "pass_query_class"
    return "pass_query_type" if qtype in _META_TYPES else QUESTION


def shows_opt(message: bytes) -> bool:
    """Return whether the one OPT of a malformed message can be read: then FORMERR has one too (RFC 6891 §7)."""
    end = _name_end(message)
    if end is None or message[4:12] != b"\0\1\0\0\0\0\0\1":
        return False
    record = message[end + 4 :]
    return len(record) >= 11 and record[:3] == b"\0\0\x29" and len(record) >= 11 + (record[9] << 8 | record[10])


def _name_end(message: bytes) -> int | None:
    at, size = 12, len(message)
    while at < size:
        length = message[at]
        at += 1 + length
        if not length:
            return at if at <= 12 + 255 else None
        if length > 63:
            return None
    return None


def _additional(record: bytes) -> str | None:
    if len(record) < 11:
        return "answer_formerr"
    if record[:3] != b"\0\0\x29":
        return "pass_additional"
    options = record[11:]
    if len(options) != record[9] << 8 | record[10]:
        return "answer_formerr"
    at = count = 0
    while at < len(options):
        if count == OPTIONS_MAX:
            return "pass_edns_option"
        if at + 4 > len(options):
            return "answer_formerr"
        at += 4 + (options[at + 2] << 8 | options[at + 3])
        count += 1
    if at != len(options):
        return "answer_formerr"
    return "answer_badvers" if record[6] else None
