# SPDX-License-Identifier: GPL-3.0-or-later
"""The octets of a master file, read window by window."""

import errno
from typing import Any

WINDOW = 8 << 20
"""Octets of a file that are read at a time."""


class Source:
    """The octets of a file, from one offset up to another or to the end."""

    def __init__(self, file: Any, start: int = 0, end: int | None = None) -> None:
        self.file = file
        self.at = start
        self.end = end
        self.done = False

    def read(self) -> bytes:
        """Return the next octets, with plain newlines; .done tells whether there are more."""
        wanted = WINDOW if self.end is None else min(WINDOW, self.end - self.at)
        self.file.seek(self.at)
        octets = self._some(wanted)
        if octets[-1:] == b"\r":
            octets += self._some(1)
        self.at += len(octets)
        self.done = len(octets) < wanted or self.at == self.end
        # A single octet is searched for fifty times as fast as two.
        return octets.replace(b"\r\n", b"\n") if b"\r" in octets else octets

    def _some(self, wanted: int) -> bytes:
        """Return octets from where the file stands; a file that would have its reader wait is none to read."""
        octets: bytes | None = self.file.read(wanted)
        if octets is None:
            raise BlockingIOError(errno.EAGAIN, "it has nothing to read yet, as no file on a disk does")
        return octets
