# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to the current version of each zone in a store; next to nothing for zones that have one text."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

from appliance.store.heap import Extent
from appliance.store.layout import FOREVER, GRANULE_WORDS, NODE_UNTIL_WORD


class Tally(NamedTuple):
    """What a zone version was written as: counts, and octets with what fills them up to granules."""

    nodes: int = 0
    node_octets: int = 0
    answer_octets: int = 0
    """Of answers behind the only node that uses them."""
    shared: int = 0
    shared_octets: int = 0
    references: int = 0
    """To the shared objects."""


NO_TALLY: Final = Tally()


@dataclass(slots=True)
class ZoneState:
    """What belongs to the current version of a zone: its nodes in the index and its extents in the heap."""

    nodes: array[int] = field(default_factory=lambda: array("I"))
    extents: list[Extent] = field(default_factory=list)
    chains: frozenset[bytes] = frozenset()
    """Zones that alias chains lead through, and targets in no loaded zone: what this version depends on."""
    tally: Tally = NO_TALLY
    waste: int = 0
    """Granules that single changes have added since the zone was last compiled whole."""
    ended: int = 0
    """Number of these nodes that are not in the index any more."""

    def release(self) -> list[Extent]:
        """Return the room that nobody needs when this version is gone."""
        return self.extents

    def drop_ended(self, words: memoryview) -> None:
        """Forget the nodes that are not in the index any more; `words` are those of the heap."""
        kept = [ref for ref in self.nodes if words[ref * GRANULE_WORDS + NODE_UNTIL_WORD] == FOREVER]
        self.nodes = array("I", kept)
        self.ended = 0


@dataclass(slots=True)
class Shared:
    """What zones with one text have in common (template.py): an extent, and how each one's own octets are laid out."""

    nodes: array[int]
    """Granule of each node in a zone's own octets."""
    granules: int
    references: int = 0
    """Number of references from a zone's own octets to what is shared."""
    objects: int = 0
    """Number of shared objects."""
    extent: Extent = (0, 0)
    users: int = 0


@dataclass(slots=True)
class CopyState:
    """What belongs to the version of a zone that is a copy; made when it is asked for, since there may be very many."""

    start: int
    shared: Shared

    @property
    def nodes(self) -> array[int]:
        """The zone's nodes in the index."""
        return array("I", [self.start + granule for granule in self.shared.nodes])

    @property
    def chains(self) -> frozenset[bytes]:
        """The zone depends on no other."""
        return frozenset()

    def release(self) -> list[Extent]:
        """Return the zone's own room, and what it shared if it was the last."""
        shared = self.shared
        extents = [(self.start, self.start + shared.granules)]
        shared.users -= 1
        if not shared.users and shared.extent[1]:
            extents.append(shared.extent)
            shared.extent = (0, 0)
        return extents


class States(MutableMapping[int, ZoneState | CopyState]):
    """The states by zone number. Of a copy two numbers are kept, and an object is made when it is asked for."""

    def __init__(self) -> None:
        self._whole: dict[int, ZoneState] = {}
        self._starts = array("I")
        """First granule of a copy by its zone number, 0 for other zones."""
        self._kinds = array("I")
        """What a copy shares, by its zone number: a place in .shared."""
        self._shared: list[Shared] = []
        self._places: dict[int, int] = {}
        self._copies = 0

    def put_copy(self, number: int, start: int, shared: Shared) -> None:
        """Note a zone that is a copy."""
        self._whole.pop(number, None)
        more = number + 1 - len(self._starts)
        if more > 0:
            more += number // 8
            self._starts.frombytes(bytes(4 * more))
            self._kinds.frombytes(bytes(4 * more))
        place = self._places.get(id(shared))
        if place is None:
            place = self._places[id(shared)] = len(self._shared)
            self._shared.append(shared)
        self._copies += not self._starts[number]
        self._starts[number] = start
        self._kinds[number] = place

    def depending(self) -> Iterator[tuple[int, frozenset[bytes]]]:
        """Yield the zones (numbers) whose answers depend on other zones, and on which."""
        return ((number, state.chains) for number, state in self._whole.items() if state.chains)

    def __setitem__(self, number: int, state: ZoneState | CopyState) -> None:
        if isinstance(state, CopyState):
            self.put_copy(number, state.start, state.shared)
        else:
            self.pop(number, None)
            self._whole[number] = state

    def __getitem__(self, number: int) -> ZoneState | CopyState:
        if self._is_copy(number):
            return CopyState(self._starts[number], self._shared[self._kinds[number]])
        return self._whole[number]

    def __delitem__(self, number: int) -> None:
        if self._is_copy(number):
            self._starts[number] = 0
            self._copies -= 1
        else:
            del self._whole[number]

    def __iter__(self) -> Iterator[int]:
        return chain(self._whole, (number for number, start in enumerate(self._starts) if start))

    def __len__(self) -> int:
        return len(self._whole) + self._copies

    def __contains__(self, number: object) -> bool:
        return number in self._whole or (isinstance(number, int) and self._is_copy(number))

    def _is_copy(self, number: int) -> bool:
        return 0 <= number < len(self._starts) and self._starts[number] != 0
