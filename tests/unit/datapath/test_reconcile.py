# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done with an interface, for every combination of what is wanted and what is there."""

import itertools
from typing import Final, get_args

import msgspec
import pytest

from appliance.datapath.door import Attach, Detach, Drop, Grow, List, Load, Replace, Request, Tidy
from appliance.datapath.found import Found, Look, Whose
from appliance.datapath.links import Link, Mode
from appliance.datapath.reconcile import Action, Wish, reconcile
from appliance.datapath.specs import InterfaceSpec

pytestmark = pytest.mark.unit

CURRENT: Final = 7
OLD: Final = 5
MODES: Final[tuple[Mode, ...]] = ("native", "generic")


def found(
    whose: Whose, program: int = 0, addresses: tuple[str, ...] = ("192.0.2.1",), run_dir: str = "/run/a"
) -> Found:
    mode: Mode | None = "native" if program else None
    return Found(Link("eth0", 3, bytes(6), "veth", addresses, program, mode), whose, 99, run_dir)


SITUATIONS: Final = [
    None,
    found("nobody"),
    found("nobody", addresses=()),
    *(found("own", program) for program in (OLD, CURRENT)),
    *(found(whose, OLD, addresses, run_dir) for whose in ("ended", "living", "elsewhere", "foreign")
      for addresses in ((), ("::1",)) for run_dir in ("/run/a", "/run/b", "")),
]  # fmt: skip
WISHES: Final = [
    Wish(specs, program, named, kept_off, "/run/a", sweep)
    for specs, named in (((), ()), ((), ("eth0",)), ((InterfaceSpec("eth0"),), ("eth0",)))
    for program in (0, CURRENT)
    for kept_off in ((), ("eth0",))
    for sweep in (False, True)
]


@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_every_situation(wish: Wish) -> None:
    wanted = bool(wish.specs) and wish.program and not wish.kept_off
    for there in SITUATIONS:
        actions = reconcile(wish, [there] if there else [])
        assert len(actions) <= 1
        done = actions[0] if actions else Action("leave", "eth0", there)
        running = there is not None and there.link.program
        if there is not None and there.whose in ("living", "foreign"):
            assert done.do == "leave"  # never touched
            assert done.problem or (there.whose == "living" and not wish.named)
        elif wanted and there is not None and there.whose == "own" and running == CURRENT:
            assert (done.do, done.problem) == ("keep", "")
        elif wanted:
            assert done.problem
            can_serve = there is not None and bool(there.link.addresses)
            assert done.do == (("replace" if running else "attach") if can_serve else "detach" if running else "leave")
        elif there is not None and there.whose == "elsewhere" and not wish.named:
            assert done.do == "leave"  # its server is not here to look after it, and nobody asked for the interface
            assert done.problem
            assert done.doubtful
        elif running and there is not None:
            assert done.problem
            not_ours_to_judge = there.whose == "ended" and not (wish.sweep or wish.named or there.run_dir == "/run/a")
            assert done.do == ("leave" if not_ours_to_judge else "detach")
        else:
            assert (done.do, done.problem) == ("leave", "")


def test_a_living_server_is_named_and_a_stranger_too() -> None:
    wish = Wish((InterfaceSpec("eth0"),), CURRENT, ("eth0",))
    (refused,) = reconcile(wish, [found("living", OLD)])
    assert "process 99 (/run/a)" in refused.problem
    (stranger,) = reconcile(wish, [found("foreign", OLD)])
    assert "`appliance detach --force eth0`" in stranger.problem


def test_each_interface_stands_for_itself() -> None:
    names = ("eth0", "eth1", "eth2")
    wish = Wish([InterfaceSpec(name) for name in names], CURRENT, names)
    there = [found("nobody")]
    assert [(one.name, one.do) for one in reconcile(wish, there)] == [
        ("eth0", "attach"),
        ("eth1", "leave"),
        ("eth2", "leave"),
    ]


@pytest.mark.parametrize(
    "request_",
    [
        Load(bucket_bits=10, chunks=2, zones=3),
        Grow(bucket_bits=10, chunks=2, zones=3, generation="g1-2"),
        Attach(generation="g1-2", interface="eth0"),
        Replace(generation="g1-2", interface="eth0", former=5),
        Detach(interface="eth0", program=5),
        Drop(generation="g1-2"),
        Tidy(),
        List(),
    ],
    ids=lambda request: type(request).__name__,
)
def test_requests_are_plain_data(request_: Request) -> None:
    known = Load | Grow | Attach | Replace | Detach | Drop | Tidy | List
    assert msgspec.json.decode(msgspec.json.encode(request_), type=known) == request_


@pytest.mark.parametrize(("whose", "mode"), [*itertools.product(get_args(Whose), MODES)])
def test_answers_are_plain_data(whose: Whose, mode: Mode) -> None:
    one = Found(Link("eth0", 3, b"\x02abcde", "veth", ("::1",), 5, mode, ("v9",)), whose, 99, "/run/a", 1.5, "/pins")
    look = Look((one,), ("doubt",))
    assert msgspec.json.decode(msgspec.json.encode(look), type=Look) == look
