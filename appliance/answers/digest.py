# SPDX-License-Identifier: GPL-3.0-or-later
"""What a served zone said, in few octets, so that its next version can be compared with it name by name."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from appliance.answers.change import Changed, owners
from appliance.zone import types
from appliance.zone.model import RRset, Zone

Entry = tuple[bytes, int, int]
"""Owner, type (RRSIG by the type it covers, above 65,535), hash of the RRset, which only this process can compare."""

_SIGNATURE = 1 << 16


class Digest:
    """All RRsets of a zone, sorted by owner and type."""

    def __init__(self, zone: Zone) -> None:
        entries = sorted(_entries(zone))
        self._owners = b"".join([owner for owner, _, _ in entries])
        self._kinds = array("I", [kind for _, kind, _ in entries])
        self._hashes = array("q", [found for _, _, found in entries])

    def __iter__(self) -> Iterator[Entry]:
        at = 0
        octets = self._owners
        for kind, found in zip(self._kinds, self._hashes, strict=True):
            start = at
            while octets[at]:
                at += octets[at] + 1
            at += 1
            yield octets[start:at], kind, found

    def differences(self, newer: Digest) -> Changed:
        """Return the types of the RRsets that another version has otherwise, more or less of, by owner."""
        found: list[tuple[bytes, int]] = []
        ours, theirs = iter(self), iter(newer)
        one, other = next(ours, None), next(theirs, None)
        while one is not None or other is not None:
            if other is None or (one is not None and one[:2] < other[:2]):
                assert one is not None
                found.append(one[:2])
                one = next(ours, None)
            elif one is None or other[:2] < one[:2]:
                found.append(other[:2])
                other = next(theirs, None)
            else:
                if one[2] != other[2]:
                    found.append(one[:2])
                one, other = next(ours, None), next(theirs, None)
        return owners((owner, kind if kind < _SIGNATURE else types.RRSIG) for owner, kind in found)


def _entries(zone: Zone) -> Iterator[Entry]:
    for owner, rrsets in zone.nodes.items():
        for rtype, rrset in rrsets.items():
            yield owner, rtype, _hash(rrset)
    for owner, rrsets in zone.signatures.items():
        for rtype, rrset in rrsets.items():
            yield owner, _SIGNATURE | rtype, _hash(rrset)
    for owner, rrset in zone.nsec3.items():
        yield owner, types.NSEC3, _hash(rrset)


def _hash(rrset: RRset) -> int:
    return hash((rrset.ttl, *rrset.rdatas))
