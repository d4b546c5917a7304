# SPDX-License-Identifier: GPL-3.0-or-later
"""What the zones under test say: the ground on which optional records and explanations are judged."""

from collections.abc import Iterable, Sequence

from appliance.zone import names
from appliance.zone.load import load_zone
from appliance.zone.model import RRset, Zone
from tests.interop import wire
from tests.interop.peers import ZoneFile


def folded_rdata(rtype: int, rdata: bytes) -> bytes:
    """Return RDATA as `wire.parse` gives it: with folded names."""
    return wire.rdata(rdata, rtype, 0, len(rdata), {})


class Loaded:
    """The zones that every server under test has loaded."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        """Index the zones by origin."""
        self.zones = {zone.origin: zone for zone in zones}

    @classmethod
    def read(cls, files: Sequence[ZoneFile]) -> "Loaded":
        """Load the zones from their files."""
        return cls(load_zone(file.ours or file.path, names.from_text(file.origin)) for file in files)

    def zone_of(self, name: bytes) -> Zone | None:
        """Return the zone whose origin is nearest above a folded name, or is the name."""
        return next((self.zones[above] for above in names.suffixes(name) if above in self.zones), None)

    def zone_for(self, name: bytes, rtype: int) -> Zone | None:
        """Return the zone that answers: for DS at an apex that of the parent, if it is loaded (RFC 4035 §3.1.4.1)."""
        if rtype == wire.DS and name in self.zones and name != b"\0":
            return self.zone_of(names.parent(name)) or self.zones[name]
        return self.zone_of(name)

    def _source(self, name: bytes) -> tuple[Zone, bytes] | None:
        """Return the owner whose data a folded name shows: itself, or the wildcard that covers it (RFC 4592 §3.3.1)."""
        zone = self.zone_of(name)
        if zone is None:
            return None
        if zone.exists(name):
            return zone, name
        encloser = next(above for above in names.suffixes(name) if zone.exists(above) or above == zone.origin)
        star = names.wildcard_of(encloser)
        return (zone, star) if zone.exists(star) else None

    def types(self, name: bytes) -> set[int]:
        """Return the types that a folded name shows, through a wildcard too."""
        source = self._source(name)
        return set(source[0].nodes.get(source[1], {})) if source else set()

    def rrset(self, name: bytes, rtype: int) -> frozenset[wire.RR]:
        """Return the RRset that a folded name shows, through a wildcard too."""
        source = self._source(name)
        found = source[0].rrset(source[1], rtype) if source else None
        return frozenset(_records(name, found))

    def signatures(self, name: bytes, covered: int | None = None) -> frozenset[wire.RR]:
        """Return the signatures over every RRset, or that of one type, that a folded name shows, by wildcards too."""
        source = self._source(name)
        found = source[0].signatures.get(source[1], {}) if source else {}
        chosen = (rrset for rtype, rrset in found.items() if covered in (None, rtype))
        return frozenset(record for rrset in chosen for record in _records(name, rrset, wire.RRSIG))

    def covers_by_wildcard(self, name: bytes) -> bool:
        """Return whether a folded name exists through a wildcard only."""
        source = self._source(name)
        return source is not None and source[1] != name

    def address_signatures(self, owner: bytes, rtype: int) -> set[frozenset[wire.RR]]:
        """Return the signatures that each zone with an address RRset has over it; none over glue."""
        zones = [self.zones[above] for above in names.suffixes(owner) if above in self.zones]
        found = (zone.signatures.get(owner, {}).get(rtype) for zone in zones if zone.rrset(owner, rtype))
        return {frozenset(_records(owner, rrset, wire.RRSIG)) for rrset in found}

    def has_address(self, record: wire.RR) -> bool:
        """Return whether some zone holds this A or AAAA record or a signature over such a set, glue included."""
        for above in names.suffixes(record.owner):
            zone = self.zones.get(above)
            if zone is None:
                continue
            tables = zone.signatures if record.rtype == wire.RRSIG else zone.nodes
            for rtype in (wire.A, wire.AAAA):
                rrset = tables.get(record.owner, {}).get(rtype)
                if record in _records(record.owner, rrset, record.rtype):
                    return True
        return False


def _records(owner: bytes, rrset: RRset | None, rtype: int | None = None) -> list[wire.RR]:
    if rrset is None:
        return []
    shown = rtype or rrset.rtype
    return [wire.RR(owner, shown, rrset.ttl, folded_rdata(shown, rdata)) for rdata in rrset.rdatas]
