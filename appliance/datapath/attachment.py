# SPDX-License-Identifier: GPL-3.0-or-later
"""One interface and the program on it: which mode it gets, what stands in the way, whether it is still so later."""

from __future__ import annotations

from appliance.datapath import links, offloads
from appliance.datapath.links import Link, Mode
from appliance.datapath.offloads import Judgement
from appliance.datapath.specs import InterfaceSpec
from appliance.errors import DatapathError


def verifies(spec: InterfaceSpec, link: Link) -> bool:
    """Return whether the program is to verify the checksums of what comes from an interface."""
    return spec.verify_checksum == "on" or (spec.verify_checksum == "auto" and link.delivers_whole_checksums)


def attach(spec: InterfaceSpec, link: Link, fd: int, former: int | None) -> tuple[Mode, str]:
    """Attach a program (descriptor) in the best mode that the interface may have; return it and why it is no better.

    The program that `link` shows is replaced, in one message where the mode stays; `former` is its descriptor, None
    if it cannot be opened. Raises DatapathError, leaving on the interface what was there.
    """
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
            _attach_in(link, fd, mode, former)
        except DatapathError as error:
            hint = offloads.why_refused(link, on) if mode == "native" else ""
            reasons.append(f"{error}; {hint}" if hint else str(error))
            continue
        return mode, "; ".join(reasons)
    raise DatapathError("; ".join(reasons))


def _attach_in(link: Link, fd: int, mode: Mode, former: int | None) -> None:
    """Attach in one mode; a program in the other mode has to leave first, and comes back when that was in vain."""
    if not link.program or link.mode is None or link.mode == mode:
        links.attach(link, fd, mode, former, if_none=not link.program)
        return
    links.detach(link, link.mode, former)
    try:
        links.attach(link, fd, mode, if_none=True)
    except DatapathError:
        if former is not None:
            links.attach(link, former, link.mode, if_none=True)
        raise


def judged(link: Link) -> Judgement:
    """Return what keeps queries from the program on an interface as it is now, and what could be better."""
    if link.mode is None:
        return Judgement()
    on, unknown = _features(link.name)
    found = offloads.judge(link, link.mode, on)
    return Judgement(found.refusal, found.remarks + unknown)


def _features(name: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the features that are on, and why they are not known: no reason not to serve."""
    try:
        return offloads.features(name), ()
    except DatapathError as error:
        return frozenset(), (str(error),)
