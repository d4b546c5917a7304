# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a file cannot be opened, in words that name owner, group, mode and what mends it."""

import errno
import grp
import os
import pwd
import shlex
import stat
from pathlib import Path

_REFUSED = frozenset({errno.EACCES, errno.EPERM})
_OF_THE_SYSTEM = {
    *("/", "/boot", "/dev", "/etc", "/home", "/mnt", "/opt", "/proc", "/root", "/run", "/srv", "/sys", "/tmp"),
    *("/usr", "/usr/bin", "/usr/lib", "/usr/local", "/var", "/var/lib", "/var/log", "/var/tmp"),
}
"""Folders that no message may have given to somebody else."""
_RIGHTS = {"r": os.R_OK, "w": os.W_OK, "x": os.X_OK}


def why_not_read(path: str | Path, error: Exception) -> str:
    """Return why a file or folder could not be read: the system's word, and for a missing right what to change."""
    if "\0" in str(path):
        return "its path has a NUL octet"
    if isinstance(error, RuntimeError) or (isinstance(error, OSError) and error.errno == errno.ELOOP):
        return f"its links lead in a circle; `namei -l {shlex.quote(str(path))}` shows them"
    if not isinstance(error, OSError):
        return str(error)
    said = error.strerror or str(error)
    if error.errno not in _REFUSED:
        return said
    return f"{said}: {_refused(Path(path).absolute())}"


def why_not_written(path: str | Path, error: Exception) -> str:
    """Return why a file could not be opened for writing, or made: the system's word, and for a missing right a mend."""
    if not isinstance(error, OSError) or error.errno not in _REFUSED or "\0" in str(path):
        return why_not_read(path, error)
    return f"{error.strerror}: {_refused(Path(path).absolute(), write=True)}"


def who_may(path: Path, error: OSError) -> str:
    """Return who may connect to a Unix socket, and what lets this process in."""
    try:
        status = path.stat()
    except OSError:
        return why_not_read(path.parent, error)
    owner, group = _user(status.st_uid), _group(status.st_gid)
    if not status.st_mode & stat.S_IWGRP:
        return f"it is for {owner} alone, and this process runs as {_who()}; run as {owner}"
    mend = f"`usermod -aG {group} {_user(os.geteuid())}`, then log in again"
    return f"it is for {owner} and the members of group {group}, and this process runs as {_who()}; {mend}"


def _refused(path: Path, write: bool = False) -> str:
    """Return which folder or file on the way refuses this process, and what lets it in."""
    steps = [step for step in (*reversed(path.parents), path) if os.path.lexists(step)]
    for step in steps:
        try:
            status = step.stat()
        except OSError:
            continue
        last = step == steps[-1]
        folder = stat.S_ISDIR(status.st_mode)
        if not last:
            rights = "x"
        elif write:
            rights = "wx" if folder else "rw"
        else:
            rights = "rx" if folder else "r"
        need = sum(_RIGHTS[right] for right in rights)
        if not os.access(step, need, effective_ids=True):
            return _told(step, status, rights, give=write and last)
    return f"this process runs as {_who()}; `namei -l {shlex.quote(str(path))}` shows who may"


def _told(step: Path, status: os.stat_result, rights: str, give: bool) -> str:
    """Return the owner, group and mode of a file or folder, and the command that gives this process the right."""
    mode = stat.S_IMODE(status.st_mode)
    owner, group = _user(status.st_uid), _group(status.st_gid)
    kind = "folder" if stat.S_ISDIR(status.st_mode) else "file"
    mend = _mend(shlex.quote(str(step)), status, rights, give)
    return f"{kind} {step} has owner {owner}, group {group}, mode {mode:04o}, and this process runs as {_who()}; {mend}"


def _mend(path: str, status: os.stat_result, rights: str, give: bool) -> str:
    """Return a command that helps, to be run as root or as the owner: the bits that count are of the first who fits."""
    if status.st_uid == os.geteuid():
        return f"`chmod u+{rights} {path}`"
    if path in _OF_THE_SYSTEM:
        return "run as root"
    if give:  # whoever may write there should be nobody but the server
        return f"`chown {_user(os.geteuid())} {path} && chmod u+{rights} {path}`"
    if status.st_gid in {os.getegid(), *os.getgroups()}:
        return f"`chmod g+{rights} {path}`"
    return f"`chgrp {_group(os.getegid())} {path} && chmod g+{rights} {path}`"


def _who() -> str:
    groups = sorted({os.getegid(), *os.getgroups()})
    listed = ", ".join(_group(one) for one in groups)
    without = " without CAP_DAC_OVERRIDE" if os.geteuid() == 0 else ""
    return f"{_user(os.geteuid())} (groups {listed}){without}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
