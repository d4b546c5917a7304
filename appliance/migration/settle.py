# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an old configuration can be served: usable keys, names that lead somewhere, zones that are public."""

import base64
import binascii
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from appliance.config.nearest import nearest
from appliance.config.patterns import shown
from appliance.errors import ConfigError, WireError
from appliance.migration.old import Acl, Key, Lists, Old, Pattern, Place, Zone
from appliance.zone import names

_ALGORITHMS: Final = ("hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")
_ADDRESSES: Final = 64
_LOOPBACK: Final = ("127.0.0.1", "::1")
_WILDCARDS: Final = {4: "0.0.0.0", 6: "::"}
PUBLIC: Final = "give --public {name} if everybody may ask for it"


@dataclass(slots=True)
class Settled:
    """What is written, and which zones are left out."""

    old: Old
    keys: list[Key] = field(default_factory=list)
    zones: list[Zone] = field(default_factory=list)
    left_out: list[Zone] = field(default_factory=list)
    addresses: tuple[str, ...] = ()
    port: int = 53


def settle(old: Old, public: Collection[str]) -> Settled:
    """Return what of an old configuration is written. Raises ConfigError where `public` names no zone of it."""
    made = Settled(old)
    _keys(made)
    _references(made)
    _zones(made, _wanted(old, public))
    _listen(made)
    return made


def _keys(made: Settled) -> None:
    said: dict[str, set[tuple[str, str]]] = {}
    for key in made.old.keys:
        said.setdefault(_folded(key.name), set()).add((key.algorithm, key.secret))
    seen: set[str] = set()
    for key in made.old.keys:
        reason = _wrong_with(key)
        if not reason and len(said[_folded(key.name)]) > 1:
            reason = "another key has the same name; give each key a name of its own, on both sides"
        elif not reason and _folded(key.name) in seen:
            continue
        seen.add(_folded(key.name))
        if reason:
            made.old.leave(key.place, f"key {key.name}", reason)
        else:
            made.keys.append(key)


def _wrong_with(key: Key) -> str:
    """Return why a key cannot be used; its secret is not told."""
    if key.algorithm not in _ALGORITHMS:
        return f"{key.algorithm} is not accepted here (RFC 8945 §6): agree on a key of hmac-sha256 with the other side"
    try:
        names.from_text(key.name)
        if base64.b64decode(key.secret, validate=True):
            return ""
    except WireError as error:
        return str(error)
    except (ValueError, binascii.Error):
        pass
    return "its secret is not in base64, or empty: make another one with the other side"


def _references(made: Settled) -> None:
    """Take out what names a key that there is not; nobody may do more because of it."""
    old, known = made.old, {_folded(key.name) for key in made.keys}
    for remote in [one for one in old.remotes if one.key and _folded(one.key) not in known]:
        old.leave(remote.place, f"remote {remote.name}", f"its key {remote.key} is not there; add both")
        old.remotes.remove(remote)
    kept = []
    for acl in old.acls:
        lost = [key for key in acl.keys if _folded(key) not in known]
        if lost:
            old.leave(acl.place, f"acl {acl.name}", f"key {', '.join(lost)} is not there; nobody gets in with it")
        keys = tuple(key for key in acl.keys if key not in lost)
        if keys or not lost:
            kept.append(Acl(acl.name, acl.place, acl.addresses, keys, acl.transports))
    old.acls = kept
    remotes, acls = {one.name for one in old.remotes}, {one.name for one in old.acls}
    users: list[Pattern | Zone] = [*old.patterns, *old.zones]
    for user in users:
        user.lists = Lists(
            tuple(one for one in user.lists.primaries if one in remotes),
            tuple(one for one in user.lists.notify if one in remotes),
            tuple(one for one in user.lists.allow_transfer if one in acls),
            tuple(one for one in user.lists.allow_notify if one in acls),
        )


def _folded(name: str) -> str:
    return name.lower().rstrip(".")


def _wanted(old: Old, public: Collection[str]) -> set[str]:
    """Return zones, some with @ and their view, that are served though they were restricted."""
    known: dict[str, list[Zone]] = {}
    for zone in old.zones:
        known.setdefault(_folded(zone.name), []).append(zone)
        known.setdefault(f"{_folded(zone.name)}@{zone.view}", []).append(zone)
    for name in public:
        found = known.get(_folded(name))
        if found is None:
            there = [zone.name for zone in old.zones]
            raise ConfigError(f"--public {name}: {old.file} has no such zone{nearest(name, there)}")
        if len(found) > 1 and not any(_is_served(zone) for zone in found):
            views = " or ".join(f"--public {zone.name}@{zone.view}" for zone in found)
            raise ConfigError(f"--public {name}: the zone is in {len(found)} views; say {views}")
    return {_folded(name) for name in public}


def _is_served(zone: Zone) -> bool:
    return not zone.restricted and not zone.left_out


def _zones(made: Settled, public: Collection[str]) -> None:
    seen: dict[bytes, Zone] = {}
    for zone in made.old.zones:
        is_public = _folded(zone.name) in public or f"{_folded(zone.name)}@{zone.view}" in public
        if not zone.left_out and zone.restricted and not is_public:
            name = f"{zone.name}@{zone.view}" if zone.view else zone.name
            zone.left_out = f"{zone.restricted}; {PUBLIC.format(name=shown(name))}"
        try:
            name_octets = names.fold(names.from_text(zone.name))
        except WireError as error:
            zone.left_out = str(error)
        else:
            if not zone.left_out and seen.setdefault(name_octets, zone) is not zone:
                zone.left_out = f"it is served from {seen[name_octets].place} already; a zone has one content here"
        (made.left_out if zone.left_out else made.zones).append(zone)


def _listen(made: Settled) -> None:
    """Take the addresses of one port; where none is left, nothing is opened to the world that was not."""
    old = made.old
    named = [one for one in old.listen if not one.is_implied] or old.listen
    ports = Counter(one.port or old.port for one in named)
    made.port = old.port if old.port in ports or not ports else ports.most_common(1)[0][0]
    chosen: list[str] = []
    for one in old.listen:
        if (one.port or old.port) != made.port:
            reason = f"all addresses have one port here, which is {made.port}; the address is left out"
            old.leave(one.place, f"address {one.address} port {one.port or old.port}", reason)
        elif one.address not in chosen:
            chosen.append(one.address)
    chosen = [one for one in chosen if one in _WILDCARDS.values() or _WILDCARDS[6 if ":" in one else 4] not in chosen]
    for one in old.listen:
        if one.address in chosen[_ADDRESSES:]:
            old.leave(one.place, f"address {one.address}", f"[listen] has {_ADDRESSES} addresses at most")
    made.addresses = tuple(chosen[:_ADDRESSES])
    if not chosen and old.listens_nowhere_else:
        made.addresses = _LOOPBACK
        reason = "none of its addresses could be taken over, so only loopback is; write yours into [listen] addresses"
        old.leave(Place(old.file, 0), "addresses", reason)
