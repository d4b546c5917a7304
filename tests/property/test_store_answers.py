# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the zones and the question, the store says what the oracle demands, before and after zones change."""

import dns.name
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from appliance.store.store import Store
from appliance.zone.model import Zone
from tests.harness.worlds import compile_zones, remove_zone, replace_zone
from tests.reference import strategies
from tests.reference.zone import ReferenceZone
from tests.stores.asking import SEED, differences
from tests.stores.models import model_of
from tests.stores.signing import signed

pytestmark = pytest.mark.property

QUESTIONS = 12
# Not shrunk: what is drawn is small already, and shrinking takes minutes.
relaxed = settings(
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def read(made: list[tuple[dns.name.Name, str]], data: st.DataObject, sign: bool) -> list[Zone]:
    """Return models of drawn zones, each signed in its own way if asked for."""
    found = []
    for origin, text in made:
        zone = model_of(text, origin)
        if sign:
            denial = data.draw(st.sampled_from(("nsec", "nsec3", "opt-out", "unsigned")))
            if denial != "unsigned":
                salt = data.draw(st.sampled_from((b"", b"\xab\xcd")))
                zone = signed(zone, denial != "nsec", denial == "opt-out", salt)
        found.append(zone)
    return found


def compare(store: Store, zones: list[Zone], data: st.DataObject) -> None:
    """Ask a handful of questions, with and without DO."""
    reference = [ReferenceZone.from_model(zone) for zone in zones]
    for _ in range(QUESTIONS):
        qname, qtype = data.draw(strategies.questions(reference))
        for dnssec_ok in (False, True):
            wrong = differences(store, reference, qname, qtype, dnssec_ok)
            assert not wrong, f"{qname!r} {qtype} DO={dnssec_ok}: {wrong}"


@pytest.mark.slow
@relaxed
@given(st.data())
def test_zone_sets(data: st.DataObject) -> None:
    zones = read(data.draw(strategies.zone_sets()), data, data.draw(st.booleans()))
    store = Store.create(6, 4, 8, SEED)
    compile_zones(store, zones)
    compare(store, zones, data)


@pytest.mark.slow
@relaxed
@given(st.data())
def test_changing_zones(data: st.DataObject) -> None:
    """Zones that come one by one, change and go leave the store as if the rest had been compiled at once."""
    sign = data.draw(st.booleans())
    first = read(data.draw(strategies.zone_sets()), data, sign)
    second = read(data.draw(strategies.zone_sets()), data, sign)
    store = Store.create(6, 4, 8, SEED)
    free = store.heap.free_octets()
    compile_zones(store, first)
    here = {zone.origin: zone for zone in first}
    for zone in second:
        if data.draw(st.booleans()):
            store.reclaim(replace_zone(store, zone))
            here[zone.origin] = zone
    for origin in list(here):
        if len(here) > 1 and data.draw(st.booleans()):
            store.reclaim(remove_zone(store, origin))
            del here[origin]
    compare(store, list(here.values()), data)
    for origin in here:
        store.reclaim(remove_zone(store, origin))
    assert store.heap.free_octets() == free
    assert store.get("nodes") == 0
    assert not store.index.displaced
    assert not any(store.index.words)
