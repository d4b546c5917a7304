# SPDX-License-Identifier: GPL-3.0-or-later
"""Find kernel headers for bcc, merging Debian's split packages into one tree when the running kernel has none."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from appliance.datapath import cache
from appliance.errors import DatapathError

SOURCES = Path("/usr/src")


def kernel_source() -> Path | None:
    """Name the header tree for `BCC_KERNEL_SOURCE`; None where bcc finds the running kernel's own.

    Only UAPI headers are used, so any Debian `linux-headers-*` pair serves any kernel. Raises DatapathError when
    there is none.
    """
    given = os.environ.get("BCC_KERNEL_SOURCE")
    if given:
        return Path(given)
    if Path(f"/lib/modules/{os.uname().release}/build").exists():
        return None
    pairs = sorted(SOURCES.glob("linux-headers-*-common"), key=_version)
    for common in reversed(pairs):
        specific = common.with_name(common.name.removesuffix("-common") + "-amd64")
        if specific.is_dir():
            try:
                return _merged(common, specific)
            except OSError as error:
                raise DatapathError(
                    f"cannot lay out kernel headers in {_cache_folder()}: {error.strerror}; make room there, or name a "
                    "whole header tree in BCC_KERNEL_SOURCE"
                ) from error
    raise DatapathError(
        f"no kernel headers for bcc: neither /lib/modules/{os.uname().release}/build nor a pair under {SOURCES}; "
        "install linux-headers-amd64"
    )


def _version(path: Path) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", path.name)]


def _merged(common: Path, specific: Path) -> Path:
    """Lay links to the architecture's tree over links to the common one, once."""
    below = _cache_folder()
    if cache.DEFAULT in below.parents:  # what is compiled with these headers is trusted
        try:
            with cache.opened(below, make=True):
                pass
        except DatapathError as error:
            raise DatapathError(
                f"kernel headers for bcc lie where root alone may write, but {error}; mend that, or name a whole "
                "header tree in BCC_KERNEL_SOURCE"
            ) from error
    tree = below / specific.name
    if (tree / ".complete").exists():
        return tree
    below.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=below, prefix=".merge-"))
    try:
        _link_tree(common, work)
        for folder in ("include", "arch"):
            _link_tree(specific / folder, work / folder)
        (work / ".complete").touch()
        if tree.exists():
            shutil.rmtree(tree, ignore_errors=True)
        try:
            work.rename(tree)
        except OSError:
            if not (tree / ".complete").exists():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return tree


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "appliance" / "kernel-headers"
    if os.geteuid() == 0:
        return cache.DEFAULT / "kernel-headers"
    return Path.home() / ".cache" / "appliance" / "kernel-headers"


def _link_tree(source: Path, target: Path) -> None:
    for folder, _, files in os.walk(source):
        there = target / Path(folder).relative_to(source)
        there.mkdir(parents=True, exist_ok=True)
        for name in files:
            link = there / name
            link.unlink(missing_ok=True)
            link.symlink_to(Path(folder) / name)
