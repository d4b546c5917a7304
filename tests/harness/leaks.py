# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test run must not leave behind: network namespaces, BPF pins, files of a server, processes."""

import os
from pathlib import Path

from appliance.config.schema import Server
from appliance.datapath import registry

RUN_VARIABLE = "APPLIANCE_TEST_RUN"
"""Environment variable with the run's identity; inherited by each process a test starts."""

_NAMESPACES = Path("/run/netns")
_PINS = Path("/sys/fs/bpf")
_FOLDERS = (Path(Server().run_dir), Path(Server().state_dir), registry.DEFAULT)
"""Where a server of this machine keeps its files."""
_PROC = Path("/proc")
_ALWAYS_THERE = {"maps.debug", "progs.debug"}  # every bpf file system has them


def begin() -> str:
    """Give this run its identity (once; xdist workers inherit it) and return it."""
    return os.environ.setdefault(RUN_VARIABLE, f"{os.getpid():x}")


def objects() -> set[str]:
    """Return network namespaces, pins and servers' files on this machine now; empty folders for pins are no pins."""
    namespaces = _NAMESPACES.iterdir() if _NAMESPACES.is_dir() else ()
    pins = (Path(folder, name) for folder, _, files in os.walk(_PINS) for name in files)
    kept = (path for folder in _FOLDERS for path in folder.rglob("*"))
    return {str(path) for path in (*namespaces, *pins, *kept) if path.name not in _ALWAYS_THERE}


def _ancestors() -> set[int]:
    pids, pid = set(), os.getpid()
    while pid > 1:
        pids.add(pid)
        stat = (_PROC / str(pid) / "stat").read_text()
        pid = int(stat.rpartition(")")[2].split()[1])
    return pids


def processes(run: str) -> list[str]:
    """Return `pid command` of each process that carries this run's identity, apart from the run itself."""
    mark = f"{RUN_VARIABLE}={run}".encode()
    found = []
    for folder in _PROC.iterdir():
        if not folder.name.isdigit() or int(folder.name) in _ancestors():
            continue
        try:
            if mark not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # gone meanwhile, or another user's
            continue
        if command and not _is_worker(command):
            found.append(f"process {folder.name}: {command.strip()}")
    return found


def _is_worker(command: str) -> bool:
    """Tell an xdist worker, which ends after the session's last hook, and multiprocessing's own tracker."""
    return "execnet" in command or "multiprocessing.resource_tracker" in command


def left_behind(before: set[str], run: str, whole_machine: bool) -> list[str]:
    """Return what the run left; with `whole_machine`, also new objects that do not carry its identity in their name."""
    new = sorted(objects() - before)
    return [path for path in new if whole_machine or run in path] + processes(run)
