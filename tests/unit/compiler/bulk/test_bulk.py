# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written in bulk from packed records is what the code for single names writes, octet for octet."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.compiler import expected, show
from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import compile_zones
from appliance.errors import ZoneError
from appliance.store.store import Store, StoreFull
from appliance.zone import names
from appliance.zone.load import load_zone
from appliance.zone.model import Zone
from appliance.zone.packed.zone import PackedZone
from tests.stores.asking import SEED
from tests.stores.contents import Contents, as_text, compiled, digest, unpacked
from tests.stores.signing import signed

pytestmark = pytest.mark.unit

TESTS = Path(__file__).parents[3]
FILES = [*sorted((TESTS / "interop" / "zones").glob("*.zone")), *sorted((TESTS / "data" / "zones").glob("*.zone"))]
SIGNED = sorted((TESTS / "unit" / "zone" / "checks" / "signed").glob("*.zone"))
ORIGIN = names.from_text("tld.")
DENIALS = {
    "unsigned": None,
    "nsec": {},
    "nsec3": {"nsec3": True, "salt": b"\xab\xcd"},
    "opt-out": {"nsec3": True, "opt_out": True},
}


def check(zones: list[Zone]) -> None:
    """Compile zones in both ways, together, and compare."""
    others = [unpacked(zone) for zone in zones]
    found, expected = Contents(compiled(zones)).everything(others), Contents(compiled(others)).everything(others)
    assert found.keys() == expected.keys()
    assert [names.to_text(name) if b"\0" in name else name for name in found if found[name] != expected[name]] == []


def packed(folder: Path, zone: Zone) -> Zone:
    """Return a zone as it comes from a file."""
    path = folder / "zone"
    path.write_text(as_text(zone), "ascii")
    found = load_zone(path, zone.origin)
    assert isinstance(found, PackedZone)
    return found


def loadable(path: Path, origin: bytes) -> list[Zone]:
    try:
        return [load_zone(path, origin)]
    except ZoneError:
        return []


@pytest.fixture(
    autouse=True,
    params=((0, 0), (expected.LARGE, 0), (expected.LARGE, show.DIVIDED)),
    ids=("shared", "whole", "divided"),
)
def _size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large zones share DS and its signatures, smaller ones do not, small ones keep what DO asks for aside."""
    monkeypatch.setattr(expected, "LARGE", request.param[0])
    monkeypatch.setattr(show, "DIVIDED", request.param[1])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_zone_files(path: Path) -> None:
    for zone in loadable(path, names.from_text(path.stem)) or loadable(path, names.from_text("example.")):
        check([zone])


@pytest.mark.parametrize("path", SIGNED, ids=lambda path: path.stem)
def test_signed_zone_files(path: Path) -> None:
    check([load_zone(path, names.from_text(f"{path.stem}.example."))])


@pytest.mark.parametrize("denial", DENIALS)
def test_corner_zones_beside_each_other(tmp_path: Path, denial: str) -> None:
    folder = TESTS / "interop" / "zones"
    found = [load_zone(path, names.from_text(path.stem)) for path in sorted(folder.glob("*.zone"))]
    options = DENIALS[denial]
    check(found if options is None else [packed(tmp_path, signed(zone, **options)) for zone in found])


def registry(seed: int, cuts: int) -> str:
    """Return the text of a zone of delegations: shared servers, glue beside and below, odd case, cuts of many kinds."""
    rng = random.Random(seed)
    hosts = [f"ns{i}.host{i % 7}.tld." for i in range(12)] + [f"Dns{i}.Elsewhere.example." for i in range(6)]
    lines = ["$TTL 3600", "@ SOA ns1.nic hostmaster.nic 1 7200 3600 86400 600", "@ NS ns1.nic", "@ NS NS2.nic"]
    lines += [
        "ns1.nic A 192.0.2.1",
        "ns2.nic AAAA 2001:db8::1",
        "* TXT wild",
        "*.wild NS ns1.nic",
        "deep.under.ent A 192.0.2.9",
    ]
    lines += [
        f"{host} {kind}" for host in hosts[:12] for kind in ("A 192.0.2.3", "AAAA 2001:db8::3") if rng.random() < 0.8
    ]
    sets = [rng.sample(hosts, rng.randint(1, 6)) for _ in range(9)]
    sets += [hosts, ["ns1.nic", "ns1.NIC", "."], ["tld."], ["x.tld.", "ns1.nic"]]
    for i in range(cuts):
        name = f"{rng.choice(['a', 'Bb', 'ccc', 'x' * 40])}{i}" + rng.choice(
            ["", "", "", ".sub", ".deep.sub", ".under.ent"]
        )
        chosen = rng.choice(sets) if rng.random() < 0.8 else [f"{label}.{name}" for label in ("ns1", "Ns2")]
        lines += [f"{name} NS {host}" for host in chosen]
        if chosen[0].endswith(name):
            lines += [f"ns1.{name} A 192.0.2.{i % 256}", f"ns1.{name} AAAA 2001:db8::{i:x}", f"extra.{name} TXT x"]
            lines += [f"Ns2.{name} A 192.0.2.{j}" for j in range(rng.choice((0, 1, 40)))]
        if rng.random() < 0.3:
            lines += [f"{name} DS {j} 8 2 {'ab' * 32}" for j in range(rng.choice((1, 1, 2, 30)))]
    return "\n".join(dict.fromkeys(lines)) + "\n"


@pytest.mark.parametrize("denial", DENIALS)
def test_registries(tmp_path: Path, denial: str) -> None:
    path = tmp_path / "registry"
    path.write_text(registry(1, 400), "ascii")
    zone = load_zone(path, ORIGIN)
    options = DENIALS[denial]
    check([zone if options is None else packed(tmp_path, signed(zone, **options))])


@pytest.mark.parametrize("denial", DENIALS)
def test_the_root(tmp_path: Path, denial: str) -> None:
    path = tmp_path / "root"
    path.write_text(registry(4, 80), "ascii")
    zone = load_zone(path, names.ROOT)
    options = DENIALS[denial]
    check([zone if options is None else packed(tmp_path, signed(zone, **options))])


def test_a_registry_with_children_that_are_loaded_too(tmp_path: Path) -> None:
    path = tmp_path / "registry"
    path.write_text(registry(2, 60), "ascii")
    zone = packed(tmp_path, signed(load_zone(path, ORIGIN), nsec3=True, opt_out=True))
    below = sorted(zone.delegations)[3::7]
    children = []
    for number, origin in enumerate((*below, b"\x02in" + below[0], b"\x03not" + ORIGIN)):
        child = tmp_path / f"child{number}"
        child.write_text("@ 60 SOA . . 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n", "ascii")
        children.append(load_zone(child, origin))
    check([zone, *children])


def test_a_store_that_is_too_small_has_nothing_of_the_zone(tmp_path: Path) -> None:
    path = tmp_path / "registry"
    path.write_text("$TTL 9\n@ SOA . . 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n", "ascii")
    with path.open("a") as lines:
        cuts = [f"cut{number}" for number in range(600)]
        lines.writelines(f"{cut} NS ns.{cut}\nns.{cut} A 192.0.2.2\n" for cut in cuts)
    store = Store.create(5, 8, 4, SEED)
    with pytest.raises(StoreFull):
        compile_zones(World(store), [load_zone(path, ORIGIN)])
    assert not any(store.index.words)
    assert not any(store.depths)


UNCOMPILED = """
import importlib.util, pathlib, sys
class Finder:
    def find_spec(self, name, path, target=None):
        source = pathlib.Path(*name.split(".")).with_suffix(".py")
        if name in NAMES and source.exists():
            return importlib.util.spec_from_file_location(name, source)
