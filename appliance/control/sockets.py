# SPDX-License-Identifier: GPL-3.0-or-later
"""Unix sockets that only their owner, and members of one group, may connect to."""

import errno
import grp
import logging
import os
import socket
from pathlib import Path
from typing import Final

from appliance.access import why_not_written
from appliance.errors import StateError

OWNER_ONLY: Final = 0o600
WITH_GROUP: Final = 0o660

_log = logging.getLogger(__name__)


def bind_for(path: Path, group: str, backlog: int) -> socket.socket:
    """Return a listening socket for the owner, and for a group if there is one of that name.

    Raises StateError when the path cannot be used. What a dead server left there is replaced: RunLock tells that none
    lives.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_socket():
            path.unlink()
        before = os.umask(0o777 & ~OWNER_ONLY)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        _admit(path, group)
        listener.listen(backlog)
    except (OSError, ValueError, RuntimeError) as error:
        listener.close()
        raise StateError(
            f"cannot make the control socket {path}: {_why_not(path, error)}; or set [server] control_socket and "
            "read_socket to paths in a folder that the server may write to"
        ) from error
    return listener


def _why_not(path: Path, error: Exception) -> str:
    """Return why a socket cannot be made there, and what mends it."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"{path.parent} is no folder: move it away"
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"it is there already and is no socket: move it away with `mv {path} {path}.old`"
    return why_not_written(path.parent, error)


def _admit(path: Path, group: str) -> None:
    """Let the members of a group connect; where that cannot be, the owner alone may, and the log says why."""
    try:
        number = grp.getgrnam(group).gr_gid if group else -1
    except KeyError:
        _log.info(
            "there is no group %s: only %s may use %s; `groupadd --system %s` makes it, for the next start",
            group,
            _owner(),
            path,
            group,
        )
        return
    if number < 0:
        return
    try:
        os.chown(path, -1, number)
    except PermissionError:
        _log.warning(
            "%s cannot be given to group %s, because this process is not in it: only %s may use it; add the group to "
            "SupplementaryGroups= of the unit",
            path,
            group,
            _owner(),
        )
        return
    path.chmod(WITH_GROUP)


def _owner() -> str:
    return "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
