# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold an XDP program on a device by a descriptor, so that it cannot outlive the measurement."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from typing import Final

from appliance.errors import DatapathError

_SYS_BPF: Final = {"x86_64": 321, "aarch64": 280}.get(platform.machine(), 0)
_LINK_CREATE: Final = 28
_ATTACH_XDP: Final = 37
_NATIVE: Final = 4
_libc = ctypes.CDLL(None, use_errno=True)


def hold(program_fd: int, ifindex: int) -> int:
    """Attach an XDP program in native mode; it stays only as long as the returned descriptor is open (Linux 5.9)."""
    attributes = ctypes.create_string_buffer(struct.pack("=4I32x", program_fd, ifindex, _ATTACH_XDP, _NATIVE), 48)
    held = int(_libc.syscall(_SYS_BPF, _LINK_CREATE, attributes, len(attributes)))
    if held < 0:
        raise DatapathError(f"attach to interface {ifindex}: {os.strerror(ctypes.get_errno())}")
    return held
