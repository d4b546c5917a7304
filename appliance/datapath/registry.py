# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry: which programs on which interfaces are ours, written before they are attached.

A pin says it too, but is seen only where the same bpf file system is mounted. An entry is believed for this boot and
the very program (id, load time) that it names, and only when nobody but root can have written it. Both are unique in
all network namespaces: an interface that moves into another one takes its program along, and is known there too. Then
a program can be judged, replaced and taken off without its pin.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

import msgspec

from appliance import __version__
from appliance.datapath import owners
from appliance.datapath.owners import Lock, Owner
from appliance.errors import DatapathError

DEFAULT: Final = Path("/run/appliance-nic")
"""Of the machine, not of a configuration: whoever changes run_dir must still find what runs on the interfaces."""
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_LARGEST: Final = 16384
_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One program on one interface; `since` is the time of day at which it was attached."""

    boot: str
    namespace: tuple[int, int]
    ifindex: int
    interface: str
    program: int
    loaded_ns: int
    owner: Owner
    pins: str
    since: float
    version: str

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.namespace[0]:x}-{self.namespace[1]}-{self.ifindex}-{self.program}.json"

    @property
    def is_of_this_namespace(self) -> bool:
        """Return whether the program was attached in this network namespace."""
        return self.namespace == namespace()


def place() -> Path:
    """Return the registry's folder, which need not be there."""
    return Path(os.environ.get("APPLIANCE_NIC_REGISTRY", DEFAULT))


def namespace() -> tuple[int, int]:
    """Return what tells this network namespace from all others: device and inode."""
    found = Path("/proc/thread-self/ns/net").stat()
    return found.st_dev, found.st_ino


def _boot() -> str:
    return _BOOT.read_text().strip()


def entry(ifindex: int, interface: str, program: int, loaded_ns: int, owner: Owner, pins: Path) -> Entry:
    """Return an entry for a program that is about to be attached here and now."""
    here = namespace()
    return Entry(_boot(), here, ifindex, interface, program, loaded_ns, owner, str(pins), time.time(), __version__)


def claim(owner: Owner) -> Lock:
    """Make the folder, and hold an owner's lock in it. Raises DatapathError."""
    return Lock(_made(), owner)


def _made() -> Path:
    folder = place()
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        reason = _distrusted(folder)
        if not reason:
            folder.chmod(0o700)  # systemd makes it with the mode of run_dir
    except OSError as error:
        mend = f"the NIC path needs root, and in a unit RuntimeDirectory={folder.name}"
        raise DatapathError(f"cannot use {folder}: {error.strerror}; {mend}") from error
    if reason:
        raise DatapathError(f"{folder} {reason}; remove it, the next start makes it anew")
    return folder


def _distrusted(path: Path) -> str:
    """Return why nothing in a folder is believed; empty if it is."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid not in (0, os.geteuid()):
        return f"belongs to user {found.st_uid}, not to root"
    if found.st_mode & _WRITABLE:
        return f"can be written by others than root (mode {stat.S_IMODE(found.st_mode):04o})"
    return ""


def write(made: Entry) -> None:
    """Write an entry, whole or not at all. Raises DatapathError."""
    path = _made() / made.file
    draft = path.with_suffix(f".{os.getpid()}.new")
    try:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(made))
        draft.rename(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise DatapathError(f"cannot write {path}: {error.strerror}; without it no program is attached") from error


def read() -> tuple[list[Entry], list[str]]:
    """Return the entries of this boot, of all network namespaces, and why others are not believed."""
    folder = place()
    try:
        reason = _distrusted(folder)
        names = [] if reason else sorted(path.name for path in folder.glob("*.json"))
    except OSError:
        return [], []
    doubts = [f"{folder} {reason}"] if reason else []
    boot = _boot()
    found: list[Entry] = []
    for name in names:
        known = _read_one(folder / name)
        if isinstance(known, str):
            doubts.append(known)
        elif known is not None and known.boot == boot:
            found.append(known)
    return found, doubts


def _read_one(path: Path) -> Entry | str | None:
    """Return what a file says, why it is not believed, or None if it has gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()) or found.st_mode & _WRITABLE:
            return f"{path} is not believed: others than root can have written it"
        text = os.read(fd, _LARGEST + 1)
        if len(text) > _LARGEST:
            return f"{path} is damaged: more than {_LARGEST} octets"
        known = msgspec.json.decode(text, type=Entry)
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        return f"{path} is damaged: {error}"
    finally:
        os.close(fd)
    return known if known.file == path.name else f"{path} is not believed: it was made as {known.file}"


def forget(gone: Entry) -> None:
    """Remove an entry."""
    with contextlib.suppress(OSError):
        (place() / gone.file).unlink()


def merge(program: int, interfaces: Collection[int]) -> None:
    """Remove the entries of a program for interfaces that are not here (by index): it is known by those for others."""
    for one in read()[0]:
        if one.program == program and one.is_of_this_namespace and one.ifindex not in interfaces:
            forget(one)


def settle(program: int, interface: str) -> None:
    """Remove the entries of a program for an interface that has come from another namespace, and runs it no more."""
    for one in read()[0]:
        if one.program == program and one.interface == interface and not one.is_of_this_namespace:
            forget(one)


def idle(running: Collection[int]) -> list[Entry]:
    """Return this namespace's entries of ended servers, and of this process, whose program no interface here runs."""
    return [one for one in read()[0] if one.is_of_this_namespace and one.program not in running and _has_ended(one)]


def _has_ended(one: Entry) -> bool:
    return owners.is_this_process(one.owner) or not owners.lives(one.owner, place())


def tidy(running: Collection[int], idle: Collection[tuple[int, str]], loaded: Callable[[int], int | None]) -> None:
    """Remove entries and locks of no more use.

    `running` are the programs on interfaces of this namespace, `idle` its interfaces (index, name) that run none, and
    `loaded` tells the load time of a program by its id: 0 where there is none, None where it may not be asked. A
    program whose interface is not here any more may run on in another namespace; one entry is enough to know it by.
    """
    folder, kept = place(), set()
    for one in read()[0]:
        here = one.is_of_this_namespace
        if not _has_ended(one) or (here and one.program in running):
            continue
        since = loaded(one.program)
        taken_off = since is None and here and (one.ifindex, one.interface) in idle
        if taken_off or since not in (None, one.loaded_ns) or one.program in kept:
            forget(one)
        else:
            kept.add(one.program)
    for path, owner in list(_locks(folder)):
        if not owners.lives(owner, folder):
            with contextlib.suppress(OSError):
                path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


def _locks(folder: Path) -> Iterator[tuple[Path, Owner]]:
    for path in folder.glob("owner-*.lock"):
        pid, _, started = path.stem.removeprefix("owner-").partition("-")
        if pid.isdigit() and started.isdigit():
            yield path, Owner(int(pid), int(started))
