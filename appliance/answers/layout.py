# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of the store: a mirror of `ebpf/layout.h`, compared with it field by field in a test."""

import re
import struct
from collections.abc import Mapping
from typing import Final

from appliance.answers import verdict_names

STORE_MAGIC: Final = 0x31534E4453504C41
STORE_FORMAT: Final = 5
DS_PIECES: Final = 3
"""Pieces of an answer for DS that ends a composed referral: head of the first record, rest, signatures."""
HEAP_CHUNK: Final = 1 << 20
HEAP_WINDOW: Final = 4096
HASH_MULTIPLIER: Final = 0x9E3779B97F4A7C15
HASH_FINAL: Final = 0xD6E8FEB86659FD93
BUCKET_SLOTS: Final = 7
SUFFIX_MAX: Final = 40
NODE_HEAD: Final = 32
CHAIN_MAX: Final = 8
DENIAL_BLOCK: Final = 16384
DENIAL_REACH: Final = 64
RELOCATIONS_A_TURN: Final = 4
SERVICE_SLOTS: Final = 256
PORT_SLOTS: Final = 1024
VLAN_SLOTS: Final = 4096
VLAN_PROBES: Final = 8
VLAN_TAG: Final = 0x8000
VLAN_SERVICE: Final = 0x1000
COUNTER_SLOTS: Final = 128

NODE_CUT: Final = 1
NODE_APEX: Final = 2
NODE_OUTSIDE: Final = 4
NODE_FILLER: Final = 8
NODE_DNAME: Final = 16
NODE_WILDCARD: Final = 32
NODE_CNAME: Final = 64
NODE_BELOW: Final = 128

ZONE_EMPTY: Final = 0
ZONE_SERVING: Final = 1
ZONE_EXPIRED: Final = 2
ZONE_LOADING: Final = 3

SCHEMES: Final = {"unsigned": 0, "nsec": 1, "nsec3": 2}

SERVICE_ANSWERED: Final = 1
SERVICE_BROADCAST: Final = 2
SERVICE_HOST: Final = 3

DENIAL_COMPLETE: Final = 0
DENIAL_NXDOMAIN: Final = 1
DENIAL_NEXT_CLOSER: Final = 2

FOREVER: Final = 0xFFFFFFFF
GRANULE: Final = 16
MAX_MOVES: Final = 128
"""Most relocations of one fragment (RELOCATIONS_MAX of the program)."""

KIND: Final[Mapping[str, int]] = verdict_names.numbers("ANSWER_KINDS")
"""Number of each answer kind."""

_WIDTH: Final = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}
_FIELD: Final = re.compile(r"(\w+)(?:\[(\d+)\])?")

STRUCTS: Final[Mapping[str, str]] = {
    "ctl": "u64 magic; u32 format, serving; u64 seed; u32 flips, max_depth, min_depth, hint_depth, root, bucket_bits, "
    "chunks, zones, refused, servfail, formerr, notimp, badvers, reserved_ref, heap_next, records; u64 generation; "
    "u32 pass_rate, pass_burst, opcode_pass, reserved; u64 lease_until; u32 reserved_end[34]",
    "bucket": "u64 filter, slot[7]",
    "zone_slot": "u32 serial, apex, nxdomain[2], nodata[2], denial, soa",
    "zone": "u32 version, state; u64 expiry_ns; u32 slot[16]; u8 apex_len, apex_labels, scheme, suffix_len; "
    "u32 counter; u8 suffix[40]",
    "node": "u8 name_len, labels, flags, ntypes; u32 zone, from, until, next, other[2], reserved, wildcard, denial",
    "type_entry": "u16 type, reserved; u32 answer[2]",
    "answer": "u16 flags, an, ns, ar, len; u8 nfrag, kind, denial, insert, extended, reserved; u32 smaller",
    "fragment": "u16 len, sum, weight, nrel; u8 base_len, records, reserved[2]",
    "relocation": "u16 offset, value",
    "children": "u32 n, wildcard_cover, nblocks, firsts",
    "child": "u64 prefix; u32 label, nsec",
    "nsec3": "u32 n; u16 iterations; u8 salt_len, flags; u32 nblocks, scale; u8 salt[256]",
    "nsec3_hash": "u64 hash_hi; u32 hash_mid, fragment",
    "nsec3_node": "u32 closest_encloser, wildcard_cover, next_closer, reserved",
    "service": "u8 address[16]; u32 kind, reserved[3]",
    "port": "u32 ifindex; u8 mac[6], flags, reserved; u32 services",
    "vlan": "u32 ifindex, tags",
    "counter_row": "u64 slot[128]",
}


def _lay_out(fields: str) -> tuple[dict[str, int], int]:
    """Return offsets by field name, and the size, as the C ABI lays the fields out."""
    offsets = {}
    at = 0
    widest = 1
    for group in fields.split(";"):
        kind, _, rest = group.strip().partition(" ")
        width = _WIDTH[kind]
        widest = max(widest, width)
        at += -at % width
        for name, count in _FIELD.findall(rest):
            offsets[name] = at
            at += width * int(count or 1)
    return offsets, at + -at % widest


_LAID_OUT: Final = {name: _lay_out(fields) for name, fields in STRUCTS.items()}
OFFSETS: Final[Mapping[str, Mapping[str, int]]] = {name: offsets for name, (offsets, _) in _LAID_OUT.items()}
SIZES: Final[Mapping[str, int]] = {name: size for name, (_, size) in _LAID_OUT.items()}

NODE: Final = struct.Struct("<4B9I")
"""name_len, labels, flags, ntypes; zone, from, until, next, other[0], other[1], 0, wildcard, denial.

Of a cut only what stands before wildcard: see name_offset.
"""
TYPE_ENTRY: Final = struct.Struct("<HHII")
ANSWER: Final = struct.Struct("<5H6BI")
"""flags, an, ns, ar, len; nfrag, kind, denial, insert, extended, 0; smaller."""
FRAGMENT: Final = struct.Struct("<4H2B2x")
"""len, sum, weight, nrel; base_len, number of records (at most 255; a proof that is appended counts by it)."""
ZONE_SLOT: Final = struct.Struct("<8I")
CHILDREN: Final = struct.Struct("<4I")
CHILD: Final = struct.Struct("<Q2I")
NSEC3: Final = struct.Struct("<IHBBII256s")
NSEC3_HASH: Final = struct.Struct("<QII")
NSEC3_NODE: Final = struct.Struct("<3I4x")

CHUNK_GRANULES: Final = HEAP_CHUNK // GRANULE
START_GRANULES: Final = (HEAP_CHUNK - HEAP_WINDOW) // GRANULE
"""Objects start below this granule of their chunk."""


def padded(length: int) -> int:
    """Return a length rounded up to a multiple of 8."""
    return (length + 7) & ~7


def name_offset(flags: int) -> int:
    """Return where the name of a node with these flags starts, from the node's start."""
    return 32 if flags & NODE_CUT else 40


def types_offset(name_len: int, flags: int) -> int:
    """Return where a node's type table starts, from the node's start."""
    return name_offset(flags) + ((name_len + 7) & ~7)
