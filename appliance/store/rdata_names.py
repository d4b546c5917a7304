# SPDX-License-Identifier: GPL-3.0-or-later
"""What RDATA says to the compiler: names that may be compressed, names whose addresses help the asker."""

from collections.abc import Iterator
from typing import Final

from appliance.zone import names, types

COMPRESSIBLE: Final = {
    types.NS: (0, 1),
    types.CNAME: (0, 1),
    types.SOA: (0, 2),
    types.PTR: (0, 1),
    types.MX: (2, 1),
}
"""Type → octets before the names, number of names. Only types of RFC 1035 may be compressed (RFC 3597 §4); its MINFO,
MB and the like are so rare that not every program knows them."""

_TARGET_AT: Final = {
    types.NS: 0,
    types.MX: 2,
    types.SRV: 6,
    types.SVCB: 2,
    types.HTTPS: 2,
}


def name_end(octets: bytes, at: int) -> int:
    """Return where an uncompressed name that is known to be well-formed ends."""
    while length := octets[at]:
        at += length + 1
    return at + 1


def has_targets(rtype: int) -> bool:
    """Return whether the type asks for addresses in the additional section."""
    return rtype in _TARGET_AT


def targets(rtype: int, rdatas: list[bytes], owner: bytes) -> Iterator[bytes]:
    """Yield the folded names whose addresses belong in the additional section, each once.

    In SVCB and HTTPS the root stands for the owner in ServiceMode and for nothing in AliasMode (RFC 9460 §2.5).
    """
    at = _TARGET_AT[rtype]
    seen = set()
    for rdata in rdatas:
        name = rdata[at : name_end(rdata, at)].lower()
        if name == names.ROOT and rtype in (types.SVCB, types.HTTPS) and rdata[:2] != b"\0\0":
            name = owner
        if name not in seen and name != names.ROOT:
            seen.add(name)
            yield name
