# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, ports and prefixes as other servers write them."""

import ipaddress
from collections.abc import Iterable
from typing import Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

EVERYBODY: Final = ("0.0.0.0/0", "::/0")


def endpoint(text: str, separator: str = "@") -> tuple[str, int]:
    """Return address and port of "192.0.2.1@5353"; port 0 where none is given. Raises ValueError."""
    address, _, port = text.partition(separator)
    found = str(ipaddress.ip_address(address))
    if not port:
        return found, 0
    number = int(port)
    if not port.isdecimal() or not 0 < number < 65536:
        raise ValueError(f"{port} is no port")
    return found, number


def networks(text: str) -> list[Network]:
    """Return the prefixes that an address, a prefix, an address with a mask or a range covers. Raises ValueError."""
    if "-" in text:
        first, _, last = text.partition("-")
        start, end = ipaddress.ip_address(first), ipaddress.ip_address(last)
        if isinstance(start, ipaddress.IPv4Address) and isinstance(end, ipaddress.IPv4Address):
            return list(ipaddress.summarize_address_range(start, end))
        if isinstance(start, ipaddress.IPv6Address) and isinstance(end, ipaddress.IPv6Address):
            return list(ipaddress.summarize_address_range(start, end))
        raise ValueError(f"{text} is no range of addresses of one family")
    if "&" in text:
        address, _, mask = text.partition("&")
        return [ipaddress.ip_network(f"{address}/{mask}", strict=False)]
    return [ipaddress.ip_network(text, strict=False)]


def plain(network: Network) -> str:
    """Return a prefix as the configuration has it: an address alone without its length."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def is_everybody(prefixes: Iterable[str]) -> bool:
    """Return whether prefixes cover all addresses of both families."""
    return set(EVERYBODY) <= set(prefixes)


def overlap(first: str, second: str) -> bool:
    """Return whether two prefixes have an address in common."""
    one, other = ipaddress.ip_network(first), ipaddress.ip_network(second)
    return one.version == other.version and one.overlaps(other)
