# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones into the store, and out of it again; readers see a zone's old version until the new one is whole."""

from collections.abc import Collection, Iterable

from appliance.compiler.answers import nodes
from appliance.compiler.answers.cnames import miss
from appliance.compiler.answers.negatives import prepare
from appliance.compiler.answers.referrals import referrals
from appliance.compiler.bulk.cuts import Bulk
from appliance.compiler.bulk.zone import bulk_for, bulk_proofs, write_common
from appliance.compiler.context import Context, find_evidence, shadowed
from appliance.compiler.denial.evidence import Evidence, closest_encloser
from appliance.compiler.expected import capacity, expected_octets
from appliance.compiler.neighbours import family
from appliance.compiler.neighbours.sources import Followed
from appliance.compiler.neighbours.tree import NameTree
from appliance.compiler.versions import Version, add_outside, begin, commit, remove, roll_back
from appliance.store.capacity import Capacity
from appliance.store.heap import Extent
from appliance.store.layout import (
    ANSWER_KIND_AT,
    GRANULE,
    NODE_BELOW,
    NODE_CUT,
    NODE_DNAME,
    NODE_FILLER,
    NODE_FLAGS_AT,
    NODE_FLAGS_PLACE,
    NODE_OTHER_PLACE,
    NODE_ZONE_PLACE,
    ZONE_LOADING,
    ZONE_SERVING,
)
from appliance.store.store import Retired, Store
from appliance.store.verdict_names import KIND
from appliance.zone import names
from appliance.zone.model import Zone

__all__ = ["Capacity", "capacity", "compile_zones", "remove_zone", "remove_zones", "replace_zone"]


def compile_zones(store: Store, zones: Iterable[Zone], loading: Iterable[Zone] = ()) -> Retired:
    """Put zones into the store, each visible when it is whole; zones that are there already get a new version.

    Names in loading zones, which stand for those whose data are not there yet, are answered with SERVFAIL, and no chain
    leads into them. StoreFull leaves what fitted in the store. Returns the room of replaced versions, as replace_zone.
    """
    changed = {zone.origin: zone for zone in zones}
    store.sources.loading -= changed.keys()
    placeholders = {zone.origin: zone for zone in loading}
    store.sources.loading |= placeholders.keys()
    return _compile(store, {**changed, **placeholders})


def _compile(store: Store, changed: dict[bytes, Zone]) -> Retired:
    """Compile changed zones, which are served then, and the ones this touches, which keep their state."""
    sources = store.sources
    fresh = [origin for origin, zone in changed.items() if sources.put(zone)]
    evidence: dict[bytes, Evidence | None] = {}
    retired = Retired()
    try:
        touched: set[bytes] = set()
        for origin in changed if store.numbers else ():
            touched |= touched_by(store, origin, origin in fresh)
        for origin in (*(touched - changed.keys()), *changed):
            version = write_zone(store, sources[origin], sources.followed(), evidence)
            state = ZONE_LOADING if origin in sources.loading else ZONE_SERVING
            retired.extents += commit(store, version, state if origin in changed else None).extents
    except BaseException:
        for origin in fresh:
            if origin not in store.numbers:
                sources.remove(origin)
        raise
    finally:
        sources.release()
    return retired


def replace_zone(store: Store, zone: Zone) -> Retired:
    """Make a new or changed zone visible, and renew what other loaded zones say because of it.

    Returns the room of the old versions; give it to Store.reclaim after the grace period.
    """
    return compile_zones(store, [zone])


def remove_zone(store: Store, origin: bytes) -> Retired:
    """Take a zone out; names in it are those of the zone above then, or of none. Returns the room it took."""
    return remove_zones(store, [origin])


def remove_zones(store: Store, origins: Collection[bytes]) -> Retired:
    """Take zones out; of their neighbours only those that stay are compiled again. Returns the room they took."""
    touched: set[bytes] = set()
    for origin in origins:
        touched |= touched_by(store, origin, True)
    touched -= set(origins)
    for other in touched:
        store.sources[other]  # before anything changes: it may have to be fetched, and be gone
    retired = Retired()
    for origin in origins:
        retired.extents += remove(store, origin).extents
    retired.extents += compile_again(store, touched)
    return retired


def compile_again(store: Store, touched: set[bytes]) -> list[Extent]:
    """Write and show new versions of zones whose neighbours changed; return the room of the old ones."""
    try:
        evidence: dict[bytes, Evidence | None] = {}
        world = store.sources.followed()
        versions = [write_zone(store, store.sources[origin], world, evidence) for origin in touched]
        return [extent for version in versions for extent in commit(store, version, None).extents]
    finally:
        store.sources.release()


