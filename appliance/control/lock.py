# SPDX-License-Identifier: GPL-3.0-or-later
"""One server for each run directory, and for each state directory."""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

from appliance.access import why_not_written
from appliance.errors import StateError

FILE: Final = "serve.lock"
FOLDER_MODE: Final = 0o755
"""Who may use the sockets in it is what their own modes say."""
MODE: Final = 0o600
"""Whoever can open the file can lock it, and so keep a server from starting."""


class RunLock:
    """Held from construction to close(), and gone with the process. Raises StateError when another process has it."""

    def __init__(self, run_dir: Path, key: str = "run_dir") -> None:
        """Lock the folder that is the value of a key of [server]."""
        path = run_dir / FILE
        try:
            _make_folder(run_dir)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
            try:
                _own(self._fd, path)
            except BaseException:
                os.close(self._fd)
                raise
        except (OSError, ValueError, RuntimeError) as error:
            raise StateError(
                f"cannot use {key} {run_dir}: {why_not_written(path, error)}; or set [server] {key} to a folder that "
                "the server may write to"
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._fd, 32).decode(errors="replace").strip()
            os.close(self._fd)
            raise StateError(
                f"a server (process {holder or 'unknown'}) already uses {run_dir}; stop it, or set another {key}"
            ) from None
        with contextlib.suppress(OSError):  # the number is for people; a full disk keeps nobody from serving
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Release the lock, so that another server can start."""
        os.close(self._fd)


def lock_state(state_dir: Path) -> RunLock | None:
    """Return the lock of a state folder, which is of one server; None where nothing can be written there.

    Then nothing is kept there either, and a server goes on without. Raises StateError when another process has it.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        usable = os.access(state_dir, os.W_OK)
    except OSError:
        usable = False
    try:
        return RunLock(state_dir, "state_dir") if usable else None
    except StateError as error:
        if isinstance(error.__cause__, OSError):
            return None
        raise


def holder(folder: Path) -> int:
    """Return the living process that holds the lock of a folder, 0 if there is none or no telling.

    Asks the kernel's list: to try the lock would keep a server from starting at just that moment.
    """
    try:
        status = (folder / FILE).stat()
        listed = Path("/proc/locks").read_text().splitlines()
        place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        held = [line.split() for line in listed if place in line]
        pid = next(int(one[4]) for one in held if one[1] == "FLOCK" and one[5] == place)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError, IndexError, StopIteration):
        return 0
    return 0 if state in "ZX" else pid


def _make_folder(run_dir: Path) -> None:
    """Make the folder with its mode, whatever the umask; the mode of one that is there is the operator's."""
    if not run_dir.is_dir():
        run_dir.mkdir(parents=True, exist_ok=True)
        run_dir.chmod(FOLDER_MODE)


def _own(fd: int, path: Path) -> None:
    """Take from other users the right to open the file, and so to lock it; an earlier version left it open to all."""
    status = os.fstat(fd)
    if status.st_uid not in (os.geteuid(), 0):
        raise StateError(
            f"{path} belongs to user {status.st_uid}, who could keep the server from starting: remove it, and give "
            f"its folder to the user of the server, with mode {FOLDER_MODE:04o}"
        )
    if status.st_uid == os.geteuid():
        os.fchmod(fd, MODE)
