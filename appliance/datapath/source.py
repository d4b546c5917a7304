# SPDX-License-Identifier: GPL-3.0-or-later
"""The C sources of the program, as one text, and what they are compiled with."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from appliance.errors import DatapathError

_INCLUDE = re.compile(r'^#include "([a-z0-9_]+\.h)"$', re.MULTILINE)
_VERSION: Final = re.compile(r"""__version__\s*=\s*['"]([^'"]+)""")

# bcc makes the maps too: as small as they can be. Its headers and the kernel's warn with clang 14; the verifier, not a
# warning, judges our sources.
FLAGS: Final = ("-DNBUCKETS=1", "-DNCHUNKS=1", "-DNZONES=1", "-DNCPUS=1", "-Wno-everything")


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


def whole() -> str:
    """Return all that decides over the instructions that a compiler makes."""
    return "\0".join((flatten(), *FLAGS))


def compiler_version() -> str:
    """Return bcc's version without importing it, "" where it is not installed."""
    for entry in sys.path:
        module = Path(entry) / "bcc"
        if (module / "__init__.py").is_file():
            try:
                found = _VERSION.search((module / "version.py").read_text())
            except OSError:
                found = None
            return found[1] if found else "unknown"
    return ""
