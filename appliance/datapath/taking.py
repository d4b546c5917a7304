# SPDX-License-Identifier: GPL-3.0-or-later
"""Take programs off interfaces because somebody says so, with or without a running server."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.datapath.door import Detach, Door, List
from appliance.datapath.found import Found, Look
from appliance.datapath.interface_names import no_interface
from appliance.datapath.reconcile import in_the_way
from appliance.errors import DatapathError


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of one program: `gone` from its interface, or left there for a `reason`; `ok` if that is as asked.

    Of one that is gone the `reason` says why it may come back.
    """

    interface: str
    program: int
    gone: bool
    ok: bool
    reason: str = ""


def programs(door: Door, interface: str) -> list[Found]:
    """Return the interfaces that run a program, or the one that is asked for if it does. Raises DatapathError."""
    look: Look = door.ask(List(also=(interface,)))
    if interface and not any(found.link.name == interface for found in look.found):
        raise DatapathError(no_interface(interface))
    return [found for found in look.found if found.link.program and interface in ("", found.link.name)]


def take_off(door: Door, interface: str, force: bool) -> list[Taken]:
    """Take our programs off an interface or, without one, off all; with `force` any program.

    What is left alone is an error where it was named, or where a living server of ours still has it.
    """
    return [_taken(door, found, interface, force) for found in programs(door, interface)]


def _taken(door: Door, found: Found, interface: str, force: bool) -> Taken:
    name, program = found.link.name, found.link.program
    if found.whose == "foreign" and not force:
        return Taken(name, program, False, not interface, in_the_way(found))
    if found.whose == "living" and not force:
        return Taken(
            name, program, False, False, f"{_of_the_living(found)}; give its configuration with --config, or end it"
        )
    try:
        door.ask(Detach(interface=name, program=program, force=force))
    except DatapathError as error:
        return Taken(name, program, False, False, f"{name} still runs program {program}: {error}")
    if found.whose == "living":
        mend = "end that one, or give its configuration with --config"
        return Taken(name, program, True, True, f"{_of_the_living(found)}, which may put it back; {mend}")
    return Taken(name, program, True, True)


def _of_the_living(found: Found) -> str:
    where = f" ({found.run_dir})" if found.run_dir else ""
    return (
        f"the program {found.link.program} on {found.link.name} is of a server that lives, process {found.pid}{where}"
    )
