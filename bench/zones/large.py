# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones as large as a country's, and many small ones; written once into the cache.

The large one is like .NL: delegations that share the servers of providers, 28 % of them signed, NSEC3 with opt-out.
Keys and signatures are random octets of RSA-1024's size; the chain of hashes is real.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from appliance.zone import names
from appliance.zone.nsec3 import digest, text

ORIGIN: Final = "nl."
ITERATIONS: Final = 5
SALT: Final = bytes.fromhex("ab12cd34ef567890")
SIGNED: Final = 0.28
_SIGNATURE: Final = 128
_SYLLABLES: Final = [first + last for first in "bcdfghjklmnprstvwz" for last in "aeiou"] + ["en", "aan", "huis", "shop"]
_SMALL: Final = """$TTL 3600
@ IN SOA ns1.provider.example. hostmaster.provider.example. 1 3600 600 2419200 600
@ NS ns1.provider.example.
@ NS ns2.provider.example.
@ A 192.0.2.1
@ AAAA 2001:db8::1
@ MX 10 mail
mail A 192.0.2.2
www A 192.0.2.3
www AAAA 2001:db8::3
@ TXT "v=spf1 mx -all"
"""


def large(folder: Path, delegations: int) -> tuple[Path, str]:
    """Return the file of the zone, and one of its last delegations with the final dot."""
    path = folder / f"nl-{delegations}.zone"
    told = folder / f"nl-{delegations}.last"
    if not told.exists():
        chance = random.Random(delegations)
        labels = sorted(_labels(chance, delegations))
        temporary = path.with_suffix(".new")
        with temporary.open("w", buffering=1 << 22) as file:
            _write(file, chance, labels)
        temporary.rename(path)
        told.write_text(f"{labels[-1]}.{ORIGIN}")
    return path, told.read_text()


def _labels(chance: random.Random, count: int) -> set[str]:
    words = ["".join(chance.choices(_SYLLABLES, k=chance.choice((2, 3, 3, 4)))) for _ in range(40_000)]
    found: set[str] = set()
    while len(found) < count:
        number = chance.random()
        found.add(chance.choice(words) + ("-" if number < 0.15 else "") + chance.choice(words)[: int(2 + number * 6)])
    return found


def _write(file: TextIO, chance: random.Random, labels: list[str]) -> None:
    wire = names.from_text(ORIGIN)
    hashed = [(_hash(wire), "NS SOA RRSIG DNSKEY NSEC3PARAM"), (_hash(b"\3dns" + wire), "")]
    file.write(f"$ORIGIN {ORIGIN}\n$TTL 7200\n@ 3600 SOA ns1.dns hostmaster 1 3600 600 2419200 600\n")
    file.writelines(f"@ NS ns{number}.dns\n" for number in (1, 2))
    file.write(f"@ DNSKEY 256 3 8 {_octets(chance, 132)}\n@ 0 NSEC3PARAM 1 0 {ITERATIONS} {SALT.hex()}\n")
    file.writelines(f"@ {_rrsig(chance, kind, 1)}" for kind in ("SOA", "NS", "DNSKEY", "NSEC3PARAM"))
    for number in (1, 2):
        file.write(f"ns{number}.dns A 10.53.0.{number}\nns{number}.dns {_rrsig(chance, 'A', 3)}")
        hashed.append((_hash(f"\3ns{number}\3dns".encode() + wire), "A RRSIG"))
    providers = list(_providers(chance, labels))
    for label in labels:
        if chance.random() < 0.03:
            glue = "".join(f"ns{n}.{label} A 192.0.2.{n}\nns{n}.{label} AAAA 2001:db8::{n}\n" for n in (1, 2))
            file.write(f"{label} NS ns1.{label}\n{label} NS ns2.{label}\n{glue}")
        else:
            servers = providers[int(chance.random() ** 4 * len(providers))]
            file.write("".join(f"{label} NS {server}\n" for server in servers))
        if chance.random() < SIGNED:
            file.write(f"{label} DS 4711 8 2 {chance.randbytes(32).hex()}\n{label} {_rrsig(chance, 'DS', 2)}")
            hashed.append((_hash(bytes((len(label),)) + label.encode() + wire), "NS DS RRSIG"))
    hashed.sort()
    for at, (digested, kinds) in enumerate(hashed):
        owner, following = text(digested), text(hashed[(at + 1) % len(hashed)][0])
        file.write(
            f"{owner} NSEC3 1 1 {ITERATIONS} {SALT.hex()} {following} {kinds}\n{owner} {_rrsig(chance, 'NSEC3', 2)}"
        )


def _providers(chance: random.Random, labels: list[str]) -> Iterator[list[str]]:
    for number in range(20_000):
        domain = f"{chance.choice(labels)[:10]}{number}.{chance.choice(('com', 'net', 'eu', 'org'))}."
        yield [f"ns{server}.{domain}" for server in range(chance.choice((2, 2, 2, 3, 3, 4)))]


def _hash(wire: bytes) -> bytes:
    return digest(wire, ITERATIONS, SALT)


def _octets(chance: random.Random, count: int) -> str:
    return base64.b64encode(chance.randbytes(count)).decode()


def _rrsig(chance: random.Random, kind: str, labels: int) -> str:
    times = "20350101000000 20250101000000"
    return f"RRSIG {kind} 8 {labels} 7200 {times} 34567 {ORIGIN} {_octets(chance, _SIGNATURE)}\n"


def many(folder: Path, count: int) -> tuple[Path, list[str]]:
    """Return a folder with one file for each small zone, NAME.zone, and the names without the final dot."""
    path = folder / f"many-{count}"
    zones = [f"zone{number:06d}.example" for number in range(count)]
    if not (folder / f"many-{count}.whole").exists():
        path.mkdir(exist_ok=True)
        for zone in zones:
            (path / f"{zone}.zone").write_text(_SMALL)
        (folder / f"many-{count}.whole").touch()
    return path, zones
