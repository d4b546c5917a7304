# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks: the process and user at the other end of a Unix socket, as the kernel knows them, for the log."""

import asyncio
import contextlib
import json
import logging
import pwd
import socket
import struct
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Protocol

from appliance.wording import visible

REFUSED: Final = 20
"""Refused requests told in the log in PERIOD_S seconds, at most; the rest is counted."""
PERIOD_S: Final = 60.0
NAME_S: Final = 1.0
"""Time to find the name of a user."""
_NAMES: Final = ThreadPoolExecutor(1, "names of users")
"""Of its own, so that a directory that hangs holds up nothing else."""
_ASKED_NAMES: Final[dict[int, Future[str]]] = {}
_CREDENTIALS: Final = struct.Struct("iII")
_SHOWN: Final = 200

ASKING: Final[ContextVar[str]] = ContextVar("asking", default="the server itself")
"""Who asks for the verb that is at work, in words."""

_log = logging.getLogger(__name__)


class Described(Protocol):
    """Whoever asks."""

    async def described(self) -> str:
        """Return who it is, in words."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One process at the other end: its number, user and command when it connected."""

    pid: int
    uid: int
    command: str

    async def described(self) -> str:
        """Return who it is; by number only, where a directory of users that must be asked for the name hangs."""
        name = await _name_of(self.uid)
        user = f"{name} (uid {self.uid})" if name else f"uid {self.uid}"
        command = f", {self.command}" if self.command else ""
        return f"user {user}, process {self.pid}{command}"


def peer_of(line: socket.socket) -> Peer:
    """Return who has connected to a Unix socket."""
    octets = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(octets)
    command = ""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", errors="replace") as file:  # noqa: PTH123 - short
        command = visible(file.read(16).strip())
    return Peer(pid, uid, command)


async def _name_of(uid: int) -> str:
    """Return the name of a user, "" where there is none or it takes too long; nobody waits for it twice."""
    asked = _ASKED_NAMES.get(uid)
    if asked is None or (asked.done() and not asked.result()):
        asked = _ASKED_NAMES[uid] = _NAMES.submit(_user, uid)
        await asyncio.wait((asyncio.wrap_future(asked),), timeout=NAME_S)
    return asked.result() if asked.done() else ""


def _user(uid: int) -> str:
    try:
        return visible(pwd.getpwuid(uid).pw_name)
    except (KeyError, OSError):
        return ""


class Asked:
    """Log lines about what was asked, with who asked; refused requests are told up to a number."""

    def __init__(self) -> None:
        self._since = -PERIOD_S
        self._told = 0
        self._untold = 0

    def begun(self, what: str, who: str) -> None:
        """Log that something was asked for that changes the server."""
        _log.info("%s: asked for by %s", what, who)

    @property
    def tells_all(self) -> bool:
        """Whether verbs that change nothing are told too."""
        return _log.isEnabledFor(logging.DEBUG)

    def looked(self, what: str, who: str) -> None:
        """Log that something was asked for that changes nothing."""
        _log.debug("%s: asked for by %s", what, who)

    def failed(self, what: str, who: str, why: str) -> None:
        """Log that it was not done."""
        _log.warning("%s: not done for %s: %s", what, who, visible(why))

    def may_tell(self, now: float) -> bool:
        """Return whether one more refused request is told at a moment; one that is not told is counted."""
        if now - self._since >= PERIOD_S:
            if self._untold:
                _log.warning("%d more requests were refused", self._untold)
            self._since, self._told, self._untold = now, 0, 0
        self._told += 1
        self._untold += self._told > REFUSED
        return self._told <= REFUSED

    def refused(self, where: str, who: str, why: str) -> None:
        """Log that a request was refused; what was in it is not told."""
        _log.warning("%s: a request of %s was refused: %s", where, who, visible(why)[:_SHOWN])


def in_words(verb: str, request: Mapping[str, Any]) -> str:
    """Return a verb with the arguments that are given, in one line that nothing in them can break."""
    given = [
        f"{visible(name)}={json.dumps(value)}" for name, value in request.items() if value not in ("", False, None)
    ]
    text = visible(" ".join([verb, *given]))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
