# SPDX-License-Identifier: GPL-3.0-or-later
"""Which NSEC or NSEC3 RRs of a zone prove what, by their owners: what is known when zones are compiled."""

from array import array
from bisect import bisect_left, bisect_right
from typing import Protocol

from appliance.zone import names, nsec3, nsec3_hash, types
from appliance.zone.model import RRset, Zone
from appliance.zone.packed.flags import DATA, MATCH, OCCLUDED
from appliance.zone.packed.nsec3 import Hasher
from appliance.zone.packed.zone import PackedZone

Owners = list[bytes]
"""Owners of NSEC or NSEC3 RRs that together prove something, each once; none where the zone cannot prove it."""


class Evidence(Protocol):
    """What the denial scheme of a zone offers; all names are folded and in the zone."""

    def rrset(self, owner: bytes) -> RRset:
        """Return the NSEC or NSEC3 RRset of an owner."""

    def nodata(self, name: bytes) -> Owners:
        """Return what shows which types an existing name has."""

    def wildcard_nodata(self, wildcard: bytes) -> Owners:
        """Return what proves the types of a wildcard that stands for a name, the next closer name's proof aside."""

    def next_closer(self, name: bytes) -> Owners:
        """Return what shows that no closer name than the wildcard's parent stands for a name that does not exist."""

    def nxdomain(self, name: bytes) -> Owners:
        """Return what shows that a name does not exist and that no wildcard stands for it."""


def closest_encloser(zone: Zone, name: bytes) -> bytes:
    """Return the longest existing name at or above a folded name of the zone."""
    while not zone.exists(name):
        name = names.parent(name)
    return name


def next_closer(zone: Zone, name: bytes) -> bytes:
    """Return the name one label longer than the closest encloser of a folded name that does not exist."""
    while not zone.exists(names.parent(name)):
        name = names.parent(name)
    return name


def _all(*owners: bytes) -> Owners:
    return list(dict.fromkeys(owners)) if all(owners) else []


