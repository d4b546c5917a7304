# SPDX-License-Identifier: GPL-3.0-or-later
"""bpf(2) without bcc: make maps, load programs, pin and open them, ask for identities, run a program on a packet."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.errors import DatapathError

_SYS_BPF: Final = {"x86_64": 321, "aarch64": 280}
_MAP_CREATE: Final = 0
_MAP_UPDATE: Final = 2
_PROG_LOAD: Final = 5
_OBJ_PIN: Final = 6
_OBJ_GET: Final = 7
_PROG_TEST_RUN: Final = 10
_PROG_GET_FD_BY_ID: Final = 13
_OBJ_GET_INFO_BY_FD: Final = 15
_ID: Final = 4
_LOAD_TIME: Final = 40
_INFO_SIZE: Final = 224
_MAP_INFO: Final = struct.Struct("=6I16s")
_XDP: Final = 6  # BPF_PROG_TYPE_XDP
_ATTACH_XDP: Final = 37  # BPF_XDP
_ATTEMPTS: Final = 5
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


def _call(command: int, attributes: ctypes.Array[ctypes.c_char]) -> int:
    """Return what bpf(2) returns, or the error number, negative."""
    number = _SYS_BPF.get(platform.machine())
    if number is None:
        raise DatapathError(f"the NIC path needs x86_64 or aarch64, not {platform.machine()}")
    result: int = _libc.syscall(number, command, attributes, len(attributes))
    return -ctypes.get_errno() if result < 0 else result


def bpf(command: int, attributes: ctypes.Array[ctypes.c_char], doing: str) -> int:
    """Make one call of bpf(2). Raises DatapathError."""
    result = _call(command, attributes)
    if result < 0:
        raise DatapathError(f"{doing}: {os.strerror(-result)} (errno {-result})")
    return result


def _attributes(layout: str, *values: int | bytes) -> ctypes.Array[ctypes.c_char]:
    packed = struct.pack(layout, *values)
    return ctypes.create_string_buffer(packed, len(packed))


def make_map(name: str, kind: int, key_size: int, value_size: int, entries: int, flags: int) -> int:
    """Make a map; the caller closes the descriptor."""
    attributes = _attributes("=7I15sx", kind, key_size, value_size, entries, flags, 0, 0, name.encode())
    return bpf(_MAP_CREATE, attributes, f"make the map {name} of {entries} times {value_size} octets")


def set_entry(map_fd: int, key: int, value: int) -> None:
    """Write an entry of a map from numbers to numbers, or to programs by their descriptors."""
    key_octets, value_octets = ctypes.c_uint32(key), ctypes.c_uint32(value)
    attributes = _attributes("=I4xQQQ", map_fd, ctypes.addressof(key_octets), ctypes.addressof(value_octets), 0)
    bpf(_MAP_UPDATE, attributes, f"write entry {key} of a map")


def map_info(fd: int) -> tuple[str, int, int, int, int, int]:
    """Return a map's name, type, sizes of key and value, entries and flags."""
    info = ctypes.create_string_buffer(_MAP_INFO.size)
    bpf(_OBJ_GET_INFO_BY_FD, _attributes("=IIQ", fd, len(info), ctypes.addressof(info)), "ask for a map's shape")
    kind, _, key_size, value_size, entries, flags, name = _MAP_INFO.unpack(info.raw)
    return name.rstrip(b"\0").decode(), kind, key_size, value_size, entries, flags


def load_xdp(
    name: str, instructions: bytes, licence: str, kernel_version: int, log: ctypes.Array[ctypes.c_char] | None = None
) -> int:
    """Load a program, which the kernel verifies; return its descriptor, or the error number, negative.

    With `log` the verifier's words are written there. Other threads run meanwhile.
    """
    code = ctypes.create_string_buffer(instructions, len(instructions))
    terms = ctypes.create_string_buffer(licence.encode())
    attributes = _attributes(
        "=IIQQIIQII15sxII",
        _XDP,
        len(instructions) // 8,
        ctypes.addressof(code),
        ctypes.addressof(terms),
        0 if log is None else 1,
        0 if log is None else len(log),
        0 if log is None else ctypes.addressof(log),
        kernel_version,
        0,
        name.encode(),
        0,
        _ATTACH_XDP,
    )
    for _ in range(_ATTEMPTS):
        result = _call(_PROG_LOAD, attributes)
        if result != -errno.EAGAIN:  # a signal came while the verifier was at work
            break
    return result


def pin(fd: int, path: Path) -> None:
    """Give a map or a program a name in a bpf file system."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    try:
        bpf(_OBJ_PIN, _attributes("=QII", ctypes.addressof(name), fd, 0), f"cannot pin {path}")
    except DatapathError as error:
        raise DatapathError(f"{error}; is {path.parent} on a bpf file system?") from error


def open_pin(path: Path) -> int:
    """Open a pinned map or program; the caller closes the descriptor."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    attributes = ctypes.create_string_buffer(struct.pack("=QII", ctypes.addressof(name), 0, 0), 16)
    return bpf(_OBJ_GET, attributes, f"open {path}")


def load_time_of(number: int) -> int | None:
    """Return when the program with an id was loaded (ns since the boot), 0 if there is none; None: no right to ask."""
    attributes = ctypes.create_string_buffer(struct.pack("=III", number, 0, 0), 12)
    fd = _call(_PROG_GET_FD_BY_ID, attributes)
    if fd < 0:
        return 0 if fd == -errno.ENOENT else None
    try:
        return load_time(fd)
    finally:
        os.close(fd)


def open_program(number: int) -> int:
    """Open a program by its id, which needs CAP_SYS_ADMIN; the caller closes the descriptor."""
    attributes = ctypes.create_string_buffer(struct.pack("=III", number, 0, 0), 12)
    return bpf(_PROG_GET_FD_BY_ID, attributes, f"open program {number}")


def program_id(fd: int) -> int:
    """Kernel id of a loaded program."""
    return _program_info(fd, _ID)


def load_time(fd: int) -> int:
    """Return when a program was loaded, in nanoseconds since the boot."""
    return _program_info(fd, _LOAD_TIME, "=Q")


def _program_info(fd: int, offset: int, kind: str = "=I") -> int:
    """Return a field of `struct bpf_prog_info`."""
    info = ctypes.create_string_buffer(_INFO_SIZE)
    attributes = ctypes.create_string_buffer(struct.pack("=IIQ", fd, _INFO_SIZE, ctypes.addressof(info)), 16)
    bpf(_OBJ_GET_INFO_BY_FD, attributes, "ask for a program's identity")
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
    bpf(_PROG_TEST_RUN, attributes, "BPF_PROG_TEST_RUN")
    _, action, _, size = struct.unpack_from("=IIII", attributes)
    (duration,) = struct.unpack_from("=I", attributes, 36)
    return TestRun(action, out.raw[:size] if room else b"", duration)
