# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that the packet tests share: a bpf file system of the worker's own, and the loaded program."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.store import layout
from tests.datapath import served
from tests.datapath.lab import Lab
from tests.harness import leaks


@pytest.fixture(scope="session")
def own_bpffs() -> Iterator[Path]:
    """Yield a folder where the product mounts its bpf file system; unmounted, with every pin, after the session.

    The registry of what is attached is the session's own too, beside it.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    folder = Path(f"/run/t{os.environ[leaks.RUN_VARIABLE]}-{worker}-bpf")
    before = os.environ.get("APPLIANCE_BPFFS")
    if before == str(folder):  # another folder of tests in this session has it open, and will close it
        yield folder
        return
    os.environ["APPLIANCE_BPFFS"] = str(folder)
    os.environ["APPLIANCE_NIC_REGISTRY"] = f"{folder}-registry"
    try:
        yield folder
    finally:
        shutil.rmtree(os.environ.pop("APPLIANCE_NIC_REGISTRY"), ignore_errors=True)
        if before is None:
            del os.environ["APPLIANCE_BPFFS"]
        else:
            os.environ["APPLIANCE_BPFFS"] = before
        if folder.is_dir():
            subprocess.run(["umount", str(folder)], check=False, capture_output=True)
            folder.rmdir()


@pytest.fixture(scope="session")
def module_name() -> Callable[[], str]:
    """Return a maker of names like `unique_name`, for fixtures that live longer than a test."""
    worker, numbers = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"), itertools.count()
    return lambda: f"t{os.environ[leaks.RUN_VARIABLE]}-{worker}-d{next(numbers):x}"


@pytest.fixture(scope="session")
def lab(own_bpffs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Yield the program with the zones of this folder, one of them expired."""
    loaded, reference = served.read_both(tmp_path_factory.mktemp("zones"))
    made = Lab(loaded, reference)
    try:
        made.zone_state(served.EXPIRED, layout.ZONE_EXPIRED)
        yield made
    finally:
        made.close()
