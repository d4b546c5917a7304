# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones made up from a seed: a registry with delegations of every kind, and a root of the same shape."""

import random
from pathlib import Path

from tests.interop.peers import ZoneFile

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_HOSTERS = 40


def _label(rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.05:
        return "xn--" + "".join(rng.choices(_LETTERS + "0123456789", k=rng.randint(4, 20)))
    if roll < 0.08:
        return rng.choice(_LETTERS)
    if roll < 0.1:
        return "".join(rng.choices(_LETTERS, k=63))
    return "".join(rng.choices(_LETTERS + "0123456789", k=rng.randint(3, 14)))


def _v4(rng: random.Random) -> str:
    return f"192.0.2.{rng.randint(1, 254)}"


def _v6(rng: random.Random) -> str:
    return f"2001:db8::{rng.randint(1, 65535):x}"


def _addresses(rng: random.Random, host: str) -> list[str]:
    lines = []
    if rng.random() < 0.9:
        lines += [f"{host} A {_v4(rng)}" for _ in range(rng.choice((1, 1, 1, 2)))]
    if rng.random() < 0.5 or not lines:
        lines.append(f"{host} AAAA {_v6(rng)}")
    return lines


def _servers(rng: random.Random, cut: str, hosters: list[str]) -> list[str]:
    """Return NS records with what glue they need; names are absolute but for the final dot's zone."""
    kind = rng.random()
    if kind < 0.35:  # in domain
        hosts = [f"ns{number}.{cut}" for number in range(1, rng.choice((2, 2, 3, 4)) + 1)]
        glue = [line for host in hosts for line in _addresses(rng, host)]
    elif kind < 0.6:  # shared servers below other cuts: sibling glue
        hosts, glue = rng.sample(hosters, rng.choice((2, 2, 3))), []
    elif kind < 0.85:  # outside the zone
        hosts, glue = [f"ns{number}.{_label(rng)}.example." for number in range(1, rng.choice((2, 3, 6)) + 1)], []
    elif kind < 0.95:  # some of each
        hosts = [f"ns.{cut}", rng.choice(hosters), f"ns.{_label(rng)}.example."]
        glue = _addresses(rng, hosts[0])
    elif kind < 0.98:  # a server at the cut itself
        hosts, glue = [cut], _addresses(rng, cut)
    else:  # thirteen servers with long names: does not fit into 512 octets
        hosts = [f"{letter}.a-rather-long-name-for-a-server.{cut}" for letter in _LETTERS[:13]]
        glue = [line for host in hosts for line in _addresses(rng, host)]
    return [f"{cut} NS {host}" for host in hosts] + glue


def _delegation(rng: random.Random, cut: str, hosters: list[str]) -> list[str]:
    lines = _servers(rng, cut, hosters)
    if rng.random() < 0.3:
        ttl = rng.choice((300, 3600, 86400))
        for _ in range(rng.choice((1, 1, 2))):
            digest = "".join(rng.choices("0123456789ABCDEF", k=64))
            lines.append(f"{cut} {ttl} DS {rng.randint(1, 65535)} 13 2 {digest}")
    return lines


def registry(folder: Path, origin: str, delegations: int, seed: int) -> ZoneFile:
    """Write a zone that consists of delegations and little else; `origin` is absolute, `.` makes a root."""
    rng = random.Random(seed)
    suffix = "" if origin == "." else f".{origin}"
    dot = "." if origin == "." else ""
    own = f"nic{suffix}{dot}"
    lines = [
        "$TTL 3600",
        f"$ORIGIN {origin}",
        f"@ SOA ns1.{own} hostmaster.{own} 2026010100 1800 900 604800 900",
        *(f"@ 86400 NS ns{number}.{own}" for number in (1, 2, 3)),
        *(line for number in (1, 2, 3) for line in _addresses(rng, f"ns{number}.{own}")),
        "@ TXT registry",
        f"whois CNAME ns1.{own}",
    ]
    cuts: dict[str, None] = {}
    while len(cuts) < delegations:
        label = _label(rng)
        if label not in {"nic", "whois", "co"}:
            cuts[f"{label}.co" if rng.random() < 0.1 and origin != "." else label] = None
    hosters = []
    for cut in list(cuts)[:_HOSTERS]:
        hosts = [f"dns{number}.{cut}" for number in (1, 2)]
        hosters += hosts
        lines += [f"{cut} NS {host}" for host in hosts] + [line for host in hosts for line in _addresses(rng, host)]
    for cut in list(cuts)[_HOSTERS:]:
        lines += _delegation(rng, cut, hosters)
    name = origin.rstrip(".") or "root"
    path = folder / f"{name}.zone"
    path.write_text("\n".join(lines) + "\n")
    return ZoneFile(origin, path)
