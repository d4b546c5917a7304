# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of a server's work at which it is killed: which there are, and which of them a seed chooses."""

import random
from pathlib import Path
from typing import Final, Literal

Phase = Literal["load", "save", "apply", "swap", "compact", "keep", "add", "together", "remove", "freeze", "write"]

_LATE_S: Final = 0.01


class Points:
    """What harness/dying does to the servers that get `environment`."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Choose by a seed; notes are kept in the folder."""
        self._plan = folder / "dies"
        self._chance = random.Random(seed)
        self.environment = {"PYTHONPATH": str(Path(__file__).parent / "dying"), "DIES_IN": str(self._plan)}

    def lines(self, phase: Phase) -> int:
        """Return how many lines the shortest run through a phase had so far, 0 before there was one."""
        noted = Path(f"{self._plan}.{phase}")
        return min(map(int, noted.read_text().split())) if noted.exists() else 0

    def arm(self, phase: Phase) -> str:
        """Let the next server that gets there die in a phase, and return where.

        Two of three die at a line, the third some milliseconds later, in the middle of whatever takes so long.
        """
        last = self._chance.randrange(self.lines(phase) * 9 // 10)
        delay = self._chance.uniform(0.0001, _LATE_S) if self._chance.randrange(3) == 0 else 0
        draft = self._plan.with_suffix(".new")
        draft.write_text(f"{phase} {last} {delay:.6f}" if delay else f"{phase} {last} 0")
        draft.replace(self._plan)
        return f"line {last} of {phase}, {delay:.4f} s later"

    def disarm(self) -> None:
        """Let servers live from now on."""
        self._plan.unlink()
