# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the service manager how far the server is (sd_notify(3)); without one nothing happens."""

import contextlib
import os
import socket


def notify_manager(message: str) -> None:
    """Send a message such as READY=1 to the socket that NOTIFY_SOCKET names."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    if address[0] == "@":  # abstract
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line, contextlib.suppress(OSError):
        line.sendto(message.encode(), address)
