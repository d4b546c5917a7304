# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs of non-existence, found by looking at every NSEC or NSEC3 (RFC 4035 §3.1.3, RFC 5155 §7.2)."""

from __future__ import annotations

import dns.name
import dns.rdatatype as rt
from dns.name import Name

from tests.reference.zone import ReferenceZone, label_hash, nsec3_hash


def star(name: Name) -> Name:
    return dns.name.Name((b"*", *name.labels))


def next_closer(name: Name, closest_encloser: Name) -> Name:
    return Name(name.labels[-len(closest_encloser.labels) - 1 :])


def nodata(zone: ReferenceZone, name: Name) -> set[Name]:
    """Return the owners of the records that prove an existing name has no such type (also: a cut has no DS)."""
    if zone.nsec3_parameters is None:
        return {_nsec_at(zone, name) or _nsec_covering(zone, name)}
    match = _nsec3_matching(zone, name)
    if match is not None:
        return {match}
    # An insecure cut, or an ENT above such, in an opt-out span (RFC 5155 §7.2.4, §7.2.7).
    return _provable_encloser(zone, name)


def nxdomain(zone: ReferenceZone, name: Name, closest_encloser: Name) -> set[Name]:
    wildcard = star(closest_encloser)
    if zone.nsec3_parameters is None:
        return {_nsec_covering(zone, name), _nsec_covering(zone, wildcard)}
    # In an opt-out span the closest encloser may be provable only further up; so is the wildcard then (§7.2.2).
    provable = _closest_provable(zone, name)
    return _provable_encloser(zone, name) | {_nsec3_covering(zone, star(provable))}


def wildcard_answer(zone: ReferenceZone, name: Name, closest_encloser: Name) -> set[Name]:
    """Return what proves that nothing closer than the wildcard matches."""
    if zone.nsec3_parameters is None:
        return {_nsec_covering(zone, name)}
    return {_nsec3_covering(zone, next_closer(name, closest_encloser))}


def wildcard_nodata(zone: ReferenceZone, name: Name, closest_encloser: Name) -> set[Name]:
    wildcard = star(closest_encloser)
    if zone.nsec3_parameters is None:
        return {_nsec_covering(zone, name)} | nodata(zone, wildcard)
    return _provable_encloser(zone, name) | nodata(zone, wildcard)


def _nsec_at(zone: ReferenceZone, name: Name) -> Name | None:
    return name if zone.get(name, rt.NSEC) is not None else None


def _nsec_covering(zone: ReferenceZone, name: Name) -> Name:
    for owner, rrsets in zone.rrsets.items():
        if rt.NSEC in rrsets:
            following = rrsets[rt.NSEC][0].next
            if owner < name and (name < following or following == zone.origin):
                return owner
    raise AssertionError(f"no NSEC covers {name}")


def _hash(zone: ReferenceZone, name: Name) -> bytes:
    assert zone.nsec3_parameters is not None
    return nsec3_hash(name, *zone.nsec3_parameters)


def _nsec3_matching(zone: ReferenceZone, name: Name) -> Name | None:
    wanted = _hash(zone, name)
    return next((owner for owner in zone.nsec3 if label_hash(owner.labels[0]) == wanted), None)


def _nsec3_covering(zone: ReferenceZone, name: Name) -> Name:
    wanted = _hash(zone, name)
    for owner, rdataset in zone.nsec3.items():
        here, following = label_hash(owner.labels[0]), rdataset[0].next
        if here < wanted < following or (following <= here and (wanted > here or wanted < following)):
            return owner
    raise AssertionError(f"no NSEC3 covers {name}")


def _closest_provable(zone: ReferenceZone, name: Name) -> Name:
    while name != zone.origin:
        name = name.parent()
        if _nsec3_matching(zone, name) is not None:
            break
    return name


def _provable_encloser(zone: ReferenceZone, name: Name) -> set[Name]:
    """Return the closest provable encloser proof (RFC 5155 §7.2.1): the encloser's match, the next closer's cover."""
    provable = _closest_provable(zone, name)
    match = _nsec3_matching(zone, provable)
    assert match is not None, f"the apex of {zone.origin} has no NSEC3"
    return {match, _nsec3_covering(zone, next_closer(name, provable))}
