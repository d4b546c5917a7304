# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a zone version: begun beside the old one, made visible by one flip, unlinked, reclaimed."""

from dataclasses import dataclass
from typing import Final

from appliance.compiler.neighbours.family import is_outside, outside
from appliance.compiler.writer import Writer
from appliance.store import hashing
from appliance.store.layout import FOREVER, NODE, NODE_OUTSIDE, ZONE_EMPTY
from appliance.store.shape import SCHEMES, types_offset
from appliance.store.store import Retired, Store, ZoneState
from appliance.zone import names
from appliance.zone.model import Zone

DIVIDED: Final = 16_384
"""Most names of a signed zone whose answers with DO lie apart from the others.

Questions without DO about the signed root take 0.98 to 1.05 times what they take with the zone unsigned, and took 1.05
to 1.11 times with both kinds in one run (three loads of each, in turn). Where a zone does not fit in the cache an
answer is better right behind its node, which is fetched with it.
"""


@dataclass
class Version:
    """A version being written."""

    zone: Zone
    number: int
    version: int
    writer: Writer
    apex: int = 0
    nxdomain: tuple[int, int] = (0, 0)
    nodata: tuple[int, int] = (0, 0)
    denial: int = 0
    soa: int = 0
    chains: frozenset[bytes] = frozenset()


def begin(store: Store, zone: Zone, expected: int) -> Version:
    """Start the next version of a zone, which is expected to take about `expected` octets."""
    number = store.zone_number(zone.origin, names.label_count(zone.origin))
    version = store.zone_word(number, "version") + 1
    divided = bool(zone.signatures) and zone.how_many() <= DIVIDED
    return Version(zone, number, version, Writer(store, number, version, expected, divided))


def roll_back(store: Store, version: Version) -> None:
    """Forget a version that was never visible; its room is freed with the next reclaim."""
    for ref in version.writer.records:
        store.unlink(ref)
    store.abandoned += version.writer.close()
    if not store.zone_word(version.number, "version"):
        store.forget_zone(version.zone.origin)
    store.note_depths()


def commit(store: Store, version: Version, state: int | None) -> Retired:
    """Make a version visible in one flip, with a zone state if given, and take the records of the one before out."""
    number = version.number
    zone = version.zone
    old = store.states.get(number) or ZoneState()
    slot = (zone.serial, version.apex, *version.nxdomain, *version.nodata, version.denial, version.soa)
    store.set_slot(number, version.version, slot)
    store.note_depths()
    for ref in old.records:
        store.expire_record(ref, version.version)
    with store.flipping():
        store.set_scheme(number, SCHEMES[zone.scheme])
        if state is not None:
            store.set_zone_word(number, "state", state)
        store.set_zone_word(number, "version", version.version)
        if zone.origin == names.ROOT:
            store.set("root", version.apex)
    writer = version.writer
    store.states[number] = ZoneState(writer.records, writer.close(), version.chains, writer.tally())
    store.dependents.note(zone.origin, old.chains, version.chains)
    for ref in old.records:
        store.unlink(ref)
    if version.version == 1:
        drop_outside(store, zone.origin)
    store.note_depths()
    return Retired(old.release())


def remove(store: Store, origin: bytes) -> Retired:
    """Make a zone invisible in one flip and take its records out of the index."""
    number = store.numbers[origin]
    version = store.zone_word(number, "version") + 1
    origins = store.sources.origins
    origins.discard(origin)
    if origin != names.ROOT and is_outside(origins, origin):
        add_outside_record(store, origin)
    if origins.at_or_above(origin) is None:
        for name in origins.between(origin):
            add_outside_record(store, name)
    old = store.states.pop(number, None) or ZoneState()
    for ref in old.records:
        store.expire_record(ref, version)
    with store.flipping():
        store.set_zone_word(number, "version", version)
        store.set_zone_word(number, "state", ZONE_EMPTY)
        if origin == names.ROOT:
            store.set("root", 0)
    for ref in old.records:
        store.unlink(ref)
    store.forget_zone(origin)
    store.dependents.note(origin, old.chains, ())
    store.sources.remove(origin)
    drop_outside(store, origin)
    store.note_depths()
    return Retired(old.release())


def add_outside(store: Store, origin: bytes) -> None:
    """See to it that the names above a zone have records, so that the search by depth passes them."""
    for name in outside(store.sources.origins, origin):
        add_outside_record(store, name)


def add_outside_record(store: Store, name: bytes) -> None:
    """Write one OUTSIDE record if there is none."""
    if name in store.outside:
        return
    size = types_offset(len(name), NODE_OUTSIDE)
    start, _ = store.heap.take((size + 15) // 16, (size + 15) // 16)
    head = NODE.pack(len(name), names.label_count(name), NODE_OUTSIDE, 0, 0, 0, FOREVER, 0, 0, 0, 0, 0, 0)
    store.octets[start * 16 : start * 16 + size] = head + name + bytes(size - NODE.size - len(name))
    store.insert(start, hashing.name_hash(store.seed, name))
    store.outside[name] = start


def drop_outside(store: Store, origin: bytes) -> None:
    """Take out the OUTSIDE records that a zone, come or gone, makes superfluous."""
    if not store.outside:
        return
    origins = store.sources.origins
    for name in (*names.suffixes(origin), *origins.between(origin)):
        if name not in store.outside or is_outside(origins, name):
            continue
        ref = store.outside.pop(name)
        store.unlink(ref)
        granules = (types_offset(len(name), NODE_OUTSIDE) + 15) // 16
        store.abandoned.append((ref, ref + granules))
