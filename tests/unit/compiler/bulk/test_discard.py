# SPDX-License-Identifier: GPL-3.0-or-later
"""Records let go of while a large zone is compiled: the store is what it is without, and nothing else is read."""

from __future__ import annotations

import mmap
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from appliance.compiler import expected, show
from appliance.compiler.bulk import zone as bulk_zone
from appliance.errors import ZoneError
from appliance.publish import loading
from appliance.publish.loading import Loading
from appliance.publish.progress import Progress
from appliance.served.source import Rules
from appliance.served.zone_set import from_file
from appliance.served.zones import ServedZone
from appliance.store.store import Store, StoreFull
from appliance.zone import names
from appliance.zone.load import load_zone
from appliance.zone.model import Zone
from appliance.zone.packed.zone import PackedZone
from tests.harness.worlds import world_of
from tests.stores.contents import Contents, as_text, compiled, digest, unpacked
from tests.stores.signing import signed
from tests.unit.compiler.bulk.test_bulk import MODULES, TESTS, UNCOMPILED

pytestmark = pytest.mark.unit

ORIGIN: Final = names.from_text("tld.")
CUTS: Final = 900
DENIALS: Final[dict[str, dict[str, Any] | None]] = {
    "unsigned": None,
    "nsec3": {"nsec3": True, "salt": b"\xab\xcd"},
    "opt-out": {"nsec3": True, "opt_out": True},
}
ORDERS: Final = ("sorted", "reverse", "shuffled", "by type")


def registry(seed: int) -> str:
    """Return a zone of cuts with servers elsewhere, beside them, below them, and at the cut itself; other data too."""
    chance = random.Random(seed)
    lines = ["$TTL 3600", "@ SOA ns1.nic h.nic 1 7200 3600 86400 600", "@ NS ns1.nic", "ns1.nic A 192.0.2.1"]
    lines += ["* TXT wild", "www CNAME c7", "text TXT x", "*.wild NS ns1.nic", "dns.c5 A 192.0.2.5"]
    for number in range(CUTS):
        name = f"c{number}"
        kind = chance.random()
        servers = [f"ns{host}.host{chance.randrange(40)}.example." for host in (1, 2)]
        if kind < 0.1:
            servers = [f"ns1.{name}", "ns1.nic"]
            lines += [f"ns1.{name} A 192.0.2.{number % 256}", f"ns1.{name} AAAA 2001:db8::{number:x}"]
        elif kind < 0.15:
            servers = [name, "Ns1.NIC"]
            lines += [f"{name} A 192.0.2.{number % 256}"]
        elif kind < 0.2:
            servers = [f"ns1.c{chance.randrange(CUTS)}", "dns.c5"]
        lines += [f"{name} NS {server}" for server in servers]
        if chance.random() < 0.3:
            lines += [f"{name} DS 4711 8 2 {chance.randbytes(32).hex()}"]
    return "\n".join(lines) + "\n"


def ordered(text: str, order: str) -> str:
    lines = text.splitlines(keepends=True)
    if order == "reverse":
        lines.reverse()
    elif order == "shuffled":
        random.Random(3).shuffle(lines)
    elif order == "by type":
        lines.sort(key=lambda line: line.split()[3])
    return "".join(lines)


@pytest.fixture(params=DENIALS)
def zone(request: pytest.FixtureRequest, tmp_path: Path) -> Zone:
    path = tmp_path / "plain"
    path.write_text(registry(1).replace("*.wild NS ns1.nic", "wild.nic TXT x"))
    found = load_zone(path, ORIGIN)
    options = DENIALS[request.param]
    return found if options is None else signed(found, **options)


