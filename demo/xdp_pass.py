# SPDX-License-Identifier: GPL-3.0-or-later
"""The two-instruction XDP program that the far end of a veth pair needs before it accepts frames sent by XDP_TX."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from pyroute2 import IPRoute, netns

_SYS_BPF = 321  # x86-64
_BPF_PROG_LOAD = 5
_BPF_PROG_TYPE_XDP = 6
_XDP_PASS = 2
_INSTRUCTIONS = struct.pack("<BBhi", 0xB7, 0, 0, _XDP_PASS) + struct.pack("<BBhi", 0x95, 0, 0, 0)  # r0 = XDP_PASS; exit
_ATTRIBUTES_SIZE = 128


@contextmanager
def loaded() -> Iterator[int]:
    """Yield a descriptor of the program; raise OSError where this process may not load BPF programs."""
    instructions = ctypes.create_string_buffer(_INSTRUCTIONS, len(_INSTRUCTIONS))
    licence = ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack(
        "<IIQQ", _BPF_PROG_TYPE_XDP, len(_INSTRUCTIONS) // 8, ctypes.addressof(instructions), ctypes.addressof(licence)
    ).ljust(_ATTRIBUTES_SIZE, b"\0")
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(_SYS_BPF, _BPF_PROG_LOAD, attributes, _ATTRIBUTES_SIZE)
    if descriptor < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"bpf(BPF_PROG_LOAD): {os.strerror(error)}")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def attach(namespace: str, device: str) -> None:
    """Attach the program to a device of a named network namespace; it lives as long as the device."""
    with loaded() as program:
        netns.pushns(namespace)
        try:
            with IPRoute() as route:
                (index,) = route.link_lookup(ifname=device)
                route.link("set", index=index, xdp_fd=program)
        finally:
            netns.popns()
