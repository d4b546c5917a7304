# SPDX-License-Identifier: GPL-3.0-or-later
"""The NSEC chain: closed, complete, in canonical order, with the right types (RFC 4034 §4, RFC 4035 §2.3)."""

from appliance.zone import names, types
from appliance.zone.checks.levels import Judge
from appliance.zone.checks.signed_data import Bitmaps, Surface


def check(surface: Surface, judge: Judge) -> None:
    """Note every owner whose NSEC is missing, superfluous or wrong."""
    zone = surface.zone
    order = sorted(surface.signed, key=names.canonical_key)
    bitmaps = Bitmaps()
    for owner, following in zip(order, [*order[1:], order[0]], strict=True):
        rrsets = zone.nodes[owner]
        name = names.to_text(owner)
        if types.NSEC not in rrsets:
            judge.note(
                "nsec-chain", owner, next(iter(rrsets)), f"{name} has no NSEC, but every owner and cut needs one"
            )
            continue
        found = rrsets[types.NSEC].rdatas
        if len(found) > 1:
            judge.note("nsec-chain", owner, types.NSEC, f"{name} has {len(found)} NSEC records: keep one")
        if len(rrsets) == 1:
            reason = f"{name} has nothing but an NSEC (RFC 4035 §2.3): remove it and sign again"
            judge.note("nsec-chain", owner, types.NSEC, reason)
        target, end = names.read(found[0])
        if target.lower() != following:
            reason = f"{name} NSEC {names.to_text(target)}: the next name is {names.to_text(following)}"
            judge.note("nsec-chain", owner, types.NSEC, reason)
        if wrong := bitmaps.difference(found[0][end:], surface.bitmap_types(owner)):
            judge.note("type-bitmap", owner, types.NSEC, f"{name} NSEC: the bitmap {wrong}")
    for owner, rrsets in zone.nodes.items():
        if types.NSEC in rrsets and owner not in surface.signed:
            reason = f"NSEC at {names.to_text(owner)}, below a cut or a DNAME: it proves nothing there"
            judge.note("nsec-chain", owner, types.NSEC, reason)
