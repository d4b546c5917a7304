# SPDX-License-Identifier: GPL-3.0-or-later
"""The sets of zones that are compared: hand-made corner cases, examples, registries, roots; unsigned and signed."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.zone import names
from appliance.zone.load import load_zone
from tests.interop import generate
from tests.interop.peers import NAMES, ZoneFile
from tests.interop.signing import Denial, escaped, lines, sign

CHECKOUT = Path(__file__).resolve().parents[2]
CORNERS = Path(__file__).with_name("zones")
SHAPES = CORNERS / "shapes"
LONGEST = CORNERS / "longest"
DATA = CHECKOUT / "tests" / "data" / "zones"
ROOT_VARIABLE = "APPLIANCE_ROOT_ZONE"
_REAL_ROOTS = CHECKOUT.parent / "shared" / "data"
_UNSIGNED_CHILDREN = frozenset({"child.corner.test.", "below.cut-out.corner.test."})
_DNSSEC = frozenset({"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "ZONEMD"})

_VERSIONS = {
    f"{scheme}-{iterations}{'-salt' if salt != '-' else ''}": Denial(True, scheme == "optout", iterations, salt)
    for scheme in ("nsec3", "optout")
    for iterations in (0, 1, 10)
    for salt in ("-", "aabbccdd")
}
SIGNED = {
    "nsec": Denial(),
    "nsec3": Denial(nsec3=True),
    "optout": Denial(nsec3=True, opt_out=True, iterations=5, salt="aabb"),
    **_VERSIONS,
}


@dataclass(frozen=True)
class ZoneSet:
    """A maker of zone files, how they are signed ("" for not at all), and who can load them."""

    name: str
    make: Callable[[Path], list[ZoneFile]]
    signed: str = ""
    peers: tuple[str, ...] = NAMES

    def write(self, folder: Path) -> list[ZoneFile]:
        """Write the zones into an existing folder and return them."""
        files = self.make(folder)
        if not self.signed:
            return files
        return [
            file if file.origin in _UNSIGNED_CHILDREN else sign(file, folder, SIGNED[self.signed]) for file in files
        ]


def _in_folder(folder: Path) -> list[ZoneFile]:
    return [ZoneFile(_origin(path), path) for path in sorted(folder.glob("*.zone"))]


def _origin(path: Path) -> str:
    """Return the origin that a comment on the first line names, or the file's name."""
    first = path.read_text().partition("\n")[0]
    if first.startswith("; origin: "):
        return first.removeprefix("; origin: ").strip()
    return "." if path.stem == "root" else f"{path.stem}."


def corners(_folder: Path) -> list[ZoneFile]:
    """Return the hand-made zones."""
    return _in_folder(CORNERS)


def shapes(_folder: Path) -> list[ZoneFile]:
    """Return the zones whose names have every shape: deep, long, alike, alone."""
    return _in_folder(SHAPES)


def longest(_folder: Path) -> list[ZoneFile]:
    """Return the zone with the longest names; NSD 4.6 does not survive it with NSEC3."""
    return _in_folder(LONGEST)


def _rewritten(files: list[ZoneFile], folder: Path) -> list[ZoneFile]:
    """Return copies for the peers: in RFC 3597 notation, as their master file parsers differ and are not compared here,
    and without what lies below a DNAME, which NSD and Knot refuse to load."""
    copies = []
    for file in files:
        zone = load_zone(file.path, names.from_text(file.origin))
        shown = replace(
            zone, nodes={owner: rrsets for owner, rrsets in zone.nodes.items() if not zone.dname_for(owner)}
        )
        path = folder / f"{file.path.stem}.zone"
        path.write_text("".join(lines(shown)))
        copies.append(ZoneFile(escaped(zone.origin), path, file.path))
    return copies


def examples(folder: Path) -> list[ZoneFile]:
    """Return the zones that come with the program and those of the other tests."""
    return _rewritten(_in_folder(CHECKOUT / "appliance" / "examples") + _in_folder(DATA), folder)


def registry(folder: Path) -> list[ZoneFile]:
    """Return a made-up registry."""
    return [generate.registry(folder, "tld.", 1500, seed=1)]


def real_root_file() -> Path | None:
    """Return the file of a real root zone, if there is one here."""
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        return Path(named)
    return max(_REAL_ROOTS.glob("root-*.zone"), default=None)


def root(folder: Path) -> list[ZoneFile]:
    """Return the real root zone without its signatures, or a made-up one; with the hand-made zones below it."""
    real = real_root_file()
    if real is None:
        return [generate.registry(folder, ".", 800, seed=2), *_in_folder(CORNERS)]
    path = folder / "root.zone"
    lines = real.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if line.split()[3:4] and line.split()[3] not in _DNSSEC))
    return [ZoneFile(".", path), *_in_folder(CORNERS)]


ALL = (
    ZoneSet("corners", corners),
    *(ZoneSet(f"corners-{signed}", corners, signed) for signed in ("nsec", "nsec3", "optout")),
    ZoneSet("shapes", shapes),
    *(ZoneSet(f"shapes-{signed}", shapes, signed) for signed in ("nsec", "nsec3-1-salt", "optout-10")),
    ZoneSet("longest-nsec", longest, "nsec"),
    ZoneSet("longest-nsec3", longest, "nsec3-1-salt", ("knot", "bind")),
    ZoneSet("examples", examples),
    ZoneSet("registry", registry),
    ZoneSet("registry-nsec", registry, "nsec"),
    ZoneSet("registry-optout", registry, "optout"),
    ZoneSet("root", root),
    ZoneSet("root-nsec", root, "nsec"),
)
"""What every run compares, with and without DO."""

DNSSEC = (
    *(ZoneSet(f"corners-{signed}", corners, signed) for signed in ("nsec", *_VERSIONS)),
    *(ZoneSet(f"shapes-{signed}", shapes, signed) for signed in ("nsec", *_VERSIONS)),
    ZoneSet("longest-nsec", longest, "nsec"),
    *(ZoneSet(f"longest-{signed}", longest, signed, ("knot", "bind")) for signed in ("nsec3-0", "optout-10-salt")),
    *(ZoneSet(f"registry-{signed}", registry, signed) for signed in ("nsec", "nsec3-0", "optout-0", "optout-10-salt")),
    ZoneSet("root-nsec", root, "nsec"),
)
"""What the long run compares with DO set: NSEC, and NSEC3 with all parameters."""
