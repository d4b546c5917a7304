# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones that a [[pattern]] stands for: those of a list, or those with a file in a folder."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from appliance.access import why_not_read
from appliance.config.schema import Pattern
from appliance.errors import ConfigError, WireError
from appliance.zone import names

ZONE: Final = "{zone}"
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


def expand(pattern: Pattern) -> Iterator[tuple[bytes, str]]:
    """Yield origin and file of each zone of a pattern. Raises ConfigError, which names file and line."""
    return _listed(pattern) if pattern.zones else _found(pattern)


def _listed(pattern: Pattern) -> Iterator[tuple[bytes, str]]:
    try:
        with Path(pattern.zones).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                text = line.partition("#")[0].strip()
                if text:
                    yield origin_of(text, f"{pattern.zones}:{number}"), file_of(pattern, text)
    except OSError as error:
        raise ConfigError(
            f"{pattern.zones}: the list of zones cannot be read: {why_not_read(pattern.zones, error)}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{pattern.zones}: not UTF-8: octet {error.start}; write one zone name a line") from error


def _found(pattern: Pattern) -> Iterator[tuple[bytes, str]]:
    folder, _, file = pattern.file.rpartition("/")
    before, _, after = file.partition(ZONE)
    try:
        entries = sorted(os.listdir(folder or "/"))  # noqa: PTH208 - names are all that is asked for
    except OSError as error:
        raise ConfigError(
            f"{folder}: the folder of a [[pattern]] cannot be read: {why_not_read(folder, error)}"
        ) from error
    for name in entries:
        if name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after):
            text = name[len(before) : len(name) - len(after)]
            if not text.startswith("."):  # half-written files of editors and transfers
                path = f"{folder}/{name}"
                yield origin_of(text, path), path


def file_of(pattern: Pattern, text: str) -> str:
    """Return the path of a zone's file."""
    return pattern.file.replace(ZONE, text.removesuffix(".") or "root")


def origin_of(text: str, place: str) -> bytes:
    """Return the folded wire name of a zone that a list or a file names. Raises ConfigError."""
    text = text.lower()
    if len(text) < 64:
        label, _, rest = text.partition(".")
        above = _plain(rest)
        if above and label and _PLAIN.issuperset(label):
            return bytes((len(label),)) + label.encode() + above
    try:
        return names.fold(names.from_text(text))
    except WireError as error:
        raise ConfigError(f"{place}: {error}") from error


@lru_cache(1024)
def _plain(text: str) -> bytes:
    """Return the wire name of a plainly spelt one, of which many zones have the same above them; else nothing."""
    if not text:
        return names.ROOT
    labels = text.removesuffix(".").split(".")
    if not all(labels) or not _PLAIN.issuperset(text):
        return b""
    return b"".join([bytes((len(label),)) + label.encode() for label in labels]) + names.ROOT
