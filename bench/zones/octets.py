# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeded zones with a bit of everything, and random changes of them, for bench.suites.octets."""

from __future__ import annotations

import random

from appliance.zone import names, types
from appliance.zone.model import RRset, RRsets, Zone, placeholder

Nodes = dict[bytes, RRsets]

ORIGIN = names.from_text("example.")
FAMILY = [
    names.from_text(one)
    for one in ("test.", "a.test.", "b.a.test.", "x.y.a.test.", "y.a.test.", "other.", "deep.er.other.", "c.cut.test.")
]
_LABELS = ("a", "b", "ns", "www", "*", "cut", "alias", "deep")
_CUTS = [f"{label}{number}" for number in range(12) for label in ("a", "a-long-label-", "x.far")]
_PROVIDERS = [names.from_text(f"ns{number}.Provider{number % 3}.test.") for number in range(9)]


def under(origin: bytes, text: str) -> bytes:
    """Return a name below an origin."""
    return names.from_text(text + ".")[:-1] + origin if text else origin


def soa(origin: bytes, serial: int) -> RRset:
    """Return an SOA RRset."""
    timers = b"".join(number.to_bytes(4, "big") for number in (serial, 7200, 900, 1209600, 300))
    return RRset(types.SOA, 300, [under(origin, "ns") + under(origin, "hostmaster") + timers])


def next_serial(nodes: Nodes, origin: bytes) -> None:
    """Count the serial up."""
    old = nodes[origin][types.SOA]
    rdata = old.rdatas[0]
    serial = int.from_bytes(rdata[-20:-16], "big") + 1
    fresh = RRset(types.SOA, old.ttl, [rdata[:-20] + serial.to_bytes(4, "big") + rdata[-16:]])
    nodes[origin] = {rtype: fresh if rtype == types.SOA else rrset for rtype, rrset in nodes[origin].items()}


def _host(chance: random.Random) -> RRset:
    return RRset(types.A, 300, [bytes((192, 0, 2, chance.randrange(256))) for _ in range(chance.randrange(1, 3))])


def _servers(chance: random.Random, origin: bytes, cut: bytes) -> RRset:
    found = chance.sample(_PROVIDERS, chance.randrange(1, 5))
    if chance.random() < 0.2:
        found.append(chance.choice([under(origin, "ns"), under(origin, "no"), b"\2in" + cut, cut]))
    if chance.random() < 0.03:
        found = [names.from_text(f"n{number}.p.test.") for number in range(70)]
    return RRset(types.NS, chance.choice((300, 7200)), found)


def _ds(chance: random.Random) -> RRset:
    rdatas = [chance.randbytes(2) + b"\x0d\x02" + chance.randbytes(32) for _ in range(chance.choice((1, 1, 2)))]
    return RRset(types.DS, 300, rdatas)


def mixed(chance: random.Random, origin: bytes = ORIGIN) -> Nodes:
    """Return a zone with cuts of all kinds, wildcards, DNAME, aliases, and names that nothing stands at."""
    nodes: Nodes = {origin: {types.SOA: soa(origin, 1), types.NS: RRset(types.NS, 300, [under(origin, "ns")])}}
    nodes[under(origin, "ns")] = {types.A: _host(chance), types.AAAA: RRset(types.AAAA, 300, [bytes(16)])}
    nodes[under(origin, "*.wild")] = {types.TXT: RRset(types.TXT, 300, [b"\1w"])}
    nodes[under(origin, "old")] = {types.DNAME: RRset(types.DNAME, 300, [under(origin, "new")])}
    nodes[under(origin, "e.n.t")] = {types.TXT: RRset(types.TXT, 300, [b"\3ent"])}
    srv = b"\0\1\0\2\0\3" + under(origin, "www")
    nodes[under(origin, "_sip._tcp")] = {types.SRV: RRset(types.SRV, 300, [srv])}
    for number, label in enumerate(_CUTS):
        cut = under(origin, label)
        nodes[cut] = {types.NS: _servers(chance, origin, cut)}
        nodes[b"\2in" + cut] = {types.A: _host(chance)}
        if number % 3 == 0:
            nodes[cut][types.DS] = _ds(chance)
    for _ in range(20):
        _one(chance, nodes, origin)
    return nodes


def mutate(chance: random.Random, nodes: Nodes, only_cuts: bool) -> None:
    """Give some cuts other servers, and change other names too unless only cuts shall."""
    for label in chance.sample(_CUTS, chance.randrange(1, 9)):
        cut = under(ORIGIN, label)
        if chance.random() < 0.1 and not only_cuts:
            nodes.pop(cut, None)
        else:
            nodes[cut] = {**nodes.get(cut, {}), types.NS: _servers(chance, ORIGIN, cut)}
    for _ in range(0 if only_cuts else chance.randrange(4)):
        _one(chance, nodes, ORIGIN)


