# SPDX-License-Identifier: GPL-3.0-or-later
"""Listings have exactly a zone's records, and what two of them differ in leads from one zone to the other."""

from __future__ import annotations

import random
import struct
import tempfile
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import StateError
from appliance.zone import names, types
from appliance.zone.diff import difference as compiled
from appliance.zone.diff.layout import NAME, RECORD, RR
from appliance.zone.diff.listing import Listing
from appliance.zone.load import load_zone
from appliance.zone.model import Zone
from appliance.zone.packed.zone import PackedZone
from tests.harness.uncompiled import uncompiled
from tests.reference import strategies

pytestmark = pytest.mark.property

ORIGIN = names.from_text("example.")
Rr = tuple[bytes, int, int, bytes]
"""Owner folded, type, TTL, RDATA."""


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    """The comparison run from its source, and what it is made of."""
    beneath = ("appliance.zone.packed.order", "appliance.zone.diff.listing", "appliance.zone.diff.comparison")
    return uncompiled("appliance.zone.diff.difference", beneath)


def load(text: str) -> PackedZone:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "zone")
        path.write_text(text, "ascii")
        zone = load_zone(path, ORIGIN)
    assert isinstance(zone, PackedZone)
    return zone


def listing(zone: PackedZone) -> bytes:
    return b"".join(bytes(piece) for piece in Listing(zone.packed))


def written(found: Any) -> bytes:
    """Return what a listing writes to a file, if that is what it says."""
    with tempfile.TemporaryFile() as file:
        octets, checksum = found.write_to(file.fileno())
        file.seek(0)
        content = file.read()
    assert (octets, checksum) == (len(content), zlib.crc32(content))
    return content


def records(zone: Zone) -> set[Rr]:
    return {(owner, rrset.rtype, rrset.ttl, rdata) for owner, rrset in zone.rrsets() for rdata in rrset.rdatas}


def listed(octets: bytes) -> list[Rr]:
    found = []
    at = 0
    while at < len(octets):
        size, count, length = NAME.unpack_from(octets, at)
        end = at + size
        at += NAME.size
        owner = octets[at : at + length].lower()
        at += length
        for _ in range(count):
            rtype, ttl, rdlength = RECORD.unpack_from(octets, at)
            at += RECORD.size + rdlength
            found.append((owner, rtype, ttl, octets[at - rdlength : at]))
        assert at == end
    return found


def in_message(octets: bytes) -> list[Rr]:
    found = []
    at = 0
    while at < len(octets):
        start = at
        while octets[at]:
            at += octets[at] + 1
        at += 1
        owner = octets[start:at].lower()
        rtype, rclass, ttl, size = RR.unpack_from(octets, at)
        assert rclass == 1
        at += RR.size + size
        found.append((owner, rtype, ttl, octets[at - size : at]))
    return found


@strategies.deterministic
@given(strategies.zone_texts())
def test_a_listing_has_the_records_of_a_zone_in_canonical_order(text: str) -> None:
    zone = load(text)
    found = listed(listing(zone))
    assert len(found) == len(set(found))
    assert set(found) == records(zone)
    order = [names.canonical_key(owner) for owner, *_ in found]
    assert order == sorted(order)
    assert found[0][0] == ORIGIN
    inside = [(owner, rtype, rdata) for owner, rtype, _, rdata in found]
    assert sorted(inside, key=lambda one: (names.canonical_key(one[0]), *one[1:])) == inside


@strategies.deterministic
@given(strategies.zone_texts(), strategies.zone_texts(), st.data())
def test_what_differs_leads_from_one_version_to_the_other(
    plain: ModuleType, one: str, other: str, data: st.DataObject
) -> None:
    """Also between versions that differ in a few lines only, which two drawn zones never do."""
    if data.draw(st.booleans()):
        lines = one.splitlines(keepends=True)
        kept = [line for line in lines if "SOA" in line or " NS " in line or data.draw(st.integers(0, 7))]
        other = "".join(kept)
    before, after = load(one), load(other)
    old, new = listing(before), listing(after)
    found = compiled.difference(memoryview(old), memoryview(new), ORIGIN)
    assert found is not None
    removed, added = in_message(found.removed), in_message(found.added)
    assert removed[0][:2] == added[0][:2] == (ORIGIN, types.SOA)
    assert found.serials() == (before.serial, after.serial)
    same_soa = removed[0] == added[0]
    gone, came = (set(removed), set(added)) if not same_soa else (set(removed[1:]), set(added[1:]))
    assert gone == records(before) - records(after)
    assert came == records(after) - records(before)
    assert (found.removed_records, found.added_records) == (len(gone), len(came))
    assert found.is_empty == (records(before) == records(after))
    owners = {owner for owner, rtype, *_ in gone | came if (owner, rtype) != (ORIGIN, types.SOA)}
    assert found.names == len(owners)
    kinds: dict[bytes, set[int]] = {ORIGIN: {types.SOA}}
    for owner, rtype, *_ in gone | came:
        kinds.setdefault(owner, set()).add(rtype)
    assert found.changed() == kinds
    again = plain.difference(memoryview(old), memoryview(new), ORIGIN)
    assert (again.removed, again.added, again.names) == (found.removed, found.added, found.names)
    assert compiled.difference(memoryview(old), memoryview(new), ORIGIN, found.octets) == found
    assert compiled.difference(memoryview(old), memoryview(new), ORIGIN, found.octets - 1) is None


