# SPDX-License-Identifier: GPL-3.0-or-later
"""Sections to answers: counts, fragments, and the variants with fewer additional records (`answer.smaller`)."""

from dataclasses import dataclass, field
from typing import Final

from appliance.compiler.writer import Answer, Writer
from appliance.store.fragments import RR, Body
from appliance.store.layout import ANSWER
from appliance.store.message_sizes import EDNS_SIZE, PLAIN_SIZE
from appliance.store.verdict_names import KIND

AA: Final = 0x0400
TC: Final = 0x0200
MAX_ANSWER: Final = 65535 - 12 - 259 - 11
"""Octets of records that fit the largest message (TCP) behind the longest question; more is only answered with TC."""

MAX_FRAGMENTS: Final = 8
"""Fragments that an answer lists at most, those of a searched proof aside: FRAGMENTS_MAX in ebpf/store.h."""

_AROUND: Final = 12 + 4 + 11
"""Octets of header, QTYPE and QCLASS, OPT."""

_MARGIN: Final = 32
"""Octets by which a question may be longer than the base name for the small variants to fit."""

_SIZES: Final = (EDNS_SIZE, PLAIN_SIZE)


@dataclass(slots=True)
class Group:
    """Additional records that go or stay together: an RRset and its signatures; required ones always stay."""

    rrs: list[RR]
    required: bool = False


@dataclass(slots=True)
class Sections:
    """What an answer says, before it is laid out."""

    kind: int
    flags: int = AA
    answer: list[RR] = field(default_factory=list)
    authority: list[RR] = field(default_factory=list)
    proofs: list[int] = field(default_factory=list)
    """References of fragments that end the authority section."""
    additional: list[Group] = field(default_factory=list)
    denial: int = 0


Cut = tuple[int, int, int]
"""Octets, moves and records of a body up to the end of a group."""


def build(writer: Writer, body: Body, sections: Sections) -> Answer:
    """Lay sections out behind an empty body and return the answer, its smaller variants already written.

    Additional records are optional except the required ones, which come first (RFC 9471 §3.1).
    """
    body.extend(sections.answer)
    body.extend(sections.authority)
    tail = body
    if sections.proofs or (sections.denial and sections.additional):
        tail = Body(body.base_len, body.places, fixed=body.fixed, first=False)
    groups = sorted(sections.additional, key=lambda group: not group.required)
    cuts: list[Cut] = [(len(tail.octets), len(tail.moves), tail.records)]
    for group in groups:
        tail.extend(group.rrs)
        cuts.append((len(tail.octets), len(tail.moves), tail.records))
    least = sum(group.required for group in groups)
    before = sum(writer.fragment_size(ref)[0] for ref in sections.proofs)
    before += len(body.octets) if tail is not body else 0
    smaller: Answer = 0
    for count in _variants(cuts, least, before, body.base_len):
        if before + cuts[count][0] > MAX_ANSWER:
            break
        smaller = _encode(writer, sections, body, tail, cuts[count], cuts[0][2], writer.refer(smaller))
    return smaller or too_long(sections.flags)


def too_long(flags: int) -> bytes:
    """Return the answer for what no message can hold."""
    return ANSWER.pack(flags | TC, 0, 0, 0, 0, 0, KIND["truncated"], 0, 0, 0, 0, 0)


def _variants(cuts: list[Cut], least: int, before: int, base_len: int) -> list[int]:
    """Return the number of groups of each variant, the smallest variant first; at most four."""
    found = {least, len(cuts) - 1}
    if len(found) == 1:
        return [least]
    for size in _SIZES:
        room = size - _AROUND - min(base_len + _MARGIN, 255) - before
        fitting = [count for count in range(least, len(cuts)) if cuts[count][0] <= room]
        if fitting:
            found.add(fitting[-1])
    return sorted(found)


def _encode(
    writer: Writer, sections: Sections, body: Body, tail: Body, cut: Cut, before_tail: int, smaller: int
) -> Answer:
    additional = cut[2] - before_tail
    counts = (len(sections.answer), len(sections.authority), additional)
    if tail is body:
        fragment = body.encode(*cut)
        head = _head(sections, counts, cut[0], 1 if cut[0] else 0, smaller)
        return head + fragment if cut[0] else head
    pieces = [writer.share(body.encode())] if body.octets else []
    pieces += sections.proofs
    if cut[0]:
        pieces.append(writer.share(tail.encode(*cut)))
    if not sections.proofs and not cut[0]:
        return _head(sections, counts, len(body.octets), 1, smaller) + body.encode()
    length = len(body.octets) + cut[0]
    records = 0
    for ref in sections.proofs:
        octets, count = writer.fragment_size(ref)
        length += octets
        records += count
    counts = (counts[0], counts[1] + records, additional)
    head = _head(sections, counts, length, len(pieces), smaller)
    return head + b"".join([ref.to_bytes(4, "little") for ref in pieces])


def _head(sections: Sections, counts: tuple[int, int, int], length: int, pieces: int, smaller: int) -> bytes:
    # A searched proof goes behind the own records, before other proofs and the additional records.
    insert = 1 if sections.denial and pieces else 0
    return ANSWER.pack(sections.flags, *counts, length, pieces, sections.kind, sections.denial, insert, 0, 0, smaller)
