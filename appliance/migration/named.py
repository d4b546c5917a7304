# SPDX-License-Identifier: GPL-3.0-or-later
"""What named.conf says: options, views, zones, and what zones inherit."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from appliance.migration.grants import granted, lets_everybody
from appliance.migration.named_listen import listen
from appliance.migration.named_lists import Names, grants, remotes
from appliance.migration.named_syntax import Statement, last, statements
from appliance.migration.old import NO_FETCHING, NO_GIVING, NO_HEARING, NO_TELLING, Key, Lists, Old, Zone
from appliance.migration.reasons import why_not
from appliance.migration.settings import set_number, set_text
from appliance.migration.signatures import SIGNED_ALREADY, UNSIGNED, has_signatures
from appliance.migration.sources import Sources, wrong

_PRIMARY: Final = ("primary", "master")
_SECONDARY: Final = ("secondary", "slave", "mirror")
_NATIVE: Final = ((), ("native",))
"""Further types that are served, in BIND and in PowerDNS."""
_SERVERS: Final = ("primaries", "masters", "remote-servers")
_NUMBERS: Final = {
    "tcp-clients": ("listen", "tcp_max_connections", 1),
    "max-udp-size": ("limits", "edns_size", 1),
    "tcp-idle-timeout": ("listen", "tcp_idle_timeout_s", 10),
}
"""Settings by their name there, with how many of their units are one of ours."""
_CLASSES: Final = ("IN", "INTERNET")
_LISTS: Final = ("allow-query", "allow-query-on", "allow-transfer", "allow-notify", "also-notify", *_SERVERS)
_TAKEN: Final = (*_LISTS, "directory", "listen-on", "listen-on-v6", "port", "type", "file", "masterfile-format")
_SIGNING: Final = ("dnssec-policy", "inline-signing", "auto-dnssec")
_NARROWED: Final = "an ACL here knows no ports, and TLS is not served; nobody is let in by it"
_IN_VIEW: Final = ("match-clients", "match-destinations", "zone", "key", "server")
_MIRROR: Final = "it is a copy of another's zone (mirror), for resolvers"
_NO_ZONE: Final = "it is no zone that is answered for (type {kind}); this server answers for its own zones only"


def read(path: Path) -> Old:
    """Return what a configuration of BIND says. Raises ConfigError with file, line and mend."""
    old = Old("named", str(path))
    read_into(old, statements(path, Sources()), path.absolute().parent)
    return old


def read_into(old: Old, found: list[Statement], folder: Path) -> None:
    """Add what statements say to what is known."""
    _Reader(old, found, folder).all()


class _Reader:
    def __init__(self, old: Old, found: list[Statement], folder: Path) -> None:
        self._old = old
        self._found = found
        self._options = [one for part in found if part.name == "options" for one in part.inside()]
        self._names = Names()
        directory = last(self._options, "directory")
        self._folder = os.path.join(folder, directory.value if directory else "")  # noqa: PTH118
        self._zones: dict[tuple[str, str], Zone] = {}
        self._later: list[Callable[[], None]] = []
        self._granted: dict[int, tuple[str, ...]] = {}
        self._is_open: dict[int, bool] = {}
        """What lists come to, by their statement: many zones inherit one."""

    def all(self) -> None:
        """Take over everything."""
        old = self._old
        for one in self._found:
            if one.name == "acl":
                self._names.acls[_named(one)] = one
            elif one.name in _SERVERS:
                self._names.servers[_named(one)] = one
        self._keys(self._found)
        self._general()
        for one in self._found:
            if one.name == "zone":
                self._zone(one, None, [])
            elif one.name == "view":
                self._view(one)
            elif one.name not in ("options", "acl", "key", "server", *_SERVERS):
                old.leave(one.place, one.name, why_not("named", one.name))
        for later in self._later:
            later()
        for named, kind in ((self._names.acls, "acl"), (self._names.servers, "list of servers")):
            for name, one in named.items():
                if name not in self._names.used:
                    old.leave(one.place, f"{kind} {name}", "nothing that is carried over names it")

    def _keys(self, found: list[Statement]) -> None:
        for one in found:
            if one.name == "key":
                algorithm, secret = last(one.inside(), "algorithm"), last(one.inside(), "secret")
                said = algorithm.value.lower().removesuffix(".") if algorithm else ""
                key = Key(_named(one), one.place, said or "hmac-sha256", secret.value if secret else "")
                self._old.keys.append(key)
            elif one.name == "server":
                keys = last(one.inside(), "keys") or last(one.inside(), "key")
                if keys is not None:
                    words = keys.terms[1:] or [word for inner in keys.inside() for word in inner.terms]
                    self._names.keys[_named(one)] = words[0] if words else ""
                for inner in one.inside():
                    if inner is not keys:
                        self._old.leave(inner.place, f"server: {inner.name}", why_not("named", inner.name))

    def _general(self) -> None:
        old = self._old
        listen(old, self._names, self._options)
        for one in self._options:
            if one.name in _NUMBERS:
                table, key, unit = _NUMBERS[one.name]
                text = str(int(one.value) // unit) if one.value.isdecimal() else one.value
                set_number(old, table, key, one.name, text, one.place)
            elif one.name == "edns-udp-size":
                reason = "it is what a resolver asks for; [limits] edns_size is the longest reply"
                old.leave(one.place, one.name, reason)
            elif one.name in ("version", "server-id"):
                self._text(one)
            elif one.name == "hostname":
                reason = "hostname.bind is answered with [server] identity, as id.server is"
                old.leave(one.place, one.name, reason)
            elif one.name not in (*_TAKEN, *_SIGNING):
                old.leave(one.place, one.name, why_not("named", one.name))

    def _text(self, one: Statement) -> None:
        key = "version" if one.name == "version" else "identity"
        if one.value.lower() == "hostname":
            self._old.leave(one.place, "server-id hostname", "write the name of this machine into [server] identity")
        elif one.value.lower() != "none":
            set_text(self._old, key, one.name, one.value, one.place)

    def _view(self, view: Statement) -> None:
        name = _named(view)
        inside = view.inside()
        if len(view.terms) > 2 and view.terms[2].upper() not in _CLASSES:
            self._old.leave(view.place, f"view {name}", f"only class IN is served, not {view.terms[2]}")
            return
        self._keys(inside)
        for one in inside:
            if one.name == "zone":
                self._zone(one, view, inside)
            elif one.name not in (*_IN_VIEW, *_LISTS, *_SIGNING):
                self._old.leave(one.place, f"view {name}: {one.name}", why_not("named", one.name))

    def _zone(self, one: Statement, view: Statement | None, inside: list[Statement]) -> None:
        name = _named(one).rstrip(".") or "."
        within = f" of view {_named(view)}" if view else ""
        if len(one.terms) > 2 and one.terms[2].upper() not in _CLASSES:
            self._old.leave(one.place, f"zone {name}{within}", f"only class IN is served, not {one.terms[2]}")
            return
        shared = last(one.inside(), "in-view")
        if shared is not None:
            self._later.append(lambda: self._shared(name, one, view, shared.value))
            return
        kind = last(one.inside(), "type")
        if kind is None:
            raise wrong(one.place, f"zone {name} has no type; write `type primary;` into it")
        if kind.value.lower() not in (*_PRIMARY, *_SECONDARY, *_NATIVE[self._old.program == "pdns"]):
            self._old.leave(one.place, f"zone {name}{within}", _NO_ZONE.format(kind=kind.value))
            return
        zone = Zone(name, one.place, view=_named(view) if view else "")
        key = name.lower(), zone.view
        if key in self._zones:
            raise wrong(one.place, f"zone {name}{within} is there twice; take one of them out")
        self._zones[key] = zone
        self._fill(zone, kind.value.lower(), [self._options, inside, one.inside()])
        if view is not None:
            zone.restricted = zone.restricted or self._hidden(view, inside)
        for inner in one.inside():
            if inner.name not in (*_TAKEN, "in-view", *_SIGNING):
                self._old.leave(inner.place, f"zone {name}: {inner.name}", why_not("named", inner.name))
        self._old.zones.append(zone)

    def _shared(self, name: str, one: Statement, view: Statement | None, other: str) -> None:
        """Take a zone that is that of another view; it is public if one of both views is."""
        known = self._zones.get((name.lower(), other))
        if known is None:
            raise wrong(one.place, f"zone {name} is said to be in view {other}, which has no such zone; mend in-view")
        if view is not None and known.restricted.startswith("view ") and not self._hidden(view, view.inside()):
            known.restricted = ""

    def _fill(self, zone: Zone, kind: str, levels: list[list[Statement]]) -> None:
        """Set file, lists and restrictions of a zone, from the zone, else the view, else the options."""

        def said(name: str) -> Statement | None:
            return next((one for level in reversed(levels) if (one := last(level, name)) is not None), None)

        self._restrict(zone, said("allow-query"), said("allow-query-on"))
        own = levels[-1]
        zone.lists = self._lists(zone.name, own, said, kind)
        file, form = last(own, "file"), said("masterfile-format")
        is_text = form.value.lower() == "text" if form else kind not in _SECONDARY or self._old.program == "pdns"
        if kind == "mirror":
            zone.left_out = _MIRROR
        elif file is None:
            zone.left_out = "it has no file: give it one in BIND (file, masterfile-format text), and import again"
        else:
            zone.file = os.path.normpath(os.path.join(self._folder, file.value))  # noqa: PTH118
            if not is_text:
                zone.left_out = (
                    f"its file {zone.file} is in BIND's own format: write it as text (masterfile-format text, or "
                    "named-compilezone -f raw -F text), and import again"
                )
            else:
                self._signing(zone, said)

    def _signing(self, zone: Zone, said: Callable[[str], Statement | None]) -> None:
        for name in _SIGNING:
            one = said(name)
            if one is None or one.block is not None or one.terms[1:2] in (["none"], ["no"], ["off"]):
                continue
            if has_signatures(zone.file):
                self._old.leave(one.place, f"zone {zone.name}: {name}", SIGNED_ALREADY)
            else:
                zone.left_out = UNSIGNED.format(what=f"{name} in {one.place}", file=zone.file)
            return

    def _restrict(self, zone: Zone, query: Statement | None, where: Statement | None) -> None:
        for one in (query, where):
            if one is not None and not self._lets_everybody(one):
                zone.restricted = f"{one.name} in {one.place} lets only some clients ask"
                return

    def _lets_everybody(self, one: Statement) -> bool:
        if id(one) not in self._is_open:
            self._is_open[id(one)] = lets_everybody(grants(self._old, self._names, one))
        return self._is_open[id(one)]

    def _hidden(self, view: Statement, inside: list[Statement]) -> str:
        """Return who sees a view, where that is not everybody."""
        for name in ("match-clients", "match-destinations"):
            one = last(inside, name)
            if one is not None and not self._lets_everybody(one):
                return f"view {_named(view)} is for some clients only ({name} in {one.place})"
        only = last(inside, "match-recursive-only")
        if only is not None and only.value.lower() in ("yes", "true", "1"):
            return f"view {_named(view)} is for recursive queries only ({only.place})"
        return ""

    def _lists(self, name: str, own: list[Statement], said: Callable[[str], Statement | None], kind: str) -> Lists:
        old, made = self._old, Lists()
        source = said("transfer-source")
        from_address = source.terms[1] if source and len(source.terms) > 1 and source.terms[1] != "*" else ""
        primaries = next((one for key in _SERVERS if (one := last(own, key)) is not None), None)
        if primaries is not None and kind in _SECONDARY:
            made.primaries = remotes(old, self._names, primaries, from_address)
            old.leave(primaries.place, f"zone {name}: {primaries.name}", NO_FETCHING)
        told = said("also-notify")
        if told is not None:
            made.notify = remotes(old, self._names, told)
            old.leave(told.place, f"zone {name}: also-notify" if told in own else "also-notify", NO_TELLING)
        for key, reason in (("allow-transfer", NO_GIVING), ("allow-notify", NO_HEARING)):
            one = said(key)
            if one is None or (key == "allow-notify" and kind not in _SECONDARY):
                continue
            owner = f"{name}-{key.removeprefix('allow-')}" if one in own else key
            if len(one.terms) > 1:  # port and transport
                old.leave(one.place, " ".join(one.terms), _NARROWED)
                continue
            acls = self._granted.get(id(one))
            if acls is None:
                acls = self._granted[id(one)] = granted(old, owner, grants(old, self._names, one))
            if acls:
                old.leave(one.place, f"zone {name}: {key}" if one in own else key, reason)
            if key == "allow-transfer":
                made.allow_transfer = acls
            else:
                made.allow_notify = acls
        return made


def _named(one: Statement) -> str:
    if len(one.terms) < 2 or not one.terms[1]:
        raise wrong(one.place, f"{one.name} has no name; write one behind it")
    return one.terms[1]
