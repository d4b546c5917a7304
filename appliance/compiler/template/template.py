# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small zones with one text: compiled once, then copied into the store with another name and other references.

The octets of a compiled zone depend on its place in the heap, its number and its version, and on the length of its
name. Which words depend on what is not reasoned about but seen: the text is compiled twice, with two made-up first
labels, at two places; each word that differs must do so by exactly one of three distances. Objects that depend on
nothing, which are most answers, stand in the store once for all zones of the text.
"""

from __future__ import annotations

import string
from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from appliance.compiler.expected import expected_octets
from appliance.compiler.neighbours import outside
from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import write_zone
from appliance.compiler.show import show
from appliance.compiler.template.copies import Copier, Template
from appliance.store import hashing
from appliance.store.heap import Arena
from appliance.store.layout import (
    GRANULE,
    OFFSETS,
    SCHEME_UNSIGNED,
    SIZES,
    SUFFIX_MAX,
    ZONE_SERVING,
    ZONE_SLOT_APEX_PLACE,
    ZONE_SLOT_DENIAL_PLACE,
)
from appliance.store.store import CopyState, Shared, Store, StoreFull
from appliance.zone import names
from appliance.zone.master.files import MAX_TEXT
from appliance.zone.model import Zone

Make = Callable[[bytes], Zone]
"""Reads the text as the zone of an origin; raises ApplianceError when it is none."""

Take = Callable[[Template, int, int], int]
"""Hangs nodes of a copy, which starts at a granule, from a number on; returns the first that it cannot hang."""

_ROOM: Final = 1 << 16
_MAX_OCTETS: Final = 4096
_SHAPES: Final = 64
_SEEN: Final = 4096
_FURTHER: Final = {"place": 0x1003, "number": 0x0503, "version": 0x0709}
"""Distances between the two copies that are compiled. Two made-up labels never differ by one of them."""
_ROW_SLOT: Final = (OFFSETS["zone"]["slot"] + SIZES["zone_slot"]) // 4
"""Word of a row where the first version is described: versions take turns."""


@dataclass(slots=True)
class Shape:
    """A compiled text: the octets of a zone, and the words in it that hold what differs."""

    text: bytes
    """What the zone's name must not be in, folded."""
    words: array[int]
    own: array[int]
    """The words that refer to the zone's own octets."""
    numbers: array[int]
    common: array[int]
    """The words that refer to what is shared."""
    common_octets: bytes
    names: list[bytes]
    """The nodes' names without the apex, as in shared.nodes."""
    slot: tuple[tuple[bool, int], ...]
    """Apex, nxdomain, nodata: whether each is shared, and its granule."""
    serial: int
    count: int
    shared: Shared
    template: Template | None = None
    """The words of the zone with the references to what is shared, once that has a place in the store."""

    def template_at(self, place: int, head: bytes) -> Template:
        """Return the template for a store that has what is shared at `place`; head ends a row before suffixes."""
        words, common = array("I", self.words), (0, place)
        for at in self.common:
            words[at] += place
        template = Template(words, self.own, self.numbers)
        row, row_own = array("I", bytes(SIZES["zone"])), array("I")
        row[_ROW_SLOT] = self.serial
        for at, (is_common, granule) in enumerate(self.slot, _ROW_SLOT + 1):
            row[at] = granule + common[is_common]
            if not is_common:
                row_own.append(at)
        row[OFFSETS["zone"]["apex_len"] // 4] = int.from_bytes(head, "little")
        template.put_row(row, row_own)
        places = {b"": 0}
        parents, firsts, labels = array("I"), array("I", [0]), array("Q")
        for name in self.names:
            _add_name(name, places, parents, firsts, labels)
        template.put_names(parents, firsts, labels)
        template.put_nodes(self.shared.nodes, array("I", [places[name] for name in self.names]))
        return template


def _add_name(
    name: bytes, places: dict[bytes, int], parents: array[int], firsts: array[int], labels: array[int]
) -> int:
    """Number a name given without the apex, and those above it; note its parent and the words of its first label."""
    if name not in places:
        split = name[0] + 1
        above = _add_name(name[split:], places, parents, firsts, labels)
        parents.append(above)
        labels.extend(int.from_bytes(name[at : min(at + 8, split)], "little") for at in range(0, split, 8))
        firsts.append(len(labels))
        places[name] = len(places)
    return places[name]


class Templates:
    """The texts that have been seen before, by which new zones are copied into a store."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = store = world.store
        self._shapes: dict[tuple[bytes, int, bytes], Shape | None] = {}
        self._seen: set[int] = set()
        self._arena = Arena(store.heap, _ROOM)
        self._above: dict[bytes, int] = {}
        self._copier = Copier(store)

    def close(self) -> None:
        """Give back the room that was not needed, and show readers the new depths."""
        self._arena.close()
        self._copier.leave()
        self.store.note_depths()

    def put(self, origin: bytes, text: bytes, make: Make) -> Shape | None:
        """Serve a zone that is not there yet; None where it must be compiled by itself."""
        split = origin[0] + 1
        above = origin[split:]
        shape = self.shape(origin, text, make)
        store, world = self.store, self.world
        origins = world.origins
        if shape is None or origin in store.numbers or origins.leads_down(origin):
            return None
        if world.dependents or origins.at_or_above(above) is not None:
            fresh = origin not in origins
            origins.add(origin)
            if world.touched_by(origin, fresh):
                if fresh:
                    origins.discard(origin)
                return None
        else:
            origins.add(origin)
            if above not in store.outside:
                outside.add(world, origin)
        self._copy(shape, origin, above)
        return shape

    def shape(self, origin: bytes, text: bytes, make: Make) -> Shape | None:
        """Return what a text compiles to as a zone of this name; None where it must be compiled by itself."""
        split = origin[0] + 1
        if split == 1 or names.is_wildcard(origin) or len(text) > MAX_TEXT:
            return None
        key = (text, split, origin[split:])
        if key not in self._shapes:
            if not self._again(key):
                return None
            self._shapes[key] = shape_of(text, origin, make)
        shape = self._shapes[key]
        return None if shape is None or origin[1:split] in shape.text else shape

    def _again(self, key: tuple[bytes, int, bytes]) -> bool:
        """Return whether a text comes for the second time, and there is room for its shape."""
        mark = hash(key)
        if mark in self._seen:
            return len(self._shapes) < _SHAPES
        if len(self._seen) >= _SEEN:
            self._seen.clear()
        self._seen.add(mark)
        return False

    def _copy(self, shape: Shape, origin: bytes, above: bytes) -> None:
        number, start = self.write(shape, origin, above)
        self.hang(shape, origin, start, self._copier.hang)
        show(self.store, ((number, 1, ZONE_SERVING, SCHEME_UNSIGNED),))
        self.store.states.put_copy(number, start, shape.shared)

    def write(self, shape: Shape, origin: bytes, above: bytes) -> tuple[int, int]:
        """Write octets and row of a zone that has no row, which nobody sees yet; return its number and its granule."""
        shared = shape.shared
        if shape.template is None or not shared.users:
            shape.template = self._place_shared(shape, origin)
        start = self._arena.take(shared.granules * GRANULE)
        try:
            number = self.store.take_number(origin)
        except StoreFull:
            self.store.abandoned.append((start, start + shared.granules))
            if not shared.users and shared.extent[1]:
                self.store.abandoned.append(shared.extent)
                shared.extent = (0, 0)
            raise
        shared.users += 1
        self._copier.write(shape.template, start, number, self._hash(above), origin)
        return number, start

    def hang(self, shape: Shape, origin: bytes, start: int, take: Take) -> list[int]:
        """Hang the nodes of a written zone into the index; StoreFull leaves nothing of it.

        Return the nodes that take did not hang.
        """
        store, left, template = self.store, list[int](), shape.template
        assert template is not None
        try:
            while (node := take(template, start, left[-1] + 1 if left else 0)) < template.count:
                left.append(node)
                store.insert(start + template.node_at(node), self._copier.hash_of(template, node))
        except StoreFull:
            for done in range(left[-1]):
                store.unlink(start + template.node_at(done))
            store.abandoned += CopyState(start, shape.shared).release()
            store.forget_zone(origin)
            raise
        return left

    def _place_shared(self, shape: Shape, origin: bytes) -> Template:
        size = len(shape.common_octets)
        place = self._arena.put(shape.common_octets) if size else 0
        shape.shared.extent = (place, place + size // 16)
        suffix = len(origin) if len(origin) <= SUFFIX_MAX else 0
        return shape.template_at(place, bytes((len(origin), names.label_count(origin), 0, suffix)))

    def _hash(self, name: bytes) -> int:
        found = self._above.get(name)
        if found is None:
            if len(self._above) > _SEEN:
                self._above.clear()
            found = self._above[name] = hashing.name_hash(self.store.seed, name)
        return found


@dataclass(slots=True)
class _Compiled:
    """One copy, away from the real store."""

    start: int
    number: int
    version: int
    octets: bytes
    nodes: list[int]
    names: list[bytes]
    slot: tuple[int, ...]
    zone: Zone
    words: array[int] = field(init=False)

    def __post_init__(self) -> None:
        self.words = array("I", self.octets)


def shape_of(text: bytes, origin: bytes, make: Make) -> Shape | None:
    """Return what a text compiles to, or None if that depends on more than a Shape tells."""
    labels = _made_up(text, origin[0])
    if labels is None or b"\\" in text or b"$INCLUDE" in text.upper():
        return None
    below = origin[origin[0] + 1 :]
    first, second = (_compile(make(origin[:1] + label + below), again) for again, label in enumerate(labels))
    if first is None or second is None or len(first.words) != len(second.words):
        return None
    if (first.names, first.nodes, first.slot) != (second.names, second.nodes, second.slot):
        return None
    steps = (second.start - first.start, second.number - first.number, second.version - first.version)
    found: tuple[list[int], list[int], list[int]] = ([], [], [])
    for at, (one, other) in enumerate(zip(first.words, second.words, strict=True)):
        if one != other:
            if other - one not in steps:
                return None
            found[steps.index(other - one)].append(at)
    return _taken_apart(text.lower(), first, *found)


def _made_up(text: bytes, length: int) -> list[bytes] | None:
    """Return two labels of a length that the text does not contain."""
    folded = text.lower()
    free = [
        made for letter in string.ascii_lowercase + string.digits if (made := letter.encode() * length) not in folded
    ]
    return free[:2] if len(free) > 1 else None


def _taken_apart(
    text: bytes, one: _Compiled, places: list[int], numbers: list[int], version: list[int]
) -> Shape | None:
    """Separate the objects that depend on the zone from those that do not."""
    targets = {at: one.words[at] - one.start for at in places}
    borders = sorted({0, *one.nodes, *targets.values(), *one.slot})
    end = len(one.octets) // 16
    if borders[0] < 0 or borders[-1] >= end:
        return None
    depend = {bisect_right(borders, at // 4) - 1 for at in (*places, *numbers, *version)}
    parts = (bytearray(), bytearray())
    moved: dict[int, tuple[bool, int]] = {}
    for at, (border, after) in enumerate(zip(borders, [*borders[1:], end], strict=True)):
        common = at not in depend
        moved[border] = (common, len(parts[common]) // 16)
        parts[common].extend(one.octets[border * GRANULE : after * GRANULE])
    words = array("I", bytes(parts[0]))
    places_in = (array("I"), array("I"))
    numbers_in = array("I")
    for at in (*places, *numbers):
        border = borders[bisect_right(borders, at // 4) - 1]
        there = at + (moved[border][1] - border) * 4
        if at in targets:
            common, words[there] = moved[targets[at]]
            places_in[common].append(there)
        else:
            words[there] = 0
            numbers_in.append(there)
    zone = one.zone
    return Shape(
        text,
        words,
        places_in[False],
        numbers_in,
        places_in[True],
        bytes(parts[1]),
        one.names,
        tuple(moved[granule] for granule in one.slot),
        zone.serial,
        len(zone.nodes) + len(zone.ents),
        Shared(
            array("I", [moved[granule][1] for granule in one.nodes]),
            len(parts[0]) // 16,
            sum(moved[target][0] for target in targets.values()),
            len([border for border, (common, _) in moved.items() if common]),
        ),
    )


def _compile(zone: Zone, further: int) -> _Compiled | None:
    """Compile a zone by itself; further is 0 or 1 and shifts everything."""
    if zone.scheme != "unsigned" or zone.signatures or zone.dnssec or expected_octets(zone) > _MAX_OCTETS * 4:
        return None
    store = Store.create(6, 3, _FURTHER["number"] + 16, 1)
    if further:
        store.heap.take(_FURTHER["place"], _FURTHER["place"])
        for filler in range(_FURTHER["number"]):
            store.zone_number(bytes((2, filler >> 8, filler & 255, 0)), 1)
    number = store.zone_number(zone.origin, names.label_count(zone.origin))
    store.set_zone_word(number, "version", further * _FURTHER["version"])
    world = World(store)
    world.put(zone)
    version = write_zone(world, zone, {})
    extents = version.writer.close()
    slot, denial = version.slot[ZONE_SLOT_APEX_PLACE:ZONE_SLOT_DENIAL_PLACE], version.slot[ZONE_SLOT_DENIAL_PLACE]
    if len(extents) != 1 or version.chains or denial or not all(slot) or zone.origin == names.ROOT:
        return None
    start, end = extents[0]
    if (end - start) * GRANULE > _MAX_OCTETS:
        return None
    nodes = list(version.writer.nodes)
    return _Compiled(
        start,
        number,
        version.version,
        bytes(store.octets[start * GRANULE : end * GRANULE]),
        [ref - start for ref in nodes],
        [store.name_at(ref)[: -len(zone.origin)] for ref in nodes],
        tuple(ref - start for ref in slot),
        zone,
    )
