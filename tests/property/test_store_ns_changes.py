# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts whose servers change, written by compiled code: octet for octet what a fresh compile says, or nothing at all."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from appliance.compiler import expected, show
from appliance.compiler.change import change
from appliance.compiler.change.ns_changes import NsChanges
from appliance.store import hashing, index
from appliance.store import store as store_module
from appliance.store.heap import StoreFull
from appliance.store.layout import ANSWER, ANSWER_KIND_PLACE, NODE_OTHER_PLACE
from appliance.store.store import Retired, Store
from appliance.store.verdict_names import KIND
from appliance.zone import names, types
from appliance.zone.load import load_zone
from appliance.zone.model import RRset, Zone
from tests.harness.tracing import at_each_line
from tests.harness.uncompiled import uncompiled
from tests.harness.worlds import change_zone, replace_zone, world_of
from tests.property.test_store_changes import ORIGIN, Nodes, differences, host, name, replies, soa
from tests.property.test_store_steps import Watch
from tests.stores.asking import SEED
from tests.stores.contents import Contents, as_text
from tests.stores.signing import signed

pytestmark = pytest.mark.property

SCHEMES: dict[str, dict[str, Any] | None] = {
    "unsigned": None,
    "nsec": {},
    "root": {},
    "nsec3": {"nsec3": True},
    "opt-out": {"nsec3": True, "opt_out": True, "salt": b"\xab"},
}
BENEATH = [
    *(f"appliance.zone.packed.{one}" for one in ("order", "octets", "names")),
    *(f"appliance.compiler.bulk.{one}" for one in ("index", "heap", "body", "writer")),
    "appliance.compiler.change.node_pairs",
]
CUTS = [name(f"{label}{number}") for number in range(12) for label in ("a", "Long-Label-".lower(), "x.deep")]
PROVIDERS = [f"ns{number}.Provider{number % 3}.test." for number in range(9)]
TRACED = [str(one.__file__) for one in (change, show, store_module, index)]
BITS = 4
"""So few buckets that records stand in their second ones, and are moved."""


class Seen(NsChanges):
    """Counts the cuts that it changes."""

    done = 0
    small = 0
    """Changes that were made name by name."""

    def unlink(self) -> int:
        """Take the old nodes out."""
        found: int = super().unlink()
        Seen.done += found
        return found


@pytest.fixture(autouse=True)
def _count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change, "NsChanges", Seen)
    Seen.done = Seen.small = 0


@pytest.fixture(scope="module")
def source() -> ModuleType:
    """Return the module run from its source."""
    found = uncompiled("appliance.compiler.change.ns_changes", BENEATH)
    assert str(found.__file__).endswith(".py")
    assert found.NsChanges is not NsChanges
    return found


def external(chance: random.Random) -> list[bytes]:
    kind = chance.random()
    if kind < 0.05:
        return [names.from_text(f"ns{number}.{'y' * (1 + number)}.test.") for number in range(50)]
    if kind < 0.1:
        return [names.from_text(f"n{number}.p.test.") for number in range(70)]
    if kind < 0.2:
        return [names.ROOT, names.from_text("NS.test."), names.from_text("a.ns.TEST.")]
    return [names.from_text(one) for one in chance.sample(PROVIDERS, chance.randrange(1, 5))]


def servers(chance: random.Random, cut: bytes) -> RRset:
    """Return other servers for a cut, in the zone now and then."""
    found = external(chance)
    if chance.random() < 0.1:
        found.append(chance.choice([name("ns"), name("no"), b"\2in" + cut]))
    return RRset(types.NS, chance.choice((300, 7200)), found)


