# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand-written zones: good ones are read as dnspython reads them, bad ones refused for just what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import dns.name
import pytest

from appliance.errors import ZoneError
from appliance.zone import names
from appliance.zone.check import check_zone
from appliance.zone.load import load_zone
from tests.reference.compare import model_records, reference_records
from tests.reference.data import DataZone, bad_zones, example_zones, good_zones
from tests.reference.zone import ReferenceZone

pytestmark = pytest.mark.unit

READABLE = [*good_zones(), *example_zones()]
NESTED_INCLUDES = "includes.zone"  # dnspython takes names in $INCLUDE as relative to the working directory


def name(zone: DataZone) -> str:
    return zone.path.stem


def test_there_are_zones_to_test() -> None:
    assert len(good_zones()) >= 14
    assert len(bad_zones()) >= 20
    assert len(example_zones()) >= 2


@pytest.mark.parametrize("zone", [zone for zone in READABLE if zone.path.name != NESTED_INCLUDES], ids=name)
def test_good_zones_are_read_as_dnspython_reads_them(zone: DataZone) -> None:
    reference = ReferenceZone.from_file(zone.path, dns.name.from_wire(zone.origin, 0)[0])
    assert model_records(load_zone(zone.path, zone.origin)) == reference_records(reference)


@pytest.mark.parametrize("zone", READABLE, ids=name)
def test_good_zones_have_no_errors(zone: DataZone) -> None:
    findings = check_zone(zone.path, zone.origin)
    assert [finding for finding in findings if finding.severity == "error"] == []
    lines = zone.path.read_bytes().count(b"\n") + 1
    assert all(finding.file == str(zone.path) and 0 <= finding.line <= lines for finding in findings)


def test_the_bundled_example_is_beyond_reproach() -> None:
    example = next(zone for zone in example_zones() if zone.path.stem == "example.org")
    assert check_zone(example.path, example.origin) == []


@pytest.mark.parametrize("zone", bad_zones(), ids=name)
def test_bad_zones_are_refused_for_what_is_wrong_with_them(zone: DataZone) -> None:
    assert zone.expectations
    with pytest.raises(ZoneError, match="cannot be loaded") as caught:
        load_zone(zone.path, zone.origin)
    found = caught.value.findings
    assert [(Path(finding.file).name, finding.line, finding.severity) for finding in found] == sorted(
        (expected[:3] for expected in zone.expectations), key=lambda place: (place[0] != zone.path.name, place[1])
    )
    for file, line, _, reason in zone.expectations:
        said = [finding.reason for finding in found if (Path(finding.file).name, finding.line) == (file, line)]
        assert any(reason in words for words in said), said
    assert check_zone(zone.path, zone.origin) == found


def test_includes_take_and_leave_the_origin_and_ttl() -> None:
    zone = next(zone for zone in good_zones() if zone.path.name == NESTED_INCLUDES)
    addresses = {
        names.to_text(owner): (rrset.ttl, rrset.rdatas[0][3])
        for owner, rrset in load_zone(zone.path, zone.origin).rrsets()
        if rrset.rtype == 1
    }
    assert addresses == {
        "ns1.inc.example.": (3600, 1),
        "ns2.inc.example.": (3600, 2),
        "host.sub.inc.example.": (60, 20),
        "x.sub.inc.example.": (60, 21),
        "leaf.x.sub.inc.example.": (60, 22),
        "after.inc.example.": (3600, 30),
        "ns1.deeper.inc.example.": (3600, 1),
        "ns2.deeper.inc.example.": (3600, 2),
    }


def root_zone() -> Path:
    """Find a copy of the real root zone, named or in a data folder beside the checkout; else the small bundled one."""
    checkout = Path(__file__).parents[3]
    named = os.environ.get("APPLIANCE_ROOT_ZONE")
    found = sorted(checkout.parent.glob("*/data/root-*.zone"))
    return Path(named) if named else found[-1] if found else checkout / "appliance" / "examples" / "root.zone"


@pytest.mark.timeout(300)
def test_a_root_zone_is_read_as_dnspython_reads_it() -> None:
    path = root_zone()
    zone = load_zone(path, names.ROOT)
    assert zone.delegations
    assert model_records(zone) == reference_records(ReferenceZone.from_file(path, dns.name.root))
