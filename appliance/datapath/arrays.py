# SPDX-License-Identifier: GPL-3.0-or-later
"""The arrays of one loaded program, opened from their pins and mapped into this process."""

from __future__ import annotations

import contextlib
import mmap
import os
from pathlib import Path
from typing import Final

from appliance.datapath.loader import Plan
from appliance.datapath.services import ENTRY, SLOTS
from appliance.datapath.syscall import open_pin
from appliance.store import layout

_PAGE: Final = mmap.PAGESIZE


def sizes(plan: Plan) -> dict[str, int]:
    """Octets of each mapped array."""
    return {
        "ctl": layout.SIZES["ctl"],
        "buckets": layout.SIZES["bucket"] << plan.bucket_bits,
        "heap": layout.HEAP_CHUNK * plan.chunks,
        "zones": layout.SIZES["zone"] * plan.zones,
        "counters": layout.SIZES["counter_row"] * plan.cpus,
        "services": ENTRY.size * SLOTS,
        "ports": layout.SIZES["port"] * layout.PORT_SLOTS,
        "vlans": layout.SIZES["vlan"] * layout.VLAN_SLOTS,
    }


class Arrays:
    """Writable views by name; close() unmaps them all."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._maps: dict[str, mmap.mmap] = {}
        self._views: dict[str, memoryview] = {}
        try:
            for name, size in sizes(plan).items():
                fd = open_pin(folder / name)
                try:
                    whole = -(-size // _PAGE) * _PAGE
                    self._maps[name] = mmap.mmap(fd, whole)
                finally:
                    os.close(fd)
                self._views[name] = memoryview(self._maps[name])[:size]
        except BaseException:
            self.close()
            raise

    def __getitem__(self, name: str) -> memoryview:
        return self._views[name]

    def close(self) -> None:
        """Unmap; views that others still hold keep their map alive until they let go."""
        # A Store holds views of these; what it still looks at goes with its last view.
        for view in self._views.values():
            with contextlib.suppress(BufferError):
                view.release()
        for mapped in self._maps.values():
            with contextlib.suppress(BufferError):
                mapped.close()
        self._views.clear()
        self._maps.clear()
