# SPDX-License-Identifier: GPL-3.0-or-later
"""The sizes of the arrays of a store."""

from typing import Final, NamedTuple

_LOAD: Final = 5
"""Names per bucket of seven to plan with: some miss their first choice then, but a table twice the size has twice the
pages, and a page that the processor must look up costs more than a second probe (measured with 1,000,000 names)."""


class Capacity(NamedTuple):
    """What to create a store with."""

    bucket_bits: int
    chunks: int
    zones: int

    def grown(self, times: int) -> "Capacity":
        """Return the sizes after `times` attempts that were too small."""
        return self._replace(bucket_bits=self.bucket_bits + times, chunks=self.chunks << times)


def index_bits(names: int) -> int:
    """Return the number of buckets, as a power of two, for `names` names and a tenth more."""
    return max(8, ((names + names // 10) // _LOAD).bit_length())
