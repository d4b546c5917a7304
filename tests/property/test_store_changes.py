# SPDX-License-Identifier: GPL-3.0-or-later
"""Random changes of single names, one after the other, against a fresh compile of the zone: the same octets."""

import random

import pytest

from appliance.compiler.change import change
from appliance.compiler.change.reach import Reach
from appliance.store.layout import NODE
from appliance.store.store import Store, ZoneState
from appliance.zone import names, types
from appliance.zone.model import RRset, RRsets, Zone
from tests.harness.worlds import change_zone, remove_zone, replace_zone
from tests.stores.asking import SEED, ask, store_of
from tests.stores.models import model_of
from tests.stores.signing import signed

pytestmark = pytest.mark.property

ORIGIN = names.from_text("example.")
OTHER = "other.test."
LABELS = ["a", "b", "ns", "www", "*", "cut", "alias"]
CUTS = ["one", "two", "three", "four.deep", "five.deep"]
Nodes = dict[bytes, RRsets]


def name(text: str) -> bytes:
    return names.from_text(text + ".example.") if text else ORIGIN


def some_name(chance: random.Random) -> bytes:
    return name(".".join(chance.choices(LABELS, k=chance.randrange(1, 4))))


def soa(serial: int) -> RRset:
    timers = b"".join(number.to_bytes(4, "big") for number in (serial, 7200, 900, 1209600, 300))
    return RRset(types.SOA, 300, [name("ns") + name("hostmaster") + timers])


def host(chance: random.Random) -> RRset:
    return RRset(types.A, 300, [bytes((192, 0, 2, chance.randrange(256))) for _ in range(chance.randrange(1, 3))])


def some_rrset(chance: random.Random) -> RRset:
    kind = chance.randrange(8)
    if kind < 3:
        return host(chance)
    if kind == 3:
        return RRset(types.AAAA, 300, [bytes(15) + bytes((chance.randrange(256),))])
    if kind == 4:
        return RRset(types.TXT, 300, [bytes((1, chance.randrange(256)))])
    if kind == 5:
        return RRset(types.MX, 300, [b"\0\5" + some_name(chance)])
    if kind == 6:
        return RRset(types.NS, 300, sorted({some_name(chance), names.from_text("ns.elsewhere.test.")}))
    return RRset(types.CNAME, 300, [chance.choice([some_name(chance), names.from_text("www." + OTHER)])])


def changed_plainly(chance: random.Random, nodes: Nodes) -> None:
    """Change one to three owners of an unsigned zone, any of them."""
    for _ in range(chance.randrange(1, 4)):
        owner = some_name(chance)
        rrset = some_rrset(chance)
        found = dict(nodes.get(owner, {}))
        if chance.random() < 0.4:
            found = {}
        elif rrset.rtype == types.CNAME:
            found = {types.CNAME: rrset}
        else:
            found = {rtype: one for rtype, one in found.items() if rtype != types.CNAME} | {rrset.rtype: rrset}
        nodes[owner] = found
        if not found:
            del nodes[owner]


def changed_cuts(chance: random.Random, nodes: Nodes) -> None:
    """Change delegations without DS of a zone with NSEC3 and opt-out, with their glue."""
    for label in chance.sample(CUTS, chance.randrange(1, 4)):
        owner, glue = name(label), name("ns." + label)
        nodes.pop(owner, None)
        nodes.pop(glue, None)
        if chance.random() < 0.7:
            servers = [name("ns." + chance.choice(CUTS)), names.from_text(f"ns{chance.randrange(3)}.elsewhere.test.")]
            nodes[owner] = {types.NS: RRset(types.NS, 300, servers)}
            if chance.random() < 0.5:
                nodes[glue] = {types.A: host(chance)}


def differences(before: Zone, after: Zone) -> dict[bytes, set[int]]:
    found: list[tuple[bytes, int]] = []
    for old, new in ((before.nodes, after.nodes), (before.signatures, after.signatures)):
        for owner in old.keys() | new.keys():
            was, now = old.get(owner, {}), new.get(owner, {})
            kinds = [rtype for rtype in was.keys() | now.keys() if was.get(rtype) != now.get(rtype)]
            found += [(owner, types.RRSIG if old is before.signatures else rtype) for rtype in kinds]
    if before.nsec3 != after.nsec3:
        found += [(owner, types.NSEC3) for owner in before.nsec3.keys() ^ after.nsec3.keys()] or [(ORIGIN, types.NSEC3)]
    return change.owners(found)


