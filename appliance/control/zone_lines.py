# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones that come or go as lines of data: each batch is one transaction, and has one result a line."""

from collections.abc import Awaitable, Callable
from typing import Any

from appliance.control.bulk import Batch, Bulk
from appliance.control.outcomes import failure
from appliance.control.update import BATCH
from appliance.control.zone_changes import Outcome, ZoneChanges

_Change = Callable[[list[tuple[str, ...]]], Awaitable[list[Outcome]]]


class ZoneLines:
    """The verbs addzones, delzones and zone import."""

    def __init__(self, changes: ZoneChanges) -> None:
        """Make each batch a change."""
        self._changes = changes

    async def add(self, request: dict[str, Any], bulk: Bulk) -> Any:
        """Add the zones of `NAME PATTERN` lines."""
        return await _each(bulk, _two_words, lambda some: self._changes.add([(a, b) for a, b in some], _always))

    async def take_over(self, request: dict[str, Any], bulk: Bulk) -> Any:
        """Add the zones of a list as NSD has it; those that are there already stay."""
        return await _each(
            bulk, _of_list, lambda some: self._changes.add([(a, b) for a, b in some], _always, again=True)
        )

    async def remove(self, request: dict[str, Any], bulk: Bulk) -> Any:
        """Remove the zones of lines that have a name each."""
        return await _each(bulk, _one_word, lambda some: self._changes.remove([one for (one,) in some], _always))


async def _each(bulk: Bulk, read: Callable[[str], tuple[str, ...] | str], change: _Change) -> dict[str, Any]:
    """Do what the lines say, and return the report; `unserved` counts zones whose files cannot be served."""
    unserved = 0
    async for batch in bulk.batches():
        results = []
        for at in range(0, len(batch), BATCH):
            results += await _done(batch[at : at + BATCH], read, change)
        unserved += sum(not one.get("served", True) for one in results)
        await bulk.tell(results)
    return {**bulk.report(), "unserved": unserved}


async def _done(batch: Batch, read: Callable[[str], tuple[str, ...] | str], change: _Change) -> list[Outcome]:
    """Return the results of lines in their order; blank lines and comments have none."""
    results: list[Outcome | None] = []
    wanted: list[tuple[str, ...]] = []
    for number, line in batch:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = read(text)
        if isinstance(found, str):
            results.append(failure(f"line {number}", found))
        else:
            wanted.append(found)
            results.append(None)
    outcomes = iter(await change(wanted) if wanted else ())
    return [next(outcomes) if one is None else one for one in results]


def _two_words(text: str) -> tuple[str, ...] | str:
    words = text.split(maxsplit=1)
    return (
        (words[0], words[1])
        if len(words) == 2
        else f"{text[:100]!r}: a line is a zone's name, a blank, and its pattern's name"
    )


def _of_list(text: str) -> tuple[str, ...] | str:
    kind, *rest = text.split(maxsplit=1)
    if kind != "add" or not rest:
        return f"{text[:100]!r}: a line is `add NAME PATTERN`; zones that have gone (`del`) are not taken over"
    return _two_words(rest[0])


def _one_word(text: str) -> tuple[str, ...] | str:
    return (text,) if len(text.split()) == 1 else f"{text[:100]!r}: a line is a zone's name"


def _always() -> bool:
    return True
