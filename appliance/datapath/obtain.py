# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the loader has the program from: the cache, or the compiler, and what it remarks about that.

docs/program-cache.md says when which; `tests/datapath/test_cache.py` and `test_loader.py` hold it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from appliance.datapath import cache, source
from appliance.datapath.cache import Entry
from appliance.datapath.program import Program
from appliance.errors import DatapathError

INFO: Final = "info"
WARNING: Final = "warning"
SPEAKS: Final = "appliance loader: "
"""Begins each line that the loader itself writes to standard error."""


def obtain(kernel: str = "") -> Program:
    """Return the program: the one that is kept for these sources and this kernel, else a new one. Raises DatapathError.

    kernel is the release of another one, for which it is only kept.
    """
    release = kernel or os.uname().release
    key = cache.key(source.whole())
    with _cache_folder(make=False) as folder:
        kept, doubt = _kept(folder, key, release)
        if kept is not None and not doubt:
            return kept.program
    with _cache_folder(make=True) as folder, _alone(folder) as alone:
        kept, doubt = _kept(folder, key, release)  # another loader may have compiled it while this one waited
        if kept is not None and not doubt:
            return kept.program
        if folder is not None and alone:
            cache.tidy(folder)
        program = _compiled(kept, doubt)
        if folder is not None and (kept is None or program is not kept.program):
            _keep(folder, key, release, program)
        return program


def _compiled(kept: Entry | None, doubt: str) -> Program:
    """Compile the program. A kept one that is only of another kernel or compiler serves where none can be made."""
    from appliance.datapath import compiler  # only where it is needed, with all that it needs

    began = time.monotonic()
    try:
        program = compiler.compile_program()
    except DatapathError as error:
        if kept is None:
            raise
        _tell(WARNING, f"{doubt}, and it cannot be compiled anew ({error}); what is kept is used")
        return kept.program
    _tell(INFO, f"the XDP program was compiled in {time.monotonic() - began:.1f} s" + (f": {doubt}" if doubt else ""))
    return program


def _keep(folder: int, key: str, release: str, program: Program) -> None:
    machine = os.uname().machine
    try:
        cache.write(folder, Entry(cache.FORMAT, key, machine, source.compiler_version(), release, program))
    except DatapathError as error:
        _tell(WARNING, f"the compiled program is not kept in {cache.folder()}, each start compiles it: {error}")


def _kept(folder: int | None, key: str, release: str) -> tuple[Entry | None, str]:
    """Return what is kept, and what speaks for compiling it anew."""
    if folder is None:
        return None, ""
    try:
        entry = cache.read(folder, key)
    except DatapathError as error:
        return None, str(error)
    version = source.compiler_version()
    if entry.kernel != release:
        return entry, f"the program kept is of Linux {entry.kernel}, not {release}"
    if version and entry.compiler != version:
        return entry, f"the program kept is of bcc {entry.compiler}, not {version}"
    return entry, ""


@contextmanager
def _cache_folder(*, make: bool) -> Iterator[int | None]:
    """Yield the cache folder, None where there is none that can be trusted."""
    with ExitStack() as stack:
        folder = None
        try:
            folder = stack.enter_context(cache.opened(cache.folder(), make=make))
        except DatapathError as error:
            if make:
                _tell(WARNING, f"no cache for the compiled program, each start compiles it: {error}")
        yield folder


@contextmanager
def _alone(folder: int | None) -> Iterator[bool]:
    """Yield whether no other loader compiles or writes meanwhile; where that cannot be had, both may."""
    with ExitStack() as stack:
        locked = False
        if folder is not None:
            with contextlib.suppress(DatapathError):  # the write will tell what is wrong
                stack.enter_context(cache.locked(folder))
                locked = True
        yield locked


def _tell(level: str, text: str) -> None:
    print(f"{SPEAKS}{level}: {text}", file=sys.stderr, flush=True)


def remarks(said: str) -> Iterator[tuple[str, str]]:
    """Yield level and text of each remark in what a loader wrote to standard error."""
    for line in said.splitlines():
        for level in (INFO, WARNING):
            if line.startswith(start := f"{SPEAKS}{level}: "):
                yield level, line.removeprefix(start)


def prepare(kernel: str = "") -> str:
    """Put the compiled program into the cache, for starts without a compiler; return in words what was done.

    Raises DatapathError.
    """
    release = kernel or os.uname().release
    key = cache.key(source.whole())
    with _cache_folder(make=False) as folder:
        before = folder is not None and _kept(folder, key, release)
    obtain(kernel)
    with cache.opened(cache.folder(), make=False) as folder:
        entry = cache.read(folder, key)
    what = f"the XDP program for Linux {entry.kernel} is"
    if entry.kernel != release:
        return f"{what} what {cache.folder()} keeps, and serves Linux {release} too"
    again = "already kept" if before and before[0] is not None and not before[1] else "compiled and kept"
    return f"{what} {again} in {cache.folder()}"
