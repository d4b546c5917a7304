# SPDX-License-Identifier: GPL-3.0-or-later
"""Which owners of a zone quote a name's addresses, and which are aliases: where a change of single names reaches."""

from __future__ import annotations

from typing import Final

from appliance.store import rdata_names
from appliance.zone import types
from appliance.zone.model import RRsets, Zone

_NOTHING: Final[frozenset[bytes]] = frozenset()


class Reach:
    """The owners that quote addresses, and the aliases, of one zone; note() keeps them up to date."""

    def __init__(self, zone: Zone) -> None:
        self._targets: dict[bytes, set[bytes]] = {}
        self._quoted: dict[bytes, frozenset[bytes]] = {}
        self.aliases: set[bytes] = set()
        for owner in zone.nodes:
            self.note(zone, owner)

    def note(self, zone: Zone, owner: bytes) -> None:
        """Note what an owner quotes now."""
        rrsets = zone.nodes.get(owner, {})
        (self.aliases.add if types.CNAME in rrsets else self.aliases.discard)(owner)
        now = _quoted(zone, owner, rrsets)
        before = self._quoted.get(owner, _NOTHING)
        if before == now:
            return
        for target in before - now:
            self._targets[target].discard(owner)
        for target in now - before:
            self._targets.setdefault(target, set()).add(owner)
        if now:
            self._quoted[owner] = now
        else:
            self._quoted.pop(owner, None)

    def quoting(self, name: bytes) -> set[bytes]:
        """Return the owners in whose answers a name's addresses stand."""
        return self._targets.get(name, set())


def _quoted(zone: Zone, owner: bytes, rrsets: RRsets) -> frozenset[bytes]:
    """Return the names in a zone whose addresses stand in the answers of an owner."""
    found: list[bytes] = []
    for rtype, rrset in rrsets.items():
        if rtype == types.NS and not _ends_in(rrset.rdatas, zone.origin):
            continue  # the servers of most cuts are elsewhere
        if rdata_names.has_targets(rtype):
            found += rdata_names.targets(rtype, rrset.rdatas, owner)
    return frozenset([target for target in found if zone.contains(target)]) if found else _NOTHING


def _ends_in(rdatas: list[bytes], origin: bytes) -> bool:
    """Return whether any of some names ends in the octets of an origin."""
    for rdata in rdatas:  # noqa: SIM110 - a generator takes 1.6 times as long
        if rdata.lower().endswith(origin):
            return True
    return False
