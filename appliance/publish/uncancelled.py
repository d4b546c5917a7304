# SPDX-License-Identifier: GPL-3.0-or-later
"""Work of a thread that is waited for to its end: a thread does not stop half-way because its task is cancelled."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def to_the_end(work: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
    """Call a function in a thread and return its result; when this is cancelled, the end of the thread comes first."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **more))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