def touched_by(store: Store, origin: bytes, membership: bool) -> set[bytes]:
    """Return the other zones (origins) that a change of this one touches; membership: it is added or removed."""
    origins, dependents = store.sources.origins, store.dependents
    parent = origins.above(origin)
    found = dependents.under(origin)
    if membership and parent is not None:
        found |= dependents.on(parent)
        cut = _referral(store, origin, store.numbers.get(parent, 0))
        if not cut or origins.leads_down(origin):
            found.add(parent)
        else:
            store.octets[cut * GRANULE + NODE_FLAGS_AT] |= NODE_BELOW
    return {other for other in found if other != origin and other in store.numbers}


def _referral(store: Store, name: bytes, number: int) -> int:
    """Return the record of a zone's own cut at a name, 0 where it has none."""
    for ref in store.records_of(name):
        fields = store.node(ref)
        if (
            fields[NODE_FLAGS_PLACE] & NODE_CUT
            and not fields[NODE_FLAGS_PLACE] & NODE_FILLER
            and fields[NODE_ZONE_PLACE] == number
        ):
            return ref if store.octets[fields[NODE_OTHER_PLACE] * GRANULE + ANSWER_KIND_AT] == KIND["referral"] else 0
    return 0


def write_zone(store: Store, zone: Zone, world: Followed, evidence: dict[bytes, Evidence | None]) -> Version:
    """Write a version of a zone beside the current one; nothing of it is visible before commit.

    evidence keeps what the zones of this world can prove, as far as somebody has asked.
    """
    version = begin(store, zone, expected_octets(zone))
    try:
        below = frozenset(store.sources.origins.below(zone.origin))
        bulk = bulk_for(version.writer, zone)
        proofs = bulk_proofs(version.writer, zone, find_evidence(evidence, zone), bulk)
        context = Context(zone, world, version.writer, proofs, evidence, below=below, loading=world.unknown)
        prepare(context)
        _write_wildcards(context)
        version.apex = _write_names(context, bulk)
        _write_fillers(context, store.sources.origins)
        add_outside(store, zone.origin)
    except BaseException:
        roll_back(store, version)
        raise
    version.nxdomain = (version.writer.refer(context.nxdomain[0]), version.writer.refer(context.nxdomain[1]))
    version.nodata = (version.writer.refer(context.nodata[0]), version.writer.refer(context.nodata[1]))
    version.denial = context.proofs.zone_material
    version.soa = context.soa_fragment
    version.chains = frozenset(context.chains - {zone.origin})
    return version


def _write_wildcards(context: Context) -> None:
    zone = context.zone
    # A wildcard's own node names the wildcard below it.
    for wildcard in sorted(zone.wildcards(), key=len, reverse=True):
        if wildcard in zone.delegations or zone.is_occluded(wildcard) or shadowed(context, wildcard):
            continue
        context.wildcards[names.parent(wildcard)] = nodes.write_wildcard(context, wildcard)


def _write_names(context: Context, bulk: Bulk | None) -> int:
    """Write and publish a node for each name that exists, and return the apex's."""
    zone, writer = context.zone, context.writer
    hidden = bool(zone.delegations or zone.dnames)
    borders = family.borders(zone, context.below)
    shared = context.wildcards if zone.scheme == "unsigned" else {}
    apex = 0
    for name in write_common(context, bulk):
        if hidden and zone.is_occluded(name):
            continue
        if context.below and shadowed(context, name):
            _write_at_child(context, name)
        elif name in zone.delegations:
            writer.publish(name, nodes.write_cut(context, name, name in borders))
        elif name == zone.origin:
            apex = nodes.write_name(context, name)
            if name != names.ROOT:
                writer.publish(name, apex)
        else:
            parent = name[2:] if name[:2] == names.WILDCARD_LABEL else b""
            ref = shared[parent] if parent in shared else nodes.write_name(context, name)
            writer.publish(name, ref)
    return apex


def _write_at_child(context: Context, name: bytes) -> None:
    """Write the parent's side of a loaded child's apex; what the parent has below that is never seen."""
    if name not in context.below or shadowed(context, names.parent(name)):
        return
    if name in context.zone.delegations:
        ref = nodes.write_cut(context, name, True)
    else:
        ref = nodes.write_filler(context, name, context.nodata, NODE_CUT | NODE_BELOW)
    context.writer.publish(name, ref)


def _write_fillers(context: Context, origins: NameTree) -> None:
    zone, writer = context.zone, context.writer
    for name in family.fillers(origins, zone):
        cut, dname = zone.cut_for(name), zone.dname_for(name)
        if cut is not None:
            ref = nodes.write_filler(context, name, referrals(context, cut), NODE_CUT | NODE_FILLER | NODE_BELOW)
        elif dname is not None:
            nowhere = miss(context)
            ref = nodes.write_filler(context, name, (nowhere, nowhere), NODE_DNAME | NODE_FILLER)
        else:
            encloser = closest_encloser(zone, name)
            ref = nodes.write_missing(context, name, context.wildcards.get(encloser, 0))
        writer.publish(name, ref)
