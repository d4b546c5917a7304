# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody may have meant who wrote a name that there is not."""

import difflib

_SHOWN = 20


def nearest(word: str, known: list[str], otherwise: str | None = None) -> str:
    """Return the end of a message about a word: the nearest known one, or else all of them, or `otherwise`."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    if otherwise is not None:
        return otherwise
    if not known:
        return "; there is none"
    return f"; known are {', '.join(sorted(known)[:_SHOWN])}{', …' if len(known) > _SHOWN else ''}"
