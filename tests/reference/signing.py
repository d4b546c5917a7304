# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a signed zone out of a plain one: a real NSEC or NSEC3 chain, RRSIGs that are right in all but the signature.

What answers look like does not depend on whether signatures verify, so no keys are made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import dns.rdatatype as rt
from dns.name import Name

from tests.reference.zone import ReferenceZone, hash_label, nsec3_hash

Scheme = Literal["nsec", "nsec3", "opt-out"]

SALT = bytes.fromhex("aabb")
ITERATIONS = 1
_SIGNATURE = "A" * 86 + "=="


def signed_text(text: str, origin: Name, scheme: Scheme) -> str:
    """Return the text of the zone with DNSKEY, denial chain and RRSIGs added."""
    lines = [f"{origin} 3600 IN DNSKEY 257 3 13 {_SIGNATURE}"]
    if scheme != "nsec":
        lines.append(f"{origin} 0 IN NSEC3PARAM 1 0 {ITERATIONS} {SALT.hex()}")
    zone = ReferenceZone.from_text(text + "\n".join(lines) + "\n", origin)
    visible = {name: _signable(zone, name) for name in zone.rrsets if not _is_hidden(zone, name)}
    minimum = zone.rrsets[origin][rt.SOA][0].minimum
    for name, covered in visible.items():
        lines += [_rrsig(name, rtype, zone.rrsets[name][rtype].ttl, origin) for rtype in covered]
    if scheme == "nsec":
        lines += _nsec_chain(zone, visible, minimum)
    else:
        lines += _nsec3_chain(zone, visible, minimum, scheme == "opt-out")
    return text + "\n".join(lines) + "\n"


def _is_hidden(zone: ReferenceZone, name: Name) -> bool:
    while name != zone.origin:
        name = name.parent()
        if zone.get(name, rt.DNAME) is not None or (name != zone.origin and zone.get(name, rt.NS) is not None):
            return True
    return False


def _is_cut(zone: ReferenceZone, name: Name) -> bool:
    return name != zone.origin and zone.get(name, rt.NS) is not None


def _signable(zone: ReferenceZone, name: Name) -> list[int]:
    """Return the types at a name that are authoritative (RFC 4035 §2.2)."""
    present = zone.rrsets[name]
    return [rtype for rtype in present if rtype == rt.DS] if _is_cut(zone, name) else list(present)


def _rrsig(owner: Name, covered: int, ttl: int, origin: Name) -> str:
    labels = len(owner) - 1 - (owner.labels[0] == b"*")
    times = "20380101000000 20200101000000"
    rtype = rt.to_text(rt.RdataType(covered))
    return f"{owner} {ttl} IN RRSIG {rtype} 13 {labels} {ttl} {times} 12345 {origin} {_SIGNATURE}"


def _bitmap(types: Iterable[int]) -> str:
    return " ".join(rt.to_text(rt.RdataType(rtype)) for rtype in sorted(set(types)))


def _types_at(zone: ReferenceZone, name: Name, covered: list[int]) -> list[int]:
    return [rt.NS, *covered] if _is_cut(zone, name) else covered


def _nsec_chain(zone: ReferenceZone, visible: dict[Name, list[int]], ttl: int) -> list[str]:
    lines = []
    chain = sorted(visible)
    for name, following in zip(chain, [*chain[1:], chain[0]], strict=True):
        types = [*_types_at(zone, name, visible[name]), rt.RRSIG, rt.NSEC]
        lines.append(f"{name} {ttl} IN NSEC {following} {_bitmap(types)}")
        lines.append(_rrsig(name, rt.NSEC, ttl, zone.origin))
    return lines


def _nsec3_chain(zone: ReferenceZone, visible: dict[Name, list[int]], ttl: int, opt_out: bool) -> list[str]:
    names: dict[Name, list[int]] = {}
    for name, covered in visible.items():
        if opt_out and _is_cut(zone, name) and not covered:
            continue
        names[name] = [*_types_at(zone, name, covered), *([rt.RRSIG] if covered else [])]
        while name != zone.origin:
            name = name.parent()
            names.setdefault(name, [])  # an ENT, unless the name has its own turn
    for name, covered in visible.items():
        if name in names:
            names[name] = [*_types_at(zone, name, covered), *([rt.RRSIG] if covered else [])]
    chain = sorted((nsec3_hash(name, SALT, ITERATIONS), name) for name in names)
    lines = []
    for (digest, name), (following, _) in zip(chain, [*chain[1:], chain[0]], strict=True):
        owner = Name((hash_label(digest), *zone.origin.labels))
        rdata = f"1 {int(opt_out)} {ITERATIONS} {SALT.hex()} {hash_label(following).decode()} {_bitmap(names[name])}"
        lines += [f"{owner} {ttl} IN NSEC3 {rdata}", _rrsig(owner, rt.NSEC3, ttl, zone.origin)]
    return lines
