# SPDX-License-Identifier: GPL-3.0-or-later
"""What the configuration asks of an interface, as plain data."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

_ALL: Final = {4: ipaddress.ip_address("0.0.0.0"), 6: ipaddress.ip_address("::")}


@dataclass(frozen=True, slots=True)
class InterfaceSpec:
    """What is asked of one interface; no addresses means those that it has."""

    name: str
    mode: Literal["auto", "native", "generic"] = "auto"
    addresses: tuple[str, ...] = ()
    port: int = 53
    verify_checksum: Literal["auto", "on", "off"] = "auto"
    listening: tuple[str, ...] = ()
    """The addresses of the server's sockets; none stands for all."""

    def answered(self, own: Sequence[str]) -> list[str]:
        """Return the addresses that queries are answered at, while the interface has its `own`.

        Another program may serve an address that the server does not listen on: those are left to it. Test:
        test_addresses_of_others_are_left_alone.
        """
        addresses = [*(self.addresses or own)]
        if not self.listening:
            return addresses
        sockets = {ipaddress.ip_address(text) for text in self.listening}
        return [text for text in addresses if not sockets.isdisjoint(_sockets_of(text))]


def _sockets_of(text: str) -> tuple[object, object]:
    address = ipaddress.ip_address(text)
    return address, _ALL[address.version]
