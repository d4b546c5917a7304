# SPDX-License-Identifier: GPL-3.0-or-later
"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import bcc


def describe() -> dict[str, str]:
    """Name processor, cores, memory, kernel and the versions of the tools that matter."""
    return {
        "cpu": _first("/proc/cpuinfo", r"^model name\s*:\s*(.*)$"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory_kib": _first("/proc/meminfo", r"^MemTotal:\s*(\d+)"),
        "kernel": f"{platform.release()} {platform.machine()}",
        "return_thunks": _vulnerability("spec_rstack_overflow"),
        "indirect_branches": _vulnerability("spectre_v2"),
        "clang": _says(["clang", "--version"], r"version (\S+)"),
        "bcc": str(bcc.__version__),
        "python": platform.python_version(),
        "nsd": _says(["nsd", "-v"], r"version (\S+)"),
        "appliance": _appliance(),
        "commit": _says(["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"], r"(\S+)"),
    }


def _first(path: str, pattern: str) -> str:
    found = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    return found.group(1) if found else "unknown"


def _vulnerability(name: str) -> str:
    path = Path("/sys/devices/system/cpu/vulnerabilities") / name
    return path.read_text().strip() if path.exists() else "unknown"


def _says(command: list[str], pattern: str) -> str:
    if not shutil.which(command[0]):
        return "not installed"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "unknown"


def _appliance() -> str:
    try:
        return version("appliance")
    except PackageNotFoundError:
        return "from the checkout"
