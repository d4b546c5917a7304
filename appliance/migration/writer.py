# SPDX-License-Identifier: GPL-3.0-or-later
"""Our TOML of what was taken from another server's configuration: patterns where zones share one, tables else."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from appliance.config.patterns import ROOT_FILE, ZONE
from appliance.migration.old import Key, Lists, Pattern, Place, Zone
from appliance.migration.settle import Settled
from appliance.wording import counted, visible

PROGRAMS: Final = {"nsd": "NSD", "knot": "Knot DNS", "named": "BIND", "pdns": "PowerDNS"}
_ALIKE: Final = 3
"""Zones with files alike that are worth a pattern which the old configuration did not have."""
_FOLDER: Final = "keys"
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


@dataclass(frozen=True, slots=True)
class Written:
    """The text of the configuration, and for each secret its file, relative to the configuration's folder."""

    text: str
    secrets: Mapping[str, str]


def write(made: Settled) -> Written:
    """Return the configuration as TOML. Secrets are not in it."""
    files = secret_files(made.keys)
    parts = [
        _head(made),
        *_settings(made),
        *(_table("key", name=key.name, secret_file=files[key.name], algorithm=key.algorithm) for key in made.keys),
        *(_remotes(made)),
        *(
            _table("acl", name=acl.name, addresses=acl.addresses, keys=acl.keys, transports=acl.transports)
            for acl in made.old.acls
        ),
        *_zones(made),
    ]
    return Written("\n".join(parts), {files[key.name]: key.secret for key in made.keys})


def _head(made: Settled) -> str:
    old = made.old
    lines = [f"# From {old.file}, a configuration of {PROGRAMS[old.program]}, by `appliance import`."]
    if old.not_carried:
        lines.append(
            f"# {counted(len(old.not_carried), 'setting')} of it are not, or not yet, acted on; the import lists them."
        )
    for zone in made.left_out:
        lines.append(f"# Left out: zone {zone.name}{f' of view {zone.view}' if zone.view else ''}: {zone.left_out}")
    return "".join(f"{visible(line)}\n" for line in lines)


def _settings(made: Settled) -> Iterator[str]:
    values = {table: {} for table in ("server", "listen", "limits")}  # type: dict[str, dict[str, Any]]
    if made.addresses:
        values["listen"]["addresses"] = made.addresses
    if made.port != 53:
        values["listen"]["port"] = made.port
    for (table, key), (value, _) in made.old.settings.items():
        values[table][key] = value
    for table, keys in values.items():
        if keys:
            yield f"[{table}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in keys.items())


def _remotes(made: Settled) -> Iterator[str]:
    for one in made.old.remotes:
        yield _table(
            "remote",
            name=one.name,
            addresses=one.addresses,
            port=one.port if one.port != 53 else None,
            key=one.key,
            transport=one.transport if one.transport != "tcp" else "",
            source=one.source,
        )


def _zones(made: Settled) -> Iterator[str]:
    patterns = {one.name: one for one in made.old.patterns}
    alike = _alike([zone for zone in made.zones if zone.pattern not in patterns], patterns)
    made_up = {one.name: one for one, _ in alike}
    chosen = {id(zone): pattern for pattern, zones in alike for zone in zones}
    for pattern in (*patterns.values(), *made_up.values()):
        yield _table("pattern", name=pattern.name, file=pattern.file, **_values(pattern.lists))
    for zone in made.zones:
        yield _zone(zone, chosen.get(id(zone)) or patterns.get(zone.pattern))


def _zone(zone: Zone, pattern: Pattern | None) -> str:
    own = _values(zone.lists)
    if pattern is not None:
        given = _values(pattern.lists)
        if any(not set(given[key]) <= set(own[key]) for key in own):  # lists add up: it would get more than it had
            pattern = None
        else:
            own = {key: tuple(one for one in own[key] if one not in given[key]) for key in own}
    fits = pattern is not None and pattern.file and _in_template(pattern.file, zone.name) == zone.file
    return _table(
        "zone",
        name=zone.name,
        pattern=pattern.name if pattern is not None else "",
        file="" if fits else zone.file,
        **own,
    )


def _alike(zones: Iterable[Zone], taken: Mapping[str, Pattern]) -> list[tuple[Pattern, list[Zone]]]:
    """Return patterns for zones that have none, whose files are called after them and whose lists are the same."""
    groups: dict[tuple[str, tuple[tuple[str, ...], ...]], list[Zone]] = {}
    for zone in zones:
        template = _template_of(zone)
        if template:
            groups.setdefault((template, tuple(_values(zone.lists).values())), []).append(zone)
    found: list[tuple[Pattern, list[Zone]]] = []
    for (template, _), some in groups.items():
        if len(some) >= _ALIKE:
            name = f"imported-{len(found) + 1}"
            while name in taken:
                name += "-too"
            found.append((Pattern(name, Place("", 0), template, some[0].lists), some))
    return found


def _template_of(zone: Zone) -> str:
    before, _, file = zone.file.rpartition("/")
    name = zone.name.lower().rstrip(".") or ROOT_FILE
    if file.count(name) != 1 or ZONE in zone.file:
        return ""
    return f"{before}/{file.replace(name, ZONE)}"


def _in_template(template: str, name: str) -> str:
    return template.replace(ZONE, name.lower().rstrip(".") or ROOT_FILE)


def _values(lists: Lists) -> dict[str, tuple[str, ...]]:
    return {one.name: getattr(lists, one.name) for one in fields(lists)}


def _table(table: str, **values: Any) -> str:
    return f"[[{table}]]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in values.items() if value)


def toml(value: Any) -> str:
    """Return a value as TOML, whose strings are those of JSON but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def secret_files(keys: Iterable[Key]) -> dict[str, str]:
    """Return the file of each key's secret, relative to the configuration's folder."""
    found: dict[str, str] = {}
    for key in keys:
        plain = "".join(one if one in _PLAIN else "-" for one in key.name.lower().rstrip(".")).lstrip(".-")[:200]
        file, number = f"{_FOLDER}/{plain or 'key'}.secret", 1
        while file in found.values():
            number += 1
            file = f"{_FOLDER}/{plain or 'key'}-{number}.secret"
        found[key.name] = file
    return found
