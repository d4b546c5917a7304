# SPDX-License-Identifier: GPL-3.0-or-later
"""Many SIGHUPs ask for no more than one: verbs that come after them do not wait for each."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from appliance.control.apply import Apply
from appliance.control.config_file import ConfigFile
from appliance.control.reload import Reloader
from appliance.control.rewiring import Rewiring
from appliance.control.update import Update
from appliance.publish.publication import Publication
from appliance.publish.workers import WorkerPool
from appliance.server.sockets import open_sockets
from tests.harness.served import configuration

pytestmark = pytest.mark.unit


def test_a_storm_of_signals(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "appliance.toml"
    path.write_text(configuration())
    file = ConfigFile(path)
    path.write_text("[limits]\nedns_sise = 3\n")
    asyncio.run(_storm(file, caplog))


async def _storm(file: ConfigFile, caplog: pytest.LogCaptureFixture) -> None:
    listen = file.config.listen
    with closing(open_sockets(listen.addresses, listen.port, listen.tcp_workers)) as listening:
        pool = WorkerPool(file.config, listening)
        update = Update(file.config, Publication(file.config, False, pool))
        applying = Apply(update, Reloader(file, update), Rewiring(pool, listening, update.publication))
        for round_ in (1, 2):
            async with update.turn:
                for _ in range(100):
                    applying.on_signal()
                assert len(update._asked) == 1
            await asyncio.gather(*update._asked)
            assert caplog.text.count("SIGHUP did not apply the configuration") == round_
