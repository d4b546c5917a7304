# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory of this process: how much it has, and giving back what is free inside it."""

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ARENA_MAX: Final = -8
"""M_ARENA_MAX of malloc.h."""


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


def use_one_arena() -> None:
    """Let all threads take memory from the same place, where what they let go of can be given back.

    Said before the first other thread allocates. A thread's own arena keeps what lies between the few things that stay:
    22 MiB of 255 after a load of 530,000 delegations, which took as long (two loads each way).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it
    if mallopt is not None:
        mallopt(ctypes.c_int(_ARENA_MAX), ctypes.c_int(1))


def give_back() -> None:
    """Collect what nobody refers to, and let go of the pages behind it.

    The C library keeps them else, and each worker that is forked later takes a copy of what is written there again.
    """
    gc.collect()
    trim()


def trim() -> None:
    """Release the pages behind what is free already."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if malloc_trim is not None:
        malloc_trim(ctypes.c_size_t(0))


def physical_octets() -> int:
    """Return the octets of memory that the machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def own_octets() -> int:
    """Return the octets of private memory that the process has."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split(maxsplit=1)[0]) * 1024
