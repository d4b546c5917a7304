# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones that get another text together answer like freshly loaded ones, and leave nothing behind."""

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from appliance.compiler.template import copies, template
from appliance.compiler.template.replacement import Replacements
from appliance.store.states import CopyState
from appliance.store.store import Retired, Store, StoreFull
from appliance.zone import names, types
from appliance.zone.load import load_zone
from appliance.zone.model import Zone
from tests.harness.uncompiled import uncompiled
from tests.harness.worlds import compile_zones, remove_zone, world_of
from tests.property.test_store_templates import APEX, LINES, ORIGINS, empty, replies, text_of
from tests.stores.asking import SEED, ask

pytestmark = pytest.mark.property


class Served:
    """Zones in a store that get other texts, by the texts where that is possible."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.path = folder / "text.zone"
        self.store = store
        self.templates = Replacements(world_of(store))
        self.zones: dict[bytes, Zone] = {}
        self.copied = 0

    def read(self, origin: bytes) -> Zone:
        return load_zone(self.path, origin)

    def put(self, origin: bytes, text: bytes) -> None:
        self.path.write_bytes(text)
        if self.templates.put(origin, text, self.read):
            self.copied += 1
        else:
            self.store.reclaim(compile_zones(self.store, [self.read(origin)]))
        self.zones[origin] = self.read(origin)

    def all(self, origins: list[bytes], text: Callable[[], bytes]) -> None:
        for origin in origins:
            self.put(origin, text())
        self.templates.close()
        self.store.reclaim(Retired(self.templates.take_retired()))

    def check(self) -> None:
        """Compare with a store in which these versions are the first ones."""
        fresh = empty()
        compile_zones(fresh, self.zones.values())
        assert replies(self.store) == replies(fresh)
        for word in ("nodes", "max_depth", "min_depth"):
            assert self.store.get(word) == fresh.get(word)
        assert set(self.store.numbers) == set(fresh.numbers)
        assert len(set(self.store.numbers.values())) == len(self.zones)

    def remove_all(self) -> None:
        for origin in list(self.zones):
            self.store.reclaim(remove_zone(self.store, origin))
        assert self.store.heap.free == empty().heap.free
        assert not any(self.store.index.words)


@pytest.mark.parametrize("seed", range(16))
def test_like_a_cold_load(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    served = Served(tmp_path, empty())
    known = [text_of(chance) for _ in range(3)]
    origins = [names.from_text(origin) for origin in ORIGINS]
    if seed % 3 == 0:
        origins.append(names.from_text("example."))  # its cuts and apexes of the others are behind each other then
    for _ in range(4):
        some = chance.sample(origins, chance.randrange(3, len(origins)))
        served.all(some, lambda: chance.choice(known))
        served.check()
    served.remove_all()


def test_most_are_copied(tmp_path: Path) -> None:
    """A zone's new version is copied also where the one before has other names, or was compiled by itself."""
    served = Served(tmp_path, empty())
    origins = [names.from_text(origin) for origin in ORIGINS[:8]]
    texts = [(APEX + LINES[0] + "".join(lines)).encode() for lines in (LINES[4:5], LINES[4:5], LINES[6:8], [])]
    texts[1] = texts[1].replace(b" 1 3600", b" 2 3600")
    for number, text in enumerate(texts, 1):
        served.all(origins, lambda text=text: text)  # type: ignore[misc]
        served.check()
        assert served.copied == 7 * number
    states = served.store.states
    assert sum(isinstance(state, CopyState) for state in states.values()) == 7
    served.remove_all()


def test_readers_see_one_version_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each step in which the index changes, all answers of a zone are those of its old version or of its new one."""
    served = Served(tmp_path, empty())
    origins = [names.from_text(origin) for origin in ORIGINS[:4]]
    texts = [
        (APEX.replace(" 1 ", f" {n} ") + LINES[0] + f"www A 192.0.2.{n}\nn{n % 3} TXT x\n").encode() for n in range(5)
    ]
    asked = [(first, rtype) for first in ("", "www.", "n0.", "n1.", "n2.") for rtype in (types.SOA, types.A, types.TXT)]

    def state(origin: bytes) -> list[bytes]:
        return [ask(served.store, names.from_text(first, names.ROOT)[:-1] + origin, rtype) for first, rtype in asked]

    seen: list[list[bytes]] = []
    changing = [origins[0]]
    for name in ("insert", "unlink", "set_expiry", "take_number", "give_row"):
        before = getattr(Store, name)

        def watched(store: Store, *arguments: Any, before: Any = before) -> Any:
            if store is served.store:
                seen.append(state(changing[0]))
            found = before(store, *arguments)
            if store is served.store:
                seen.append(state(changing[0]))
            return found

        monkeypatch.setattr(Store, name, watched)
    steps = 0
    for text in texts:
        for origin in origins:
            changing[0], old = origin, state(origin) if origin in served.zones else []
            seen.clear()
            served.put(origin, text)
            if old:
                new = state(origin)
                assert new != old
                assert all(one in (old, new) for one in seen)
                steps += len(seen)
    assert steps > 100
    assert served.copied >= 12


def fill(store: Store) -> None:
    with suppress(StoreFull):
        while True:
            store.heap.take(64, 64)


def test_a_full_store_keeps_what_it_has(tmp_path: Path) -> None:
    store = Store.create(6, 4, 12, SEED)
    served = Served(tmp_path, store)
    origins = [names.from_text(origin) for origin in ORIGINS[:8]]
    first = (APEX + LINES[0] + LINES[4]).encode()
    served.all(origins, lambda: first)
    fill(store)
    before, nodes = replies(store), store.get("nodes")
    second = first.replace(b" 1 3600", b" 2 3600")
    served.path.write_bytes(second)
    full = 0
    for origin in origins:
        try:
            served.templates.put(origin, second, served.read)
        except StoreFull:
            full += 1
            assert ask(store, origin, types.SOA) in before
    served.templates.close()
    assert full
    assert set(store.numbers) == set(origins)
    assert store.get("nodes") == nodes


def test_a_full_zone_table_keeps_what_it_has(tmp_path: Path) -> None:
    """A new version takes a row of its own for a moment; where there is none, the old one stays."""
    store = Store.create(8, 4, 8, SEED)
    served = Served(tmp_path, store)
    origins = [names.from_text(origin) for origin in ORIGINS[:8]]
    first = (APEX + LINES[0] + LINES[4]).encode()
    served.all(origins, lambda: first)
    before = replies(store)
    second = first.replace(b" 1 3600", b" 2 3600")
    served.path.write_bytes(second)
    assert served.templates.put(origins[0], second, served.read) is None  # the first time that the text is seen
    for origin in origins:
        with pytest.raises(StoreFull):
            served.templates.put(origin, second, served.read)
    assert replies(store) == before
    served.templates.close()
    served.remove_all()


def test_the_same_source_runs_uncompiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for module in (copies, uncompiled("appliance.compiler.template.copies", ("appliance.compiler.bulk.index",))):
        monkeypatch.setattr(template, "Copier", module.Copier)
        monkeypatch.setattr(template, "Template", module.Template)
        served = Served(tmp_path, Store.create(8, 4, 60, SEED))
        origins = [names.from_text(f"zone{number:02d}.example.") for number in range(30)]
        for number in range(1, 4):
            text = (APEX.replace(" 1 ", f" {number} ") + "".join(LINES[: 4 + number])).encode()
            served.all(origins, lambda text=text: text)  # type: ignore[misc]
        assert served.copied > 80
        found.append([bytes(buffer) for buffer in served.store.buffers])
    assert found[0] == found[1]
