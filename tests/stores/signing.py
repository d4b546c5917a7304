# SPDX-License-Identifier: GPL-3.0-or-later
"""Sign a zone model: true NSEC and NSEC3 chains; signatures are octets only, since the store never verifies them."""

import base64
import hashlib
from collections.abc import Callable, Iterable

from appliance.zone import names, nsec3_hash, types
from appliance.zone.model import RRset, RRsets, Zone

TTL = 300


Signer = Callable[[Zone, bytes, RRset, int], RRset]
"""Makes the RRSIG RRset of an owner's RRset; the number is how many octets a made-up signature has."""


def bitmap(found: Iterable[int]) -> bytes:
    """Return the type bit maps field of RFC 4034 §4.1.2."""
    windows: dict[int, bytearray] = {}
    for rtype in sorted(found):
        window = windows.setdefault(rtype >> 8, bytearray())
        low = rtype & 255
        window.extend(bytes(max(0, low // 8 + 1 - len(window))))
        window[low // 8] |= 0x80 >> low % 8
    return b"".join(bytes((number, len(window))) + window for number, window in windows.items())


def signature(zone: Zone, owner: bytes, rrset: RRset, size: int) -> RRset:
    """Return an RRSIG RRset with a signature of so many octets."""
    count = names.label_count(owner) - names.is_wildcard(owner)
    head = rrset.rtype.to_bytes(2, "big") + bytes((13, count)) + rrset.ttl.to_bytes(4, "big")
    octets = hashlib.shake_256(owner + head).digest(size)
    return RRset(types.RRSIG, rrset.ttl, [head + bytes(8) + b"\x12\x34" + zone.origin + octets])


def signed(
    zone: Zone,
    nsec3: bool = False,
    opt_out: bool = False,
    salt: bytes = b"",
    size: int = 64,
    iterations: int | None = None,
    signer: Signer = signature,
) -> Zone:
    """Return a signed copy of an unsigned zone; iterations are as many as the salt has octets unless given."""
    nodes = {owner: dict(rrsets) for owner, rrsets in zone.nodes.items()}
    nodes[zone.origin].setdefault(types.DNSKEY, RRset(types.DNSKEY, TTL, [b"\x01\x01\x03\x0d" + bytes(range(64))]))
    shown = [owner for owner in nodes if not zone.is_occluded(owner)]
    hashed: dict[bytes, RRset] = {}
    if nsec3:
        chosen = (len(salt) if iterations is None else iterations, salt)
        parameters = chosen[0].to_bytes(2, "big") + bytes((len(salt),)) + salt
        nodes[zone.origin][types.NSEC3PARAM] = RRset(types.NSEC3PARAM, 0, [b"\x01\x00" + parameters])
        hashed = _nsec3_chain(zone, nodes, opt_out, chosen)
    else:
        shown.sort(key=names.canonical_key)
        for owner, following in zip(shown, [*shown[1:], shown[0]], strict=True):
            found = {*_shown_types(zone, owner, nodes[owner]), types.RRSIG, types.NSEC}
            nodes[owner][types.NSEC] = RRset(types.NSEC, TTL, [following + bitmap(found)])
    signatures: dict[bytes, RRsets] = {}
    for owner in shown:
        for rtype, rrset in nodes[owner].items():
            if owner not in zone.delegations or rtype in (types.DS, types.NSEC):
                signatures.setdefault(owner, {})[rtype] = signer(zone, owner, rrset, size)
    for owner, rrset in hashed.items():
        signatures.setdefault(owner, {})[types.NSEC3] = signer(zone, owner, rrset, size)
    return Zone.build(zone.origin, nodes, signatures, hashed)


def _shown_types(zone: Zone, owner: bytes, rrsets: RRsets) -> set[int]:
    if owner in zone.delegations:
        return set(rrsets) & {types.NS, types.DS}
    return set(rrsets)


def _nsec3_chain(
    zone: Zone, nodes: dict[bytes, RRsets], opt_out: bool, parameters: nsec3_hash.Parameters
) -> dict[bytes, RRset]:
    covered: set[bytes] = set()
    for owner in nodes:
        insecure = owner in zone.delegations and types.DS not in nodes[owner]
        if zone.is_occluded(owner) or (opt_out and insecure):
            continue
        while len(owner) >= len(zone.origin):
            covered.add(owner)
            owner = names.parent(owner) if len(owner) > len(zone.origin) else b""
    chain = sorted((nsec3_hash.digest(owner, parameters), owner) for owner in covered)
    iterations, salt = parameters
    head = bytes((1, opt_out)) + iterations.to_bytes(2, "big") + bytes((len(salt),)) + salt
    found = {}
    for (digest, owner), (following, _) in zip(chain, [*chain[1:], chain[0]], strict=True):
        present = _shown_types(zone, owner, nodes.get(owner, {}))
        secure = present and (owner not in zone.delegations or types.DS in present)
        rdata = head + b"\x14" + following + bitmap({*present, types.RRSIG} if secure else present)
        label = base64.b32hexencode(digest).lower()
        found[bytes((len(label),)) + label + zone.origin] = RRset(types.NSEC3, TTL, [rdata])
    return found
