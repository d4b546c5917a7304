# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on the interfaces now, and whose it is."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from appliance.datapath import links, owners, pins, registry
from appliance.datapath.interface_names import name_of
from appliance.datapath.links import Link
from appliance.datapath.registry import Entry
from appliance.datapath.syscall import load_time, open_pin, open_program, program_id
from appliance.errors import DatapathError

Whose = Literal["nobody", "own", "ended", "living", "elsewhere", "foreign"]


@dataclass(frozen=True, slots=True)
class Found:
    """One interface; `whose` tells of its program: this process's, an ended server's of ours, a living one's.

    "elsewhere": the interface has come from another network namespace, with the program of a server that lives there
    and has lost sight of it. `pins` is the folder of its pins, empty where there is none.
    """

    link: Link
    whose: Whose = "nobody"
    pid: int = 0
    run_dir: str = ""
    since: float | None = None
    pins: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """All that was looked for, and why entries of the registry are not believed.

    `aliases` are pairs of a name that was looked for, which is another name of an interface, and that interface's own.
    """

    found: tuple[Found, ...]
    doubts: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()


def look(names: Collection[str] = ()) -> Look:
    """Return the interfaces with these names and all that run an XDP program. Raises DatapathError."""
    present = links.everything(names)
    unseen = set(filter(None, names)) - {link.name for link in present}
    aliases = tuple((name, known) for name in sorted(unseen) if (known := name_of(name)) not in ("", name))
    if not any(link.program for link in present):
        return Look(tuple(Found(link) for link in present), aliases=aliases)
    noted, doubts = registry.read()
    pinned = pins.programs()
    judged = (_judged(link, _noted_of(link, noted), pinned.get(link.program)) for link in present)
    return Look(tuple(judged), tuple(doubts), aliases)


def _noted_of(link: Link, noted: Collection[Entry]) -> Entry | None:
    """Return the entry of the program on an interface; if there is none for that interface, one of the program."""
    of_program = [entry for entry in noted if entry.program == link.program]
    return next((entry for entry in of_program if _is_for(entry, link)), next(iter(of_program), None))


def _is_for(entry: Entry, link: Link) -> bool:
    return entry.ifindex == link.index and entry.is_of_this_namespace


def _judged(link: Link, entry: Entry | None, folder: Path | None) -> Found:
    if not link.program:
        return Found(link)
    if entry is not None and folder is None and pins.program_in(Path(entry.pins)) == link.program:
        folder = Path(entry.pins)  # on another bpf file system
    if entry is not None and not _is_that_program(entry, folder):
        entry = None
    pinned = str(folder or "")
    if entry is not None:
        since = entry.since if _is_for(entry, link) else None
        mine, lives = owners.is_this_process(entry.owner), owners.lives(entry.owner, registry.place())
        whose = _whose(mine, lives, entry.is_of_this_namespace)
        return Found(link, whose, entry.owner.pid, entry.owner.run_dir, since, pinned)
    if folder is not None:  # of an earlier version, or the registry was lost
        pid, made = pins.maker(folder)
        mine, lives = pid == os.getpid() and owners.made_pins(pid, made), pins.maker_lives(folder)
        return Found(link, _whose(mine, lives, pins.is_of_this_namespace(folder)), pid, pins=pinned)
    return Found(link, "foreign")


def _whose(mine: bool, lives: bool, here: bool) -> Whose:
    if mine:
        return "own"
    if not lives:
        return "ended"
    return "living" if here else "elsewhere"


def _is_that_program(entry: Entry, folder: Path | None) -> bool:
    """Return whether a program is the one that the entry names, not a later one with its id.

    Without its pin, and without the right to open a program by its id, the id must do: the kernel hands ids out in
    turn, two thousand million of them before one comes again, and an entry is of this boot.
    """
    try:
        with opened(entry.program, str(folder or "")) as fd:
            return load_time(fd) == entry.loaded_ns
    except DatapathError:
        return True


@contextmanager
def opened(program: int, folder: str) -> Iterator[int]:
    """Yield a descriptor of a program, by its pin or else by its id. Raises DatapathError."""
    fd = -1
    if folder:
        with suppress(DatapathError):  # unpinned meanwhile
            fd = open_pin(Path(folder) / "prog_dns")
        if fd >= 0 and program_id(fd) != program:
            os.close(fd)
            fd = -1
    if fd < 0:
        fd = open_program(program)
    try:
        yield fd
    finally:
        os.close(fd)
