# SPDX-License-Identifier: GPL-3.0-or-later
"""Master files as text: where a line begins, and the words for what cannot be read."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

MAX_EXCERPT: Final = 60

# libzscanner takes only absolute names in directives; RFC 1035 §5.1 allows relative ones.
ABSOLUTE_ORIGIN: Final = re.compile(rb"^\$ORIGIN[ \t]+([^\s;]*\.)[ \t]*(?:;.*)?$", re.IGNORECASE | re.MULTILINE)
RELATIVE_ORIGIN: Final = re.compile(rb"\$ORIGIN[ \t]+([^\s;]*[^\s;.])[ \t]*(;.*)?", re.IGNORECASE)
RELATIVE_INCLUDE: Final = re.compile(
    rb"""\$INCLUDE[ \t]+("[^"]+"|[^\s;"]+)[ \t]+([^\s;]*[^\s;.])[ \t]*(;.*)?""", re.IGNORECASE
)

_OWNER_LINE: Final = re.compile(rb"\n(?=[A-Za-z0-9_*-])")


def line_near(file: Any, near: int) -> int:
    """Return where a line with an owner starts, in the middle of the first `near` octets; 0 if none is close by."""
    file.seek(near // 2)
    octets = file.read(65536)
    match = _OWNER_LINE.search(octets)
    return near // 2 + match.end() if match else 0


def with_excerpt(reason: str, text: bytes) -> str:
    """Return a reason with the beginning of the line it is about, fit to be printed."""
    cut = text[:MAX_EXCERPT]
    shown = "".join(chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}" for octet in cut)
    return f"{reason}: {shown}{'…' if len(cut) < len(text) else ''}" if text else reason


def leads_nowhere(opened: Sequence[Path], real: Path, depth: int) -> str:
    """Return why one more included file is not read, with the files that lead to it."""
    if real not in opened:
        return f"more than {depth} levels of $INCLUDE, from {opened[0]}"
    loop = [*opened[opened.index(real) + 1 :], real]
    return "includes itself" + (f" ({real} > {' > '.join(map(str, loop))})" if len(loop) > 1 else "")


def too_large(most: int) -> str:
    """Return why a file with more than `most` octets of packed records is not read on."""
    return f"more than {-(-most >> 20)} MiB of records, twice what [store] memory_mib allows: not read on"
