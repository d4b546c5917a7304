# SPDX-License-Identifier: GPL-3.0-or-later
"""Which data of a zone are signed and denied: authoritative RRsets, and cuts with the little that is signed there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from appliance.zone import rdata, types
from appliance.zone.model import Zone
from appliance.zone.packed.flags import DATA, OCCLUDED
from appliance.zone.packed.zone import PackedZone

_AT_CUT = (types.DS, types.NSEC)


@dataclass(frozen=True, slots=True)
class Surface:
    """Signed types by owner, for all names that are not occluded; at an insecure cut without NSEC there is none."""

    zone: Zone
    signed: Mapping[bytes, list[int]]

    @classmethod
    def of(cls, zone: Zone) -> "Surface":
        """Return the surface of a zone (RFC 4035 §2.2)."""
        if isinstance(zone, PackedZone):
            return cls(zone, _Signed(zone))
        hidden = zone.occluded()
        return cls(
            zone,
            {
                owner: [rtype for rtype in rrsets if owner not in zone.delegations or rtype in _AT_CUT]
                for owner, rrsets in zone.nodes.items()
                if owner not in hidden
            },
        )

    def is_insecure(self, owner: bytes) -> bool:
        """Return whether a name is a cut without DS."""
        return owner in self.zone.delegations and types.DS not in self.zone.nodes[owner]

    def bitmap_types(self, owner: bytes) -> list[int]:
        """Return the types a bitmap lists (RFC 4034 §4.1.2, RFC 5155 §7.1): none at an ENT, the NS too at a cut."""
        signed = self.signed.get(owner, [])
        found = [*signed, types.RRSIG] if signed else []
        if owner in self.zone.delegations:
            found.append(types.NS)
        return found


class _Signed(Mapping[bytes, list[int]]):
    """The same, worked out for each name that is asked for."""

    def __init__(self, zone: PackedZone) -> None:
        self._zone = zone

    def __getitem__(self, owner: bytes) -> list[int]:
        rrsets = self._zone.nodes[owner]
        if self._zone.is_occluded(owner):
            raise KeyError(owner)
        cut = owner in self._zone.delegations
        return [rtype for rtype in rrsets if not cut or rtype in _AT_CUT]

    def __iter__(self) -> Iterator[bytes]:
        packed = self._zone.packed
        for number in packed.numbers(DATA, OCCLUDED):
            yield packed.name(number)

    def __len__(self) -> int:
        return int(self._zone.packed.how_many(DATA, OCCLUDED))


class Bitmaps:
    """Compares type bitmaps with what is there; zones have few different ones, so each is made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, ...], bytes] = {}

    def difference(self, bitmap: bytes, present: list[int]) -> str:
        """Return in words what a bitmap lists too much or leaves out; "" if it is right."""
        key = tuple(present)
        expected = self._made.get(key)
        if expected is None:
            expected = self._made[key] = rdata.bitmap(present)
        if bitmap == expected:
            return ""
        listed, there = rdata.bitmap_types(bitmap), set(present)
        parts = []
        if there - listed:
            parts.append(f"leaves out {_texts(there - listed)}")
        if listed - there:
            parts.append(f"lists {_texts(listed - there)}, of which there is none")
        return " and ".join(parts)


def _texts(found: set[int]) -> str:
    return ", ".join(types.type_text(rtype) for rtype in sorted(found))
