# SPDX-License-Identifier: GPL-3.0-or-later
"""How each interface is, since when, and how often our program had to be put back there because somebody took it off.

A program that runs on an interface that is down answers nothing: that is told as a problem, as a lost carrier is.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from appliance.datapath.links import Link

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PutBack:
    """Number of times that a program was put back on an interface since the start, and when last (time of day)."""

    times: int = 0
    last: float = 0.0


def why_silent(link: Link) -> str:
    """Return why nothing can be answered on an interface whatever runs there, with the mend; empty if nothing is."""
    if not link.up:
        return f"{link.name} is down, nothing is answered there; `ip link set dev {link.name} up`"
    if not link.carrier:
        return f"{link.name} has no carrier, nothing arrives there; look at its cable and its other end"
    return ""


@dataclass
class Conditions:
    """Kept by whoever looks at the interfaces, from the start of the server on."""

    put_back: dict[str, PutBack] = field(default_factory=dict)
    _problems: dict[str, tuple[str, float]] = field(default_factory=dict)
    _had: dict[str, tuple[Link, int]] = field(default_factory=dict)
    _silent: dict[str, str] = field(default_factory=dict)

    def since(self, name: str, problem: str, attached: float | None) -> float:
        """Return since when an interface has a problem; without one since `attached`, if that is known."""
        if not problem and attached is not None:
            self._problems.pop(name, None)
            return attached
        known = self._problems.get(name)
        if known is None or known[0] != problem:
            known = self._problems[name] = (problem, time.time())
        return known[1]

    def watch(self, link: Link) -> None:
        """Log when an interface that is to serve falls silent, and when that is over."""
        why = why_silent(link)
        if why and self._silent.get(link.name) != why:
            _log.warning("interface %s: %s", link.name, why)
        elif not why and link.name in self._silent:
            _log.info("interface %s: it is up and has a carrier again", link.name)
        if why:
            self._silent[link.name] = why
        else:
            self._silent.pop(link.name, None)

    def runs(self, link: Link, program: int) -> None:
        """Note that our program runs on an interface."""
        self._had[link.name] = (link, program)

    def taken_off(self, name: str) -> None:
        """Note that this server took its program off, or that the interface has gone."""
        self._had.pop(name, None)

    def attached(self, link: Link, program: int) -> None:
        """Note that our program was attached; where somebody had taken it off before, log a warning and count it."""
        before, had = self._had.get(link.name, (None, 0))
        self.runs(link, program)
        if before is None or (before.index, before.mac) != (link.index, link.mac) or link.program == had:
            return
        times = self.put_back.get(link.name, PutBack()).times + 1
        self.put_back[link.name] = PutBack(times, time.time())
        how = f"put program {link.program} in its place" if link.program else "took it off"
        _log.warning(
            "interface %s: the XDP program (id %d) was gone, and it was not this server that %s, as `ip link set dev "
            "%s xdp off` does; put back, time %d since the start",
            *(link.name, had, how, link.name, times),
        )
