# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains, versions, depth hints and the zone table of the store."""

import pytest

from appliance.errors import StateError
from appliance.store import hashing, layout
from appliance.store.layout import FOREVER, NODE, NODE_APEX, NODE_CUT, NODE_OUTSIDE
from appliance.store.shape import name_offset
from appliance.store.store import Store, StoreFull
from appliance.zone import names
from tests.stores.asking import SEED

pytestmark = pytest.mark.unit

H = 0x123456789


def node(store: Store, text: str, flags: int = 0, zone: int = 0, start: int = 0, until: int = FOREVER) -> int:
    """Write a bare node; return its reference."""
    name = names.from_text(text)
    stored = name[: len(name) - len(store.suffix(zone))]
    head = NODE.pack(len(stored), names.label_count(name), flags, 0, zone, start, until, 0, 0, 0, 0, 0, 0)
    return store.arena().put(head[: name_offset(flags)] + stored)


@pytest.fixture
def store() -> Store:
    return Store.create(4, 1, 4, SEED)


def test_names_of_one_hash_share_a_chain(store: Store) -> None:
    refs = {text: node(store, text) for text in ("a.", "b.", "c.")}
    for ref in refs.values():
        store.insert(ref, H)
    assert {text: store.find_node(names.from_text(text), H) for text in refs} == refs
    assert not store.find_node(names.from_text("d."), H)


def test_apex_before_cut_before_outside(store: Store) -> None:
    flags = (NODE_CUT, NODE_OUTSIDE, NODE_APEX, NODE_CUT)
    refs = [node(store, "a.", flag) for flag in flags]
    for ref in refs:
        store.insert(ref, H)
    assert list(store.chain(hashing.spread(H))) == [refs[2], refs[3], refs[0], refs[1]]


def test_a_chain_has_an_end(store: Store) -> None:
    for number in range(layout.CHAIN_MAX):
        store.insert(node(store, f"n{number}."), H)
    with pytest.raises(StoreFull, match="another seed"):
        store.insert(node(store, "more."), H)


def test_versions_hide_records(store: Store) -> None:
    number = store.zone_number(names.from_text("a."), 1)
    old = node(store, "a.", zone=number, start=1, until=2)
    new = node(store, "a.", zone=number, start=2)
    store.insert(old, H)
    store.insert(new, H)
    found = []
    for version in range(4):
        store.set_zone_word(number, "version", version)
        found.append(store.find_node(names.from_text("a."), H))
    assert found == [0, old, new, new]


def test_depths(store: Store) -> None:
    refs = []
    for text in ("a.", "b.a.", "c.a.", "d.c.b.a."):
        refs.append(node(store, text))
        store.insert(refs[-1], hashing.name_hash(SEED, names.from_text(text)))
    store.note_depths()
    assert [store.get(field) for field in ("min_depth", "hint_depth", "max_depth", "nodes")] == [1, 2, 4, 4]
    store.unlink(refs[3])
    store.note_depths()
    assert store.get("max_depth") == 2


def test_unlinking_twice_does_nothing(store: Store) -> None:
    ref = node(store, "a.")
    store.insert(ref, hashing.name_hash(SEED, names.from_text("a.")))
    store.unlink(ref)
    store.unlink(ref)
    assert not any(store.index.words)
    assert store.depths[1] == 0


def test_zone_rows_run_out(store: Store) -> None:
    for number in range(4):
        store.zone_number(names.from_text(f"z{number}."), 1)
    with pytest.raises(StoreFull, match="4 rows"):
        store.zone_number(names.from_text("more."), 1)
    store.forget_zone(names.from_text("z1."))
    assert store.zone_number(names.from_text("more."), 1) == 2


def test_nested_flips_are_one(store: Store) -> None:
    with store.flipping():
        assert store.get("flips") == 1
        with store.flipping():
            assert store.get("flips") == 1
    assert store.get("flips") == 2


def test_what_is_no_store() -> None:
    zeros = (bytearray(256), bytearray(1024), bytearray(layout.HEAP_CHUNK), bytearray(256))
    with pytest.raises(StateError, match="no answer store"):
        Store.over(*zeros)
    with pytest.raises(StateError, match="power of two"):
        Store.form(zeros[0], bytearray(64 * 3), zeros[2], zeros[3], SEED)


def test_a_reader_sees_what_the_writer_wrote(store: Store) -> None:
    number = store.zone_number(names.from_text("a."), 1)
    ref = node(store, "a.", NODE_APEX, number, 1)
    store.insert(ref, hashing.name_hash(SEED, names.from_text("a.")))
    store.set_slot(number, 1, (7, ref, 0, 0, 0, 0, 0, 0))
    store.set_zone_word(number, "state", layout.ZONE_SERVING)
    store.set_zone_word(number, "version", 1)
    reader = Store.over(*store.buffers)
    assert reader.numbers == {names.from_text("a."): number}
    assert reader.find_node(names.from_text("a.")) == ref
