# SPDX-License-Identifier: GPL-3.0-or-later
"""A request that is followed by lines of data: taken in batches, answered line by line, with bounded memory.

The client sends {"lines": ["…", …]} as often as it likes, then {"end": true}, or {"stop": true} where it gives up.
Whoever does the work takes batches() and calls tell() for each. What has been taken is done to the end of its batch,
whatever the client does. No more is read than is worked on, so a client that sends faster waits in its kernel.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from appliance.errors import ApplianceError

BATCH: Final = 2000
"""Lines of a batch, at most; a message of the client's that has more is a batch of its own."""
RESULTS: Final = 500
"""Results in one line of the answer, at most."""
LINGER_S: Final = 0.005
"""Time for which a batch waits for more lines: programs that send each line alone get no transaction for each."""

Send = Callable[[dict[str, Any]], Awaitable[None]]
Batch = list[tuple[int, str]]
"""Lines with their numbers, the first line of all has 1."""
BulkVerb = Callable[[dict[str, Any], "Bulk"], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Streaming:
    """A verb that takes lines of data after its request."""

    work: BulkVerb


class Bulk:
    """The data of one request, and what came of it."""

    ended = ""
    """Why there are no more lines: "whole", "stopped" by the client, or what is wrong; "" while there may be more."""
    taken = 0
    """Lines that have been taken."""
    done = 0
    failed = 0
    """Results told so far, by their `ok`."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        send: Send,
        begin: Callable[[], bool],
        idle: Callable[[], None],
        limit_s: float,
    ) -> None:
        """Take lines from `reader`; `begin` says whether the client still waits when the first are about to be taken.

        `idle` is called when the client is waited for. One that says nothing for `limit_s` seconds then has given up.
        """
        self.waiting_since: float | None = None
        """From when on the client's lines are waited for; None while it is the client who waits."""
        self._reader = reader
        self._send = send
        self._begin = begin
        self._idle = idle
        self._limit_s = limit_s
        self._coming: asyncio.Task[list[str] | None] | None = None
        self._told = 0

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield the lines in batches as they come, until there are no more. Raises ApplianceError if nobody waits.

        Whoever asks for the next batch has done with the one before: the client is told so.
        """
        if not self._begin():
            self.end("the client has gone")
            raise ApplianceError("nothing was begun: nobody waits for it any more")
        while lines := await self._next_batch():
            first = self.taken + 1
            self.taken += len(lines)
            yield list(enumerate(lines, first))
            if self._told != self.taken:
                await self.tell(())

    async def tell(self, results: Sequence[dict[str, Any]]) -> None:
        """Send the results of lines, each with at least `ok`; a client that has gone, or does not read, is passed over.

        There are no further batches then.
        """
        good = sum(bool(one["ok"]) for one in results)
        self.done += good
        self.failed += len(results) - good
        parts = [results[at : at + RESULTS] for at in range(0, len(results), RESULTS)] or [()]
        for part in parts:
            if self.ended == "the client has gone":
                return
            try:
                await self._send({"results": list(part), "taken": self.taken})
            except (OSError, TimeoutError):
                self.end("the client has gone")
        self._told = self.taken

    def report(self) -> dict[str, Any]:
        """Return what was done: the result of the verb. `ok` is whether all lines came and each was done."""
        return {
            "ok": self.ended == "whole" and not self.failed,
            "lines": self.taken,
            "done": self.done,
            "failed": self.failed,
            "ended": self.ended or "whole",
        }

    @property
    def is_through(self) -> bool:
        """Whether the client has ended its data, so that what comes next is another request."""
        return self.ended in ("whole", "stopped")

    def end(self, why: str) -> None:
        """Take no more lines."""
        self.ended = self.ended or why
        if self._coming is not None:
            self._coming.cancel()

    async def _next_batch(self) -> list[str]:
        """Return what there is, at least one line, and none when the end has come."""
        lines: list[str] = []
        self.waiting_since = asyncio.get_running_loop().time()
        self._idle()
        try:
            while not self.ended and len(lines) < BATCH:
                if self._coming is None:
                    self._coming = asyncio.ensure_future(self._message())
                limit = LINGER_S if lines else self._limit_s
                if not (await asyncio.wait((self._coming,), timeout=limit))[0]:
                    if lines:
                        break
                    self.end(f"nothing came for {self._limit_s:g} s")
                    break
                coming, self._coming = self._coming, None
                with contextlib.suppress(asyncio.CancelledError):
                    lines += coming.result() or ()
        finally:
            self.waiting_since = None
        return lines

    async def _message(self) -> list[str] | None:
        """Return the lines of the next message; None, and the end noted, where it has none."""
        try:
            octets = await self._reader.readline()
            said = json.loads(octets) if octets else None
        except (ValueError, RecursionError):
            self.ended = self.ended or 'a message is too long or no JSON; one is like {"lines": ["…"]}'
            return None
        except OSError:
            said = None
        if said is None:
            self.ended = self.ended or 'the client ended its data without {"end": true}'
        elif said == {"end": True} or said == {"stop": True}:
            self.ended = self.ended or ("whole" if "end" in said else "stopped")
        elif (lines := _lines(said)) is not None:
            return lines
        else:
            self.ended = self.ended or 'a message is neither {"lines": ["…"]} nor {"end": true} nor {"stop": true}'
        return None


def _lines(said: object) -> list[str] | None:
    if not isinstance(said, dict) or said.keys() != {"lines"} or not isinstance(said["lines"], list):
        return None
    return said["lines"] if all(isinstance(one, str) for one in said["lines"]) else None
