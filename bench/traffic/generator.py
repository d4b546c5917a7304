# SPDX-License-Identifier: GPL-3.0-or-later
"""The generator program of generator.c: its question sets, its target, its counts."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import bcc

from appliance.datapath.headers import kernel_source
from appliance.datapath.syscall import test_run
from appliance.errors import DatapathError

SOURCE = Path(__file__).with_name("generator.c")
SET_SIZE = 65_536
FRAME_ROOM = 136
_ROW = struct.Struct("=2I7Q")
_PLAN = struct.Struct("=8I")
_ATTACH_XDP = 37
PROGRAMS = ("generate", "nothing", "pass", "reflect", "check")
SUM_FULL, SUM_FULL_OR_PARTIAL = 1, 2


@dataclass(frozen=True)
class Expect:
    """What the client's `check` program accepts: ids, rcodes (bit n: rcode n), QR, and how the checksum is verified."""

    id_first: int = 0
    id_span: int = 65_536
    rcodes: int = 0b1
    response: bool = True
    sum_check: int = SUM_FULL


@dataclass(frozen=True)
class Counts:
    """Frames sent and replies checked since `reset`."""

    sent: int
    replies: int
    octets: int
    wrong_id: int
    wrong_rcode: int
    wrong_sum: int
    others: int

    def __sub__(self, earlier: Counts) -> Counts:
        return Counts(*(now - then for now, then in zip(astuple(self), astuple(earlier), strict=True)))

    @property
    def wrong(self) -> int:
        """Count replies that came back but were not right."""
        return self.wrong_id + self.wrong_rcode + self.wrong_sum


def compile_program(text: str, flags: list[str]) -> bcc.BPF:
    """Compile with bcc, which finds kernel headers also where the running kernel has none."""
    source = kernel_source()
    if source:
        os.environ["BCC_KERNEL_SOURCE"] = str(source)
    return bcc.BPF(text=text, cflags=[*flags, "-Wno-macro-redefined", "-Wno-address-of-packed-member"])


def load(compiled: bcc.BPF, name: str) -> int:
    """Load one function as an XDP program and return its descriptor.

    The attach type is told as the server's loader tells it: since Linux 6.18 programs of one tail call must agree.
    """
    return int(compiled.load_func(name, bcc.BPF.XDP, attach_type=_ATTACH_XDP).fd)


class Generator:
    """Holds up to `sets` question sets of 65,536 frames each."""

    def __init__(self, sets: int) -> None:
        cpus = os.sysconf("SC_NPROCESSORS_CONF")
        text = SOURCE.read_text()
        self._bpf = compile_program(text, [f"-DNFRAMES={sets * SET_SIZE}", f"-DNCPUS={cpus}"])
        self._programs = {name: load(self._bpf, name) for name in PROGRAMS}
        self._frames = mmap.mmap(self._bpf["frames"].map_fd, sets * SET_SIZE * FRAME_ROOM)
        self._plan = mmap.mmap(self._bpf["plan"].map_fd, _page(_PLAN.size))
        self._rows = mmap.mmap(self._bpf["rows"].map_fd, _page(cpus * _ROW.size))
        self._cpus = cpus
        self._counts: dict[int, int] = {}

    def fd(self, name: str) -> int:
        """Give the descriptor of `generate`, `nothing`, `reflect` or `check`."""
        return self._programs[name]

    def fill(self, number: int, frames: Sequence[bytes]) -> None:
        """Write a question set, at most 65,536 frames."""
        if not 0 < len(frames) <= SET_SIZE:
            raise DatapathError(f"question set {number} has {len(frames)} frames; 1 to {SET_SIZE} fit")
        packed = b"".join(struct.pack("=H", len(frame)) + frame.ljust(FRAME_ROOM - 2, b"\0") for frame in frames)
        start = number * SET_SIZE * FRAME_ROOM
        self._frames[start : start + len(packed)] = packed
        self._counts[number] = len(frames)

    def choose(self, number: int, expect: Expect | None = None) -> None:
        """Take the questions from a set, each CPU from its own place in it, and start counting anew."""
        expect = expect or Expect()
        count = self._counts[number]
        response = int(expect.response)
        self._plan[: _PLAN.size] = _PLAN.pack(
            number * SET_SIZE, count, expect.id_first, expect.id_span, expect.rcodes, expect.sum_check, response, 0
        )
        for cpu in range(self._cpus):
            self._write_row(cpu, cpu * count // self._cpus)

    def rewind(self) -> None:
        """Let every CPU begin with the first question of the set, and start counting anew."""
        for cpu in range(self._cpus):
            self._write_row(cpu, 0)

    def aim(self, program_fd: int) -> None:
        """Make a program the target of `generate`."""
        self._bpf["target"][ctypes.c_int(0)] = ctypes.c_int(program_fd)

    def time(self, repeat: int) -> int:
        """Run generator and target `repeat` times on this CPU; return nanoseconds per run.

        Any last verdict but XDP_TX is an error: the target did not answer.
        """
        done = test_run(self.fd("generate"), bytes(100), repeat=repeat)
        if done.action != bcc.BPF.XDP_TX:
            raise DatapathError(f"the target returned verdict {done.action} instead of XDP_TX (3) on the last question")
        return done.duration_ns

    def send(self, ifindex: int, frames: int, batch: int = 64) -> None:
        """Send frames out of the interface, from inside the kernel; the target must be `nothing`.

        The call costs about 20 ms besides, so it should send many. A signal ends it with a DatapathError.
        """
        test_run(self.fd("generate"), bytes(100), repeat=frames, ifindex=ifindex, live=True, batch=batch)

    def counts(self) -> Counts:
        """Sum the rows of all CPUs."""
        rows = [_ROW.unpack_from(self._rows, cpu * _ROW.size)[2:] for cpu in range(self._cpus)]
        return Counts(*(sum(column) for column in zip(*rows, strict=True)))

    def _write_row(self, cpu: int, position: int) -> None:
        self._rows[cpu * _ROW.size : (cpu + 1) * _ROW.size] = _ROW.pack(position, *[0] * 8)


def _page(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
