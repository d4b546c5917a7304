# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False
"""Small files read whole, many at once; compiled by Cython, with the types in files.pxd.

Of a hundred thousand files the calls of the system are the lesser part when Python makes them.
"""

from __future__ import annotations

from array import array
from typing import Any

import cython
from cython.cimports.libc.string import memcmp
from cython.cimports.posix.fcntl import O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDONLY
from cython.cimports.posix.fcntl import open as open_file
from cython.cimports.posix.stat import S_ISREG, fstat, stat, struct_stat
from cython.cimports.posix.unistd import close, read

from appliance.zone.master.records import reserve

PATH_MAX = 4096
MAX_TEXT = 16384
"""Octets of a file up to which it is read whole, with others."""
STAMP_WORDS = 4


class Files:
    """Looks for one file at a time."""

    def __init__(self) -> None:
        """Start without a file."""
        self.path = bytearray(PATH_MAX)

    def find(self, before: bytes, origin: bytes, after: bytes) -> int:
        """Form the path of a zone, with its name as it is; return whether the path is short enough."""
        if len(before) + len(origin) + len(after) >= PATH_MAX or b"\0" in before or b"\0" in after:
            return False
        at = self.copy(0, before, 0, len(before))
        i = 0
        while i < len(origin) and octet(origin[i]):
            if i:
                self.path[at] = 46  # a dot
                at += 1
            at = self.copy(at, origin, i + 1, octet(origin[i]))
            i += octet(origin[i]) + 1
        at = self.copy(at, after, 0, len(after))
        self.path[at] = 0
        return True

    def copy(self, at: int, octets: bytes, start: int, length: int) -> int:
        """Put a part of a path where it belongs; return where the next one goes."""
        i = 0
        while i < length:
            self.path[at + i] = octet(octets[start + i])
            i += 1
        return at + length

    def size(self) -> int:
        """Return the octets that the file has, 0 if there is none."""
        with cython.nogil:
            return self.look()

    def look(self) -> int:
        """Return the octets of the file at .path, 0 if there is none."""
        status = cython.declare(struct_stat)
        path = cython.cast(cython.p_char, cython.address(self.path[0]))
        return status.st_size if not stat(path, cython.address(status)) else 0


class Batch(Files):
    """Files that are named one by one and read all together, without holding up other threads.

    .stamp has time, size, inode and time of the last change of any kind (ctime) of the one that was taken last,
    .changed the last of these, in nanoseconds.
    """

    def __init__(self, most: int, room: int) -> None:
        """Start without files of at most `most` octets each; memory for all of `room` is taken only as it is used."""
        super().__init__()
        self.most = most
        self.last = b""
        self.stamp = b""
        self.changed = 0
        self.room = room
        self.count = 0
        self.paths = reserve(room * PATH_MAX)
        self.texts = reserve(room * (most + 1))
        self.stamps = array("Q", bytes(8 * STAMP_WORDS * room))
        self.counts = array("q", bytes(8 * room))

    def clear(self) -> None:
        """Forget all files."""
        self.count = 0

    def add(self, before: bytes, origin: bytes, after: bytes) -> None:
        """Name the next file by the parts of its path, as find does."""
        if self.count == self.room:
            raise IndexError(f"a batch has room for {self.room} files")
        start = self.count * PATH_MAX
        self.paths[start] = 0  # no path: it cannot be opened
        if self.find(before, origin, after):
            at = 0
            while self.path[at]:
                self.paths[start + at] = self.path[at]
                at += 1
            self.paths[start + at] = 0
        self.count += 1

    def run(self) -> None:
        """Read all files."""
        with cython.nogil:
            self.fetch_all()

    def fetch_all(self) -> None:
        """Do what run() does."""
        i = 0
        while i < self.count:
            self.counts[i] = self.fetch(
                cython.address(self.paths[i * PATH_MAX]),
                cython.address(self.texts[i * (self.most + 1)]),
                cython.address(self.stamps[STAMP_WORDS * i]),
            )
            i += 1

    def take(self, i: int) -> bytes | None:
        """Return what is in one of the files, None where it is too large or cannot be read; equal ones may be one."""
        if i >= self.count:
            raise IndexError(f"a batch of {self.count} files has no number {i}")
        return self.found(
            self.counts[i],
            cython.address(self.texts[i * (self.most + 1)]),
            cython.address(self.stamps[STAMP_WORDS * i]),
        )

    def found(self, count: int, text: Any, words: Any) -> bytes | None:
        """Return the `count` octets that were read, and note what is known of their file; None for less than none."""
        if count < 0:
            return None
        stamp = cython.cast(cython.p_char, words)
        self.stamp = stamp[: 8 * STAMP_WORDS]
        self.changed = words[3]
        start = cython.cast(cython.p_char, text)
        if count != len(self.last) or memcmp(start, cython.cast(cython.p_char, self.last), count):
            self.last = start[:count]
        return self.last

    def fetch(self, path: Any, text: Any, words: Any) -> int:
        """Read a file to a place, and its stamp to another one; return how many octets were read, -1 for none.

        Nothing waits: what is no regular file is not read, and opening it does not wait for a writer.
        """
        status = cython.declare(struct_stat)
        fd = open_file(cython.cast(cython.p_char, path), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        if fd < 0:
            return -1
        count = -1
        if not fstat(fd, cython.address(status)) and S_ISREG(status.st_mode) and status.st_size <= self.most:
            words[0] = cython.cast(cython.ulonglong, status.st_mtim.tv_sec) * 1000000000 + status.st_mtim.tv_nsec
            words[1] = status.st_size
            words[2] = status.st_ino
            words[3] = cython.cast(cython.ulonglong, status.st_ctim.tv_sec) * 1000000000 + status.st_ctim.tv_nsec
            count = read(fd, text, self.most + 1)
        close(fd)
        return count


def octet(number: int) -> int:
    """Return an octet as a number."""
    return number
