# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory of this process: how much it has, and giving back what is free inside it."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cycles meanwhile: what is made mostly stays, and looking through it over and over takes a third more.

    May be nested.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def give_back() -> None:
    """Collect what nobody refers to, and let go of the pages behind it.

    The C library keeps them else, and each worker that is forked later takes a copy of what is written there again.
    """
    gc.collect()
    trim()


def trim() -> None:
    """Let go of the pages behind what is free already."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if malloc_trim is not None:
        malloc_trim(ctypes.c_size_t(0))


def own_octets() -> int:
    """Return how many octets of private memory the process has."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split(maxsplit=1)[0]) * 1024
