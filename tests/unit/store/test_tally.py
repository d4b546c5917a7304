# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store says it holds is what it holds."""

import pytest

from appliance.store.store import ZoneState
from appliance.store.tally import as_dict, holdings
from appliance.zone import names
from tests.harness.worlds import remove_zone
from tests.stores.asking import store_of
from tests.stores.models import model_of
from tests.stores.signing import signed

pytestmark = pytest.mark.unit

APEX = "@ 300 SOA ns hostmaster 1 7200 900 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n"
CUTS = "".join(f"c{n:03d} 300 NS ns.provider.test.\nc{n:03d} 300 NS ns2.provider.test.\n" for n in range(200))


def test_cuts_with_the_same_servers_share_one_body() -> None:
    found = holdings(store_of([model_of(APEX + CUTS, "example.")]))
    assert (found.zones, found.names, found.nodes) == (1, 202, 202)
    assert found.references >= 200
    assert found.fragments < 10
    assert found.sharing > 20


def test_every_octet_is_counted_once() -> None:
    store = store_of([model_of(APEX + CUTS, "example."), signed(model_of(APEX, "a.test."), nsec3=True)])
    found = holdings(store)
    states = [state for state in store.states.values() if isinstance(state, ZoneState)]
    taken = 16 * sum(end - start for state in states for start, end in state.extents)
    octets = found.node_octets + found.answer_octets + found.fragment_octets + found.other_octets
    assert octets == taken
    assert found.other_octets > 0, "the table of hashes"
    for origin in ("example.", "a.test."):
        store.reclaim(remove_zone(store, names.from_text(origin)))
    empty = holdings(store)
    assert (empty.nodes, empty.fragments, empty.other_octets, empty.waste_octets) == (0, 0, 0, 0)
    assert as_dict(empty)["sharing"] == 1.0
