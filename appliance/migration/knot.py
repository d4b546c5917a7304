# SPDX-License-Identifier: GPL-3.0-or-later
"""What knot.conf says, or a configuration database that `knotc conf-export` writes as one."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from appliance.errors import ConfigError
from appliance.migration.addresses import endpoint
from appliance.migration.knot_grants import Clients
from appliance.migration.knot_syntax import Entry, Item, entries
from appliance.migration.knot_zonefile import DEFAULT, STORAGE, template, zone_file
from appliance.migration.old import Endpoint, Key, Old, Pattern, Place, Zone
from appliance.migration.reasons import why_not
from appliance.migration.settings import set_number, set_smaller, set_text
from appliance.migration.signatures import SIGNED_ALREADY, UNSIGNED, has_signatures
from appliance.migration.sources import Sources, wrong

_EXPORT_S: Final = 30.0
_NUMBERS: Final = {
    "tcp-max-clients": "tcp_max_connections",
    "max-tcp-clients": "tcp_max_connections",
    "tcp-idle-timeout": "tcp_idle_timeout_s",
}
_SIZES: Final = ("udp-max-payload", "udp-max-payload-ipv4", "udp-max-payload-ipv6", "max-udp-payload")
_OF_ZONES: Final = ("domain", "id", "template", "storage", "file", "master", "notify", "acl", "dnssec-signing")
_LISTED: Final = frozenset({"master", "notify", "acl", "module"})
_SHOWN: Final = ("server", "key", "remote", "remotes", "acl", "template", "zone")


def read(path: Path) -> Old:
    """Return what a configuration of Knot DNS says. Raises ConfigError with file, line and mend."""
    if path.is_dir():
        with tempfile.TemporaryDirectory(prefix="appliance-import-") as folder:
            text = Path(folder) / "knot.conf"
            _export(path, text)
            old = _read(text)
            old.file = str(path)
            return old
    return _read(path)


def _export(database: Path, text: Path) -> None:
    """Write a configuration database as text, which only this user may read."""
    tool = shutil.which("knotc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if tool is None:
        raise ConfigError(
            f"{database}: knotc, which turns it into text, is not here: `knotc conf-export knot.conf` there"
        )
    command = [tool, "-C", str(database.absolute()), "conf-export", str(text)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_EXPORT_S, check=False, cwd="/", umask=0o077
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{database}: knotc conf-export did not end well: {type(error).__name__}") from error
    if done.returncode or not text.exists():
        raise ConfigError(f"{database}: knotc conf-export ends with {done.returncode}: is it a configuration database?")


def _read(path: Path) -> Old:
    old = Old("knot", str(path))
    _Reader(old, entries(path, Sources())).all()
    return old


class _Reader:
    def __init__(self, old: Old, found: list[Entry]) -> None:
        self._old = old
        self._entries = found
        self._clients = Clients(old)
        self._templates: dict[str, Entry] = {}
        self._automatic = False
        self._zones: set[str] = set()

    def all(self) -> None:
        """Take over everything; entries may name those behind them."""
        for entry in self._entries:
            if entry.section in ("remote", "remotes", "acl"):
                self._clients.add(entry)
            elif entry.section == "template":
                if self._templates.setdefault(entry.name, entry) is not entry:
                    raise wrong(entry.place, f"template {entry.name} is there twice; take one of them out")
            elif entry.section == "key":
                self._key(entry)
            elif entry.section == "server":
                self._server(entry)
            elif entry.section not in _SHOWN:
                named = f" {entry.items[0].value}" if entry.items[0].name == "id" else ""
                self._old.leave(entry.place, f"{entry.section}{named}", why_not("knot", entry.section))
        self._old.listens_nowhere_else = True  # without listen, Knot has no socket at all
        for entry in self._templates.values():
            self._template(entry)
        for entry in self._entries:
            if entry.section == "zone":
                self._zone(entry)
        self._clients.add_unused()

    def _key(self, entry: Entry) -> None:
        algorithm, secret = entry.get("algorithm"), entry.get("secret")
        said = algorithm.value.lower() if algorithm else "hmac-sha256"
        self._old.keys.append(Key(entry.name, entry.place, said, secret.value if secret else ""))

    def _server(self, entry: Entry) -> None:
        old = self._old
        for one in entry.items:
            if one.name == "listen":
                for text in one.values:
                    self._listen(one, text)
            elif one.name in ("identity", "version"):
                if one.values and one.value:
                    set_text(old, one.name, one.name, one.value, one.place)
            elif one.name in _NUMBERS and one.value != "0":
                text = one.value.removesuffix("s")
                set_number(old, "listen", _NUMBERS[one.name], one.name, text, one.place)
            elif one.name in _SIZES:
                set_smaller(old, "limits", "edns_size", one.name, one.value, one.place)
            elif one.name == "nsid":
                reason = "there is no NSID here; [server] identity is what id.server in class CH answers"
                old.leave(one.place, "nsid", reason)
            else:
                old.leave(one.place, one.name, why_not("knot", one.name))
                self._automatic = self._automatic or (one.name == "automatic-acl" and one.is_on)

    def _listen(self, one: Item, text: str) -> None:
        try:
            address, port = endpoint(text)
        except ValueError:
            self._old.leave(one.place, f"listen {text}", "a Unix socket or no address; queries come by IP here")
            return
        self._old.listen.append(Endpoint(address, port, one.place))

    def _template(self, entry: Entry) -> None:
        said = self._said([entry])
        storage, file = self._paths(said)
        lists = self._clients.lists(entry.name, said, self._is_automatic(said))
        self._old.patterns.append(Pattern(entry.name, entry.place, template(storage, file), lists))
        self._leave(entry, f"template {entry.name}")

    def _zone(self, entry: Entry) -> None:
        name = entry.name.rstrip(".") or "."
        if name.lower() in self._zones:
            raise wrong(entry.place, f"zone {name} is there twice; take one of them out")
        self._zones.add(name.lower())
        chosen = entry.get("template")
        pattern = chosen.value if chosen else "default"
        if pattern not in self._templates and chosen:
            raise wrong(chosen.place, f"there is no template {pattern}; add one with this id")
        levels = [self._templates[pattern], entry] if pattern in self._templates else [entry]
        said = self._said(levels)
        storage, file = self._paths(said)
        zone = Zone(name, entry.place, zone_file(storage, file, name), pattern if len(levels) > 1 else "")
        zone.lists = self._clients.lists(name, said, self._is_automatic(said))
        zone.restricted = self._clients.restriction(said)
        self._modules(zone, said)
        signing = said.get("dnssec-signing")
        if signing is not None and signing.is_on:
            self._signed(zone, f"dnssec-signing in {signing.place}", signing.place)
        self._leave(entry, f"zone {name}")
        self._old.zones.append(zone)

    def _modules(self, zone: Zone, said: dict[str, Item]) -> None:
        """Look at the modules that change who gets an answer, or which."""
        default = self._templates.get("default")
        for one in [said.get("module"), default.get("global-module") if default else None]:
            for module in one.values if one else ():
                kind = module.partition("/")[0]
                if kind == "mod-queryacl" and one is not None:
                    zone.restricted = zone.restricted or f"{module} in {one.place} lets only some clients ask"
                elif kind == "mod-onlinesign" and one is not None:
                    self._signed(zone, f"{module} in {one.place}", one.place)

    def _signed(self, zone: Zone, what: str, place: Place) -> None:
        if has_signatures(zone.file):
            self._old.leave(place, f"zone {zone.name}: {what.partition(' ')[0]}", SIGNED_ALREADY)
        else:
            zone.left_out = UNSIGNED.format(what=what, file=zone.file)

    def _is_automatic(self, said: dict[str, Item]) -> bool:
        return said["automatic-acl"].is_on if "automatic-acl" in said else self._automatic

    def _said(self, levels: list[Entry]) -> dict[str, Item]:
        """Return the items of a zone; its own one counts before that of its template. Repeated lists add up."""
        made: dict[str, Item] = {}
        for entry in levels:
            own: dict[str, Item] = {}
            for one in entry.items:
                known = own.get(one.name)
                both = [*known.values, *one.values] if known and one.name in _LISTED else one.values
                own[one.name] = Item(one.name, both, one.place)
            made.update(own)
        return made

    def _paths(self, said: dict[str, Item]) -> tuple[str, str]:
        storage, file = said.get("storage"), said.get("file")
        return storage.value if storage else STORAGE, file.value if file else DEFAULT

    def _leave(self, entry: Entry, whose: str) -> None:
        for one in entry.items:
            if one.name in ("module", "global-module"):
                for module in one.values:
                    self._old.leave(one.place, f"{whose}: {module}", why_not("knot", module.partition("/")[0]))
            elif one.name not in _OF_ZONES:
                self._old.leave(one.place, f"{whose}: {one.name}", why_not("knot", one.name))
