# SPDX-License-Identifier: GPL-3.0-or-later
"""What an ended server leaves behind (program, arrays, pins, entries in the registry), kept to be put back."""

import ctypes
import mmap
import os
import shutil
import struct
from pathlib import Path
from typing import Final

from appliance.datapath import links, registry
from appliance.datapath.syscall import open_pin
from appliance.store import layout
from demo.network import Namespace
from tests.datapath.devices import inside

_SYS_BPF, _OBJ_PIN = 321, 6
_PLAN: Final = "plan"


class Remains:
    """Taken while the server lives; put_back() makes it as if it had just ended, as often as a test likes."""

    def __init__(self, end: Namespace, bpffs: Path) -> None:
        (self._folder,) = generations(end, bpffs)
        self._pins = {path.name: open_pin(path) for path in self._folder.iterdir() if path.name != _PLAN}
        self._plan = (self._folder / _PLAN).readlink()
        with inside(end.name):
            self.links = links.with_programs()
        self._end = end
        self._entries = {path: path.read_bytes() for path in self.written()}
        assert len(self._entries) == len(self.links) > 0

    def written(self) -> list[Path]:
        """Return the entries that there are for this namespace: others are of other tests' servers."""
        number = Path(f"/run/netns/{self._end.name}").stat().st_ino
        return list(registry.place().glob(f"*-{number}-*.json"))

    def put_back(self, *, pins: bool = True, entries: bool = True) -> None:
        """Let the old program run on its interfaces again, with or without what tells that it is ours."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if pins:
            self._folder.mkdir(parents=True)
            for name, fd in self._pins.items():
                _pin(fd, self._folder / name)
            (self._folder / _PLAN).symlink_to(self._plan)
        _let_serve(self._pins["ctl"])
        registry.place().mkdir(mode=0o700, exist_ok=True)
        for path, text in self._entries.items():
            path.write_bytes(text if entries else text[:-1])
            path.chmod(0o600)
        with inside(self._end.name):
            for link in self.links:
                assert link.mode is not None
                links.attach(links.read(link.name), self._pins["prog_dns"], link.mode, if_none=True)

    def close(self) -> None:
        """Keep nothing any more."""
        for fd in self._pins.values():
            os.close(fd)
        shutil.rmtree(self._folder, ignore_errors=True)
        for path in self._entries:
            path.unlink(missing_ok=True)


def generations(end: Namespace, bpffs: Path) -> list[Path]:
    """Return the pinned generations of a network namespace."""
    number = Path(f"/run/netns/{end.name}").stat().st_ino
    return sorted(bpffs.glob(f"appliance/net-{number}/g*"))


def _let_serve(ctl: int) -> None:
    """Undo what unpinning does to a program: it was silenced."""
    with mmap.mmap(ctl, mmap.PAGESIZE) as octets:
        at = layout.OFFSETS["ctl"]["serving"]
        octets[at : at + 4] = (1).to_bytes(4, "little")


def _pin(fd: int, path: Path) -> None:
    name = ctypes.create_string_buffer(os.fsencode(path))
    attributes = ctypes.create_string_buffer(struct.pack("=QII", ctypes.addressof(name), fd, 0), 16)
    if ctypes.CDLL(None, use_errno=True).syscall(_SYS_BPF, _OBJ_PIN, attributes, len(attributes)) != 0:
        raise OSError(ctypes.get_errno(), f"pin {path}")
