# SPDX-License-Identifier: GPL-3.0-or-later
"""One server for each run directory."""

import contextlib
import fcntl
import os
from pathlib import Path

from appliance.errors import StateError


class RunLock:
    """Held from construction to close(), and gone with the process. Raises StateError when another process has it."""

    def __init__(self, run_dir: Path) -> None:
        path = run_dir / "serve.lock"
        try:
            run_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise StateError(
                f"cannot use run_dir {run_dir}: {error.strerror}; make it writable, or set [server] run_dir"
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._fd, 32).decode(errors="replace").strip()
            os.close(self._fd)
            raise StateError(
                f"a server (process {holder or 'unknown'}) already uses {run_dir}; stop it, or set another run_dir"
            ) from None
        with contextlib.suppress(OSError):  # the number is for people; a full disk keeps nobody from serving
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let another server start."""
        os.close(self._fd)
