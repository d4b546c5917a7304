# SPDX-License-Identifier: GPL-3.0-or-later
"""A change by difference, looked at before each line of it that runs: readers find the old zone or the new one, whole.

The NIC path decides with the flip sequence unchanged and copies afterwards, while the writer goes on. So a reader is
held here, too, that has decided before the change and copies at some step of it: nothing it refers to may change.
"""

import functools
import random
from pathlib import Path

import pytest

from appliance import compiler
from appliance import store as store_folder
from appliance.lookup.find import find
from appliance.lookup.render import put_fragment, variant
from appliance.store.store import Store
from appliance.zone import types
from appliance.zone.model import RRset, Zone
from tests.harness.tracing import at_each_line
from tests.harness.worlds import change_zone, replace_zone
from tests.property.test_store_changes import (
    CUTS,
    ORIGIN,
    Nodes,
    changed_cuts,
    changed_plainly,
    differences,
    name,
    replies,
    soa,
)
from tests.stores.asking import SEED
from tests.stores.signing import signed

pytestmark = pytest.mark.property

MADE = tuple(f"{Path(str(package.__file__)).parent}/" for package in (compiler, store_folder))
KINDS = (types.DS, types.A, types.SOA)
QUESTIONS = [ORIGIN, name("ns"), name("no"), *[name(prefix + cut) for cut in CUTS[1:4] for prefix in ("", "x.")]]


class Decided:
    """A reader that knows all its fragments and has copied none."""

    def __init__(self, store: Store, qname: bytes, qtype: int, dnssec_ok: bool) -> None:
        """Decide."""
        self._store = store
        self._length = len(qname)
        outcome = find(store, qname, qtype, dnssec_ok)
        self._fragments = variant(store, outcome.answer, outcome, qname).fragments
        self.first = self.copied()

    def copied(self) -> bytes:
        """Return the sections as they are copied now."""
        out = bytearray()
        for start in self._fragments:
            put_fragment(self._store, start, out, self._length)
        return bytes(out)


class Watch:
    """Looks at a store while it changes."""

    def __init__(self, store: Store, after: list[bytes], questions: list[bytes]) -> None:
        """Take the replies to questions that the change shall lead to."""
        self._store = store
        self._after = after
        self._questions = questions
        self._before = replies(store, questions)
        self._decided = [
            Decided(store, one, kind, dnssec_ok) for one in questions for kind in KINDS for dnssec_ok in (False, True)
        ]
        self._turn = 0
        self.seen: list[str] = []

    def look(self, _: str) -> None:
        """Fail unless what is said is one of both versions, whole, and what was decided stays as it was."""
        store = self._store
        assert all(reader.copied() == reader.first for reader in self._decided), f"step {len(self.seen)} tears"
        if store.get("flips") & 1:
            self.seen.append("flip")
            return
        self._turn += 1
        visible = store.zone_word(store.numbers[ORIGIN], "version")
        if self.seen and self._turn % 16 and self.seen[-1] == f"{visible}":
            return  # what is said is looked at when it may have changed, and at each sixteenth step
        said = replies(store, self._questions)
        assert said in (self._before, self._after), f"step {len(self.seen)} shows a blend"
        self.seen.append(f"{visible}")
        if said == self._after != self._before:
            assert "flip" in self.seen


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["unsigned", "nsec3"])
def test_each_step(scheme: str) -> None:
    chance = random.Random(11)
    apex = {types.SOA: soa(1), types.NS: RRset(types.NS, 300, [name("ns")])}
    nodes: Nodes = {ORIGIN: apex, name("ns"): {types.A: RRset(types.A, 300, [b"\1\2\3\4"])}}
    for _ in range(4):
        changed_cuts(chance, nodes)

    def built() -> Zone:
        zone = Zone.build(ORIGIN, {owner: dict(rrsets) for owner, rrsets in nodes.items()})
        return signed(zone, nsec3=True, opt_out=True) if scheme == "nsec3" else zone

    zone = built()
    store, fresh = Store.create(8, 12, 8, SEED), Store.create(8, 12, 8, SEED)
    replace_zone(store, zone)
    state = store.states[store.numbers[ORIGIN]]
    small = 0
    for serial in range(2, 6):
        nodes[ORIGIN] = {**apex, types.SOA: soa(serial)}
        (changed_cuts if scheme == "nsec3" else changed_plainly)(chance, nodes)
        before, zone = zone, built()
        fresh.reclaim(replace_zone(fresh, zone))
        watch = Watch(store, replies(fresh, QUESTIONS), QUESTIONS)
        changed = differences(before, zone)
        at_each_line(MADE, functools.partial(change_zone, store, zone, changed), watch.look)
        assert "flip" in watch.seen
        assert replies(store, QUESTIONS) == replies(fresh, QUESTIONS)
        small += store.states[store.numbers[ORIGIN]] is state
        state = store.states[store.numbers[ORIGIN]]
    assert small > 2
