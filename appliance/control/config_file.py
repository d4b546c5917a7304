# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration file beside the server that was started with it: what has changed in it since, in words.

A server keeps the configuration of its start. Whoever edits the file and reloads is told that a restart is needed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from appliance.config.load import examine, load_config
from appliance.config.schema import Config
from appliance.errors import Finding
from appliance.served import stamps
from appliance.zone import names

_SHOWN: Final = 3


class ConfigFile:
    """The file that a server was started with; one thread at a time looks at it."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises ConfigError."""
        self._path = path.absolute()
        self._seen = stamps.of_file(str(path))
        self._told = ""
        self.config = load_config(path)
        self.is_broken = False
        """Whether a start would fail now."""

    def change(self) -> str:
        """Return in which tables the file differs from that of the start, and the mend; "" where it does not differ."""
        stamp = stamps.of_file(str(self._path))
        if stamp is None or stamp != self._seen:
            self._seen = stamp
            self._told = self._compared()
        return self._told

    def _compared(self) -> str:
        config, findings = examine(self._path)
        self.is_broken = config is None
        if config is None:
            return (
                f"{self._path} has changed, and the next start would fail: {_without_path(findings, self._path)}; "
                f"`appliance check-config {self._path}` shows all of it"
            )
        differences = list(_differences(self.config, config))
        if not differences:
            return ""
        return (
            f"{self._path} has changed since the start: {', '.join(differences)}; a reload does not read it: "
            f"`appliance check-config {self._path}`, then start the server again"
        )


def _without_path(findings: list[Finding], path: Path) -> str:
    first = next(one for one in findings if one.severity == "error")
    return f"line {first.line}: {first.reason}" if first.line else first.reason


def _differences(before: Config, after: Config) -> Iterator[str]:
    """Yield what differs: single zones by name, everything else by its table."""
    old = {names.fold(names.from_text(one.name)): one.file for one in before.zone}
    new = {names.fold(names.from_text(one.name)): one.file for one in after.zone}
    yield from _of_zones("new", [origin for origin in new if origin not in old])
    yield from _of_zones("gone", [origin for origin in old if origin not in new])
    moved = [origin for origin, file in new.items() if old.get(origin, file) != file]
    yield from _of_zones("with another file", moved)
    for name in (field.name for field in msgspec.structs.fields(Config)):
        if name != "zone" and getattr(before, name) != getattr(after, name):
            yield f"[[{name}]]" if isinstance(getattr(after, name), tuple) else f"[{name}]"


def _of_zones(what: str, origins: list[bytes]) -> Iterator[str]:
    if origins:
        more = f" and {len(origins) - _SHOWN} more" if len(origins) > _SHOWN else ""
        kind = "zone" if len(origins) == 1 else "zones"
        yield f"{kind} {', '.join(names.to_text(origin) for origin in origins[:_SHOWN])}{more} {what}"
