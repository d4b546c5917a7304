# SPDX-License-Identifier: GPL-3.0-or-later
"""The bpf file system where programs and maps are pinned, so that they outlive every process."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

from appliance.datapath.syscall import BPFFS_MAGIC
from appliance.errors import DatapathError

DEFAULT: Final = Path("/sys/fs/bpf")


def present() -> Path | None:
    """Return the folder of our pins for this network namespace if there is one; nothing is mounted or made."""
    folder = _folder()
    return folder if folder.is_dir() else None


def everywhere() -> list[Path]:
    """Return the folders of our pins for all network namespaces, this one's first; nothing is mounted or made."""
    own = _folder()
    return sorted((one for one in own.parent.glob("net-*") if one.is_dir()), key=lambda one: (one != own, one))


def _mounted_at() -> Path:
    return Path(os.environ.get("APPLIANCE_BPFFS", DEFAULT))


def _folder() -> Path:
    return _mounted_at() / "appliance" / f"net-{Path('/proc/thread-self/ns/net').stat().st_ino}"


def root() -> Path:
    """Folder of our pins for this network namespace, on a bpf file system that is mounted when it is not yet.

    Interfaces belong to namespaces, and so do the programs on them: two servers in two namespaces must not tidy
    each other up.
    """
    mount = _mounted_at()
    if not _is_bpffs(mount):
        _mount(mount)
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DatapathError(f"cannot use {folder}: {error.strerror}; the NIC path needs root or CAP_BPF") from error
    return folder


def _is_bpffs(path: Path) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    answer = ctypes.create_string_buffer(256)  # struct statfs; the type is its first word
    if libc.statfs(os.fsencode(path), answer) != 0:
        return False
    return int.from_bytes(answer.raw[:8], "little") & 0xFFFFFFFF == BPFFS_MAGIC


def _mount(path: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatapathError(f"no {path} to mount the bpf file system on: {error.strerror}") from error
    if libc.mount(b"bpf", os.fsencode(path), b"bpf", 0, None) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise DatapathError(f"cannot mount the bpf file system on {path}: {reason}; run as root")
