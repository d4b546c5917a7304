# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers that have ended left on the interfaces, and until when that goes on answering."""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.datapath.conditions import why_silent
from appliance.datapath.found import Found, look
from appliance.datapath.links import Mode
from appliance.datapath.syscall import open_pin
from appliance.errors import DatapathError
from appliance.store import layout

_WORD: Final = struct.Struct("<I")
_LONG: Final = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Lease:
    """What the arrays of a program say: whether it may answer, and until when (time of day, 0: without end)."""

    serving: bool
    until: float


@dataclass(frozen=True, slots=True)
class Remains:
    """A program on an interface that nobody looks after; `lease` is None where it cannot be read.

    `known` tells that it is ours, which root alone can say; `silent` why nothing reaches it, if so.
    """

    interface: str
    program: int
    mode: Mode | None
    known: bool
    pid: int
    since: float | None
    lease: Lease | None
    silent: str

    @property
    def answers(self) -> bool | None:
        """Return whether it answers queries now, None where there is no telling."""
        if self.silent or (self.lease is not None and not self.lease.serving):
            return False
        if self.lease is None:
            return None
        return not self.lease.until or time.time() < self.lease.until


def remains(names: Collection[str], run_dir: str) -> list[Remains]:
    """Return what a server with this `run_dir` and interfaces of these names left. Raises DatapathError."""
    return [_described(one) for one in look(names).found if _is_left(one, names, run_dir)]


def _is_left(found: Found, names: Collection[str], run_dir: str) -> bool:
    if found.whose == "ended":
        return found.link.name in names or found.run_dir == run_dir
    return found.whose == "foreign" and found.link.name in names and os.geteuid() != 0


def _described(found: Found) -> Remains:
    link = found.link
    lease = _lease(Path(found.pins)) if found.pins else None
    known = found.whose == "ended"
    return Remains(link.name, link.program, link.mode, known, found.pid, found.since, lease, why_silent(link))


def _lease(folder: Path) -> Lease | None:
    try:
        fd = open_pin(folder / "ctl")
    except DatapathError:
        return None
    try:
        with mmap.mmap(fd, mmap.PAGESIZE, prot=mmap.PROT_READ) as ctl:
            octets = ctl[: layout.SIZES["ctl"]]
    except OSError:
        return None
    finally:
        os.close(fd)
    at = layout.OFFSETS["ctl"]
    magic, form = _LONG.unpack_from(octets, at["magic"])[0], _WORD.unpack_from(octets, at["format"])[0]
    if (magic, form) != (layout.STORE_MAGIC, layout.STORE_FORMAT):  # of another version
        return None
    until_ns = _LONG.unpack_from(octets, at["lease_until"])[0]
    booted = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
    return Lease(_WORD.unpack_from(octets, at["serving"])[0] != 0, booted + until_ns / 1e9 if until_ns else 0.0)