def first_nodes(chance: random.Random, cuts: list[bytes]) -> Nodes:
    apex = {types.SOA: soa(1), types.NS: RRset(types.NS, 300, [name("ns")])}
    nodes: Nodes = {ORIGIN: apex, name("ns"): {types.A: host(chance)}, name("www"): {types.A: host(chance)}}
    nodes[name("*")] = {types.TXT: RRset(types.TXT, 300, [b"\1x"])}
    for number, cut in enumerate(cuts):
        nodes[cut] = {types.NS: servers(chance, cut)}
        nodes[b"\2in" + cut] = {types.A: host(chance)}
        if number % 3 == 0:
            ds = [bytes((18, 103, 13, 2)) + bytes((octet,)) * 32 for octet in range(chance.choice((1, 1, 2)))]
            nodes[cut][types.DS] = RRset(types.DS, 300, ds)
    return nodes


def changed(chance: random.Random, nodes: Nodes, cuts: list[bytes], serial: int) -> None:
    """Give some cuts other servers, and change something else beside them now and then."""
    nodes[ORIGIN] = {**nodes[ORIGIN], types.SOA: soa(serial)}
    for cut in chance.sample(cuts, chance.randrange(1, min(9, len(cuts)))):
        nodes[cut] = {**nodes[cut], types.NS: servers(chance, cut)}
    if chance.random() < 0.2:
        nodes[b"\2in" + chance.choice(cuts)] = {types.A: host(chance)}
    if chance.random() < 0.1:
        nodes[name("*")] = {types.NS: servers(chance, name("*"))}


def built(nodes: Nodes, scheme: str) -> Zone:
    origin = names.ROOT if scheme == "root" else ORIGIN
    zone = Zone.build(origin, {origin if owner == ORIGIN else owner: dict(rrsets) for owner, rrsets in nodes.items()})
    options = SCHEMES[scheme]
    return zone if options is None else signed(zone, **options)


def packed(zone: Zone, folder: Path) -> Zone:
    """Return a zone as it comes from a file."""
    path = folder / "zone"
    path.write_text(as_text(zone), "ascii")
    return load_zone(path, zone.origin)


def said(store: Store, zone: Zone) -> dict[bytes, Any]:
    """Return everything that a store says; from which version a node is aside."""
    found = Contents(store).everything([zone])
    for owner in (*zone.nodes, *zone.ents):
        found[owner] = [timeless(one) for one in found[owner]]
    return found


def timeless(record: Any) -> Any:
    """Return a record and that of its wildcard without the version from which they are."""
    node, *rest, wildcard = record
    return node[:5], node[6:], rest, wildcard and timeless(wildcard)


def fresh(zone: Zone) -> Store:
    store = Store.create(BITS, 4, 8, SEED)
    replace_zone(store, zone)
    return store


def steps(seed: int, scheme: str, count: int, first: Callable[[Zone], Zone], cuts: list[bytes]) -> Iterator[Store]:
    """Change a zone and yield its store after each step, compared with a fresh one."""
    chance = random.Random(seed)
    nodes = first_nodes(chance, cuts)
    before = built(nodes, scheme)
    store = Store.create(BITS, 4, 8, SEED)
    replace_zone(store, first(before))
    for serial in range(2, count + 2):
        changed(chance, nodes, cuts, serial)
        zone = built(nodes, scheme)
        state = store.states[1]
        store.reclaim(change_zone(store, zone, differences(before, zone)))
        Seen.small += store.states[1] is state
        expected = fresh(zone)
        now, wanted = said(store, zone), said(expected, zone)
        assert [names.to_text(one) for one in wanted if b"\0" in one and now[one] != wanted[one]] == []
        assert now == wanted
        before = zone
        yield store
    questions = sorted({*before.nodes, *(b"\1q" + owner for owner in before.nodes)})
    assert replies(store, questions) == replies(fresh(before), questions)


@pytest.mark.slow
@pytest.mark.parametrize("large", [0, expected.LARGE], ids=("shared", "apart"))
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("bulk", [False, True], ids=("objects", "packed"))
def test_as_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bulk: bool, scheme: str, large: int) -> None:
    monkeypatch.setattr(expected, "LARGE", large)
    first = functools.partial(packed, folder=tmp_path) if bulk else lambda zone: zone
    composed = [_composed(store) for store in steps(7, scheme, 40, first, CUTS)]
    assert (min(composed) > 8) is (not large and scheme != "unsigned")
    least = 0 if scheme == "root" else 60 if scheme != "unsigned" and large else 100  # all servers are in the root
    assert Seen.done >= least
    assert Seen.small > 25


