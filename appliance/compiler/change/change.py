# SPDX-License-Identifier: GPL-3.0-or-later
"""A new version of a zone that differs from the served one in some names: only what they reach is written anew.

A name reaches its own node, the nodes above it that come or go with it, the name above a wildcard, the nodes in whose
answers its addresses stand, and every alias, because the end of a chain quotes the SOA. Where a change reaches further
(another chain of proofs, a cut over names that were there, loaded zones below) the zone is compiled whole.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from appliance.compiler import compile as whole
from appliance.compiler import versions
from appliance.compiler.answers import nodes
from appliance.compiler.answers.negatives import prepare
from appliance.compiler.answers.referrals import glue
from appliance.compiler.change.ns_changes import Recut
from appliance.compiler.change.reach import Reach
from appliance.compiler.change.stored_proofs import StoredNsecProofs, StoredProofs
from appliance.compiler.context import Context
from appliance.compiler.denial.proofs import NoProofs, Proofs
from appliance.compiler.expected import is_large
from appliance.compiler.versions import Version
from appliance.store.layout import (
    CHUNK_GRANULES,
    GRANULE,
    GRANULE_WORDS,
    NODE_CUT,
    NODE_FLAGS_AT,
    NODE_UNTIL_WORD,
    NODE_WILDCARD_PLACE,
    NODE_ZONE_WORD,
    ZONE_SLOT_DENIAL_PLACE,
    ZONE_SLOT_SOA_PLACE,
)
from appliance.store.shape import SCHEMES
from appliance.store.store import Retired, Store, ZoneState
from appliance.zone import names, types
from appliance.zone.model import Zone

Changed = Mapping[bytes, set[int]]
"""Types (RRSIG as itself) of the RRsets that differ, by owner; NSEC3 RRsets too."""

_ADDRESSES: Final = frozenset((types.A, types.AAAA))
_AT_CUT: Final = frozenset((types.NS, types.DS, types.RRSIG, *_ADDRESSES))
_AT_APEX: Final = frozenset((types.SOA, types.RRSIG))


def change_zone(store: Store, zone: Zone, changed: Changed, reach: Reach | None = None) -> Retired:
    """Serve a zone that differs from what is served in these RRsets only, and renew what other zones say because of it.

    reach spares looking at the whole zone where that is needed; note() it before. Returns the room of the old version.
    """
    change = _Change(store, zone, changed, reach)
    if not change.may_be_small():
        return whole.replace_zone(store, zone)
    change.take_up()
    if not change.is_small() or not (affected := change.affected()):
        return whole.replace_zone(store, zone)
    store.sources.put(zone)
    try:
        others = whole.touched_by(store, zone.origin, False)
        if not change.write(affected):
            return whole.replace_zone(store, zone)
        change.commit()
        return Retired(whole.compile_again(store, others))
    finally:
        store.sources.release()


class _Change:
    def __init__(self, store: Store, zone: Zone, changed: Changed, reach: Reach | None) -> None:
        self.store = store
        self.zone = zone
        self.changed = changed
        self._reach = reach
        self.number = store.numbers.get(zone.origin, 0)
        self.old: list[int] = []
        self._known: dict[bytes, list[int]] = {}

    @property
    def reach(self) -> Reach:
        """Who quotes whom, found when it is first asked for."""
        if self._reach is None:
            self._reach = Reach(self.zone)
        return self._reach

    def _aliases(self) -> set[bytes]:
        """Return the owners of aliases."""
        return self.reach.aliases if self._reach or self.zone.has_type(types.CNAME) else set()

    def may_be_small(self) -> bool:
        """Tell whether the zone is one to change name by name, and the waste of earlier changes is bearable."""
        store, zone = self.store, self.zone
        state = store.states.get(self.number)
        if not self.number or not isinstance(state, ZoneState) or store.sources.origins.leads_down(zone.origin):
            return False
        size = sum(end - start for start, end in state.extents)
        if state.waste * 2 > size - state.waste + CHUNK_GRANULES or zone.origin in store.sources.loading:
            return False
        return SCHEMES[zone.scheme] == store.zone_byte(self.number, "scheme")

    def take_up(self) -> None:
        """Begin the version; leave the cuts whose servers alone differ to compiled code, and the rest in .changed."""
        zone = self.zone
        self.version = versions.begin(self.store, zone, 512 * len(self.changed))
        proving, signed = zone.scheme != "unsigned", bool(zone.signatures)
        known = functools.partial(glue, zone)
        self.recut = Recut(self.version.writer, zone.origin, proving, signed, is_large(zone), known)
        left = self.recut.take_up(dict(self.changed), zone.nodes)
        self.recut_names = self.changed.keys() - left
        self.changed = {name: self.changed[name] for name in left}

    def is_small(self) -> bool:
        """Tell whether the rest of the change can be made name by name."""
        zone = self.zone
        if any(types.DNAME in kinds or not zone.contains(name) for name, kinds in self.changed.items()):
            return False
        return self._is_plain() if zone.scheme == "unsigned" else self._keeps_proofs()

    def _is_plain(self) -> bool:
        return not self.zone.signatures and types.RRSIG not in set().union(*self.changed.values())

    def _keeps_proofs(self) -> bool:
        """Tell whether only cuts and the SOA of a signed zone change, no NSEC or NSEC3 RR, and it has no alias."""
        zone = self.zone
        at_cut = _AT_CUT
        if zone.scheme == "nsec":
            at_cut -= {types.RRSIG}  # it may be that of the NSEC RR
            if not StoredNsecProofs(self.store, self.number, self._records).has(zone, zone.origin):
                return False
        for name, kinds in self.changed.items():
            if name == zone.origin:
                if not kinds <= _AT_APEX:
                    return False
            elif not kinds <= at_cut or not (self._is_cut(name) or zone.cut_for(name) or self._was_glue(name)):
                return False
        return not self._aliases()

    def _records(self, name: bytes) -> list[int]:
        """Return the zone's served records of a name."""
        found = self._known.get(name)
        if found is None:
            if name == names.ROOT:
                found = [self.store.get("root")]
            else:
                found = [
                    ref
                    for ref in self.store.records_of(name)
                    if self.store.words[ref * GRANULE_WORDS + NODE_ZONE_WORD] == self.number
                ]
            self._known[name] = found
        return found

    def _is_cut(self, name: bytes) -> bool:
        """Tell whether a name is or was a cut."""
        return name in self.zone.delegations or any(
            self.store.octets[ref * GRANULE + NODE_FLAGS_AT] & NODE_CUT for ref in self._records(name)
        )

    def _was_glue(self, name: bytes) -> bool:
        """Tell whether a name went with the cut above it."""
        return name not in self.zone.nodes and any(self._is_cut(above) for above in self._above(name))

    def affected(self) -> set[bytes]:
        """Return the names whose nodes are written anew or go; none if that cannot be told by names."""
        zone = self.zone
        found = set(self.changed) | self._aliases()
        for name, kinds in self.changed.items():
            if kinds & _ADDRESSES or (types.RRSIG in kinds and name != zone.origin):
                found |= self.reach.quoting(name)
        for name in list(found):
            for above in self._above(name):
                if above not in found and bool(self._records(above)) != zone.exists(above):
                    found.add(above)
        for name in list(found):
            if names.is_wildcard(name) and zone.scheme != "unsigned":
                return set()
            while names.is_wildcard(name) and name != zone.origin:
                name = names.parent(name)
                found.add(name)
        found -= self.recut_names
        found.add(zone.origin)
        return set() if any(self._turns(name) for name in found) else found

    def _above(self, name: bytes) -> Iterator[bytes]:
        while len(name) > len(self.zone.origin):
            name = names.parent(name)
            yield name

    def _turns(self, name: bytes) -> bool:
        """Tell whether a name turns from a cut to another name or back, which may hide or show names below it."""
        records = self._records(name)
        exists = self.zone.exists(name)
        was = bool(records and self.store.octets[records[0] * GRANULE + NODE_FLAGS_AT] & NODE_CUT)
        return bool(records) and exists and was is not (name in self.zone.delegations)

    def write(self, affected: set[bytes]) -> bool:
        """Write the new nodes; False if the SOA is not as long as the old one, which answers that stay count on."""
        store, zone, version = self.store, self.zone, self.version
        world = store.sources.followed()
        try:
            context = Context(zone, world, version.writer, self._proofs(), {}, loading=world.unknown)
            prepare(context)
            if zone.scheme != "unsigned" and not self._quotes_alike(context):
                versions.roll_back(store, version)
                return False
            affected |= self.recut.write()
            self._write_wildcards(context, affected)
            for name in sorted(affected, key=len, reverse=True):
                self.old += self._records(name)
                self._write_name(context, version, name)
            self.recut.link()
        except BaseException:
            versions.roll_back(store, version)
            raise
        refer = version.writer.refer
        version.nxdomain = (refer(context.nxdomain[0]), refer(context.nxdomain[1]))
        version.nodata = (refer(context.nodata[0]), refer(context.nodata[1]))
        version.denial = store.slot(self.number)[ZONE_SLOT_DENIAL_PLACE]
        version.soa = context.soa_fragment
        version.chains = frozenset(context.chains - {zone.origin})
        return True

    def _proofs(self) -> Proofs:
        if self.zone.scheme == "nsec3":
            return StoredProofs(self.store, self.number, self.version, self.zone, self._records)
        if self.zone.scheme == "nsec":
            return StoredNsecProofs(self.store, self.number, self._records)
        return NoProofs()

    def _write_wildcards(self, context: Context, affected: set[bytes]) -> None:
        zone = self.zone
        for name in sorted(affected, key=len, reverse=True):  # a wildcard's own node names the wildcard below it
            wildcard = names.wildcard_of(name)
            if len(wildcard) > names.MAX_NAME or not zone.exists(wildcard) or wildcard in zone.delegations:
                continue
            kept = self._kept_wildcard(name, wildcard) if wildcard not in affected else 0
            context.wildcards[name] = kept or nodes.write_wildcard(context, wildcard)

    def _kept_wildcard(self, name: bytes, wildcard: bytes) -> int:
        """Return the served record that answers for a wildcard; in a signed zone only the name above knows it."""
        if self.zone.scheme == "unsigned":
            return next(iter(self._records(wildcard)), 0)
        return next((self.store.node(ref)[NODE_WILDCARD_PLACE] for ref in self._records(name)), 0)

    def _write_name(self, context: Context, version: Version, name: bytes) -> None:
        zone, writer = self.zone, version.writer
        if name == zone.origin:
            version.apex = nodes.write_name(context, name)
            if name != names.ROOT:
                writer.publish(name, version.apex)
        elif zone.exists(name):
            if name in zone.delegations:
                ref = nodes.write_cut(context, name, False)
            elif names.is_wildcard(name) and names.parent(name) in context.wildcards:
                ref = context.wildcards[names.parent(name)]
            else:
                ref = nodes.write_name(context, name)
            writer.publish(name, ref)

    def _quotes_alike(self, context: Context) -> bool:
        """Tell whether the SOA takes the place of the old one in the lengths and counts of answers that stay."""
        old = self.store.slot(self.number)[ZONE_SLOT_SOA_PLACE]
        sizes = context.writer.fragment_size
        return bool(old) and sizes(context.soa_fragment) == sizes(old)

    def commit(self) -> None:
        """Make the version visible in one flip, and take the old nodes out."""
        store, number, version = self.store, self.number, self.version
        writer = version.writer
        state = store.states[number]
        assert isinstance(state, ZoneState)
        slot = (self.zone.serial, version.apex, *version.nxdomain, *version.nodata, version.denial, version.soa)
        store.set_slot(number, version.version, slot)
        store.note_depths()
        for ref in self.old:
            store.expire_record(ref, version.version)
        self.recut.expire()
        with store.flipping():
            store.set_zone_word(number, "version", version.version)
            if self.zone.origin == names.ROOT:
                store.set("root", version.apex)
        for ref in self.old:
            store.unlink(ref)
        ended = len(self.old) + self.recut.unlink()
        extents = writer.close()
        state.extents += extents
        state.waste += sum(end - start for start, end in extents)
        state.records += writer.records
        state.ended += ended
        if state.ended > len(state.records) // 4 + 1024:
            _drop_ended(store, state)
        store.dependents.note(self.zone.origin, state.chains, version.chains | state.chains)
        state.chains |= version.chains
        store.note_depths()


def _drop_ended(store: Store, state: ZoneState) -> None:
    kept = [ref for ref in state.records if store.words[ref * GRANULE_WORDS + NODE_UNTIL_WORD] == 0xFFFFFFFF]
    state.records = type(state.records)("I", kept)
    state.ended = 0


def owners(changed: Iterable[tuple[bytes, int]]) -> dict[bytes, set[int]]:
    """Return what change_zone takes from pairs of owner and type."""
    found: dict[bytes, set[int]] = {}
    for owner, rtype in changed:
        found.setdefault(owner, set()).add(rtype)
    return found
