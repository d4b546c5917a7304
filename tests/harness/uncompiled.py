# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiled modules run from their source: the same code, but each line of it can be looked at."""

import importlib.util
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


class _Finder:
    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if name not in self._names:
            return None
        package, _, last = name.rpartition(".")
        source = Path(str(sys.modules[package].__file__)).with_name(f"{last}.py")
        return importlib.util.spec_from_file_location(name, source)


def uncompiled(name: str, beneath: Iterable[str]) -> ModuleType:
    """Return a module of its own, run from its source like the modules beneath it; the known ones stay known."""
    chosen = (*beneath, name)
    known = {one: sys.modules.pop(one) for one in chosen if one in sys.modules}
    finder = _Finder(chosen)
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)
        for one in chosen:
            sys.modules.pop(one, None)
        for one, module in known.items():
            sys.modules[one] = module
            package, _, last = one.rpartition(".")
            setattr(sys.modules[package], last, module)
