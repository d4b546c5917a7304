# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do something, as a list of grants and refusals; made into our ACLs, which only grant.

What a refusal may reach is not granted at all: an import never lets in who was kept out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from appliance.migration.addresses import is_everybody, overlap
from appliance.migration.old import Acl, Old, Place

_REFUSED: Final = (
    "an ACL here cannot refuse a part of what it grants; nobody is let in by this entry: name those who may in an "
    "[[acl]]"
)

_PAIRS: Final = 250_000
"""Grants and refusals that are held against each other; where there are more, nobody is let in."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Clients with one of the addresses (any, if there are none) that sign with one of the keys (or not, if none)."""

    place: Place
    what: str
    addresses: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    transports: tuple[str, ...] = ()
    refuses: bool = False
    name: str = ""
    """What the old configuration calls it; else it is called after its user."""


def granted(old: Old, owner: str, grants: Sequence[Grant]) -> tuple[str, ...]:
    """Return the names of ACLs for grants; those without a name are put together by their keys."""
    refusals = [one for one in grants if one.refuses]
    joined: dict[tuple[str, tuple[str, ...], tuple[str, ...], bool], list[Grant]] = {}
    too_many = len(refusals) * len(grants) > _PAIRS
    for one in grants:
        if one.refuses:
            continue
        if too_many or any(_may_meet(one, refusal) for refusal in refusals):
            old.leave(one.place, one.what, _REFUSED)
            continue
        joined.setdefault((one.name, one.keys, one.transports, bool(one.addresses)), []).append(one)
    return tuple(dict.fromkeys(old.acl(_acl(owner, same, some)) for same, some in joined.items()))


def _acl(owner: str, same: tuple[str, tuple[str, ...], tuple[str, ...], bool], grants: list[Grant]) -> Acl:
    name, keys, transports, _ = same
    addresses = tuple(dict.fromkeys(address for one in grants for address in one.addresses))
    return Acl(name or "-".join([owner, *keys[:1]]), grants[0].place, addresses, keys, transports)


def _may_meet(grant: Grant, refusal: Grant) -> bool:
    """Return whether a client may be meant by both: by its address, and by its key where both ask for one."""
    if grant.keys and refusal.keys and not set(grant.keys) & set(refusal.keys):
        return False
    if not grant.addresses or not refusal.addresses:
        return True
    return any(overlap(one, other) for one in grant.addresses for other in refusal.addresses)


def lets_everybody(grants: Iterable[Grant]) -> bool:
    """Return whether grants keep nobody out."""
    known = list(grants)
    if any(one.refuses for one in known):
        return False
    return is_everybody(address for one in known if not one.keys and not one.transports for address in one.addresses)
