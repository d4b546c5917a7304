# SPDX-License-Identifier: GPL-3.0-or-later
"""Copied zones answer like compiled ones, octet for octet, and leave nothing behind."""

import random
from pathlib import Path

import pytest

from appliance.compiler.template import copies, template
from appliance.compiler.template.template import Templates
from appliance.store.image import load, save
from appliance.store.store import Store, StoreFull
from appliance.zone import names, types
from appliance.zone.load import load_zone
from appliance.zone.model import Zone
from tests.harness.uncompiled import uncompiled
from tests.harness.worlds import compile_zones, remove_zone, replace_zone, world_of
from tests.stores.asking import SEED, ask

pytestmark = pytest.mark.property

APEX = "$TTL 300\n@ SOA ns1.provider.example. hostmaster.provider.example. 1 3600 600 2419200 600\n"
LINES = [
    "@ NS ns1.provider.example.\n",
    "@ NS ns\nns A 192.0.2.53\nns AAAA 2001:db8::53\n",
    "@ MX 10 mail\n@ MX 20 mail.provider.example.\nmail A 192.0.2.2\n",
    '@ TXT "v=spf1 mx -all"\n',
    "www A 192.0.2.3\nwww AAAA 2001:db8::3\n",
    "alias CNAME www\nwww.b A 192.0.2.4\n",
    "*.wild A 192.0.2.5\n",
    "a.b.c.d TXT deep\n",
    "sub NS ns.sub\nsub NS ns.other.example.\nns.sub A 192.0.2.6\n",
]
SPELT = ["_sip._tcp SRV 1 2 3 www\n", "old DNAME new\nnew TXT new\nx.new A 192.0.2.7\n"]
"""Answers with the whole name in them: nothing that could be shared."""

FIRST = ["", "ns.", "www.", "mail.", "alias.", "q.wild.", "c.d.", "no.", "q.sub.", "sub.", "_tcp.", "q.old.", "x.old."]
ORIGINS = [f"zone{number:02d}.example." for number in range(8)] + ["other7.example.", "zone99.test."]


def text_of(chance: random.Random) -> bytes:
    lines = [LINES[0], *chance.sample(LINES[1:], chance.randrange(1, 7)), *chance.sample([*SPELT, "", ""], 1)]
    return (APEX + "".join(lines)).encode()


def replies(store: Store) -> list[bytes]:
    asked = [names.from_text(first + origin) for origin in ORIGINS for first in FIRST]
    kinds = (types.A, types.MX, types.SOA, types.SRV, types.ANY)
    return [ask(store, name, rtype, limit=limit) for name in asked for rtype in kinds for limit in (512, 65535)]


def empty() -> Store:
    return Store.create(8, 4, 20, SEED)