def asked(chance: random.Random, zone: Zone, changed: dict[bytes, set[int]]) -> list[bytes]:
    known = sorted({*changed, *chance.sample(sorted(zone.nodes), min(8, len(zone.nodes)))})
    found = [one for owner in known for one in (owner, b"\1q" + owner, names.parent(owner))]
    return [*found, *(some_name(chance) for _ in range(8)), name("deep"), names.from_text("alias." + OTHER)]


def replies(store: Store, questions: list[bytes]) -> list[bytes]:
    kinds = (types.A, types.NS, types.MX, types.DS, types.ANY, types.TXT)
    return [ask(store, one, rtype, do) for one in questions for rtype in kinds for do in (False, True)]


def stranger() -> Zone:
    """Return another zone, whose alias leads into the changing one."""
    return model_of(
        "@ 300 SOA ns h 1 7200 900 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n"
        "www 300 A 192.0.2.2\nalias 300 CNAME www.example.\n",
        OTHER,
    )


def run(seed: int, steps: int, nsec3: bool) -> int:
    """Return how many changes were made name by name."""
    chance = random.Random(seed)
    apex = {types.SOA: soa(1), types.NS: RRset(types.NS, 300, [name("ns")])}
    nodes: Nodes = {ORIGIN: apex, name("ns"): {types.A: RRset(types.A, 300, [b"\1\2\3\4"])}}

    def built() -> Zone:
        zone = Zone.build(ORIGIN, {owner: dict(rrsets) for owner, rrsets in nodes.items()})
        return signed(zone, nsec3=True, opt_out=True) if nsec3 else zone

    zone = built()
    store = fresh = Store.create(8, 12, 8, SEED)
    for first in (stranger(), zone):
        store.reclaim(replace_zone(store, first))
    small = 0
    for serial in range(2, steps + 2):
        nodes[ORIGIN] = {**apex, types.SOA: soa(serial)}
        (changed_cuts if nsec3 else changed_plainly)(chance, nodes)
        before, zone = zone, built()
        changed = differences(before, zone)
        state = store.states[store.numbers[ORIGIN]]
        store.reclaim(change_zone(store, zone, changed))
        small += store.states[store.numbers[ORIGIN]] is state
        fresh = store_of([stranger(), zone])
        questions = asked(chance, zone, changed)
        assert replies(store, questions) == replies(fresh, questions), (seed, serial, changed)
        assert store.depths == fresh.depths
        assert store.get("max_depth") == fresh.get("max_depth")
    check_bounds(store)
    everything = sorted({*zone.nodes, *zone.ents, *(b"\1q" + owner for owner in zone.nodes)})
    assert replies(store, everything) == replies(fresh, everything), (seed, "at the end")
    for origin in list(store.numbers):
        store.reclaim(remove_zone(store, origin))
    assert store.heap.free == Store.create(8, 12, 8, SEED).heap.free
    assert not any(store.index.words)
    return small


def check_bounds(store: Store) -> None:
    """A long run keeps neither room nor records that it does not need."""
    for state in store.states.values():
        assert isinstance(state, ZoneState)
        assert len(state.nodes) < 3000
        assert sum(end - start for start, end in state.extents) * NODE.size < 1 << 24


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_plain_zones(seed: int) -> None:
    assert run(seed, 80, nsec3=False) > 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_delegations_with_nsec3(seed: int) -> None:
    assert run(seed, 80, nsec3=True) > 75


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 150))
def test_ten_thousand(seed: int) -> None:
    """Whole compiles are right where a name turns into a cut or back, which hides or shows what is below it.

    Some 20 to 30 of 200 random changes of a plain zone do; changes of delegations only, never: one whole compile comes
    when half of the store is waste.
    """
    nsec3 = seed % 2 == 1
    assert run(seed, 200, nsec3) > (190 if nsec3 else 150)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize(("seed", "small"), [(300, 7500), (301, 9500)])
def test_ten_thousand_in_a_row(seed: int, small: int) -> None:
    """One store takes all of them, and has neither grown nor lost any room at the end."""
    assert run(seed, 10_000, nsec3=seed % 2 == 1) > small


def test_reach_follows() -> None:
    chance = random.Random(5)
    nodes: Nodes = {ORIGIN: {types.SOA: soa(1), types.NS: RRset(types.NS, 300, [name("ns")])}}
    zone = Zone.build(ORIGIN, dict(nodes))
    reach = Reach(zone)
    for _ in range(300):
        before = Zone.build(ORIGIN, dict(nodes))
        changed_plainly(chance, nodes)
        zone = Zone.build(ORIGIN, dict(nodes))
        for owner in differences(before, zone):
            reach.note(zone, owner)
        fresh = Reach(zone)
        assert reach.aliases == fresh.aliases
        assert all(
            reach.quoting(one) == fresh.quoting(one) for one in (*zone.nodes, *(some_name(chance) for _ in "abcd"))
        )
