# SPDX-License-Identifier: GPL-3.0-or-later
"""A new version of a zone that differs from the served one in some names: only what they reach is written anew.

A name reaches its own node, the nodes above it that come or go with it, the name above a wildcard, the nodes in whose
answers its addresses stand, and every alias, because the end of a chain quotes the SOA. Where a change reaches further
(another chain of proofs, a cut over names that were there, loaded zones below) there is no such version, and the zone
is compiled whole.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from appliance.compiler.answers import nodes
from appliance.compiler.answers.names import Names
from appliance.compiler.answers.negatives import prepare
from appliance.compiler.answers.referrals import glue
from appliance.compiler.change.ns_changes import NsChanges
from appliance.compiler.change.reach import Reach
from appliance.compiler.change.stored_proofs import StoredNsecProofs, StoredProofs
from appliance.compiler.context import Context
from appliance.compiler.denial.proofs import NoProofs, Proofs
from appliance.compiler.expected import is_large
from appliance.compiler.neighbours.world import World
from appliance.compiler.show import Nodes, Version, begin, roll_back
from appliance.store.layout import (
    CHUNK_GRANULES,
    GRANULE,
    GRANULE_WORDS,
    NODE_CUT,
    NODE_FLAGS_AT,
    NODE_WILDCARD_PLACE,
    NODE_ZONE_WORD,
    ZONE_SLOT_DENIAL_PLACE,
    ZONE_SLOT_SOA_PLACE,
)
from appliance.store.shape import SCHEMES
from appliance.store.store import ZoneState
from appliance.zone import names, types
from appliance.zone.model import Zone

Changed = Mapping[bytes, set[int]]
"""Types (RRSIG as itself) of the RRsets that differ, by owner; NSEC3 RRsets too."""

_ADDRESSES: Final = frozenset((types.A, types.AAAA))
_AT_CUT: Final = frozenset((types.NS, types.DS, types.RRSIG, *_ADDRESSES))
_AT_APEX: Final = frozenset((types.SOA, types.RRSIG))


class Change:
    """One change of one zone: what it reaches, then the version that has it."""

    def __init__(self, world: World, zone: Zone, changed: Changed, reach: Reach | None) -> None:
        """Change what is served of a zone into `zone`, which differs in the RRsets `changed`."""
        self.store = world.store
        self.world = world
        self.zone = zone
        self.changed = changed
        self._reach = reach
        self.number = self.store.numbers.get(zone.origin, 0)
        self._known: dict[bytes, list[int]] = {}

    def plan(self) -> set[bytes]:
        """Return the names that Python writes, before anything is written; none where there is no such version."""
        self.affected: set[bytes] = set()
        if self._may_be_small():
            self._take_up()
            if self._is_small():
                self.affected = self._reached()
        return self.affected

    @property
    def reach(self) -> Reach:
        """Who quotes whom, found when it is first asked for."""
        if self._reach is None:
            self._reach = Reach(self.zone)
        return self._reach

    def _aliases(self) -> set[bytes]:
        """Return the owners of aliases."""
        return self.reach.aliases if self._reach or self.zone.has_type(types.CNAME) else set()

    def _may_be_small(self) -> bool:
        """Return whether the zone is one to change name by name, and the waste of earlier changes is bearable."""
        store, zone = self.store, self.zone
        state = store.states.get(self.number)
        if not self.number or not isinstance(state, ZoneState) or self.world.origins.leads_down(zone.origin):
            return False
        size = sum(end - start for start, end in state.extents)
        if state.waste * 2 > size - state.waste + CHUNK_GRANULES or zone.origin in self.world.loading:
            return False
        return SCHEMES[zone.scheme] == store.zone_byte(self.number, "scheme")

    def _take_up(self) -> None:
        """Begin the version; leave the cuts whose servers alone differ to compiled code, and the rest in .changed."""
        zone = self.zone
        self.version = begin(self.store, zone, 512 * len(self.changed))
        proving, signed = zone.scheme != "unsigned", bool(zone.signatures)
        known = functools.partial(glue, zone)
        self.ns_changes = NsChanges(self.version.writer, zone.origin, proving, signed, is_large(zone), known)
        left = self.ns_changes.take_up(dict(self.changed), zone.nodes)
        self.ns_names = self.changed.keys() - left
        self.changed = {name: self.changed[name] for name in left}

    def _is_small(self) -> bool:
        """Return whether the rest of the change can be made name by name."""
        zone = self.zone
        if any(types.DNAME in kinds or not zone.contains(name) for name, kinds in self.changed.items()):
            return False
        return self._is_plain() if zone.scheme == "unsigned" else self._keeps_proofs()

    def _is_plain(self) -> bool:
        return not self.zone.signatures and types.RRSIG not in set().union(*self.changed.values())

    def _keeps_proofs(self) -> bool:
        """Return whether only cuts and the SOA of a signed zone change, no NSEC or NSEC3 RR, and it has no alias."""
        zone = self.zone
        at_cut = _AT_CUT
        if zone.scheme == "nsec":
            at_cut -= {types.RRSIG}  # it may be that of the NSEC RR
            if not StoredNsecProofs(self.store, self.number, self.nodes).has(zone, zone.origin):
                return False
        for name, kinds in self.changed.items():
            if name == zone.origin:
                if not kinds <= _AT_APEX:
                    return False
            elif not kinds <= at_cut or not (self._is_cut(name) or zone.cut_for(name) or self._was_glue(name)):
                return False
        return not self._aliases()

    def nodes(self, name: bytes) -> list[int]:
        """Return the zone's served nodes of a name."""
        found = self._known.get(name)
        if found is None:
            if name == names.ROOT:
                found = [self.store.get("root")]
            else:
                found = [
                    ref
                    for ref in self.store.nodes_of(name)
                    if self.store.words[ref * GRANULE_WORDS + NODE_ZONE_WORD] == self.number
                ]
            self._known[name] = found
        return found

    def _is_cut(self, name: bytes) -> bool:
        """Return whether a name is or was a cut."""
        return name in self.zone.delegations or any(
            self.store.octets[ref * GRANULE + NODE_FLAGS_AT] & NODE_CUT for ref in self.nodes(name)
        )

    def _was_glue(self, name: bytes) -> bool:
        """Return whether a name went with the cut above it."""
        return name not in self.zone.nodes and any(self._is_cut(above) for above in self._above(name))

    def _reached(self) -> set[bytes]:
        """Return the names whose nodes are written anew or go; none if that cannot be told by names."""
        zone = self.zone
        found = set(self.changed) | self._aliases()
        for name, kinds in self.changed.items():
            if kinds & _ADDRESSES or (types.RRSIG in kinds and name != zone.origin):
                found |= self.reach.quoting(name)
        for name in list(found):
            for above in self._above(name):
                if above not in found and bool(self.nodes(above)) != zone.exists(above):
                    found.add(above)
        for name in list(found):
            if names.is_wildcard(name) and zone.scheme != "unsigned":
                return set()
            while names.is_wildcard(name) and name != zone.origin:
                name = names.parent(name)
                found.add(name)
        found -= self.ns_names
        found.add(zone.origin)
        return set() if any(self._turns(name) for name in found) else found

    def _above(self, name: bytes) -> Iterator[bytes]:
        while len(name) > len(self.zone.origin):
            name = names.parent(name)
            yield name

    def _turns(self, name: bytes) -> bool:
        """Return whether a name turns from a cut to another name or back, which may hide or show names below it."""
        nodes = self.nodes(name)
        exists = self.zone.exists(name)
        was = bool(nodes and self.store.octets[nodes[0] * GRANULE + NODE_FLAGS_AT] & NODE_CUT)
        return bool(nodes) and exists and was is not (name in self.zone.delegations)

    def write(self) -> Version | None:
        """Write the new nodes; None if the SOA is not as long as the old one, which answers that stay count on."""
        store, zone, version = self.store, self.zone, self.version
        followed = self.world.followed()
        try:
            context = Context(zone, followed, version.writer, self._proofs(), {}, loading=followed.unknown)
            prepare(context)
            if zone.scheme != "unsigned" and not self._quotes_alike(context):
                roll_back(store, version)
                return None
            by_name = _ChangedNames(self, context)
            version.write(self.affected, [_Cuts(self.ns_changes), by_name])
            self.ns_changes.link()
        except BaseException:
            roll_back(store, version)
            raise
        version.describe(context, store.slot(self.number)[ZONE_SLOT_DENIAL_PLACE])
        version.ending = [Nodes(store, by_name.served, version.version), self.ns_changes]
        return version

    def _proofs(self) -> Proofs:
        if self.zone.scheme == "nsec3":
            return StoredProofs(self.store, self.number, self.version, self.zone, self.nodes)
        if self.zone.scheme == "nsec":
            return StoredNsecProofs(self.store, self.number, self.nodes)
        return NoProofs()

    def _quotes_alike(self, context: Context) -> bool:
        """Return whether the SOA takes the place of the old one in the lengths and counts of answers that stay."""
        old = self.store.slot(self.number)[ZONE_SLOT_SOA_PLACE]
        sizes = context.writer.fragment_size
        return bool(old) and sizes(context.soa_fragment) == sizes(old)