def _composed(store: Store) -> int:
    """Count the cuts whose referral with DO is the one without, and proofs or DS."""
    found = [store.node(ref) for cut in CUTS for ref in store.nodes_of(cut)]
    composed = [node[NODE_OTHER_PLACE + 1] for node in found]
    kinds = [ANSWER.unpack_from(store.octets, ref * 16)[ANSWER_KIND_PLACE] for ref in composed if ref]
    return kinds.count(KIND["nodata"]) + kinds.count(KIND["positive"])


@pytest.mark.slow
@pytest.mark.parametrize("grows", [True, False], ids=("grows", "shrinks"))
@pytest.mark.parametrize("scheme", ["nsec", "nsec3", "opt-out"])
def test_a_zone_that_becomes_large_or_small(monkeypatch: pytest.MonkeyPatch, scheme: str, grows: bool) -> None:
    """What is changed has the other shape, what is not keeps its own; all say the same."""
    sizes = [expected.LARGE, 0] if grows else [0, expected.LARGE]
    chance = random.Random(2)
    nodes = first_nodes(chance, CUTS)
    before = built(nodes, scheme)
    monkeypatch.setattr(expected, "LARGE", sizes[0])
    store = fresh(before)
    monkeypatch.setattr(expected, "LARGE", sizes[1])
    counts = [_composed(store)]
    for serial in range(2, 8):
        changed(chance, nodes, CUTS, serial)
        zone = built(nodes, scheme)
        state = store.states[1]
        store.reclaim(change_zone(store, zone, differences(before, zone)))
        Seen.small += store.states[1] is state
        before = zone
        questions = sorted({*zone.nodes, *(b"\1q" + owner for owner in zone.nodes)})
        assert replies(store, questions) == replies(fresh(zone), questions)
        counts.append(_composed(store))
    assert Seen.small > 3
    assert counts[-1] > counts[0] if grows else counts[-1] < counts[0]


def colliding() -> list[bytes]:
    """Return two names that the index cannot tell apart."""
    known: dict[tuple[int, int], bytes] = {}
    h = hashing.name_hash(SEED, ORIGIN)
    for number in range(2_000_000):
        label = b"c%07d" % number
        label = bytes((len(label),)) + label
        f = hashing.spread(hashing.extend(h, label))
        tag, first = f & 0xFFFFFFFF, f >> (64 - BITS)
        key = (tag, min(first, first ^ (tag & ((1 << BITS) - 1))))
        if key in known:
            return [known[key] + ORIGIN, label + ORIGIN]
        known[key] = label
    raise AssertionError("no two names collide")


