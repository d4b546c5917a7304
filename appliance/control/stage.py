# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the server's life is: starting, serving, stopping; and what keeps it busy, in words."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from appliance.control.drain import Drain
from appliance.publish.progress import Progress
from appliance.wording import counted

State = Literal["starting", "serving", "stopping"]


async def _nothing() -> None:
    """Wait for nothing."""


@dataclass(slots=True)
class Stage:
    """One life; the event loop's thread changes it."""

    progress: Progress
    answering: Callable[[], bool]
    """Whether workers answer already: userspace does before there is a NIC path."""
    started: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.time)
    """When this life began, in seconds since 1970."""
    ready: float = 0.0
    """When the start was done, in seconds since 1970."""
    state: State = "starting"
    decided: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the start has ended, well or not."""
    reloading: str = ""
    """In words what a reload works on, "" where none is under way."""
    drain: Drain | None = None
    """Whether the server is drained by hand; none before its folders are known."""
    channel_problem: Callable[[], str] = lambda: ""
    """Returns why there is no control channel over TLS that should be there."""
    open_channel: Callable[[], Awaitable[None]] = _nothing
    """Listens for verbs over TLS as the configuration says now."""
    waiting: int = 0
    """Requests that wait, the one under way included."""

    def serve(self) -> None:
        """Note that the start is done."""
        self.state, self.ready = "serving", time.time()
        self.decided.set()

    def end(self) -> None:
        """Note that the server stops."""
        self.state = "stopping"
        self.decided.set()

    @property
    def uptime_s(self) -> float:
        """Seconds since the start began."""
        return time.monotonic() - self.started

    @property
    def warnings(self) -> list[str]:
        """What status has to say about the server by itself, at every stage."""
        drained = [] if self.drain is None else list(self.drain.warnings())
        return [*drained, *filter(None, [self.channel_problem()])]

    def how_far(self) -> str:
        """Return how far the start is, in words."""
        if self.answering():
            return "userspace answers, the NIC path is being made"
        if self.progress.begun:
            return self.progress.line(time.monotonic())
        return "looking for the zones and for what was saved of them"

    def doing(self) -> str:
        """Return what a client waits for, in words."""
        if self.state == "starting":
            return f"the server is starting: {self.how_far()}"
        if self.state == "stopping":
            return "the server is stopping"
        more = self.waiting - 1
        others = f"; {counted(more, 'other request')} {'waits' if more == 1 else 'wait'} too" if more > 0 else ""
        return (f"reloading {self.reloading}" if self.reloading else "the server is at work") + others

    def described(self) -> dict[str, Any]:
        """Return the progress of a start as the verb status shows it."""
        return {"doing": self.how_far(), "zones": self.progress.zones, "share": round(self.progress.share, 4)}
