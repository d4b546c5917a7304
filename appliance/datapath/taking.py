# SPDX-License-Identifier: GPL-3.0-or-later
"""Take programs off interfaces because somebody says so, with or without a running server."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.datapath.door import Detach, Door, List
from appliance.datapath.found import Look
from appliance.datapath.reconcile import in_the_way
from appliance.errors import DatapathError


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of one program: `gone` from its interface, or left there for a `reason`; `ok` if that is as asked."""

    interface: str
    program: int
    gone: bool
    ok: bool
    reason: str = ""


def take_off(door: Door, interface: str, force: bool) -> list[Taken]:
    """Take our programs off an interface or, without one, off all; with `force` any program.

    What is left alone is an error where it was named, or where a living server of ours still has it.
    """
    look: Look = door.ask(List(also=(interface,)))
    if interface and not any(found.link.name == interface for found in look.found):
        raise DatapathError(f"no interface {interface}; `ip link` lists those there are")
    told = []
    for found in look.found:
        name, program = found.link.name, found.link.program
        if not program or (interface and name != interface):
            continue
        if found.whose in ("living", "foreign") and not force:
            told.append(Taken(name, program, False, found.whose == "foreign" and not interface, in_the_way(found)))
            continue
        try:
            door.ask(Detach(interface=name, program=program, force=force))
        except DatapathError as error:
            told.append(Taken(name, program, False, False, f"{name}: {error}; this needs root or CAP_NET_ADMIN"))
        else:
            told.append(Taken(name, program, True, True))
    return told