class Texts:
    """Zone files of a test, and the templates they go to."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.path = folder / "text.zone"
        self.templates = Templates(world_of(store))
        self.store = store
        self.copied = 0

    def zone(self, origin: bytes) -> Zone:
        return load_zone(self.path, origin)

    def put(self, origin: str, text: bytes) -> Zone:
        self.path.write_bytes(text)
        wire = names.from_text(origin)
        if self.templates.put(wire, text, self.zone):
            self.copied += 1
        else:
            replace_zone(self.store, self.zone(wire))
        return self.zone(wire)


@pytest.mark.parametrize("seed", range(12))
def test_like_compiled_zones(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    texts = Texts(tmp_path, empty())
    known = [text_of(chance) for _ in range(2)]
    zones = [texts.put(origin, chance.choice(known)) for origin in ORIGINS]
    texts.templates.close()
    assert texts.copied >= 5 or any(spelt.encode() in text for spelt in SPELT for text in known)
    fresh = empty()
    compile_zones(fresh, zones)
    store = texts.store
    assert replies(store) == replies(fresh)
    assert store.get("max_depth") == fresh.get("max_depth")
    assert store.get("nodes") == fresh.get("nodes")
    world_of(store).fetch = lambda origin: next(zone for zone in zones if zone.origin == origin)
    save(store, tmp_path / "image")
    loaded, _ = load(tmp_path / "image")
    world_of(loaded).fetch = world_of(store).fetch
    for one in (store, loaded):
        assert replies(one) == replies(fresh)
        for zone in chance.sample(zones, len(zones)):
            if chance.random() < 0.5:
                one.reclaim(replace_zone(one, zone))
            one.reclaim(remove_zone(one, zone.origin))
        assert one.heap.free == empty().heap.free
        assert not any(one.index.words)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("www CNAME zone03.elsewhere.test.\n", "the name of one of the zones is in the text"),
        ("www CNAME www.elsewhere.test.\n", "a chain leads out of the zone"),
        ("w\\119w A 192.0.2.1\n", "what the text spells is not what it says"),
        ("@ DNSKEY 256 3 8 AwEAAQ==\n@ NSEC @ SOA NS NSEC DNSKEY\n", "proofs depend on the name"),
    ],
)
def test_what_is_compiled_by_itself(line: str, why: str, tmp_path: Path) -> None:
    texts = Texts(tmp_path, empty())
    text = (APEX + LINES[0] + line).encode()
    zones = [texts.put(f"zone{number:02d}.example.", text) for number in (1, 2, 3, 3, 3)]
    fresh = empty()
    compile_zones(fresh, zones)
    assert replies(texts.store) == replies(fresh), why
    assert not texts.copied or line.startswith("www CNAME zone03"), why


@pytest.mark.parametrize("labels", [["*", "q", "z", "j"], ["k", "q", "z", "j"], ["ab", "cd", "ef"]])
def test_short_labels(labels: list[str], tmp_path: Path) -> None:
    texts = Texts(tmp_path, empty())
    text = b"@ 9 SOA . . 1 2 3 4 5\n@ 9 NS n.test.\nx.y 9 SRV 1 2 3 x.y\nw 9 A 1.2.3.4\n"
    zones = [texts.put(f"{label}.test.", text) for label in labels]
    texts.put("f.test.", text)
    fresh = empty()
    compile_zones(fresh, [*zones, texts.zone(names.from_text("f.test."))])
    asked = [
        names.from_text(f"{first}{label}.test.") for label in [*labels, "f"] for first in ("", "w.", "x.y.", "no.")
    ]
    for name in asked:
        for rtype in (types.A, types.SRV, types.SOA):
            assert ask(texts.store, name, rtype) == ask(fresh, name, rtype)


def test_neighbours_are_renewed(tmp_path: Path) -> None:
    texts = Texts(tmp_path, empty())
    plain = (APEX + LINES[0] + LINES[4]).encode()
    alias = (APEX + LINES[0] + "alias CNAME www.zone05.example.\nzone06 A 192.0.2.77\n").encode()
    zones = {origin: texts.put(origin, plain) for origin in ORIGINS[:2]}
    zones["other7.example."] = texts.put("other7.example.", alias)
    zones["example."] = texts.put("example.", plain)
    for origin in ORIGINS[3:7]:
        zones[origin] = texts.put(origin, plain)
    fresh = empty()
    compile_zones(fresh, zones.values())
    assert replies(texts.store) == replies(fresh)


def test_crowded_buckets_and_a_full_index(tmp_path: Path) -> None:
    store = Store.create(6, 4, 300, SEED)
    templates, text = Templates(world_of(store)), (APEX + LINES[0] + LINES[4] + LINES[7]).encode()
    path = tmp_path / "text.zone"
    path.write_bytes(text)
    origins = [names.from_text(f"zone{number:03d}.example.") for number in range(100)]
    compile_zones(store, [load_zone(path, origins[0])])
    served = origins[:1]
    full = []
    for origin in origins[1:]:
        try:
            served += [origin] if templates.put(origin, text, lambda wire: load_zone(path, wire)) else []
        except StoreFull:
            full.append(origin)
    templates.close()
    assert full
    assert len(served) > 60
    assert store.get("nodes") == len(served) * 6 + 1
    assert set(store.numbers) == set(served)
    assert len(store.states) == len(served) == len(list(store.states.items()))
    for origin in served:
        assert b"\xc0\x00\x02\x03" in ask(store, b"\3www" + origin, types.A)
    for origin in full:
        world_of(store).remove(origin)
    for origin in served:
        store.reclaim(remove_zone(store, origin))
    assert not len(store.states)
    assert not any(store.index.words)


def test_the_same_source_runs_uncompiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for module in (copies, uncompiled("appliance.compiler.template.copies", ("appliance.compiler.bulk.index",))):
        assert str(module.__file__).endswith(".so" if module is copies else ".py")
        monkeypatch.setattr(template, "Copier", module.Copier)
        monkeypatch.setattr(template, "Template", module.Template)
        texts = Texts(tmp_path, Store.create(6, 4, 60, SEED))
        for number in range(40):
            texts.put(f"zone{number:02d}.example.", (APEX + "".join(LINES[:6])).encode())
        texts.put("a-name-of-more-than-forty-octets.is-hung-without-a-suffix.example.", (APEX + LINES[0]).encode())
        texts.put("b-name-of-more-than-forty-octets.is-hung-without-a-suffix.example.", (APEX + LINES[0]).encode())
        texts.templates.close()
        assert texts.copied > 30
        found.append([bytes(buffer) for buffer in texts.store.buffers])
    assert found[0] == found[1]
