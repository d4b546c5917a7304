# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that run beside the others for as long as the server does; one that breaks down is told and started again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from appliance import crash
from appliance.errors import ApplianceError

_FIRST_PAUSE_S: Final = 1.0
_LAST_PAUSE_S: Final = 300.0

_log = logging.getLogger(__name__)


class Background:
    """Tasks of one server that end together."""

    def __init__(self, failures: dict[str, str] | None = None) -> None:
        """Note what breaks down where others note it too."""
        self._tasks: list[asyncio.Task[None]] = []
        self.failures: dict[str, str] = {} if failures is None else failures
        """What broke down last, by what the task is for."""

    def keep(self, purpose: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do work that has no end; whenever it raises an exception, start it again after a while."""
        self._tasks.append(asyncio.create_task(self._again_and_again(purpose, work)))

    def once(self, purpose: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do work that ends, beside all other tasks."""
        self._tasks.append(asyncio.create_task(self._bounded(purpose, work)))

    async def stop(self) -> None:
        """Cancel all tasks, the youngest first, and wait until each has left everything as it should be."""
        for task in reversed(self._tasks):
            task.cancel()
            await asyncio.wait((task,))

    async def _again_and_again(self, purpose: str, work: Callable[[], Awaitable[None]]) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            await self._bounded(purpose, work)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE_S)

    async def _bounded(self, purpose: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except ApplianceError as error:
            self._tell(purpose, f"{purpose}: {error}")
        except Exception as error:  # noqa: BLE001 - one task's defect is not the end of the others
            self._tell(purpose, crash.sentence(error, purpose))

    def _tell(self, purpose: str, said: str) -> None:
        self.failures[purpose] = said
        _log.error("%s", said)
