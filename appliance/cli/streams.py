# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard output and error of a command: one that is closed takes everything, one that is full is told."""

import contextlib
import io
import os
import sys
from typing import Any, Final

from appliance.errors import ApplianceError

_OUTPUT: Final = 1


class OutputError(ApplianceError):
    """Standard output takes nothing more."""


class _File(io.FileIO):
    """The file behind standard output."""

    def write(self, octets: Any, /) -> int:
        """Write, and raise OutputError where that fails; BrokenPipeError stays what it is."""
        try:
            return super().write(octets)
        except (BlockingIOError, BrokenPipeError):
            raise
        except OSError as error:
            raise OutputError(f"standard output: {error.strerror}; what was to be printed is lost") from error


def prepare() -> None:
    """Make standard output and error usable, whatever the caller has left of them."""
    if sys.stderr is None:
        sys.stderr = _nowhere()
    if sys.stdout is None:
        sys.stdout = _nowhere()
        return
    with contextlib.suppress(OSError, ValueError):
        if sys.stdout.fileno() == _OUTPUT:
            encoding, errors, buffering = sys.stdout.encoding, sys.stdout.errors, sys.stdout.line_buffering
            raw = io.BufferedWriter(_File(_OUTPUT, "wb", closefd=False))
            sys.stdout = io.TextIOWrapper(raw, encoding=encoding, errors=errors, line_buffering=bool(buffering))


def forget_output() -> None:
    """Let the rest of the output go nowhere, so that the interpreter finds nothing wrong when it ends."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(nowhere, _OUTPUT)
        os.close(nowhere)


def _nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - open for as long as the process lives
