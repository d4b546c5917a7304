# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones that are looked through in halves are what they are when looked through in one go, and so is what is said."""

from __future__ import annotations

import os
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.zone import names, threads, types
from appliance.zone.checks import dnssec as check_dnssec
from appliance.zone.checks import levels
from appliance.zone.checks.findings import Findings
from appliance.zone.dnssec import key_tag
from appliance.zone.load import assemble, load_zone
from appliance.zone.master import scanner
from appliance.zone.master.records import Records
from appliance.zone.model import RRset, Zone
from appliance.zone.packed import names as packed
from appliance.zone.packed.size import weigh
from tests.property.test_zone_model import load
from tests.reference import strategies
from tests.stores.contents import as_text
from tests.stores.signing import signed
from tests.unit.compiler.bulk.test_bulk import registry

pytestmark = pytest.mark.property

NOW = 1_800_000_000
DNSKEY = b"\x01\x01\x03\x0d" + bytes(range(64))
ORIGIN = names.from_text("tld.")
SCHEMES: dict[str, dict[str, Any] | None] = {
    "unsigned": None,
    "nsec": {},
    "nsec3": {"nsec3": True, "salt": b"\xab"},
    "opt-out": {"nsec3": True, "opt_out": True},
}


def signature(zone: Zone, owner: bytes, rrset: RRset, size: int) -> RRset:
    """Return an RRSIG RRset of the made-up key that signing adds, in force at NOW."""
    key = zone.nodes[zone.origin][types.DNSKEY].rdatas[0] if types.DNSKEY in zone.nodes[zone.origin] else DNSKEY
    head = rrset.rtype.to_bytes(2, "big") + bytes((13, names.label_count(owner) - names.is_wildcard(owner)))
    head += b"".join(number.to_bytes(4, "big") for number in (rrset.ttl, NOW + 1000, NOW - 1000))
    tag = key_tag(key).to_bytes(2, "big")
    return RRset(types.RRSIG, rrset.ttl, [head + tag + zone.origin + bytes(size)])


def damaged(text: str, chance: random.Random, share: float, refused: bool) -> str:
    """Return a zone's text with some of its lines gone, twice there, or with another TTL, key or case of letters.

    refused adds some of another class or out of the zone.
    """
    lines = []
    for line in text.splitlines(keepends=True):
        kind = chance.random() / share
        owner, ttl, rest = line.split(" ", 2)
        if kind < 0.3:
            continue
        if kind < 0.5:
            lines.append(line)
        elif kind < 0.7:
            line = f"{owner} {int(ttl) + 1} {rest}"
        elif kind < 0.75 and refused:
            line = f"{owner} {ttl} {rest.replace('IN', 'CH', 1)}"
        elif kind < 0.8 and refused:
            line = f"elsewhere.example. {ttl} {rest}"
        elif kind < 0.9 and "TYPE46" in line:
            line = line[:-150] + "ff" + line[-148:]  # in the times, the tag or the signer
        elif kind < 1:
            line = f"{owner.swapcase()} {ttl} {rest}"
        lines.append(line)
    return "".join(lines)


def borders(records: Records) -> list[int]:
    """Return where records stand that have their owner."""
    found = []
    at = records.after(0) if records.count else 0
    while at < len(records.octets):
        if records.octets[at + 14]:
            found.append(at)
        at = records.after(at)
    return found


def outcome(records: Records, origin: bytes) -> Any:
    """Return what is found wrong with a zone, its summary, and what is known of each of its names."""
    findings = Findings(records)
    zone: Any = assemble(records, origin, findings)
    if zone is None:
        return findings.finish(), None
    summary = check_dnssec.check(zone, findings, now=NOW)
    data = zone.packed
    known = [(data.name(i), data.flags_of(i), list(data.places(i))) for i in range(data.count)]
    seen = [rtype for rtype in range(256) if data.has_type(rtype)]
    weights = [weigh(data, *how) for how in ((0, 0, 0), (1, 1, 0), (1, 1, 900))]
    return findings.finish(), summary, known, data.ent_names, data.wildcards, data.flagged, seen, weights


def both_ways(text: str, origin: bytes, chance: random.Random) -> None:
    """Look through a zone whole and in halves, and compare."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder, "zone")
        path.write_text(text)
        patch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
        patch.setattr(levels, "MAX_OF_A_CLASS", 7)
        patch.setattr(threads, "_LEAST", 1 << 30)
        whole = outcome(scanner.scan_file(path, origin), origin)
        patch.setattr(threads, "_LEAST", 2)
        patch.setattr(packed, "SPLIT", 0)
        for _ in range(3):
            records = scanner.scan_file(path, origin)
            border = chance.choice(borders(records) or [0])
            assert outcome(replace(records, border=border), origin) == whole, border


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("share", [1e-9, 0.005, 0.3])
@pytest.mark.parametrize("order", ["data first", "shuffled"])
@pytest.mark.parametrize("refused", [False, True])
def test_a_registry(tmp_path: Path, scheme: str, share: float, order: str, refused: bool) -> None:
    chance = random.Random(f"{scheme} {share} {order}")
    path = tmp_path / "plain"
    path.write_text(registry(chance.randrange(1000), 150))
    zone = load_zone(path, ORIGIN)
    options = SCHEMES[scheme]
    text = as_text(zone if options is None else signed(zone, signer=signature, **options))
    lines = damaged(text, chance, share, refused).splitlines(keepends=True)
    if order == "shuffled":
        chance.shuffle(lines)
    both_ways("".join(lines), ORIGIN, chance)


@strategies.deterministic
@given(strategies.zone_texts(), st.sampled_from(sorted(SCHEMES)), st.integers(0, 1 << 32), st.sampled_from((1e-9, 0.1)))
def test_any_zone(text: str, scheme: str, seed: int, share: float) -> None:
    zone, options = load(text), SCHEMES[scheme]
    if options is not None:
        zone = signed(zone, signer=signature, **options)
    chance = random.Random(seed)
    both_ways(damaged(as_text(zone), chance, share, False), zone.origin, chance)
