# SPDX-License-Identifier: GPL-3.0-or-later
"""One interface and the program on it: which mode it gets, what stands in the way, whether it is still so later."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from appliance.datapath import links, offloads
from appliance.datapath.links import Link, Mode
from appliance.datapath.offloads import Judgement
from appliance.datapath.syscall import open_pin
from appliance.errors import DatapathError


@dataclass(frozen=True, slots=True)
class InterfaceSpec:
    """What is asked of one interface; no addresses means those that it has."""

    name: str
    mode: Literal["auto", "native", "generic"] = "auto"
    addresses: tuple[str, ...] = ()
    port: int = 53
    verify_checksum: Literal["auto", "on", "off"] = "auto"


@dataclass(frozen=True, slots=True)
class Interface:
    """What one interface got."""

    name: str
    mode: Mode | None
    addresses: tuple[str, ...]
    verify_checksum: bool
    reason: str = ""


def verifies(spec: InterfaceSpec, link: Link) -> bool:
    """Tell whether the program is to verify the checksums of what comes from an interface."""
    return spec.verify_checksum == "on" or (spec.verify_checksum == "auto" and link.delivers_whole_checksums)


def attach(spec: InterfaceSpec, fd: int, ours: Mapping[int, Path]) -> Interface:
    """Attach a program (descriptor) in the best mode that the interface may have, replacing one of `ours` (pins by id).

    Raises DatapathError, leaving on the interface what was there.
    """
    link = links.read(spec.name)
    if link.program and link.program not in ours:
        raise DatapathError(
            f"{spec.name} runs another XDP program (id {link.program}); "
            f"take it off with `ip link set dev {spec.name} xdp off`"
        )
    wanted: tuple[Mode, ...] = ("native", "generic") if spec.mode == "auto" else (spec.mode,)
    on, _ = _features(spec.name)
    reasons = []
    for mode in wanted:
        # Who answers there already goes on answering; the refusal is then a problem that status shows.
        refusal = "" if link.program and link.mode == mode else offloads.judge(link, mode, on).refusal
        if refusal:
            reasons.append(refusal)
            continue
        try:
            _attach_in(link, fd, mode, ours)
        except DatapathError as error:
            hint = offloads.why_refused(link, on) if mode == "native" else ""
            reasons.append(f"{error}; {hint}" if hint else str(error))
            continue
        return Interface(spec.name, mode, spec.addresses, verifies(spec, link), "; ".join(reasons))
    raise DatapathError("; ".join(reasons))


def _attach_in(link: Link, fd: int, mode: Mode, ours: Mapping[int, Path]) -> None:
    """Attach in one mode; a program in the other mode has to leave first, and comes back when that was in vain."""
    if not link.program or link.mode is None or link.mode == mode:
        links.attach(link, fd, mode)
        return
    former = open_pin(ours[link.program])
    try:
        links.detach(link, link.mode)
        try:
            links.attach(link, fd, mode)
        except DatapathError:
            links.attach(link, former, link.mode)
            raise
    finally:
        os.close(former)


def condition(interface: Interface, ours: Collection[int], answers_for: Callable[[int], bytes]) -> Judgement:
    """Look at an interface that one of our programs (ids) was attached to.

    `answers_for` is the MAC address that the program was told, by ifindex.
    """
    try:
        link = links.read(interface.name)
        if link.program not in ours or link.mode is None:
            return Judgement(f"{link.name} does not run the XDP program any more; restart the server to put it back")
        if link.mac != answers_for(link.index):
            return Judgement(f"the MAC address of {link.name} has changed, queries go to userspace; restart the server")
    except DatapathError as error:
        return Judgement(str(error))
    on, unknown = _features(link.name)
    judged = offloads.judge(link, link.mode, on)
    return Judgement(judged.refusal, judged.remarks + unknown)


def _features(name: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the features that are on, and why they are not known: no reason not to serve."""
    try:
        return offloads.features(name), ()
    except DatapathError as error:
        return frozenset(), (str(error),)
