# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of added zones is brought up after a start in turn with whatever adds zones meanwhile."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from appliance.config.load import load_config
from appliance.config.schema import Pattern
from appliance.control.update import Update
from appliance.publish.publication import Publication
from appliance.publish.workers import WorkerPool
from appliance.server.sockets import open_sockets
from tests.harness.served import configuration

pytestmark = pytest.mark.unit


def test_the_list_waits_for_zones_that_are_added(tmp_path: Path) -> None:
    (tmp_path / "appliance.toml").write_text(configuration())
    asyncio.run(_added(tmp_path))


async def _added(folder: Path) -> None:
    config = load_config(folder / "appliance.toml")
    listen = config.listen
    with closing(open_sockets(listen.addresses, listen.port, listen.tcp_workers)) as listening:
        update = Update(config, Publication(config, False, WorkerPool(config, listening)))
        pattern = Pattern(name="plain", file="{zone}.zone")
        update.dynamic.put({b"\1a\0": "plain"}, {"plain": pattern})
        written = folder / "state" / "zones.list"
        written.unlink()
        async with update.turn:
            writing = asyncio.create_task(update.write_list())
            await asyncio.to_thread(update.dynamic.put, {b"\1b\0": "plain"}, {"plain": pattern})
            assert "add a. plain" not in written.read_text()
        await writing
        assert "add a. plain\nadd b. plain\n" in written.read_text()
        update.dynamic.close()
