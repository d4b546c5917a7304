# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two configurations, key by key; which keys a running server cannot change, and why."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec

from appliance.config.schema import Config, Section
from appliance.config.sections import ARRAYS, TABLES
from appliance.zone import names

RESTART: Final[Mapping[str, str]] = {
    "server.run_dir": "the lock and the sockets lie there",
    "server.state_dir": "the lock and what is kept of the zones lie there",
    "server.control_socket": "the socket is made at the start",
    "server.read_socket": "the socket is made at the start",
    "server.operate_group": "the socket is given to its group when it is made",
    "server.read_group": "the socket is given to its group when it is made",
}
"""Keys that only a start acts on, with the reason."""
_LONGEST: Final = 60
"""Characters of a value in a sentence."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key of a table that has another value; without `key`, an entry of an array that came or went.

    `name` is that of the entry, "" in a table; of an entry that came `before` is None, of one that went `after`.
    """

    table: str
    name: str
    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        place = f"[[{self.table}]] {self.name}" if self.name else f"[{self.table}]"
        if not self.key:
            return f"{place}: {'new' if self.before is None else 'gone'}"
        return f"{place}: {self.key} {_shown(self.before)} becomes {_shown(self.after)}"

    def described(self) -> dict[str, Any]:
        """Return the change as `apply` shows it."""
        plain: dict[str, Any] = msgspec.to_builtins(asdict(self))
        return {**plain, "words": str(self)}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One key that waits for a restart: what runs, what the file says, and why."""

    key: str
    runs: Any
    wanted: Any
    reason: str

    def __str__(self) -> str:
        return f"needs a restart: {self.key} {_shown(self.runs)} becomes {_shown(self.wanted)} ({self.reason})"

    def described(self) -> dict[str, Any]:
        """Return it as `apply` shows it."""
        return {**asdict(self), "words": str(self)}


def changes(before: Config, after: Config) -> list[Change]:
    """Return what differs, apart from which [[zone]]s there are and where their files lie."""
    found: list[Change] = []
    for name in TABLES:
        found += _keys(name, "", getattr(before, name), getattr(after, name))
    for name in ARRAYS:
        if name != "zone":
            found += _entries(name, getattr(before, name), getattr(after, name))
    return found


def settings_of_zones(before: Config, after: Config) -> list[bytes]:
    """Return the origins of the [[zone]]s that are in both, from the same file, with other settings."""
    if before.zone == after.zone:
        return []
    old = {names.fold(names.from_text(one.name)): one for one in before.zone}
    found = []
    for one in after.zone:
        was = old.get(names.fold(names.from_text(one.name)))
        if was is not None and was is not one and was.file == one.file and settings(was) != settings(one):
            found.append(names.fold(names.from_text(one.name)))
    return found


def settings(zone: Section) -> tuple[object, ...]:
    """Return what a zone is served with, apart from its file; how its name is spelt does not count."""
    return msgspec.structs.astuple(msgspec.structs.replace(zone, name="", file=""))


def runnable(running: Config, wanted: Config) -> tuple[Config, list[Waiting]]:
    """Return what of a configuration can run without a restart, and what waits for one."""
    waiting = [
        Waiting(key, runs, asked, reason)
        for key, reason in RESTART.items()
        if (runs := _value_of(running, key)) != (asked := _value_of(wanted, key))
    ]
    kept = {one.key.partition(".")[2]: one.runs for one in waiting}
    if not kept:
        return wanted, []
    return msgspec.structs.replace(wanted, server=msgspec.structs.replace(wanted.server, **kept)), waiting


def _value_of(config: Config, key: str) -> Any:
    table, _, name = key.partition(".")
    return getattr(getattr(config, table), name)


def _keys(table: str, name: str, before: Section, after: Section) -> Iterator[Change]:
    if before == after:
        return
    for field in msgspec.structs.fields(type(after)):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new:
            yield Change(table, name, field.encode_name, old, new)


def _entries(table: str, before: Iterable[Section], after: Iterable[Section]) -> Iterator[Change]:
    if before == after:
        return
    old, new = _by_name(before), _by_name(after)
    for name, one in new.items():
        if name in old:
            yield from _keys(table, name, old[name], one)
        else:
            yield Change(table, name, "", None, one)
    for name, one in old.items():
        if name not in new:
            yield Change(table, name, "", one, None)


def _by_name(entries: Iterable[Any]) -> dict[str, Section]:
    """Return the entries by what they are known by: a [[pattern]] without a name by its list, or by its file."""
    found: dict[str, Section] = {}
    for one in entries:
        known = one.name or one.zones.strip("*") or one.file
        while known in found:
            known += " "  # the same list for several files: their order tells them apart
        found[known] = one
    return found


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
