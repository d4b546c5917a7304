# SPDX-License-Identifier: GPL-3.0-or-later
"""Imported by each Python of a server under test: holds it whenever it opens one file, until a test lets it go on.

HELD_AT names the file. A pipe beside it, with ".pipe" at the end of its name, is read to its end first; what came is
the file's content from then on.
"""

import os
import pathlib
from typing import Any

_HELD = os.environ["HELD_AT"]
_open = os.open


def _held(path: Any, *arguments: Any, **more: Any) -> int:
    """Open a file; wait before that if it is the one."""
    if path == _HELD:
        pathlib.Path(_HELD).write_text(pathlib.Path(f"{_HELD}.pipe").read_text())
    return _open(path, *arguments, **more)


os.open = _held