class NsecEvidence:
    """RFC 4035 §3.1.3 on the tree of names."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._owners: _Order | None = None

    def rrset(self, owner: bytes) -> RRset:
        return self._zone.nodes[owner][types.NSEC]

    def nodata(self, name: bytes) -> Owners:
        """Return the name's own NSEC, or for an ENT the one that leads over it to a name below.

        Nothing where the chain has neither: any other NSEC would deny the name.
        """
        owner = self.before(name)
        if not owner or owner == name:
            return _all(owner)
        following = (names.read(rdata)[0].lower() for rdata in self.rrset(owner).rdatas)
        return [owner] if all(names.is_subdomain(target, name) for target in following) else []

    def wildcard_nodata(self, wildcard: bytes) -> Owners:
        return self.nodata(wildcard)

    def next_closer(self, name: bytes) -> Owners:
        return _all(self.before(name))

    def nxdomain(self, name: bytes) -> Owners:
        wildcard = names.wildcard_of(closest_encloser(self._zone, name))
        return _all(self.before(name), *([] if self._zone.exists(wildcard) else [self.before(wildcard)]))

    def _has_nsec(self, name: bytes) -> bool:
        return types.NSEC in self._zone.nodes.get(name, {})

    def before(self, name: bytes) -> bytes:
        """Return the last owner of an NSEC that does not sort after a name: its own, or the one that covers it."""
        if self._zone.exists(name) and self._has_nsec(name):
            return name
        if self._owners is None:
            self._owners = _order_of(self._zone)
        return self._owners.before(name)


class _Order:
    """The owners of NSECs that exist, in canonical order: a search from name to name would be quadratic where many
    names have none."""

    def __init__(self, zone: Zone) -> None:
        found = [name for name, rrsets in zone.nodes.items() if types.NSEC in rrsets and not zone.is_occluded(name)]
        self._owners = sorted(found, key=names.canonical_key)

    def before(self, name: bytes) -> bytes:
        """Return the last owner that does not sort after a name; nothing where there is none."""
        at = bisect_right(self._owners, names.canonical_key(name), key=names.canonical_key)
        return self._owners[at - 1] if at else b""


class _PackedOrder(_Order):
    """The owners in canonical order as numbers of a packed zone, four octets a name."""

    def __init__(self, zone: PackedZone) -> None:
        self._packed = zone.packed
        nodes = zone.nodes.items()
        numbers = zone.packed.numbers(DATA, 0)
        self._numbers = array(
            "I",
            [
                number
                for number, (_, rrsets) in zip(numbers, nodes, strict=True)
                if types.NSEC in rrsets and not zone.packed.flags_of(number) & OCCLUDED
            ],
        )

    def before(self, name: bytes) -> bytes:
        at = bisect_left(self._numbers, self._packed.position(name))
        return bytes(self._packed.name(self._numbers[at - 1])) if at else b""


def _order_of(zone: Zone) -> _Order:
    return _PackedOrder(zone) if isinstance(zone, PackedZone) else _Order(zone)


class Nsec3Evidence:
    """RFC 5155 §7.2 on a table of hashes in order."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self.parameters = nsec3_hash.parameters(zone)
        self.hashes, self.owners = nsec3_hash.table(zone, self.parameters)
        self._matched = (b"", b"")
        """The last name matched, and its match: a node asks twice."""

    def rrset(self, owner: bytes) -> RRset:
        return self._zone.nsec3[owner]

    def match(self, name: bytes) -> bytes:
        """Return the owner whose label is the hash of a name, nothing if there is none."""
        if name != self._matched[0]:
            at, exact = self._place(name)
            self._matched = (name, self.owners[at] if exact else b"")
        return self._matched[1]

    def cover(self, name: bytes) -> bytes:
        """Return the owner that covers the hash of a name, nothing where one matches it: that denies no name."""
        at, exact = self._place(name)
        return self.owners[at] if self.owners and not exact else b""

    def _place(self, name: bytes) -> tuple[int, bool]:
        return nsec3_hash.place(self.hashes, nsec3.digest(name, *self.parameters))

    def unlisted(self, name: bytes) -> tuple[bytes, bytes, bytes]:
        """Return, for an existing name without NSEC3, the closest name above with one, its owner, and the next closer.

        Only insecure delegations in an opt-out span, and the ENTs above such, may lack one (RFC 5155 §7.2.1): nothing
        where no opt-out span covers the next closer name.
        """
        closer = name
        while len(closer) > len(self._zone.origin):
            encloser = names.parent(closer)
            if match := self.match(encloser):
                return (encloser, match, closer) if self._opts_out(closer) else (b"", b"", b"")
            closer = encloser
        return b"", b"", b""

    def _opts_out(self, name: bytes) -> bool:
        cover = self.cover(name)
        return bool(cover) and bool(self.rrset(cover).rdatas[0][1] & nsec3.OPT_OUT)

    def nodata(self, name: bytes) -> Owners:
        """Return the match, or (opt-out) the closest provable encloser and the cover of the next closer name."""
        if match := self.match(name):
            return [match]
        _, match, closer = self.unlisted(name)
        return _all(match, self.cover(closer)) if match else []

    def wildcard_nodata(self, wildcard: bytes) -> Owners:
        """Return the proof for the wildcard and the match of the closest encloser (RFC 5155 §7.2.5)."""
        closest = self.match(names.parent(wildcard))
        proof = self.nodata(wildcard)
        return _all(*([closest] if closest else []), *proof) if proof else []

    def next_closer(self, name: bytes) -> Owners:
        """Return the cover of the next closer name (RFC 5155 §7.2.6)."""
        return _all(self.cover(next_closer(self._zone, name)))

    def nxdomain(self, name: bytes) -> Owners:
        """Return the closest provable encloser, the cover of the next closer name and that of the wildcard (§7.2.2)."""
        closer = next_closer(self._zone, name)
        encloser = names.parent(closer)
        match = self.match(encloser)
        if not match:
            encloser, match, closer = self.unlisted(encloser)
        return _all(match, self.cover(closer), *self.wildcard_cover(encloser)) if match else []

    def wildcard_cover(self, encloser: bytes) -> list[bytes]:
        """Return the cover of the wildcard below a name: nothing where no wildcard can be or one is, "" if none covers.

        Where opt-out leaves the true closest encloser without NSEC3, there may be a wildcard below the one above it.
        """
        wildcard = names.wildcard_of(encloser)
        if len(wildcard) > names.MAX_NAME or self._zone.exists(wildcard):
            return []
        return [self.cover(wildcard)]


class PackedNsec3Evidence(Nsec3Evidence):
    """RFC 5155 §7.2 on the hashes of a packed chain."""

    def __init__(self, zone: PackedZone) -> None:
        self._zone = zone
        self._chain = zone.chain
        _, iterations, salt = nsec3.parameters(zone.chain.head)
        self.parameters = iterations, salt
        self._hasher = Hasher(iterations, salt)
        self._matched = (b"", b"")

    @classmethod
    def serves(cls, zone: PackedZone) -> bool:
        """Return whether the chain of a zone is one that this can work on."""
        declared = zone.nodes[zone.origin][types.NSEC3PARAM].rdatas
        chain = zone.chain
        return bool(chain.regular) and nsec3.parameters(chain.head) in map(nsec3.parameters, declared)

    def match(self, name: bytes) -> bytes:
        if name != self._matched[0]:
            place = self._chain.place_of(self._hasher, name)
            self._matched = (name, self._chain.owner(place & ~MATCH) if place & MATCH else b"")
        return self._matched[1]

    def cover(self, name: bytes) -> bytes:
        place = self._chain.place_of(self._hasher, name)
        return b"" if place & MATCH else bytes(self._chain.owner(place))


def evidence_of(zone: Zone) -> Evidence | None:
    """Return what a zone can prove, None for an unsigned one: it proves nothing."""
    if zone.scheme == "nsec":
        return NsecEvidence(zone)
    if zone.scheme == "nsec3" and isinstance(zone, PackedZone) and PackedNsec3Evidence.serves(zone):
        return PackedNsec3Evidence(zone)
    return Nsec3Evidence(zone) if zone.scheme == "nsec3" else None
