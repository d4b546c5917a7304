# SPDX-License-Identifier: GPL-3.0-or-later
"""In a small signed zone, what is answered without DO lies together, apart from what only DO and DS questions get."""

from pathlib import Path

import pytest

from appliance.compiler import show
from appliance.store.layout import CHUNK_GRANULES, NODE_OTHER_PLACE, START_GRANULES
from appliance.store.store import Store, ZoneState
from appliance.zone import names
from appliance.zone.load import load_zone
from appliance.zone.model import Zone
from tests.harness.worlds import remove_zone
from tests.stores.asking import store_of
from tests.stores.models import model_of
from tests.stores.signing import signed

pytestmark = pytest.mark.unit

APEX = "@ 300 SOA ns hostmaster 1 7200 900 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n"
CUTS = "".join(f"c{n:03d} 300 NS ns.c{n:03d}\nns.c{n:03d} 300 A 192.0.2.{n % 250}\n" for n in range(200))
DS = "".join(f"c{n:03d} 300 DS {n} 13 2 {n:064x}\n" for n in range(200))


def places(store: Store, zone: Zone) -> tuple[int, int]:
    """Return how many octets the referrals without DO, and those with it, spread over."""
    spans = []
    for which in (0, 1):
        refs = [store.node(ref)[NODE_OTHER_PLACE + which] for cut in zone.delegations for ref in store.nodes_of(cut)]
        spans.append(16 * (max(refs) - min(refs)))
    return spans[0], spans[1]


@pytest.mark.parametrize("nsec3", [False, True])
def test_answers_without_do_lie_together(nsec3: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    unsigned = model_of(APEX + CUTS + DS, "example.")
    zone = signed(unsigned, nsec3=nsec3)
    bare, _ = places(store_of([unsigned]), unsigned)
    divided = store_of([zone])
    assert places(divided, zone)[0] < 1.5 * bare
    (state,) = (state for state in divided.states.values() if isinstance(state, ZoneState))
    assert state.extents, "both arenas are given back"
    monkeypatch.setattr(show, "DIVIDED", 1)
    assert places(store_of([zone]), zone)[0] > 1.9 * bare, "a larger zone's answers stand behind their nodes"


def test_the_octets_of_both_arenas_come_back() -> None:
    store = store_of([signed(model_of(APEX + CUTS + DS, "example."))])
    before = store.heap.free_octets()
    store.reclaim(remove_zone(store, names.from_text("example.")))
    assert store.heap.free_octets() > before
    assert not [state for state in store.states.values() if isinstance(state, ZoneState) and state.extents]


def test_no_object_of_a_large_zone_starts_at_the_end_of_a_chunk(tmp_path: Path) -> None:
    """The program reads any object through a window of 4 KiB: what starts later it takes for missing."""
    path = tmp_path / "zone"
    cuts = "".join(
        f"c{n:05d} NS {'long' * 15}.{'host' * (n % 15)}{n}.{i}{n}.test.\n" for n in range(25_000) for i in range(5)
    )
    path.write_text("$TTL 300\n" + APEX + cuts)
    store = store_of([load_zone(path, names.from_text("example."))])
    (state,) = (state for state in store.states.values() if isinstance(state, ZoneState))
    refs = [*state.nodes, *(answer for ref in state.nodes for answer in store.node(ref)[8:10])]
    assert store.heap.highest > 16 * CHUNK_GRANULES, "many chunks"
    assert [hex(ref) for ref in refs if ref % CHUNK_GRANULES >= START_GRANULES] == []
