# SPDX-License-Identifier: GPL-3.0-or-later
"""What the configuration asks of an interface, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class InterfaceSpec:
    """What is asked of one interface; no addresses means those that it has."""

    name: str
    mode: Literal["auto", "native", "generic"] = "auto"
    addresses: tuple[str, ...] = ()
    port: int = 53
    verify_checksum: Literal["auto", "on", "off"] = "auto"
