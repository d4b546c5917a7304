# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of whole zones (RFC 8976): computed over the canonical form of all records, compared with the apex ZONEMD."""

import hashlib
import struct
from collections import Counter
from collections.abc import Collection, Iterator

from appliance.zone import names, rdata, types
from appliance.zone.checks.levels import CheckClass, Judge
from appliance.zone.model import RRset, Zone

SIMPLE = 1
HASHES = {1: "sha384", 2: "sha512"}

_HEAD = struct.Struct("!HHIH")  # type, class, TTL, length of the RDATA


def digests(zone: Zone, algorithms: Collection[int]) -> dict[int, bytes]:
    """Return the digests of scheme SIMPLE by hash algorithm (RFC 8976 §3.3.1)."""
    hashes = {algorithm: hashlib.new(HASHES[algorithm]) for algorithm in algorithms}
    owners: dict[bytes, list[RRset]] = {}
    for owner, rrset in _included(zone):
        owners.setdefault(owner, []).append(rrset)
    for owner in sorted(owners, key=names.canonical_key):
        octets = b"".join(_canonical(owner, owners[owner]))
        for one in hashes.values():
            one.update(octets)
    return {algorithm: one.digest() for algorithm, one in hashes.items()}


def _included(zone: Zone) -> Iterator[tuple[bytes, RRset]]:
    """Yield all RRsets, glue and occluded ones too, but for the apex ZONEMD and its RRSIG (RFC 8976 §3.3.1)."""
    for data in (zone.nodes, zone.signatures):
        for owner, rrsets in data.items():
            for rtype, rrset in rrsets.items():
                if rtype != types.ZONEMD or owner != zone.origin:
                    yield owner, rrset
    yield from zone.nsec3.items()


def _canonical(owner: bytes, rrsets: list[RRset]) -> Iterator[bytes]:
    """Yield the records of an owner in canonical order and form (RFC 4034 §6); RRSIGs are one RRset there."""
    rows = [(rrset.rtype, rdata.fold(rrset.rtype, one), rrset.ttl) for rrset in rrsets for one in rrset.rdatas]
    rows.sort()
    for rtype, octets, ttl in rows:
        yield owner + _HEAD.pack(rtype, types.IN, ttl, len(octets)) + octets


def check(zone: Zone, stripped: bool, judge: Judge) -> None:
    """Note a digest that does not match; a zone whose signatures were stripped cannot match, which is told apart."""
    rrset = zone.rrset(zone.origin, types.ZONEMD)
    if rrset is None:
        judge.note("zonemd-missing", zone.origin, types.SOA, f"{names.to_text(zone.origin)} has no ZONEMD")
        return
    kind: CheckClass = "zonemd-incomplete" if stripped else "zonemd-mismatch"
    if not judge.wants(kind):
        return
    usable = [one for one in rrset.rdatas if one[4] == SIMPLE and one[5] in HASHES]
    if not usable:
        reason = "no ZONEMD has a scheme and a hash algorithm that are known here"
        judge.note("zonemd-unsupported", zone.origin, types.ZONEMD, reason)
        return
    kinds = Counter(one[4:6] for one in usable)
    computed: dict[int, bytes] = {}
    if any(_serial(one) == zone.serial for one in usable):
        computed = digests(zone, {one[5] for one in usable})
    doubts = [_doubt(one, zone.serial, kinds, computed) for one in usable]
    if all(doubts):
        reason = f"ZONEMD {HASHES[usable[0][5]]}: {doubts[0]}"
        if stripped:
            reason += "; signatures are missing, so it cannot match"
        judge.note(kind, zone.origin, types.ZONEMD, reason)


def _doubt(value: bytes, serial: int, kinds: Counter[bytes], computed: dict[int, bytes]) -> str:
    """Return why a ZONEMD does not vouch for the zone, "" if it does (RFC 8976 §4)."""
    if _serial(value) != serial:
        return f"it is for serial {_serial(value)}, the zone has {serial}"
    if kinds[value[4:6]] > 1:
        return "there are several of this scheme and hash algorithm (RFC 8976 §2)"
    return "" if value[6:] == computed[value[5]] else "the digest is that of other data: the file was changed or cut"


def _serial(value: bytes) -> int:
    return int.from_bytes(value[:4], "big")
