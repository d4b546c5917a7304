# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones to measure with: the root, real or artificial; a million names; one name; a signed million; an opt-out TLD."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from appliance.errors import ZoneError
from bench.zones import chain

CHECKOUT = Path(__file__).resolve().parents[2]
ROOT_ZONE_VARIABLE = "APPLIANCE_ROOT_ZONE"
MILLION = 1_000_000
MILLION_ORIGIN = "million.example."
SMALL_ORIGIN = "small.example."
OPT_OUT_ORIGIN = "tld."
OPT_OUT_DELEGATIONS = 53_000
_WITH_DS = 0.28
_RECIPE = 1  # part of the names of cached files: count it up when a generator changes
_SYLLABLES = [first + last for first in "bcdfghjklmnprstvwz" for last in ("a", "e", "i", "o", "u", "en", "aar", "oo")]
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
        if rng.random() < 0.9:
            yield f"{name}. 86400 IN DS {rng.randrange(65_536)} 13 2 {rng.randbytes(32).hex()}\n"
        for letter in "abcdef"[: rng.randint(2, 6)]:
            host = f"{letter}.nic.{name}."
            yield f"{name}. 172800 IN NS {host}\n{host} 172800 IN A 192.0.2.{rng.randint(1, 250)}\n"
            yield f"{host} 172800 IN AAAA 2001:db8::{rng.randint(1, 65535):x}\n"


def nsec3_zone(cache: Path, count: int) -> Path:
    """Write a zone with `count` signed addresses and a real NSEC3 chain; the signatures are made up (chain)."""
    return _cached(cache / f"nsec3-{count}-{_RECIPE}.zone", lambda: _nsec3_lines(count))


def opt_out_zone(cache: Path) -> Path:
    """Write a TLD-like zone: 53,000 delegations, 28 % of them with DS, real NSEC3 opt-out chain, made-up signatures."""
    return _cached(cache / f"opt-out-{_RECIPE}.zone", _opt_out_lines)


def _cached(path: Path, lines: Callable[[], Iterator[str]]) -> Path:
    """Write a file once; a writer that is cut off leaves nothing under its name."""
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        try:
            with part.open("w", buffering=1 << 20) as file:
                file.writelines(lines())
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def _nsec3_lines(count: int) -> Iterator[str]:
    signer = chain.Signer(MILLION_ORIGIN)
    yield from chain.head(MILLION_ORIGIN, signer)
    types = chain.head_types(MILLION_ORIGIN)
    labels = MILLION_ORIGIN.count(".") + 1
    for number in range(1, count + 1):
        label = f"h{number:06d}"
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        types[f"{label}.{MILLION_ORIGIN}"] = "A RRSIG"
        yield f"{label} 3600 IN A {address}\n{label}{signer.rrsig('A', labels, 3600)}"
    yield from chain.nsec3(types, signer, opt_out=False)


def _opt_out_lines() -> Iterator[str]:
    rng = random.Random("opt-out")
    signer = chain.Signer(OPT_OUT_ORIGIN)
    yield from chain.head(OPT_OUT_ORIGIN, signer)
    types = chain.head_types(OPT_OUT_ORIGIN)
    labels: dict[str, None] = {}
    while len(labels) < OPT_OUT_DELEGATIONS:
        labels["".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(2, 6)))] = None
    providers = rng.sample(list(labels), 500)
    for provider in providers:
        for server in (1, 2):
            yield f"ns{server}.{provider} IN A 203.0.113.{rng.randint(1, 254)}\n"
    depth = OPT_OUT_ORIGIN.count(".") + 1
    for label in labels:
        if label in providers or rng.random() < 0.6:
            host = label if label in providers else providers[int(rng.random() ** 4 * len(providers))]
        else:
            host = f"host{int(rng.random() ** 3 * 2_000)}.example.net."
        yield f"{label} IN NS ns1.{host}\n{label} IN NS ns2.{host}\n"
        if rng.random() < _WITH_DS:
            types[f"{label}.{OPT_OUT_ORIGIN}"] = "NS DS RRSIG"
            yield f"{label}{signer.ds()}{label}{signer.rrsig('DS', depth, 3600)}"
    yield from chain.nsec3(types, signer, opt_out=True)