@pytest.fixture(autouse=True)
def _spend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Release the records of small zones too, and compose referrals as in large ones."""
    monkeypatch.setattr(loading, "_SPENT", 0)
    monkeypatch.setattr(expected, "LARGE", 0)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[PackedZone]]:
    """Collect the zones that were read from files."""
    found: list[PackedZone] = []

    def reading(served: ServedZone) -> Zone:
        zone = load_zone(served.file, served.origin)
        assert isinstance(zone, PackedZone)
        found.append(zone)
        return zone

    monkeypatch.setattr(ServedZone, "read", reading)
    monkeypatch.setattr(loading, "MAX_TEXT", 0)
    yield found
    found.clear()


def loaded(path: Path) -> Store:
    return Loading({ORIGIN: from_file(Rules(), ORIGIN, str(path))}, 0, 0, _refuse, Progress()).run().store


def _refuse(error: ZoneError) -> None:
    raise error


def same(store: Store, zone: Zone) -> None:
    other = unpacked(zone)
    world_of(store).put(other)
    expected = Contents(compiled([other])).everything([other])
    found = Contents(store).everything([other])
    assert [names.to_text(name) if b"\0" in name else name for name in found if found[name] != expected[name]] == []
    assert found.keys() == expected.keys()


def gone(zone: PackedZone) -> int:
    """Return how many whole pages of the records are empty."""
    octets = bytes(zone.packed.memory)
    return sum(not any(octets[at : at + mmap.PAGESIZE]) for at in range(0, len(octets), mmap.PAGESIZE))


@pytest.mark.parametrize("order", ORDERS)
def test_the_store_is_the_same_in_whatever_order_the_file_is(
    zone: Zone, order: str, tmp_path: Path, read: list[PackedZone]
) -> None:
    path = tmp_path / "zone"
    path.write_text(ordered(as_text(zone), order))
    store = loaded(path)
    (passed,) = read
    assert passed.is_spent
    pages = len(passed.packed.memory) // mmap.PAGESIZE
    if order == "sorted":  # of a file in another order most is kept until the last cuts are written
        assert gone(passed) > pages // 2
    same(store, load_zone(path, ORIGIN))


def test_a_cut_that_is_not_written_in_bulk_has_the_zone_read_again(tmp_path: Path, read: list[PackedZone]) -> None:
    path = tmp_path / "zone"
    many = "".join(f"many NS a{i}.hosts\na{i}.hosts A 192.0.2.{i}\n" for i in range(30))
    path.write_text(registry(2) + many)
    store = loaded(path)
    spent, kept = read
    assert spent.is_spent
    assert not kept.is_spent
    assert not gone(kept)
    same(store, load_zone(path, ORIGIN))


def test_a_store_that_is_too_small_has_the_zone_read_again(
    tmp_path: Path, read: list[PackedZone], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "zone"
    path.write_text(registry(3))
    once = [StoreFull("no room")]

    def write(*args: Any) -> None:
        bulk_and_forget(*args)
        if once:
            raise once.pop()

    bulk_and_forget = bulk_zone._write_and_forget
    monkeypatch.setattr(bulk_zone, "_write_and_forget", write)
    store = loaded(path)
    first, second = read
    assert first.is_spent
    assert second.is_spent
    same(store, load_zone(path, ORIGIN))


def test_a_file_that_goes_meanwhile_makes_a_placeholder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "zone"
    path.write_text(registry(4))
    monkeypatch.setattr(loading, "MAX_TEXT", 0)

    def write(*args: Any) -> None:
        path.unlink()
        raise bulk_zone.RecordsSpent("gone")

    monkeypatch.setattr(bulk_zone, "_write_and_forget", write)
    told: list[ZoneError] = []
    served = from_file(Rules(), ORIGIN, str(path))
    world = Loading({ORIGIN: served}, 0, 0, told.append, Progress()).run()
    assert "cannot be read" in str(told[0])
    assert served.state == "not loaded"
    assert world.loading == {ORIGIN}


@pytest.mark.parametrize("denial", DENIALS)
def test_cuts_below_a_name_that_owns_nothing(tmp_path: Path, read: list[PackedZone], denial: str) -> None:
    path = tmp_path / "zone"
    path.write_text(registry(6))
    options = DENIALS[denial]
    if options is not None:
        path.write_text(as_text(signed(load_zone(path, ORIGIN), **options)))
    store = loaded(path)
    (once,) = read
    assert once.is_spent is (options is None)
    same(store, load_zone(path, ORIGIN))


def test_the_same_source_runs_uncompiled(tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_text(registry(7))
    assert str(sys.modules["appliance.zone.packed.discard"].__file__).endswith(".so")
    sizes = "0", str(show.DIVIDED)
    command = [sys.executable, "-c", UNCOMPILED, ",".join(MODULES), str(path), *sizes]
    found = subprocess.run(command, capture_output=True, text=True, cwd=TESTS.parent, check=False)
    assert found.stderr == ""
    assert found.stdout.strip() == digest(path, ORIGIN)


def test_zones_of_little_else_than_cuts_only(tmp_path: Path, read: list[PackedZone]) -> None:
    path = tmp_path / "zone"
    hosts = "".join(f"host{i} A 192.0.2.{i % 256}\n" for i in range(3000))
    path.write_text(registry(5) + hosts)
    store = loaded(path)
    (whole,) = read
    assert not whole.is_spent
    assert not gone(whole)
    same(store, load_zone(path, ORIGIN))