NAMES = sys.argv[1].split(",")
sys.meta_path.insert(0, Finder())
from appliance.compiler import expected, show
from appliance.zone import names
from tests.stores.contents import digest
expected.LARGE, show.DIVIDED = int(sys.argv[3]), int(sys.argv[4])
print(digest(pathlib.Path(sys.argv[2]), names.from_text("tld.")))
for name in NAMES:
    assert sys.modules[name].__file__.endswith(".py"), name
"""
MODULES = (
    "appliance.zone.packed.order",
    "appliance.zone.packed.sums",
    "appliance.zone.packed.octets",
    "appliance.zone.packed.runs",
    "appliance.zone.packed.names",
    "appliance.zone.packed.cuts",
    "appliance.zone.packed.size",
    "appliance.zone.packed.nsec3",
    "appliance.zone.checks.screen",
    "appliance.zone.packed.discard",
    "appliance.compiler.bulk.index",
    "appliance.compiler.bulk.heap",
    "appliance.compiler.bulk.body",
    "appliance.compiler.bulk.writer",
    "appliance.compiler.bulk.nsec3",
    "appliance.compiler.bulk.classes",
    "appliance.compiler.bulk.cuts",
    "appliance.compiler.change.node_pairs",
    "appliance.compiler.change.ns_changes",
)


@pytest.mark.parametrize("denial", ["unsigned", "opt-out"])
def test_the_same_source_runs_uncompiled(tmp_path: Path, denial: str) -> None:
    path = tmp_path / "registry"
    path.write_text(registry(3, 120), "ascii")
    options = DENIALS[denial]
    if options is not None:
        path.write_text(as_text(signed(load_zone(path, ORIGIN), **options)), "ascii")
    for module in MODULES:
        __import__(module)
        assert str(sys.modules[module].__file__).endswith(".so"), f"{module} is not compiled; run make bootstrap"
    sizes = str(expected.LARGE), str(show.DIVIDED)
    command = [sys.executable, "-c", UNCOMPILED, ",".join(MODULES), str(path), *sizes]
    found = subprocess.run(command, capture_output=True, text=True, cwd=TESTS.parent, check=False)
    assert found.stderr == ""
    assert found.stdout.strip() == digest(path, ORIGIN)
