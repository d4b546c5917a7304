# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones put back as master files: under another name, on the disk, read back, and only then in place of what is there.

A file is only replaced where it has what was read of it: never what somebody has written since.
"""

import contextlib
import glob
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from appliance.errors import StateError, ZoneError
from appliance.served import stamps
from appliance.served.file_source import FileSource
from appliance.served.zones import ServedZone
from appliance.zone import digests
from appliance.zone.load import load_zone
from appliance.zone.packed.zone import PackedZone

_DRAFT: Final = ".half"


def known_stamp(served: ServedZone) -> bytes:
    """Return the stamp of a zone's file if the file has what is served, else nothing."""
    source = served.source
    if not isinstance(source, FileSource) or served.error or source.includes:
        return b""
    stamp = stamps.of_file(source.place)
    if stamp is None:
        return b""
    if source.settled() and stamp == source.stamp:
        return stamp
    text = source.small_text()
    return stamp if text is not None and digests.of_text(text) == served.digest else b""


def write(path: Path, zone: PackedZone, stamp: bytes) -> bytes:
    """Put a zone in place of the file that has a stamp, and return the new one. Raises StateError, and leaves it then.

    The file keeps its mode and, where that may be, its owner.
    """
    from appliance.zone.text import lines  # with dnspython: memory that a server which writes nothing need not have

    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_DRAFT}")
    try:
        for left in path.parent.glob(f".{glob.escape(path.name)}.*{_DRAFT}"):  # of a process that was killed
            left.unlink()
        for plainly in (False, True):
            _write_draft(draft, path, lines(zone, plainly=plainly))
            if _is_same(draft, zone):
                break
        else:
            raise StateError(f"{path}: what was written is not what is served; the file is left as it is")
        if stamps.of_file(str(path)) != stamp:
            raise StateError(f"{path} is another file than was read: it is left as it is")
        draft.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}; the file is left as it is") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return stamps.of_file(str(path)) or b""


def has(path: Path, zone: PackedZone) -> bool:
    """Return whether a file has the records of a zone already."""
    return _is_same(path, zone)


def _write_draft(draft: Path, path: Path, text: Iterable[str]) -> None:
    status = path.stat()
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    with draft.open("x", encoding="ascii") as file:
        made = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        file.write(f"; written by `appliance write`, {made}\n")
        file.writelines(text)
        file.flush()
        os.fchmod(file.fileno(), status.st_mode & 0o777)
        with contextlib.suppress(PermissionError):
            os.fchown(file.fileno(), status.st_uid, status.st_gid)
        os.fsync(file.fileno())


def _is_same(draft: Path, zone: PackedZone) -> bool:
    """Return whether a file has the records of a zone."""
    try:
        found = load_zone(draft, zone.origin)
    except ZoneError:
        return False
    return isinstance(found, PackedZone) and digests.of_records(found) == digests.of_records(zone)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
