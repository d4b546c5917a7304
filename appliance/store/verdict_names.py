# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of `ebpf/verdicts.h`: names and meanings in the order that gives them their numbers."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from appliance.errors import StateError

_ENTRY = re.compile(r'X\((\w+), "([^"]*)"\)')


@functools.cache
def _text() -> str:
    package = Path(__file__).resolve().parent.parent
    for folder in (package.parent / "ebpf", package / "ebpf"):
        if (folder / "verdicts.h").is_file():
            return (folder / "verdicts.h").read_text()
    raise StateError(f"ebpf/verdicts.h is neither beside nor inside {package}; install the package again")


@functools.cache
def listed(macro: str) -> tuple[tuple[str, str], ...]:
    """Return (name, meaning) of each entry of one X-macro list, such as ANSWER_KINDS; the place is the number."""
    body = re.search(rf"#define {macro}\(X\)((?:.*\\\n)*.*\n)", _text())
    if body is None:
        raise StateError(f"ebpf/verdicts.h has no list {macro}; install the package again")
    return tuple(_ENTRY.findall(body.group(1)))


@functools.cache
def numbers(macro: str) -> dict[str, int]:
    """Return the number of each name of one list."""
    return {name: number for number, (name, _) in enumerate(listed(macro))}


KIND: Final[Mapping[str, int]] = numbers("ANSWER_KINDS")
"""Number of each answer kind."""
