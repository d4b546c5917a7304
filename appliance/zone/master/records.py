# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of a master file, packed into one run of octets, and how they are read back."""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from appliance.errors import Finding

# Line, TTL, type, class code << 10 | index of the file, length of the RDATA and of the owner, flags. The owner (none
# where it is that of the record before) and the RDATA follow, padded with zeros to four octets.
HEADER: Final = struct.Struct("=IIHHHBB")

CLASS_CODES: Final = (1, 3, 4, 0)
"""Classes by their code; of the last code the class itself stands before the RDATA, two octets in native order."""
OTHER_CLASS: Final = len(CLASS_CODES) - 1

DROPPED: Final = 1
"""Flag of a record that is not part of the zone: another one is the same."""

_MAP_NORESERVE: Final = 0x4000


def reserve(octets: int) -> mmap.mmap:
    """Return private memory of at least `octets` octets; pages are only taken when they are written."""
    size = (octets + mmap.PAGESIZE) & -mmap.PAGESIZE
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)


class Record(NamedTuple):
    """One record as it stands in the file: names in wire form, their case kept."""

    owner: bytes
    rtype: int
    rclass: int
    ttl: int
    rdata: bytes
    file: int
    line: int


@dataclass(frozen=True, slots=True)
class Records:
    """All records of a master file and the files it includes, in order, and what was wrong with their syntax.

    `octets` holds `count` packed records, `files` the paths that Record.file counts in. Where `findings` has errors,
    records are missing. `border` is the offset of a record with its owner, somewhere in the middle; 0 if none is known.
    """

    octets: memoryview
    count: int
    files: list[str]
    findings: list[Finding]
    border: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Record:
        return next(islice(self, index, None))

    def __iter__(self) -> Iterator[Record]:
        at, owner = 0, b""
        while at < len(self.octets):
            record = self.record(at, owner)
            yield record
            owner = record.owner
            at = self.after(at)

    def record(self, at: int, owner: bytes) -> Record:
        """Return the record at an offset; owner is that of the record before."""
        line, ttl, rtype, place, rdlength, owner_length, _ = HEADER.unpack_from(self.octets, at)
        start = at + HEADER.size
        if owner_length:
            owner = bytes(self.octets[start : start + owner_length])
            start += owner_length
        end = start + rdlength
        rclass = CLASS_CODES[place >> 10]
        if place >> 10 == OTHER_CLASS:
            rclass = int.from_bytes(self.octets[start : start + 2], "little")
            start += 2
        return Record(owner, rtype, rclass, ttl, bytes(self.octets[start:end]), place & 1023, line)

    def after(self, at: int) -> int:
        """Return the offset of the record after one."""
        fields = HEADER.unpack_from(self.octets, at)
        rdlength, owner_length = int(fields[4]), int(fields[5])
        return at + (HEADER.size + owner_length + rdlength + 3 & ~3)
