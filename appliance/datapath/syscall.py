# SPDX-License-Identifier: GPL-3.0-or-later
"""bpf(2) without bcc: open pins, ask for identities, run a program on a packet."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.errors import DatapathError

_SYS_BPF: Final = {"x86_64": 321, "aarch64": 280}
_OBJ_GET: Final = 7
_PROG_TEST_RUN: Final = 10
_PROG_GET_FD_BY_ID: Final = 13
_OBJ_GET_INFO_BY_FD: Final = 15
_ID: Final = 4
_LOAD_TIME: Final = 40
_VERIFIED_STEPS: Final = 216
_INFO_SIZE: Final = 224
_libc = ctypes.CDLL(None, use_errno=True)

BPFFS_MAGIC: Final = 0xCAFE4A11
TEST_RUN_ROOM: Final = 4096
LIVE_FRAMES: Final = 2


@dataclass(frozen=True, slots=True)
class TestRun:
    """Outcome of one BPF_PROG_TEST_RUN: the XDP action, the packet as left, nanoseconds per run."""

    action: int
    packet: bytes
    duration_ns: int


def _bpf(command: int, attributes: ctypes.Array[ctypes.c_char], doing: str) -> int:
    number = _SYS_BPF.get(platform.machine())
    if number is None:
        raise DatapathError(f"the NIC path needs x86_64 or aarch64, not {platform.machine()}")
    result: int = _libc.syscall(number, command, attributes, len(attributes))
    if result < 0:
        error = ctypes.get_errno()
        raise DatapathError(f"{doing}: {os.strerror(error)} (errno {error})")
    return result


def open_pin(path: Path) -> int:
    """Open a pinned map or program; the caller closes the descriptor."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    attributes = ctypes.create_string_buffer(struct.pack("=QII", ctypes.addressof(name), 0, 0), 16)
    return _bpf(_OBJ_GET, attributes, f"open {path}")


def open_program(number: int) -> int:
    """Open a program by its id, which needs CAP_SYS_ADMIN; the caller closes the descriptor."""
    attributes = ctypes.create_string_buffer(struct.pack("=III", number, 0, 0), 12)
    return _bpf(_PROG_GET_FD_BY_ID, attributes, f"open program {number}")


def program_id(fd: int) -> int:
    """Kernel id of a loaded program."""
    return _program_info(fd, _ID)


def load_time(fd: int) -> int:
    """Return when a program was loaded, in nanoseconds since the boot."""
    return _program_info(fd, _LOAD_TIME, "=Q")


def verified_steps(fd: int) -> int:
    """Instructions that the kernel followed to judge a program (Linux 5.16 and later); it gives up after a million."""
    return _program_info(fd, _VERIFIED_STEPS)


def _program_info(fd: int, offset: int, kind: str = "=I") -> int:
    """Return a field of `struct bpf_prog_info`."""
    info = ctypes.create_string_buffer(_INFO_SIZE)
    attributes = ctypes.create_string_buffer(struct.pack("=IIQ", fd, _INFO_SIZE, ctypes.addressof(info)), 16)
    _bpf(_OBJ_GET_INFO_BY_FD, attributes, "ask for a program's identity")
    return int(struct.unpack_from(kind, info, offset)[0])


def test_run(
    fd: int, packet: bytes, *, repeat: int = 1, ifindex: int | None = None, live: bool = False, batch: int = 0
) -> TestRun:
    """Run an XDP program on a packet `repeat` times; `ifindex` is the device it seems to come from.

    The packet has about 3.4 kB of tail room here, far more than most devices give. With `live` the frames are
    really sent.
    """
    source = ctypes.create_string_buffer(packet, len(packet))
    room = 0 if live else TEST_RUN_ROOM
    out = ctypes.create_string_buffer(room or 1)
    context = struct.pack("=IIIIII", 0, len(packet), 0, ifindex, 0, 0) if ifindex is not None else b""
    context_buffer = ctypes.create_string_buffer(context or b"\0", 24)
    attributes = ctypes.create_string_buffer(
        struct.pack(
            "=IIIIQQIIIIQQIII",
            fd,
            0,
            len(packet),
            room,
            ctypes.addressof(source),
            ctypes.addressof(out) if room else 0,
            repeat,
            0,
            len(context),
            0,
            ctypes.addressof(context_buffer) if context else 0,
            0,
            LIVE_FRAMES if live else 0,
            0,
            batch,
        ),
        80,
    )
    _bpf(_PROG_TEST_RUN, attributes, "BPF_PROG_TEST_RUN")
    _, action, _, size = struct.unpack_from("=IIII", attributes)
    (duration,) = struct.unpack_from("=I", attributes, 36)
    return TestRun(action, out.raw[:size] if room else b"", duration)
