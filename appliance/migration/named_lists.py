# SPDX-License-Identifier: GPL-3.0-or-later
"""BIND's lists of clients and of servers: address match lists, acl, primaries, also-notify."""

import ipaddress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from appliance.migration.addresses import EVERYBODY, networks, plain
from appliance.migration.grants import Grant
from appliance.migration.named_syntax import Statement
from appliance.migration.old import Old, Remote
from appliance.migration.sources import wrong

_DEPTH: Final = 32
_LOCAL: Final = (
    "this machine's own addresses and networks have no name here; nobody is let in by it: name them in an [[acl]]"
)
_GEO: Final = "addresses are not looked up by country here; nobody is let in by it"
_MIXED: Final = "a list within a list that refuses some has no counterpart; nobody is let in by it"


@dataclass(slots=True)
class Names:
    """What lists may name: acl and primaries statements, and the keys that servers are spoken to with."""

    acls: dict[str, Statement] = field(default_factory=dict)
    servers: dict[str, Statement] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    """Names of acl and primaries statements that something names which is taken over."""
    expanded: dict[str, list[Grant]] = field(default_factory=dict)
    expanded_servers: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """What they stand for; each is gone through once, however many lists name it."""


def grants(old: Old, names: Names, found: Statement, way: tuple[str, ...] = ()) -> list[Grant]:
    """Return what an address match list lets in and keeps out; the first match counts there, a refusal always here."""
    made: list[Grant] = []
    for one in found.inside():
        made += _entry(old, names, one, f"{found.name} {' '.join(one.terms)}", way)
    return list(dict.fromkeys(made))


def _entry(old: Old, names: Names, one: Statement, what: str, way: tuple[str, ...]) -> list[Grant]:
    words = list(one.terms)
    refuses = bool(words) and words[0].startswith("!")
    if refuses:
        words[0] = words[0][1:]
        words = words[1:] if not words[0] else words
    place = one.place
    if one.block is not None and not words:
        inner = grants(old, names, one, way)
    elif not words:
        raise wrong(place, "an empty entry in a list of addresses; write an address, a prefix or the name of an acl")
    elif words[0].lower() == "key" and len(words) == 2:
        inner = [Grant(place, what, keys=(words[1],))]
    elif words[0].lower() == "geoip":
        old.leave(place, what, _GEO)
        inner = []
    else:
        inner = _named(old, names, words[0], Grant(place, what), way)
    if not refuses:
        return inner
    if words[:1] == ["none"]:
        return []
    mixed = any(grant.refuses for grant in inner)
    if mixed:
        old.leave(place, what, _MIXED)
    if mixed or not inner:  # who is meant is not known: nobody is let in
        return [Grant(place, what, EVERYBODY, refuses=True)]
    return [Grant(place, what, grant.addresses, grant.keys, refuses=True) for grant in inner]


def _named(old: Old, names: Names, word: str, entry: Grant, way: tuple[str, ...]) -> list[Grant]:
    place, what = entry.place, entry.what
    if word.lower() == "any":
        return [Grant(place, what, EVERYBODY)]
    if word.lower() == "none":
        return []
    if word.lower() in ("localhost", "localnets") and word not in names.acls:
        old.leave(place, what, _LOCAL)
        return []
    if word in names.acls:
        if word in way or len(way) >= _DEPTH:
            raise wrong(place, f"acl {word} contains itself, or too many others: {' → '.join([*way, word])}")
        names.used.add(word)
        if word not in names.expanded:
            names.expanded[word] = grants(old, names, names.acls[word], (*way, word))
        return names.expanded[word]
    try:
        return [Grant(place, what, tuple(map(_prefix, networks(_filled(word)))))]
    except ValueError:
        raise wrong(place, f"{word} is no address, no prefix, and no acl of that name is there; add one") from None


def _filled(word: str) -> str:
    """Return a prefix with all four numbers: 10/8 is short for 10.0.0.0/8."""
    address, slash, length = word.partition("/")
    if slash and ":" not in address and address.count(".") < 3:
        address += ".0" * (3 - address.count("."))
    return f"{address}{slash}{length}"


def _prefix(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    return plain(network) if network.prefixlen else str(network)


def remotes(old: Old, names: Names, found: Statement, source: str = "", way: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the names of the remotes that a list of servers stands for."""
    default = _option(found.terms, "port") or _option(found.more, "port")
    made: list[str] = []
    for one in found.inside():
        if not one.terms:
            raise wrong(one.place, "an empty entry in a list of servers; write an address")
        first = one.terms[0]
        if first in names.servers:
            if first in way or len(way) >= _DEPTH:
                raise wrong(one.place, f"the list {first} contains itself, or too many others; take it out of it")
            names.used.add(first)
            if (first, source) not in names.expanded_servers:
                inner = remotes(old, names, names.servers[first], source, (*way, first))
                names.expanded_servers[first, source] = inner
            made += names.expanded_servers[first, source]
            continue
        made.append(old.remote(_server(names, one, default, source)))
    return tuple(dict.fromkeys(made))


def _server(names: Names, one: Statement, default: str, source: str) -> Remote:
    first = one.terms[0]
    transport = "tls" if _option(one.terms, "tls") not in ("", "none") else "tcp"
    try:
        address = str(ipaddress.ip_address(first))
        port = int(_option(one.terms, "port") or default or (853 if transport == "tls" else 53))
        if not 0 < port < 65536:
            raise ValueError
    except ValueError:
        raise wrong(one.place, f"{first} is no address with a port, and no list of that name is there") from None
    key = _option(one.terms, "key") or names.keys.get(address, "")
    fits = source if source and (":" in source) == (":" in address) else ""
    return Remote(address, (address,), one.place, port, key, transport, fits)


def _option(words: list[str], name: str) -> str:
    """Return the word behind one of a name."""
    return next((value for key, value in pairwise(words) if key.lower() == name), "")
