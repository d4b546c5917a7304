# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False
"""Small files read whole, one after the other; compiled by Cython, with the types in files.pxd.

Of a hundred thousand files the calls of the system are the lesser part when Python makes them.
"""

from __future__ import annotations

from array import array

import cython
from cython.cimports.libc.string import memcmp
from cython.cimports.posix.fcntl import O_CLOEXEC, O_RDONLY
from cython.cimports.posix.fcntl import open as open_file
from cython.cimports.posix.stat import fstat, stat, struct_stat
from cython.cimports.posix.unistd import close, read

PATH_MAX = 4096


class Files:
    """Files of at most so many octets; .stamp and .changed are time, size and inode of the last one, and its time."""

    def __init__(self, most: int) -> None:
        """Start without a file."""
        self.most = most
        self.path = bytearray(PATH_MAX)
        self.text = bytearray(most + 1)
        self.words = array("Q", bytes(24))
        self.last = b""
        self.stamp = b""
        self.changed = 0

    def find(self, before: bytes, origin: bytes, after: bytes) -> int:
        """Take the path of a zone, whose name stands in it as it is; tell whether it is short enough to be one."""
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
        """Return how many octets the file has, 0 if there is none."""
        with cython.nogil:
            return self.look()

    def read(self) -> bytes | None:
        """Return what is in the file, None where it is too large or cannot be read."""
        with cython.nogil:
            count = self.fetch()
        if count < 0:
            return None
        words = cython.cast(cython.p_char, cython.address(self.words[0]))
        self.stamp = words[:24]
        self.changed = self.words[0]
        start = cython.cast(cython.p_char, cython.address(self.text[0]))
        if count != len(self.last) or memcmp(start, cython.cast(cython.p_char, self.last), count):
            self.last = start[:count]
        return self.last

    def look(self) -> int:
        """Do what size() does."""
        status = cython.declare(struct_stat)
        path = cython.cast(cython.p_char, cython.address(self.path[0]))
        return status.st_size if not stat(path, cython.address(status)) else 0

    def fetch(self) -> int:
        """Read the file; return how many octets were read, -1 for none."""
        status = cython.declare(struct_stat)
        fd = open_file(cython.cast(cython.p_char, cython.address(self.path[0])), O_RDONLY | O_CLOEXEC)
        if fd < 0:
            return -1
        count = -1
        if not fstat(fd, cython.address(status)) and status.st_size <= self.most:
            self.words[0] = cython.cast(cython.ulonglong, status.st_mtim.tv_sec) * 1000000000 + status.st_mtim.tv_nsec
            self.words[1] = status.st_size
            self.words[2] = status.st_ino
            count = read(fd, cython.address(self.text[0]), self.most + 1)
        close(fd)
        return count


def octet(number: int) -> int:
    """Return an octet as a number."""
    return number