@pytest.mark.slow
def test_names_that_the_index_cannot_tell_apart() -> None:
    cuts = colliding() + CUTS[:4]
    for seed in range(3):
        for _ in steps(seed, "opt-out", 12, lambda zone: zone, cuts):
            pass
    assert Seen.done > 40


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["unsigned", "nsec", "opt-out"])
def test_the_same_source_runs_uncompiled(monkeypatch: pytest.MonkeyPatch, source: ModuleType, scheme: str) -> None:
    monkeypatch.setattr(expected, "LARGE", 0)
    found = []
    for made in (NsChanges, source.NsChanges):
        monkeypatch.setattr(change, "NsChanges", made)
        for store in steps(3, scheme, 12, lambda zone: zone, CUTS):
            found.append((bytes(store.octets), bytes(store.index.words), list(store.depths), store.heap.free))
    assert found[: len(found) // 2] == found[len(found) // 2 :]


def look(watch: Watch, function: str) -> None:
    """Look at the store, but not at each octet that a function goes through."""
    if function not in ("copy", "place", "fill", "is_named", "slot_of"):
        watch.look(function)


@pytest.mark.parametrize("scheme", ["unsigned", "nsec", "opt-out"])
def test_each_step(monkeypatch: pytest.MonkeyPatch, source: ModuleType, scheme: str) -> None:
    monkeypatch.setattr(expected, "LARGE", 0)
    monkeypatch.setattr(change, "NsChanges", source.NsChanges)
    chance = random.Random(5)
    cuts = CUTS[:6]
    nodes = first_nodes(chance, cuts)
    before = built(nodes, scheme)
    store = Store.create(3, 4, 8, SEED)
    replace_zone(store, before)
    for serial in (2, 3):
        nodes[ORIGIN] = {**nodes[ORIGIN], types.SOA: soa(serial)}
        for cut in cuts[serial : serial + 3]:
            nodes[cut] = {
                **nodes[cut],
                types.NS: RRset(types.NS, 300, [names.from_text(f"ns{serial}.elsewhere.test.")]),
            }
        nodes[cuts[0]] = {**nodes[cuts[0]], types.NS: RRset(types.NS, serial, [name("ns")])}
        zone = built(nodes, scheme)
        questions = [ORIGIN, name("no"), *[prefix + cut for cut in cuts for prefix in (b"", b"\1x")]]
        watch = Watch(store, replies(fresh(zone), questions), questions)
        work = functools.partial(change_zone, store, zone, differences(before, zone))
        at_each_line((str(source.__file__), *TRACED), work, functools.partial(look, watch))
        assert replies(store, questions) == replies(fresh(zone), questions)
        assert len(watch.seen) > 40
        before = zone


@pytest.mark.parametrize("owner", [ORIGIN, CUTS[1]], ids=("apex", "cut"))
def test_an_nsec_that_is_signed_again(owner: bytes) -> None:
    before = built(first_nodes(random.Random(1), CUTS[:4]), "nsec")
    store = fresh(before)
    resigned = {one: dict(rrsets) for one, rrsets in before.signatures.items()}
    nsec = resigned[owner][types.NSEC]
    resigned[owner][types.NSEC] = RRset(types.RRSIG, nsec.ttl, [nsec.rdatas[0][:-1] + b"?"])
    zone = Zone.build(ORIGIN, before.nodes, resigned)
    store.reclaim(change_zone(store, zone, differences(before, zone)))
    assert said(store, zone) == said(fresh(zone), zone)


class Failing(NsChanges):
    """Finds the store full when all is linked."""

    def link(self) -> None:
        """Link, and fail."""
        super().link()
        raise StoreFull("as if")


@pytest.mark.parametrize("full", ["index", "heap"])
def test_nothing_when_it_fails(monkeypatch: pytest.MonkeyPatch, full: str) -> None:
    chance = random.Random(1)
    nodes = first_nodes(chance, CUTS)
    before = built(nodes, "opt-out")
    store = fresh(before)
    if full == "index":
        monkeypatch.setattr(change, "NsChanges", Failing)
    else:
        for free in store.heap.free[:-1]:
            store.heap.take(free[1] - free[0], free[1] - free[0])
        while store.heap.free_octets() > 10_000:
            free = store.heap.free[0]
            store.heap.take(min(free[1] - free[0] - 300, 4096), min(free[1] - free[0] - 300, 4096))
    nodes[ORIGIN] = {**nodes[ORIGIN], types.SOA: soa(2)}
    for cut in CUTS:
        nodes[cut] = {**nodes[cut], types.NS: RRset(types.NS, 300, [b"\3new" + names.from_text("test.")] * 1)}
    zone = built(nodes, "opt-out")
    was = said(store, before), bytes(store.index.words), list(store.depths), store.heap.free
    with pytest.raises(StoreFull):
        change_zone(store, zone, differences(before, zone))
    world_of(store).put(before)
    store.reclaim(Retired())
    assert (said(store, before), bytes(store.index.words), list(store.depths), store.heap.free) == was