class _Cuts:
    """Writes the cuts whose servers alone differ; compiled code does."""

    def __init__(self, changes: NsChanges) -> None:
        """Write the cuts that `changes` has taken up."""
        self._changes = changes

    def take(self, found: Iterable[bytes]) -> set[bytes]:
        """Write the cuts that were taken up; return `found`, and the names of cuts that are left after all."""
        rest = found if isinstance(found, set) else set(found)
        rest |= self._changes.write()
        return rest


class _ChangedNames(Names):
    """Writes the names that a change reaches, as far as they exist, and knows their served nodes."""

    def __init__(self, change: Change, context: Context) -> None:
        """Write what belongs to the version of a change."""
        super().__init__(context)
        self._change = change
        self.served: list[int] = []

    def take(self, found: Iterable[bytes]) -> Iterable[bytes]:
        """Write all names, wildcards before them."""
        ordered = sorted(found, key=len, reverse=True)
        self._write_wildcards(ordered)
        for name in ordered:
            self.served += self._change.nodes(name)
            if self._change.zone.exists(name):
                self.write(name)
        return ()

    def _write_wildcards(self, affected: list[bytes]) -> None:
        context, zone = self._context, self._context.zone
        anew = set(affected)
        for name in affected:  # a wildcard's own node names the wildcard below it
            wildcard = names.wildcard_of(name)
            if len(wildcard) > names.MAX_NAME or not zone.exists(wildcard) or wildcard in zone.delegations:
                continue
            kept = self._kept_wildcard(name, wildcard) if wildcard not in anew else 0
            context.wildcards[name] = kept or nodes.write_wildcard(context, wildcard)

    def _kept_wildcard(self, name: bytes, wildcard: bytes) -> int:
        """Return the served node that answers for a wildcard; in a signed zone only the name above refers to it."""
        nodes = self._change.nodes
        if self._context.zone.scheme == "unsigned":
            return next(iter(nodes(wildcard)), 0)
        return next((self._change.store.node(ref)[NODE_WILDCARD_PLACE] for ref in nodes(name)), 0)


def owners(changed: Iterable[tuple[bytes, int]]) -> dict[bytes, set[int]]:
    """Return the types by owner of pairs of owner and type."""
    found: dict[bytes, set[int]] = {}
    for owner, rtype in changed:
        found.setdefault(owner, set()).add(rtype)
    return found