def test_an_order_of_records_and_the_case_of_an_owner_make_no_difference() -> None:
    head = "$TTL 300\n@ SOA ns root 1 2 3 4 5\n@ NS ns\n"
    lines = [f"many A 192.0.{number >> 8}.{number & 255}\n" for number in range(500)] + ["a TXT b\n", "a AAAA ::1\n"]
    one = load(head + "".join(lines))
    random.Random(1).shuffle(lines)
    other = load(head + "".join(line.replace("many", "MaNy") for line in lines))
    found = compiled.difference(memoryview(listing(one)), memoryview(listing(other)), ORIGIN)
    assert found is not None
    assert found.is_empty
    assert listed(listing(one)) == listed(listing(other))


def test_names_larger_than_a_piece_are_listed() -> None:
    """One name takes 3 MiB, and has 12,000 records."""
    long = '"' + "x" * 250 + '"'
    lines = [f"big TXT {number} {long}\n" for number in range(12_000)]
    zone = load("$TTL 300\n@ SOA ns root 1 2 3 4 5\n@ NS ns\naa A 192.0.2.1\n" + "".join(lines) + "zz A 192.0.2.1\n")
    assert set(listed(listing(zone))) == records(zone)
    assert written(Listing(zone.packed)) == listing(zone)
    assert Listing(zone.packed).whole(1 << 30) is None
    head = load("$TTL 300\n@ SOA ns root 2 2 3 4 5\n@ NS ns\naa A 192.0.2.1\nzz A 192.0.2.1\n")
    found = compiled.difference(memoryview(listing(head)), memoryview(listing(zone)), ORIGIN)
    assert found is not None
    assert (found.names, found.removed_records, found.added_records) == (1, 1, 12_001)


def test_the_same_listing_comes_from_the_uncompiled_source() -> None:
    beneath = ("appliance.zone.packed.order", "appliance.zone.packed.octets", "appliance.zone.packed.runs")
    module, packed = (
        uncompiled("appliance.zone.diff.listing", beneath),
        uncompiled("appliance.zone.packed.names", beneath),
    )
    zone = load(
        "$TTL 300\n@ SOA ns root 1 2 3 4 5\n@ NS ns\n" + "".join(f"h{n % 40} A 192.0.2.{n}\n" for n in range(200))
    )
    other = packed.Packed(zone.packed.memory, ORIGIN)
    assert b"".join(bytes(piece) for piece in module.Listing(other)) == written(module.Listing(other)) == listing(zone)
    assert module.Listing(other).whole(1 << 20) == Listing(zone.packed).whole(1 << 20) == listing(zone)
    size = len(listing(zone))
    assert Listing(zone.packed).whole(size) is not None
    assert Listing(zone.packed).whole(size - 1) is None


def test_damage_is_told_and_nothing_outside_is_read(plain: ModuleType) -> None:
    """The uncompiled source would raise IndexError where the compiled one reads what is not there."""
    chance = random.Random(3)
    zone = load("$TTL 300\n@ SOA ns root 1 2 3 4 5\n@ NS ns\n" + "".join(f"h{n} A 192.0.2.{n}\n" for n in range(20)))
    whole = listing(zone)
    told = 0
    for _ in range(3000):
        hurt = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            hurt[chance.randrange(len(hurt))] = chance.choice((0, 1, 63, 64, 192, 255, chance.randrange(256)))
        if chance.randrange(2):
            del hurt[chance.randrange(len(hurt)) :]
        pair = [memoryview(whole), memoryview(bytes(hurt))]
        chance.shuffle(pair)
        results: list[object] = []
        for module in (plain, compiled):
            try:
                found = module.difference(*pair, ORIGIN)
            except StateError:
                results.append("told")
            else:
                results.append((found.removed, found.added))
        assert results[0] == results[1]
        told += results[0] == "told"
    assert told > 300


def test_what_is_no_listing_is_told() -> None:
    whole = memoryview(listing(load("$TTL 300\n@ SOA ns root 1 2 3 4 5\n@ NS ns\n")))
    for other in (b"", b"\0", struct.pack("<IIB", 9, 0, 0), b"\xff" * 40):
        with pytest.raises(StateError, match="damaged"):
            compiled.difference(whole, memoryview(other), ORIGIN)
        with pytest.raises(StateError, match="damaged"):
            compiled.difference(memoryview(other), whole, ORIGIN)
