# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of knot.conf, which is a part of YAML: sections, entries, items with one value or a list of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from appliance.migration.old import Place
from appliance.migration.sources import Sources, included, wrong

_LINE: Final = re.compile(
    r"(?P<indent>[ \t]*)(?P<dash>-[ \t]+)?(?P<name>[A-Za-z][A-Za-z0-9-]*)[ \t]*:(?P<rest>.*)", re.DOTALL
)
_QUOTED: Final = re.compile(r'"((?:\\.|[^"\\])*)"')
_PLAIN: Final = re.compile(r'[^,\[\]"]+')
_COMMENT: Final = re.compile(r"(?:^|\s)#")
_FIRST: Final = ("id", "domain", "target")
"""The items that begin an entry of a section."""


@dataclass(slots=True)
class Item:
    """A name with its values."""

    name: str
    values: list[str]
    place: Place

    @property
    def value(self) -> str:
        """Return the only value. Raises ConfigError where there is another number of them."""
        if len(self.values) != 1:
            raise wrong(
                self.place, f"{self.name} needs one value, and has {len(self.values)}; write one behind the colon"
            )
        return self.values[0]

    @property
    def is_on(self) -> bool:
        """Whether it is a switch that is on."""
        return self.value.lower() in ("on", "true")


@dataclass(slots=True)
class Entry:
    """One entry of a section, such as a zone; a section without entries, such as server, is one itself."""

    section: str
    place: Place
    items: list[Item] = field(default_factory=list)

    def get(self, name: str) -> Item | None:
        """Return the last item of a name that has a value."""
        return next((one for one in reversed(self.items) if one.name == name and one.values), None)

    def values(self, name: str) -> list[str]:
        """Return all values of a name."""
        return [value for one in self.items if one.name == name for value in one.values]

    @property
    def name(self) -> str:
        """Return what the entry is called. Raises ConfigError where it has no name."""
        if not self.items or self.items[0].name not in _FIRST:
            raise wrong(
                self.place, f"an entry of {self.section} does not begin with `- id:` or `- domain:`; begin it so"
            )
        return self.items[0].value


def entries(path: Path, sources: Sources) -> list[Entry]:
    """Return the entries of a file and of those that it includes. Raises ConfigError with file, line and mend."""
    return list(_entries(path, sources, None))


def _entries(path: Path, sources: Sources, by: Place | None) -> Iterator[Entry]:
    text = sources.enter(path, by)
    section, current, indent = "", None, 0
    for place, line in _lines(text, path):
        match = _LINE.fullmatch(line)
        if match is None:
            raise wrong(place, "neither a section nor `name: value`; a list is written [a, b] behind a name")
        width = len(match["indent"].expandtabs())
        if not width and not match["dash"]:
            if current is not None:
                yield current
            section, current, indent = match["name"], None, 0
            if section == "include":
                for one in _included(match["rest"], path, place):
                    yield from _entries(one, sources, place)
                section = ""
            elif match["rest"].strip():
                raise wrong(place, f"{section} is a section; write its items in lines of their own below it")
            continue
        if not section:
            raise wrong(place, f"{match['name']} stands in no section; write `server:` or another one above it")
        begins = bool(match["dash"])
        if begins or current is None:
            if current is not None:
                yield current
            current = Entry(section, place)
            indent = width + (len(match["dash"]) if begins else 0)
        elif width != indent:
            raise wrong(place, f"{match['name']} is indented by {width}, and not by {indent} as the items before it")
        current.items.append(Item(match["name"], _values(match["rest"], place), place))
    if current is not None:
        yield current
    sources.leave()


def _lines(text: str, path: Path) -> Iterator[tuple[Place, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#") and stripped not in ("---", "..."):
            yield Place(str(path), number), line.rstrip()


def _included(rest: str, path: Path, place: Place) -> Iterator[Path]:
    for value in _values(rest, place) or [""]:
        for one in included(value, path.absolute().parent, place):
            yield from sorted(file for file in one.iterdir() if file.is_file()) if one.is_dir() else [one]


def _values(rest: str, place: Place) -> list[str]:
    """Return the values behind a colon; a comment is left out."""
    text = rest.strip()
    if not text or text.startswith("#"):
        return []
    is_list = text.startswith("[")
    at, found = int(is_list), list[str]()
    while True:
        at = _behind_space(text, at)
        if is_list and text[at : at + 1] == "]":
            at += 1
            break
        value, at = _one_value(text, at, place)
        found.append(value)
        if not is_list:
            break
        if text[at : at + 1] == ",":
            at += 1
        elif text[at : at + 1] != "]":
            raise wrong(place, "a list without its end; write `]` on the same line, and commas between values")
    behind = text[at:].strip()
    if behind and not behind.startswith("#"):
        raise wrong(place, "something stands behind the value; several values are written [a, b]")
    return found


def _one_value(text: str, at: int, place: Place) -> tuple[str, int]:
    """Return the value at a place, and where it ends with the white space behind it; a comment is not passed."""
    quoted = _QUOTED.match(text, at)
    plain = _PLAIN.match(text, at)
    value, end = "", at
    if quoted:
        value, end = re.sub(r"\\(.)", r"\1", quoted[1]), quoted.end()
    elif plain:
        comment = _COMMENT.search(plain[0])
        end = at + comment.start() if comment else plain.end()
        value = text[at:end].strip()
    if end == at or (plain and not value):
        raise wrong(place, "a value that cannot be read; quote it, and close quotes and [ ] on the same line")
    return value, _behind_space(text, end)


def _behind_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at
