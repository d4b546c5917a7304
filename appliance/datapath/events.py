# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices of the kernel that interfaces or their addresses have changed. What has changed is looked up, not read here.

So a notice that is lost, when more come than the socket holds, costs nothing: that it was lost is a notice too.
"""

from __future__ import annotations

import socket
from typing import Final

from appliance.errors import DatapathError

_GROUPS: Final = 0x1 | 0x10 | 0x100  # links, IPv4 and IPv6 addresses (rtnetlink(7))
_OCTETS: Final = 65536


class Changes:
    """A socket that becomes readable when interfaces have changed. Raises DatapathError."""

    def __init__(self, room: int = 0) -> None:
        """Listen from now on; `room` is the size of the receive buffer in octets, 0 for the machine's default."""
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
            if room:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            self._socket.bind((0, _GROUPS))
        except OSError as error:
            raise DatapathError(f"cannot listen for changes of interfaces: {error.strerror}") from error
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor, to wait for."""
        return self._socket.fileno()

    def drain(self) -> bool:
        """Read all notices; return whether there was any, lost ones included."""
        seen = False
        while True:
            try:
                self._socket.recv(_OCTETS, socket.MSG_TRUNC)
            except BlockingIOError:
                return seen
            except OSError:  # ENOBUFS: some were lost
                pass
            seen = True

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()
