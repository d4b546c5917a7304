# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's end of a control socket: JSON lines, each a verb with arguments, each answered by one line.

A request with "notes": true gets lines with "note" before its answer, while it waits or works; a Listing comes in lines
with "part" before it. A request with "begin": true gets a line with "begun" when its work begins. Work that has not
begun when the client goes is not done. A client that shuts its line down and finds no "begun" on it knows that.
The lines that follow a request of a Streaming verb are its data (`bulk`).
"""

import asyncio
import contextlib
import json
import logging
import os
import select
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from appliance import __version__, crash
from appliance.control.bulk import Bulk, Streaming
from appliance.control.peers import ASKING, Asked, Described, in_words, peer_of
from appliance.control.sockets import bind_for
from appliance.errors import ApplianceError, StateError

VERSION: Final = 1
"""Of the protocol; docs/control.md describes it."""
LINE_OCTETS: Final = 65536
IDLE_S: Final = 30.0
"""Time that a client may take for a line, or to read what it was sent."""
CLIENTS: Final = 256
"""Conversations at a time, each with at most two lines in memory; further clients wait in the kernel's queue."""
BACKLOG: Final = 1024
NOTE_S: Final = 1.0
LOOK_S: Final = 5.0
"""After which a socket that was removed is made again."""

_log = logging.getLogger(__name__)

_TURN_S: Final = 0.01
"""Longest turn of a request; one that takes longer waits for something, and does so without its turn."""
_BEGUN: Final = b'{"begun": true}\n'

Verb = Callable[[dict[str, Any]], Awaitable[Any]]
Begin = Callable[[], bool]
"""Called just before the work of a verb; where it returns False the work must be left undone."""


def check_begun(name: str, begin: Begin) -> None:
    """Begin what a client asked for. Raises StateError where nobody waits for it any more; nothing is done then."""
    if not begin():
        raise StateError(f"{name} was not begun: nobody waits for it any more")


