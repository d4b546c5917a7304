# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns between conversations: in the order in which they ask, and with as long a pause after each as it took.

So whoever takes turns leaves half of the event loop's time to those that need not, however much there is to answer.
"""

import asyncio
from types import TracebackType
from typing import Final

_LONGEST_PAUSE_S: Final = 0.25


class Turns:
    """Turns of one event loop; `async with` waits for one and has it."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._began = 0.0

    async def __aenter__(self) -> None:
        await self._lock.acquire()
        self._began = asyncio.get_running_loop().time()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(min(loop.time() - self._began, _LONGEST_PAUSE_S), self._lock.release)
