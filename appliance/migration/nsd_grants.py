# SPDX-License-Identifier: GPL-3.0-or-later
"""NSD's lists of servers and clients: provide-xfr, request-xfr, notify, allow-notify, allow-query."""

from collections.abc import Iterable
from typing import Final

from appliance.migration.addresses import endpoint, networks, plain
from appliance.migration.grants import Grant, granted, lets_everybody
from appliance.migration.nsd_syntax import Option
from appliance.migration.old import NO_FETCHING, NO_GIVING, NO_HEARING, NO_TELLING, Lists, Old, Remote
from appliance.migration.sources import wrong

_OPEN: Final = ("NOKEY", "BLOCKED")
_REASONS: Final = {
    "request-xfr": NO_FETCHING,
    "notify": NO_TELLING,
    "provide-xfr": NO_GIVING,
    "allow-notify": NO_HEARING,
}


def lists(old: Old, owner: str, options: list[Option]) -> Lists:
    """Return who gives, is told of, and may fetch a zone, or the zones of a pattern."""
    sources = [one.value for one in options if one.name == "outgoing-interface"]
    made = Lists(
        primaries=_remotes(old, [one for one in options if one.name == "request-xfr"], sources),
        notify=_remotes(old, [one for one in options if one.name == "notify"], sources),
        allow_transfer=granted(old, f"{owner}-transfer", _grants(old, options, "provide-xfr")),
        allow_notify=granted(old, f"{owner}-notify", _grants(old, options, "allow-notify")),
    )
    for one in options:
        if one.name in _REASONS:
            old.leave(one.place, f"{one.name} {' '.join(one.values)}", _REASONS[one.name])
    return made


def restriction(old: Old, zone: str, options: list[Option]) -> str:
    """Return who may ask for a zone, where that is not everybody."""
    grants = _grants(old, options, "allow-query")
    if not grants or lets_everybody(grants):
        return ""
    return f"allow-query in {grants[0].place} lets only some clients ask"


def _grants(old: Old, options: Iterable[Option], name: str) -> list[Grant]:
    found = []
    for one in options:
        if one.name != name:
            continue
        if len(one.values) < 2:
            raise wrong(one.place, f"{name}: needs an address and a key's name, NOKEY or BLOCKED")
        address, key = one.values[:2]
        what = f"{name} {address} {key}"
        spec, _, port = address.partition("@")
        refuses = key == "BLOCKED"
        if len(one.values) > 2 and not refuses:
            old.leave(one.place, " ".join([name, *one.values]), "TLS is not served; nobody is let in by this line")
            continue
        if port and not refuses:
            old.leave(one.place, what, "an ACL here knows no ports; nobody is let in by this line")
            continue
        try:
            prefixes = tuple(plain(network) if network.prefixlen else str(network) for network in networks(spec))
        except (ValueError, TypeError):
            raise wrong(one.place, f"{name}: {spec} is no address, prefix, mask or range of addresses") from None
        keys = () if key in _OPEN else (key,)
        found.append(Grant(one.place, what, prefixes, keys, refuses=refuses))
    return found


def _remotes(old: Old, options: list[Option], sources: list[str]) -> tuple[str, ...]:
    made = []
    for one in options:
        words = [word for word in one.values if word not in ("AXFR", "UDP")]
        if len(words) < 2:
            raise wrong(one.place, f"{one.name}: needs an address and a key's name or NOKEY")
        try:
            address, port = endpoint(words[0])
        except ValueError:
            raise wrong(one.place, f"{one.name}: {words[0]} is no address; a port stands behind @") from None
        source = next((text for text in sources if (":" in text) == (":" in address)), "").partition("@")[0]
        key = "" if words[1] == "NOKEY" else words[1]
        transport = "tls" if len(words) > 2 and one.name == "request-xfr" else "tcp"
        port = port or (853 if transport == "tls" else 53)
        made.append(old.remote(Remote(address, (address,), one.place, port, key, transport, source)))
    return tuple(dict.fromkeys(made))