WaitingVerb = Callable[[dict[str, Any], Begin], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A verb that has to wait before it begins, and asks then whether its client still does."""

    work: WaitingVerb


@dataclass(frozen=True, slots=True)
class Listing:
    """A result with one long list, which is sent in parts, so that no client has more than one in memory here."""

    result: dict[str, Any]
    key: str
    parts: Iterable[list[Any]]
    in_thread: bool = False
    """Whether the parts may wait for something, so that a thread makes them; it takes no turn for that."""


@dataclass(slots=True, eq=False)
class Client:
    """One conversation; `since` is from when on its client is owed nothing, None while it is owed an answer."""

    line: socket.socket
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    since: float | None
    peer: Described
    verbs: Mapping[str, Verb | Waiting | Streaming]
    """What it may ask for."""
    is_remote: bool = False
    """Whether the line is encrypted, so that nothing can be put on it past the writer."""
    bulk: Bulk | None = None
    """The data that it sends, while a verb takes them."""

    @property
    def idle_since(self) -> float | None:
        """From when on it is the client who keeps others waiting; None while it waits itself."""
        return self.since if self.bulk is None or self.since is not None else self.bulk.waiting_since

    def begin(self, *, told: bool) -> bool:
        """Return whether the client still waits for what is about to begin; tell it where it asked for that.

        The kernel takes the line in one step with looking whether the client has shut its own end down.
        """
        if self.is_remote:
            if told:
                self.writer.write(_BEGUN)
            return not self.writer.is_closing()
        try:
            if told:
                ready = not self.writer.transport.get_write_buffer_size()
                return ready and self.line.send(_BEGUN, socket.MSG_DONTWAIT) == len(_BEGUN)
            poll = select.poll()
            poll.register(self.line, 0)
            return not poll.poll(0)
        except (OSError, ValueError):  # it went, does not read, or lost its place
            return False


def _at_once() -> bool:
    return True


class Channel:
    """Serves verbs on a Unix socket; what clients send can fail only their own connection."""

    def __init__(
        self,
        path: Path,
        verbs: Mapping[str, Verb | Waiting | Streaming],
        group: str = "",
        doing: Callable[[], str] = lambda: "",
        turns: AbstractAsyncContextManager[None] | None = None,
        operating: Collection[str] = (),
    ) -> None:
        """Serve the owner and the members of `group`; `doing` returns in words what keeps the server busy.

        Requests take `turns` where there are any. The log tells who asks for `operating` verbs, served here or not.
        """
        self.path = path
        self._verbs = verbs
        self._group = group
        self._doing = doing
        self._operating = operating
        self._asked = Asked()
        self._turns = turns if turns is not None else contextlib.nullcontext()
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._clients: dict[asyncio.Task[None], Client] = {}
        self._work: set[asyncio.Future[Any]] = set()
        self._room = asyncio.Event()
        self._crowded = False
        """Whether a client may be waiting for a place."""

    async def open(self) -> None:
        """Listen. Raises StateError when the path cannot be used."""
        self._listener = bind_for(self.path, self._group, BACKLOG)
        self._accepting = asyncio.create_task(self._accept())

    async def close(self) -> None:
        """Stop listening, end the conversations, remove the socket."""
        if self._listener is None or self._accepting is None:
            return
        self._accepting.cancel()
        await asyncio.wait((self._accepting,))
        self._listener.close()
        await self.end_conversations()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    async def keep_listening(self) -> None:
        """Make the socket again whenever somebody has removed it, until cancelled: who cleans a folder ends no server.

        What lies there in its place is left alone.
        """
        told = ""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._accepting is None or self._is_there():
                continue
            try:
                listener = bind_for(self.path, self._group, BACKLOG)
            except StateError as error:
                if told != str(error):
                    told = str(error)
                    _log.warning("%s was removed: %s", self.path, error)
                continue
            self._accepting.cancel()
            await asyncio.wait((self._accepting,))
            if self._listener is not None:
                self._listener.close()
            self._listener = listener
            self._accepting = asyncio.create_task(self._accept())
            _log.warning("%s was removed by somebody, and made again", self.path)

    def _is_there(self) -> bool:
        """Return whether something lies at the path of the socket."""
        return os.path.lexists(self.path)

    async def end_conversations(self) -> None:
        """End all conversations; new clients are still heard."""
        clients = list(self._clients)
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    async def _accept(self) -> None:
        while True:
            await self._until_room()
            try:
                await self._accept_one()
            except OSError as error:  # no descriptors are left, or the client went
                _log.warning("a control client cannot be heard: %s", error.strerror)
                await asyncio.sleep(NOTE_S)

    async def _accept_one(self) -> None:
        assert self._listener is not None
        loop = asyncio.get_running_loop()
        line, _ = await loop.sock_accept(self._listener)
        reader, writer = await asyncio.open_unix_connection(sock=line, limit=LINE_OCTETS)
        self._begin(Client(line, reader, writer, loop.time(), peer_of(line), self._verbs))

    def _begin(self, client: Client) -> None:
        """Begin a conversation."""
        task = asyncio.get_running_loop().create_task(self._converse(client))
        self._clients[task] = client
        task.add_done_callback(self._end)

    async def _until_room(self) -> None:
        """Wait until there is room for a conversation; one whose client says nothing, or has had an answer, makes room.

        test_silent_clients_keep_nobody_out fills all of it with silent ones, and with ones that ask without end.
        """
        self._crowded = len(self._clients) >= CLIENTS
        while len(self._clients) >= CLIENTS:
            idle = [(client.idle_since, number, task) for number, (task, client) in enumerate(self._clients.items())]
            silent = [(since, number, task) for since, number, task in idle if since is not None]
            if silent:
                task = min(silent)[2]
                task.cancel()
                await asyncio.wait((task,))
                await asyncio.sleep(0)  # its end is noted
                continue
            self._room.clear()
            await self._room.wait()
        self._crowded = False

    def _end(self, task: asyncio.Task[None]) -> None:
        writer = self._clients.pop(task).writer
        if writer.transport.get_write_buffer_size():
            writer.transport.abort()  # of a client that does not read
        else:
            writer.close()
        self._room.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            crash.log(error, "talking to a control client")

    async def _converse(self, client: Client) -> None:
        with contextlib.suppress(OSError, TimeoutError):  # the client went, or did nothing for long
            while True:
                try:
                    line = await asyncio.wait_for(client.reader.readline(), IDLE_S)
                except ValueError:
                    await self._send_whole(client, ApplianceError(f"a line has at most {LINE_OCTETS} octets"))
                    return
                if not line:
                    return
                client.since = None
                goes_on = await self._answer(client, line)
                self._owe_nothing(client)
                if self._crowded or not goes_on:
                    return

    def _owe_nothing(self, client: Client) -> None:
        """Note that a client waits for nothing, so that its place may be given away when all are taken."""
        client.since = asyncio.get_running_loop().time()
        self._room.set()

    async def _answer(self, client: Client, line: bytes) -> bool:
        """Answer a request; return whether another one can follow it."""
        async with self._turns:
            try:
                name, request = self._parsed(client, line)
            except ApplianceError as error:
                refused: ApplianceError | None = error
            else:
                refused = None
                notes = request.pop("notes", False) is True
                begin: Begin = partial(client.begin, told=request.pop("begin", False) is True)
                if request.pop("leave", False) is True:  # to be done also where the client has gone
                    begin = _at_once
                work = asyncio.ensure_future(self._result(client, name, request, begin))
                self._work.add(work)
                work.add_done_callback(self._work.discard)
                await asyncio.wait((work,), timeout=_TURN_S)
        if refused is not None:
            await self._tell_refused(client, str(refused))
            await self._send_whole(client, refused)
            return True
        try:
            if notes:
                await self._send_notes(client, work)
            await self._send_whole(client, await asyncio.shield(work))
        finally:
            bulk, client.bulk = client.bulk, None
            if bulk is not None:
                bulk.end("the client has gone")
        return bulk is None or bulk.is_through

    def _parsed(self, client: Client, line: bytes) -> tuple[str, dict[str, Any]]:
        """Return the verb of a request and its arguments. Raises ApplianceError."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ApplianceError(f"not a line of JSON: {error}") from error
        if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
            raise ApplianceError('a request is an object such as {"verb": "status"}')
        name = request.pop("verb")
        version = request.pop("version", VERSION)
        if version != VERSION or isinstance(version, bool):
            raise ApplianceError(
                f"version {str(version)[:20]} of the protocol is not known: this server speaks version {VERSION}; ask "
                f"with the command `appliance` of its release ({__version__}), or as its docs/control.md says"
            )
        if name in self._operating and name not in client.verbs:
            raise ApplianceError(self._why_not(name))
        if name not in client.verbs:
            raise ApplianceError(f"unknown verb; known are {', '.join(sorted(client.verbs))}")
        return name, request

    def _why_not(self, name: str) -> str:
        """Return why a verb that changes the server is not taken here."""
        return f"verb {name} changes the server: ask for it on the control socket, not on {self.path.name}"

    async def _send_notes(self, client: Client, work: asyncio.Future[Any]) -> None:
        """Send what the server does, every second until the work is done; a client that goes does not stop the work."""
        while not (await asyncio.wait((work,), timeout=NOTE_S))[0]:
            await self._send(client, {"note": self._doing()})

    async def _result(self, client: Client, name: str, request: dict[str, Any], begin: Begin) -> Any:
        operating = name in self._operating
        if not operating and not self._asked.tells_all:
            return await self._done(client, name, request, begin)
        who = await client.peer.described()
        what = in_words(name, request)
        (self._asked.begun if operating else self._asked.looked)(what, who)
        ASKING.set(who)  # in the context of this task alone
        answer = await self._done(client, name, request, begin)
        if isinstance(answer, ApplianceError):
            self._asked.failed(what, who, str(answer))
        return answer

    async def _done(self, client: Client, name: str, request: dict[str, Any], begin: Begin) -> Any:
        """Return the result of a verb, or the error that it ends with."""
        verb = client.verbs[name]
        try:
            if isinstance(verb, Streaming):
                client.bulk = Bulk(client.reader, partial(self._send, client), begin, self._room.set, IDLE_S)
                return await verb.work(request, client.bulk)
            if isinstance(verb, Waiting):
                return await verb.work(request, begin)
            check_begun(name, begin)
            return await verb(request)
        except ApplianceError as error:
            return error
        except Exception as error:  # noqa: BLE001 - an operator's request must not end the service
            said = crash.sentence(error, f"answering the verb {name}")
            _log.error("%s", said)
            return ApplianceError(said)

    async def _tell_refused(self, client: Client, why: str) -> None:
        """Log who asked for what cannot be asked; one who does so without end fills no disk."""
        if self._asked.may_tell(asyncio.get_running_loop().time()):
            self._asked.refused(self.path.name, await client.peer.described(), why.partition(";")[0])

    async def _send_whole(self, client: Client, answer: Any) -> None:
        if isinstance(answer, ApplianceError):
            await self._send(client, {"version": VERSION, "ok": False, "error": str(answer)})
        elif isinstance(answer, Listing):
            parts = iter(answer.parts)
            while True:
                made = await asyncio.to_thread(next, parts, None) if answer.in_thread else None
                async with self._turns:
                    part = made if answer.in_thread else next(parts, None)
                    if part is not None:
                        self._write(client, {"part": part})
                if part is None:
                    break
                await self._drain(client)
            await self._send(client, {"version": VERSION, "ok": True, "parts_are": answer.key, "result": answer.result})
        else:
            await self._send(client, {"version": VERSION, "ok": True, "result": answer})

    async def _send(self, client: Client, message: dict[str, Any]) -> None:
        """Send one line; a client that does not read the line may lose its place, and loses it after IDLE_S."""
        self._write(client, message)
        await self._drain(client)

    def _write(self, client: Client, message: dict[str, Any]) -> None:
        client.writer.write(json.dumps(message).encode() + b"\n")

    async def _drain(self, client: Client) -> None:
        self._owe_nothing(client)
        await asyncio.wait_for(client.writer.drain(), IDLE_S)
        client.since = None
