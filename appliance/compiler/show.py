# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a zone version: begun beside the old one, written, and shown by the one flip that there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from appliance.compiler.context import Context
from appliance.compiler.neighbours import outside
from appliance.compiler.neighbours.world import World
from appliance.compiler.writer import Writer
from appliance.store.layout import (
    CTL_FLIPS_WORD,
    CTL_ROOT_WORD,
    FOREVER,
    ZONE_EMPTY,
    ZONE_SCHEME_AT,
    ZONE_SIZE,
    ZONE_SLOT_APEX_PLACE,
    ZONE_STATE_WORD,
    ZONE_VERSION_WORD,
)
from appliance.store.shape import SCHEMES
from appliance.store.store import CopyState, Retired, Store, ZoneState
from appliance.zone import names
from appliance.zone.model import Zone

DIVIDED: Final = 16_384
"""Most names of a signed zone whose answers with DO lie apart from the others.

Questions without DO about the signed root take 0.98 to 1.05 times what they take with the zone unsigned, and took 1.05
to 1.11 times with both kinds in one run (three loads of each, in turn). Where a zone does not fit in the cache an
answer is better right behind its node, which is fetched with it.
"""

_ROW: Final = ZONE_SIZE // 4

Row = tuple[int, int, int, int]
"""What a flip gives a row of the zone table: its number, then version, state and denial scheme."""


class NameWriter(Protocol):
    """Writes nodes of a version that nobody sees yet."""

    def take(self, names: Iterable[bytes]) -> Iterable[bytes]:
        """Write the names that this can, and return the rest; what is returned may be written only when it is read."""


class Ending(Protocol):
    """Served nodes that end when a version is shown."""

    def expire(self) -> None:
        """End the nodes with the version before; nobody sees a difference until the flip."""

    def unlink(self) -> int:
        """Take the nodes out of the index; return the number of these nodes."""


@dataclass
class Nodes:
    """Served nodes by their references, which end before a version of their zone."""

    store: Store
    refs: Sequence[int]
    version: int

    def expire(self) -> None:
        """End the nodes with the version before."""
        for ref in self.refs:
            self.store.expire_node(ref, self.version)

    def unlink(self) -> int:
        """Take the nodes out of the index; return the number of these nodes."""
        for ref in self.refs:
            self.store.unlink(ref)
        return len(self.refs)


@dataclass
class Version:
    """A version being written."""

    zone: Zone
    number: int
    version: int
    writer: Writer
    slot: tuple[int, ...] = ()
    """What the zone table says of it, as Store.set_slot takes it."""
    chains: frozenset[bytes] = frozenset()
    ending: list[Ending] | None = None
    """The nodes of the version before that end with it, of a change by names; None where all of them do."""

    def write(self, found: Iterable[bytes], writers: Iterable[NameWriter]) -> None:
        """Write names, each by the first writer that takes it; the last writer takes all."""
        for writer in writers:
            found = writer.take(found)

    def describe(self, context: Context, denial: int) -> None:
        """Note what the zone table and the neighbours have to know; `denial` is the zone's own material."""
        refer = self.writer.refer
        nxdomain = (refer(context.nxdomain[0]), refer(context.nxdomain[1]))
        nodata = (refer(context.nodata[0]), refer(context.nodata[1]))
        self.slot = (self.zone.serial, context.apex, *nxdomain, *nodata, denial, context.soa_fragment)
        self.chains = frozenset(context.chains - {self.zone.origin})


def begin(store: Store, zone: Zone, expected: int) -> Version:
    """Start the next version of a zone, which takes about `expected` octets."""
    number = store.zone_number(zone.origin, names.label_count(zone.origin))
    version = store.zone_word(number, "version") + 1
    divided = bool(zone.signatures) and zone.how_many() <= DIVIDED
    return Version(zone, number, version, Writer(store, number, version, expected, divided))


def roll_back(store: Store, version: Version) -> None:
    """Forget a version that was never visible; its room is freed with the next reclaim."""
    for ref in version.writer.nodes:
        store.unlink(ref)
    store.abandoned += version.writer.close()
    if not store.zone_word(version.number, "version"):
        store.forget_zone(version.zone.origin)
    store.note_depths()


def show(store: Store, rows: Iterable[Row], ending: Iterable[Ending] = (), root: int | None = None) -> int:
    """Make versions visible in one flip, and take the nodes that end out of the index; return their number.

    Readers repeat what they do during the flip, and the NIC path hands everything up if it is never finished. `root` is
    the new apex of the root zone, where that is one of the rows.
    """
    for one in ending:
        one.expire()
    ctl, zones, octets = store.ctl, store.zones, store.zone_octets
    before = ctl[CTL_FLIPS_WORD]
    ctl[CTL_FLIPS_WORD] = (before | 1) & FOREVER
    try:
        for number, version, state, scheme in rows:
            octets[number * ZONE_SIZE + ZONE_SCHEME_AT] = scheme
            zones[number * _ROW + ZONE_STATE_WORD] = state
            zones[number * _ROW + ZONE_VERSION_WORD] = version
        if root is not None:
            ctl[CTL_ROOT_WORD] = root
    finally:
        ctl[CTL_FLIPS_WORD] = before if before & 1 else (before + 2) & FOREVER
    return sum([one.unlink() for one in ending])


def serve(world: World, version: Version, state: int | None = None) -> Retired:
    """Show a written version in the place of the one before, with a zone state if given; return the room of that."""
    store, zone, number = world.store, version.zone, version.number
    before = store.states.get(number) or ZoneState()
    store.set_slot(number, version.version, version.slot)
    store.note_depths()
    if state is None:
        state = store.zone_word(number, "state")
    row = (number, version.version, state, SCHEMES[zone.scheme])
    ending = [Nodes(store, before.nodes, version.version)] if version.ending is None else version.ending
    ended = show(store, [row], ending, version.slot[ZONE_SLOT_APEX_PLACE] if zone.origin == names.ROOT else None)
    retired = _succeed(world, version, before, ended)
    if version.version == 1:
        outside.drop(world, zone.origin)
    store.note_depths()
    return retired


def _succeed(world: World, version: Version, before: ZoneState | CopyState, ended: int) -> Retired:
    """Note what belongs to a zone from now on, and return the room that does not."""
    store, writer, chains = world.store, version.writer, version.chains
    extents = writer.close()
    if version.ending is None:
        store.states[version.number] = ZoneState(writer.nodes, extents, chains, writer.tally())
        world.dependents.note(version.zone.origin, before.chains, chains)
        return Retired(before.release())
    assert isinstance(before, ZoneState)
    world.dependents.note(version.zone.origin, before.chains, before.chains | chains)
    before.extents += extents
    before.waste += sum(end - start for start, end in extents)
    before.nodes += writer.nodes
    before.ended += ended
    before.chains |= chains
    if before.ended > len(before.nodes) // 4 + 1024:
        before.drop_ended(store.words)
    return Retired()


def remove(world: World, origin: bytes) -> Retired:
    """Make a zone invisible and take its nodes out of the index; return its room."""
    store = world.store
    number = store.numbers[origin]
    version = store.zone_word(number, "version") + 1
    outside.add_for_gone(world, origin)
    before = store.states.pop(number, None) or ZoneState()
    row = (number, version, ZONE_EMPTY, store.zone_byte(number, "scheme"))
    show(store, [row], [Nodes(store, before.nodes, version)], 0 if origin == names.ROOT else None)
    store.forget_zone(origin)
    world.dependents.note(origin, before.chains, ())
    world.remove(origin)
    outside.drop(world, origin)
    store.note_depths()
    return Retired(before.release())
