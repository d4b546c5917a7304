# SPDX-License-Identifier: GPL-3.0-or-later
"""From a question to its answer in the store, by the steps of docs/store-format.md, as the XDP program takes them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from appliance.store import hashing
from appliance.store.layout import (
    ANSWER,
    ANSWER_DENIAL_AT,
    ANSWER_KIND_AT,
    ANSWER_KIND_PLACE,
    ANSWER_NFRAG_PLACE,
    DENIAL_NXDOMAIN,
    DS_PIECES,
    GRANULE,
    GRANULE_WORDS,
    NODE_APEX,
    NODE_BELOW,
    NODE_CNAME,
    NODE_CUT,
    NODE_DNAME,
    NODE_FILLER,
    NODE_FLAGS_AT,
    NODE_NAME_LEN_AT,
    NODE_NEXT_WORD,
    NODE_NTYPES_AT,
    NODE_OTHER_WORD,
    NODE_OUTSIDE,
    NODE_WILDCARD_PLACE,
    NODE_ZONE_WORD,
    TYPE_ENTRY,
    ZONE_SERVING,
    ZONE_SLOT_NODATA_PLACE,
    ZONE_SLOT_NXDOMAIN_PLACE,
)
from appliance.store.shape import types_offset
from appliance.store.store import Store
from appliance.store.verdict_names import KIND
from appliance.zone import types

Lack = Literal["", "denial", "dname", "chain"]


@dataclass(slots=True)
class Outcome:
    """What a question found.

    `answer` is the reference of an answer, 0 only where `lacks` is "dname". `zone` is the row of the zone that answers,
    0 if none does. `node` is the deepest node on the way to the name, and `at` is where its name starts in the question
    name: 0 for an exact match. `lacks` says what is missing: "denial", a proof that must be searched; "dname",
    everything: the DNAME at `node` is to be applied; "chain", everything: the CNAME is to be followed link by link.
    `proofs` are the fragments that end a composed referral.
    """

    answer: int
    zone: int = 0
    node: int = 0
    at: int = 0
    lacks: Lack = ""
    proofs: Sequence[int] = ()


def find(store: Store, qname: bytes, qtype: int, dnssec_ok: bool) -> Outcome:
    """Find the answer for a folded wire name and a type of class IN.

    A flip during the search makes the outcome worthless: compare ctl.flips before and after, as `reply` does.
    """
    node, at = deepest(store, qname)
    if not node or store.octets[node * GRANULE + NODE_FLAGS_AT] & NODE_OUTSIDE:
        return Outcome(store.get("refused"))
    node, at = _past_missing(store, qname, node, at)
    if qtype == types.DS and not at and store.octets[node * GRANULE + NODE_FLAGS_AT] & NODE_APEX:
        node, at = _parent_side(store, qname, node)
    octets = store.octets
    start = node * GRANULE
    flags = octets[start + NODE_FLAGS_AT]
    zone = store.words[node * GRANULE_WORDS + NODE_ZONE_WORD]
    if not is_served(store, zone):
        return Outcome(store.get("servfail"), zone, node, at)
    if flags & NODE_CUT:
        return _at_cut(store, zone, node, at, dnssec_ok, not at and qtype == types.DS and not flags & NODE_FILLER)
    if not at:
        if flags & NODE_DNAME and flags & NODE_FILLER:
            return Outcome(0, zone, node, at, "dname")
        return _outcome(store, at_node(store, node, zone, qtype, dnssec_ok), zone, node, at)
    if flags & NODE_DNAME:
        return Outcome(0, zone, node, at, "dname")
    wildcard = store.node(node)[NODE_WILDCARD_PLACE]
    if wildcard:
        return _outcome(store, at_node(store, wildcard, zone, qtype, dnssec_ok), zone, node, at)
    return _outcome(store, store.slot(zone)[ZONE_SLOT_NXDOMAIN_PLACE + dnssec_ok], zone, node, at)


def _at_cut(store: Store, zone: int, node: int, at: int, dnssec_ok: bool, asks_ds: bool) -> Outcome:
    """Return the referral, with its last fragments where it is composed, or what the parent says about DS."""
    proofs = composed_of(store, node) if dnssec_ok else []
    if asks_ds:
        signed = store.words[node * GRANULE_WORDS + NODE_OTHER_WORD + 1] if proofs else 0
        ref = type_entry(store, node, types.DS, dnssec_ok) or signed or _nodata(store, zone, dnssec_ok)
        return _outcome(store, ref, zone, node, at)
    found = _outcome(store, _other(store, node, zone, dnssec_ok and not proofs), zone, node, at)
    found.proofs = proofs
    return found


def composed_of(store: Store, node: int) -> list[int]:
    """Return the fragments that end a composed referral of a cut: proofs that it has no DS, or DS and signatures."""
    signed = store.words[node * GRANULE_WORDS + NODE_OTHER_WORD + 1]
    if not signed:
        return []
    fields = ANSWER.unpack_from(store.octets, signed * GRANULE)
    if fields[ANSWER_KIND_PLACE] == KIND["positive"] and fields[ANSWER_NFRAG_PLACE] == DS_PIECES:
        first = signed * GRANULE_WORDS + ANSWER.size // 4
        return list(store.words[first : first + DS_PIECES])
    return denial_pieces(store, signed)


def denial_pieces(store: Store, answer: int) -> list[int]:
    """Return the fragments that a NODATA answer lists behind the SOA."""
    fields = ANSWER.unpack_from(store.octets, answer * GRANULE)
    if fields[ANSWER_KIND_PLACE] != KIND["nodata"] or fields[ANSWER_NFRAG_PLACE] < 2:
        return []
    first = answer * GRANULE_WORDS + ANSWER.size // 4
    return list(store.words[first + 1 : first + fields[ANSWER_NFRAG_PLACE]])


def _outcome(store: Store, ref: int, zone: int, node: int, at: int) -> Outcome:
    lacks: Lack = ""
    denial = store.octets[ref * GRANULE + ANSWER_DENIAL_AT]
    if denial:
        chain = denial == DENIAL_NXDOMAIN and store.octets[ref * GRANULE + ANSWER_KIND_AT] == KIND["cname"]
        lacks = "chain" if chain else "denial"
    return Outcome(ref, zone, node, at, lacks)


def is_served(store: Store, zone: int) -> bool:
    """Return whether a zone is loaded and not expired."""
    if store.zone_word(zone, "state") != ZONE_SERVING:
        return False
    expiry = store.expiry(zone)
    return not expiry or time.clock_gettime_ns(time.CLOCK_BOOTTIME) < expiry


def deepest(store: Store, qname: bytes) -> tuple[int, int]:
    """Return the visible node of the longest suffix of a folded name that has one, and where that suffix starts.

    Nodes exist for all names between an apex and a deeper one, so the depth can be searched.
    """
    starts = []
    at = 0
    while length := qname[at]:
        starts.append(at)
        at += length + 1
    starts.append(at)
    depth = min(len(starts) - 1, store.get("max_depth"))
    hashes = hashing.suffix_hashes(store.seed, qname, depth)
    low, high = 0, depth + 1
    found = store.get("root")
    probe = min(store.get("hint_depth"), depth)
    while low + 1 < high:
        if not low < probe < high:
            probe = high - 1
        ref = store.find_node(qname[starts[-1 - probe] :], hashes[probe])
        if ref:
            found, low = ref, probe
            if store.octets[ref * GRANULE + NODE_FLAGS_AT] & (NODE_CUT | NODE_BELOW) == NODE_CUT:
                break
            probe = high - 1
        else:
            high = probe
            probe = (low + high) // 2
    return found, starts[-1 - low]


def _past_missing(store: Store, qname: bytes, node: int, at: int) -> tuple[int, int]:
    """Return the closest encloser above a node that only fills the way to an undelegated zone's apex."""
    while store.octets[node * GRANULE + NODE_FLAGS_AT] & (NODE_FILLER | NODE_CUT | NODE_DNAME) == NODE_FILLER:
        split = at + qname[at] + 1
        node, at = deepest(store, qname[split:])
        at += split
    return node, at