def _one(chance: random.Random, nodes: Nodes, origin: bytes) -> None:
    """Change one name that is no cut, or make it one, or take it away."""
    name = under(origin, ".".join(chance.choices(_LABELS, k=chance.randrange(1, 4))))
    if name == under(origin, "ns"):
        return
    kind = chance.random()
    if kind < 0.25:
        nodes.pop(name, None)
    elif kind < 0.35:
        target = chance.choice([under(origin, "www"), under(origin, "alias.a"), names.from_text("host.other.test.")])
        nodes[name] = {types.CNAME: RRset(types.CNAME, 300, [target])}
    elif kind < 0.45:
        nodes[name] = {types.NS: _servers(chance, origin, name)}
    elif kind < 0.6:
        nodes[name] = {types.MX: RRset(types.MX, 300, [b"\0\x0a" + under(origin, "ns")]), types.A: _host(chance)}
    else:
        nodes[name] = {types.A: _host(chance), types.TXT: RRset(types.TXT, 300, [b"\x08" + chance.randbytes(8)])}


def stranger() -> Zone:
    """Return another zone, whose alias leads into the one that changes."""
    origin = names.from_text("other.test.")
    nodes: Nodes = {origin: {types.SOA: soa(origin, 1), types.NS: RRset(types.NS, 300, [under(origin, "ns")])}}
    for label in ("ns", "host"):
        nodes[under(origin, label)] = {types.A: RRset(types.A, 300, [b"\1\2\3\4"])}
    nodes[under(origin, "alias")] = {types.CNAME: RRset(types.CNAME, 300, [under(ORIGIN, "www")])}
    return Zone.build(origin, nodes)


def relative(chance: random.Random, origin: bytes) -> Nodes:
    """Return a zone that others lie below, or that has cuts and aliases where they lie."""
    serial = chance.randrange(1, 200)
    nodes: Nodes = {origin: {types.SOA: soa(origin, serial), types.NS: RRset(types.NS, 300, [under(origin, "ns")])}}
    nodes[under(origin, "ns")] = {types.A: _host(chance)}
    for label in ("a", "cut", "b.a", "y"):
        if chance.random() < 0.4:
            cut = under(origin, label)
            nodes[cut] = {types.NS: _servers(chance, origin, cut)}
            if chance.random() < 0.5:
                nodes[cut][types.DS] = _ds(chance)
    for label, target in (("alias", "ns.other."), ("far", "ns.x.y.a.test."), ("w.far", "no.where.")):
        if chance.random() < 0.4:
            nodes[under(origin, label)] = {types.CNAME: RRset(types.CNAME, 300, [names.from_text(target)])}
    if chance.random() < 0.3:
        nodes[under(origin, "*")] = {types.TXT: RRset(types.TXT, 300, [b"\4wild"])}
    if chance.random() < 0.3:
        nodes[under(origin, "d")] = {types.DNAME: RRset(types.DNAME, 300, [names.from_text("other.")])}
    return nodes


def waiting(origin: bytes) -> Zone:
    """Return what stands for a zone whose data are not there yet."""
    return placeholder(origin)


def delegations(chance: random.Random, origin: bytes, count: int) -> Nodes:
    """Return a zone of many cuts, a quarter of them with DS, most with servers that others have too."""
    nodes: Nodes = {origin: {types.SOA: soa(origin, 1), types.NS: RRset(types.NS, 300, [under(origin, "ns")])}}
    nodes[under(origin, "ns")] = {types.A: _host(chance)}
    for number in range(count):
        cut = under(origin, f"c{number * 7919 % 999_983:06d}")
        nodes[cut] = {types.NS: _servers(chance, origin, cut)}
        if chance.random() < 0.25:
            nodes[cut][types.DS] = _ds(chance)
        if chance.random() < 0.1:
            nodes[b"\2in" + cut] = {types.A: _host(chance)}
    return nodes


def other_servers(chance: random.Random, nodes: Nodes, cuts: list[bytes], count: int) -> None:
    """Give other servers to some cuts."""
    for cut in chance.sample(cuts, min(count, len(cuts))):
        servers = chance.sample(_PROVIDERS, chance.randrange(1, 4))
        nodes[cut] = {**nodes[cut], types.NS: RRset(types.NS, 300, servers)}


def some_cuts(chance: random.Random, nodes: Nodes, origin: bytes) -> None:
    """Give other servers to some cuts of a zone from a file; where it has none, change and add addresses."""
    cuts = sorted(name for name, rrsets in nodes.items() if types.NS in rrsets and name != origin)
    if cuts:
        other_servers(chance, nodes, cuts, chance.randrange(1, 30))
    if types.DNSKEY not in nodes[origin]:
        for number in chance.sample(range(30), 3):
            name = under(origin, f"h{number}")
            if name in nodes and chance.random() < 0.4:
                del nodes[name]
            else:
                nodes[name] = {types.A: _host(chance)}


def text(which: int) -> bytes:
    """Return a zone file that names no zone."""
    lines = [
        f"$TTL 300\n@ SOA ns1.provider.example. host.provider.example. {which + 1} 3600 600 2419200 600\n",
        "@ NS ns1.provider.example.\n@ NS ns\nns A 192.0.2.53\n",
        f"@ MX 10 mail\nmail A 192.0.2.{which}\n",
        "alias CNAME www\nwww.b A 192.0.2.4\n" if which % 2 else "www A 192.0.2.3\n*.wild A 192.0.2.5\n",
    ]
    return "".join(lines).encode()
