# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones come, change and go in any order; what is left answers like a fresh store, and keeps no room."""

import random

import pytest

from appliance.compiler.neighbours.family import Dependents
from appliance.compiler.neighbours.tree import NameTree
from appliance.errors import ZoneError
from appliance.store.store import Store
from appliance.zone import names, types
from appliance.zone.model import Zone
from tests.harness.worlds import remove_zone, replace_zone, world_of
from tests.stores.asking import SEED, ask, store_of
from tests.stores.models import model_of

pytestmark = pytest.mark.property

ORIGINS = ["test.", "a.test.", "b.a.test.", "x.y.a.test.", "y.a.test.", "other.", "deep.er.other.", "c.cut.test."]
APEX = """
@ 300 SOA ns hostmaster {serial} 7200 900 1209600 300
@ 300 NS ns
ns 300 A 192.0.2.{serial}
"""
EXTRA = [
    "a 300 NS ns.elsewhere.\n",
    "cut 300 NS ns.cut\nns.cut 300 A 192.0.2.200\n",
    "alias 300 CNAME ns.other.\n",
    "alias 300 CNAME ns.x.y.a.test.\n",
    "* 300 TXT wild\n",
    "y 300 A 192.0.2.201\n",
    "d 300 DNAME other.\n",
    "b.a 300 A 192.0.2.203\n",
]
FIRST = ["", "ns.", "no.", "alias.", "cut.", "q.cut.", "ns.d.", "y.", "a.", "q.a."]
ASKED = sorted({names.from_text(first + origin) for first in FIRST for origin in [*ORIGINS, "er.other.", "cut.test."]})


def some_zone(chance: random.Random, origin: str) -> Zone:
    text = APEX.format(serial=chance.randrange(1, 200))
    return model_of(text + "".join(chance.sample(EXTRA, chance.randrange(4))), origin)


def replies(store: Store) -> list[bytes]:
    return [ask(store, name, rtype) for name in ASKED for rtype in (types.A, types.DS, types.NS)]


@pytest.mark.slow
@pytest.mark.parametrize("fetched", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_like_a_fresh_store(seed: int, fetched: bool) -> None:
    chance = random.Random(seed)
    store = Store.create(6, 3, 20, SEED)
    zones: dict[bytes, Zone] = {}
    if fetched:
        world_of(store).fetch = zones.__getitem__
    for _ in range(60):
        origin = chance.choice(ORIGINS)
        wire = names.from_text(origin)
        if wire in zones and chance.random() < 0.4:
            del zones[wire]
            store.reclaim(remove_zone(store, wire))
        else:
            zones[wire] = some_zone(chance, origin)
            store.reclaim(replace_zone(store, zones[wire]))
        fresh = store_of(zones.values())
        assert replies(store) == replies(fresh)
        assert set(store.outside) == set(fresh.outside)
        assert store.depths == fresh.depths
    for wire in list(zones):
        del zones[wire]
        store.reclaim(remove_zone(store, wire))
    assert store.heap.free == Store.create(6, 3, 20, SEED).heap.free
    assert not any(store.index.words)
    assert not len(world_of(store))


def test_what_cannot_be_fetched_ends_a_chain() -> None:
    def gone(origin: bytes) -> Zone:
        raise ZoneError("the file has changed")

    store = Store.create(6, 3, 20, SEED)
    world_of(store).fetch = gone
    chance = random.Random(1)
    store.reclaim(replace_zone(store, some_zone(chance, "other.")))
    store.reclaim(replace_zone(store, model_of(APEX.format(serial=1) + EXTRA[2], "test.")))
    reply = ask(store, names.from_text("alias.test."), types.A)
    assert reply[3] & 15 == 0
    assert int.from_bytes(reply[6:8], "big") == 1


def test_tree_like_the_slow_way() -> None:
    chance = random.Random(7)
    pool = [names.from_text(".".join(chance.choices("abc", k=chance.randrange(5))) + ".") for _ in range(60)]
    pool = [name if name != b"\0\0" else b"\0" for name in pool]
    tree, members = NameTree(), set[bytes]()
    for _ in range(3000):
        name = chance.choice(pool)
        if chance.random() < 0.5:
            assert tree.add(name) is (name not in members)
            members.add(name)
        else:
            assert tree.discard(name) is (name in members)
            members.discard(name)
        asked = chance.choice(pool)
        below = {one for one in members if one != asked and names.is_subdomain(one, asked)}
        assert set(tree.below(asked)) == below
        assert tree.leads_down(asked) is bool(below)
        above = [one for one in members if one != asked and names.is_subdomain(asked, one)]
        assert tree.above(asked) == max(above, key=len, default=None)
    for name in list(members):
        tree.discard(name)
    assert not tree._down, "nothing is left behind"


def test_dependents_leave_nothing() -> None:
    found = Dependents()
    found.note(b"\1a\0", (), {b"\1x\1y\0", b"\1y\0"})
    found.note(b"\1b\0", (), {b"\1y\0"})
    assert found.under(b"\1y\0") == {b"\1a\0", b"\1b\0"}
    assert found.under(b"\1x\1y\0") == {b"\1a\0"}
    found.note(b"\1a\0", {b"\1x\1y\0", b"\1y\0"}, ())
    found.note(b"\1b\0", {b"\1y\0"}, ())
    assert not found.under(b"\0")
