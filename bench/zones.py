# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones to measure with: the real root zone where there is one, else an artificial one; a million names; one name."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

from appliance.errors import ZoneError

CHECKOUT = Path(__file__).resolve().parent.parent
ROOT_ZONE_VARIABLE = "APPLIANCE_ROOT_ZONE"
MILLION = 1_000_000
MILLION_ORIGIN = "million.example."
SMALL_ORIGIN = "small.example."
_DELEGATIONS = 1_440
_HEAD = """$TTL 86400
@ IN SOA ns.{origin} hostmaster.{origin} 2026010101 1800 900 604800 86400
@ IN NS ns.{origin}
ns IN A 192.0.2.53
"""


def root_zone(given: Path | None, work: Path) -> tuple[Path, str]:
    """Find the root zone's file and say which one it is; an artificial one is written when there is none.

    In order: `given`, the environment's APPLIANCE_ROOT_ZONE, `data/root-*.zone` in or beside the checkout.
    """
    named = given or (Path(os.environ[ROOT_ZONE_VARIABLE]) if ROOT_ZONE_VARIABLE in os.environ else None)
    if named:
        if not named.is_file():
            raise ZoneError(f"no root zone at {named}; name a file with --root-zone or {ROOT_ZONE_VARIABLE}")
        return named, f"real root zone {named.name}"
    found = sorted(
        [*CHECKOUT.glob("data/root-*.zone"), *CHECKOUT.parent.glob("*/data/root-*.zone")], key=lambda p: p.name
    )
    if found:
        return found[-1], f"real root zone {found[-1].name}"
    path = work / "root.zone"
    path.write_text("".join(_artificial_root(random.Random(1))))
    return path, f"GENERATED root zone ({_DELEGATIONS} unsigned delegations): no real one was found"


def million_zone(work: Path) -> Path:
    """Write a zone with the owner names h000001 to h1000000, one address each."""
    path = work / "million.zone"
    with path.open("w") as file:
        file.write(f"$ORIGIN {MILLION_ORIGIN}\n" + _HEAD.format(origin=MILLION_ORIGIN))
        for number in range(1, MILLION + 1):
            file.write(f"h{number:06d} IN A 10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}\n")
    return path


def small_zone(work: Path) -> Path:
    """Write a zone of one name, for a store that refuses nearly everything."""
    path = work / "small.zone"
    path.write_text(f"$ORIGIN {SMALL_ORIGIN}\n" + _HEAD.format(origin=SMALL_ORIGIN))
    return path


def _artificial_root(rng: random.Random) -> Iterator[str]:
    yield "$ORIGIN .\n$TTL 518400\n"
    yield ". 86400 IN SOA a.root-servers.net. nstld.verisign-grs.com. 2026010101 1800 900 604800 86400\n"
    for letter in "abcdefghijklm":
        yield f". IN NS {letter}.root-servers.net.\n"
    seen: set[str] = set()
    while len(seen) < _DELEGATIONS:
        name = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.choice((2, 3, 3, 4, 5, 6, 7, 8, 9, 11))))
        if name in seen:
            continue
        seen.add(name)
        for letter in "abcdef"[: rng.randint(2, 6)]:
            host = f"{letter}.nic.{name}."
            yield f"{name}. 172800 IN NS {host}\n{host} 172800 IN A 192.0.2.{rng.randint(1, 250)}\n"
            yield f"{host} 172800 IN AAAA 2001:db8::{rng.randint(1, 65535):x}\n"
