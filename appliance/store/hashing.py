# SPDX-License-Identifier: GPL-3.0-or-later
"""The name hash of the index (docs/store-format.md, "Hash and index")."""

from appliance.store.layout import HASH_FINAL, HASH_MULTIPLIER

_M64 = 0xFFFFFFFFFFFFFFFF


def extend(h: int, label: bytes) -> int:
    """Return the hash of a name from that of its parent and its first label (length octet included, folded)."""
    for at in range(0, len(label), 8):
        h = ((h ^ int.from_bytes(label[at : at + 8], "little")) * HASH_MULTIPLIER) & _M64
        h ^= h >> 32
    return h


def name_hash(seed: int, name: bytes) -> int:
    """Return the hash of a folded wire name."""
    return suffix_hashes(seed, name, 127)[-1]


def suffix_hashes(seed: int, name: bytes, depth: int) -> list[int]:
    """Return the hashes of the suffixes with 0, 1, … labels, up to depth or all of the name's labels."""
    parts = []
    at = 0
    while length := name[at]:
        parts.append(name[at : at + length + 1])
        at += length + 1
    h = seed
    found = [h]
    for label in parts[: -depth - 1 : -1] if depth else ():
        h = extend(h, label)
        found.append(h)
    return found


def spread(h: int) -> int:
    """Return f, whose low half is the tag and whose top bits choose the first bucket.

    The low bits of a product depend on the low bits of its factors alone; the upper half stirs them.
    """
    f = (h * HASH_FINAL) & _M64
    return f ^ (f >> 32)
