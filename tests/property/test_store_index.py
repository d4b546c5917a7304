# SPDX-License-Identifier: GPL-3.0-or-later
"""The index finds what was put in and nothing else, however full it gets and whatever moves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.compiler.neighbours.outside import add_record
from appliance.store import hashing, layout
from appliance.store.store import Store, StoreFull
from appliance.zone import names
from tests.reference.strategies import wire_name

pytestmark = pytest.mark.property

BITS = 3
labels = st.binary(min_size=1, max_size=20).map(bytes.lower)
wires = st.lists(labels, min_size=1, max_size=4).map(wire_name)


def check_filters(store: Store) -> None:
    """Each filter bit is set exactly if a name is displaced behind it."""
    wanted = [0] * (1 << BITS)
    index = store.index
    for name in store.outside:
        f = hashing.spread(hashing.name_hash(store.seed, name))
        if index.place(f) >> 3 != index.first(f):
            wanted[index.first(f)] |= 1 << ((f & 0xFFFFFFFF) >> 26)
    assert list(index.words[::8]) == wanted


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), wires), max_size=150), st.integers(0, 2**64 - 1))
def test_against_a_dictionary(steps: list[tuple[bool, bytes]], seed: int) -> None:
    store = Store.create(BITS, 1, 1, seed)
    gone: set[bytes] = set()
    for add, name in steps:
        if add:
            try:
                add_record(store, name)
            except StoreFull:
                assert len(store.outside) > layout.BUCKET_SLOTS << (BITS - 1)
                break
        elif store.outside:
            victim = sorted(store.outside)[len(name) % len(store.outside)]
            store.unlink(store.outside.pop(victim))
            gone.add(victim)
    for name, ref in store.outside.items():
        assert store.find_node(name) == ref
        assert store.name_at(ref) == name
    assert not any(store.find_node(name) for name in gone - set(store.outside))
    check_filters(store)
    assert store.get("flips") % 2 == 0


@pytest.mark.slow
@settings(deadline=None, derandomize=True, max_examples=20)
@given(st.integers(0, 2**64 - 1))
def test_load_that_the_index_bears(seed: int) -> None:
    store = Store.create(8, 1, 1, seed)
    slots = layout.BUCKET_SLOTS << 8
    for number in range(slots * 9 // 10):
        add_record(store, names.from_text(f"{number}-host.example."))
    assert all(store.find_node(name) == ref for name, ref in store.outside.items())
    assert any(store.index.words[::8]), "some names are displaced"
