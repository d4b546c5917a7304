# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file is known by without being read: a hint that it is another one, never a proof that it is the same.

Its time and size can be as they were after an edit (`touch -r`, `cp -p`, `rsync -t`, `rsync --inplace`): the time of
the last change of any kind (ctime) cannot be set by anybody, and every write through the kernel moves it on. The number
of the device is left out: it may be another one after each boot, and says nothing that the other four do not.
"""

import os
import stat
import struct
from typing import Final

_STAMP: Final = struct.Struct("<QQQQ")
"""Time, size, inode, time of the last change of any kind (both times in nanoseconds), as zone.master.files has them."""

OCTETS: Final = _STAMP.size

_RACY_NS: Final = 50_000_000
"""A file changed so shortly before it was read may change again without its time telling."""


def of_file(file: str) -> bytes | None:
    """Return the stamp of a file, None where there is none."""
    try:
        status = os.stat(file)  # noqa: PTH116 - of a hundred thousand files, a Path is half the cost
    except (OSError, ValueError):
        return None
    return of_status(status)


def size_of(stamp: bytes) -> int:
    """Return the octets that the file had."""
    return int(_STAMP.unpack(stamp)[1])


def is_settled(stamp: bytes | None, now_ns: int) -> bool:
    """Return whether a file has been as it is for long enough before a moment, at which it was read."""
    return stamp is not None and _STAMP.unpack(stamp)[3] < now_ns - _RACY_NS


def changed_before(changed_ns: int, now_ns: int) -> bool:
    """Return whether a file whose last change was at `changed_ns` has been as it is for long enough at `now_ns`."""
    return changed_ns < now_ns - _RACY_NS


def text_of(file: str, most: int) -> bytes | None:
    """Return what is in a file, None where that is more than `most` octets, no regular file, or cannot be read."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            return None
        text = b""
        while len(text) <= most and (more := os.read(fd, most + 1 - len(text))):
            text += more
    except OSError:
        return None
    finally:
        os.close(fd)
    return text if len(text) <= most else None


def of_status(status: os.stat_result) -> bytes:
    """Return the stamp of a file that was looked at."""
    return _STAMP.pack(status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)
