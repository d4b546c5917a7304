# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of nsd.conf: words, clauses and their options, included files put in place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from appliance.migration.old import Place
from appliance.migration.sources import Sources, included, wrong

CLAUSES: Final = frozenset(
    {"server", "zone", "pattern", "key", "remote-control", "tls-auth", "verify", "dnstap", "xdp"}
)
_WORD: Final = re.compile(
    r"""\s+|\#.*|"(?P<double>[^"\n]*)"|'(?P<single>[^'\n]*)'|(?P<plain>[^\s"'](?:\\.|[^\s"\\])*)"""
)
_KEYWORD: Final = re.compile(r"[a-z][a-z0-9_-]*:")


@dataclass(slots=True)
class Option:
    """A key with the values behind it."""

    name: str
    values: list[str]
    place: Place

    @property
    def value(self) -> str:
        """Return the only value. Raises ConfigError where there is none, or another one behind it."""
        if len(self.values) != 1:
            raise wrong(
                self.place, f"{self.name}: needs one value, and has {len(self.values)}; quote it if it has spaces"
            )
        return self.values[0]


@dataclass(slots=True)
class Clause:
    """One clause, such as zone:, with its options in their order."""

    name: str
    place: Place
    options: list[Option] = field(default_factory=list)

    def get(self, name: str) -> Option | None:
        """Return the last option of a name, which counts in NSD."""
        return next((one for one in reversed(self.options) if one.name == name), None)

    def all(self, name: str) -> list[Option]:
        """Return every option of a name."""
        return [one for one in self.options if one.name == name]


def clauses(path: Path, sources: Sources) -> list[Clause]:
    """Return the clauses of a file and of those that it includes. Raises ConfigError with file, line and mend."""
    found: list[Clause] = []
    option: Option | None = None
    for word, is_keyword, place in _words(path, path.absolute().parent, sources, None):
        if not is_keyword:
            if option is None:
                raise wrong(place, "a value without a key before it; write `key: value` in a clause such as server:")
            option.values.append(word)
        elif word in CLAUSES:
            found.append(Clause(word, place))
            option = None
        elif not found:
            raise wrong(place, f"{word}: stands before any clause; write server:, zone: or another one above it")
        else:
            option = Option(word, [], place)
            found[-1].options.append(option)
    for clause in found:
        for one in clause.options:
            if not one.values:
                raise wrong(one.place, f"{one.name}: has no value; write one behind it, or take the line out")
    return found


def _words(path: Path, folder: Path, sources: Sources, by: Place | None) -> Iterator[tuple[str, bool, Place]]:
    """Yield each word, whether it is a key (without its colon then), and its place."""
    text = sources.enter(path, by)
    include: Place | None = None
    for number, line in enumerate(text.split("\n"), 1):
        place = Place(str(path), number)
        for word, is_keyword in _of_line(line, place):
            if include is not None:
                if is_keyword:
                    raise wrong(include, "include: names no file; write its path behind it")
                for one in included(word, folder, include):
                    yield from _words(one, folder, sources, include)
                include = None
            elif is_keyword and word == "include":
                include = place
            else:
                yield word, is_keyword, place
    if include is not None:
        raise wrong(include, "include: names no file; write its path behind it")
    sources.leave()


def _of_line(line: str, place: Place) -> Iterator[tuple[str, bool]]:
    at = 0
    while at < len(line):
        match = _WORD.match(line, at)
        if match is None:
            raise wrong(place, f"a quote in column {at + 1} has no end; close it on the same line")
        at = match.end()
        plain = match["plain"]
        if plain is not None:
            if _KEYWORD.fullmatch(plain):
                yield plain[:-1], True
            else:
                yield plain, False
        elif match["double"] is not None or match["single"] is not None:
            yield match["double"] or match["single"] or "", False
