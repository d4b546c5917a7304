# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of pinned generations: which program each holds, who made it, and which are of no more use."""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from appliance.datapath import bpffs, owners
from appliance.datapath.syscall import open_pin, program_id
from appliance.errors import DatapathError
from appliance.store import layout


def folders() -> Iterable[tuple[Path, int]]:
    """Yield the folders of pins, oldest first, and the id of the program in each; 0 where there is none."""
    root = bpffs.present()
    for folder in sorted(root.glob("g*")) if root is not None else ():
        yield folder, program_in(folder)


def program_in(folder: Path) -> int:
    """Return the id of the program in a folder of pins, 0 if there is none."""
    try:
        fd = open_pin(folder / "prog_dns")
    except DatapathError:
        return 0
    try:
        return program_id(fd)
    finally:
        os.close(fd)


def programs() -> dict[int, Path]:
    """Return the folders of pins by the id of the program in them, those of other network namespaces too.

    An interface takes its program along into another namespace; the pins stay where they are.
    """
    found: dict[int, Path] = {}
    for namespace in bpffs.everywhere():
        for folder in sorted(namespace.glob("g*")):
            found.setdefault(program_in(folder), folder)
    found.pop(0, None)
    return found


def is_of_this_namespace(folder: Path) -> bool:
    """Return whether a folder of pins was made in this network namespace."""
    return folder.parent == bpffs.present()


def maker(folder: Path) -> tuple[int, int]:
    """Return the process that made a folder of pins, and when, as its name says."""
    made, _, pid = folder.name.removeprefix("g").rpartition("-")
    return (int(pid), int(made)) if pid.isdigit() and made.isdigit() else (0, 0)


def maker_lives(folder: Path) -> bool:
    """Return whether the process that made a folder of pins has not ended."""
    return owners.made_pins(*maker(folder))


def unused(attached: Collection[int], keep: Collection[Path], made: Collection[Path]) -> list[Path]:
    """Return the generations that no interface of this namespace runs any more: those `made` here, and of the ended."""
    found = []
    for folder, number in list(folders()):
        # Without a program it is half made, by us or by another, or was left so by a loader that was killed.
        others = maker_lives(folder) and not (number and folder in made)
        if folder not in keep and number not in attached and not others:
            found.append(folder)
    return found


def silence(folder: Path) -> None:
    """Let the program of a generation hand everything up from now on, wherever it runs."""
    try:
        fd = open_pin(folder / "ctl")
    except DatapathError:
        return
    try:
        with mmap.mmap(fd, mmap.PAGESIZE) as ctl:
            at = layout.OFFSETS["ctl"]["serving"]
            ctl[at : at + 4] = bytes(4)
    finally:
        os.close(fd)


def remove(folder: Path) -> None:
    """Unpin a generation, and remove the folders around it if nobody else's pins are there.

    An interface may have taken the program along into another network namespace, where nobody would keep what it
    answers: it is silenced.
    """
    silence(folder)
    shutil.rmtree(folder, ignore_errors=True)
    for above in (folder.parent, folder.parent.parent):
        try:
            above.rmdir()
        except OSError:  # another generation's pins, or another namespace's, are beside ours
            return
