# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's end of a control socket: one JSON line out, one back; notes that come between are passed on."""

import contextlib
import json
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from appliance.access import who_may, why_not_read
from appliance.control.verb_table import BY_NAME, VERBS
from appliance.errors import ApplianceError

READING: Final = frozenset(row.name for row in VERBS if row.access == "read")
"""Verbs that change nothing."""
VERSION: Final = 1
"""Of the protocol that this command speaks."""
SHORT_S: Final = 10.0
"""Time for verbs that the server answers at once."""
LONG_S: Final = 86400.0
"""Time for a reload, which takes longer the larger its zones are; the server sends notes while it works."""
SILENCE_S: Final = 60.0
"""Time for a server that sends no note at all; one that is at work sends a note every second."""
_RETRY_S: Final = 0.05
_PART: Final = 1 << 16
_LONGEST: Final = 1 << 28
"""Octets of a line, or fewer if they come in small pieces; a server sends long lists in parts."""
STOP_TIMEOUT_S: Final = 300.0

Note = Callable[[str], None]
Take = Callable[[list[Any]], None]


class NotRunningError(ApplianceError):
    """Nobody listens on the control socket, or its server ended during the call."""


class NobodyListensError(NotRunningError):
    """Nobody listens on the control socket: no server runs, or its socket is gone."""


class GivenUpError(ApplianceError):
    """Ctrl-C while the server was waited for."""


class LateError(ApplianceError):
    """The server has not answered in time."""


def ask(
    path: Path,
    verb: str,
    *,
    limit_s: float = 0.0,
    say: Note | None = None,
    take: Take | None = None,
    **arguments: Any,
) -> Any:
    """Return the server's result. Raises NotRunningError, or ApplianceError with what the server or the kernel says.

    `limit_s` is for the whole call; 0 stands for the time that suits the verb. `say` gets the notes of the server,
    `take` each part of a long list, which is not in the result then.
    """
    whole = limit_s or (LONG_S if verb in BY_NAME and BY_NAME[verb].slow else SHORT_S)
    deadline = time.monotonic() + whole
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as line:
        call = Call(path, verb, line, deadline, whole, say, take)
        return result_of(call, {"verb": verb, "version": VERSION, "notes": say is not None, "begin": True, **arguments})


def result_of(call: "Call", request: dict[str, Any]) -> Any:
    """Return the result of a call. Raises the errors of ask()."""
    try:
        call.connect()
        answer = call.converse(request)
    except KeyboardInterrupt:
        if call.verb in READING:
            raise
        raise GivenUpError(f"given up: {call.give_up()}") from None
    except (ConnectionResetError, BrokenPipeError):  # as when a child of a killed server had the socket longer
        raise call.ended() from None
    except OSError as error:
        raise ApplianceError(f"the server on {call.path} does not answer: {error}") from error
    if not answer["ok"]:
        raise ApplianceError(answer["error"])
    return answer["result"]


