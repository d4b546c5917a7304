# SPDX-License-Identifier: GPL-3.0-or-later
"""XDP programs of two instructions, "return an action": to send frames and to let sent frames arrive."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SYS_BPF: Final = 321  # x86-64
_PROG_LOAD: Final = 5
_TYPE_XDP: Final = 6
_MOV_R0: Final = 0xB7
_EXIT: Final = 0x95


@contextmanager
def returning(action: int) -> Iterator[int]:
    """Yield a descriptor of a program that does nothing but return this action."""
    code = struct.pack("<BBhi", _MOV_R0, 0, 0, action) + struct.pack("<BBhi", _EXIT, 0, 0, 0)
    octets, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
    head = struct.pack("<IIQQ", _TYPE_XDP, 2, ctypes.addressof(octets), ctypes.addressof(licence))
    attributes = ctypes.create_string_buffer(head, 128)
    descriptor = ctypes.CDLL(None, use_errno=True).syscall(_SYS_BPF, _PROG_LOAD, attributes, 128)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "bpf(BPF_PROG_LOAD)")
    try:
        yield descriptor
    finally:
        os.close(descriptor)
