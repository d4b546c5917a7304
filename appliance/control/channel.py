# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's end of the control socket: JSON lines, each a verb with arguments, each answered by one line."""

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from appliance.errors import ApplianceError, StateError

LINE_OCTETS: Final = 65536
IDLE_S: Final = 30.0
CLIENTS: Final = 32
MODE: Final = 0o660

Verb = Callable[[dict[str, Any]], Awaitable[Any]]

_log = logging.getLogger(__name__)


class Channel:
    """Serves verbs on a Unix socket; what clients send can fail only their own connection."""

    def __init__(self, path: Path, verbs: Mapping[str, Verb]) -> None:
        self._path = path
        self._verbs = verbs
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def open(self) -> None:
        """Listen. Raises StateError when the path cannot be used."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.is_socket():  # of a server that died: RunLock tells that none lives
                self._path.unlink()
            before = os.umask(0o777 & ~MODE)
            try:
                listener.bind(str(self._path))
            finally:
                os.umask(before)
        except OSError as error:
            listener.close()
            raise StateError(
                f"cannot make the control socket {self._path}: {error.strerror}; make its folder writable, "
                "or set [server] control_socket"
            ) from error
        self._server = await asyncio.start_unix_server(self._accept, sock=listener, limit=LINE_OCTETS)

    async def close(self) -> None:
        """Stop listening, end the conversations, remove the socket."""
        if self._server is None:
            return
        self._server.close()
        clients = list(self._clients)
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= CLIENTS:
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._converse(reader, writer))
        self._clients[task] = writer
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._clients.pop(task).close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError):  # the client went, or sent nothing for long
            await self._answer_lines(reader, writer)

    async def _answer_lines(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), IDLE_S)
            except ValueError:
                _write(writer, {"ok": False, "error": f"a line has at most {LINE_OCTETS} octets"})
                await writer.drain()
                return
            if not line:
                return
            _write(writer, await self._answer(line))
            await writer.drain()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as error:
            return {"ok": False, "error": f"not a line of JSON: {error}"}
        if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
            return {"ok": False, "error": 'a request is an object such as {"verb": "status"}'}
        verb = self._verbs.get(request.pop("verb"))
        if verb is None:
            return {"ok": False, "error": f"unknown verb; known are {', '.join(sorted(self._verbs))}"}
        try:
            return {"ok": True, "result": await verb(request)}
        except ApplianceError as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:  # noqa: BLE001 - an operator's request must not end the service
            _log.exception("a control request failed: a defect of this program, please report it")
            return {"ok": False, "error": f"internal error: {error!r}; the server's log has more"}


def _write(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    writer.write(json.dumps(answer).encode() + b"\n")