class Call:
    """One request under a deadline."""

    begun = False
    """Whether the server has begun what was asked for: it is not stopped half-way."""

    def __init__(
        self,
        path: Path,
        verb: str,
        line: socket.socket,
        deadline: float,
        whole: float,
        say: Note | None,
        take: Take | None = None,
    ) -> None:
        self.path = path
        self.verb = verb
        self.line = line
        self.deadline = deadline
        self._whole = whole
        self.say = say
        self._take = take
        self._kept: list[bytes] = []
        line.setblocking(False)

    def connect(self) -> None:
        """Connect; a server whose queue is full is waited for."""
        told = False
        while True:
            try:
                return self.line.connect(str(self.path))
            except BlockingIOError:
                if self.say and not told:
                    self.say("many others are waiting for the server too")
                told = True
                if time.monotonic() > self.deadline:
                    raise self.late("it has not taken the connection") from None
                time.sleep(_RETRY_S)
            except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
                raise NobodyListensError(f"no server listens on {self.path}; start it with `appliance serve`") from None
            except PermissionError as error:
                raise ApplianceError(f"no right to use {self.path}: {who_may(self.path, error)}") from error
            except (OSError, ValueError) as error:
                why = why_not_read(self.path, error)
                raise ApplianceError(f"cannot reach the server on {self.path}: {why}") from error

    def converse(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer to it."""
        self._send(json.dumps(request).encode() + b"\n")
        parts: list[Any] = []
        for said in self.messages():
            if "note" in said:
                if self.say:
                    self.say(said["note"])
            elif "part" in said:
                (self._take or parts.extend)(said["part"])
                self.deadline = time.monotonic() + self._whole  # a long list that keeps coming is no silence
            else:
                if (key := said.get("parts_are")) and self._take is None:
                    said["result"][key] = parts
                return said
        raise self.ended()

    def ended(self) -> NotRunningError:
        """Return the error about a server that went before it answered."""
        return NotRunningError(f"the server on {self.path} ended before it answered; its log may say why")

    def _send(self, octets: bytes) -> None:
        view = memoryview(octets)
        while view:
            try:
                view = view[self.line.send(view) :]
            except BlockingIOError:
                self._wait(select.POLLOUT)

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of the server; the line that says that it begins is noted and not yielded."""
        while True:
            octets = self.received()
            if not octets:
                return
            yield from self._taken(octets)

    def received(self) -> bytes:
        """Return the octets that come next, none at the end."""
        self._wait(select.POLLIN)
        return self.line.recv(_PART)

    def _taken(self, octets: bytes) -> Iterator[dict[str, Any]]:
        *lines, rest = octets.split(b"\n")
        for text in lines:
            said = self._understood(b"".join([*self._kept, text]))
            self._kept.clear()
            if "begun" in said:
                self.begun = True
            else:
                yield said
        self._kept.append(rest)
        if len(self._kept) > _LONGEST // _PART:
            raise self._strange()

    def _understood(self, text: bytes) -> dict[str, Any]:
        """Return one line as what it says. Raises ApplianceError when another program than a server wrote it."""
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            raise self._strange() from None
        known = isinstance(said, dict) and (
            {"note", "part", "begun", "results"} & said.keys()
            or ("error" if said.get("ok") is False else "result") in said
        )
        if not known:
            raise self._strange()
        return dict(said)

    def _strange(self) -> ApplianceError:
        pid = self._peer()
        who = f"process {pid}, which listens on {self.path}," if pid else f"what listens on {self.path}"
        return ApplianceError(f"{who} is no server of this program: set [server] control_socket and read_socket")

    def give_up(self) -> str:
        """Shut this end down so that the server does not begin the request, and return in words whether it has begun.

        Once this end is shut down it cannot tell any more that it begins, and so does not; what it told before is read.
        """
        with contextlib.suppress(OSError, ValueError):
            self.line.shutdown(socket.SHUT_RDWR)
            while octets := self.line.recv(_PART):
                for _ in self._taken(octets):
                    pass
        if self.begun:
            return f"`{self.verb}` has begun and goes on; `appliance status` says what comes of it"
        return f"`{self.verb}` had not begun, and will not be done"

    def _wait(self, events: int) -> None:
        left = min(self.deadline - time.monotonic(), SILENCE_S if self.say else self._whole)
        poll = select.poll()
        poll.register(self.line, events)
        if left <= 0 or not poll.poll(left * 1000):
            raise self.late("it has taken the request and has not answered")

    def late(self, how_far: str) -> LateError:
        """Return the error that says what was waited for, how long, and what mends it."""
        pid = self._peer()
        limit = min(self._whole, SILENCE_S) if self.say else self._whole
        who = f"the server on {self.path}" + (f" (process {pid})" if pid else "")
        outcome = "" if self.verb in READING else f"{self.give_up()}; "
        return LateError(f"{who} has not answered `{self.verb}` within {limit:g} s: {how_far}; {outcome}{_mend(pid)}")

    def _peer(self) -> int:
        """Return the process that listens, 0 if there is no telling."""
        with contextlib.suppress(OSError):
            credentials = self.line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
            return int(struct.unpack("iII", credentials)[0])
        return 0


def _mend(pid: int) -> str:
    state = ""
    with contextlib.suppress(OSError, IndexError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    if state == "T":
        return f"it was stopped (SIGSTOP): `kill -CONT {pid}` lets it go on"
    if state == "t":
        return "a debugger has stopped it: leave that"
    if state == "D":
        return "it waits for a disk: look at `dmesg`"
    return "wait and ask again with a longer --timeout; if it stays so, its log may say why, and a restart mends it"


def leave(path: Path, verb: str, **arguments: Any) -> None:
    """Leave a request with a server that does not answer: it does it when it goes on, and nobody waits for that."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as line:
        line.setblocking(False)
        line.connect(str(path))
        line.send(json.dumps({"verb": verb, "version": VERSION, "leave": True, **arguments}).encode() + b"\n")


def stop(path: Path, *, limit_s: float = 0.0) -> Any:
    """Stop the server and return its answer when its process has ended. Raises the errors of ask()."""
    result = ask(path, "stop", limit_s=limit_s and min(limit_s, SHORT_S))
    limit_s = limit_s or STOP_TIMEOUT_S
    with contextlib.suppress(ProcessLookupError):
        ended = os.pidfd_open(result["pid"])
        try:
            if not select.select([ended], [], [], limit_s)[0]:
                raise LateError(
                    f"process {result['pid']} is told to stop and has not ended within {limit_s:g} s: its log says "
                    f"what it still does; `kill -9 {result['pid']}` ends it without saving"
                )
        except KeyboardInterrupt:
            raise GivenUpError(
                f"given up waiting: process {result['pid']} is told to stop, and ends without being waited for"
            ) from None
        finally:
            os.close(ended)
    return result
