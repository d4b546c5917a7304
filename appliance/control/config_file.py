# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration file beside the configuration that runs: what has changed in it since, in words.

A server keeps the configuration that it was started with, or that was applied last. Whoever edits the file and reloads
is told that the change waits for `appliance apply`.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from appliance.config.difference import Waiting, runnable, settings
from appliance.config.files import ConfigPart, included, read_parts
from appliance.config.load import config_of, examine_parts
from appliance.config.schema import Config
from appliance.errors import ConfigError, Finding
from appliance.served import stamps
from appliance.zone import names

_SHOWN: Final = 3


class ConfigFile:
    """The file that a server was started with; any thread may look at it."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises ConfigError."""
        self._path = path.absolute()
        self._told = ""
        self._turn = threading.RLock()
        self.config = config_of(self._read())
        """What runs."""
        self.waiting: list[Waiting] = []
        """What of the file waits for a restart, as of the last look."""
        self.is_broken = False
        """Whether a start would fail now."""

    def change(self) -> str:
        """Return in which tables the file differs from what runs, and the mend; "" where it does not differ.

        What waits for a restart only is in `waiting`.
        """
        with self._turn:
            now = self._stamps()
            if None in now or now != self._seen:
                self._compare(*examine_parts(self._read()))
            return self._told

    def read(self) -> Config:
        """Return what is in the file now. Raises ConfigError with everything that is wrong with it."""
        with self._turn:
            config, findings = examine_parts(self._read())
            self._compare(config, findings)
        if config is None:
            raise ConfigError("\n".join(str(finding) for finding in findings))
        return config

    def adopt(self, config: Config, wanted: Config) -> None:
        """Note what runs from now on, and what the file had when that was made of it."""
        with self._turn:
            self.config = config
            self._compare(wanted, [])

    def _read(self) -> list[ConfigPart]:
        """Read the file and those that it includes, and note what they were just before."""
        parts = read_parts(self._path)
        self._patterns = parts[0].includes
        self._seen = [stamps.of_status(one.status) if one.status else None for one in parts]
        return parts

    def _stamps(self) -> list[bytes | None]:
        """Return the stamps of the file and of those that it includes now."""
        files = [self._path, *included(self._path, self._patterns)]
        return [stamps.of_file(str(file)) for file in files]

    def _compare(self, config: Config | None, findings: list[Finding]) -> None:
        """Note what a look at the file has found."""
        self.is_broken = config is None
        if config is None:
            self._told = (
                f"{self._path} has changed, and the next start would fail: {_without_path(findings, self._path)}; "
                f"`appliance check-config {self._path}` shows all of it"
            )
            return
        now, self.waiting = runnable(self.config, config)
        differences = list(_differences(self.config, now))
        self._told = ""
        if differences:
            self._told = (
                f"{self._path} has changed since it was applied: {', '.join(differences)}; a reload does not read it: "
                f"`appliance apply` does, `appliance apply --dry-run` shows what it would do"
            )


def _without_path(findings: list[Finding], path: Path) -> str:
    first = next(one for one in findings if one.severity == "error")
    if Path(first.file).absolute() != path:
        return f"{first.file}:{first.line}: {first.reason}"
    return f"line {first.line}: {first.reason}" if first.line else first.reason


def _differences(before: Config, after: Config) -> Iterator[str]:
    """Yield what differs: single zones by name, everything else by its table."""
    if before.zone != after.zone:
        yield from _zones(before, after)
    for name in (field.name for field in msgspec.structs.fields(Config)):
        if name not in ("zone", "include") and getattr(before, name) != getattr(after, name):
            yield f"[[{name}]]" if isinstance(getattr(after, name), tuple) else f"[{name}]"


def _zones(before: Config, after: Config) -> Iterator[str]:
    old = {names.fold(names.from_text(one.name)): one for one in before.zone}
    new = {names.fold(names.from_text(one.name)): one for one in after.zone}
    yield from _of_zones("new", [origin for origin in new if origin not in old])
    yield from _of_zones("gone", [origin for origin in old if origin not in new])
    both = [(origin, old[origin], one) for origin, one in new.items() if origin in old]
    yield from _of_zones("with another file", [origin for origin, was, one in both if was.file != one.file])
    others = [origin for origin, was, one in both if was.file == one.file and settings(was) != settings(one)]
    yield from _of_zones("with other settings", others)


def _of_zones(what: str, origins: list[bytes]) -> Iterator[str]:
    if origins:
        more = f" and {len(origins) - _SHOWN} more" if len(origins) > _SHOWN else ""
        kind = "zone" if len(origins) == 1 else "zones"
        yield f"{kind} {', '.join(names.to_text(origin) for origin in origins[:_SHOWN])}{more} {what}"
