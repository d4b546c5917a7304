# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the XDP program on one packet after the other without allocating (BPF_PROG_TEST_RUN): some microseconds each."""

import ctypes
import os
from typing import Final

_SYS_BPF: Final = 321  # x86-64
_PROG_TEST_RUN: Final = 10
_ROOM: Final = 4096

XDP_DROP: Final = 1
XDP_PASS: Final = 2
XDP_TX: Final = 3


class _Attributes(ctypes.Structure):
    """The `test` member of union bpf_attr."""

    _fields_ = (
        ("prog_fd", ctypes.c_uint32),
        ("retval", ctypes.c_uint32),
        ("data_size_in", ctypes.c_uint32),
        ("data_size_out", ctypes.c_uint32),
        ("data_in", ctypes.c_uint64),
        ("data_out", ctypes.c_uint64),
        ("repeat", ctypes.c_uint32),
        ("duration", ctypes.c_uint32),
        ("ctx_size_in", ctypes.c_uint32),
        ("ctx_size_out", ctypes.c_uint32),
        ("ctx_in", ctypes.c_uint64),
        ("ctx_out", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("cpu", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
    )


class Runner:
    """A program, called like a function from a frame to an action and a frame; the device is the namespace's lo."""

    def __init__(self, program_fd: int) -> None:
        """Take the descriptor over; close() closes it."""
        self._fd = program_fd
        self._in = ctypes.create_string_buffer(_ROOM)
        self._out = ctypes.create_string_buffer(_ROOM)
        self._to = memoryview(self._in).cast("B")
        self._from = memoryview(self._out).cast("B")
        self._test = _Attributes(
            prog_fd=program_fd, data_in=ctypes.addressof(self._in), data_out=ctypes.addressof(self._out), repeat=1
        )
        libc = ctypes.CDLL(None, use_errno=True)
        self._syscall = libc.syscall
        self._arguments = (
            ctypes.c_long(_SYS_BPF),
            ctypes.c_long(_PROG_TEST_RUN),
            ctypes.byref(self._test),
            ctypes.c_long(ctypes.sizeof(self._test)),
        )

    def __call__(self, frame: bytes) -> tuple[int, bytes]:
        """Return the XDP action and the frame as the program left it. Raises OSError outside of 14 to 3,520 octets."""
        size, test = len(frame), self._test
        self._to[:size] = frame
        test.data_size_in = size
        test.data_size_out = _ROOM
        if self._syscall(*self._arguments) != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"BPF_PROG_TEST_RUN of {size} octets: {os.strerror(error)}")
        return test.retval, self._from[: test.data_size_out].tobytes()

    def close(self) -> None:
        """Close the program's descriptor."""
        os.close(self._fd)
