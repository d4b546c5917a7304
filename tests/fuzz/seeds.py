# SPDX-License-Identifier: GPL-3.0-or-later
"""Seed queries, and what chance and system make of them: truncated, octets changed, checksums right or wrong."""

import random
from collections.abc import Iterator
from typing import Final

from tests.datapath import cases
from tests.datapath.packets import CD, DO, RD, SERVICE_VLAN, VLAN, Frame, Opt, message, option
from tests.datapath.served import texts

SEEDS: Final = 1000
_TYPES: Final = (1, 2, 5, 6, 15, 16, 28, 39, 43, 46, 47, 48, 255, 0, 41, 250, 251, 252, 65280, 65535)
_TAGS: Final = ((), (), (), ((VLAN, 42),), ((SERVICE_VLAN, 7), (VLAN, 4095)))
_SIZES: Final = (0, 511, 512, 1232, 4096, 65535)
_OPTIONS: Final = (b"", b"", option(10, b"clientck"), option(3), option(12, bytes(9)) + option(65001, b"x"))
_FIRST_CLIENT_PORT: Final = 1024


def names_in_zones() -> list[bytes]:
    """Return the names of the cases, and each zone's origin."""
    found = {case.query[12:-4] for case in cases.PLAIN}
    found |= {message(origin)[12:-4] for origin in texts()}
    return sorted(found)


def _mixed_case(rng: random.Random, name: bytes) -> bytes:
    return bytes(octet ^ 0x20 if 0x61 <= octet <= 0x7A and rng.random() < 0.4 else octet for octet in name)


def _below(rng: random.Random, name: bytes) -> bytes:
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        label = rng.randbytes(rng.choice((1, 3, 8, 63)))
        if len(name) + 1 + len(label) <= 255:
            name = bytes([len(label)]) + label + name
    return name


def seeds(count: int = SEEDS, seed: int = 20260101) -> list[Frame]:
    """Return well-formed queries: names of the zones and below them, every kind of type, EDNS, flag, tag and family."""
    rng = random.Random(seed)
    names = names_in_zones()
    found = []
    for number in range(count):
        name = _mixed_case(rng, _below(rng, rng.choice(names)))
        opt = None
        if rng.random() < 0.6:
            opt = Opt(size=rng.choice(_SIZES), flags=rng.choice((0, DO)), options=rng.choice(_OPTIONS))
        query = message(
            name,
            rng.choice(_TYPES),
            ident=rng.randrange(65536),
            flags=rng.choice((0, RD, CD, RD | CD)),
            opt=opt,
        )
        found.append(
            Frame(
                query,
                ipv6=bool(number & 1),
                tags=rng.choice(_TAGS),
                source_port=rng.randrange(_FIRST_CLIENT_PORT, 65536),
            )
        )
    return found


def truncations(seed: Frame) -> Iterator[bytes]:
    """Yield the frame cut short at every octet (the kernel takes 14 and more), lengths as they were."""
    whole = seed.octets()
    return (whole[:end] for end in range(14, len(whole)))


def short_messages(seed: Frame) -> Iterator[bytes]:
    """Yield the DNS message cut short at every octet, all lengths and checksums right."""
    return (seed.but(message=seed.message[:end]).octets() for end in range(len(seed.message)))


def every_octet(octets: bytes) -> Iterator[bytes]:
    """Yield all 255 changes of each octet."""
    for at in range(len(octets)):
        head, tail = octets[:at], octets[at + 1 :]
        for value in range(256):
            if value != octets[at]:
                yield head + bytes([value]) + tail


def some_octets(rng: random.Random, octets: bytes, count: int) -> Iterator[bytes]:
    """Yield as many changes of one octet, drawn at random."""
    for _ in range(count):
        at = rng.randrange(len(octets))
        changed = octets[at] ^ rng.randrange(1, 256)
        yield octets[:at] + bytes([changed]) + octets[at + 1 :]
