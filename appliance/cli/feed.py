# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's end of a bulk verb: lines of a file go out, results come back, both at a time and with bounded memory.

Ctrl-C ends the sending; what the server has taken is done, and its report comes all the same. A second one ends it all.
"""

import contextlib
import json
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

from appliance.cli.client import LONG_S, SILENCE_S, Call, Note, NotRunningError, result_of
from appliance.errors import ApplianceError
from appliance.wording import counted

LINE_OCTETS: Final = 4096
"""The longest line of the data."""
WINDOW: Final = 4000
"""Lines that are sent and not answered, at most: what is left when a server dies is known up to so few."""
_ALIVE_S: Final = 10.0
"""After which the server is told that more may come, as where somebody types."""
_MESSAGE: Final = 32768
"""Octets of a message after which it gets no more lines; the server takes 65,536."""
_PART: Final = 65536

Told = Callable[[list[dict[str, Any]]], bool]
"""Gets the results of lines, in their order; returns whether more are wanted."""


def feed(
    path: Path, verb: str, source: int, told: Told, *, limit_s: float = 0.0, say: Note | None = None, **arguments: Any
) -> Any:
    """Send the lines that a descriptor yields as the data of a bulk verb; return the server's report.

    `ended` in the report is "stopped" where Ctrl-C ended it. Raises the errors of client.ask().
    """
    whole = limit_s or LONG_S
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as line:
        call = Feed(path, verb, line, time.monotonic() + whole, whole, say)
        call.take_from(source, told)
        with _interrupts(call):
            report = result_of(call, {"verb": verb, "notes": say is not None, "begin": True, **arguments})
    if call.wrong:
        raise ApplianceError(f"{call.wrong}; {call.give_up()}")
    return report


class Feed(Call):
    """One request with its data under way."""

    stopped = False
    """Whether no more is to be sent."""
    wrong = ""
    """What is wrong with the data."""
    _sent = 0
    _answered = 0
    _all_sent = False
    _hears = True

    def take_from(self, source: int, told: Told, wake: int = -1) -> None:
        """Take the data from a descriptor and hand the results on."""
        self._source = source
        self._told = told
        self._lines = Lines(source)
        self.wake = wake

    def converse(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request with its data, and return the answer that follows the results."""
        out = json.dumps(request).encode() + b"\n"
        heard = alive = time.monotonic()
        while True:
            if not out and (out := self._next(time.monotonic() - alive)):
                alive = time.monotonic()
            if self._is_due(bool(out)):
                self._check_time(heard)
            else:
                heard = time.monotonic()
            ready = self._ready(bool(out))
            if self.line.fileno() in ready:
                if ready[self.line.fileno()] & select.POLLOUT:
                    out = self._send_some(out)
                if ready[self.line.fileno()] & ~select.POLLOUT:
                    heard = time.monotonic()
                    if (answer := self._hear()) is not None:
                        return answer
            if self._source in ready and not out:
                self._read()

    def give_up(self) -> str:
        """Return in words how much of it was done, and what may be."""
        with contextlib.suppress(OSError):
            self.line.shutdown(socket.SHUT_RDWR)
        open_ = self._sent - self._answered
        more = (
            f"; {counted(open_, 'more line')} {'was' if open_ == 1 else 'were'} sent and may be done" if open_ else ""
        )
        return (
            f"{counted(self._answered, 'line')} of `{self.verb}` {'was' if self._answered == 1 else 'were'} done{more}"
        )

    def ended(self) -> NotRunningError:
        """Return the error about a server that went before it had done all."""
        return NotRunningError(f"the server on {self.path} ended before all was done: {self.give_up()}; see its log")

    def _next(self, quiet_s: float) -> bytes:
        """Return the next message to send, empty where there is none yet."""
        if self._all_sent or not self._hears:
            return b""
        if self.stopped or (self.wrong and not self._lines.kept):
            self._all_sent = True
            return b'{"stop": true}\n'
        if self._sent - self._answered < WINDOW and (lines := self._lines.take()):
            self._sent += len(lines)
            return b'{"lines": [' + b", ".join(lines) + b"]}\n"
        if self._lines.at_end and not self._lines.kept:
            self._all_sent = True
            return b'{"end": true}\n'
        return b'{"lines": []}\n' if quiet_s > _ALIVE_S else b""

    def _is_due(self, sending: bool) -> bool:
        """Return whether it is the server that is waited for."""
        return sending or self._all_sent or self._sent > self._answered

    def _check_time(self, heard: float) -> None:
        now = time.monotonic()
        if now > self.deadline or now > heard + SILENCE_S:
            raise self.late("it takes no more lines, or does not say what came of them")

    def _ready(self, sending: bool) -> dict[int, int]:
        poll = select.poll()
        poll.register(self.line, select.POLLIN | (select.POLLOUT if sending else 0))
        room = self._sent - self._answered < WINDOW
        if room and not sending and not (self._all_sent or self.wrong or self._lines.at_end):
            poll.register(self._source, select.POLLIN)
        if self.wake >= 0:
            poll.register(self.wake, select.POLLIN)
        left = min(_ALIVE_S, SILENCE_S, self.deadline - time.monotonic())
        ready = dict(poll.poll(max(left, 0) * 1000))
        if self.wake in ready:
            os.read(self.wake, _PART)
        return ready

    def _send_some(self, out: bytes) -> bytes:
        try:
            return out[self.line.send(out) :]
        except BlockingIOError:
            return out
        except OSError:  # it has said why, or will never
            self._hears = False
            return b""

    def _hear(self) -> dict[str, Any] | None:
        """Hand on what the server says; return its answer when that has come."""
        octets = self.line.recv(_PART)
        if not octets:
            raise self.ended()
        for said in self._taken(octets):
            if "results" in said:
                self._answered = int(said.get("taken", self._answered))
                if said["results"] and not self._told(said["results"]):
                    self.stopped = True
            elif "note" not in said:
                return said
            elif self.say:
                self.say(said["note"])
        return None

    def _read(self) -> None:
        try:
            self._lines.read()
        except OSError as error:
            self.wrong = f"the data cannot be read: {error.strerror}"
        except ValueError as error:
            self.wrong = str(error)


