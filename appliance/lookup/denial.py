# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs that must be searched: which NSEC or NSEC3 fragments show that a name does not exist."""

from appliance.lookup.find import Outcome
from appliance.store.layout import (
    CHILD,
    CHILDREN,
    DENIAL_BLOCK,
    DENIAL_NXDOMAIN,
    GRANULE,
    GRANULE_WORDS,
    NODE_DENIAL_PLACE,
    NSEC3,
    NSEC3_HASH,
    NSEC3_ITERATIONS_PLACE,
    NSEC3_N_PLACE,
    NSEC3_NODE,
    NSEC3_SALT_LEN_PLACE,
    NSEC3_SALT_PLACE,
    NSEC3_SIZE,
    SIZES,
    ZONE_SLOT_DENIAL_PLACE,
)
from appliance.store.shape import SCHEMES
from appliance.store.store import Store
from appliance.zone import nsec3_hash


def proof(store: Store, outcome: Outcome, qname: bytes, denial: int) -> list[int]:
    """Return the fragments that prove what a folded question name's answer says; each once.

    `denial` is that of the answer: DENIAL_NXDOMAIN, or DENIAL_NEXT_CLOSER for an answer of a wildcard.
    """
    material = store.node(outcome.node)[NODE_DENIAL_PLACE]
    scheme = store.zone_byte(outcome.zone, "scheme")
    if scheme == SCHEMES["nsec"]:
        found = _nsec(store, material, _next_label(qname, outcome.at), denial)
    elif scheme == SCHEMES["nsec3"]:
        found = Nsec3Search(store, outcome.zone).proof(material, qname, outcome.at, denial)
    else:
        found = []
    return [ref for ref in dict.fromkeys(found) if ref]


def _next_label(qname: bytes, at: int) -> bytes:
    """Return the first label of the next closer name: the one before the closest encloser."""
    return qname[_before(qname, at) : at][1:]


def _before(qname: bytes, at: int) -> int:
    """Return where the label that ends at an offset starts."""
    start = 0
    while start + qname[start] + 1 < at:
        start += qname[start] + 1
    return start


def _nsec(store: Store, children: int, label: bytes, denial: int) -> list[int]:
    """Return the NSEC that covers the next closer name, and for NXDOMAIN the one that covers the wildcard."""
    if not children:
        return []
    count, wildcard, _, _ = CHILDREN.unpack_from(store.octets, children * 16)
    prefix = int.from_bytes(label[:8].ljust(8, b"\0"), "big")
    low, high = 0, count  # entry low sorts before the label or is entry 0, entry high after it
    while low + 1 < high:
        middle = (low + high) // 2
        entry_prefix, text, _ = _child(store, children, middle)
        if entry_prefix < prefix or (entry_prefix == prefix and _label(store, text) <= label):
            low = middle
        else:
            high = middle
    nsec = _child(store, children, low)[2]
    return [nsec, wildcard] if denial == DENIAL_NXDOMAIN else [nsec]


def _child(store: Store, children: int, at: int) -> tuple[int, int, int]:
    block = store.words[children * 4 + SIZES["children"] // 4 + at // DENIAL_BLOCK]
    found: tuple[int, int, int] = CHILD.unpack_from(store.octets, block * GRANULE + at % DENIAL_BLOCK * CHILD.size)
    return found


def _label(store: Store, ref: int) -> bytes:
    start = ref * GRANULE
    return bytes(store.octets[start + 1 : start + 1 + store.octets[start]])


class Nsec3Search:
    """The table of NSEC3 hashes of a zone's current version."""

    def __init__(self, store: Store, zone: int) -> None:
        self._store = store
        self._table = store.slot(zone)[ZONE_SLOT_DENIAL_PLACE]
        fields = NSEC3.unpack_from(store.octets, self._table * GRANULE)
        self._count = fields[NSEC3_N_PLACE]
        self._parameters = (fields[NSEC3_ITERATIONS_PLACE], fields[NSEC3_SALT_PLACE][: fields[NSEC3_SALT_LEN_PLACE]])

    def place(self, name: bytes) -> tuple[int, bool]:
        """Return the fragment of the NSEC3 that matches or covers a folded name, and whether it matches."""
        self._store.pay_hash(self._parameters)
        digest = nsec3_hash.digest(name, self._parameters)
        wanted = (int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:12], "big"))
        low, high = -1, self._count
        while low + 1 < high:
            middle = (low + high) // 2
            if self._entry(middle)[:2] <= wanted:
                low = middle
            else:
                high = middle
        entry = self._entry(low if low >= 0 else self._count - 1)
        return entry[2], entry[:2] == wanted

    def cover(self, name: bytes) -> int:
        """Return the fragment that covers a folded name, 0 when one matches: then nothing denies the name."""
        fragment, matches = self.place(name)
        return 0 if matches else fragment

    def _entry(self, at: int) -> tuple[int, int, int]:
        block = self._store.words[self._table * GRANULE_WORDS + NSEC3_SIZE // 4 + at // DENIAL_BLOCK]
        place = block * GRANULE + at % DENIAL_BLOCK * NSEC3_HASH.size
        found: tuple[int, int, int] = NSEC3_HASH.unpack_from(self._store.octets, place)
        return found

    def proof(self, material: int, qname: bytes, at: int, denial: int) -> list[int]:
        """Return the fragments of RFC 5155 §7.2.2 (NXDOMAIN) or of the next closer name alone (§7.2.6)."""
        if not self._count:
            return []
        next_closer = qname[_before(qname, at) :]
        if denial != DENIAL_NXDOMAIN:
            return [self.cover(next_closer)]
        if not material:
            return []
        encloser, wildcard, known = NSEC3_NODE.unpack_from(self._store.octets, material * GRANULE)
        cover = known or self.cover(next_closer)
        return [encloser, cover, wildcard] if cover else []
