# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of named.conf: statements of words and blocks, included files put in place."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from appliance.migration.old import Place
from appliance.migration.sources import Sources, included, wrong

DEPTH: Final = 32
"""Blocks in blocks; named.conf needs five."""
_TOKEN: Final = re.compile(
    r"""\s+|//[^\n]*|\#[^\n]*|/\*.*?\*/|(?P<sign>[{};])|"(?P<quoted>(?:\\.|[^"\\])*)"|(?P<plain>(?:(?!//|/\*)[^\s{};"\#])+)""",
    re.DOTALL,
)


@dataclass(slots=True)
class Statement:
    """Terms, and a block of statements where it has one; terms behind a block follow in `more`."""

    place: Place
    terms: list[str] = field(default_factory=list)
    block: "list[Statement] | None" = None
    more: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the first word, in lower case."""
        return self.terms[0].lower() if self.terms else ""

    @property
    def value(self) -> str:
        """Return the only word behind the first. Raises ConfigError where there is another number of them."""
        if len(self.terms) != 2 or self.block is not None:
            raise wrong(self.place, f"{self.name} needs one value; write `{self.name} VALUE;`, quoted if it has spaces")
        return self.terms[1]

    def inside(self) -> "list[Statement]":
        """Return the statements of the block. Raises ConfigError where there is none."""
        if self.block is None:
            raise wrong(self.place, f"{self.name} needs a block; write `{{ … }};` behind it")
        return self.block


def statements(path: Path, sources: Sources) -> list[Statement]:
    """Return the statements of a file and of those that it includes. Raises ConfigError with file, line and mend."""
    return list(_statements(path, path.absolute().parent, sources, None))


def last(found: Iterable[Statement], name: str) -> Statement | None:
    """Return the last statement of a name."""
    named = [one for one in found if one.name == name]
    return named[-1] if named else None


def _statements(path: Path, folder: Path, sources: Sources, by: Place | None) -> list[Statement]:
    text = sources.enter(path, by)
    top = Statement(Place(str(path), 0), block=[])
    open_blocks = [top]
    current: Statement | None = None
    for sign, word, place in _tokens(text, path):
        if sign == "{":
            current = current or Statement(place)
            if current.block is not None:
                raise wrong(place, "a block behind a block; a `;` is missing before it")
            if len(open_blocks) > DEPTH:
                raise wrong(place, f"blocks are nested more than {DEPTH} deep; no statement needs that")
            current.block = []
            open_blocks.append(current)
            current = None
        elif sign == "}":
            if current is not None:
                raise wrong(place, f"a `;` is missing behind `{_shown(current)}`, before this `}}`")
            if len(open_blocks) == 1:
                raise wrong(place, "a `}` that no `{` belongs to; take it out")
            current = open_blocks.pop()
        elif sign == ";":
            if current is not None:
                _end(current, open_blocks[-1], folder, sources)
            current = None
        elif current is None:
            current = Statement(place, [word])
        else:
            (current.terms if current.block is None else current.more).append(word)
    if current is not None:
        raise wrong(current.place, f"a `;` is missing behind `{_shown(current)}`")
    if len(open_blocks) > 1:
        raise wrong(open_blocks[-1].place, f"the block of `{_shown(open_blocks[-1])}` has no end; a `}};` is missing")
    sources.leave()
    return top.inside()


def _end(current: Statement, around: Statement, folder: Path, sources: Sources) -> None:
    if current.name != "include":
        around.inside().append(current)
        return
    for one in included(current.value, folder, current.place):
        around.inside().extend(_statements(one, folder, sources, current.place))


def _shown(one: Statement) -> str:
    """Return how a statement begins; a secret's first word alone."""
    return " ".join(one.terms[: 1 if one.name in ("secret", "key") else 2])[:60]


def _tokens(text: str, path: Path) -> Iterator[tuple[str, str, Place]]:
    at, number = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        place = Place(str(path), number)
        if match is None:
            what = "a comment" if text.startswith("/*", at) else "a quote"
            raise wrong(place, f"{what} that begins here has no end; close it")
        at = match.end()
        number += match[0].count("\n")
        if match["sign"]:
            yield match["sign"], "", place
        elif match["quoted"] is not None:
            yield "", re.sub(r"\\(.)", r"\1", match["quoted"]), place
        elif match["plain"] is not None:
            yield "", match["plain"], place
