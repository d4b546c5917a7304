# SPDX-License-Identifier: GPL-3.0-or-later
"""Every name of the corner-case zones and its neighbours, asked for types in turn, against the oracle."""

from pathlib import Path

import pytest

from appliance.zone import names, types
from appliance.zone.load import load_zone
from appliance.zone.model import Zone
from tests.reference.zone import ReferenceZone
from tests.stores.asking import differences, store_of
from tests.stores.signing import signed

pytestmark = pytest.mark.unit

FOLDER = Path(__file__).parents[2] / "interop" / "zones"
TYPES = (types.A, types.NS, types.CNAME, types.SOA, types.MX, types.DNAME, types.DS, types.RRSIG, types.NSEC, types.ANY)
DENIALS = {
    "unsigned": None,
    "nsec": {},
    "nsec3": {"nsec3": True, "salt": b"\xab\xcd"},
    "opt-out": {"nsec3": True, "opt_out": True},
}


def zones(denial: str) -> list[Zone]:
    options = DENIALS[denial]
    found = [load_zone(path, names.from_text(path.stem)) for path in sorted(FOLDER.glob("*.zone"))]
    return found if options is None else [signed(zone, **options) for zone in found]


def neighbourhood(zone: Zone) -> set[bytes]:
    """Return the names of a zone, and names above, below and beside each."""
    found = set()
    for owner in (*zone.nodes, *zone.ents):
        found |= {owner, names.parent(owner), b"\x01x" + owner, b"\x01*" + owner, b"\x01!\x01y" + owner}
        if len(owner) > len(zone.origin):
            found.add(b"\x02zz" + names.parent(owner))
    return {name for name in found if len(name) <= names.MAX_NAME}


@pytest.mark.slow
@pytest.mark.parametrize("denial", DENIALS)
def test_corner_zones(denial: str) -> None:
    loaded = zones(denial)
    store = store_of(loaded)
    reference = [ReferenceZone.from_model(zone) for zone in loaded]
    asked = sorted(set().union(*map(neighbourhood, loaded)))
    wrong = []
    for at, qname in enumerate(asked):
        for step in range(3):
            rtype = TYPES[(at * 3 + step) % len(TYPES)]
            found = differences(store, reference, qname, rtype, denial != "unsigned")
            wrong += [f"{names.to_text(qname)} {types.type_text(rtype)}: {found}"] if found else []
    assert len(asked) > 700
    assert not wrong
