# SPDX-License-Identifier: GPL-3.0-or-later
"""The NSEC3 chain: one set of parameters, closed in hash order, one RR for each name that needs it (RFC 5155 §7.1)."""

from bisect import bisect_right
from functools import partial

from appliance.zone import names, nsec3, types
from appliance.zone.checks.levels import Judge
from appliance.zone.checks.nsec3param import chain_parameters
from appliance.zone.checks.screen import Screen
from appliance.zone.checks.signed_data import Bitmaps, Surface
from appliance.zone.nsec3 import Nsec3, Parameters
from appliance.zone.packed.flags import CUT, DATA, MATCH, OCCLUDED
from appliance.zone.packed.nsec3 import Hasher
from appliance.zone.packed.zone import PackedZone
from appliance.zone.threads import divided, side_by_side


def check(surface: Surface, judge: Judge) -> None:
    """Note what is wrong with the chain; where its parameters contradict each other, only that."""
    parameters = chain_parameters(surface.zone, judge)
    if parameters is None:
        return
    if isinstance(surface.zone, PackedZone) and _is_clean(surface.zone, parameters):
        return
    chain = _Chain(surface, parameters, judge)
    chain.check_links()
    chain.check_owners()
    chain.check_delegations()


def _is_clean(zone: PackedZone, parameters: Parameters) -> bool:
    """Return whether there is certainly nothing to say about a chain, without an object for each name."""
    chain = zone.chain
    if not chain.regular or nsec3.parameters(chain.head) != parameters:
        return False
    if not all(side_by_side([partial(chain.leads_on, *part) for part in divided(chain.count)])):
        return False
    hasher = Hasher(parameters.iterations, parameters.salt)
    matching = 0
    for ent in zone.ents:
        place = chain.place_of(hasher, ent)
        if place & MATCH:
            matching += 1
            if nsec3.read(zone.nsec3[chain.owner(place & ~MATCH)].rdatas[0]).bitmap:
                return False
        elif _is_owed(zone, ent):
            return False
    parts = divided(zone.packed.count)
    found = side_by_side([partial(Screen(zone.packed, [], 0).matches, chain, *part) for part in parts])
    return min(found) >= 0 and matching + sum(found) == chain.count


def _is_owed(zone: PackedZone, ent: bytes) -> bool:
    """Return whether an ENT must have an NSEC3: not if all names below it are insecure cuts without one."""
    packed = zone.packed
    for number in range(packed.position(ent), packed.count):
        name = packed.name(number)
        if not names.is_subdomain(name, ent):
            return False
        flags = packed.flags_of(number)
        if flags & DATA and not flags & OCCLUDED and (not flags & CUT or zone.chain.place(number) & MATCH):
            return True
    return False


