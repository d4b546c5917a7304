# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop before each line of some code that runs."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def at_each_line(places: str | tuple[str, ...], work: Callable[[], object], look: Callable[[str], None]) -> None:
    """Do the work; before each line executed of sources whose paths start so, call look with the function's name.

    What look itself executes is not looked at.
    """

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            sys.settrace(None)
            look(frame.f_code.co_name)
            sys.settrace(entered)
        return local

    def entered(frame: FrameType, event: str, argument: Any) -> Any:
        return local if frame.f_code.co_filename.startswith(places) else None

    sys.settrace(entered)
    try:
        work()
    finally:
        sys.settrace(None)
