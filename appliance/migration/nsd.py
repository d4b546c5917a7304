# SPDX-License-Identifier: GPL-3.0-or-later
"""What nsd.conf says, with the zones of its zonelistfile."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from appliance.migration import nsd_grants
from appliance.migration.addresses import endpoint
from appliance.migration.nsd_syntax import Clause, Option, clauses
from appliance.migration.nsd_zonefile import template, zone_file
from appliance.migration.old import Endpoint, Key, Lists, Old, Pattern, Place, Zone
from appliance.migration.reasons import why_not
from appliance.migration.settings import set_number, set_smaller, set_text
from appliance.migration.sources import Sources, wrong

_ZONES_DIR: Final = "/etc/nsd"
_ZONE_LIST: Final = "/var/lib/nsd/zone.list"
_DEPTH: Final = 32
_GRANTS: Final = {"provide-xfr", "request-xfr", "notify", "allow-notify", "allow-query", "outgoing-interface"}
_LOCAL: Final = "use the Unix socket, or ssh; over TLS, `appliance control-setup` makes the keys (control.md)"
_CLAUSE_REASONS: Final = {
    "remote-control": _LOCAL,
    "verify": "zones are checked by [checks], not by a program of yours: run `appliance check-zone` before",
    "dnstap": "there is no dnstap; watch.md says how queries are counted",
    "tls-auth": "this version makes no transfers; nothing acts on TLS credentials yet",
    "xdp": "the NIC path is the normal way here: name the interface in an [[interface]]",
}


def read(path: Path) -> Old:
    """Return what a configuration of NSD says. Raises ConfigError with file, line and mend."""
    found = clauses(path, Sources())
    old = Old("nsd", str(path))
    reader = _Reader(old, found)
    reader.server()
    reader.keys()
    reader.patterns()
    reader.zones()
    return old


class _Reader:
    def __init__(self, old: Old, found: list[Clause]) -> None:
        self._old = old
        self._clauses = found
        self._server = [option for one in found if one.name == "server" for option in one.options]
        self._seen: set[str] = set()
        self._included: dict[str, list[Option]] = {}
        self._known: dict[str, Clause] = {}
        for one in found:
            if one.name == "pattern" and self._known.setdefault(_name(one), one) is not one:
                raise wrong(one.place, f"pattern {_name(one)} is there twice; take one of them out")
        self._folder = self._zones_folder()

    def _last(self, name: str, default: str = "") -> str:
        return next((one.value for one in reversed(self._server) if one.name == name), default)

    def _zones_folder(self) -> str:
        chroot, folder = self._last("chroot"), self._last("zonesdir", _ZONES_DIR)
        inside = chroot and not f"{folder}/".startswith(chroot.rstrip("/") + "/")
        return f"{chroot.rstrip('/')}/{folder.lstrip('/')}" if inside else folder

    def server(self) -> None:
        """Take over addresses, names and limits."""
        old, seen = self._old, {"zonesdir", "chroot", "zonelistfile"}
        if self._last("port"):
            try:
                old.port = endpoint(f"::@{self._last('port')}")[1]
            except ValueError as error:
                raise wrong(next(one.place for one in self._server if one.name == "port"), str(error)) from None
        hidden = {"version": self._last("hide-version") == "yes", "identity": self._last("hide-identity") == "yes"}
        for one in self._server:
            numbers = {
                "tcp-count": ("listen", "tcp_max_connections"),
                "tcp-timeout": ("listen", "tcp_idle_timeout_s"),
                "tcp-query-count": ("listen", "tcp_queries_per_connection"),
            }
            if one.name in ("ip-address", "interface"):
                self._address(one)
            elif one.name in numbers and (one.name != "tcp-query-count" or one.value != "0"):
                set_number(old, *numbers[one.name], one.name, one.value, one.place)
            elif one.name in ("ipv4-edns-size", "ipv6-edns-size"):
                set_smaller(old, "limits", "edns_size", one.name, one.value, one.place)
            elif one.name in hidden:
                if not hidden[one.name]:
                    set_text(old, one.name, one.name, one.value, one.place)
            elif one.name in ("do-ip4", "do-ip6") and one.value == "no":
                self._without_family(one)
            elif one.name == "nsid":
                reason = "there is no NSID here; [server] identity is what id.server in class CH answers"
                old.leave(one.place, "nsid", reason)
            elif one.name not in (*seen, *numbers, "port", "do-ip4", "do-ip6", "hide-version", "hide-identity"):
                old.leave(one.place, one.name, why_not("nsd", one.name))
        for clause in self._clauses:
            if clause.name in _CLAUSE_REASONS:
                old.leave(clause.place, clause.name, _CLAUSE_REASONS[clause.name])

    def _address(self, one: Option) -> None:
        try:
            address, port = endpoint(one.values[0])
        except ValueError:
            self._old.listens_nowhere_else = True
            reason = "an interface's name or no address; write its addresses into [listen] addresses"
            self._old.leave(one.place, f"{one.name} {one.values[0]}", reason)
            return
        if len(one.values) > 1:
            reason = "sockets are not tied to processes or devices here; the address is taken over without it"
            self._old.leave(one.place, f"{one.name} {' '.join(one.values)}", reason)
        self._old.listen.append(Endpoint(address, port, one.place))

    def _without_family(self, one: Option) -> None:
        """Keep to the other family where no addresses say so."""
        if not any(option.name in ("ip-address", "interface") for option in self._server):
            self._old.listen.append(Endpoint("::" if one.name == "do-ip4" else "0.0.0.0", 0, one.place))

    def keys(self) -> None:
        """Take over the TSIG keys."""
        for clause in self._clauses:
            if clause.name != "key":
                continue
            key = Key(_name(clause), clause.place)
            for one in clause.options:
                if one.name == "algorithm":
                    key.algorithm = one.value.lower().removesuffix(".")
                elif one.name == "secret":
                    key.secret = one.value
                elif one.name != "name":
                    self._old.leave(one.place, f"key {key.name}: {one.name}", why_not("nsd", one.name))
            if not key.algorithm.startswith("hmac-"):
                key.algorithm = f"hmac-{key.algorithm}"
            self._old.keys.append(key)

    def patterns(self) -> None:
        """Take over the patterns, each with what it includes."""
        for name, clause in self._known.items():
            options = self._with_included(clause)
            file = _value(options, "zonefile")
            self._old.patterns.append(
                Pattern(name, clause.place, template(self._folder, file) if file else "", self._lists(name, options))
            )
            for one in clause.options:
                self._leave(one, f"pattern {name}")

    def zones(self) -> None:
        """Take over the zones of the configuration, and those that were added while NSD ran."""
        for clause in self._clauses:
            if clause.name == "zone":
                self._zone(_name(clause), clause.place, clause)
                for one in clause.options:
                    self._leave(one, f"zone {_name(clause)}")
        path = self._last("zonelistfile", _ZONE_LIST)
        own = any(one.name == "zonelistfile" for one in self._server)
        if path and os.path.lexists(path) and (own or self._old.file.startswith("/etc/nsd/")):
            for name, pattern, place in _listed(Path(path)):
                if pattern not in self._known:
                    raise wrong(place, f"zone {name} is of pattern {pattern}, which is not in {self._old.file}; add it")
                made = Clause("zone", place, [Option("include-pattern", [pattern], place)])
                self._zone(name, place, made)

    def _zone(self, name: str, place: Place, clause: Clause) -> None:
        written, name = name, name.rstrip(".") or "."
        if name.lower() in self._seen:
            raise wrong(place, f"zone {name} is there twice; take one of them out")
        self._seen.add(name.lower())
        options = self._with_included(clause)
        file = _value(options, "zonefile")
        zone = Zone(name, place, lists=self._lists(name, options))
        named = clause.all("include-pattern")
        zone.pattern = named[-1].value if named else ""
        zone.restricted = nsd_grants.restriction(self._old, name, options)
        if file:
            zone.file = zone_file(self._folder, file, written)
        else:
            zone.left_out = "it has no zonefile: let NSD write one (zonefile:, `nsd-control write`), and import again"
        self._old.zones.append(zone)

    def _leave(self, one: Option, whose: str) -> None:
        if one.name not in (*_GRANTS, "name", "include-pattern", "zonefile"):
            self._old.leave(one.place, f"{whose}: {one.name}", why_not("nsd", one.name))

    def _lists(self, owner: str, options: list[Option]) -> Lists:
        return nsd_grants.lists(self._old, owner, options)

    def _with_included(self, clause: Clause, way: tuple[str, ...] = ()) -> list[Option]:
        """Return the options of the patterns that a clause includes, and its own ones behind them."""
        found: list[Option] = []
        for one in clause.all("include-pattern"):
            known = self._known.get(one.value)
            if known is None:
                raise wrong(one.place, f"there is no pattern {one.value}; add a pattern: with this name")
            if one.value in way or len(way) >= _DEPTH:
                circle = " → ".join([*way, one.value])
                raise wrong(one.place, f"patterns include each other in a circle, or too deeply: {circle}")
            if one.value not in self._included:
                self._included[one.value] = self._with_included(known, (*way, one.value))
            found += self._included[one.value]
        found += [one for one in clause.options if one.name != "include-pattern"]
        # What is included twice counts once, at its last place: patterns of patterns would else double at each step.
        return list({id(one): one for one in reversed(found)}.values())[::-1]


def _name(clause: Clause) -> str:
    one = clause.get("name")
    if one is None or not one.value:
        raise wrong(clause.place, f"{clause.name}: has no name; write `name:` with one below it")
    return one.value


def _value(options: Iterable[Option], name: str) -> str:
    found: Mapping[str, Option] = {one.name: one for one in options}
    return found[name].value if name in found else ""


def _listed(path: Path) -> Iterable[tuple[str, str, Place]]:
    sources = Sources()
    for number, line in enumerate(sources.enter(path).split("\n"), 1):
        words = line.split()
        if len(words) == 3 and words[0] == "add":
            yield words[1], words[2], Place(str(path), number)
        elif words and not words[0].startswith("#") and words[0] not in ("del", "cat"):
            raise wrong(
                Place(str(path), number), "neither `add ZONE PATTERN` nor a comment; let NSD write the list anew"
            )
    sources.leave()