class Lines:
    """Lines of a descriptor, read as they are wanted, each as JSON."""

    at_end = False
    kept = False
    """Whether something is left to take()."""

    def __init__(self, source: int) -> None:
        self._source = source
        self._rest = b""
        self._found: list[bytes] = []
        self._number = 0

    def read(self) -> None:
        """Read some. Raises OSError, and ValueError for a line that is too long."""
        octets = os.read(self._source, _PART)
        self.at_end = not octets
        *whole, self._rest = (self._rest + octets).split(b"\n")
        if self.at_end and self._rest:
            whole, self._rest = [self._rest], b""
        for line in whole:
            self._check(line)
            self._number += 1
            self._found.append(json.dumps(line.removesuffix(b"\r").decode(errors="replace")).encode())
            self.kept = True
        self._check(self._rest)

    def take(self) -> list[bytes]:
        """Return lines for one message."""
        size = count = 0
        while count < len(self._found) and size < _MESSAGE:
            size += len(self._found[count]) + 2
            count += 1
        taken, self._found = self._found[:count], self._found[count:]
        self.kept = bool(self._found)
        return taken

    def _check(self, line: bytes) -> None:
        if len(line) > LINE_OCTETS:
            raise ValueError(f"line {self._number + 1} of the data has more than {LINE_OCTETS} octets")


@contextlib.contextmanager
def _interrupts(call: Feed) -> Iterator[None]:
    """Let the first Ctrl-C end the sending; the second one is a KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if call.stopped:
            raise KeyboardInterrupt
        call.stopped = True

    call.wake, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.signal(signal.SIGINT, interrupt)
    woken = signal.set_wakeup_fd(write)
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGINT, before)
        os.close(call.wake)
        os.close(write)
