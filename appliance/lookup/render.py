# SPDX-License-Identifier: GPL-3.0-or-later
"""From an answer in the store to a message: variant, fragments, relocation, header, OPT."""

import struct
from dataclasses import dataclass
from typing import Final

from appliance.lookup import denial as proofs
from appliance.lookup.find import Outcome
from appliance.store.layout import (
    ANSWER,
    FRAGMENT,
    FRAGMENT_LEN_PLACE,
    FRAGMENT_RECORDS_PLACE,
    GRANULE,
    ZONE_SLOT_SOA_PLACE,
)
from appliance.store.store import Store
from appliance.store.verdict_names import KIND
from appliance.zone import types

QR: Final = 0x8000
TC: Final = 0x0200
COPIED: Final = 0x7910
"""Opcode, RD and CD of the query come back (RFC 1035 §4.1.1, RFC 4035 §3.1.6)."""

HEADER: Final = struct.Struct(">6H")
POINTER: Final = struct.Struct(">H")
_OPT: Final = struct.Struct(">BHHBBHH")
_ANY: Final = types.ANY.to_bytes(2, "big")
OPT_LEN: Final = _OPT.size


@dataclass(frozen=True, slots=True)
class Edns:
    """What the OPT of the reply says: our size and the query's DO bit."""

    size: int = 1232
    dnssec_ok: bool = False

    def record(self, extended: int = 0) -> bytes:
        """Return the OPT record; extended holds the upper bits of the rcode (RFC 6891 §6.1.3)."""
        return _OPT.pack(0, types.OPT, self.size, extended, 0, 0x8000 if self.dnssec_ok else 0, 0)


@dataclass(slots=True)
class Variant:
    """One answer with its proof: header fields and where its fragments start in the heap."""

    flags: int
    counts: tuple[int, int, int]
    length: int
    fragments: list[int]
    """Octet offsets in the heap."""
    kind: int
    extended: int
    smaller: int


def variant(store: Store, ref: int, outcome: Outcome, qname: bytes) -> Variant:
    """Read an answer, and search the proof that it lacks."""
    octets = store.octets
    start = ref * GRANULE
    flags, an, ns, ar, length, nfrag, kind, denial, insert, extended, _, smaller = ANSWER.unpack_from(octets, start)
    body = start + ANSWER.size
    if nfrag > 1:
        listed = struct.unpack_from(f"<{nfrag}I", octets, body)
        fragments = [(ref or store.slot(outcome.zone)[ZONE_SLOT_SOA_PLACE]) * GRANULE for ref in listed]
    else:
        fragments = [body] * nfrag
    if denial:
        for piece in proofs.proof(store, outcome, qname, denial):
            if piece * GRANULE in fragments:
                continue
            fields = FRAGMENT.unpack_from(octets, piece * GRANULE)
            fragments.insert(insert, piece * GRANULE)
            insert += 1
            length += fields[FRAGMENT_LEN_PLACE]
            ns += fields[FRAGMENT_RECORDS_PLACE]
    for piece in outcome.proofs:
        fields = FRAGMENT.unpack_from(octets, piece * GRANULE)
        fragments.append(piece * GRANULE)
        length += fields[FRAGMENT_LEN_PLACE]
        ns += fields[FRAGMENT_RECORDS_PLACE]
    return Variant(flags, (an, ns, ar), length, fragments, kind, extended, smaller)


def put_fragment(store: Store, start: int, out: bytearray, qname_len: int) -> None:
    """Append a fragment, its pointers moved to where a question name of this length puts them."""
    octets = store.octets
    length, _, _, moves, base_len, _ = FRAGMENT.unpack_from(octets, start)
    begin = len(out)
    table = start + FRAGMENT.size
    body = table + moves * 4
    out += octets[body : body + length]
    delta = qname_len - base_len
    if delta and moves:
        flat = struct.unpack_from(f"<{moves * 2}H", octets, table)
        for i in range(0, moves * 2, 2):
            POINTER.pack_into(out, begin + flat[i], flat[i + 1] + delta)


def render(
    store: Store, outcome: Outcome, ident: int, flags: int, question: bytes, limit: int, edns: Edns | None
) -> tuple[int, bytes]:
    """Return the answer's kind and the whole message for a query.

    flags is the query's second header word, question its question section as it came. A message over limit octets gives
    way to a smaller variant, and at last to an empty one with TC set. outcome.lacks may be "" or "denial".
    """
    qname_len = len(question) - 4
    qname = question[:qname_len].lower()
    room = limit - HEADER.size - len(question) - (OPT_LEN if edns else 0)
    ref = outcome.answer
    while True:
        chosen = variant(store, ref, outcome, qname)
        if chosen.length <= room:
            break
        if not chosen.smaller:
            chosen.flags |= TC
            chosen.counts, chosen.fragments, chosen.kind = (0, 0, 0), [], KIND["truncated"]
            break
        ref = chosen.smaller
    an, ns, ar = chosen.counts
    head = HEADER.pack(ident, flags & COPIED | QR | chosen.flags, 1, an, ns, ar + (edns is not None))
    out = bytearray(head + question)
    for start in chosen.fragments:
        put_fragment(store, start, out, qname_len)
    if edns:
        out += edns.record(chosen.extended)
    asked_all = question[-4:-2] == _ANY and chosen.kind == KIND["positive"]
    return KIND["any"] if asked_all else chosen.kind, bytes(out)
