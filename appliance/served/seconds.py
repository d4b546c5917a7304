# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in time that many zones share: of a hundred thousand, each object counts."""

import time

_last = 0


def second() -> int:
    """Return the seconds since 1970, the same object for as long as it is the same second."""
    global _last  # noqa: PLW0603 - what it holds is worth nothing but its identity
    now = int(time.time())
    if now != _last:
        _last = now
    return _last
