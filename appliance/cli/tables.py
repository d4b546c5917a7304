# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of plain text that fit their terminal; a hundred thousand rows take a second, and no library is imported.

Colour is for terminals only, and for none where NO_COLOR is set. A file gets each cell whole.
"""

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from appliance.wording import visible

_GAP: Final = 2
_LEAST: Final = 8
"""Columns that a cell is never made narrower than, while another is wider."""
_PLAIN_WIDTH: Final = 80
COLOURS: Final = {"green": "32", "yellow": "33", "red": "31"}


class Cell(NamedTuple):
    """A text, and its colour on a terminal."""

    text: str
    colour: str = ""


def is_coloured() -> bool:
    """Return whether standard output gets colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def room() -> int:
    """Return the width of the terminal, 0 where standard output is none: then nothing is folded."""
    return shutil.get_terminal_size((_PLAIN_WIDTH, 24)).columns if sys.stdout.isatty() else 0


def coloured(text: str, colour: str) -> str:
    """Return a text as a terminal shows it in a colour, if standard output is one that does."""
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if colour and is_coloured() else text


def lines(
    headings: Sequence[str], rows: Sequence[Sequence[Cell | str]], right: Sequence[str] = (), width: int | None = None
) -> Iterator[str]:
    """Yield a table line by line; what is wider than its column goes on below, so that nothing is cut off."""
    cells = [[_cell(one) for one in row] for row in rows]
    wide = [len(heading) for heading in headings]
    for row in cells:
        for at, cell in enumerate(row):
            wide[at] = max(wide[at], _width(cell.text))
    to_the_right = [heading in right for heading in headings]
    whole = room() if width is None else width
    if whole and sum(wide) + _GAP * (len(wide) - 1) > whole:
        texts = [at for at, is_number in enumerate(to_the_right) if not is_number]
        _fit(wide, whole, texts, _words(headings, cells, whole))
        _fit(wide, whole, texts, [0] * len(wide))
    yield from _line([Cell(heading) for heading in headings], wide, to_the_right)
    for row in cells:
        yield from _line(row, wide, to_the_right)


def said(mark: str, text: str, colour: str) -> Iterator[str]:
    """Yield a sentence behind a mark, in a colour, line by line as it fits; a file gets one line."""
    whole = room()
    pieces = _folded(visible(text), max(_LEAST, whole - len(mark) - 1)) if whole else [visible(text)]
    for number, piece in enumerate(pieces):
        yield coloured(f"{' ' * len(mark) if number else mark} {piece}", colour)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Cell | str]], right: Sequence[str] = ()) -> None:
    """Print a table."""
    sys.stdout.writelines(f"{line}\n" for line in lines(headings, rows, right))


def print_said(mark: str, text: str, colour: str) -> None:
    """Print a sentence behind a mark."""
    sys.stdout.writelines(f"{line}\n" for line in said(mark, text, colour))


def print_text(text: str, colour: str = "") -> None:
    """Print a sentence, broken between words on a terminal."""
    whole = room()
    pieces = _folded(visible(text), max(_LEAST, whole)) if whole else [visible(text)]
    sys.stdout.writelines(f"{coloured(piece, colour)}\n" for piece in pieces)


def _cell(given: Cell | str) -> Cell:
    return given._replace(text=visible(given.text)) if isinstance(given, Cell) else Cell(visible(given))


def _words(headings: Sequence[str], cells: Sequence[Sequence[Cell]], whole: int) -> list[int]:
    """Return the width of the longest word of each column, of those that leave room for others."""
    longest = [max(map(_width, heading.split() or [""])) for heading in headings]
    for row in cells:
        for at, cell in enumerate(row):
            if len(cell.text) > longest[at]:
                found = max(map(_width, cell.text.split() or [""]))
                longest[at] = max(longest[at], found if found <= whole // 3 else 0)
    return longest


def _fit(wide: list[int], whole: int, texts: Sequence[int], least: Sequence[int]) -> None:
    """Make the widest columns of texts narrower until the table fits.

    Columns of numbers keep their width: the half of a number would be read as another number.
    """
    over = sum(wide) + _GAP * (len(wide) - 1) - whole
    while over > 0 and (wider := [at for at in texts if wide[at] > max(least[at], _LEAST)]):
        at = max(wider, key=lambda one: wide[one])
        second = max([wide[one] for one in wider if wide[one] < wide[at]], default=0)
        as_wide = sum(wide[one] == wide[at] for one in wider)  # they give alike, else the first of them gives all
        less = min(-(-over // as_wide), wide[at] - max(second, least[at], _LEAST))
        wide[at] -= less
        over -= less


def _line(row: Sequence[Cell], wide: Sequence[int], to_the_right: Sequence[bool]) -> Iterator[str]:
    pieces = [_folded(cell.text, wide[at]) for at, cell in enumerate(row)]
    for number in range(max(map(len, pieces))):
        parts = []
        for at, cell in enumerate(row):
            text = pieces[at][number] if number < len(pieces[at]) else ""
            blank = " " * (wide[at] - _width(text))
            shown = coloured(text, cell.colour) if text else ""
            parts.append(blank + shown if to_the_right[at] else shown + blank)
        yield (" " * _GAP).join(parts).rstrip()


def _folded(text: str, wide: int) -> list[str]:
    """Return a text in pieces that fit, broken between words where there are some."""
    if _width(text) <= wide:
        return [text]
    pieces = []
    while _width(text) > wide:
        end = _fitting(text, wide)
        space = text.rfind(" ", 1, end + 1)
        cut = space if space > 0 else end
        pieces.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*pieces, text] if text else pieces


def _fitting(text: str, wide: int) -> int:
    """Return how many characters fit, at least one."""
    taken = 0
    for at, one in enumerate(text):
        taken += _width(one)
        if taken > wide:
            return max(1, at)
    return len(text)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else not unicodedata.combining(one) for one in text)
