# SPDX-License-Identifier: GPL-3.0-or-later
"""Question sets over the root zone's delegations: deterministic, 65,536 distinct names where there are so many."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from bench.machine.link import Link
from bench.traffic.generator import SET_SIZE
from bench.traffic.packets import query, wire

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, NAPTR, DS, DNSKEY, TLSA, HTTPS, ANY, CAA = (
    1, 2, 5, 6, 12, 15, 16, 28, 33, 35, 43, 48, 52, 65, 255, 257,
)  # fmt: skip
ODD_TYPES = (NS, CNAME, SOA, PTR, MX, TXT, SRV, NAPTR, DS, DNSKEY, TLSA, HTTPS, ANY, CAA, 99, 65280)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ID_FIRST, ID_SPAN = 4_000, 57_000
Names = Callable[[int], bytes]


def frames(names: Names, link: Link, qtype: int = A, count: int = SET_SIZE, do: bool = False) -> list[bytes]:
    """Build one question of a type for each number below `count`; ids stay within ID_FIRST and ID_SPAN."""
    return [query(names(number), qtype, ident(number), link, do) for number in range(count)]


def exact(delegations: Sequence[str]) -> Names:
    """Ask for the delegations' own names, in random order."""
    rng = random.Random("exact")
    return lambda _: wire(rng.choice(delegations))


def below(delegations: Sequence[str], labels: int) -> Names:
    """Ask for different names one or two labels below the cuts."""
    rng = random.Random(f"below {labels}")
    head = "www." if labels == 2 else ""
    return lambda number: wire(f"{head}d{number:05d}.{rng.choice(delegations)}")


def nonexistent(delegations: Sequence[str]) -> Names:
    """Ask for different names whose last label is no delegation."""
    rng = random.Random("nonexistent")
    known = set(delegations)

    def name(number: int) -> bytes:
        while (last := "".join(rng.choices(LETTERS, k=rng.randint(6, 12)))) in known:
            continue
        return wire(f"h{number:05d}.{last}")

    return name


def sampled(origin: str, population: int) -> Names:
    """Ask for different existing names h000001 to h<population> of a zone."""
    chosen = random.Random("sampled").sample(range(1, population + 1), SET_SIZE)
    return lambda number: wire(f"h{chosen[number]:06d}.{origin}")


def missing(origin: str) -> Names:
    """Ask for different names that no generated zone has, right below its apex."""
    rng = random.Random("missing")
    return lambda number: wire(f"q{number:05d}-{''.join(rng.choices(LETTERS, k=rng.randint(2, 8)))}.{origin}")


def mixed(delegations: Sequence[str]) -> Names:
    """Ask as the world does: 60 % delegations, 20 % below them, 20 % names that do not exist."""
    rng = random.Random("mixed")
    kinds = (exact(delegations), below(delegations, 1), below(delegations, 2), nonexistent(delegations))

    def name(number: int) -> bytes:
        (kind,) = rng.choices(kinds, weights=(60, 10, 10, 20))
        return kind(number)

    return name


def odd_mix(delegations: Sequence[str], link: Link, count: int) -> list[bytes]:
    """The mix with all sorts of types, and half of the names in mixed case."""
    rng = random.Random("odd mix")
    names = mixed(delegations)

    def one(number: int) -> bytes:
        qtype = A if (draw := rng.random()) < 0.55 else AAAA if draw < 0.8 else rng.choice(ODD_TYPES)
        name = names(number)
        return query(mixed_case(name, rng) if rng.random() < 0.5 else name, qtype, ident(number), link)

    return [one(number) for number in range(count)]


def mixed_case(name: bytes, rng: random.Random) -> bytes:
    """Flip the case of random letters; length octets are below the letters and stay."""
    return bytes(octet ^ 0x20 if chr(octet) in LETTERS and rng.random() < 0.5 else octet for octet in name)


def ident(number: int) -> int:
    """Give a question its id, between ID_FIRST and ID_FIRST + ID_SPAN."""
    return ID_FIRST + number % ID_SPAN