def _parent_side(store: Store, qname: bytes, apex: int) -> tuple[int, int]:
    """Return the node that answers DS at an apex: the parent's cut, the parent zone's, or the apex's own.

    RFC 4035 §3.1.4.1.
    """
    ref = store.words[apex * GRANULE_WORDS + NODE_NEXT_WORD] if len(qname) > 1 else 0
    while ref:
        if (
            store.octets[ref * GRANULE + NODE_FLAGS_AT] & NODE_CUT
            and store.visible(ref)
            and store.name_at(ref) == qname
        ):
            return ref, 0
        ref = store.words[ref * GRANULE_WORDS + NODE_NEXT_WORD]
    if len(qname) > 1:
        split = qname[0] + 1
        node, at = deepest(store, qname[split:])
        if node and not store.octets[node * GRANULE + NODE_FLAGS_AT] & NODE_OUTSIDE:
            return _past_missing(store, qname, node, at + split)
    return apex, 0


def type_entry(store: Store, node: int, qtype: int, dnssec_ok: bool) -> int:
    """Return the answer that a node's type table has for a type, 0 for none; ANY is the first one (RFC 8482 §4.1)."""
    octets = store.octets
    start = node * GRANULE
    row = start + types_offset(octets[start + NODE_NAME_LEN_AT], octets[start + NODE_FLAGS_AT])
    for _ in range(octets[start + NODE_NTYPES_AT]):
        rtype, _, plain, signed = TYPE_ENTRY.unpack_from(octets, row)
        if rtype == qtype or qtype == types.ANY:
            return int(signed if dnssec_ok and signed else plain)
        row += TYPE_ENTRY.size
    return 0


def at_node(store: Store, node: int, zone: int, qtype: int, dnssec_ok: bool) -> int:
    """Return the answer of a node that the question's data are at."""
    return type_entry(store, node, qtype, dnssec_ok) or _other(store, node, zone, dnssec_ok)


def _other(store: Store, node: int, zone: int, dnssec_ok: bool) -> int:
    other = store.words[node * GRANULE_WORDS + NODE_OTHER_WORD + dnssec_ok]
    if not other and dnssec_ok and store.octets[node * GRANULE + NODE_FLAGS_AT] & (NODE_CUT | NODE_CNAME):
        other = store.words[node * GRANULE_WORDS + NODE_OTHER_WORD]
    return other or _nodata(store, zone, dnssec_ok)


def _nodata(store: Store, zone: int, dnssec_ok: bool) -> int:
    return store.slot(zone)[ZONE_SLOT_NODATA_PLACE + dnssec_ok]


def owner_at(store: Store, node: int) -> bytes:
    """Return the folded owner name of a node."""
    return store.name_at(node)
