# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, remotes and access lists of a configuration: what they are, and whether those that are named are there."""

import ipaddress
from collections.abc import Callable, Collection, Iterable
from typing import Final

from appliance.config.nearest import nearest
from appliance.config.places import Path
from appliance.config.schema import Config
from appliance.errors import WireError
from appliance.zone import names

ReportError = Callable[[Path, str], None]

_NAMED: Final = {"primaries": "remote", "notify": "remote", "allow_transfer": "acl", "allow_notify": "acl"}
_EVERYBODY: Final = 'addresses = ["0.0.0.0/0", "::/0"] says so'


def check_references(config: Config, error: ReportError, wrong: Collection[str] = ()) -> None:
    """Report every contradiction; what is in tables that are wrong in themselves is taken for known."""
    keys = _key_names(config, error)
    _unique("remote", [one.name for one in config.remote], error)
    _unique("acl", [one.name for one in config.acl], error)
    _check_remotes(config, None if "key" in wrong else keys, error)
    _check_acls(config, None if "key" in wrong else keys, error)
    known = {"remote": {one.name for one in config.remote}, "acl": {one.name for one in config.acl}}
    for table in ("pattern", "zone"):
        for index, user in enumerate(getattr(config, table)):
            for key, kind in _NAMED.items():
                if kind not in wrong:
                    _check_names(getattr(user, key), known[kind], kind, (table, index, key), error)


def _check_names(used: Iterable[str], known: Collection[str], kind: str, at: Path, error: ReportError) -> None:
    for name in used:
        if name not in known:
            error(at, f"there is no [[{kind}]] {name!r}" + nearest(name, list(known)))


def _key_names(config: Config, error: ReportError) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    for index, key in enumerate(config.key):
        try:
            name = names.fold(names.from_text(key.name))
        except WireError as reason:
            error(("key", index, "name"), f"key {reason}")
            continue
        if name in found:
            error(("key", index, "name"), f"key {key.name} is there twice")
        found[name] = key.name
    return found


def _unique(table: str, used: list[str], error: ReportError) -> None:
    seen: set[str] = set()
    for index, name in enumerate(used):
        if name in seen:
            error((table, index, "name"), f"{table} {name!r} is there twice")
        seen.add(name)


def _check_key(text: str, keys: dict[bytes, str] | None, at: Path, error: ReportError) -> None:
    if keys is None:
        return
    try:
        known = names.fold(names.from_text(text)) in keys
    except WireError as reason:
        error(at, f"key {reason}")
        return
    if not known:
        error(at, f"there is no [[key]] {text!r}" + nearest(text, list(keys.values())))


def _check_remotes(config: Config, keys: dict[bytes, str] | None, error: ReportError) -> None:
    for index, remote in enumerate(config.remote):
        at: Path = ("remote", index)
        versions = [_version(text, (*at, "addresses"), error) for text in remote.addresses]
        if remote.key:
            _check_key(remote.key, keys, (*at, "key"), error)
        source = _version(remote.source, (*at, "source"), error) if remote.source else 0
        if source and all(versions) and source not in versions:
            error((*at, "source"), f"no address of remote {remote.name} can be reached from {remote.source}")


def _version(text: str, at: Path, error: ReportError) -> int:
    """Return 4 or 6, after the kind of an address; 0 for what is none."""
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        error(at, f"{text!r} is not an IPv4 or IPv6 address; the port has a key of its own")
        return 0


def _check_acls(config: Config, keys: dict[bytes, str] | None, error: ReportError) -> None:
    for index, acl in enumerate(config.acl):
        at: Path = ("acl", index)
        if not acl.addresses and not acl.keys:
            error(at, f"acl {acl.name} has neither addresses nor keys: is it for everybody? {_EVERYBODY}")
        for text in acl.addresses:
            _check_network(text, (*at, "addresses"), error)
        for text in acl.keys:
            _check_key(text, keys, (*at, "keys"), error)


def _check_network(text: str, at: Path, error: ReportError) -> None:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        error(at, f"{text!r} is not an address or prefix, such as 192.0.2.0/24")
        return
    if "/" in text and ipaddress.ip_address(text.partition("/")[0]) != network.network_address:
        error(at, f"{text} has bits behind its prefix: {network} is meant, or a longer prefix")
