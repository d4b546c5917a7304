# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done with each interface: a function of what is wanted and of what is there, used at every occasion.

A program of ours that is not to serve answers from a store that nobody keeps: it goes. A program of a living server
or of somebody else is never touched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from appliance.datapath.found import Found
from appliance.datapath.interface_names import another_name
from appliance.datapath.specs import InterfaceSpec


@dataclass(frozen=True, slots=True)
class Wish:
    """What this server wants: `program` on each interface of `specs`, 0 for none.

    `named` are all interfaces of the configuration, `kept_off` those where the operator does not want a program.
    With `sweep` programs of ended servers go from every interface, else only from those that are named here or that
    an earlier process with the same `run_dir` had.
    """

    specs: Sequence[InterfaceSpec] = ()
    program: int = 0
    named: Collection[str] = ()
    kept_off: Collection[str] = ()
    run_dir: str = ""
    sweep: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """One interface: keep the program there, attach, replace or detach one, or leave the interface alone.

    `problem` says why it is not as wanted now, `doubtful` that this may be no concern of this server.
    """

    do: Literal["keep", "attach", "replace", "detach", "leave"]
    name: str
    found: Found | None = None
    spec: InterfaceSpec | None = None
    problem: str = ""
    doubtful: bool = False


def reconcile(wish: Wish, found: Sequence[Found], aliases: Sequence[tuple[str, str]] = ()) -> list[Action]:
    """Return what is to be done, wanted interfaces first; `aliases` are names of them by which nothing is served."""
    there = {one.link.name: one for one in found}
    specs = [spec for spec in wish.specs if wish.program and spec.name not in wish.kept_off]
    actions = [_wanted(spec, wish.program, there.get(spec.name), dict(aliases)) for spec in specs]
    wanted = {spec.name for spec in specs}
    return [*actions, *(action for one in found if one.link.name not in wanted for action in _unwanted(one, wish))]


def _wanted(spec: InterfaceSpec, program: int, found: Found | None, aliases: Mapping[str, str]) -> Action:
    name = spec.name
    if found is None and name in aliases:
        return Action("leave", name, found, spec, another_name(name, aliases[name]))
    if found is None:
        return Action("leave", name, None, spec, f"no interface {name}; it is served when it appears")
    if found.whose in ("living", "foreign"):
        return Action("leave", name, found, spec, in_the_way(found))
    if not (spec.addresses or found.link.addresses):
        problem = f"interface {name} has no address and none is configured; it is served when it gets one"
        return Action("detach" if found.link.program else "leave", name, found, spec, problem)
    if found.whose == "nobody":
        return Action("attach", name, found, spec, f"{name} does not run the XDP program")
    if found.link.program == program and found.whose == "own":
        return Action("keep", name, found, spec)
    return Action("replace", name, found, spec, f"{name} runs an old XDP program (id {found.link.program})")


def _unwanted(found: Found, wish: Wish) -> Iterator[Action]:
    name = found.link.name
    named = name in wish.named
    if found.whose == "nobody":
        if name in wish.kept_off:
            yield Action("leave", name, found)
    elif found.whose == "foreign" or (found.whose == "living" and named):
        yield Action("leave", name, found, None, in_the_way(found), doubtful=not named)
    elif found.whose == "elsewhere" and not named:
        yield Action("leave", name, found, None, _left_over(found), doubtful=True)
    elif found.whose in ("own", "elsewhere") or (found.whose == "ended" and _is_to_go(found, wish)):
        problem = f"{name} runs an old XDP program (id {found.link.program}), which is not to serve"
        yield Action("detach", name, found, None, problem)
    elif found.whose == "ended":
        problem = f"{name} runs the XDP program (id {found.link.program}) of a server that has ended"
        yield Action("leave", name, found, None, f"{problem}; `appliance detach {name}` takes it off")


def _is_to_go(found: Found, wish: Wish) -> bool:
    """Return whether the program of an ended server is taken off by this one now, not left to its next start."""
    return wish.sweep or found.link.name in wish.named or (found.run_dir != "" and found.run_dir == wish.run_dir)


def _left_over(found: Found) -> str:
    name, program = found.link.name, found.link.program
    return (
        f"{name} brought the XDP program (id {program}) of process {found.pid} along from another network namespace; "
        f"nobody keeps what it answers here, `appliance detach {name}` takes it off"
    )


def in_the_way(found: Found) -> str:
    """Return why a program that is not this server's is not touched, with the mend."""
    name, program = found.link.name, found.link.program
    if found.whose == "living":
        where = f" ({found.run_dir})" if found.run_dir else ""
        return (
            f"{name} runs the XDP program (id {program}) of another server, process {found.pid}{where}; stop that one, "
            "or take the interface out of one of the configurations"
        )
    return (
        f"{name} runs another XDP program (id {program}), which is not ours; end who put it there, or take it off with "
        f"`appliance detach --force {name}`"
    )
