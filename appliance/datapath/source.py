# SPDX-License-Identifier: GPL-3.0-or-later
"""The C sources of the program, as one text."""

from __future__ import annotations

import re
from pathlib import Path

from appliance.errors import DatapathError

_INCLUDE = re.compile(r'^#include "([a-z0-9_]+\.h)"$', re.MULTILINE)


def folder() -> Path:
    """Find `ebpf/`: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package.parent / "ebpf", package / "ebpf"):
        if (candidate / "xdp_dns.c").is_file():
            return candidate
    raise DatapathError(f"ebpf/xdp_dns.c is neither beside nor inside {package}; install the package again")


def flatten(name: str = "xdp_dns.c") -> str:
    """Paste our own headers in, each once: bcc rewrites map calls only in the main file."""
    seen: set[str] = set()

    def paste(match: re.Match[str]) -> str:
        header = match.group(1)
        if header in seen:
            return ""
        seen.add(header)
        return _INCLUDE.sub(paste, (folder() / header).read_text())

    return _INCLUDE.sub(paste, (folder() / name).read_text())
