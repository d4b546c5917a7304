# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of zones that are written down, and compared with what was kept, before they are served."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Final

from appliance.state.versions import Version
from appliance.zone.diff.difference import Difference

_FEW: Final = 1000
"""Changed names from which on a share of the zone decides whether it is compiled whole."""
_SHARE: Final = 16
"""A name takes 25 to 50 µs to change by itself, and some 2 as one of many in a whole zone (docs/experiments.md)."""


@dataclass(slots=True)
class Draft:
    """A version that is about to be served, or is served but not kept yet.

    difference is what leads to it from the kept version: None where there was none, or it takes too much room. applies
    tells whether the store has that version: what is served and what is kept have one digest. is_kept tells that this
    is the kept version itself.
    """

    origin: bytes
    version: Version
    difference: Difference | None = None
    applies: bool = False
    is_kept: bool = False

    def changed(self, names: int) -> dict[bytes, set[int]] | None:
        """Return the types that differ by owner for a zone of `names` names; None where it must be compiled whole."""
        found = self.difference
        if not self.applies or found is None or found.names > _FEW + names // _SHARE:
            return None
        return found.changed()

    @property
    def is_same(self) -> bool:
        """Return whether the store has exactly these records."""
        return self.applies and self.difference is not None and self.difference.is_empty


class Drafting(Thread):
    """The draft of a zone that is compiled at the same time; the thread seldom needs the interpreter."""

    def __init__(self, write: Callable[[], Draft | None], compare: Callable[[Draft], Draft | None]) -> None:
        """Begin. The first writes the records down, the second, which needs them no more, does what is left."""
        super().__init__(name="draft")
        self._write: Callable[[], Draft | None] | None = write
        self._compare = compare
        self._draft: Draft | None = None
        self.digest = b""
        """That of the records, once they are written."""
        self._written = Event()
        self.start()

    def run(self) -> None:
        """Write, let go of the records, compare."""
        try:
            draft = self._write_down()
        finally:
            self._written.set()
        self._draft = draft and self._compare(draft)

    def _write_down(self) -> Draft | None:
        write, self._write = self._write, None
        assert write is not None
        draft = write()
        self.digest = draft.version.digest if draft else b""
        return draft

    def until_written(self) -> None:
        """Wait until the records are written, and nobody here holds them any more.

        A worker that is forked before keeps them for as long as it lives: tests/unit/publish/test_estimate.py.
        """
        self._written.wait()

    def result(self) -> Draft | None:
        """Wait for the draft; None where there is none."""
        self.join()
        return self._draft
