# SPDX-License-Identifier: GPL-3.0-or-later
"""The store on disk: comes back octet for octet, goes on living, and is refused when anything is wrong with it."""

from pathlib import Path

import pytest

from appliance.errors import StateError
from appliance.store import layout
from appliance.store.image import load, save
from appliance.store.move import move, room_for
from appliance.store.store import Store
from appliance.zone import names, types
from appliance.zone.model import Zone
from tests.harness.worlds import remove_zone, replace_zone, world_of
from tests.stores.asking import SEED, ask, store_of
from tests.stores.models import model_of
from tests.stores.signing import signed

pytestmark = pytest.mark.unit

TEXT = """
@ 3600 SOA ns1 hostmaster 1 7200 900 1209600 300
@ 3600 NS ns1
@ 3600 MX 10 mail
ns1 300 A 192.0.2.1
mail 300 A 192.0.2.2
*.wild 300 TXT "w"
alias 300 CNAME mail
cut 300 NS ns.cut
ns.cut 300 A 192.0.2.3
a.b.c 300 AAAA 2001:db8::1
"""
ORIGINS = ("example.", "sub.example.", "x.y.test.")


def zones() -> list[Zone]:
    return [signed(model_of(TEXT, "example."), nsec3=True), *(model_of(TEXT, origin) for origin in ORIGINS[1:])]


def replies(store: Store) -> list[bytes]:
    """Return what the store says to questions of every kind."""
    first = ("", "ns1.", "mail.", "q.wild.", "alias.", "q.cut.", "b.c.", "no.such.")
    asked = [names.from_text(label + origin) for origin in (*ORIGINS, "test.", "elsewhere.") for label in first]
    return [
        ask(store, name, rtype, dnssec_ok)
        for name in asked
        for rtype in (types.A, types.MX, types.SOA, types.DS, types.ANY)
        for dnssec_ok in (False, True)
    ]


@pytest.fixture(scope="module")
def store() -> Store:
    return store_of(zones())


@pytest.fixture
def file(store: Store, tmp_path: Path) -> Path:
    save(store, tmp_path / "store.image", b"stamp")
    return tmp_path / "store.image"


def test_the_same_answers(store: Store, file: Path) -> None:
    loaded, _ = load(file, b"stamp")
    assert replies(loaded) == replies(store)
    assert [bytes(buffer) for buffer in loaded.buffers] == [bytes(buffer) for buffer in store.buffers]


def test_a_heap_that_is_mostly_address_space_is_cut_short(store: Store, tmp_path: Path) -> None:
    target = Store.create(store.bucket_bits, 300, store.zone_slots, SEED)
    move(store, target)
    file = tmp_path / "short.image"
    save(target, file, b"stamp")
    assert file.stat().st_size < 16 << 20
    loaded, _ = load(file, b"stamp")
    assert loaded.heap.chunks == loaded.get("chunks") < 16
    assert target.get("chunks") == 300
    assert max(end for _, end in loaded.heap.free) <= loaded.heap.chunks * layout.CHUNK_GRANULES
    assert replies(loaded) == replies(store)
    changed = model_of(TEXT.replace("192.0.2.2", "192.0.2.99"), "x.y.test.")
    loaded.reclaim(replace_zone(loaded, changed))
    assert b"\xc0\x00\x02\x63" in ask(loaded, names.from_text("mail.x.y.test."), types.A)
    assert loaded.heap.free_octets() > 0


def test_only_the_file_is_left(file: Path) -> None:
    assert [path.name for path in file.parent.iterdir()] == ["store.image"]


@pytest.mark.parametrize("bits", [0, 1, 4])
def test_into_larger_arrays(file: Path, bits: int) -> None:
    store, _ = load(file, b"stamp")
    before = replies(store)
    target = Store.create(store.bucket_bits + bits, store.heap.chunks + 1, store.zone_slots * 2, SEED + 1)
    target.set("pass_rate", 77)
    words, lease = target.ctl, layout.OFFSETS["ctl"]["lease_until"] // 4
    words[lease], words[lease + 1] = 1, 2
    store.ctl[lease] = 3
    move(store, target)
    assert words[lease : lease + 2].tolist() == [1, 2], "a lease is of the arrays, and of this start of the machine"
    assert replies(target) == before
    assert target.heap.free_octets() == store.heap.free_octets() + layout.HEAP_CHUNK
    assert (target.get("chunks"), target.get("pass_rate")) == (store.heap.chunks + 1, 77)
    world_of(target).fetch = {zone.origin: zone for zone in zones()}.__getitem__
    for zone in zones():
        target.reclaim(remove_zone(target, zone.origin))
    assert not any(target.index.words)
    assert target.heap.free == Store.create(4, target.heap.chunks, 4, SEED).heap.free


def test_not_into_smaller_arrays(file: Path) -> None:
    store, _ = load(file, b"stamp")
    with pytest.raises(StateError, match="do not go into"):
        move(store, Store.create(store.bucket_bits, store.heap.chunks, 1, SEED))


def test_notes_come_back(store: Store, file: Path) -> None:
    save(store, file, b"stamp", b"what the caller knows")
    assert load(file, b"stamp")[1] == b"what the caller knows"


def test_a_loaded_store_lives_on(file: Path) -> None:
    loaded, _ = load(file, b"stamp")
    for zone in zones():
        world_of(loaded).put(zone)
    changed = model_of(TEXT.replace("192.0.2.2", "192.0.2.99"), "sub.example.")
    loaded.reclaim(replace_zone(loaded, changed))
    fresh = store_of([zones()[0], changed, zones()[2]])
    assert replies(loaded) == replies(fresh)
    for zone in zones():
        loaded.reclaim(remove_zone(loaded, zone.origin))
    empty = Store.create(loaded.bucket_bits, loaded.heap.chunks, 4, SEED)
    assert loaded.heap.free == empty.heap.free
    assert not any(loaded.index.words)
    assert load(file, b"stamp")[0].get("nodes"), "the map is private: the file does not change"


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda octets: b"", "no saved answer store"),
        (lambda octets: b"NOT-OURS" + octets[8:], "not a saved answer store"),
        (lambda octets: octets[:8] + b"\x63\0\0\0" + octets[12:], "format 99"),
        (lambda octets: octets[:-1], "cut short"),
        (lambda octets: octets + b"x", "cut short"),
        (lambda octets: octets[:4200] + bytes([octets[4200] ^ 1]) + octets[4201:], "damaged"),
        (lambda octets: octets[:-3] + bytes([octets[-3] ^ 1]) + octets[-2:], "damaged"),
    ],
)
def test_damage(file: Path, damage: "object", complaint: str) -> None:
    assert callable(damage)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(StateError, match=complaint):
        load(file, b"stamp")


def test_stale(file: Path) -> None:
    with pytest.raises(StateError, match="stale"):
        load(file, b"another stamp")


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="No such file"):
        load(tmp_path / "nothing")


def test_nowhere_to_save(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be saved"):
        save(store, tmp_path / "no" / "folder")


def test_a_store_that_most_zones_have_left_moves_into_the_room_that_it_is_said_to_need() -> None:
    """What is left may stand in the last row of the zone table; the next start moves it."""
    many = [model_of("@ SOA ns root 1 7200 900 1209600 300\n@ NS ns.test.\n", f"z{number}.") for number in range(40)]
    store = store_of(many)
    for zone in many[:-1]:
        remove_zone(store, zone.origin)
    sizes = room_for(store)
    target = Store.sized(sizes, SEED)
    move(store, target)
    assert list(target.numbers) == [many[-1].origin]
