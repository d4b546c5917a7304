# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ends of a measurement: their addresses, on a veth pair and in BPF_PROG_TEST_RUN."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """Who talks to whom: addresses of client and server."""

    client_mac: bytes
    server_mac: bytes
    server: bytes
    clients: tuple[bytes, ...]


TEST_RUN = Link(b"\x02" * 6, b"\x04" * 6, bytes([10, 88, 0, 1]), (bytes([10, 88, 0, 2]),))
