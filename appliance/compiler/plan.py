# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones into a store, and out of it again: which are written, which names of them, by which writers; then shown.

Of a zone all names are written, or those that a change reaches (change.py), or it is a copy of one that has its text
(template.py). Its neighbours are written again as far as they say something else because of it. Readers see a zone's
old version until the new one is whole.
"""

from collections.abc import Collection, Iterable, Iterator

from appliance.compiler.answers.names import AllNames
from appliance.compiler.answers.negatives import prepare
from appliance.compiler.bulk.zone import BulkNames, bulk_for, bulk_proofs
from appliance.compiler.change.change import Change, Changed
from appliance.compiler.change.reach import Reach
from appliance.compiler.context import Context, find_evidence
from appliance.compiler.denial.evidence import Evidence
from appliance.compiler.expected import expected_octets
from appliance.compiler.neighbours import outside
from appliance.compiler.neighbours.world import World
from appliance.compiler.show import Version, begin, remove, roll_back, serve
from appliance.store.layout import ZONE_LOADING, ZONE_SERVING
from appliance.store.store import Retired
from appliance.zone.model import Zone

Evidences = dict[bytes, Evidence | None]
"""What the zones of a world can prove, as far as somebody has asked."""


def compile_zones(world: World, zones: Iterable[Zone], loading: Iterable[Zone] = ()) -> Retired:
    """Put zones into the store, each visible when it is whole; zones that are there already get a new version.

    Names in loading zones, which stand for those whose data are not there yet, are answered with SERVFAIL, and no chain
    leads into them. StoreFull leaves what fitted in the store. Returns the room of replaced versions, for Store.reclaim
    after the grace period.
    """
    changed = {zone.origin: zone for zone in zones}
    world.loading -= changed.keys()
    placeholders = {zone.origin: zone for zone in loading}
    world.loading |= placeholders.keys()
    return _compile(world, {**changed, **placeholders})


def replace_zone(world: World, zone: Zone, changed: Changed | None = None, reach: Reach | None = None) -> Retired:
    """Serve a new or changed zone, and renew what other zones say because of it; return the room of old versions.

    `changed` are the only RRsets in which it differs from what is served: where it can be told what they reach, only
    that is written. `reach` spares a look at the whole zone; call its note() for each changed owner before.
    """
    if changed is None:
        return compile_zones(world, [zone])
    change = Change(world, zone, changed, reach)
    if not change.plan():
        return compile_zones(world, [zone])
    world.put(zone)
    try:
        touched = world.touched_by(zone.origin, False)
        version = change.write()
        if version is None:
            return compile_zones(world, [zone])
        retired = serve(world, version)
        retired.extents += _compile_again(world, touched).extents
        return retired
    finally:
        world.release()


def remove_zone(world: World, origin: bytes) -> Retired:
    """Take a zone out; names in it are those of the zone above then, or of none. Returns the room it took."""
    return remove_zones(world, [origin])


def remove_zones(world: World, origins: Collection[bytes]) -> Retired:
    """Take zones out; of their neighbours only those that stay are compiled again. Returns the room they took."""
    touched: set[bytes] = set()
    for origin in origins:
        touched |= world.touched_by(origin, True)
    touched -= set(origins)
    for other in touched:
        world[other]  # before anything changes: it may have to be fetched, and be gone
    retired = Retired()
    for origin in origins:
        retired.extents += remove(world, origin).extents
    retired.extents += _compile_again(world, touched).extents
    return retired


def _compile(world: World, changed: dict[bytes, Zone]) -> Retired:
    """Compile changed zones, which are served then, and the ones this touches, which keep their state."""
    store = world.store
    fresh = [origin for origin, zone in changed.items() if world.put(zone)]
    evidence: Evidences = {}
    retired = Retired()
    try:
        touched: set[bytes] = set()
        for origin in changed if store.numbers else ():
            touched |= world.touched_by(origin, origin in fresh)
        for origin in (*(touched - changed.keys()), *changed):
            version = write_zone(world, world[origin], evidence)
            state = ZONE_LOADING if origin in world.loading else ZONE_SERVING
            retired.extents += serve(world, version, state if origin in changed else None).extents
    except BaseException:
        for origin in fresh:
            if origin not in store.numbers:
                world.remove(origin)
        raise
    finally:
        world.release()
    return retired


def _compile_again(world: World, touched: Iterable[bytes]) -> Retired:
    """Write new versions of zones whose neighbours changed, then show them; return the room of the old ones."""
    try:
        evidence: Evidences = {}
        versions = [write_zone(world, world[origin], evidence) for origin in touched]
        return Retired([extent for version in versions for extent in serve(world, version).extents])
    finally:
        world.release()


def write_zone(world: World, zone: Zone, evidence: Evidences) -> Version:
    """Write a version of a whole zone beside the current one; nothing of it is visible before it is shown."""
    version = begin(world.store, zone, expected_octets(zone))
    writer, followed = version.writer, world.followed()
    try:
        below = frozenset(world.origins.below(zone.origin))
        bulk = bulk_for(writer, zone)
        proofs = bulk_proofs(writer, zone, find_evidence(evidence, zone), bulk)
        context = Context(zone, followed, writer, proofs, evidence, below=below, loading=followed.unknown)
        prepare(context)
        by_name = AllNames(context, world.origins)
        version.write(_names_of(zone), [by_name] if bulk is None else [BulkNames(context, bulk), by_name])
        outside.add(world, zone.origin)
    except BaseException:
        roll_back(world.store, version)
        raise
    version.describe(context, context.proofs.zone_material)
    return version


def _names_of(zone: Zone) -> Iterator[bytes]:
    """Yield owners and ENTs, which nobody asks for where the zone is written in bulk."""
    yield from zone.nodes
    yield from sorted(zone.ents)
