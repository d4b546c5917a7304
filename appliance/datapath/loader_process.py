# SPDX-License-Identifier: GPL-3.0-or-later
"""The loader's process as the server sees it: started, heard to its end, and ended where nobody wants the program."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

import msgspec

from appliance.datapath import obtain, pins
from appliance.datapath.program import Plan
from appliance.errors import DatapathError

TIMEOUT_S: Final = float(os.environ.get("APPLIANCE_LOADER_TIMEOUT_S", "300"))
"""The environment may ask for more: an emulated processor takes minutes."""
_PACKAGES: Final = Path(__file__).parents[2]

_log = logging.getLogger(__name__)
_lock: Final = threading.Lock()
_running: Final[set[subprocess.Popen[bytes]]] = set()


def run_loader(plan: Plan) -> None:
    """Load and pin a program in a process of its own. Raises DatapathError, and leaves nothing pinned."""
    # Without the site module, which takes a third of the loader's start: it is told where everything is. Nothing comes
    # from the folder that this process happens to be in. In a group of its own, Ctrl-C at the terminal leaves it alone:
    # this process decides.
    path = (str(_PACKAGES), *sys.path)
    process = subprocess.Popen(
        [sys.executable, "-S", "-P", "-m", "appliance.datapath.loader"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in path if p)},
        process_group=0,
    )
    with _lock:
        _running.add(process)
    try:
        said = process.communicate(msgspec.json.encode(plan), TIMEOUT_S)[1].decode(errors="replace").strip()
    except BaseException as error:
        process.kill()
        process.communicate()
        pins.remove(Path(plan.pin_folder))
        if isinstance(error, subprocess.TimeoutExpired):
            raise DatapathError(f"the loader took longer than {TIMEOUT_S:.0f} s") from error
        raise
    finally:
        with _lock:
            _running.discard(process)
    for level, remark in obtain.remarks(said):
        _log.log(logging.WARNING if level == obtain.WARNING else logging.INFO, "%s", remark)
    if process.returncode != 0:
        pins.remove(Path(plan.pin_folder))  # of one that was killed; others leave nothing
        raise DatapathError(said.splitlines()[-1] if said else f"the loader ended with status {process.returncode}")


def end_loaders() -> None:
    """End the loaders that run for this process, whose run_loader() raises then."""
    with _lock:
        for process in _running:
            process.kill()
