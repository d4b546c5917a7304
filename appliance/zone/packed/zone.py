# SPDX-License-Identifier: GPL-3.0-or-later
"""The zone model over packed records: RRsets become objects only for the names that are asked for."""

from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property, partial
from typing import Generic, TypeVar

from appliance.zone import names, types
from appliance.zone.master.records import Record, Records
from appliance.zone.model import RRset, RRsets, Zone
from appliance.zone.nsec3 import parameters
from appliance.zone.packed.flags import CUT, DATA, DNAME, HASHED, OCCLUDED, SIGNED
from appliance.zone.packed.names import Packed
from appliance.zone.packed.nsec3 import Chain, Hasher
from appliance.zone.threads import divided, side_by_side

T = TypeVar("T")

_KEPT = 512
"""Names whose RRsets are remembered: code that asks for one name asks several times."""


class _Table(Mapping[bytes, T], Generic[T]):
    """Something of the names that have a flag, by name."""

    def __init__(self, packed: Packed, flag: int) -> None:
        self._packed = packed
        self._flag = flag
        self._count: int | None = None
        self._kept: dict[int, T] = {}

    def at(self, number: int) -> T:
        """Return the value of a name by its number."""
        found = self._kept.get(number)
        if found is None:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            found = self._kept[number] = self._read(number)
        return found

    def _read(self, number: int) -> T:
        raise NotImplementedError

    def _number(self, name: object) -> int:
        if not isinstance(name, bytes):
            return -1
        number: int = self._packed.find_name(name)
        return number if number >= 0 and self._packed.flags_of(number) & self._flag else -1

    def __getitem__(self, name: bytes) -> T:
        number = self._number(name)
        if number < 0:
            raise KeyError(name)
        return self.at(number)

    def __contains__(self, name: object) -> bool:
        return self._number(name) >= 0

    def __iter__(self) -> Iterator[bytes]:
        for number in self._packed.numbers(self._flag, 0):
            yield self._packed.name(number)

    def __len__(self) -> int:
        if self._count is None:
            self._count = self._packed.how_many(self._flag, 0)
        return self._count

    def items(self) -> ItemsView[bytes, T]:
        return _Items(self)

    def pairs(self) -> Iterator[tuple[bytes, T]]:
        """Yield all names with their values."""
        for number in self._packed.numbers(self._flag, 0):
            yield self._packed.name(number), self._read(number)


class _Items(ItemsView[bytes, T]):
    _mapping: _Table[T]

    def __iter__(self) -> Iterator[tuple[bytes, T]]:
        return self._mapping.pairs()


class _Nodes(_Table[RRsets]):
    def _read(self, number: int) -> RRsets:
        return {key: rrset for key, rrset in _rrsets(self._packed, number) if rrset.rtype not in _ELSEWHERE}


class _Signatures(_Table[RRsets]):
    def _read(self, number: int) -> RRsets:
        return {key & 0xFFFF: rrset for key, rrset in _rrsets(self._packed, number) if rrset.rtype == types.RRSIG}


class _Nsec3(_Table[RRset]):
    def _read(self, number: int) -> RRset:
        return next(rrset for _, rrset in _rrsets(self._packed, number) if rrset.rtype == types.NSEC3)


_ELSEWHERE = (types.RRSIG, types.NSEC3)


def _rrsets(packed: Packed, number: int) -> list[tuple[int, RRset]]:
    """Return the RRsets of a name, keyed by type; those of RRSIGs by RRSIG << 16 and the type covered."""
    found: dict[int, RRset] = {}
    for at, _ in packed.places(number):
        if packed.is_dropped(at):
            continue
        rtype = key = packed.type_at(at)
        value = packed.value(at)
        if rtype == types.RRSIG:
            key = rtype << 16 | int.from_bytes(value[:2], "big")
        rrset = found.get(key)
        if rrset is None:
            found[key] = RRset(rtype, packed.ttl_at(at), [value])
        else:
            rrset.rdatas.append(value)
    return list(found.items())


class _Names(AbstractSet[bytes]):
    """The names that have a flag."""

    def __init__(self, packed: Packed, flag: int) -> None:
        self._packed = packed
        self._flag = flag
        self._count: int | None = None

    @classmethod
    def _from_iterable(cls, names: Iterable[bytes]) -> set[bytes]:  # type: ignore[override]
        return set(names)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, bytes):
            return False
        number = self._packed.find_name(name)
        return number >= 0 and bool(self._packed.flags_of(number) & self._flag)

    def __iter__(self) -> Iterator[bytes]:
        for number in self._packed.numbers(self._flag, 0):
            yield self._packed.name(number)

    def __len__(self) -> int:
        if self._count is None:
            self._count = self._packed.how_many(self._flag, 0)
        return self._count


class PackedZone(Zone):
    """A zone whose data stay packed; .packed has them for code that goes through all names."""

    packed: Packed
    expected_octets: int = 0
    """What compiler.expected has found, which goes through all records; 0 when nobody has asked."""
    may_be_spent: bool = False
    """Whether nobody asks this zone anything once it is compiled, so that its records may go meanwhile."""
    is_spent: bool = False
    """Whether records have gone."""
    until_read: Callable[[], None] | None = None
    """Waits until another thread has read the records, which must not go before."""

    @classmethod
    def of(cls, packed: Packed, origin: bytes) -> "PackedZone":
        """Return the zone of settled records, which hold one SOA at the origin."""
        nodes = _Nodes(packed, DATA)
        soa = nodes[origin][types.SOA].rdatas[0]
        zone = cls(
            origin,
            int.from_bytes(soa[-20:-16], "big"),
            nodes,
            _Signatures(packed, SIGNED),
            _Nsec3(packed, HASHED),
            _Names(packed, CUT),
            _Names(packed, DNAME),
            set(packed.ent_names),
        )
        zone.packed = packed
        zone.find_scheme()
        return zone

    def wildcards(self) -> list[bytes]:
        found = [self.packed.name(number) for number in self.packed.wildcards if self.packed.flags_of(number) & DATA]
        return found + [name for name in self.ents if names.is_wildcard(name)]

    def how_many(self) -> int:
        return int(self.packed.count)

    def has_type(self, rtype: int) -> bool:
        return rtype < 256 and bool(self.packed.has_type(rtype))

    @cached_property
    def chain(self) -> Chain:
        """The NSEC3s in the order of their hashes; the places of the hashes of all names are known if it is regular."""
        chain = Chain(self.packed)
        if chain.regular:
            _, iterations, salt = parameters(chain.head)
            parts = divided(self.packed.count)
            side_by_side([partial(chain.place_slice, Hasher(iterations, salt), *part) for part in parts])
        return chain

    def is_occluded(self, name: bytes) -> bool:
        number = self.packed.find_name(name)
        if number >= 0:
            return bool(self.packed.flags_of(number) & OCCLUDED)
        return super().is_occluded(name)

    def occluded(self) -> set[bytes]:
        return {
            self.packed.name(number)
            for number in self.packed.numbers(OCCLUDED, 0)
            if self.packed.flags_of(number) & DATA
        }


def first_record(packed: Packed, records: Records, owner: bytes, rtype: int) -> Record | None:
    """Return the first record of a folded owner and type."""
    number = packed.find_name(owner)
    for at, head in packed.places(number) if number >= 0 else ():
        if packed.type_at(at) == rtype:
            return record_at(records, at, head)
    return None


def record_at(records: Records, at: int, head: int) -> Record:
    """Return the record at an offset; head is that of the first one with the same owner."""
    return records.record(at, records.record(head, b"").owner)
