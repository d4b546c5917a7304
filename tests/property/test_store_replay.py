# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that come while a store is compiled anew, followed there, lead to the octets of the served one."""

import random

import pytest

from appliance.errors import StateError
from appliance.publish.replay import Replay, check_same
from appliance.store.store import Store
from appliance.zone import types
from appliance.zone.model import RRset, Zone
from tests.harness.worlds import change_zone, compile_zones, remove_zone, replace_zone, world_of
from tests.property.test_store_changes import (
    ORIGIN,
    Nodes,
    asked,
    changed_cuts,
    changed_plainly,
    differences,
    name,
    replies,
    soa,
    stranger,
)
from tests.stores.asking import SEED, store_of
from tests.stores.models import model_of
from tests.stores.signing import signed

pytestmark = pytest.mark.property

NEW = model_of("@ 300 SOA ns h 5 7200 900 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.5\n", "new.test.")


class Served:
    """A store whose zone changes at random."""

    def __init__(self, seed: int, nsec3: bool) -> None:
        """Begin with a few names."""
        self.chance = random.Random(seed)
        self._nsec3 = nsec3
        self._apex = {types.SOA: soa(1), types.NS: RRset(types.NS, 300, [name("ns")])}
        self._nodes: Nodes = {ORIGIN: self._apex, name("ns"): {types.A: RRset(types.A, 300, [b"\1\2\3\4"])}}
        self._serial = 1
        self.zone = self._built()
        self.store = store_of([stranger(), self.zone])
        for _ in range(10):
            self.change(None, small=False)

    def _built(self) -> Zone:
        zone = Zone.build(ORIGIN, {owner: dict(rrsets) for owner, rrsets in self._nodes.items()})
        return signed(zone, nsec3=True, opt_out=True) if self._nsec3 else zone

    def change(self, replay: Replay | None, small: bool) -> dict[bytes, set[int]]:
        """Change the zone, name by name or as a whole."""
        self._serial += 1
        self._nodes[ORIGIN] = {**self._apex, types.SOA: soa(self._serial)}
        (changed_cuts if self._nsec3 else changed_plainly)(self.chance, self._nodes)
        before, self.zone = self.zone, self._built()
        changed = differences(before, self.zone)
        if small:
            self.store.reclaim(change_zone(self.store, self.zone, changed))
        else:
            self.store.reclaim(replace_zone(self.store, self.zone))
        if replay is not None:
            replay.replaced(self.zone, changed if small else None)
        return changed


@pytest.mark.parametrize("nsec3", [False, True])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_followed(seed: int, whole: bool, nsec3: bool) -> None:
    served = Served(seed, nsec3)
    fresh = Store.create(8, 12, 8, SEED)
    compile_zones(fresh, [stranger(), served.zone])
    replay = Replay()
    changed: dict[bytes, set[int]] = {}
    for turn in range(5):
        for owner, kinds in served.change(replay, small=not (whole and turn == 2)).items():
            changed.setdefault(owner, set()).update(kinds)
    served.store.reclaim(remove_zone(served.store, stranger().origin))
    replay.removed(stranger().origin)
    served.store.reclaim(replace_zone(served.store, NEW))
    replay.replaced(NEW, None)
    with pytest.raises(StateError):
        check_same(fresh, served.store)
    replay.follow(world_of(fresh), set())
    check_same(fresh, served.store)
    questions = [*asked(served.chance, served.zone, changed), *served.zone.nodes, *NEW.nodes, *stranger().nodes]
    assert replies(fresh, questions) == replies(served.store, questions)


def test_another_version_is_replaced_whole() -> None:
    """What the new store was compiled from is newer than what was served: only the whole zone puts it right."""
    served = Served(9, nsec3=False)
    replay = Replay()
    served.change(replay, small=True)
    newer = Zone.build(
        ORIGIN, {ORIGIN: served.zone.nodes[ORIGIN], name("a"): {types.TXT: RRset(types.TXT, 5, [b"\1x"])}}
    )
    fresh = store_of([stranger(), newer])
    replay.follow(world_of(fresh), {ORIGIN})
    check_same(fresh, served.store)
    questions = [*served.zone.nodes, name("a"), name("b"), name("cut")]
    assert replies(fresh, questions) == replies(served.store, questions)


def test_what_nobody_has_read_again_is_refused() -> None:
    served = Served(9, nsec3=False)
    replay = Replay()
    with pytest.raises(StateError, match="is not what is served"):
        replay.follow(world_of(served.store), {ORIGIN})