class _Chain:
    """The NSEC3 RRs by hash, and the hashes of all names that may have one."""

    def __init__(self, surface: Surface, parameters: Parameters, judge: Judge) -> None:
        self.surface = surface
        self.judge = judge
        self.entries: dict[bytes, Nsec3] = {}
        self.owners: dict[bytes, bytes] = {}
        zone = surface.zone
        for owner, rrset in zone.nsec3.items():
            hashed = nsec3.owner_digest(owner, zone.origin)
            if hashed is None:
                reason = f"NSEC3 at {names.to_text(owner)}: the first label is no hash of a name of this zone"
                judge.note("nsec3-chain", owner, types.NSEC3, reason)
                continue
            if len(rrset.rdatas) > 1:
                reason = f"{names.to_text(owner)} has {len(rrset.rdatas)} NSEC3 records: keep one"
                judge.note("nsec3-chain", owner, types.NSEC3, reason)
            self.entries[hashed] = nsec3.read(rrset.rdatas[0])
            self.owners[hashed] = owner
        self.order = sorted(self.entries)
        _, iterations, salt = parameters
        self.hashes = {name: nsec3.digest(name, iterations, salt) for name in (*surface.signed, *zone.ents)}

    def has(self, name: bytes) -> bool:
        """Return whether a name has an NSEC3."""
        return self.hashes[name] in self.entries

    def check_links(self) -> None:
        """Each RR must lead to the next one, the last to the first."""
        for hashed, following in zip(self.order, [*self.order[1:], *self.order[:1]], strict=True):
            found = self.entries[hashed].following
            if found != following:
                reason = (
                    f"NSEC3 {nsec3.text(hashed)} leads to {nsec3.text(found)}: the next one is {nsec3.text(following)}"
                )
                self.judge.note("nsec3-chain", self.owners[hashed], types.NSEC3, reason)
        flags = {entry.flags & nsec3.OPT_OUT for entry in self.entries.values()}
        if len(flags) > 1:
            odd = next(hashed for hashed in self.order if not self.entries[hashed].flags & nsec3.OPT_OUT)
            reason = f"NSEC3 {nsec3.text(odd)} lacks the opt-out flag that others of the chain have"
            self.judge.note("nsec3-opt-out", self.owners[odd], types.NSEC3, reason)

    def check_owners(self) -> None:
        """Each name that needs an NSEC3 must have one, with its types, and no other hash may have any."""
        bitmaps = Bitmaps()
        for name in self.hashes:
            if self.has(name):
                hashed = self.hashes[name]
                wrong = bitmaps.difference(self.entries[hashed].bitmap, self.surface.bitmap_types(name))
                if wrong:
                    reason = f"NSEC3 {nsec3.text(hashed)} of {names.to_text(name)}: the bitmap {wrong}"
                    self.judge.note("type-bitmap", self.owners[hashed], types.NSEC3, reason)
        for name in self._owed():
            if not self.has(name):
                what = f"{names.to_text(name)}{' (an empty non-terminal)' if name in self.surface.zone.ents else ''}"
                reason = f"{what} has no NSEC3; its hash is {nsec3.text(self.hashes[name])}"
                self.judge.note("nsec3-chain", name, self._a_type(name), reason)
        for hashed in self.entries.keys() - set(self.hashes.values()):
            reason = f"NSEC3 {nsec3.text(hashed)} is the hash of no name of this zone"
            self.judge.note("nsec3-chain", self.owners[hashed], types.NSEC3, reason)

    def _owed(self) -> dict[bytes, None]:
        """Return the names that must have an NSEC3: all but insecure cuts that have none and the ENTs above them."""
        owed: dict[bytes, None] = {}
        origin = self.surface.zone.origin
        for name in self.surface.signed:
            if self.surface.is_insecure(name) and not self.has(name):
                continue
            while name not in owed:
                owed[name] = None
                if name == origin:
                    break
                name = names.parent(name)
        return owed

    def _a_type(self, name: bytes) -> int:
        return next(iter(self.surface.zone.nodes.get(name, {})), types.SOA)

    def check_delegations(self) -> None:
        """An insecure cut without NSEC3 must lie in an opt-out span: its next closer name is what is covered."""
        for cut in self.surface.zone.delegations:
            if not self.surface.is_insecure(cut) or self.has(cut):
                continue
            next_closer = cut
            while next_closer != self.surface.zone.origin and not self.has(names.parent(next_closer)):
                next_closer = names.parent(next_closer)
            if not self.order or next_closer == self.surface.zone.origin:
                continue  # no chain, or the apex lacks its NSEC3: that is noted
            cover = self.order[bisect_right(self.order, self.hashes[next_closer]) - 1]
            if not self.entries[cover].flags & nsec3.OPT_OUT:
                reason = (
                    f"the cut at {names.to_text(cut)} has no NSEC3, and {nsec3.text(cover)} which covers it "
                    "has no opt-out flag (RFC 5155 §7.1)"
                )
                self.judge.note("nsec3-chain", cut, types.NS, reason)
