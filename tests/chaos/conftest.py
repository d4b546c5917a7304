# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the chaos tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.network import Pair
from demo.network import veth_pair as make_veth_pair
from tests.chaos import versions
from tests.chaos.serving import Server
from tests.datapath.fixtures import module_name, own_bpffs

__all__ = ["module_name", "own_bpffs"]


def _started(pair: Pair, folder: Path) -> Iterator[Server]:
    server = Server(pair.server, folder, versions.ORIGIN)
    server.write(versions.text(1))
    server.start()
    try:
        assert server.attached()
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(veth_pair: Pair, own_bpffs: Path, tmp_path: Path) -> Iterator[Server]:
    """Yield a server of the test's own, which serves version 1."""
    yield from _started(veth_pair, tmp_path)


@pytest.fixture(scope="module")
def steady_pair(module_name: Callable[[], str]) -> Iterator[Pair]:
    """Yield the network of the steady server."""
    with make_veth_pair(module_name()) as pair:
        yield pair


@pytest.fixture(scope="module")
def steady(steady_pair: Pair, own_bpffs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield a server for tests that leave it serving; which version, `Server.serial` knows."""
    yield from _started(steady_pair, tmp_path_factory.mktemp("steady"))
