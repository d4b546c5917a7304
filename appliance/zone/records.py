# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of a master file, packed into one run of octets, and how they are read back."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from appliance.errors import Finding

# Line, TTL, type, class, index of the file, length of the RDATA and of the owner; the owner and the RDATA follow.
HEADER = struct.Struct("=IIHHHHB3x")


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

    octets holds the packed records, offsets (u64, native order) where each one starts, files the paths that Record.file
    counts in. Where findings has errors, records are missing.
    """

    octets: bytes
    offsets: bytes
    files: list[str]
    findings: list[Finding]

    def __len__(self) -> int:
        return len(self.offsets) // 8

    def __getitem__(self, index: int) -> Record:
        at = memoryview(self.offsets).cast("Q")[index]
        return self._record(at)

    def __iter__(self) -> Iterator[Record]:
        for at in memoryview(self.offsets).cast("Q"):
            yield self._record(at)

    def _record(self, at: int) -> Record:
        line, ttl, rtype, rclass, file, rdlength, owner_length = HEADER.unpack_from(self.octets, at)
        owner = at + HEADER.size
        rdata = owner + owner_length
        return Record(self.octets[owner:rdata], rtype, rclass, ttl, self.octets[rdata : rdata + rdlength], file, line)
