# SPDX-License-Identifier: GPL-3.0-or-later
"""The control channel over TLS 1.3: for clients with a certificate that the configuration lists, each with its role.

It follows the configuration that runs and the files of its certificates. What keeps it from listening is told and tried
again: no server stops serving for it.
"""

import asyncio
import contextlib
import hashlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from appliance import crash
from appliance.config.schema import Config, ControlClient
from appliance.control.bulk import Streaming
from appliance.control.channel import BACKLOG, LINE_OCTETS, LOOK_S, Channel, Client, Verb, Waiting
from appliance.control.tls_files import server_context, stamp
from appliance.control.turns import Turns
from appliance.errors import ApplianceError, StateError

HANDSHAKE_S: Final = 5.0
HANDSHAKES: Final = 32
"""Clients in their handshake at a time; when one more comes, the one that began first loses its place."""
_SHUTDOWN_S: Final = 1.0

Served = Mapping[str, Verb | Waiting | Streaming]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Certified:
    """Who is at the other end: the certificate's name in the configuration, and the address."""

    name: str
    digest: str
    where: str

    async def described(self) -> str:
        """Return who it is."""
        return f"client {self.name} at {self.where}"


class TlsChannel(Channel):
    """Serves verbs to clients that prove who they are; `config` returns the configuration that runs."""

    problem = ""
    """Why it does not listen, or goes on with older certificates; "" where all is as configured."""

    def __init__(
        self,
        config: Callable[[], Config],
        verbs: Mapping[str, Served],
        doing: Callable[[], str],
        operating: frozenset[str],
    ) -> None:
        """Serve the verbs of a client's role."""
        super().__init__(Path("control-tls"), {}, "", doing, Turns(), operating)
        self._config = config
        self._streaming = {name for name, verb in verbs["operate"].items() if isinstance(verb, Streaming)}
        self._roles = {
            role: {name: verb for name, verb in some.items() if not isinstance(verb, Streaming)}
            for role, some in verbs.items()
        }
        self._bound: tuple[str, int] | None = None
        self._following = asyncio.Lock()
        self._context: ssl.SSLContext | None = None
        self._stamp: tuple[Any, ...] = ()
        self._handshakes: dict[asyncio.Task[None], socket.socket] = {}

    @property
    def port(self) -> int:
        """The port that is listened on, 0 where there is none."""
        return int(self._listener.getsockname()[1]) if self._listener is not None else 0

    async def open(self) -> None:
        """Listen, if the configuration has an address for it; what is in the way is told, and tried again later."""
        async with self._following:  # an apply asks for it too
            await self._told(self._follow())

    async def _told(self, work: Awaitable[None]) -> None:
        """Wait for something; what is in its way is told once."""
        try:
            await work
            self.problem = ""
        except ApplianceError as error:
            if self.problem != str(error):
                _log.warning("%s", error)
            self.problem = str(error)

    async def keep_listening(self) -> None:
        """Follow the configuration, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.open()

    async def close(self) -> None:
        """Stop listening and end the conversations."""
        await self._stop_listening()
        await self.end_conversations()

    async def _follow(self) -> None:
        control = self._config().control
        wanted = (control.address, control.port) if control.address else None
        if wanted != self._bound:
            await self._stop_listening()
        if wanted is None:
            return
        await self._renew_context()
        if self._bound is None:
            self._listener = _bind(*wanted)
            self._bound = wanted
            self._accepting = asyncio.create_task(self._accept())
            _log.info("verbs are taken over TLS on %s port %d", *wanted)

    async def _stop_listening(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait((self._accepting,))
        if self._listener is not None:
            self._listener.close()
        self._accepting = self._listener = self._bound = None
        for task in list(self._handshakes):
            task.cancel()
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    async def _renew_context(self) -> None:
        """Read the certificates where they have changed; broken ones never replace those that are used."""
        folder = Path(self._config().control.folder)
        now = (folder, await asyncio.to_thread(stamp, folder))
        if now == self._stamp:
            return
        try:
            context = await asyncio.to_thread(server_context, folder)
        except StateError as error:
            use = "the control channel over TLS goes on with those that it had" if self._context else "it is not served"
            raise StateError(f"[control] over TLS: {error}; {use}") from error
        if self._context is not None:
            _log.info("the certificates in %s were read again", folder)
        self._context, self._stamp = context, now

    async def _accept_one(self) -> None:
        assert self._listener is not None
        line, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while len(self._handshakes) >= HANDSHAKES:
            oldest = next(iter(self._handshakes))
            oldest.cancel()
            await asyncio.wait((oldest,))
            await asyncio.sleep(0)  # its end is noted
        task = asyncio.get_running_loop().create_task(self._welcome(line))
        self._handshakes[task] = line
        task.add_done_callback(self._welcomed)

    def _welcomed(self, task: asyncio.Task[None]) -> None:
        line = self._handshakes.pop(task)
        if task.cancelled() or task.exception() is not None:
            line.close()
        if not task.cancelled() and (error := task.exception()) is not None:
            crash.log(error, "welcoming a control client")

    async def _welcome(self, line: socket.socket) -> None:
        """Begin the conversation with a client that has a certificate of ours which is listed."""
        loop = asyncio.get_running_loop()
        where = "an address that is gone"
        with contextlib.suppress(OSError):
            address, port, *_ = line.getpeername()
            where = f"{address} port {port}"
        await self._told(self._renew_context())
        reader = asyncio.StreamReader(limit=LINE_OCTETS)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                line,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=_SHUTDOWN_S,
            )
        except (OSError, EOFError) as error:
            line.close()
            reason = getattr(error, "reason", None) or type(error).__name__
            self._refuse(where, f"no handshake: {str(reason).lower().replace('_', ' ')}")
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        certificate = transport.get_extra_info("ssl_object").getpeercert(True) or b""
        digest = hashlib.sha256(certificate).hexdigest()
        listed = self._listed(digest)
        peer = Certified(listed.name if listed else "that is not listed", digest, where)
        client = Client(line, reader, writer, loop.time(), peer, {})
        if listed is None:
            self._refuse(f"the client at {where}", f"its certificate, {digest}, is not listed")
            with contextlib.suppress(OSError, TimeoutError):
                mend = f'add [[control_client]] with fingerprint = "{digest}" to the configuration'
                await self._send_whole(client, ApplianceError(f"this certificate is not listed: {mend}"))
            writer.close()
            return
        client.is_remote = True
        self._begin(client)

    def _parsed(self, client: Client, line: bytes) -> tuple[str, dict[str, Any]]:
        """Return the verb of a request and its arguments, if the client may ask for it now. Raises ApplianceError."""
        assert isinstance(client.peer, Certified)
        listed = self._listed(client.peer.digest)
        if listed is None:
            raise ApplianceError("this certificate is not listed any more")
        client.verbs = self._roles[listed.role]
        return super()._parsed(client, line)

    def _why_not(self, name: str) -> str:
        if name in self._streaming:
            return f"verb {name} takes lines of data: take `ssh HOST appliance {name} < FILE`"
        return f'verb {name} changes the server, and this client has the role "read"'

    def _listed(self, digest: str) -> ControlClient | None:
        return next((one for one in self._config().control_client if one.digest == digest), None)

    def _refuse(self, who: str, why: str) -> None:
        if self._asked.may_tell(asyncio.get_running_loop().time()):
            self._asked.refused("control over TLS", who, why)


def _bind(address: str, port: int) -> socket.socket:
    """Return a listening socket. Raises StateError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        why = error.strerror or str(error)
        raise StateError(f"[control] address {address} port {port} cannot be listened on: {why}") from error
    return listener
