# SPDX-License-Identifier: GPL-3.0-or-later
"""What pdns.conf says, with the named.conf of its bind backend; its zones are those of the latter."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.errors import ConfigError
from appliance.migration.addresses import endpoint, networks, plain
from appliance.migration.grants import Grant, granted
from appliance.migration.named import read_into
from appliance.migration.named_syntax import statements
from appliance.migration.old import NO_GIVING, NO_TELLING, Endpoint, Old, Place, Remote
from appliance.migration.reasons import why_not
from appliance.migration.settings import set_number, set_text
from appliance.migration.signatures import UNSIGNED, has_signatures
from appliance.migration.sources import Sources, wrong

_LINE: Final = re.compile(r"(?P<name>[A-Za-z0-9-]+)\s*(?P<sign>\+?=)\s*(?P<value>.*)")
_DEFAULT_GIVES: Final = "127.0.0.0/8, ::1"
_DATABASE_S: Final = 5.0
_SEPARATORS: Final = re.compile(r"[\s,;]+")
_NUMBERS: Final = {
    "max-tcp-connections": ("listen", "tcp_max_connections"),
    "max-tcp-transactions-per-conn": ("listen", "tcp_queries_per_connection"),
    "tcp-idle-timeout": ("listen", "tcp_idle_timeout_s"),
    "udp-truncation-threshold": ("limits", "edns_size"),
}
_READ: Final = ("launch", "include-dir", "bind-config", "local-address", "local-ipv6", "local-port", "allow-axfr-ips",
                "also-notify", "only-notify")  # fmt: skip
_NO_DATABASE: Final = (
    "it cannot be read ({why}), so it is not known which zones pdnsutil secured: their files have no signatures, and "
    "must not be served here as they are"
)


@dataclass(slots=True)
class _Setting:
    value: str
    place: Place


def read(path: Path) -> Old:
    """Return what a configuration of PowerDNS says. Raises ConfigError with file, line and mend."""
    old = Old("pdns", str(path))
    settings = _settings(path)
    backends = [one for one in _SEPARATORS.split(settings["launch"].value) if one] if "launch" in settings else []
    binds = [one for one in backends if one.partition(":")[0] == "bind"]
    if not binds:
        where = settings["launch"].place if "launch" in settings else Place(str(path), 0)
        raise ConfigError(
            f"{where}: error: launch has no bind backend: zones in a database come out as files with `pdnsutil "
            "list-zone ZONE`; import a named.conf that names these"
        )
    for one in backends:
        if one not in binds:
            old.leave(settings["launch"].place, f"launch {one}", "zones of this backend are in no file: see migrate.md")
    _server(old, settings)
    known = ["-".join(["bind", *one.split(":")[1:], "config"]) for one in binds]
    for name in known:
        if name not in settings or not settings[name].value:
            raise ConfigError(f"{path}: error: {name} is missing: which named.conf has the zones?")
        file = path.absolute().parent / settings[name].value
        try:
            found = statements(file, Sources())
        except ConfigError as error:
            raise ConfigError(f"{settings[name].place}: {name}: {error}") from error
        read_into(old, found, file.absolute().parent)
    for name in [f"{one.removesuffix('config')}dnssec-db" for one in known]:
        if name in settings and settings[name].value:
            _leave_signed(old, settings[name], name)
    old.listens_nowhere_else = bool(settings.keys() & {"local-address", "local-ipv6"})
    _everywhere(old, settings)
    return old


def _server(old: Old, settings: dict[str, _Setting]) -> None:
    for name, one in settings.items():
        if name in _NUMBERS and one.value != "0":
            set_number(old, *_NUMBERS[name], name, one.value, one.place)
        elif name == "server-id" and one.value not in ("", "disabled"):
            set_text(old, "identity", name, one.value, one.place)
        elif name == "version-string" and one.value in ("anonymous", "powerdns", "full"):
            old.leave(one.place, f"{name} {one.value}", "[server] version is a text of yours, or none")
        elif name == "version-string":
            set_text(old, "version", name, one.value, one.place)
        elif name not in (*_READ, *_NUMBERS, "server-id") and not re.fullmatch(
            r"bind(-(?!supermaster|autoprimary).+)?-(config|dnssec-db)", name
        ):
            old.leave(one.place, name, why_not("pdns", name))
    _addresses(old, settings)


def _leave_signed(old: Old, database: _Setting, name: str) -> None:
    """Leave out the zones that are signed while they are answered, by keys that are in a database."""
    try:
        uri = f"{Path(database.value).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=_DATABASE_S)) as opened:
            signed = {str(row[0]).lower().rstrip(".") for row in opened.execute("SELECT domain FROM cryptokeys")}
    except (sqlite3.Error, ValueError) as error:
        old.leave(database.place, name, _NO_DATABASE.format(why=error))
        return
    old.leave(database.place, name, "metadata and keys of zones are not taken over: keys of TSIG go into [[key]]")
    for zone in old.zones:
        if zone.name.lower() in signed and not has_signatures(zone.file):
            zone.left_out = UNSIGNED.format(what=f"its keys are in {database.value}", file=zone.file)


def _addresses(old: Old, settings: dict[str, _Setting]) -> None:
    port = settings.get("local-port")
    try:
        old.port = endpoint(f"::@{port.value}")[1] if port else 53
    except ValueError as error:
        raise wrong(port.place if port else Place(old.file, 0), f"local-port: {error}") from None
    for name in ("local-address", "local-ipv6"):
        one = settings.get(name)
        for text in _words(one):
            if one is None:
                continue
            try:
                address, own = _endpoint(text)
            except ValueError:
                raise wrong(one.place, f"{name}: {text} is no address") from None
            old.listen.append(Endpoint(address, own, one.place))


def _endpoint(text: str) -> tuple[str, int]:
    """Return address and port of 192.0.2.1:5300, [2001:db8::1]:5300 or an address alone."""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        return endpoint(f"{address}@{port[1:]}" if port else address)
    return endpoint(text.replace(":", "@") if text.count(":") == 1 else text)


def _everywhere(old: Old, settings: dict[str, _Setting]) -> None:
    """Add to each zone who may fetch it, and who is told, of all of them."""
    gives = settings.get("allow-axfr-ips")
    text, place = (gives.value, gives.place) if gives else (_DEFAULT_GIVES, Place(old.file, 0))
    grants = []
    for word in (one for one in _SEPARATORS.split(text) if one):
        refuses, spec = word.startswith("!"), word.removeprefix("!")
        try:
            prefixes = tuple(plain(one) if one.prefixlen else str(one) for one in networks(spec))
        except ValueError:
            raise wrong(place, f"allow-axfr-ips: {spec} is no address or prefix") from None
        grants.append(Grant(place, f"allow-axfr-ips {word}", prefixes, refuses=refuses))
    refused = settings.get("disable-axfr")
    if refused and refused.value.lower() not in ("no", "off", "false", "0", ""):
        grants = []
    acls = granted(old, "allow-axfr-ips", grants)
    if acls and gives:
        old.leave(place, "allow-axfr-ips", NO_GIVING)
    told = settings.get("also-notify")
    remotes = []
    for word in _words(told):
        if told is None:
            continue
        try:
            address, port = _endpoint(word)
        except ValueError:
            raise wrong(told.place, f"also-notify: {word} is no address") from None
        remotes.append(old.remote(Remote(address, (address,), told.place, port or 53)))
        old.leave(told.place, "also-notify", NO_TELLING)
    for zone in old.zones:
        zone.lists.allow_transfer = tuple(dict.fromkeys((*zone.lists.allow_transfer, *acls)))
        zone.lists.notify = tuple(dict.fromkeys((*zone.lists.notify, *remotes)))


def _words(one: _Setting | None) -> list[str]:
    return [word for word in _SEPARATORS.split(one.value) if word] if one else []


def _settings(path: Path) -> dict[str, _Setting]:
    """Return the settings of a file and of those in its include-dir; the last one counts, += adds to it."""
    found: dict[str, _Setting] = {}
    sources = Sources()
    for place, name, sign, value in _lines(path, sources, None):
        known = found.get(name)
        value = ",".join(filter(None, [known.value, value])) if sign == "+=" and known else value
        found[name] = _Setting(value, place)
    folder = found.get("include-dir")
    if folder and folder.value:
        try:
            files = sorted(
                one for one in (path.absolute().parent / folder.value).iterdir() if one.name.endswith(".conf")
            )
        except OSError as error:
            raise wrong(folder.place, f"include-dir {folder.value}: {error.strerror}; name a folder, or none") from None
        for file in files:
            for place, name, sign, value in _lines(file, sources, folder.place):
                known = found.get(name)
                value = ",".join(filter(None, [known.value, value])) if sign == "+=" and known else value
                found[name] = _Setting(value, place)
    return found


def _lines(path: Path, sources: Sources, by: Place | None) -> Iterator[tuple[Place, str, str, str]]:
    text = sources.enter(path, by)
    for number, line in enumerate(text.split("\n"), 1):
        place = Place(str(path), number)
        plain_line = line.partition("#")[0].strip()
        if not plain_line:
            continue
        match = _LINE.fullmatch(plain_line)
        if match is None:
            raise wrong(place, "not `name=value`; write it so, or take the line out")
        yield place, match["name"].lower(), match["sign"], match["value"].strip().strip('"')
    sources.leave()
