# SPDX-License-Identifier: GPL-3.0-or-later
"""A call to a server over TLS 1.3, by a client that has a certificate."""

import ipaddress
import re
import select
import socket
import ssl
import time
from pathlib import Path
from typing import Any, Final

from appliance.cli.client import LONG_S, SHORT_S, VERSION, Call, NobodyListensError, Note, Take, result_of
from appliance.control.tls_files import client_context
from appliance.control.verb_table import Row
from appliance.errors import ApplianceError

PORT: Final = 8953
_PART: Final = 1 << 16
_ENDPOINT: Final = re.compile(
    r"(\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<plain>[^\0\[\]:]+))(:(?P<port>[0-9]{1,5}))?"
    r"|(?P<address>[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)"
)


def ask(
    server: str,
    certificate: Path,
    row: Row,
    *,
    limit_s: float = 0.0,
    say: Note | None = None,
    take: Take | None = None,
    **given: Any,
) -> Any:
    """Return the result of a server far away. Raises the errors of client.ask()."""
    address = endpoint(server)
    context = client_context(certificate)
    whole = limit_s or (LONG_S if row.slow else SHORT_S)
    with socket.socket(_family(address[0]), socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as line:
        call = TlsCall(Path(server), row.name, line, time.monotonic() + whole, whole, say, take)
        call.secure(address, context)
        with call:
            return result_of(
                call, {"verb": row.name, "version": VERSION, "notes": say is not None, "begin": True, **given}
            )


def endpoint(text: str) -> tuple[str, int]:
    """Return host and port of HOST, HOST:PORT, an IPv6 address or [ADDRESS]:PORT. Raises ApplianceError."""
    found = _ENDPOINT.fullmatch(text)
    host, port = (
        (found["bracketed"] or found["plain"] or found["address"], found["port"] or str(PORT)) if found else ("", "0")
    )
    if not 0 < int(port) < 65536:
        raise ApplianceError(f"{text!r} is no server: write HOST, HOST:PORT or [ADDRESS]:PORT")
    return host, int(port)


def _family(host: str) -> socket.AddressFamily:
    try:
        return socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    except ValueError:
        pass
    try:
        return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    except (OSError, UnicodeError) as error:
        raise ApplianceError(f"there is no server {host}: {getattr(error, 'strerror', None) or error}") from error


class TlsCall(Call):
    """One request over TLS."""

    def secure(self, address: tuple[str, int], context: ssl.SSLContext) -> None:
        """Speak TLS with whoever is at an address."""
        self._address = address
        self._context = context
        self._secured: ssl.SSLSocket | None = None
        self._heard = False

    def __enter__(self) -> "TlsCall":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._secured is not None:
            self._secured.close()

    def connect(self) -> None:
        """Connect, and prove who is who."""
        try:
            self.line.settimeout(max(self.deadline - time.monotonic(), 0.01))
            self.line.connect(self._address)
            self.line.setblocking(False)
            self._secured = self._context.wrap_socket(self.line, do_handshake_on_connect=False)
            self._retried(self._secured.do_handshake)
        except TimeoutError:
            raise self.late("there is no connection") from None
        except ConnectionRefusedError:
            raise NobodyListensError(f"no server listens on {self.path}: is [control] address set there?") from None
        except ssl.SSLError as error:
            raise ApplianceError(f"no TLS with {self.path}: {_reason(error)}") from error
        except OSError as error:
            raise ApplianceError(f"cannot reach the server on {self.path}: {error.strerror or error}") from error

    def _send(self, octets: bytes) -> None:
        assert self._secured is not None
        secured, view = self._secured, memoryview(octets)
        while view:
            view = view[self._retried(lambda left=view: secured.send(left)) :]

    def received(self) -> bytes:
        """Return the octets that come next, none at the end. Raises ApplianceError where the server refuses us."""
        assert self._secured is not None
        secured = self._secured
        try:
            octets = bytes(self._retried(lambda: secured.recv(_PART)))
        except (ssl.SSLEOFError, ConnectionResetError):
            octets = b""
        except ssl.SSLError as error:
            raise ApplianceError(f"the server on {self.path} refuses this certificate: {_reason(error)}") from error
        if not octets and not self._heard:
            why = "it refuses this certificate, or ends; its log says which"
            raise ApplianceError(f"the server on {self.path} ended the conversation without a word: {why}")
        self._heard = True
        return octets

    def _retried(self, work: Any) -> Any:
        while True:
            try:
                return work()
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT)

    def _wait(self, events: int) -> None:
        """Wait for the socket, which is that of the wrapped line."""
        assert self._secured is not None
        line, self.line = self.line, self._secured
        try:
            super()._wait(events)
        finally:
            self.line = line

    def give_up(self) -> str:
        """Return in words what may come of the request."""
        if self._secured is not None:
            self._secured.close()
        return f"`{self.verb}` {'has' if self.begun else 'may have'} begun and goes on then; ask for the status"

    def _peer(self) -> int:
        return 0


def _reason(error: ssl.SSLError) -> str:
    return str(getattr(error, "verify_message", None) or error.reason or error).lower().replace("_", " ")
