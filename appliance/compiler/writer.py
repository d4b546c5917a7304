# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the objects of one zone version: shared fragments and answers, nodes with their own answers behind them."""

from __future__ import annotations

import operator
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from appliance.store import hashing
from appliance.store.layout import (
    FOREVER,
    FRAGMENT,
    FRAGMENT_LEN_PLACE,
    FRAGMENT_RECORDS_PLACE,
    GRANULE,
    HASH_MULTIPLIER,
    NODE,
    NODE_CUT,
    TYPE_ENTRY,
)
from appliance.store.shape import name_offset, types_offset
from appliance.store.store import NO_TALLY, Tally
from appliance.zone.names import label_count

if TYPE_CHECKING:
    from appliance.store.heap import Extent
    from appliance.store.store import Store

Answer = int | bytes
"""A reference to a shared answer, or the octets of one that goes with its node."""

Entry = tuple[int, Answer, Answer]
"""Type, answer without DNSSEC, answer with it (0: the same)."""

_RUN = 2048
"""Octets of answers that are placed right behind their node; longer ones would push other nodes out of the cache."""


class Writer:
    """One version of one zone on its way into the store; nothing in it is visible before the zone's flip."""

    def __init__(self, store: Store, number: int, version: int, expected: int, divided: bool = False) -> None:
        """Expect about `expected` octets; `divided` keeps what only askers with DO set get in an arena of its own."""
        self.store = store
        self.number = number
        self.version = version
        self.arena = store.arena(expected)
        self.aside = store.arena(expected) if divided else self.arena
        self._place = self.arena
        self.nodes: array[int] = array("I")
        self._suffix = len(store.suffix(number))
        self._shared: dict[bytes, int] = {}
        self._references = 0
        self._nodes = self._node_octets = self._answer_octets = 0
        self._counted = NO_TALLY
        self._hashes: dict[bytes, int] = {b"\0": store.seed}

    def share(self, blob: bytes) -> int:
        """Return the reference of an object; equal objects are one."""
        self._references += 1
        ref = self._shared.get(blob)
        if ref is None:
            ref = self._shared[blob] = self._place.put(blob)
        return ref

    @contextmanager
    def placing_aside(self) -> Iterator[None]:
        """Place the objects that are shared inside the `with` block in the arena for answers with DO."""
        before, self._place = self._place, self.aside
        try:
            yield
        finally:
            self._place = before

    def refer(self, answer: Answer) -> int:
        """Return the reference of an answer, shared if it has none yet."""
        return answer if isinstance(answer, int) else self.share(answer)

    def fragment_size(self, ref: int) -> tuple[int, int]:
        """Return octets and records of a fragment."""
        fields = FRAGMENT.unpack_from(self.store.octets, ref * GRANULE)
        return fields[FRAGMENT_LEN_PLACE], fields[FRAGMENT_RECORDS_PLACE]

    def hash(self, name: bytes) -> int:
        """Return the hash of a folded name; those of parents are remembered."""
        split = name[0] + 1
        parent = name[split:]
        above = self._hashes.get(parent)
        if above is None:
            above = self._hashes[parent] = self.hash(parent)
        label = name[:split]
        if split <= 8:
            h = ((above ^ int.from_bytes(label, "little")) * HASH_MULTIPLIER) & 0xFFFFFFFFFFFFFFFF
            return h ^ (h >> 32)
        return hashing.extend(above, label)

    def node(
        self,
        name: bytes,
        flags: int,
        entries: list[Entry],
        other: tuple[Answer, Answer] = (0, 0),
        wildcard: int = 0,
        denial: int = 0,
    ) -> int:
        """Write a node and, behind it, the answers that only it uses; return its reference."""
        stored = name[: len(name) - self._suffix]
        table = types_offset(len(stored), flags)
        at = (table + len(entries) * TYPE_ENTRY.size + 15) & ~15
        own: dict[bytes, int] = {}
        flat: list[int] = []
        for i, answer in enumerate([*other, *[answer for entry in entries for answer in entry[1:]]]):
            if not isinstance(answer, int):
                if self.aside is not self.arena and (i & 1 or flags & NODE_CUT):
                    with self.placing_aside():
                        answer = self.share(answer)
                elif answer in own or at + len(answer) <= _RUN:
                    place = own.setdefault(answer, at)
                    flat.append(-place)
                    if place == at:
                        at += (len(answer) + 15) & ~15
                    continue
                else:
                    answer = self.share(answer)
            flat.append(answer)
        ref = self.arena.take(at)
        nodes = (table + len(entries) * TYPE_ENTRY.size + 15) & ~15
        self._nodes += 1
        self._node_octets += nodes
        self._answer_octets += at - nodes
        flat = [answer if answer >= 0 else ref + (-answer >> 4) for answer in flat]
        octets = self.store.octets
        start = ref * GRANULE
        valid = (self.number, self.version, FOREVER)
        fields = (len(stored), label_count(name), flags, len(entries), *valid, 0, flat[0], flat[1], 0, wildcard, denial)
        head = NODE.pack(*fields)[: name_offset(flags)]
        octets[start : start + table] = head + stored + bytes(table - len(head) - len(stored))
        row = start + table
        for i, entry in enumerate(entries):
            TYPE_ENTRY.pack_into(octets, row, entry[0], 0, flat[2 + 2 * i], flat[3 + 2 * i])
            row += 12
        for blob, place in own.items():
            octets[start + place : start + place + len(blob)] = blob
        return ref

    def close(self) -> list[Extent]:
        """Return the extents in use; nothing can be placed any more without taking a new one."""
        extents = self.arena.close()
        return extents if self.aside is self.arena else extents + self.aside.close()

    def tally(self) -> Tally:
        """Return the tally of what was written so far."""
        octets = sum([(len(blob) + 15) & ~15 for blob in self._shared])
        own = (self._nodes, self._node_octets, self._answer_octets, len(self._shared), octets, self._references)
        return Tally(*map(operator.add, own, self._counted))

    def count(self, *more: int) -> None:
        """Add what was written in bulk to the tally."""
        self._counted = Tally(*map(operator.add, self._counted, more))

    def publish(self, name: bytes, ref: int) -> None:
        """Hang a node into the index."""
        self.store.insert(ref, self.hash(name))
        self.nodes.append(ref)
