# SPDX-License-Identifier: GPL-3.0-or-later
"""One compiled XDP program for all tests of a run, whichever worker needs it first."""

import os
import shutil
from pathlib import Path

from appliance.datapath import cache


def _folder(run: str) -> Path:
    return Path(f"/run/t{run}-programs")  # root's, on every machine; what the loader accepts


def share(run: str) -> None:
    """Have every loader that this process and its children start use the run's own cache, unless one is named."""
    if os.geteuid() == 0:
        os.environ.setdefault(cache.VARIABLE, str(_folder(run)))


def remove(run: str) -> None:
    """Remove the run's cache."""
    shutil.rmtree(_folder(run), ignore_errors=True)
