# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of a client: what shares a limit, since its owner has all addresses in it."""

import socket
from typing import Final

_PREFIX4_OCTETS: Final = 3  # /24
_PREFIX6_OCTETS: Final = 7  # /56


def client_prefix(address: str) -> bytes:
    """Return the network of a client that shares a limit: /24 for IPv4, /56 for IPv6."""
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:_PREFIX6_OCTETS]
    return socket.inet_aton(address)[:_PREFIX4_OCTETS]
